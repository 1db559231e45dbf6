/* world.c — the machine: building it, keeping it, putting it back (world.h). Everything outside RUNNER_STATE, the
 * oracle's notes too, is put back for each run. */

#include "world_internal.h"

#include <neomem/early.h>
#include <neomem/panic.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Bounds of the program's writable data, by the linker. */
extern unsigned char __data_start[], _end[];
extern unsigned char __start_runner_state[], __stop_runner_state[];

struct world world;

static struct {
    unsigned char *arena;
    unsigned char *saved[2]; /* world_save, world_checkpoint */
    uint64_t saved_capacity[2];
    uint16_t metadata[WORLD_FRAMES]; /* frames */
    unsigned metadata_count[2];      /* of metadata[], those that each copy covers */
    char panic_text[512];
    void (*on_panic)(void);
    void (*on_enter)(void);
    bool is_judging;
    jmp_buf judge;
} keeper RUNNER_STATE;

void world_broken(const char *what)
{
    (void)fprintf(stderr, "ilv: the machine cannot be built: %s\n", what);
    exit(2);
}

/* ---- panics ------------------------------------------------------------------------------------------------ */

void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(keeper.panic_text, sizeof(keeper.panic_text), format, arguments);
    va_end(arguments);
    if (schedule_thread() != THREAD_NONE) {
        schedule_panicked();
    }
    if (keeper.is_judging) {
        _longjmp(keeper.judge, 1);
    }
    if (keeper.on_panic != NULL) {
        keeper.on_panic();
    }
    world_broken(keeper.panic_text);
}

bool world_judges(void (*judge)(bool thorough), bool thorough)
{
    bool was_quiet = false;
    keeper.is_judging = true;
    if (_setjmp(keeper.judge) == 0) {
        judge(thorough);
        was_quiet = true;
    }
    keeper.is_judging = false;
    return was_quiet;
}

void world_on_panic(void (*handler)(void))
{
    keeper.on_panic = handler;
}

void panic_with_context(const struct panic_context *context, const char *format, ...)
{
    (void)context;
    panic("%s", format);
}

void world_on_enter(void (*hook)(void))
{
    keeper.on_enter = hook;
}

void world_enter(void)
{
    if (keeper.on_enter != NULL) {
        keeper.on_enter();
    }
}

const char *world_panic_text(void)
{
    return keeper.panic_text;
}

/* ---- building ----------------------------------------------------------------------------------------------- */

static void open_arena(void)
{
    if (keeper.arena == NULL) {
        void *memory = mmap(NULL, ARENA_BYTES + PAGE_SIZE_2M, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            world_broken("no address space");
        }
        keeper.arena = (unsigned char *)align_up((uintptr_t)memory, PAGE_SIZE_2M);
    }
    early_set_hhdm((virt_addr_t)(uintptr_t)keeper.arena - WORLD_BASE);
}

static void start_frames(const struct world_shape *shape)
{
    struct limine_memmap_entry usable = {WORLD_BASE, (shape->chunks + 1) * PAGE_SIZE_2M, LIMINE_MEMMAP_USABLE};
    struct limine_memmap_entry expected = {world_pa(world.first_added * FRAMES_2M), shape->added_chunks * PAGE_SIZE_2M,
                                           LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE};
    if (early_init(&usable, 1) != NEO_OK) {
        world_broken("early_init");
    }
    enum neo_status status =
        shape->expects_added ? frames_init_expecting(&usable, 1, &expected, 1) : frames_init(&usable, 1);
    if (status != NEO_OK) {
        world_broken("frames_init");
    }
    memset(world.managed, 1, (shape->chunks + 1) * FRAMES_2M);
}

/* Later metadata must come from the last chunk: all others are in use meanwhile. */
static void start_caches(const struct world_shape *shape)
{
    for (unsigned chunk = 0; chunk < shape->chunks; chunk++) {
        world_take(OWNER_FILLER, chunk * FRAMES_2M, FRAMES_2M);
    }
    if (frames_set_cpus(shape->cpu_slots) != NEO_OK || frames_set_hardening(shape->hardening) != NEO_OK) {
        world_broken("caches or hardening");
    }
    for (unsigned chunk = 0; chunk < shape->chunks; chunk++) {
        world_free(OWNER_FILLER, world_pa(chunk * FRAMES_2M), FRAMES_2M);
    }
    frames_drain();
}

/* All but some spare frames. */
static void fill_last_chunk(const struct world_shape *shape)
{
    unsigned first = shape->chunks * FRAMES_2M;
    unsigned spare = shape->spare;
    for (unsigned frame = first; frame < first + FRAMES_2M; frame++) {
        if (frames_state(world_pa(frame)) == FRAMES_STATE_FREE) {
            if (spare > 0) {
                spare--;
            } else {
                world_take(OWNER_FILLER, frame, 1);
            }
        }
    }
}

void world_build(const struct world_shape *shape)
{
    memset(&world, 0, sizeof(world));
    world.shape = *shape;
    world.first_added = shape->chunks + 1;
    world.end = (world.first_added + shape->added_chunks) * FRAMES_2M;
    if (world.end > WORLD_FRAMES) {
        world_broken("too many chunks");
    }
    schedule_set_cpu(0);
    open_arena();
    start_frames(shape);
    start_caches(shape);
    fill_last_chunk(shape);
    struct frames_stats stats;
    frames_get_stats(&stats);
    if (stats.free != (uint64_t)shape->chunks * FRAMES_2M + shape->spare || frames_check() != NEO_OK) {
        world_broken("figures of a fresh machine");
    }
}

unsigned world_first_added(void)
{
    return world.first_added;
}

/* ---- saving ------------------------------------------------------------------------------------------------- */

/* Copies between the machine and a copy. */
static void copy(unsigned char *machine, uint64_t nbytes, unsigned char **saved, bool is_saving)
{
    memcpy(is_saving ? *saved : machine, is_saving ? machine : *saved, nbytes);
    *saved += nbytes;
}

static void copy_all(unsigned which, bool is_saving)
{
    unsigned char *at = keeper.saved[which];
    copy(__data_start, (uint64_t)(__start_runner_state - __data_start), &at, is_saving);
    copy(__stop_runner_state, (uint64_t)(_end - __stop_runner_state), &at, is_saving);
    for (unsigned i = 0; i < keeper.metadata_count[which]; i++) {
        copy(keeper.arena + keeper.metadata[i] * PAGE_SIZE, PAGE_SIZE, &at, is_saving);
    }
}

static void save(unsigned which)
{
    uint64_t needed = (uint64_t)(_end - __data_start) + keeper.metadata_count[which] * PAGE_SIZE;
    if (needed > keeper.saved_capacity[which]) {
        free(keeper.saved[which]);
        keeper.saved[which] = malloc(needed);
        keeper.saved_capacity[which] = needed;
        if (keeper.saved[which] == NULL) {
            world_broken("no memory");
        }
    }
    copy_all(which, true);
}

/* Metadata that is not among the first `known` of the list joins it. Return: how many there are then. */
static unsigned list_metadata(unsigned known)
{
    unsigned listed = known;
    for (unsigned frame = 0; frame < world.end; frame++) {
        bool is_known = false;
        for (unsigned i = 0; i < known; i++) {
            is_known = is_known || keeper.metadata[i] == frame;
        }
        if (!is_known && frames_state(world_pa(frame)) == FRAMES_STATE_METADATA) {
            keeper.metadata[listed++] = (uint16_t)frame;
        }
    }
    return listed;
}

void world_save(void)
{
    keeper.metadata_count[0] = keeper.metadata_count[1] = list_metadata(0);
    save(0);
}

void world_learn(void)
{
    keeper.metadata_count[1] = list_metadata(keeper.metadata_count[0]);
}

void world_restore(void)
{
    copy_all(0, false);
}

void world_checkpoint(void)
{
    save(1);
}

void world_rewind(void)
{
    copy_all(1, false);
}
