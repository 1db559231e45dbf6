/* test_bitmap.c — every bitmap function against an array of bool, over random densities and every alignment of the range
 * to its words. The bitmap ends where its allocation ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/bitmap.h>

#include "test_random_source.h"

#define BITS_MOST 700u

static bool model[BITS_MOST];
static uint64_t *words;
static uint64_t nbits;

static void start(uint64_t bits)
{
    nbits = bits;
    free(words);
    words = calloc(bitmap_words(bits) + (bits == 0), sizeof(uint64_t));
    memset(model, 0, sizeof(model));
}

static void fill_random(unsigned percent)
{
    for (uint64_t i = 0; i < nbits; i++) {
        model[i] = test_random_below(100) < percent;
        if (model[i]) {
            bitmap_set(words, i);
        } else {
            bitmap_clear(words, i);
        }
    }
}

static void compare(void)
{
    for (uint64_t i = 0; i < nbits; i++) {
        assert_int_equal(bitmap_test(words, i), model[i]);
    }
}

static void random_range(uint64_t *first, uint64_t *end)
{
    *first = test_random_below(nbits + 1);
    *end = *first + test_random_below(nbits - *first + 1);
}

static void test_ranges(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        start(1 + test_random_below(BITS_MOST));
        fill_random((unsigned)test_random_below(101));
        compare();
        for (unsigned i = 0; i < 4; i++) {
            uint64_t first;
            uint64_t end;
            random_range(&first, &end);
            bool value = (i & 1) != 0;
            if (value) {
                bitmap_set_range(words, first, end - first);
            } else {
                bitmap_clear_range(words, first, end - first);
            }
            for (uint64_t bit = first; bit < end; bit++) {
                model[bit] = value;
            }
            compare();
            assert_true(value ? bitmap_all_set(words, first, end) : bitmap_all_zero(words, first, end));
        }
    }
}

static uint64_t model_find(uint64_t first, uint64_t end, bool value, bool last)
{
    uint64_t found = BITMAP_NONE;
    for (uint64_t bit = first; bit < end; bit++) {
        if (model[bit] == value && (last || found == BITMAP_NONE)) {
            found = bit;
        }
    }
    return found;
}

static uint64_t model_count(uint64_t first, uint64_t end)
{
    uint64_t count = 0;
    for (uint64_t bit = first; bit < end; bit++) {
        count += model[bit];
    }
    return count;
}

static void test_searches(void **state)
{
    (void)state;
    static const unsigned densities[] = {0, 1, 10, 50, 90, 99, 100};
    for (unsigned round = 0; round < 7000; round++) {
        start(1 + test_random_below(BITS_MOST));
        fill_random(densities[round % 7]);
        uint64_t first;
        uint64_t end;
        random_range(&first, &end);
        assert_true(bitmap_find_next_set(words, first, end) == model_find(first, end, true, false));
        assert_true(bitmap_find_next_zero(words, first, end) == model_find(first, end, false, false));
        assert_true(bitmap_find_last_set(words, first, end) == model_find(first, end, true, true));
        assert_true(bitmap_find_last_zero(words, first, end) == model_find(first, end, false, true));
        uint64_t count = model_count(first, end);
        assert_true(bitmap_count_set(words, first, end) == count);
        assert_int_equal(bitmap_all_set(words, first, end), count == end - first);
        assert_int_equal(bitmap_all_zero(words, first, end), count == 0);
    }
}

static uint64_t model_run(uint64_t first, uint64_t end, uint64_t count, uint64_t align, bool top)
{
    uint64_t found = BITMAP_NONE;
    for (uint64_t at = first; count > 0 && at + count <= end; at++) {
        if (at % align == 0 && model_count(at, at + count) == 0 && (top || found == BITMAP_NONE)) {
            found = at;
        }
    }
    return found;
}

static void test_runs(void **state)
{
    (void)state;
    static const unsigned densities[] = {0, 1, 3, 10, 30, 60};
    for (unsigned round = 0; round < 6000; round++) {
        start(1 + test_random_below(BITS_MOST));
        fill_random(densities[round % 6]);
        uint64_t first;
        uint64_t end;
        random_range(&first, &end);
        uint64_t align = 1ull << test_random_below(9);
        uint64_t count = test_random_below(3) == 0 ? test_random_below(140) : test_random_below(12);
        uint64_t bottom = model_run(first, end, count, align, false);
        uint64_t top = model_run(first, end, count, align, true);
        assert_true(bitmap_find_zero_run(words, first, end, count, align) == bottom);
        assert_true(bitmap_find_zero_run_top(words, first, end, count, align) == top);

        uint64_t longest = 0;
        uint64_t longest_at = 12345;
        for (uint64_t at = first; at < end; at++) {
            uint64_t length = 0;
            while (at + length < end && !model[at + length]) {
                length++;
            }
            if (length > longest) {
                longest = length;
                longest_at = at;
            }
        }
        uint64_t where = 12345;
        assert_true(bitmap_longest_zero_run(words, first, end, &where) == longest);
        assert_true(where == longest_at);
        assert_true(bitmap_longest_zero_run(words, first, end, NULL) == longest);
    }
}

static void test_edges(void **state)
{
    (void)state;
    start(128);
    assert_int_equal(bitmap_words(0), 0);
    assert_int_equal(bitmap_words(1), 1);
    assert_int_equal(bitmap_words(64), 1);
    assert_int_equal(bitmap_words(65), 2);
    assert_true(bitmap_words(UINT64_MAX) == 1ull << 58);
    bitmap_set_range(words, 128, 0); /* nothing, also behind the last word */
    assert_true(bitmap_find_next_set(words, 128, 128) == BITMAP_NONE);
    assert_true(bitmap_find_last_zero(words, 128, 128) == BITMAP_NONE);
    assert_true(bitmap_find_next_zero(words, 100, 50) == BITMAP_NONE);
    assert_true(bitmap_count_set(words, 100, 50) == 0);
    assert_true(bitmap_find_zero_run(words, 0, 128, 0, 1) == BITMAP_NONE);
    assert_true(bitmap_find_zero_run_top(words, 0, 128, 0, 1) == BITMAP_NONE);
    assert_true(bitmap_find_zero_run_top(words, 128, 0, 1, 1) == BITMAP_NONE);
    assert_true(bitmap_find_zero_run(words, 0, 128, 128, 1) == 0);
    assert_true(bitmap_find_zero_run_top(words, 0, 128, 128, 1) == 0);
    assert_true(bitmap_find_zero_run(words, 0, 128, 129, 1) == BITMAP_NONE);
    /* counts and alignments beyond every address must not wrap */
    assert_true(bitmap_find_zero_run(words, 0, 128, UINT64_MAX, 1) == BITMAP_NONE);
    assert_true(bitmap_find_zero_run_top(words, 0, 128, UINT64_MAX, 1) == BITMAP_NONE);
    assert_true(bitmap_find_zero_run(words, 1, 128, 1, 1ull << 63) == BITMAP_NONE);
    assert_true(bitmap_find_zero_run_top(words, 1, 128, 1, 1ull << 63) == BITMAP_NONE);
    bitmap_set_range(words, 0, 128);
    assert_true(bitmap_find_zero_run_top(words, 0, 128, 1, 1) == BITMAP_NONE);
    free(words);
    words = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_searches),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
