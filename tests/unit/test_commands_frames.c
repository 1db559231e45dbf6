/* test_commands_frames.c — `frames` on a made-up machine: the allocator's interface is played here, so that every figure, every
 * state and every failure is known; reports, pictures, records and parsing are the real ones. */
#include "commands.h"

#include <neomem/arch.h>
#include <neomem/console.h>
#include <neomem/fbtext.h>
#include <neomem/frames_pool.h>
#include <neomem/frames_report.h>
#include <neomem/io.h>
#include <neomem/memory.h>
#include <neomem/record.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture_sink.h"
#include "json_check.h"

#define CHUNKS_MAX 4096u
#define RUN 17u /* frames in the run that is measured */

static struct capture_sink text;    /* what is no screen */
static struct capture_sink screen;  /* the screen */
static struct capture_sink records; /* and the records */
static unsigned screen_columns, screen_rows;

/* ---- the allocator, played --------------------------------------------------------------------------------------- */

static struct {
    struct frames_stats stats;
    struct frames_zone_stats zones[2][FRAMES_WINDOWS];
    unsigned nodes;
    unsigned hardening;
    uint64_t runs[64];
    uint64_t longest;
    struct frames_chunk_info chunks[CHUNKS_MAX];
    size_t chunk_count;
    struct frames_owner owner;
    phys_addr_t asked;
    enum neo_status retire_status;
    bool retire_pending;
    phys_addr_t retired[100];
    size_t retired_count;
    enum neo_status check_status;
    uint64_t live;         /* frames that the measurements hold */
    uint64_t refuse_after; /* allocations */
    bool leaks;
    bool has_2m, has_lists;
    uint64_t to_fill[4]; /* runs that are left, the next one first */
    uint64_t kept_back;  /* of the first run: more than the rest of it is refused */
    bool is_endless;     /* the runs never end */
    bool is_full;        /* they have come to their end */
    unsigned huge_live;  /* 2 MiB frames handed out */
} fake;

static uint64_t cycles;
static uint64_t cycles_a_look;
static struct frames_pool pools[2];

uint64_t arch_cycles(void)
{
    return cycles += cycles_a_look;
}

uint64_t arch_tsc_hz(void)
{
    return 2000000000;
}

void fbtext_size(unsigned *columns, unsigned *rows)
{
    *columns = screen_columns;
    *rows = screen_rows;
}

void frames_get_stats(struct frames_stats *stats)
{
    *stats = fake.stats;
    stats->allocated += fake.live;
    stats->free -= fake.live;
}

unsigned frames_nodes(void)
{
    return fake.nodes;
}

void frames_get_zone_stats(unsigned node, enum frames_window window, struct frames_zone_stats *stats)
{
    if (node != UINT32_MAX) {
        assert_true(node < fake.nodes);
        *stats = fake.zones[node][window];
        return;
    }
    *stats = fake.zones[0][window];
    stats->total += fake.zones[1][window].total;
    stats->free += fake.zones[1][window].free;
    stats->free_2m += fake.zones[1][window].free_2m;
    stats->free_1g += fake.zones[1][window].free_1g;
    stats->reserve += fake.zones[1][window].reserve;
}

void frames_drain(void)
{
}

uint64_t frames_count_free_runs(uint64_t runs[64])
{
    memcpy(runs, fake.runs, sizeof(fake.runs));
    return fake.longest;
}

unsigned frames_hardening(void)
{
    return fake.hardening;
}

void frames_for_each_chunk(void (*visit)(void *context, const struct frames_chunk_info *chunk), void *context)
{
    for (size_t i = 0; i < fake.chunk_count; i++) {
        visit(context, &fake.chunks[i]);
    }
}

const char *frames_state_name(enum frames_state state)
{
    return state == FRAMES_STATE_ALLOCATED ? "in use" : state == FRAMES_STATE_FOREIGN ? "foreign" : "free";
}

void frames_query(phys_addr_t pa, struct frames_owner *owner)
{
    fake.asked = pa;
    *owner = fake.owner;
    owner->is_retiring = owner->is_retiring || pa == 0x5000;
}

enum neo_status frames_retire(phys_addr_t pa, bool *pending)
{
    fake.asked = pa;
    *pending = fake.retire_pending;
    return fake.retire_status;
}

phys_addr_t frames_retired_at(uint64_t index)
{
    return index < fake.retired_count ? fake.retired[index] : FRAMES_NONE;
}

enum neo_status frames_check(void)
{
    return fake.check_status;
}

struct frames_pool *frames_pool_at(unsigned index)
{
    return index < ARRAY_COUNT(pools) && pools[index].name != NULL ? &pools[index] : NULL;
}

void frames_pool_get_stats(struct frames_pool *pool, struct frames_pool_stats *stats)
{
    *stats = pool->stats;
}

struct frames_pool *frames_pool_holding(phys_addr_t pa)
{
    return pa == 0x7123 ? &pools[0] : NULL;
}

static phys_addr_t take(uint64_t count)
{
    if (fake.refuse_after == 0) {
        return FRAMES_NONE;
    }
    fake.refuse_after--;
    fake.live += count;
    return 0x100000 + fake.live * PAGE_SIZE;
}

phys_addr_t frames_alloc_one(void)
{
    return take(1);
}

phys_addr_t frames_alloc_2m(void)
{
    /* When all runs are taken, there is one such frame. */
    if (!fake.has_2m || (fake.is_full && fake.huge_live > 0) || take(FRAMES_2M) == FRAMES_NONE) {
        return FRAMES_NONE;
    }
    fake.huge_live++;
    return PAGE_SIZE_2M;
}

phys_addr_t frames_alloc(uint64_t count, uint64_t align_frames, phys_addr_t lo_pa, phys_addr_t hi_pa)
{
    assert_int_equal(align_frames, 1);
    assert_int_equal(lo_pa, 0);
    assert_true(hi_pa == FRAMES_ANYWHERE);
    if (count != RUN) { /* filling */
        assert_true(count <= fake.to_fill[0]);
        if (count > fake.to_fill[0] - fake.kept_back || take(count) == FRAMES_NONE) {
            return FRAMES_NONE;
        }
        if (!fake.is_endless) {
            memmove(fake.to_fill, fake.to_fill + 1, sizeof(fake.to_fill) - sizeof(fake.to_fill[0]));
            fake.is_full = fake.to_fill[0] == 0;
        }
        return PAGE_SIZE_2M;
    }
    return take(count);
}

uint64_t frames_longest_free_run(void)
{
    return fake.to_fill[0];
}

void frames_free(phys_addr_t pa, uint64_t count)
{
    assert_true(pa != FRAMES_NONE);
    assert_true(fake.live >= count);
    fake.live -= fake.leaks ? 0 : count;
    fake.huge_live -= count == FRAMES_2M;
}

void *allocate_pages(uint64_t count)
{
    return fake.has_lists && count != 0 ? aligned_alloc(PAGE_SIZE, count * PAGE_SIZE) : NULL;
}

void free_pages(void *pages, uint64_t count)
{
    (void)count;
    free(pages);
}

/* ---- the rest of the shell ---- */

static const struct shell_command self = {"frames", "[...]", "help", command_frames};

bool shell_usage(const char *name)
{
    assert_string_equal(name, "frames");
    kprintf("usage: %s %s\n", self.name, self.usage);
    return false;
}

const char *shell_format_size(uint64_t nbytes, char buffer[SHELL_SIZE_BYTES])
{
    snprintf(buffer, SHELL_SIZE_BYTES, "%llu MiB", (unsigned long long)(nbytes >> 20));
    return buffer;
}

/* ---- running ---- */

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(pools, 0, sizeof(pools));
    fake.nodes = 1;
    fake.hardening = 1;
    fake.refuse_after = UINT64_MAX;
    fake.has_2m = fake.has_lists = true;
    fake.stats = (struct frames_stats){65536, 61204, 64, 4000, 266, 2, 87, 3};
    fake.zones[0][FRAMES_WINDOW_16M] = (struct frames_zone_stats){3840, 3000, 5, 0, 256};
    fake.zones[0][FRAMES_WINDOW_4G] = (struct frames_zone_stats){61696, 58204, 100, 0, 0};
    cycles_a_look = 6400;
    screen_columns = screen_rows = 0;
    record_enable(true);
    console_reset();
    capture_add(&text, "serial", true, false);
    capture_add(&screen, "screen", true, false);
    capture_add(&records, "recorder", false, true);
    return 0;
}

static bool run(const char *line)
{
    char copy[256];
    char *argv[16];
    unsigned argc = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    text.used = screen.used = records.used = 0;
    text.bytes[0] = screen.bytes[0] = records.bytes[0] = '\0';
    bool result = command_frames(argc, argv);
    for (const char *at = text.bytes; *at != '\0'; at += strcspn(at, "\n") + 1) {
        if (strcspn(at, "\n") > 80 || *at == '{') {
            fail_msg("more than 80 columns, or a record's first character:\n%s", at);
        }
    }
    return result;
}

static void assert_says(const char *part)
{
    if (strstr(text.bytes, part) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", part, text.bytes);
    }
}

/* The index-th record line: a member's raw value. */
static void assert_record(unsigned index, const char *key, const char *expected)
{
    char value[256];
    const char *line = records.bytes;
    for (unsigned i = 0; i < index; i++) {
        line += strcspn(line, "\n") + 1;
        assert_true(*line != '\0');
    }
    size_t nbytes = strcspn(line, "\n");
    assert_true(json_is_object(line, nbytes));
    assert_true(json_member(line, nbytes, key, value, sizeof(value)));
    assert_string_equal(value, expected);
}

static unsigned record_count(void)
{
    unsigned count = 0;
    for (const char *at = records.bytes; *at != '\0'; at++) {
        count += *at == '\n';
    }
    return count;
}

/* ---- figures ------------------------------------------------------------------------------------------------------- */

static void summary(void **state)
{
    (void)state;
    assert_true(run("frames"));
    assert_says("  managed           65536 frames    256 MiB  100.0 %  in 3 pieces\n");
    assert_says("    free            61204 frames    239 MiB   93.3 %  348 KiB in CPUs' caches\n");
    assert_says("    in use           4000 frames   15.6 MiB    6.1 %\n");
    assert_says("    reserve            64 frames    256 KiB    0.0 %  ready in the page pool\n");
    assert_says("    metadata          266 frames      1 MiB    0.4 %  the allocator's own\n");
    assert_says("    retired             2 frames      8 KiB    0.0 %  `frames retire` lists them\n");
    assert_says("hardening level 1");
    assert_says("     0  < 16 MiB      15 MiB   11.7 MiB   78.1 %          5        0      1 MiB\n");
    assert_says("     0  < 4 GiB      241 MiB    227 MiB   94.3 %        100        0      0 KiB\n");
    assert_null(strstr(text.bytes, ">= 4 GiB"));
    assert_null(strstr(text.bytes, " all  <"));
    assert_int_equal(record_count(), 3);
    assert_record(0, "neomem", "\"frames\"");
    assert_record(0, "total", "65536");
    assert_record(0, "free", "61204");
    assert_record(0, "reserve", "64");
    assert_record(0, "allocated", "4000");
    assert_record(0, "metadata", "266");
    assert_record(0, "retired", "2");
    assert_record(0, "cached", "87");
    assert_record(0, "spans", "3");
    assert_record(0, "nodes", "1");
    assert_record(0, "hardening", "1");
    assert_record(1, "neomem", "\"frames_zone\"");
    assert_record(1, "window", "\"16m\"");
    assert_record(1, "reserve", "256");
    assert_record(2, "node", "0");
    assert_record(2, "window", "\"4g\"");
    assert_record(2, "total", "61696");
    assert_record(2, "free", "58204");
    assert_record(2, "free_2m", "100");
    assert_record(2, "free_1g", "0");
}

static void several_nodes_have_a_sum(void **state)
{
    (void)state;
    fake.nodes = 2;
    fake.zones[1][FRAMES_WINDOW_HIGH] = (struct frames_zone_stats){1u << 28, 1u << 27, 300000, 511, 0};
    fake.zones[1][FRAMES_WINDOW_4G] = (struct frames_zone_stats){256, 0, 0, 0, 0};
    assert_true(run("frames"));
    assert_says("     1  < 4 GiB        1 MiB      0 KiB    0.0 %          0        0      0 KiB\n");
    assert_says("     1  >= 4 GiB       1 TiB    512 GiB   50.0 %     300000      511      0 KiB\n");
    assert_says("   all  < 16 MiB      15 MiB   11.7 MiB   78.1 %          5        0      1 MiB\n");
    assert_says("   all  < 4 GiB      242 MiB    227 MiB   93.9 %        100        0      0 KiB\n");
    assert_int_equal(record_count(), 5);
    assert_record(4, "node", "1");
    assert_record(4, "window", "\"high\"");
    assert_record(4, "free_1g", "511");
}

static void nothing_to_divide_by(void **state)
{
    (void)state;
    memset(&fake.stats, 0, sizeof(fake.stats));
    memset(fake.zones, 0, sizeof(fake.zones));
    assert_true(run("frames"));
    assert_null(strstr(text.bytes, "caches"));
    assert_says("the longest is 0 KiB");
    assert_null(strstr(text.bytes, "###"));
    assert_int_equal(record_count(), 1);
}

static void free_runs_as_bars(void **state)
{
    (void)state;
    fake.runs[0] = 1023; /* log2 of one more: 10, the highest bar */
    fake.runs[3] = 31;   /* 5: half of it */
    fake.runs[9] = 1;    /* 1: a tenth, but not nothing */
    fake.runs[18] = 2;
    fake.runs[30] = 1; /* both are 1 GiB and more */
    fake.longest = FRAMES_1G;
    assert_true(run("frames"));
    assert_says("the longest is 1 GiB\n");
    const char *bars = strstr(text.bytes, "the longest is");
    bars += strcspn(bars, "\n") + 1;
    char expected[8][80] = {
        "    1K", "   ###", "   ###", "   ###          31", "   ###         ###", "   ###         ###"};
    for (unsigned i = 0; i < 6; i++) {
        size_t length = strcspn(bars, "\n");
        assert_true(length >= strlen(expected[i]));
        assert_memory_equal(bars, expected[i], strlen(expected[i]));
        bars += length + 1;
    }
    assert_record(0, "runs_4k", "1023");
    assert_record(0, "runs_32k", "31");
    assert_record(0, "runs_2m", "1");
    assert_record(0, "runs_1g", "3");
    assert_record(0, "longest_run", "262144");
    assert_says(" 1G+\n");
}

static void numbers_fit_their_columns(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        const char *expected;
    } cases[] = {{999, " 999"}, {1000, "  1K"}, {999999, "999K"}, {1000000, "  1M"}, {UINT64_MAX / 2, "  9E"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        fake.runs[0] = cases[i].count;
        assert_true(run("frames"));
        assert_says(cases[i].expected);
    }
}

/* ---- the picture --------------------------------------------------------------------------------------------------- */

static void add_chunk(phys_addr_t base, unsigned present, unsigned free, bool is_whole)
{
    assert_true(fake.chunk_count < CHUNKS_MAX);
    fake.chunks[fake.chunk_count++] = (struct frames_chunk_info){
        .base = base, .present = (uint16_t)present, .free = (uint16_t)free, .is_whole = is_whole};
}

static void add_free_chunks(phys_addr_t base, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        add_chunk(base + i * MIB(2), 512, 512, true);
    }
}

static void a_small_picture(void **state)
{
    (void)state;
    add_chunk(0, 256, 256, false);       /* half of it is there, all of that free */
    add_chunk(MIB(2), 512, 0, false);    /* full */
    add_chunk(MIB(4), 512, 0, true);     /* one 2 MiB frame */
    add_chunk(MIB(6), 512, 511, false);  /* hardly used: 1, not 0 */
    add_chunk(MIB(8), 512, 1, false);    /* hardly free: 7, not 8 */
    add_chunk(MIB(10), 512, 256, false); /* half */
    add_chunk(MIB(12), 512, 400, false);
    fake.chunks[6].has_metadata = true;
    add_chunk(MIB(16), 512, 511, false);
    fake.chunks[7].retired = 1;
    fake.chunks[7].has_metadata = true; /* what is bad is shown before anything else */
    add_chunk(MIB(60), 512, 512, true);
    add_free_chunks(MIB(128), 2);
    assert_true(run("frames map"));
    assert_says("  physical memory: a cell is 2 MiB, a row 64 MiB\n"
                "  0x0000000000  .#H174M X                     .\n"
                "                64 MiB without memory\n"
                "  0x0008000000  ..\n"
                "  . free");
    assert_string_equal(screen.bytes, ""); /* there is none */
}

static void the_largest_picture_has_a_coarser_scale(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64 * 24; i++) {
        add_chunk(i * MIB(2), 512, i < 4 ? 0 : 512, true);
    }
    assert_true(run("frames map"));
    assert_says("a cell is 2 MiB, a row 128 MiB\n");
    assert_says("  0x0000000000  HHHH....");
    add_chunk(64 * 24 * MIB(2), 512, 512, true); /* one more and nothing fits */
    assert_true(run("frames map"));
    assert_says("a cell is 4 MiB, a row 256 MiB\n");
    assert_says("  0x0000000000  HH......");
    assert_says("  0x00c0000000  .\n");
    fake.chunks[0].free = 512; /* the mean of a cell: half of it is handed out, as 2 MiB frames */
    assert_true(run("frames map"));
    assert_says("  0x0000000000  HH......");
    fake.chunks[0].is_whole = fake.chunks[1].is_whole = false;
    assert_true(run("frames map"));
    assert_says("  0x0000000000  4H......");
    fake.chunks[0].has_metadata = true;
    assert_true(run("frames map"));
    assert_says("  0x0000000000  MH......");
}

static void far_away_memory(void **state)
{
    (void)state;
    add_free_chunks(0, 1);
    add_free_chunks((1ull << 52) - MIB(2), 1);
    assert_true(run("frames map"));
    assert_says("a cell is 2 MiB, a row 64 MiB\n");
    assert_says("  0x0000000000  .\n");
    assert_says("0xffffffc000000                                .\n");
}

/* A code point of the private blocks of fbtext.h in UTF-8. */
static size_t encode(char *at, unsigned code_point)
{
    at[0] = (char)0xee;
    at[1] = (char)(0x80 | (code_point >> 6 & 63));
    at[2] = (char)(0x80 | (code_point & 63));
    return 3;
}

static void assert_squares(const char *label, const unsigned *code_points, size_t count)
{
    char expected[4096];
    size_t length = (size_t)snprintf(expected, sizeof(expected), "  %s  ", label);
    for (size_t i = 0; i < count; i++) {
        length += encode(expected + length, code_points[i]);
    }
    expected[length] = '\0';
    if (strstr(screen.bytes, expected) == NULL) {
        fail_msg("no such line of squares at %s in:\n%s", label, screen.bytes);
    }
}

static void large_squares_on_the_screen(void **state)
{
    (void)state;
    screen_columns = 160;
    screen_rows = 50;
    add_chunk(0, 512, 0, false);
    add_free_chunks(MIB(2), 2);
    fake.chunks[1].has_metadata = true;
    fake.chunks[2].retired = 1;
    add_chunk(MIB(6), 512, 0, true);
    assert_true(run("frames map"));
    static const unsigned expected[] = {
        FBTEXT_LEFT + ((FBTEXT_PICTURE_SCALE + 8) << 4), FBTEXT_RIGHT + ((FBTEXT_PICTURE_SCALE + 8) << 4),
        FBTEXT_LEFT + (FBTEXT_PICTURE_VIOLET << 4),      FBTEXT_RIGHT + (FBTEXT_PICTURE_VIOLET << 4),
        FBTEXT_LEFT + (FBTEXT_PICTURE_RED << 4),         FBTEXT_RIGHT + (FBTEXT_PICTURE_RED << 4),
        FBTEXT_LEFT + (FBTEXT_PICTURE_BLUE << 4),        FBTEXT_RIGHT + (FBTEXT_PICTURE_BLUE << 4),
        FBTEXT_LEFT + (FBTEXT_PICTURE_FAINT << 4),       FBTEXT_RIGHT + (FBTEXT_PICTURE_FAINT << 4),
    };
    assert_squares("0x0000000000", expected, ARRAY_COUNT(expected));
    assert_null(strstr(screen.bytes, "eighths")); /* that is the other picture's legend */
    assert_null(strchr(text.bytes, 0xee));
    assert_says("#MXH");
}

static void halves_on_the_screen(void **state)
{
    (void)state;
    screen_columns = 100;
    screen_rows = 37;
    add_free_chunks(0, 64 * 31); /* 64 cells a row; at large squares far more than a quarter of the screen */
    fake.chunks[64].free = 0;
    fake.chunks[64].is_whole = false;
    add_free_chunks(GIB(8), 1);
    assert_true(run("frames map"));
    unsigned expected[64];
    unsigned free = FBTEXT_PICTURE_SCALE;
    for (unsigned i = 0; i < 64; i++) {
        expected[i] = FBTEXT_HALVES + (free << 4 | free);
    }
    expected[0] = FBTEXT_HALVES + (free << 4 | (free + 8)); /* the first chunk, and below it that of the next row */
    assert_squares("0x0000000000", expected, 64);
    assert_squares("0x0010000000", expected + 1, 63);
    /* A row without a partner has nothing below it. */
    expected[0] = FBTEXT_HALVES + (free << 4 | FBTEXT_PICTURE_NONE);
    for (unsigned i = 1; i < 64; i++) {
        expected[i] = FBTEXT_HALVES + (FBTEXT_PICTURE_FAINT << 4 | FBTEXT_PICTURE_NONE);
    }
    assert_squares("0x0200000000", expected, 64);
    for (unsigned i = 0; i < 64; i++) { /* nor has the last one before a hole */
        expected[i] = FBTEXT_HALVES + (free << 4 | FBTEXT_PICTURE_NONE);
    }
    assert_squares("0x00f0000000", expected, 64);
    assert_non_null(strstr(screen.bytes, "4224 MiB without memory"));
}

static void every_screen_gets_a_picture(void **state)
{
    (void)state;
    add_free_chunks(0, CHUNKS_MAX);
    for (screen_columns = 8; screen_columns <= 256; screen_columns += 31) {
        for (screen_rows = 2; screen_rows <= 80; screen_rows += 13) {
            assert_true(run("frames map"));
            /* Lines with their label: no wider than the screen, where that is wide enough for any picture. */
            for (const char *at = screen.bytes; *at != '\0'; at += strcspn(at, "\n") + 1) {
                size_t width = 0;
                for (size_t i = 0; at[i] != '\n'; i++) {
                    width += ((uint8_t)at[i] & 0xc0) != 0x80;
                }
                bool is_row = strncmp(at, "  0x", 4) == 0;
                assert_true(!is_row || width <= (screen_columns < 18 ? 18 : screen_columns));
            }
        }
    }
}

/* ---- single frames -------------------------------------------------------------------------------------------------- */

static void queries(void **state)
{
    (void)state;
    fake.owner = (struct frames_owner){.state = FRAMES_STATE_FOREIGN, .cached_by = -1};
    assert_true(run("frames query 0xfee00123"));
    assert_int_equal(fake.asked, 0xfee00123);
    assert_says("  frame 0xfee00000 of chunk 0xfee00000: foreign\n");
    fake.owner = (struct frames_owner){.state = FRAMES_STATE_FREE, .cached_by = 3, .node = 1};
    assert_true(run("frames query 201000"));
    assert_says("  frame 0x201000 of chunk 0x200000: free, node 1, in the cache of CPU 3\n");
    fake.owner = (struct frames_owner){.state = FRAMES_STATE_ALLOCATED,
                                       .cached_by = -1,
                                       .is_retiring = true,
                                       .allocated_by = (void *)0x1234,
                                       .freed_by = (void *)0x5678};
    pools[0].name = "page";
    assert_true(run("frames query 7123"));
    assert_says(": in use, node 0, ready in the pool \"page\"\n  will be retired when it is freed\n");
    assert_says("  last allocated by 0x1234\n  last freed by 0x5678\n");
    assert_false(run("frames query"));
    assert_says("frames query: wants a physical address");
    assert_false(run("frames query xyz"));
    assert_says("frames query: wants a physical address");
    assert_false(run("frames query 1000 2000"));
    assert_says("usage: ");
}

static void retiring(void **state)
{
    (void)state;
    assert_true(run("frames retire"));
    assert_says("No frame is retired");
    assert_true(run("frames retire 0x5abc"));
    assert_int_equal(fake.asked, 0x5abc);
    assert_says("  frame 0x5000 is retired");
    fake.retire_pending = true;
    assert_true(run("frames retire 5000"));
    assert_says("  frame 0x5000 is in use; it is retired as soon as its owner frees it\n");
    fake.retire_status = NEO_ERR_NOT_FOUND;
    assert_false(run("frames retire fee00000"));
    assert_says("0xfee00000 is no memory of the allocator");
    fake.retire_status = NEO_ERR_INVALID;
    assert_false(run("frames retire 5000"));
    assert_says("0x5000 holds the allocator's own metadata");
    fake.retire_status = NEO_ERR_NO_MEMORY;
    assert_false(run("frames retire 5000"));
    assert_says("0x5000: no memory");
    assert_false(run("frames retire bad-memory"));
    assert_says("frames retire: wants a physical address");
    fake.retired_count = 2;
    fake.retired[0] = 0x5000;
    fake.retired[1] = 0x9000;
    assert_true(run("frames retire"));
    assert_says("  0x0000000000005000  in use, retired as soon as it is freed\n");
    assert_says("  0x0000000000009000  retired\n");
    fake.retired_count = 66;
    assert_true(run("frames retire"));
    assert_says("  and 2 more\n");
}

static void checks(void **state)
{
    (void)state;
    assert_true(run("frames check"));
    assert_says("all invariants hold");
    fake.check_status = NEO_ERR_CORRUPT;
    assert_false(run("frames check"));
    assert_says("books are wrong: ");
    assert_false(run("frames check everything"));
    assert_says("usage: ");
}

static void pools_and_their_records(void **state)
{
    (void)state;
    assert_true(run("frames pools"));
    assert_says("There are no pools.\n");
    pools[0] = (struct frames_pool){.name = "page", .stats = {64, 60, 9, 41, 1000, 23, 991, 1}};
    pools[1] = (struct frames_pool){.name = "other", .stats = {1u << 20, 1u << 20, 0, 0, 0, 0, 0, 0}};
    assert_true(run("frames pools"));
    assert_says("  page           64       60       41        9       1000        23        1\n");
    assert_says("  other     1048576  1048576        0        0          0         0        0\n");
    assert_int_equal(record_count(), 2);
    assert_record(0, "neomem", "\"frames_pool\"");
    assert_record(0, "name", "\"page\"");
    assert_record(0, "limit", "64");
    assert_record(0, "held", "60");
    assert_record(0, "live", "9");
    assert_record(0, "low_mark", "41");
    assert_record(0, "allocs", "1000");
    assert_record(0, "from_pool", "23");
    assert_record(0, "frees", "991");
    assert_record(0, "failures", "1");
    assert_record(1, "name", "\"other\"");
}

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

static void measurements(void **state)
{
    (void)state;
    fake.to_fill[0] = 30000;
    fake.to_fill[1] = 400;
    assert_true(run("frames bench"));
    assert_int_equal(fake.live, 0);
    /* A look at the clock is 6400 cycles later than the one before: 64 calls in a sample, 4096 frames in one of many. */
    assert_says("  one frame, allocated and freed                  100      100         50.0\n");
    assert_says("  of many frames in a row: freeing one              1        1          0.5\n");
    assert_says("Hardening level 1; many are 4096.");
    assert_int_equal(record_count(), 6);
    static const char *const names[] = {"\"frame_pair\"", "\"bulk_alloc\"",  "\"bulk_free\"",
                                        "\"huge_pair\"",  "\"run_17_pair\"", "\"last_2m_pair\""};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        assert_record(i, "neomem", "\"frames_bench\"");
        assert_record(i, "name", names[i]);
        assert_record(i, "tsc_hz", "2000000000");
    }
    assert_record(5, "min_cycles", "100");
    assert_record(5, "median_cycles", "100");
    assert_int_equal(fake.to_fill[0], 0);

    fake.to_fill[0] = 100; /* the last run reaches into what is kept back */
    fake.kept_back = 60;
    fake.is_full = false;
    assert_true(run("frames bench"));
    assert_int_equal(record_count(), 6);
    assert_int_equal(fake.live, 0);
}

static void slow_calls_are_few(void **state)
{
    (void)state;
    fake.to_fill[0] = 1;
    cycles_a_look = 300000000; /* more than a second after the seventh look */
    assert_true(run("frames bench"));
    char samples[16];
    const char *line = records.bytes;
    assert_true(json_member(line, strcspn(line, "\n"), "samples", samples, sizeof(samples)));
    assert_true(atoi(samples) >= 1 && atoi(samples) < 10);
}

static void measuring_without_memory(void **state)
{
    (void)state;
    fake.has_2m = false;
    assert_false(run("frames bench"));
    assert_says("  a 2 MiB frame, allocated and freed         not with the memory that is free\n");
    assert_says("  the last free 2 MiB frame, the same        not with the memory that is free\n");
    assert_says("  one frame, allocated and freed                  100");
    assert_int_equal(record_count(), 4);
    fake.has_2m = fake.is_endless = true; /* too many pieces to take them all */
    fake.to_fill[0] = 1;
    assert_false(run("frames bench"));
    assert_says("  the last free 2 MiB frame, the same        not with the memory that is free\n");
    assert_int_equal(record_count(), 5);
    assert_int_equal(fake.live, 0);
    fake.has_2m = fake.has_lists = fake.is_endless = false;
    assert_false(run("frames bench"));
    assert_int_equal(record_count(), 2);
    for (uint64_t i = 0; i < 120000; i += i < 100 ? 1 : 997) { /* whenever the memory ends, everything comes back */
        fake.has_2m = fake.has_lists = true;
        fake.to_fill[0] = 30000;
        fake.is_full = false;
        fake.refuse_after = i;
        (void)run("frames bench");
        assert_int_equal(fake.live, 0);
    }
    fake.refuse_after = 0;
    fake.stats.free = 3; /* a quarter of it is nothing */
    assert_false(run("frames bench"));
    assert_int_equal(record_count(), 0);
}

static void a_leak_is_reported(void **state)
{
    (void)state;
    fake.leaks = true;
    assert_false(run("frames bench"));
    assert_says("frames bench: the allocator's figures are not what they were before\n");
}

/* ---- the command itself ------------------------------------------------------------------------------------------------ */

static void bad_words(void **state)
{
    (void)state;
    static const char *const lines[] = {"frames help",    "frames maps",       "frames MAP",
                                        "frames map 2",   "frames pools page", "frames bench 10",
                                        "frames check 1", "frames retire 1 2", "frames a b c d e f"};
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_false(run(lines[i]));
        assert_says("usage: frames");
        assert_says("  frames map  ");
        assert_says("  frames query  ADDRESS   ");
        assert_says("  frames retire [ADDRESS] ");
        assert_int_equal(record_count(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(summary, setup),
        cmocka_unit_test_setup(several_nodes_have_a_sum, setup),
        cmocka_unit_test_setup(nothing_to_divide_by, setup),
        cmocka_unit_test_setup(free_runs_as_bars, setup),
        cmocka_unit_test_setup(numbers_fit_their_columns, setup),
        cmocka_unit_test_setup(a_small_picture, setup),
        cmocka_unit_test_setup(the_largest_picture_has_a_coarser_scale, setup),
        cmocka_unit_test_setup(far_away_memory, setup),
        cmocka_unit_test_setup(large_squares_on_the_screen, setup),
        cmocka_unit_test_setup(halves_on_the_screen, setup),
        cmocka_unit_test_setup(every_screen_gets_a_picture, setup),
        cmocka_unit_test_setup(queries, setup),
        cmocka_unit_test_setup(retiring, setup),
        cmocka_unit_test_setup(checks, setup),
        cmocka_unit_test_setup(pools_and_their_records, setup),
        cmocka_unit_test_setup(measurements, setup),
        cmocka_unit_test_setup(slow_calls_are_few, setup),
        cmocka_unit_test_setup(measuring_without_memory, setup),
        cmocka_unit_test_setup(a_leak_is_reported, setup),
        cmocka_unit_test_setup(bad_words, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
