/* test_sort.c — heapsort against libc's qsort, over element sizes and awkward orders, and its bound on comparisons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/sort.h>

#include "test_random_source.h"

static size_t element_bytes;
static size_t comparisons;

/* By all bytes: equal elements are then identical, and the sorted array is unique. */
static int compare_bytes(const void *left, const void *right)
{
    comparisons++;
    return memcmp(left, right, element_bytes);
}

static void check_against_qsort(unsigned char *bytes, size_t count)
{
    size_t total = count * element_bytes;
    unsigned char *expected = malloc(total + (total == 0));
    memcpy(expected, bytes, total);
    qsort(expected, count, element_bytes, compare_bytes);
    neo_sort(bytes, count, element_bytes, compare_bytes);
    assert_memory_equal(bytes, expected, total);
    free(expected);
}

static void test_random_arrays(void **state)
{
    (void)state;
    for (element_bytes = 1; element_bytes <= 40; element_bytes++) {
        for (size_t count = 0; count <= 70; count++) {
            size_t total = count * element_bytes;
            unsigned char *bytes = malloc(total + (total == 0));
            for (size_t i = 0; i < total; i++) {
                bytes[i] = (unsigned char)test_random_below(4); /* many duplicates */
            }
            check_against_qsort(bytes, count);
            free(bytes);
        }
    }
}

enum order {
    ASCENDING,
    DESCENDING,
    EQUAL,
    ORGAN_PIPE,
    ALTERNATING,
    RANDOM,
    ORDER_COUNT,
};

static uint64_t value_in_order(enum order order, size_t i, size_t count)
{
    switch (order) {
    case ASCENDING:
        return i;
    case DESCENDING:
        return count - i;
    case EQUAL:
        return 7;
    case ORGAN_PIPE:
        return i < count / 2 ? i : count - i;
    case ALTERNATING:
        return (i & 1) != 0 ? i : count - i;
    case RANDOM:
    case ORDER_COUNT:
        break;
    }
    return test_random();
}

static int compare_u64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    comparisons++;
    return (a > b) - (a < b);
}

static void test_bound_holds_for_every_order(void **state)
{
    (void)state;
    enum { COUNT = 5000, LOG2 = 13 };
    static uint64_t values[COUNT];
    for (enum order order = ASCENDING; order < ORDER_COUNT; order++) {
        for (size_t i = 0; i < COUNT; i++) {
            values[i] = value_in_order(order, i, COUNT);
        }
        comparisons = 0;
        neo_sort(values, COUNT, sizeof(values[0]), compare_u64);
        assert_true(comparisons <= 2u * COUNT * LOG2);
        for (size_t i = 1; i < COUNT; i++) {
            assert_true(values[i - 1] <= values[i]);
        }
    }
}

static void test_nothing_to_sort(void **state)
{
    (void)state;
    comparisons = 0;
    neo_sort(NULL, 0, 24, compare_bytes);
    uint64_t one = 5;
    neo_sort(&one, 1, sizeof(one), compare_u64);
    assert_int_equal(one, 5);
    assert_int_equal(comparisons, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_arrays),
        cmocka_unit_test(test_bound_holds_for_every_order),
        cmocka_unit_test(test_nothing_to_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
