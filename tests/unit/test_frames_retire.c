/* test_frames_retire.c — bad memory: frames that no call hands out again, whoever has them when they are retired. */
#include "frames_started.h"

static phys_addr_t taken[1u << 15];

/* In use, [1 MiB, 17 MiB) at most: no low window with a reserve unless a test asks for one. */
static int setup(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    return 0;
}

/* No allocation of any kind returns the frame: everything there is gets allocated, in three ways. */
static void expect_never_handed_out(phys_addr_t retired)
{
    assert_int_equal(frames_state(retired), FRAMES_STATE_RETIRED);
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    for (uint64_t i = 0; i < count; i++) {
        assert_true(taken[i] != retired);
    }
    assert_int_equal(figures().free, 0);
    give_back(taken, count);
    assert_int_equal(frames_alloc(1, 1, retired, retired + PAGE_SIZE), FRAMES_NONE);
    count = 0;
    for (phys_addr_t pa; (pa = frames_alloc_2m()) != FRAMES_NONE;) {
        assert_false(is_in(retired, pa, pa + MIB(2)));
        taken[count++] = pa;
    }
    while (count > 0) {
        frames_free(taken[--count], FRAMES_2M);
    }
    assert_int_equal(frames_state(retired), FRAMES_STATE_RETIRED);
}

static void test_free_frame(void **state)
{
    (void)state;
    struct frames_stats before = figures();
    bool pending = true;
    assert_int_equal(frames_retire(MIB(5) + 123, &pending), NEO_OK);
    assert_false(pending);
    struct frames_stats after = figures();
    assert_int_equal(after.retired, 1);
    assert_int_equal(after.total, before.total);
    assert_int_equal(after.free + after.metadata, before.free + before.metadata - 1);
    assert_int_equal(after.allocated, 0);
    expect_never_handed_out(MIB(5));
    struct frames_owner owner;
    frames_query(MIB(5), &owner);
    assert_true(owner.state == FRAMES_STATE_RETIRED && !owner.is_retiring && owner.cached_by == -1);
    /* Its neighbours are as usable as before. */
    assert_int_equal(frames_alloc(1, 1, MIB(5) + PAGE_SIZE, MIB(5) + 2 * PAGE_SIZE), MIB(5) + PAGE_SIZE);
}

static void test_frame_in_use(void **state)
{
    (void)state;
    phys_addr_t pa = frames_alloc(3, 1, 0, FRAMES_ANYWHERE);
    bool pending = false;
    assert_int_equal(frames_retire(pa + PAGE_SIZE, &pending), NEO_OK);
    assert_true(pending);
    assert_int_equal(figures().retired, 0);
    assert_int_equal(figures().allocated, 3);
    assert_true(frames_is_allocated(pa + PAGE_SIZE));
    struct frames_owner owner;
    frames_query(pa + PAGE_SIZE, &owner);
    assert_true(owner.is_retiring);
    frames_query(pa, &owner);
    assert_false(owner.is_retiring);
    assert_int_equal(frames_retired_at(0), pa + PAGE_SIZE);
    /* Its owner may still use it, and its free is what retires it. */
    memset(phys_to_virt(pa + PAGE_SIZE), 1, PAGE_SIZE);
    frames_free(pa, 3);
    frames_drain();
    assert_int_equal(figures().retired, 1);
    assert_int_equal(figures().allocated, 0);
    expect_never_handed_out(pa + PAGE_SIZE);
}

static void test_single_frame_in_use(void **state)
{
    (void)state;
    phys_addr_t pa = frames_alloc_one();
    bool pending = false;
    assert_int_equal(frames_retire(pa, &pending), NEO_OK);
    assert_true(pending);
    frames_free(pa, 1);
    frames_drain();
    assert_int_equal(figures().retired, 1);
    expect_never_handed_out(pa);
}

static void test_inside_large_frames(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(GIB(4), GIB(2) + MIB(4))};
    mm_fixture_frames(map, 1);
    uint64_t free_2m = zone_figures(0, FRAMES_WINDOW_HIGH).free_2m;
    bool pending = true;
    /* A free one is split around the frame. */
    assert_int_equal(frames_retire(GIB(5) + MIB(7), &pending), NEO_OK);
    assert_false(pending);
    /* The note of a retired frame took some frames, perhaps out of another 2 MiB. */
    assert_in_range(zone_figures(0, FRAMES_WINDOW_HIGH).free_2m, free_2m - 2, free_2m - 1);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free_1g, 0);
    /* Those in use are split when they are freed. */
    phys_addr_t small = frames_alloc_2m();
    assert_int_equal(frames_retire(small + 77 * PAGE_SIZE, &pending), NEO_OK);
    assert_true(pending);
    frames_free(small, FRAMES_2M);
    frames_drain();
    assert_int_equal(frames_state(small + 77 * PAGE_SIZE), FRAMES_STATE_RETIRED);
    assert_int_equal(frames_state(small + 78 * PAGE_SIZE), FRAMES_STATE_FREE);
    assert_int_equal(figures().retired, 2);

    struct limine_memmap_entry other[] = {USABLE(GIB(4), GIB(2) + MIB(4))};
    mm_fixture_frames(other, 1);
    phys_addr_t large = frames_alloc_1g();
    assert_int_not_equal(large, FRAMES_NONE);
    assert_int_equal(frames_retire(large + MIB(512) + PAGE_SIZE, &pending), NEO_OK);
    assert_true(pending);
    assert_int_equal(figures().allocated, FRAMES_1G);
    frames_free(large, FRAMES_1G);
    frames_drain();
    assert_int_equal(figures().retired, 1);
    assert_int_equal(figures().allocated, 0);
    assert_int_equal(frames_state(large + MIB(512) + PAGE_SIZE), FRAMES_STATE_RETIRED);
    phys_addr_t again = frames_alloc_1g();
    assert_true(again == FRAMES_NONE || again != large);
}

static void test_in_a_cache(void **state)
{
    (void)state;
    phys_addr_t pa = frames_alloc_one();
    phys_addr_t kept = frames_alloc_one();
    frames_free(pa, 1);
    struct frames_owner owner;
    frames_query(pa, &owner);
    assert_int_equal(owner.cached_by, 0);
    bool pending = true;
    assert_int_equal(frames_retire(pa, &pending), NEO_OK);
    assert_false(pending);
    frames_free(kept, 1);
    expect_never_handed_out(pa);
    assert_int_equal(figures().retired, 1);
}

/* That CPU gives it up at its next call, before it hands anything out. */
static void test_in_the_cache_of_another_cpu(void **state)
{
    (void)state;
    assert_int_equal(frames_set_cpus(2), NEO_OK);
    hosted_set_cpu(1);
    phys_addr_t pa = frames_alloc_one();
    frames_free(pa, 1);
    hosted_set_cpu(0);
    bool pending = false;
    assert_int_equal(frames_retire(pa, &pending), NEO_OK);
    assert_true(pending);
    hosted_set_cpu(1);
    phys_addr_t other = frames_alloc_one();
    assert_true(other != pa);
    assert_int_equal(figures().retired, 1);
    frames_free(other, 1);
    frames_drain();
    hosted_set_cpu(0);
    expect_never_handed_out(pa);
}

static void test_twice(void **state)
{
    (void)state;
    phys_addr_t used = frames_alloc_one();
    bool pending = false;
    assert_int_equal(frames_retire(MIB(4), NULL), NEO_OK);
    assert_int_equal(frames_retire(used, NULL), NEO_OK);
    struct frames_stats before = figures();
    assert_int_equal(frames_retire(used, &pending), NEO_OK);
    assert_true(pending);
    assert_int_equal(frames_retire(MIB(4), &pending), NEO_OK);
    assert_false(pending);
    expect_figures(&before);
    frames_free(used, 1);
    frames_drain();
    assert_int_equal(frames_retire(used, &pending), NEO_OK);
    assert_false(pending);
    assert_int_equal(figures().retired, 2);
}

static void test_refused(void **state)
{
    (void)state;
    struct frames_stats before = figures();
    bool pending = true;
    assert_int_equal(frames_retire(0, &pending), NEO_ERR_NOT_FOUND);
    assert_int_equal(frames_retire(MIB(1) - 1, NULL), NEO_ERR_NOT_FOUND);
    assert_int_equal(frames_retire(MIB(15), NULL), NEO_ERR_NOT_FOUND);
    assert_int_equal(frames_retire(UINT64_MAX, NULL), NEO_ERR_NOT_FOUND);
    assert_int_equal(frames_retire(MIB(15) - 1, NULL), NEO_ERR_INVALID);
    assert_int_equal(frames_retired_at(0), FRAMES_NONE);
    assert_int_equal(frames_state(MIB(15) - 1), FRAMES_STATE_METADATA);
    expect_figures(&before);
}

/* The note needs memory; without any, nothing has changed. */
static void test_no_memory_for_the_note(void **state)
{
    (void)state;
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    struct frames_stats full = figures();
    assert_int_equal(full.free, 0);
    assert_int_equal(frames_retire(MIB(4), NULL), NEO_ERR_NO_MEMORY);
    assert_int_equal(frames_retired_at(0), FRAMES_NONE);
    expect_figures(&full);
    give_back(taken, count);
    frames_drain();
    assert_int_equal(figures().retired, 0);
    assert_int_equal(frames_retire(MIB(4), NULL), NEO_OK);
}

static void test_freeing_a_retired_frame_panics(void **state)
{
    (void)state;
    phys_addr_t pa = frames_alloc(4, 1, 0, FRAMES_ANYWHERE);
    assert_int_equal(frames_retire(MIB(5), NULL), NEO_OK);
    assert_int_equal(frames_retire(pa + PAGE_SIZE, NULL), NEO_OK);
    frames_free(pa + PAGE_SIZE, 1);
    frames_drain();
    struct frames_stats before = figures();
    EXPECT_PANIC_TEXT(frames_free(MIB(5), 1), "retired");
    EXPECT_PANIC_TEXT(frames_free(pa + PAGE_SIZE, 1), "retired");
    EXPECT_PANIC_TEXT(frames_free(pa, 4), "retired");
    expect_figures(&before);
    frames_free(pa, 1);
    frames_free(pa + 2 * PAGE_SIZE, 2);
    assert_int_equal(figures().allocated, 0);
}

/* Every third frame of a machine, some of them in use. */
static void test_thousands(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(GIB(4), MIB(64))};
    mm_fixture_frames(map, 1);
    uint64_t frames = MIB(64) / PAGE_SIZE;
    phys_addr_t used = frames_alloc(3000, 1, 0, FRAMES_ANYWHERE);
    uint64_t retired = 0;
    uint64_t waiting = 0;
    /* 7919 is prime: all of them, in no order. */
    for (uint64_t i = 0; i < frames; i++) {
        uint64_t frame = i * 7919 % frames;
        bool pending = false;
        if (frame % 3 != 0 || frames_state(GIB(4) + frame * PAGE_SIZE) == FRAMES_STATE_METADATA) {
            continue;
        }
        assert_int_equal(frames_retire(GIB(4) + frame * PAGE_SIZE, &pending), NEO_OK);
        retired++;
        waiting += pending;
    }
    assert_int_equal(waiting, 1000);
    assert_int_equal(figures().retired, retired - waiting);
    phys_addr_t last = 0;
    for (uint64_t i = 0; i < retired; i += 97) {
        phys_addr_t pa = frames_retired_at(i);
        assert_true(pa != FRAMES_NONE && pa > last && (pa - GIB(4)) / PAGE_SIZE % 3 == 0);
        last = pa;
    }
    assert_int_not_equal(frames_retired_at(retired - 1), FRAMES_NONE);
    assert_int_equal(frames_retired_at(retired), FRAMES_NONE);
    frames_free(used, 3000);
    frames_drain();
    assert_int_equal(figures().retired, retired);
    assert_int_equal(figures().allocated, 0);
    assert_int_equal(frames_longest_free_run(), 2);
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    for (uint64_t i = 0; i < count; i++) {
        assert_true((taken[i] - GIB(4)) / PAGE_SIZE % 3 != 0);
    }
    assert_int_equal(figures().free, 0);
}

/* At the level without caches, and at the one with a quarantine. */
static void test_every_hardening_level(void **state)
{
    (void)state;
    for (unsigned level = 0; level <= 3; level++) {
        mm_fixture_one_region(MIB(14));
        assert_int_equal(frames_set_hardening(level), NEO_OK);
        phys_addr_t pa = frames_alloc_one();
        bool pending = false;
        assert_int_equal(frames_retire(pa, &pending), NEO_OK);
        assert_true(pending);
        frames_free(pa, 1);
        frames_drain();
        assert_int_equal(figures().retired, 1);
        pa = frames_alloc_one();
        frames_free(pa, 1);
        assert_int_equal(frames_retire(pa, &pending), NEO_OK);
        assert_false(pending);
        assert_int_equal(figures().retired, 2);
        assert_int_equal(frames_set_hardening(1), NEO_OK);
        expect_never_handed_out(pa);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_free_frame),
        TEST(test_frame_in_use),
        TEST(test_single_frame_in_use),
        TEST(test_inside_large_frames),
        TEST(test_in_a_cache),
        TEST(test_in_the_cache_of_another_cpu),
        TEST(test_twice),
        TEST(test_refused),
        TEST(test_no_memory_for_the_note),
        TEST(test_freeing_a_retired_frame_panics),
        TEST(test_thousands),
        TEST(test_every_hardening_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
