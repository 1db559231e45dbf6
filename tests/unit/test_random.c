/* test_random.c — the ChaCha20 block against RFC 8439's vectors, the draws against the block, evenness, concurrency. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/random.h>

#include "expect_panic.h"

/* First of all tests: later ones seed. */
static void test_unseeded_panics(void **state)
{
    (void)state;
    EXPECT_PANIC((void)random_u64());
    EXPECT_PANIC((void)random_below(5));
}

/* RFC 8439 section 2.3.2 */
static void test_block_of_the_rfc(void **state)
{
    (void)state;
    const uint32_t key[8] = {0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
                             0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c};
    const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0x00000000};
    const uint32_t expected[16] = {0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033,
                                   0x9aaa2204, 0x4e6cd4c3, 0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
                                   0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
    uint32_t block[16];
    random_chacha20_block(key, 1, nonce, block);
    assert_memory_equal(block, expected, sizeof(expected));
}

/* RFC 8439 appendix A.1, test vectors 1 and 2: zero key and nonce, counters 0 and 1, first bytes of the key stream. */
static void test_draws_are_the_key_stream(void **state)
{
    (void)state;
    static const uint8_t block_0[8] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90};
    static const uint8_t block_1[8] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a};
    const uint8_t zero[RANDOM_SEED_BYTES] = {0};
    random_init(zero);
    uint64_t draw = random_u64();
    assert_memory_equal(&draw, block_0, sizeof(draw));
    draw = random_u64();
    assert_memory_equal(&draw, block_1, sizeof(draw));
}

static void test_seed_bytes_all_count(void **state)
{
    (void)state;
    uint8_t seed[RANDOM_SEED_BYTES] = {0};
    random_init(seed);
    uint64_t first = random_u64();
    for (size_t i = 0; i < sizeof(seed); i++) {
        seed[i] = 0x80;
        random_init(seed);
        assert_true(random_u64() != first);
        seed[i] = 0;
    }
    random_init(seed);
    assert_true(random_u64() == first);
}

static void test_number_seed_repeats(void **state)
{
    (void)state;
    uint64_t draws[64];
    random_init_number(0x1234567890abcdefull);
    for (size_t i = 0; i < 64; i++) {
        draws[i] = random_u64();
    }
    random_init_number(0x1234567890abcdefull);
    for (size_t i = 0; i < 64; i++) {
        assert_true(random_u64() == draws[i]);
    }
    random_init_number(0x9234567890abcdefull); /* the top byte counts */
    assert_true(random_u64() != draws[0]);
    random_init_number(0x1234567890abcdeeull); /* the bottom one too */
    assert_true(random_u64() != draws[0]);
}

static void test_below_is_even(void **state)
{
    (void)state;
    random_init_number(42);
    assert_true(random_below(0) == 0);
    static const uint64_t bounds[] = {1, 2, 3, 7, 10, 64, 100};
    for (size_t b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
        uint64_t bound = bounds[b];
        unsigned counts[100] = {0};
        enum { DRAWS = 100000 };
        for (unsigned i = 0; i < DRAWS; i++) {
            uint64_t value = random_below(bound);
            assert_true(value < bound);
            counts[value]++;
        }
        /* chi-squared, bound - 1 degrees of freedom; 200 is beyond the 0.999999 quantile of the largest */
        double expected = (double)DRAWS / (double)bound;
        double chi = 0;
        for (uint64_t v = 0; v < bound; v++) {
            chi += ((double)counts[v] - expected) * ((double)counts[v] - expected) / expected;
        }
        assert_true(chi < 200);
    }
}

/* A bound of 3 * 2^62: without rejection the lower third would be drawn twice as often. */
static void test_below_has_no_bias(void **state)
{
    (void)state;
    const uint64_t bound = 3ull << 62;
    unsigned low = 0;
    random_init_number(7);
    for (unsigned i = 0; i < 30000; i++) {
        uint64_t value = random_below(bound);
        assert_true(value < bound);
        low += value < 1ull << 62;
    }
    assert_true(low > 9500 && low < 10500);
}

#define THREADS 4
#define DRAWS_EACH 5000

static uint64_t thread_draws[THREADS][DRAWS_EACH];

static void *draw_many(void *argument)
{
    uint64_t *draws = argument;
    for (unsigned i = 0; i < DRAWS_EACH; i++) {
        draws[i] = random_u64();
    }
    return NULL;
}

static int compare_u64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Together the threads draw the very sequence that one would have drawn alone. */
static void test_concurrent_draws_share_one_sequence(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    random_init_number(99);
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, draw_many, thread_draws[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    static uint64_t alone[THREADS * DRAWS_EACH];
    random_init_number(99);
    for (unsigned i = 0; i < THREADS * DRAWS_EACH; i++) {
        alone[i] = random_u64();
    }
    qsort(alone, THREADS * DRAWS_EACH, sizeof(alone[0]), compare_u64);
    qsort(thread_draws, THREADS * DRAWS_EACH, sizeof(alone[0]), compare_u64);
    assert_memory_equal(alone, thread_draws, sizeof(alone));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unseeded_panics),          cmocka_unit_test(test_block_of_the_rfc),
        cmocka_unit_test(test_draws_are_the_key_stream), cmocka_unit_test(test_seed_bytes_all_count),
        cmocka_unit_test(test_number_seed_repeats),      cmocka_unit_test(test_below_is_even),
        cmocka_unit_test(test_below_has_no_bias),        cmocka_unit_test(test_concurrent_draws_share_one_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
