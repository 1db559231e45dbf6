/* test_frames_maps.c — the frame allocator on odd memory maps: many regions, single frames, holes, the end of the address
 * space; and growing while frames are in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <neomem/early.h>
#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "frames_internal.h"

#include "tests/support/mm_fixture.h"

static struct frames_stats stats_now(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    assert_int_equal(stats.total, stats.free + stats.reserve + stats.allocated + stats.metadata);
    assert_int_equal(frames_check(), NEO_OK);
    return stats;
}

static uint64_t alloc_one(void)
{
    return frames_alloc(1, 1, 0, FRAMES_ANYWHERE);
}

/* ---- maps ------------------------------------------------------------------------------------------------------- */

static enum neo_status start(const struct limine_memmap_entry *map, uint64_t count)
{
    mm_fixture_arena(map, 0);
    struct limine_memmap_entry metadata = USABLE(MIB(64), MIB(1));
    mm_fixture_arena(&metadata, 1);
    if (early_init(map, count) != NEO_OK) {
        return NEO_ERR_NO_MEMORY;
    }
    return frames_init(map, count);
}

static void test_refused_maps(void **state)
{
    (void)state;
    struct limine_memmap_entry none[] = {{0, MIB(1), LIMINE_MEMMAP_RESERVED}};
    assert_int_equal(start(none, 1), NEO_ERR_NO_MEMORY);
    assert_int_equal(start(NULL, 0), NEO_ERR_NO_MEMORY);
    struct limine_memmap_entry unaligned_base[] = {USABLE(MIB(1) + 1, MIB(1)), USABLE(MIB(64), MIB(1))};
    assert_int_equal(start(unaligned_base, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry unaligned_length[] = {USABLE(MIB(1), MIB(1) - 1), USABLE(MIB(64), MIB(1))};
    assert_int_equal(start(unaligned_length, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry descending[] = {USABLE(MIB(64), MIB(1)), USABLE(MIB(1), MIB(1))};
    assert_int_equal(start(descending, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry overlapping[] = {USABLE(MIB(64), MIB(1)), USABLE(MIB(65) - PAGE_SIZE, PAGE_SIZE * 2)};
    assert_int_equal(start(overlapping, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry beyond[] = {USABLE(MIB(64), MIB(1)), USABLE(PHYS_ADDR_LIMIT, MIB(1) / 2)};
    assert_int_equal(start(beyond, 2), NEO_ERR_INVALID);
    beyond[1].base += MIB(1);
    assert_int_equal(start(beyond, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry across[] = {USABLE(MIB(64), MIB(1)), USABLE(PHYS_ADDR_LIMIT - PAGE_SIZE, 2 * PAGE_SIZE)};
    assert_int_equal(start(across, 2), NEO_ERR_INVALID);
}

/* Entries of other types and empty ones lie between and mean nothing. */
static void test_other_entries_are_passed_over(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {{0, MIB(1) + 1, LIMINE_MEMMAP_RESERVED},
                                        USABLE(MIB(2), PAGE_SIZE),
                                        {MIB(2), UINT64_MAX, LIMINE_MEMMAP_BAD_MEMORY},
                                        USABLE(MIB(3), 0),
                                        USABLE(MIB(64), MIB(1))};
    assert_int_equal(start(map, 5), NEO_OK);
    assert_int_equal(stats_now().total, 257);
    assert_int_equal(stats_now().spans, 2);
}

#define MANY 5000u

/*   5,000 regions of one frame, two frames apart, up to the end of the physical address space, and one of 1 MiB */
static void test_five_thousand_regions(void **state)
{
    (void)state;
    struct limine_memmap_entry *map = calloc(MANY + 1, sizeof(*map));
    map[0] = (struct limine_memmap_entry)USABLE(MIB(64), MIB(1));
    for (uint64_t i = 0; i < MANY; i++) {
        map[i + 1] =
            (struct limine_memmap_entry)USABLE(PHYS_ADDR_LIMIT - (MANY - i) * 2 * PAGE_SIZE + PAGE_SIZE, PAGE_SIZE);
    }
    assert_int_equal(start(map, MANY + 1), NEO_OK);
    struct frames_stats stats = stats_now();
    assert_int_equal(stats.total, 256 + MANY);
    assert_int_equal(stats.spans, MANY + 1);
    /* 24 bytes and one word for each region and the summary: by the memory there is, not by the addresses. */
    assert_in_range(stats.metadata, 1, 42);
    assert_int_equal(frames_alloc(2, 1, GIB(1), FRAMES_ANYWHERE), FRAMES_NONE);
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(frames_alloc(1, 1, GIB(1), FRAMES_ANYWHERE), PHYS_ADDR_LIMIT - PAGE_SIZE - i * 2 * PAGE_SIZE);
    }
    assert_int_equal(frames_alloc(1, 1, GIB(1), FRAMES_ANYWHERE), FRAMES_NONE);
    (void)stats_now();
    for (uint64_t i = 0; i < MANY; i++) {
        frames_free(PHYS_ADDR_LIMIT - PAGE_SIZE - i * 2 * PAGE_SIZE, 1);
    }
    assert_int_equal(stats_now().allocated, 0);
    EXPECT_PANIC_TEXT(frames_free(PHYS_ADDR_LIMIT - 2 * PAGE_SIZE, 1), "no memory of this allocator");
    EXPECT_PANIC_TEXT(frames_free(PHYS_ADDR_LIMIT - PAGE_SIZE, 2), "runs out of the memory");
    free(map);
}

/* Only single frames: no room for the bitmap anywhere. */
static void test_too_small_for_the_bitmap(void **state)
{
    (void)state;
    struct limine_memmap_entry *map = calloc(MANY, sizeof(*map));
    for (uint64_t i = 0; i < MANY; i++) {
        map[i] = (struct limine_memmap_entry)USABLE(MIB(64) + i * 2 * PAGE_SIZE, PAGE_SIZE);
    }
    assert_int_equal(start(map, MANY), NEO_ERR_NO_MEMORY);
    free(map);
}

/* One frame is enough to start, and leaves nothing. */
static void test_one_frame_machine(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), PAGE_SIZE)};
    assert_int_equal(start(map, 1), NEO_OK);
    assert_int_equal(stats_now().total, 1);
    assert_int_equal(stats_now().metadata, 1);
    assert_int_equal(alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_alloc_reserved(), FRAMES_NONE);
}

/*   64 MiB             1 TiB - 1 MiB
 *   |####|    hole      |####|          the hole costs nothing */
static void test_hole_costs_nothing(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(1)), USABLE(GIB(1024) - MIB(1), MIB(1))};
    mm_fixture_frames(map, 2);
    assert_int_equal(stats_now().metadata, 1);
}

/* ---- growing ------------------------------------------------------------------------------------------------------ */

/*   64 MiB   65   66   67   68          80 MiB          before: two spans with a hole, some frames in use
 *   |#####u##|    |u####|               |#######|
 *            |####|     |########|                      added: the hole, and what follows; then one span of both */
static void test_add_joins_spans(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(1)), USABLE(MIB(66), MIB(1)), USABLE(MIB(80), MIB(2))};
    struct limine_memmap_entry added[] = {USABLE(MIB(65), MIB(1)), USABLE(MIB(67), MIB(13))};
    mm_fixture_frames(map, 3);
    assert_int_equal(hosted_arena_open(MIB(65), MIB(1)), NEO_OK);
    assert_int_equal(hosted_arena_open(MIB(67), MIB(13)), NEO_OK);
    phys_addr_t used_low = frames_alloc(7, 1, MIB(64), MIB(65));
    phys_addr_t used_middle = frames_alloc(1, 1, MIB(66), MIB(66) + PAGE_SIZE);
    struct frames_stats before = stats_now();

    assert_int_equal(frames_add(added, 2), NEO_OK);
    struct frames_stats after = stats_now();
    assert_int_equal(after.spans, 1);
    assert_int_equal(after.total, before.total + 14 * 256);
    assert_int_equal(after.allocated, before.allocated);
    assert_true(frames_is_allocated(used_low) && frames_is_allocated(used_low + 6 * PAGE_SIZE));
    assert_int_equal(frames_state(used_low - PAGE_SIZE), FRAMES_STATE_FREE);
    assert_true(frames_is_allocated(used_middle));
    assert_int_equal(frames_state(MIB(65)), FRAMES_STATE_FREE);
    /* Across what used to be borders. */
    assert_int_not_equal(frames_alloc(14 * 256, 1, MIB(66) + PAGE_SIZE, MIB(80) + PAGE_SIZE), FRAMES_NONE);
    frames_free(used_low, 7);
    frames_free(used_middle, 1);
    (void)stats_now();
}

/* Managed frames keep their state; the union is what counts. */
static void test_add_again_changes_nothing(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(4))};
    mm_fixture_frames(map, 1);
    phys_addr_t pa = alloc_one();
    struct frames_stats before = stats_now();
    assert_int_equal(frames_add(map, 1), NEO_OK);
    assert_int_equal(frames_add_range(MIB(65), MIB(1)), NEO_OK);
    struct frames_stats after = stats_now();
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(hosted_arena_open(MIB(68), MIB(1)), NEO_OK);
    assert_int_equal(frames_add_range(MIB(64), MIB(5)), NEO_OK);
    assert_int_equal(stats_now().total, 5 * 256);
    assert_int_equal(stats_now().allocated, 1);
    assert_true(frames_is_allocated(pa));
}

static void test_add_refuses(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(4))};
    mm_fixture_frames(map, 1);
    struct frames_stats before = stats_now();
    assert_int_equal(frames_add_range(MIB(80), 0), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(MIB(80) + 1, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(MIB(80), PAGE_SIZE + 1), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(PHYS_ADDR_LIMIT, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(MIB(80), UINT64_MAX - 4095), NEO_ERR_INVALID);
    while (alloc_one() != FRAMES_NONE) {
    }
    assert_int_equal(frames_add_range(MIB(80), MIB(1)), NEO_ERR_NO_MEMORY);
    assert_int_equal(stats_now().total, before.total);
    assert_int_equal(frames_state(MIB(80)), FRAMES_STATE_FOREIGN);
}

static void count_span(void *context, phys_addr_t base, uint64_t nbytes)
{
    uint64_t *sums = context;
    sums[0] += base;
    sums[1] += nbytes;
    sums[2]++;
}

static void test_spans_are_listed(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(4), MIB(3))};
    mm_fixture_frames(map, 2);
    uint64_t sums[3] = {0};
    frames_for_each_span(count_span, sums);
    assert_int_equal(sums[0], MIB(5));
    assert_int_equal(sums[1], MIB(4));
    assert_int_equal(sums[2], 2);
}

/* The check itself: every invariant broken once. */
static void test_check_sees_damage(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), 3 * PAGE_SIZE), USABLE(MIB(64), MIB(2))};
    static const struct frames_table none;
    static uint64_t block[1024];
    struct frames_table table;
    mm_fixture_arena(map, 2);
    assert_int_equal(frames_layout_measure(&table, &none, map, 2), 515);
    assert_true(table.block_bytes <= sizeof(block));
    frames_layout_build(&table, block, &none, map, 2);
    assert_true(frames_table_is_sound(&table, 515, 515));
    assert_false(frames_table_is_sound(&table, 514, 515));
    assert_false(frames_table_is_sound(&table, 515, 514));
    uint64_t *const words[] = {&table.spans[0].nframes,
                               &table.spans[0].first_bit,
                               &table.spans[1].first_bit,
                               &table.level[0][0],
                               &table.level[0][8],
                               &table.level[1][0],
                               &table.nbits,
                               &table.level_words[1]};
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        uint64_t saved = *words[i];
        *words[i] ^= 1ull << 40;
        assert_false(frames_table_is_sound(&table, 515, 515));
        *words[i] = saved;
    }
    table.spans[0].nframes = 0;
    assert_false(frames_table_is_sound(&table, 515, 515));
    table.spans[0].nframes = 3;
    /* Out of order. */
    pfn_t base = table.spans[1].base;
    table.spans[1].base = 192;
    assert_false(frames_table_is_sound(&table, 515, 515));
    table.spans[1].base = base;
    /* A used frame that is metadata, a free one, one that is not managed. */
    frames_table_set_used(&table, table.spans[1].first_bit, 2);
    assert_true(frames_table_range_is_used(&table, MIB(64), 2 * PAGE_SIZE));
    assert_true(frames_table_range_is_used(&table, MIB(64), 0));
    assert_false(frames_table_range_is_used(&table, MIB(64), 3 * PAGE_SIZE));
    assert_false(frames_table_range_is_used(&table, MIB(63), PAGE_SIZE));
    frames_table_set_free(&table, table.spans[1].first_bit, 2);
    assert_true(frames_table_is_sound(&table, 515, 515));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_maps),          cmocka_unit_test(test_other_entries_are_passed_over),
        cmocka_unit_test(test_five_thousand_regions), cmocka_unit_test(test_too_small_for_the_bitmap),
        cmocka_unit_test(test_one_frame_machine),     cmocka_unit_test(test_hole_costs_nothing),
        cmocka_unit_test(test_add_joins_spans),       cmocka_unit_test(test_add_again_changes_nothing),
        cmocka_unit_test(test_add_refuses),           cmocka_unit_test(test_spans_are_listed),
        cmocka_unit_test(test_check_sees_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
