/* test_page_table_refusals.c — ranges that cannot be, overlaps and gaps, and every table refused once and for ever: an error
 * code, and nothing changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "page_table_started.h"

static void test_refused_ranges(void **state)
{
    (void)state;
    assert_int_equal(map(UPPER, 0, 0), NEO_ERR_INVALID);
    assert_int_equal(map(UPPER + 1, 0, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(map(UPPER, 1, PAGE_SIZE), NEO_ERR_INVALID);
    assert_int_equal(map(UPPER, 0, PAGE_SIZE + 1), NEO_ERR_INVALID);
    assert_int_equal(map(0x0000800000000000, 0, PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(map(0x00007ffffffff000, 0, 2 * PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(map(0x00007ffffffff000, 0, 0xffff800000001000), NEO_ERR_RANGE);
    assert_int_equal(map(0xffff7ffffffff000, 0, 2 * PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(map(0xfffffffffffff000, 0, 2 * PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(map(UPPER, 1ull << 46, PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(map(UPPER, (1ull << 46) - PAGE_SIZE, 2 * PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(map(UPPER, ~0ull << 12, PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(page_unmap(&space, 0xfffffffffffff000, 2 * PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(page_unmap(&space, 0x00007ffffffff000, 0xffff800000001000), NEO_ERR_RANGE);
    assert_int_equal(page_unmap(&space, UPPER, ~0ull << 12), NEO_ERR_RANGE);
    assert_int_equal(page_protect(&space, UPPER, 1, VM_READ), NEO_ERR_INVALID);
    assert_int_equal(page_unmap(&space, UPPER, PAGE_SIZE), NEO_ERR_NOT_FOUND);
    assert_int_equal(page_protect(&space, UPPER, PAGE_SIZE, VM_READ), NEO_ERR_NOT_FOUND);
    assert_int_equal(space.tables, 1);
    /* The very ends are legal. */
    assert_int_equal(map(0xfffffffffffff000, (1ull << 46) - PAGE_SIZE, PAGE_SIZE), NEO_OK);
    assert_int_equal(map(0x00007ffffffff000, 0, PAGE_SIZE), NEO_OK);
    assert_int_equal(map(0xffff800000000000, 0, PAGE_SIZE), NEO_OK);
    assert_int_equal(map(0, 0, PAGE_SIZE), NEO_OK);
    assert_int_equal(leaf_at(0xffffffffffffffff), PAGE_SIZE);
    struct vm_mapping mapping;
    assert_false(page_query(space.root, 0x0000800000000000, &mapping));
}

/*   |  4K  |          mapped page, then a range over it, larger and smaller */
static void test_overlap_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(map(UPPER + GIB(1) + 5 * PAGE_SIZE, 0, PAGE_SIZE), NEO_OK);
    uint64_t tables = space.tables;
    assert_int_equal(map(UPPER, GIB(4), GIB(2)), NEO_ERR_EXISTS);
    assert_int_equal(map(UPPER + GIB(1), GIB(4), PAGE_SIZE_2M), NEO_ERR_EXISTS);
    assert_int_equal(map(UPPER + GIB(1), GIB(4), 6 * PAGE_SIZE), NEO_ERR_EXISTS);
    assert_int_equal(space.tables, tables);
    assert_int_equal(leaf_at(UPPER), 0);
    assert_int_equal(leaf_at(UPPER + GIB(1) + 4 * PAGE_SIZE), 0);
    assert_int_equal(map(UPPER + GIB(2), GIB(4), GIB(1)), NEO_OK);
    assert_int_equal(map(UPPER + GIB(2) + PAGE_SIZE, 0, PAGE_SIZE), NEO_ERR_EXISTS);
    /* A gap in the middle: unmap and protect touch neither side. */
    assert_int_equal(map(UPPER + GIB(1) + 7 * PAGE_SIZE, 0, PAGE_SIZE), NEO_OK);
    assert_int_equal(page_unmap(&space, UPPER + GIB(1) + 5 * PAGE_SIZE, 3 * PAGE_SIZE), NEO_ERR_NOT_FOUND);
    assert_int_equal(leaf_at(UPPER + GIB(1) + 5 * PAGE_SIZE), PAGE_SIZE);
    assert_int_equal(page_protect(&space, UPPER + GIB(1) + 5 * PAGE_SIZE, 3 * PAGE_SIZE, VM_READ), NEO_ERR_NOT_FOUND);
    struct vm_mapping mapping;
    assert_true(page_query(space.root, UPPER + GIB(1) + 5 * PAGE_SIZE, &mapping) && mapping.writable);
}

/* The n-th table is refused, once and for ever, for every n: nothing changed, nothing leaked. */
static void test_no_memory_for_map(void **state)
{
    (void)state;
    /* Root entry, level 3, level 2, two of level 1. */
    for (uint64_t n = 0; n < 4; n++) {
        for (unsigned for_ever = 0; for_ever < 2; for_ever++) {
            (void)frames_inject_failure(n, for_ever == 1);
            assert_int_equal(map(UPPER, PAGE_SIZE, PAGE_SIZE_2M + PAGE_SIZE), NEO_ERR_NO_MEMORY);
            (void)frames_inject_failure(UINT64_MAX, false);
            assert_int_equal(space.tables, 1);
            assert_int_equal(frames_in_use(), 1);
            assert_int_equal(leaf_at(UPPER), 0);
        }
    }
    (void)frames_inject_failure(4, true);
    assert_int_equal(map(UPPER, PAGE_SIZE, PAGE_SIZE_2M + PAGE_SIZE), NEO_OK);
    (void)frames_inject_failure(UINT64_MAX, false);
    assert_int_equal(space.tables, 5);
}

/* Cutting both ends of 3 GiB takes four tables. */
static void test_no_memory_for_cuts(void **state)
{
    (void)state;
    assert_int_equal(map(UPPER, 0, GIB(3)), NEO_OK);
    for (uint64_t n = 0; n < 8; n++) {
        hosted_tlb_clear();
        (void)frames_inject_failure(n / 2, n % 2 == 1);
        enum neo_status status = n < 4 ? page_protect(&space, UPPER + PAGE_SIZE, GIB(3) - 2 * PAGE_SIZE, VM_READ)
                                       : page_unmap(&space, UPPER + PAGE_SIZE, GIB(3) - 2 * PAGE_SIZE);
        (void)frames_inject_failure(UINT64_MAX, false);
        assert_int_equal(status, NEO_ERR_NO_MEMORY);
        assert_int_equal(space.tables, 2);
        assert_int_equal(frames_in_use(), 2);
        assert_int_equal(leaf_at(UPPER), PAGE_SIZE_1G);
        assert_int_equal(leaf_at(UPPER + GIB(1)), PAGE_SIZE_1G);
        assert_int_equal(hosted_tlb()->page_flushes + hosted_tlb()->full_flushes, 0);
    }
    (void)frames_inject_failure(4, true);
    assert_int_equal(page_unmap(&space, UPPER + PAGE_SIZE, GIB(3) - 2 * PAGE_SIZE), NEO_OK);
    (void)frames_inject_failure(UINT64_MAX, false);
    /* What is left are two pages, each with its own tables below level 3. */
    assert_int_equal(space.tables, 6);
    assert_int_equal(leaf_at(UPPER), PAGE_SIZE);
    assert_int_equal(leaf_at(UPPER + GIB(3) - 1), PAGE_SIZE);
    assert_int_equal(leaf_at(UPPER + PAGE_SIZE), 0);
}

static void test_no_memory_for_the_root(void **state)
{
    (void)state;
    struct page_space other;
    (void)frames_inject_failure(0, false);
    assert_int_equal(page_space_init(&other, &source), NEO_ERR_NO_MEMORY);
    assert_int_equal(frames_in_use(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refused_ranges),     TEST(test_overlap_changes_nothing), TEST(test_no_memory_for_map),
        TEST(test_no_memory_for_cuts), TEST(test_no_memory_for_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
