/* mm_fixture.c — see mm_fixture.h. */
#include "mm_fixture.h"

#include <neomem/console.h>
#include <neomem/early.h>
#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/panic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "fixture: %s\n", what);
        abort();
    }
}

static void expect_no_panic(void);

void mm_fixture_arena(const struct limine_memmap_entry *map, uint64_t count)
{
    expect_no_panic();
    hosted_set_cpu(0);
    require(hosted_arena_reset() == NEO_OK, "no arena");
    for (uint64_t i = 0; i < count; i++) {
        bool is_inside = map[i].base < HOSTED_ARENA_BYTES && map[i].length <= HOSTED_ARENA_BYTES - map[i].base;
        if (map[i].type == LIMINE_MEMMAP_USABLE && is_inside && map[i].length != 0) {
            require(hosted_arena_open(map[i].base, map[i].length) == NEO_OK, "region does not open");
        }
    }
}

void mm_fixture_frames_expecting(const struct limine_memmap_entry *map, uint64_t count,
                                 const struct limine_memmap_entry *expected, uint64_t expected_count)
{
    mm_fixture_arena(map, count);
    require(early_init(map, count) == NEO_OK, "early_init");
    require(frames_init_expecting(map, count, expected, expected_count) == NEO_OK, "frames_init_expecting");
    require(frames_hardening() == 1, "hardening level after the start");
    (void)frames_set_log(NULL);
    frames_set_direct_map_end(HOSTED_ARENA_BYTES);
    (void)frames_inject_failure(UINT64_MAX, false);
}

void mm_fixture_frames(const struct limine_memmap_entry *map, uint64_t count)
{
    mm_fixture_frames_expecting(map, count, NULL, 0);
}

void mm_fixture_one_region(uint64_t nbytes)
{
    struct limine_memmap_entry map[] = {USABLE(MIB(1), nbytes)};
    mm_fixture_frames(map, 1);
}

/* ---- panics --------------------------------------------------------------------------------------------------- */

jmp_buf mm_fixture_return;

static struct {
    char text[4096];
    size_t used;
    char last[4096]; /* of the panic before, when this one is over */
} caught;

static void keep(struct console_sink *sink, const char *text, size_t nbytes)
{
    (void)sink;
    size_t room = sizeof(caught.text) - 1 - caught.used;
    size_t taken = nbytes < room ? nbytes : room;
    memcpy(caught.text + caught.used, text, taken);
    caught.used += taken;
    caught.text[caught.used] = '\0';
}

static struct console_sink keeper = {.name = "keeper", .write = keep, .enabled = true};

static void come_back(void)
{
    longjmp(mm_fixture_return, 1);
}

static void give_up(void)
{
    (void)fprintf(stderr, "unexpected: %s\n", caught.text);
    abort();
}

static void start_catching(void (*stop)(void))
{
    const struct panic_hooks hooks = {.stop = stop};
    console_reset();
    panic_reset();
    panic_set_hooks(&hooks);
    console_add(&keeper);
    if (caught.used != 0) {
        memcpy(caught.last, caught.text, sizeof(caught.last));
    }
    memset(caught.text, 0, sizeof(caught.text));
    caught.used = 0;
}

static void expect_no_panic(void)
{
    start_catching(give_up);
}

void mm_fixture_arm(void)
{
    start_catching(come_back);
}

const char *mm_fixture_panic_text(void)
{
    return caught.used != 0 ? caught.text : caught.last;
}

bool mm_fixture_panicked_with(const char *text)
{
    bool found = strstr(caught.text, text) != NULL;
    if (!found) {
        (void)fprintf(stderr, "expected \"%s\" in: %s\n", text, caught.text);
    }
    expect_no_panic();
    return found;
}
