/* test_entropy_mix.c — BLAKE2s against published and independently computed digests, and the properties that the
 * extractor is chosen for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "efi/entropy_mix.h"
#include <neomem/boot_info.h>

static void expect_hex(const uint8_t digest[BLAKE2S_DIGEST_BYTES], const char *expected)
{
    char text[2 * BLAKE2S_DIGEST_BYTES + 1];

    for (size_t i = 0; i < BLAKE2S_DIGEST_BYTES; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    assert_string_equal(text, expected);
}

static void hash_whole(const void *key, size_t key_bytes, const void *data, size_t nbytes, uint8_t *digest)
{
    struct blake2s hash;

    blake2s_init(&hash, key, key_bytes);
    blake2s_add(&hash, data, nbytes);
    blake2s_finish(&hash, digest);
}

/* RFC 7693 appendix B: BLAKE2s-256 of "abc"; the empty digest and the keyed ones come from the reference
 * implementation's known-answer file (blake2-kat: inputs 00 01 02 …, key 00 … 1f). */
static void test_known_answers(void **state)
{
    (void)state;
    uint8_t digest[BLAKE2S_DIGEST_BYTES];
    uint8_t input[256];

    for (unsigned i = 0; i < sizeof input; i++) {
        input[i] = (uint8_t)i;
    }
    hash_whole(NULL, 0, "abc", 3, digest);
    expect_hex(digest, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
    hash_whole(NULL, 0, "", 0, digest);
    expect_hex(digest, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
    hash_whole(input, 32, "", 0, digest);
    expect_hex(digest, "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49");
    hash_whole(input, 32, input, 64, digest);
    expect_hex(digest, "8975b0577fd35566d750b362b0897a26c399136df07bababbde6203ff2954ed4");
    hash_whole(input, 32, input, 255, digest);
    expect_hex(digest, "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd");
}

static void test_pieces_make_the_same_digest(void **state)
{
    (void)state;
    uint8_t data[200];
    uint8_t whole[BLAKE2S_DIGEST_BYTES];
    uint8_t pieces[BLAKE2S_DIGEST_BYTES];

    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    for (size_t nbytes = 0; nbytes <= sizeof data; nbytes++) {
        hash_whole(NULL, 0, data, nbytes, whole);
        for (size_t step = 1; step <= 65; step += 8) {
            struct blake2s hash;
            blake2s_init(&hash, NULL, 0);
            for (size_t at = 0; at < nbytes; at += step) {
                blake2s_add(&hash, data + at, nbytes - at < step ? nbytes - at : step);
            }
            blake2s_finish(&hash, pieces);
            assert_memory_equal(pieces, whole, sizeof whole);
        }
    }
}

static void make_root(struct entropy_root *root, uint32_t source, const void *data, size_t nbytes)
{
    struct entropy_pool pool;

    entropy_pool_init(&pool);
    entropy_pool_add(&pool, source, data, nbytes, 8);
    entropy_pool_add(&pool, BOOT_ENTROPY_TIMING, "same", 4, 8);
    entropy_pool_close(&pool, root);
}

/* The same bytes from another source, or split differently between two inputs, are another root. */
static void test_inputs_are_framed(void **state)
{
    (void)state;
    struct entropy_root a;
    struct entropy_root b;
    struct entropy_pool pool;

    make_root(&a, BOOT_ENTROPY_RDRAND, "data", 4);
    make_root(&b, BOOT_ENTROPY_RDRAND, "data", 4);
    assert_memory_equal(&a, &b, sizeof a);
    make_root(&b, BOOT_ENTROPY_RDSEED, "data", 4);
    assert_memory_not_equal(&a, &b, sizeof a);
    entropy_pool_init(&pool);
    entropy_pool_add(&pool, 0, "ab", 2, 0);
    entropy_pool_add(&pool, 0, "c", 1, 0);
    entropy_pool_close(&pool, &a);
    entropy_pool_init(&pool);
    entropy_pool_add(&pool, 0, "a", 1, 0);
    entropy_pool_add(&pool, 0, "bc", 2, 0);
    entropy_pool_close(&pool, &b);
    assert_memory_not_equal(&a, &b, sizeof a);
}

/* One bit anywhere in one input changes about half of every output. */
static void test_every_input_bit_matters(void **state)
{
    (void)state;
    uint8_t data[32] = {0};
    struct entropy_root root;
    uint8_t before[BLAKE2S_DIGEST_BYTES];
    uint8_t after[BLAKE2S_DIGEST_BYTES];

    make_root(&root, BOOT_ENTROPY_EFI_RNG, data, sizeof data);
    entropy_derive(&root, "tag", before);
    for (unsigned bit = 0; bit < 256; bit++) {
        unsigned changed = 0;

        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        make_root(&root, BOOT_ENTROPY_EFI_RNG, data, sizeof data);
        entropy_derive(&root, "tag", after);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        for (size_t i = 0; i < sizeof after; i++) {
            changed += (unsigned)__builtin_popcount(before[i] ^ after[i]);
        }
        assert_in_range(changed, 80, 176);
    }
}

static void test_outputs_are_independent(void **state)
{
    (void)state;
    struct entropy_root root;
    uint8_t seed[BLAKE2S_DIGEST_BYTES];
    uint8_t other[BLAKE2S_DIGEST_BYTES];

    make_root(&root, BOOT_ENTROPY_RDSEED, "x", 1);
    entropy_derive(&root, "neomem kernel seed", seed);
    entropy_derive(&root, "neomem image slide", other);
    assert_memory_not_equal(seed, other, sizeof seed);
    assert_memory_not_equal(seed, root.key, sizeof seed);
}

static void test_draws_cover_their_range_evenly(void **state)
{
    (void)state;
    enum { BUCKETS = 16, DRAWS = 16000 };
    unsigned seen[BUCKETS] = {0};

    for (unsigned i = 0; i < DRAWS; i++) {
        struct entropy_root root;
        uint64_t drawn;

        make_root(&root, BOOT_ENTROPY_RDRAND, &i, sizeof i);
        assert_int_equal(entropy_draw(&root, "t", 1), 0);
        assert_true(entropy_draw(&root, "t", 261889) < 261889);
        drawn = entropy_draw(&root, "t", BUCKETS);
        assert_true(drawn < BUCKETS);
        seen[drawn]++;
    }
    for (unsigned i = 0; i < BUCKETS; i++) {
        assert_in_range(seen[i], DRAWS / BUCKETS - 150, DRAWS / BUCKETS + 150); /* 5 sigma */
    }
}

static void test_large_draws_use_all_bits(void **state)
{
    (void)state;
    uint64_t any = 0;
    uint64_t all = UINT64_MAX;

    for (unsigned i = 0; i < 64; i++) {
        struct entropy_root root;
        uint64_t drawn;
        make_root(&root, BOOT_ENTROPY_RDRAND, &i, sizeof i);
        drawn = entropy_draw(&root, "t", UINT64_MAX);
        any |= drawn;
        all &= drawn;
    }
    assert_true(any == UINT64_MAX);
    assert_true(all == 0);
}

static void test_estimates(void **state)
{
    (void)state;
    uint64_t deltas[2000];
    struct entropy_pool pool;

    for (size_t i = 0; i < 2000; i++) {
        deltas[i] = 40;
    }
    assert_int_equal(entropy_timing_bits(deltas, 2000), 0); /* a clock without jitter */
    for (size_t i = 0; i < 2000; i++) {
        deltas[i] = 40 + i % 2;
    }
    assert_int_equal(entropy_timing_bits(deltas, 0), 0);
    assert_int_equal(entropy_timing_bits(deltas, 16), 0);
    assert_int_equal(entropy_timing_bits(deltas, 17), 1);
    assert_int_equal(entropy_timing_bits(deltas, 2000), 64);
    entropy_pool_init(&pool);
    entropy_pool_add(&pool, BOOT_ENTROPY_RDRAND, "z", 1, 0); /* counts nothing: not a source */
    assert_int_equal(pool.sources, 0);
    entropy_pool_add(&pool, BOOT_ENTROPY_EFI_RNG, "z", 1, 128);
    entropy_pool_add(&pool, BOOT_ENTROPY_RDSEED, "z", 1, 200);
    assert_int_equal(pool.sources, BOOT_ENTROPY_EFI_RNG | BOOT_ENTROPY_RDSEED);
    assert_int_equal(pool.bits, ENTROPY_BITS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_pieces_make_the_same_digest),
        cmocka_unit_test(test_inputs_are_framed),
        cmocka_unit_test(test_every_input_bit_matters),
        cmocka_unit_test(test_outputs_are_independent),
        cmocka_unit_test(test_draws_cover_their_range_evenly),
        cmocka_unit_test(test_large_draws_use_all_bits),
        cmocka_unit_test(test_estimates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
