/* test_frames_pool.c — pools of frames on the real allocator: what they hold, give and take back, and what the allocator's figures
 * say meanwhile. */
#include <config.h>
#include <neomem/frames_pool.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/mm_fixture.h"

#define MANY 5000u

static struct frames_pool pool;
static struct frames_pool other;
static phys_addr_t taken[1u << 17];

static struct frames_stats figures(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    assert_int_equal(stats.total, stats.free + stats.reserve + stats.allocated + stats.metadata + stats.retired);
    return stats;
}

static struct frames_pool_stats pool_figures(struct frames_pool *which)
{
    struct frames_pool_stats stats;
    frames_pool_get_stats(which, &stats);
    assert_true(stats.low_mark <= stats.held);
    assert_true(stats.held <= stats.limit);
    assert_true(stats.from_pool <= stats.allocs);
    return stats;
}

/* No test leaves pools to the next one. */
static int setup(void **state)
{
    (void)state;
    (void)frames_pool_destroy(&pool);
    (void)frames_pool_destroy(&other);
    if (frames_page_pool() != NULL) {
        (void)frames_pool_destroy(frames_page_pool());
    }
    mm_fixture_one_region(MIB(64));
    return 0;
}

static void create(struct frames_pool *which, uint64_t limit, unsigned flags)
{
    assert_int_equal(frames_pool_create(which, "test", limit, 0, FRAMES_ANYWHERE, flags), NEO_OK);
}

/* Take single frames until there are none. Return: how many are in taken. */
static uint64_t take_everything(void)
{
    uint64_t count = 0;
    while ((taken[count] = frames_alloc_one()) != FRAMES_NONE) {
        count++;
        assert_true(count < ARRAY_COUNT(taken));
    }
    return count;
}

static void give_back(uint64_t count)
{
    while (count > 0) {
        frames_free(taken[--count], 1);
    }
}

/* ---- creating and destroying ------------------------------------------------------------------------------------- */

static void a_pool_is_set_aside(void **state)
{
    (void)state;
    static const uint64_t limits[] = {0, 1, 64, 511, 512, 513, MANY};
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        uint64_t free = figures().free;
        create(&pool, limits[i], 0);
        struct frames_pool_stats stats = pool_figures(&pool);
        assert_int_equal(stats.limit, limits[i]);
        assert_int_equal(stats.held, limits[i]);
        assert_int_equal(stats.low_mark, limits[i]);
        assert_int_equal(stats.live + stats.allocs + stats.frees + stats.failures, 0);
        uint64_t own = bytes_to_pages(limits[i] * 8); /* the stack */
        assert_int_equal(figures().free, free - limits[i] - own);
        assert_int_equal(figures().reserve, 0); /* that is the page pool's alone */
        assert_int_equal(frames_pool_destroy(&pool), 0);
        assert_int_equal(figures().free, free);
        assert_int_equal(frames_check(), NEO_OK);
    }
    assert_int_equal(frames_pool_destroy(&pool), 0); /* never created */
}

static void bad_arguments(void **state)
{
    (void)state;
    uint64_t free = figures().free;
    assert_int_equal(frames_pool_create(&pool, NULL, 1, 0, FRAMES_ANYWHERE, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_pool_create(&pool, "x", 1, MIB(2), MIB(2), 0), NEO_ERR_INVALID);
    assert_int_equal(frames_pool_create(&pool, "x", 1, 0, FRAMES_ANYWHERE, FRAMES_BIND), NEO_ERR_INVALID);
    assert_int_equal(frames_pool_create(&pool, "x", 1, 0, FRAMES_ANYWHERE, FRAMES_ZEROED | FRAMES_ATOMIC),
                     NEO_ERR_INVALID);
    assert_int_equal(frames_pool_create(&pool, "x", FRAMES_POOL_CAPACITY_MAX + 1ull, 0, FRAMES_ANYWHERE, 0),
                     NEO_ERR_RANGE);
    assert_int_equal(frames_pool_set_limit(&pool, 1), NEO_ERR_INVALID);
    assert_int_equal(frames_pool_alloc(&pool), FRAMES_NONE); /* there is no pool yet */
    assert_null(pool.name);
    assert_null(frames_pool_at(0));
    assert_int_equal(figures().free, free);
    create(&pool, 1, 0);
    assert_int_equal(frames_pool_create(&pool, "x", 1, 0, FRAMES_ANYWHERE, 0), NEO_ERR_INVALID);
    assert_string_equal(frames_pool_at(0)->name, "test");
    assert_int_equal(frames_pool_set_limit(&pool, FRAMES_POOL_CAPACITY_MAX + 1ull), NEO_ERR_RANGE);
    assert_int_equal(pool_figures(&pool).limit, 1);
}

static void all_or_nothing(void **state)
{
    (void)state;
    uint64_t free = figures().free;
    assert_int_equal(frames_pool_create(&pool, "x", free, 0, FRAMES_ANYWHERE, 0), NEO_ERR_NO_MEMORY);
    assert_int_equal(frames_pool_create(&pool, "x", 600, MIB(1), MIB(3), 0), NEO_ERR_NO_MEMORY);
    assert_int_equal(figures().free, free);
    /* Whichever allocation fails. */
    for (uint64_t successes = 0; successes < 21; successes++) {
        (void)frames_inject_failure(successes, true);
        assert_int_equal(frames_pool_create(&pool, "x", 20, 0, FRAMES_ANYWHERE, FRAMES_ZEROED), NEO_ERR_NO_MEMORY);
        (void)frames_inject_failure(UINT64_MAX, false);
        assert_null(pool.name);
        assert_null(frames_pool_at(0));
        assert_int_equal(figures().free, free);
    }
    assert_int_equal(frames_check(), NEO_OK);
}

static void the_list(void **state)
{
    (void)state;
    create(&pool, 3, 0);
    create(&other, 3, 0);
    assert_ptr_equal(frames_pool_at(0), &pool);
    assert_ptr_equal(frames_pool_at(1), &other);
    assert_null(frames_pool_at(2));
    phys_addr_t pa = frames_pool_alloc(&other);
    assert_null(frames_pool_holding(pa));
    frames_pool_free(&other, pa);
    assert_ptr_equal(frames_pool_holding(pa), &other);
    assert_ptr_equal(frames_pool_holding(pa + 4095), &other);
    assert_int_equal(frames_pool_destroy(&pool), 0);
    assert_ptr_equal(frames_pool_at(0), &other);
    assert_null(frames_pool_at(1));
    create(&pool, 3, 0);
    assert_ptr_equal(frames_pool_at(1), &pool);
    assert_int_equal(frames_pool_destroy(&pool), 0);
    assert_int_equal(frames_pool_destroy(&other), 0);
    assert_null(frames_pool_holding(pa));
}

/* ---- frames go and come ------------------------------------------------------------------------------------------- */

static void the_pool_comes_first(void **state)
{
    (void)state;
    create(&pool, 10, 0);
    uint64_t free = figures().free;
    for (unsigned i = 0; i < 15; i++) {
        taken[i] = frames_pool_alloc(&pool);
        assert_true(taken[i] != FRAMES_NONE && is_aligned(taken[i], PAGE_SIZE));
        assert_true(frames_is_allocated(taken[i]));
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(taken[i], taken[j]);
        }
        struct frames_pool_stats stats = pool_figures(&pool);
        unsigned from_pool = i < 10 ? i + 1 : 10;
        assert_int_equal(stats.held, 10 - from_pool);
        assert_int_equal(stats.low_mark, 10 - from_pool);
        assert_int_equal(stats.from_pool, from_pool);
        assert_int_equal(stats.allocs, i + 1);
        assert_int_equal(stats.live, i + 1);
        assert_int_equal(figures().free, free - (i + 1 - from_pool));
    }
    for (unsigned i = 0; i < 15; i++) { /* the first ten fill the pool up, the others go to the allocator */
        frames_pool_free(&pool, taken[i]);
        assert_int_equal(pool_figures(&pool).held, i < 10 ? i + 1 : 10);
        assert_int_equal(pool_figures(&pool).low_mark, 0);
        assert_int_equal(pool_figures(&pool).live, 14 - i);
    }
    assert_int_equal(figures().free, free);
    assert_int_equal(pool_figures(&pool).frees, 15);
    assert_int_equal(pool_figures(&pool).failures, 0);
    assert_int_equal(frames_check(), NEO_OK);
}

static void when_memory_is_gone_the_pool_has_its_frames(void **state)
{
    (void)state;
    create(&pool, 10, 0);
    uint64_t count = take_everything();
    for (unsigned i = 0; i < 10; i++) {
        assert_true(frames_pool_alloc(&pool) != FRAMES_NONE);
    }
    assert_int_equal(frames_pool_alloc(&pool), FRAMES_NONE);
    assert_int_equal(frames_pool_alloc(&pool), FRAMES_NONE);
    assert_int_equal(pool_figures(&pool).failures, 2);
    assert_int_equal(pool_figures(&pool).live, 10);
    frames_pool_free(&pool, taken[--count]); /* anybody's frame helps */
    assert_int_equal(pool_figures(&pool).held, 1);
    assert_int_equal(frames_pool_refill(&pool), 0);
    frames_free(taken[--count], 1);
    assert_int_equal(frames_pool_refill(&pool), 1);
    give_back(count);
    assert_int_equal(frames_pool_refill(&pool), 8);
    assert_int_equal(frames_pool_refill(&pool), 0);
    assert_int_equal(pool_figures(&pool).held, 10);
    assert_int_equal(frames_pool_destroy(&pool), 9);
}

static void the_window(void **state)
{
    (void)state;
    assert_int_equal(frames_pool_create(&pool, "low", 100, MIB(8), MIB(10), 0), NEO_OK);
    for (unsigned i = 0; i < 120; i++) { /* those from the allocator, too */
        taken[i] = frames_pool_alloc(&pool);
        assert_true(taken[i] >= MIB(8) && taken[i] < MIB(10));
    }
    uint64_t free = figures().free;
    static const phys_addr_t windows[][2] = {{MIB(20), MIB(30)}, {MIB(10), MIB(12)}, {MIB(6), MIB(8)}};
    for (size_t i = 0; i < ARRAY_COUNT(windows); i++) { /* none that this pool could hand out */
        frames_pool_free(&pool, frames_alloc(1, 1, windows[i][0], windows[i][1]));
        assert_int_equal(pool_figures(&pool).held, 0);
        assert_int_equal(figures().free, free);
    }
    for (unsigned i = 0; i < 120; i++) {
        frames_pool_free(&pool, taken[i]);
    }
    assert_int_equal(pool_figures(&pool).held, 100);
    assert_int_equal(pool_figures(&pool).live, 0); /* the strangers were no reason to go below */
}

static void fill_frame(phys_addr_t pa, int value)
{
    memset(phys_to_virt(pa), value, PAGE_SIZE);
}

static bool is_zero(phys_addr_t pa)
{
    const uint64_t *words = phys_to_virt(pa);
    for (unsigned i = 0; i < PAGE_SIZE / 8; i++) {
        if (words[i] != 0) {
            return false;
        }
    }
    return true;
}

static void zeroed_pools(void **state)
{
    (void)state;
    uint64_t count = take_everything();
    for (uint64_t i = 0; i < count; i++) {
        fill_frame(taken[i], 0x5a);
    }
    give_back(count);
    create(&pool, 20, FRAMES_ZEROED);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 40; i++) {
            taken[i] = frames_pool_alloc(&pool);
            assert_true(is_zero(taken[i]));
            fill_frame(taken[i], 0xff);
        }
        for (unsigned i = 0; i < 40; i++) {
            frames_pool_free(&pool, taken[i]);
        }
    }
    assert_int_equal(frames_pool_set_limit(&pool, 60), NEO_OK);
    for (unsigned i = 0; i < 60; i++) {
        assert_true(is_zero(frames_pool_alloc(&pool)));
    }
}

/* ---- the limit ------------------------------------------------------------------------------------------------------ */

static void the_limit_changes(void **state)
{
    (void)state;
    static const uint64_t limits[] = {20, 10, 0, 1, 512, 513, 1024, 5, MANY, MANY, 600, 0};
    uint64_t free = figures().free;
    create(&pool, 10, 0);
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        assert_int_equal(frames_pool_set_limit(&pool, limits[i]), NEO_OK);
        struct frames_pool_stats stats = pool_figures(&pool);
        assert_int_equal(stats.limit, limits[i]);
        assert_int_equal(stats.held, limits[i]);
        assert_int_equal(stats.low_mark, limits[i]);
        assert_int_equal(figures().free, free - limits[i] - bytes_to_pages(limits[i] * 8));
    }
    for (unsigned i = 0; i < 9; i++) { /* with frames out */
        taken[i] = frames_pool_alloc(&pool);
    }
    assert_int_equal(frames_pool_set_limit(&pool, 4), NEO_OK);
    assert_int_equal(pool_figures(&pool).held, 4);
    assert_int_equal(pool_figures(&pool).live, 9);
    for (unsigned i = 0; i < 9; i++) {
        frames_pool_free(&pool, taken[i]);
    }
    assert_int_equal(pool_figures(&pool).held, 4);
    assert_int_equal(frames_pool_destroy(&pool), 0);
    assert_int_equal(figures().free, free);
    assert_int_equal(frames_check(), NEO_OK);
}

static void no_memory_for_a_larger_limit(void **state)
{
    (void)state;
    create(&pool, 10, 0);
    taken[0] = frames_pool_alloc(&pool);
    uint64_t free = figures().free;
    assert_int_equal(frames_pool_set_limit(&pool, free + 10), NEO_ERR_NO_MEMORY);
    for (uint64_t successes = 0; successes < 12; successes++) { /* a stack and 11 frames */
        (void)frames_inject_failure(successes, true);
        assert_int_equal(frames_pool_set_limit(&pool, 20), NEO_ERR_NO_MEMORY);
        (void)frames_inject_failure(UINT64_MAX, false);
        assert_int_equal(pool_figures(&pool).limit, 10);
        assert_int_equal(pool_figures(&pool).held, 9);
        assert_int_equal(figures().free, free);
    }
    /* Making it smaller cannot fail, though there is no memory for a smaller stack. */
    assert_int_equal(frames_pool_set_limit(&pool, 2000), NEO_OK);
    (void)frames_inject_failure(0, true);
    assert_int_equal(frames_pool_set_limit(&pool, 3), NEO_OK);
    (void)frames_inject_failure(UINT64_MAX, false);
    assert_int_equal(pool_figures(&pool).held, 3);
    frames_pool_free(&pool, taken[0]);
    assert_int_equal(frames_pool_destroy(&pool), 0);
    assert_int_equal(frames_check(), NEO_OK);
}

/* ---- misuse ----------------------------------------------------------------------------------------------------------- */

static void double_frees(void **state)
{
    (void)state;
    create(&pool, 200, 0);
    for (unsigned i = 0; i < 150; i++) {
        taken[i] = frames_pool_alloc(&pool);
    }
    for (unsigned i = 0; i < 150; i++) {
        frames_pool_free(&pool, taken[i]);
    }
    EXPECT_PANIC_TEXT(frames_pool_free(&pool, taken[149]), "the pool \"test\" holds it already");
    EXPECT_PANIC_TEXT(frames_pool_free(&pool, taken[86]), "double free");
    assert_int_equal(frames_set_hardening(2), NEO_OK);
    EXPECT_PANIC_TEXT(frames_pool_free(&pool, taken[0]), "double free");
    assert_int_equal(pool_figures(&pool).held, 200);
}

static void frees_of_what_is_not_in_use(void **state)
{
    (void)state;
    create(&pool, 2, 0);
    taken[0] = frames_pool_alloc(&pool); /* there is room for it */
    phys_addr_t free = frames_alloc_one();
    frames_free(free, 1);
    EXPECT_PANIC_TEXT(frames_pool_free(&pool, free), "free");
    EXPECT_PANIC_TEXT(frames_pool_free(&pool, 0xfee00000), "0xfee00000");
    EXPECT_PANIC_TEXT(frames_pool_free(&pool, taken[0] + 8), "free");
}

/* ---- retired frames ------------------------------------------------------------------------------------------------- */

static void retired_frames_leave_the_pool(void **state)
{
    (void)state;
    bool pending;
    create(&pool, 3, 0);
    for (unsigned i = 0; i < 3; i++) {
        taken[i] = frames_pool_alloc(&pool);
    }
    frames_pool_free(&pool, taken[0]);
    frames_pool_free(&pool, taken[1]);
    uint64_t retired = figures().retired;
    assert_int_equal(frames_retire(taken[1], &pending), NEO_OK); /* held: the next one that would be handed out */
    assert_true(pending);
    assert_int_equal(frames_retire(taken[2], &pending), NEO_OK); /* out */
    assert_true(pending);
    assert_int_equal(frames_pool_alloc(&pool), taken[0]);
    frames_drain(); /* on its way back it may be in the CPU's cache for a while */
    assert_int_equal(figures().retired, retired + 1);
    assert_int_equal(frames_state(taken[1]), FRAMES_STATE_RETIRED);
    frames_pool_free(&pool, taken[2]);
    assert_int_equal(pool_figures(&pool).held, 0);
    frames_drain();
    assert_int_equal(frames_state(taken[2]), FRAMES_STATE_RETIRED);
    frames_pool_free(&pool, taken[0]); /* a good one is kept as ever */
    assert_int_equal(pool_figures(&pool).held, 1);
    assert_int_equal(frames_check(), NEO_OK);
}

/* ---- the page pool ------------------------------------------------------------------------------------------------------ */

static void the_page_pool(void **state)
{
    (void)state;
    struct frames_stats before = figures();
    assert_int_equal(frames_page_pool_init(), NEO_OK);
    struct frames_stats after = figures();
    assert_ptr_equal(frames_pool_at(0), frames_page_pool());
    assert_int_equal(pool_figures(frames_page_pool()).limit, PAGE_POOL_SIZE);
    assert_int_equal(after.reserve, PAGE_POOL_SIZE);
    assert_int_equal(after.allocated, before.allocated + bytes_to_pages(PAGE_POOL_SIZE * 8)); /* its stack */
    assert_int_equal(after.free, before.free - PAGE_POOL_SIZE - bytes_to_pages(PAGE_POOL_SIZE * 8));

    phys_addr_t one = frames_alloc_reserved();
    assert_int_equal(figures().reserve, PAGE_POOL_SIZE); /* while there is memory, the pool is left alone */
    uint64_t count = take_everything();
    uint64_t left = figures().free; /* the reserve of the low window, which is for who asks for it */
    for (unsigned i = 0; i < PAGE_POOL_SIZE; i++) {
        taken[count + i] = frames_alloc_reserved();
        assert_true(taken[count + i] != FRAMES_NONE);
        assert_int_equal(figures().reserve, PAGE_POOL_SIZE - 1 - i);
    }
    assert_int_equal(frames_alloc_reserved(), FRAMES_NONE);
    assert_int_equal(pool_figures(frames_page_pool()).failures, 1);
    assert_int_equal(pool_figures(frames_page_pool()).from_pool, PAGE_POOL_SIZE);
    assert_int_equal(pool_figures(frames_page_pool()).live, PAGE_POOL_SIZE + 1);
    frames_free_reserved(one);
    assert_int_equal(figures().reserve, 1);
    assert_int_equal(figures().free, left);
    for (unsigned i = 0; i < PAGE_POOL_SIZE; i++) {
        frames_free_reserved(taken[count + i]);
    }
    assert_int_equal(figures().reserve, PAGE_POOL_SIZE);
    assert_int_equal(figures().free, left + 1);
    give_back(count);
    assert_int_equal(figures().free, after.free);
    assert_int_equal(figures().allocated, after.allocated);

    assert_int_equal(frames_pool_set_limit(frames_page_pool(), 1000), NEO_OK);
    assert_int_equal(figures().reserve, 1000);
    assert_int_equal(frames_pool_set_limit(frames_page_pool(), 16), NEO_OK);
    assert_int_equal(figures().reserve, 16);
    assert_int_equal(frames_check(), NEO_OK);
}

static void before_the_page_pool(void **state)
{
    (void)state;
    assert_null(frames_page_pool());
    assert_int_equal(figures().reserve, 0);
    uint64_t free = figures().free;
    phys_addr_t pa = frames_alloc_reserved();
    assert_int_equal(figures().free, free - 1);
    frames_free_reserved(pa);
    assert_int_equal(figures().free, free);
    EXPECT_PANIC_TEXT(frames_free_reserved(pa), "free");
}

static void small_machines_have_a_small_page_pool(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {MIB(2), MIB(4), MIB(8), MIB(32)};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        mm_fixture_one_region(sizes[i]);
        assert_int_equal(frames_page_pool_init(), NEO_OK);
        uint64_t expected = min_u64(figures().total / 64, PAGE_POOL_SIZE);
        assert_int_equal(pool_figures(frames_page_pool()).held, expected);
        assert_int_equal(figures().reserve, expected);
        assert_null(frames_pool_at(1)); /* the machine before is forgotten */
    }
}

/* ---- several at once ----------------------------------------------------------------------------------------------------- */

static void *take_and_give(void *argument)
{
    enum { HELD = 40, ROUNDS = 20000 };
    phys_addr_t held[HELD];
    unsigned *seed = argument;
    unsigned count = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        *seed = *seed * 1103515245 + 12345;
        if (count < HELD && (*seed >> 16 & 1) != 0) {
            held[count] = frames_pool_alloc(&pool);
            if (held[count] != FRAMES_NONE) {
                uint64_t *word = phys_to_virt(held[count]);
                if (*word != 0) { /* zeroed pool: a mark means that somebody else has this frame, too */
                    return (void *)1;
                }
                *word = 1;
                count++;
            }
        } else if (count > 0) {
            frames_pool_free(&pool, held[--count]);
        }
    }
    while (count > 0) {
        frames_pool_free(&pool, held[--count]);
    }
    return NULL;
}

static void *change_the_limit(void *argument)
{
    bool *stop = argument;
    for (unsigned i = 0; !__atomic_load_n(stop, __ATOMIC_ACQUIRE); i++) {
        if (frames_pool_set_limit(&pool, i * 37 % 700) != NEO_OK) {
            return (void *)1;
        }
        (void)frames_pool_refill(&pool);
    }
    return NULL;
}

static void several_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    unsigned seeds[3] = {1, 2, 3};
    bool stop = false;
    uint64_t free = figures().free;
    create(&pool, 30, FRAMES_ZEROED);
    assert_int_equal(pthread_create(&threads[3], NULL, change_the_limit, &stop), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &seeds[i]), 0);
    }
    void *result;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
        if (i == 2) {
            __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
        }
    }
    assert_int_equal(pool_figures(&pool).live, 0);
    assert_int_equal(frames_pool_destroy(&pool), 0);
    assert_int_equal(figures().free, free);
    assert_int_equal(frames_check(), NEO_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pool_is_set_aside, setup),
        cmocka_unit_test_setup(bad_arguments, setup),
        cmocka_unit_test_setup(all_or_nothing, setup),
        cmocka_unit_test_setup(the_list, setup),
        cmocka_unit_test_setup(the_pool_comes_first, setup),
        cmocka_unit_test_setup(when_memory_is_gone_the_pool_has_its_frames, setup),
        cmocka_unit_test_setup(the_window, setup),
        cmocka_unit_test_setup(zeroed_pools, setup),
        cmocka_unit_test_setup(the_limit_changes, setup),
        cmocka_unit_test_setup(no_memory_for_a_larger_limit, setup),
        cmocka_unit_test_setup(double_frees, setup),
        cmocka_unit_test_setup(frees_of_what_is_not_in_use, setup),
        cmocka_unit_test_setup(retired_frames_leave_the_pool, setup),
        cmocka_unit_test_setup(the_page_pool, setup),
        cmocka_unit_test_setup(before_the_page_pool, setup),
        cmocka_unit_test_setup(small_machines_have_a_small_page_pool, setup),
        cmocka_unit_test_setup(several_threads, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
