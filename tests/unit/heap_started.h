/* heap_started.h — a fresh heap for each test, and proof at its end that everything went back. The includer has included
 * heap.c before, which holds the heap's state.
 * Depends on: mm_fixture.h, cmocka. Used by: tests/unit. */
#ifndef NEOMEM_TEST_HEAP_STARTED_H
#define NEOMEM_TEST_HEAP_STARTED_H

#include "tests/support/mm_fixture.h"

#include <neomem/frames.h>

static struct heap_stats stats_now(void)
{
    struct heap_stats stats;
    struct heap_problem problem;
    heap_get_stats(&stats);
    assert_int_equal(heap_check(&problem), NEO_OK);
    assert_null(problem.what);
    return stats;
}

static int setup(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(24));
    heap = (struct heap){0};
    heapInit();
    return 0;
}

/* Everything has been freed: what is left is HEAP_SIZE_MB. */
static int teardown(void **state)
{
    (void)state;
    struct heap_stats stats = stats_now();
    assert_int_equal(stats.live_blocks, 0);
    assert_int_equal(stats.used, 0);
    assert_int_equal(stats.size, MIB(HEAP_SIZE_MB));
    struct frames_stats frames_now;
    frames_get_stats(&frames_now);
    assert_int_equal(frames_now.allocated << PAGE_SHIFT, MIB(HEAP_SIZE_MB));
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
