/* frames_started.h — what the tests of the frame allocator ask all the time: figures that add up, zones, single frames until
 * none is left.
 * Depends on: frames.h, mm_fixture.h, cmocka. Used by: tests/unit/test_frames*.c. */
#ifndef NEOMEM_TEST_FRAMES_STARTED_H
#define NEOMEM_TEST_FRAMES_STARTED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "tests/support/mm_fixture.h"

/* Every look at the figures checks the sum and all invariants. */
static inline struct frames_stats figures(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    assert_int_equal(stats.total, stats.free + stats.reserve + stats.allocated + stats.metadata + stats.retired);
    assert_int_equal(frames_check(), NEO_OK);
    return stats;
}

/* Caches may have moved frames about; nothing else has changed. */
static inline void expect_figures(const struct frames_stats *wanted)
{
    struct frames_stats now = figures();
    now.cached = wanted->cached;
    assert_memory_equal(&now, wanted, sizeof(now));
}

static inline struct frames_zone_stats zone_figures(unsigned node, enum frames_window window)
{
    struct frames_zone_stats stats;
    frames_get_zone_stats(node, window, &stats);
    return stats;
}

static inline bool is_in(phys_addr_t pa, phys_addr_t lo_pa, phys_addr_t hi_pa)
{
    return pa >= lo_pa && pa < hi_pa;
}

/* Single frames until there are none; all lie in [lo_pa, hi_pa). Return: how many. */
static inline uint64_t take_from(phys_addr_t *taken, uint64_t most, phys_addr_t lo_pa, phys_addr_t hi_pa)
{
    uint64_t count = 0;
    for (phys_addr_t pa; count < most && (pa = frames_alloc_one()) != FRAMES_NONE; count++) {
        assert_true(is_in(pa, lo_pa, hi_pa));
        taken[count] = pa;
    }
    return count;
}

static inline uint64_t take_everything(phys_addr_t *taken, uint64_t most)
{
    uint64_t count = take_from(taken, most, 0, FRAMES_ANYWHERE);
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    return count;
}

static inline void give_back(const phys_addr_t *taken, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        frames_free(taken[i], 1);
    }
}

static inline const void *some_caller(uintptr_t address)
{
    return (const void *)address;
}

#endif
