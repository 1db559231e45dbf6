/* test_random_source.h — repeatable random numbers for tests (xorshift64*, G. Marsaglia; S. Vigna).
 * Depends on: libc. Used by: tests/unit. */
#ifndef NEOMEM_TEST_RANDOM_SOURCE_H
#define NEOMEM_TEST_RANDOM_SOURCE_H

#include <stdint.h>

static uint64_t test_random_state = 0x9E3779B97F4A7C15ull;

static inline uint64_t test_random(void)
{
    test_random_state ^= test_random_state >> 12;
    test_random_state ^= test_random_state << 25;
    test_random_state ^= test_random_state >> 27;
    return test_random_state * 0x2545F4914F6CDD1Dull;
}

/* 0 to bound - 1, nearly even. */
static inline uint64_t test_random_below(uint64_t bound)
{
    return test_random() % bound;
}

#endif
