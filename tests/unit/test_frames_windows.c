/* test_frames_windows.c — below 16 MiB, below 4 GiB, the rest: low memory goes last and never all of it to those who could use any;
 * and what the figures of a window say. */
#include "frames_started.h"

static phys_addr_t taken[1u << 15];

#define HIGH_FRAMES (MIB(4) / PAGE_SIZE)

/*   1 MiB       9 MiB    16 MiB        32 MiB          4 GiB   4 GiB + 4 MiB
 *   |###########|        |#############|               |#######|               2,048, 4,096 and 1,024 frames */
static int setup(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(8)), USABLE(MIB(16), MIB(16)), USABLE(GIB(4), MIB(4))};
    mm_fixture_frames(map, 3);
    return 0;
}

static uint64_t reserve_of(enum frames_window window)
{
    return zone_figures(0, window).reserve;
}

/* ---- figures ---------------------------------------------------------------------------------------------------------- */

static void test_zone_figures(void **state)
{
    (void)state;
    struct frames_zone_stats low = zone_figures(0, FRAMES_WINDOW_16M);
    struct frames_zone_stats middle = zone_figures(0, FRAMES_WINDOW_4G);
    struct frames_zone_stats high = zone_figures(0, FRAMES_WINDOW_HIGH);
    assert_int_equal(low.total, 2048);
    assert_int_equal(middle.total, 4096);
    assert_int_equal(high.total, HIGH_FRAMES);
    assert_int_equal(low.free + middle.free + high.free, figures().free);
    /* 1 MiB … 2 and 8 … 9 are halves of a chunk. */
    assert_int_equal(low.free_2m, 3);
    assert_int_equal(low.reserve, 2048 / 64);
    assert_int_equal(middle.reserve, 4096 / 64);
    assert_int_equal(high.reserve, 0);
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats own = zone_figures(0, (enum frames_window)window);
        struct frames_zone_stats all = zone_figures(UINT32_MAX, (enum frames_window)window);
        struct frames_zone_stats none = zone_figures(1, (enum frames_window)window);
        assert_memory_equal(&own, &all, sizeof(own));
        assert_int_equal(none.total + none.free + none.free_2m + none.free_1g, 0);
    }
}

/* Cached frames count as free where they lie. */
static void test_cached_frames_count_in_their_window(void **state)
{
    (void)state;
    uint64_t free = zone_figures(0, FRAMES_WINDOW_HIGH).free;
    uint64_t low = zone_figures(0, FRAMES_WINDOW_16M).free;
    phys_addr_t pa = frames_alloc_one();
    phys_addr_t dma = frames_alloc(1, 1, 0, MIB(16));
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free, free - 1);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free, low - 1);
    frames_free(pa, 1);
    frames_free(dma, 1);
    assert_true(figures().cached > 0);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free, free);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free, low);
    assert_int_equal(reserve_of(FRAMES_WINDOW_16M), 32);
}

static void test_free_gigabytes(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(GIB(4) + MIB(512), GIB(3))};
    mm_fixture_frames(map, 1);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free_1g, 2);
    phys_addr_t pa = frames_alloc(1, 1, GIB(6), GIB(7));
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free_1g, 1);
    frames_free(pa, 1);
    frames_drain();
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free_1g, 2);
}

/* ---- order ------------------------------------------------------------------------------------------------------------ */

static void test_high_memory_goes_first(void **state)
{
    (void)state;
    uint64_t high = zone_figures(0, FRAMES_WINDOW_HIGH).free;
    uint64_t middle = zone_figures(0, FRAMES_WINDOW_4G).free - reserve_of(FRAMES_WINDOW_4G);
    uint64_t low = zone_figures(0, FRAMES_WINDOW_16M).free - reserve_of(FRAMES_WINDOW_16M);
    uint64_t count = take_from(taken, high, GIB(4), GIB(5));
    count += take_from(taken + count, middle, MIB(16), GIB(4));
    count += take_from(taken + count, low, 0, MIB(16));
    assert_int_equal(count, high + middle + low);
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_alloc(2, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(figures().free, 32 + 64);
    assert_int_equal(frames_longest_free_run(), 0);
    give_back(taken, count);
    frames_drain();
    assert_int_equal(figures().allocated, 0);
}

static void test_runs_and_large_frames_keep_the_order(void **state)
{
    (void)state;
    phys_addr_t last = FRAMES_NONE;
    unsigned blocks = 0;
    for (phys_addr_t pa; (pa = frames_alloc_2m()) != FRAMES_NONE; last = pa) {
        bool is_lower_window = last == FRAMES_NONE || pa < GIB(4) || last >= GIB(4);
        assert_true(is_lower_window && (pa < MIB(16) || last >= MIB(16)));
        taken[blocks++] = pa;
    }
    /* Metadata is in one below 4 GiB; what is left of that one, and the halves below 16 MiB, hold the reserves. */
    assert_int_equal(blocks, 2 + 7 + 3);
    assert_true(zone_figures(0, FRAMES_WINDOW_4G).free >= 64 && zone_figures(0, FRAMES_WINDOW_16M).free >= 32);
    while (blocks > 0) {
        frames_free(taken[--blocks], FRAMES_2M);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_true(frames_alloc(60, 1, 0, FRAMES_ANYWHERE) >= GIB(4));
    }
    assert_int_equal(figures().allocated, 480);
}

/* ---- reserves ---------------------------------------------------------------------------------------------------------- */

/* Who asks for a window by its limit may have all of it. */
static void test_reserve_is_for_those_who_need_it(void **state)
{
    (void)state;
    (void)take_everything(taken, ARRAY_COUNT(taken));
    /* Below 4 GiB: the reserve there, but not that of 16 MiB. */
    for (unsigned i = 0; i < 64; i++) {
        assert_true(is_in(frames_alloc(1, 1, 0, GIB(4)), MIB(16), MIB(32)));
    }
    assert_int_equal(frames_alloc(1, 1, 0, GIB(4)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(figures().free, 32);
    for (unsigned i = 0; i < 32; i++) {
        assert_true(is_in(frames_alloc(1, 1, 0, MIB(16)), MIB(1), MIB(9)));
    }
    assert_int_equal(frames_alloc(1, 1, 0, MIB(16)), FRAMES_NONE);
    assert_int_equal(figures().free, 0);
}

/* What comes back to a low window fills the reserve up first. */
static void test_reserve_fills_up_again(void **state)
{
    (void)state;
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    phys_addr_t dma[32];
    for (unsigned i = 0; i < ARRAY_COUNT(dma); i++) {
        dma[i] = frames_alloc(1, 1, 0, MIB(16));
    }
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free, 0);
    for (unsigned i = 0; i < ARRAY_COUNT(dma); i++) {
        assert_int_equal(frames_alloc_one(), FRAMES_NONE);
        frames_free(dma[i], 1);
    }
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free, 32);
    /* One more than the reserve: that one may go. */
    uint64_t low = 0;
    while (taken[low] >= MIB(16)) {
        low++;
        assert_true(low < count);
    }
    frames_free(taken[low], 1);
    assert_true(is_in(frames_alloc_one(), MIB(1), MIB(9)));
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    (void)figures();
}

/* A machine without high memory has no reserve in its highest window. */
static void test_the_highest_window_has_none(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(8)), USABLE(MIB(16), MIB(16))};
    mm_fixture_frames(map, 2);
    assert_int_equal(reserve_of(FRAMES_WINDOW_16M), 32);
    assert_int_equal(reserve_of(FRAMES_WINDOW_4G), 0);
    (void)take_everything(taken, ARRAY_COUNT(taken));
    assert_int_equal(figures().free, 32);
    mm_fixture_frames(map, 1);
    assert_int_equal(reserve_of(FRAMES_WINDOW_16M), 0);
    (void)take_everything(taken, ARRAY_COUNT(taken));
    assert_int_equal(figures().free, 0);
}

/* No more than 1 MiB below 16 MiB and 16 MiB below 4 GiB. */
static void test_reserves_have_a_limit(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), GIB(4))};
    mm_fixture_frames(map, 1);
    assert_int_equal(reserve_of(FRAMES_WINDOW_16M), MIB(15) / PAGE_SIZE / 64);
    assert_int_equal(reserve_of(FRAMES_WINDOW_4G), 4096);
    assert_int_equal(reserve_of(FRAMES_WINDOW_HIGH), 0);
}

/* A retired frame is none of the window's free ones. */
static void test_retired_frames_leave_the_window(void **state)
{
    (void)state;
    uint64_t free = zone_figures(0, FRAMES_WINDOW_16M).free;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(frames_retire(MIB(4) + i * PAGE_SIZE, NULL), NEO_OK);
    }
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free, free - 10);
    (void)take_everything(taken, ARRAY_COUNT(taken));
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_16M).free, 32);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_4G).free, 64);
}

/* A frame that the window's end cuts is outside, also when there are others inside. */
static void test_window_end_inside_a_frame(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    assert_int_equal(frames_alloc(2, 1, MIB(3), MIB(3) + 2 * PAGE_SIZE - 1), FRAMES_NONE);
    assert_int_equal(frames_alloc(2, 1, MIB(3) + 1, MIB(3) + 3 * PAGE_SIZE - 1), FRAMES_NONE);
    assert_int_equal(frames_alloc(2, 1, MIB(3), MIB(3) + 2 * PAGE_SIZE), MIB(3));
}

/* A limit within a frame is the limit before it. */
static void test_a_limit_inside_a_frame(void **state)
{
    (void)state;
    (void)take_everything(taken, ARRAY_COUNT(taken));
    assert_true(is_in(frames_alloc(1, 1, 0, MIB(16) + PAGE_SIZE - 1), MIB(1), MIB(9)));
    assert_int_equal(frames_alloc(1, 1, 0, MIB(16) + PAGE_SIZE), FRAMES_NONE);
}

/* A run over the border of two nodes, after a window that has not that much to give. */
static void test_a_run_after_a_window_without_room(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(32), MIB(4))};
    const struct frames_node_range ranges[] = {{0, MIB(34), 0}, {MIB(34), MIB(2), 1}};
    mm_fixture_frames(map, 2);
    assert_int_equal(frames_set_nodes(ranges, 2, 2, NULL, NULL, 0), NEO_OK);
    uint64_t longest = frames_longest_free_run();
    assert_true(longest > FRAMES_2M);
    assert_true(is_in(frames_alloc(longest, 1, 0, FRAMES_ANYWHERE), MIB(32), MIB(34)));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_zone_figures),
        TEST(test_cached_frames_count_in_their_window),
        TEST(test_free_gigabytes),
        TEST(test_high_memory_goes_first),
        TEST(test_runs_and_large_frames_keep_the_order),
        TEST(test_reserve_is_for_those_who_need_it),
        TEST(test_reserve_fills_up_again),
        TEST(test_the_highest_window_has_none),
        TEST(test_reserves_have_a_limit),
        TEST(test_retired_frames_leave_the_window),
        cmocka_unit_test(test_window_end_inside_a_frame),
        TEST(test_a_limit_inside_a_frame),
        TEST(test_a_run_after_a_window_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
