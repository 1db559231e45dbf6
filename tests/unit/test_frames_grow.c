/* test_frames_grow.c — memory that comes later, expected or not, in whole chunks and in pieces; and memory that goes away. */
#include "frames_started.h"

static phys_addr_t taken[1u << 14];

static void add(phys_addr_t base, uint64_t nbytes)
{
    assert_int_equal(hosted_arena_open(base, nbytes), NEO_OK);
    assert_int_equal(frames_add_range(base, nbytes), NEO_OK);
}

/* ---- adding ----------------------------------------------------------------------------------------------------------- */

/* Announced memory has its books already. */
static void test_expected_memory_costs_nothing(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(10))};
    struct limine_memmap_entry expected[] = {{MIB(11), MIB(1), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE},
                                             {MIB(12), MIB(1), LIMINE_MEMMAP_USABLE},
                                             {GIB(4), MIB(16), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE}};
    mm_fixture_frames_expecting(map, 1, expected, 3);
    struct frames_stats before = figures();
    assert_int_equal(before.total, MIB(10) / PAGE_SIZE);
    assert_int_equal(frames_state(MIB(11)), FRAMES_STATE_FOREIGN);
    assert_int_equal(frames_state(GIB(4)), FRAMES_STATE_FOREIGN);
    assert_int_equal(frames_alloc(1, 1, GIB(4), GIB(5)), FRAMES_NONE);
    EXPECT_PANIC_TEXT(frames_free(GIB(4), 1), "no memory of this allocator");
    add(MIB(11), MIB(1));
    add(GIB(4), MIB(16));
    struct frames_stats after = figures();
    assert_int_equal(after.metadata, before.metadata);
    assert_int_equal(after.total, before.total + MIB(17) / PAGE_SIZE);
    assert_int_equal(after.spans, 2);
    assert_int_equal(frames_alloc(MIB(16) / PAGE_SIZE, 1, GIB(4), GIB(5)), GIB(4));
    assert_int_equal(frames_alloc(256, 1, MIB(11), MIB(12)), MIB(11));
    assert_int_equal(figures().allocated, MIB(17) / PAGE_SIZE);
}

/* Its metadata comes out of the memory there is. */
static void test_unexpected_memory(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    struct frames_stats before = figures();
    add(GIB(5), MIB(100));
    struct frames_stats after = figures();
    assert_int_equal(after.total, before.total + MIB(100) / PAGE_SIZE);
    assert_int_equal(after.free + after.metadata, before.free + before.metadata + MIB(100) / PAGE_SIZE);
    assert_in_range(after.metadata, before.metadata + 1, before.metadata + 4);
    assert_int_equal(frames_alloc(MIB(100) / PAGE_SIZE, 1, GIB(5), GIB(6)), GIB(5));
    frames_free(GIB(5), MIB(100) / PAGE_SIZE);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free_2m, 50);
}

/* Nothing is free: what comes carries its own metadata. */
static void test_a_full_machine_grows(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(4));
    struct frames_stats before = figures();
    (void)take_everything(taken, ARRAY_COUNT(taken));
    add(GIB(4), MIB(64) + 5 * PAGE_SIZE);
    struct frames_stats after = figures();
    assert_int_equal(after.total, before.total + MIB(64) / PAGE_SIZE + 5);
    assert_in_range(after.metadata, before.metadata + 1, before.metadata + 3);
    assert_int_equal(frames_state(GIB(4) + MIB(64) + 4 * PAGE_SIZE), FRAMES_STATE_METADATA);
    EXPECT_PANIC_TEXT(frames_free(GIB(4) + MIB(64) + 4 * PAGE_SIZE, 1), "metadata");
    assert_int_equal(frames_alloc(MIB(64) / PAGE_SIZE, 1, 0, FRAMES_ANYWHERE), GIB(4));
    frames_free(GIB(4), MIB(64) / PAGE_SIZE);
    (void)figures();
}

/*   2 MiB  |  a  | c  | b |  4 MiB      three pieces make one chunk */
static void test_pieces_become_a_chunk(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(1));
    add(MIB(4), 100 * PAGE_SIZE);
    add(MIB(4) + 300 * PAGE_SIZE, 212 * PAGE_SIZE);
    assert_int_equal(figures().spans, 3);
    assert_int_equal(frames_alloc_2m(), FRAMES_NONE);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free_2m, 0);
    assert_int_equal(frames_state(MIB(4) + 100 * PAGE_SIZE), FRAMES_STATE_FOREIGN);
    phys_addr_t used = frames_alloc(1, 1, MIB(4) + 99 * PAGE_SIZE, MIB(4) + 100 * PAGE_SIZE);
    assert_int_equal(used, MIB(4) + 99 * PAGE_SIZE);
    EXPECT_PANIC_TEXT(frames_free(used, 2), "runs out of the memory");
    add(MIB(4) + 100 * PAGE_SIZE, 200 * PAGE_SIZE);
    assert_int_equal(figures().spans, 2);
    assert_true(frames_is_allocated(used));
    assert_int_equal(frames_alloc_2m(), FRAMES_NONE);
    frames_free(used, 1);
    frames_drain();
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free_2m, 1);
    assert_int_equal(frames_alloc_2m(), MIB(4));
    (void)figures();
}

/*   64 MiB   65   66   67   68          80 MiB          before: spans with holes, some frames in use
 *   |#####u##|    |u####|               |#######|
 *            |####|     |########|                      added: the holes; then one span of all */
static void test_neighbours_join(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(1)), USABLE(MIB(66), MIB(1)), USABLE(MIB(80), MIB(4))};
    struct limine_memmap_entry added[] = {USABLE(MIB(65), MIB(1)), USABLE(MIB(67), MIB(13))};
    mm_fixture_frames(map, 3);
    assert_int_equal(hosted_arena_open(MIB(65), MIB(1)), NEO_OK);
    assert_int_equal(hosted_arena_open(MIB(67), MIB(13)), NEO_OK);
    phys_addr_t used_low = frames_alloc(7, 1, MIB(64), MIB(65));
    phys_addr_t used_middle = frames_alloc(1, 1, MIB(66), MIB(66) + PAGE_SIZE);
    struct frames_stats before = figures();

    assert_int_equal(frames_add(added, 2), NEO_OK);
    struct frames_stats after = figures();
    assert_int_equal(after.spans, 1);
    assert_int_equal(after.total, before.total + 14 * 256);
    assert_int_equal(after.allocated, before.allocated);
    assert_true(frames_is_allocated(used_low) && frames_is_allocated(used_low + 6 * PAGE_SIZE));
    assert_true(frames_is_allocated(used_middle));
    assert_int_equal(frames_state(MIB(65)), FRAMES_STATE_FREE);
    /* Across what used to be borders. */
    assert_int_equal(frames_alloc(3 * 256, 1, MIB(66) + PAGE_SIZE, MIB(69) + PAGE_SIZE), MIB(66) + PAGE_SIZE);
    frames_free(MIB(66) + PAGE_SIZE, 3 * 256);
    frames_free(used_low, 7);
    frames_free(used_middle, 1);
    assert_int_equal(figures().allocated, 0);
}

/* Managed frames keep their state; the union is what counts. */
static void test_adding_again_changes_nothing(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(4))};
    mm_fixture_frames(map, 1);
    phys_addr_t pa = frames_alloc_one();
    struct frames_stats before = figures();
    assert_int_equal(frames_add(map, 1), NEO_OK);
    assert_int_equal(frames_add_range(MIB(65), MIB(1)), NEO_OK);
    assert_int_equal(frames_add(NULL, 0), NEO_OK);
    expect_figures(&before);
    assert_int_equal(hosted_arena_open(MIB(68), MIB(1)), NEO_OK);
    assert_int_equal(frames_add_range(MIB(64), MIB(5)), NEO_OK);
    assert_int_equal(figures().total, 5 * 256);
    assert_int_equal(figures().allocated, 1);
    assert_true(frames_is_allocated(pa));
}

static void test_add_refuses(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(4))};
    struct limine_memmap_entry descending[] = {USABLE(MIB(90), MIB(1)), USABLE(MIB(80), MIB(1))};
    mm_fixture_frames(map, 1);
    struct frames_stats before = figures();
    assert_int_equal(frames_add_range(MIB(80), 0), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(MIB(80) + 1, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(MIB(80), PAGE_SIZE + 1), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(PHYS_ADDR_LIMIT, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(MIB(80), UINT64_MAX - 4095), NEO_ERR_INVALID);
    assert_int_equal(frames_add(descending, 2), NEO_ERR_INVALID);
    expect_figures(&before);
    assert_int_equal(frames_state(MIB(80)), FRAMES_STATE_FOREIGN);
}

/* Room for the books neither in the old memory (full) nor in the new (two frames for 400 MiB of holes). */
static void test_add_without_memory(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(4))};
    mm_fixture_frames(map, 1);
    (void)take_everything(taken, ARRAY_COUNT(taken));
    struct frames_stats full = figures();
    static struct limine_memmap_entry scattered[200];
    for (unsigned i = 0; i < ARRAY_COUNT(scattered); i++) {
        scattered[i] = (struct limine_memmap_entry)USABLE(MIB(80) + i * MIB(2), PAGE_SIZE);
    }
    assert_int_equal(frames_add(scattered, ARRAY_COUNT(scattered)), NEO_ERR_NO_MEMORY);
    expect_figures(&full);
    assert_int_equal(frames_state(MIB(80)), FRAMES_STATE_FOREIGN);
}

/* A window above all others: what was the top is a low window with a reserve from now on, to the frame. */
static void test_a_window_above(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(16), MIB(16))};
    mm_fixture_frames(map, 1);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_4G).reserve, 0);
    /* Frames of the low window in every part of the cache. */
    phys_addr_t pa = frames_alloc_one();
    phys_addr_t run = frames_alloc(5, 1, 0, FRAMES_ANYWHERE);
    frames_free(pa, 1);
    assert_true(figures().cached > 500);
    add(GIB(4), MIB(4));
    uint64_t reserve = zone_figures(0, FRAMES_WINDOW_4G).reserve;
    assert_int_equal(reserve, MIB(16) / PAGE_SIZE / 64);
    frames_drain();
    uint64_t high = take_from(taken, MIB(4) / PAGE_SIZE, GIB(4), GIB(5));
    assert_int_equal(high, MIB(4) / PAGE_SIZE);
    (void)take_everything(taken + high, ARRAY_COUNT(taken) - high);
    assert_int_equal(figures().free, reserve);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_4G).free, reserve);
    frames_free(run, 5);
    (void)figures();
}

/* ---- removing --------------------------------------------------------------------------------------------------------- */

static void test_remove_all_of_a_region(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(14)), USABLE(GIB(4), MIB(6))};
    mm_fixture_frames(map, 2);
    struct frames_stats before = figures();
    phys_addr_t pa = frames_alloc(3, 1, GIB(4), GIB(5));
    frames_free(pa, 3);
    assert_int_equal(frames_remove(GIB(4), MIB(6)), NEO_OK);
    struct frames_stats after = figures();
    assert_int_equal(after.total, before.total - MIB(6) / PAGE_SIZE);
    assert_int_equal(after.free, before.free - MIB(6) / PAGE_SIZE);
    assert_int_equal(after.spans, 1);
    assert_int_equal(frames_state(GIB(4)), FRAMES_STATE_FOREIGN);
    EXPECT_PANIC_TEXT(frames_free(GIB(4), 1), "no memory of this allocator");
    uint64_t count = take_from(taken, ARRAY_COUNT(taken), MIB(1), MIB(15));
    assert_true(count > 0);
    assert_int_equal(frames_alloc(1, 1, GIB(4), GIB(5)), FRAMES_NONE);
    give_back(taken, count);
    assert_int_equal(frames_remove(GIB(4), MIB(6)), NEO_ERR_INVALID);
    assert_int_equal(frames_add_range(GIB(4), MIB(6)), NEO_OK);
    expect_figures(&before);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free_2m, 3);
}

static void test_remove_parts(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    struct frames_stats before = figures();
    assert_int_equal(frames_remove(MIB(4) + 5 * PAGE_SIZE, PAGE_SIZE), NEO_OK);
    assert_int_equal(frames_remove(MIB(6), MIB(2)), NEO_OK);
    assert_int_equal(frames_remove(MIB(1), 3 * PAGE_SIZE), NEO_OK);
    struct frames_stats after = figures();
    assert_int_equal(after.spans, 3);
    assert_int_equal(after.total, before.total - 1 - 512 - 3);
    assert_int_equal(frames_state(MIB(4) + 4 * PAGE_SIZE), FRAMES_STATE_FREE);
    assert_int_equal(frames_state(MIB(4) + 5 * PAGE_SIZE), FRAMES_STATE_FOREIGN);
    assert_int_equal(frames_alloc(2, 1, MIB(4) + 4 * PAGE_SIZE, MIB(4) + 6 * PAGE_SIZE), FRAMES_NONE);
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    for (uint64_t i = 0; i < count; i++) {
        assert_false(taken[i] == MIB(4) + 5 * PAGE_SIZE || is_in(taken[i], MIB(6), MIB(8)) ||
                     taken[i] < MIB(1) + 3 * PAGE_SIZE);
    }
    give_back(taken, count);
    assert_int_equal(frames_add_range(MIB(1), MIB(13)), NEO_OK);
    expect_figures(&before);
}

/* So many pieces that the tables grow: the room for them does not come out of what is to go, though it is the lowest memory. */
static void test_remove_many_pieces(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    struct frames_stats before = figures();
    assert_int_equal(frames_alloc(256, 1, MIB(1), MIB(2)), MIB(1));
    for (uint64_t i = 0; i < 100; i++) {
        phys_addr_t pa = MIB(1) + (2 * i + 1) * PAGE_SIZE;
        frames_free(pa, 1);
        assert_int_equal(frames_remove(pa, PAGE_SIZE), NEO_OK);
    }
    assert_int_equal(figures().spans, 101);
    assert_int_equal(figures().total, before.total - 100);
    assert_int_equal(frames_add_range(MIB(1), MIB(2)), NEO_OK);
    assert_int_equal(figures().total, before.total);
    assert_int_equal(figures().spans, 1);
}

static void test_remove_refuses(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(8)), USABLE(MIB(10), MIB(1))};
    mm_fixture_frames(map, 2);
    phys_addr_t used = frames_alloc(1, 1, MIB(5), MIB(5) + PAGE_SIZE);
    phys_addr_t block = frames_alloc(512, 512, MIB(6), MIB(8));
    assert_true(used == MIB(5) && block == MIB(6));
    struct frames_stats before = figures();
    assert_int_equal(frames_remove(MIB(2) + 1, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(frames_remove(MIB(2), PAGE_SIZE - 1), NEO_ERR_INVALID);
    assert_int_equal(frames_remove(MIB(2), 0), NEO_ERR_INVALID);
    assert_int_equal(frames_remove(MIB(8), MIB(3)), NEO_ERR_INVALID);
    assert_int_equal(frames_remove(MIB(11), MIB(1)), NEO_ERR_INVALID);
    assert_int_equal(frames_remove(PHYS_ADDR_LIMIT, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(frames_remove(0, UINT64_MAX - 4095), NEO_ERR_INVALID);
    assert_int_equal(frames_remove(MIB(9) - PAGE_SIZE, PAGE_SIZE), NEO_ERR_INVALID); /* metadata */
    assert_int_equal(frames_remove(MIB(4), MIB(2)), NEO_ERR_EXISTS);
    assert_int_equal(frames_remove(MIB(6), MIB(2)), NEO_ERR_EXISTS);
    assert_int_equal(frames_remove(MIB(7), PAGE_SIZE), NEO_ERR_EXISTS);
    expect_figures(&before);
    frames_free(used, 1);
    frames_free(block, 512);
    assert_int_equal(frames_remove(MIB(4), MIB(4)), NEO_OK);
    (void)figures();
}

/* In the cache of another CPU: not now; after its next call. */
static void test_remove_waits_for_caches(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    assert_int_equal(frames_set_cpus(2), NEO_OK);
    hosted_set_cpu(1);
    phys_addr_t pa = frames_alloc_one();
    frames_free(pa, 1);
    hosted_set_cpu(0);
    struct frames_stats before = figures();
    assert_int_equal(frames_remove(pa, PAGE_SIZE), NEO_ERR_EXISTS);
    expect_figures(&before);
    hosted_set_cpu(1);
    frames_drain();
    hosted_set_cpu(0);
    assert_int_equal(frames_remove(pa, PAGE_SIZE), NEO_OK);
    assert_int_equal(figures().total, before.total - 1);
}

/* Retired frames may go, and are retired still when they come back; one that is in use keeps the range. */
static void test_remove_with_retired_frames(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    assert_int_equal(frames_retire(MIB(6) + 3 * PAGE_SIZE, NULL), NEO_OK);
    phys_addr_t used = frames_alloc(1, 1, MIB(6) + 9 * PAGE_SIZE, MIB(6) + 10 * PAGE_SIZE);
    /* The frames before the retired one were free: they are so again. */
    struct frames_stats before = figures();
    assert_int_equal(frames_remove(MIB(6), MIB(2)), NEO_ERR_EXISTS);
    expect_figures(&before);
    assert_int_equal(frames_retire(used, NULL), NEO_OK);
    assert_int_equal(frames_remove(MIB(6), MIB(2)), NEO_ERR_EXISTS);
    expect_figures(&before);
    frames_free(used, 1);
    frames_drain();
    assert_int_equal(figures().retired, 2);
    assert_int_equal(frames_remove(MIB(6), MIB(2)), NEO_OK);
    assert_int_equal(figures().retired, 0);
    assert_int_equal(figures().total, before.total - 512);
    assert_int_equal(frames_retire(MIB(6), NULL), NEO_ERR_NOT_FOUND);
    assert_int_equal(frames_add_range(MIB(6), MIB(2)), NEO_OK);
    assert_int_equal(figures().retired, 2);
    assert_int_equal(figures().total, before.total);
    assert_int_equal(frames_state(used), FRAMES_STATE_RETIRED);
    assert_int_equal(frames_state(MIB(6) + 3 * PAGE_SIZE), FRAMES_STATE_RETIRED);
    assert_int_equal(frames_alloc(1, 1, used, used + PAGE_SIZE), FRAMES_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected_memory_costs_nothing),
        cmocka_unit_test(test_unexpected_memory),
        cmocka_unit_test(test_a_full_machine_grows),
        cmocka_unit_test(test_pieces_become_a_chunk),
        cmocka_unit_test(test_neighbours_join),
        cmocka_unit_test(test_adding_again_changes_nothing),
        cmocka_unit_test(test_add_refuses),
        cmocka_unit_test(test_add_without_memory),
        cmocka_unit_test(test_a_window_above),
        cmocka_unit_test(test_remove_all_of_a_region),
        cmocka_unit_test(test_remove_parts),
        cmocka_unit_test(test_remove_many_pieces),
        cmocka_unit_test(test_remove_refuses),
        cmocka_unit_test(test_remove_waits_for_caches),
        cmocka_unit_test(test_remove_with_retired_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
