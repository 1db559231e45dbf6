/* test_page_table.c — map, unmap, protect and query by picture: leaf sizes, cuts, flushes, effective rights. Refusals:
 * test_page_table_refusals.c. Random sequences against a naive reference: tests/model/model_page_table.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "page_table_started.h"

/*        4K  4K ...   2M    1G     2M   ...   4K
 *   |----------|----|----|------|----|-----|--|        sizes grow towards the 1 GiB border and shrink behind it */
static void test_leaf_sizes_follow_alignment(void **state)
{
    (void)state;
    virt_addr_t va = UPPER + GIB(1) - PAGE_SIZE_2M - PAGE_SIZE;
    uint64_t nbytes = GIB(1) + 2 * PAGE_SIZE_2M + 2 * PAGE_SIZE;
    assert_int_equal(map(va, GIB(3) - PAGE_SIZE_2M - PAGE_SIZE, nbytes), NEO_OK);
    assert_int_equal(leaf_at(va - 1), 0);
    assert_int_equal(leaf_at(va), PAGE_SIZE);
    assert_int_equal(leaf_at(va + PAGE_SIZE), PAGE_SIZE_2M);
    assert_int_equal(leaf_at(UPPER + GIB(1)), PAGE_SIZE_1G);
    assert_int_equal(leaf_at(UPPER + GIB(2)), PAGE_SIZE_2M);
    assert_int_equal(leaf_at(UPPER + GIB(2) + PAGE_SIZE_2M), PAGE_SIZE);
    assert_int_equal(leaf_at(va + nbytes - 1), PAGE_SIZE);
    assert_int_equal(leaf_at(va + nbytes), 0);
    /* Root, one level-3 table, two of level 2, two of level 1. */
    assert_int_equal(space.tables, 6);
    struct vm_mapping mapping;
    assert_true(page_query(space.root, UPPER + GIB(1) + 12345, &mapping));
    assert_int_equal(mapping.va, UPPER + GIB(1));
    assert_int_equal(mapping.pa, GIB(3));
    assert_true(mapping.writable && !mapping.executable && !mapping.user && mapping.global);
    assert_int_equal(page_unmap(&space, va, nbytes), NEO_OK);
    assert_int_equal(space.tables, 1);
}

static void test_leaf_sizes_follow_features(void **state)
{
    (void)state;
    struct arch_paging_features poor = {false, false, false, false, 36};
    hosted_set_paging_features(&poor);
    assert_int_equal(map(UPPER, GIB(1), GIB(1)), NEO_OK);
    assert_int_equal(leaf_at(UPPER), PAGE_SIZE_2M);
    struct vm_mapping mapping;
    assert_true(page_query(space.root, UPPER, &mapping));
    assert_true(mapping.executable && !mapping.global);
    assert_int_equal(page_map(&space, UPPER + GIB(2), GIB(4), PAGE_SIZE, VM_READ, VM_WRITE_COMBINING), NEO_OK);
    assert_true(page_query(space.root, UPPER + GIB(2), &mapping));
    assert_int_equal(mapping.type, VM_UNCACHED);
    assert_int_equal(map(0, GIB(64) - PAGE_SIZE, 2 * PAGE_SIZE), NEO_ERR_RANGE);
    assert_int_equal(map(0, GIB(64) - PAGE_SIZE, PAGE_SIZE), NEO_OK);
}

static void test_misaligned_pair_uses_small_leaves(void **state)
{
    (void)state;
    assert_int_equal(map(UPPER, PAGE_SIZE, PAGE_SIZE_2M), NEO_OK);
    assert_int_equal(leaf_at(UPPER), PAGE_SIZE);
    assert_int_equal(leaf_at(UPPER + PAGE_SIZE_2M - 1), PAGE_SIZE);
}

/*   |---------------------- 1 GiB ----------------------|   one page out of the middle
 *   |2M 2M ... |4K 4K .. x .. 4K 4K| 2M ...          2M|   two tables more */
static void test_unmap_splits_what_it_cuts(void **state)
{
    (void)state;
    assert_int_equal(map(UPPER, 0, GIB(1)), NEO_OK);
    assert_int_equal(space.tables, 2);
    virt_addr_t hole = UPPER + 100 * PAGE_SIZE_2M + 7 * PAGE_SIZE;
    hosted_tlb_clear();
    assert_int_equal(page_unmap(&space, hole, PAGE_SIZE), NEO_OK);
    assert_int_equal(space.tables, 4);
    assert_int_equal(leaf_at(hole), 0);
    assert_int_equal(leaf_at(hole - 1), PAGE_SIZE);
    assert_int_equal(leaf_at(hole + PAGE_SIZE), PAGE_SIZE);
    assert_int_equal(leaf_at(UPPER + 99 * PAGE_SIZE_2M), PAGE_SIZE_2M);
    struct vm_mapping mapping;
    assert_true(page_query(space.root, hole + PAGE_SIZE, &mapping));
    assert_int_equal(mapping.pa, 100 * PAGE_SIZE_2M + 8 * PAGE_SIZE);
    /* Both sizes that were replaced, and the page. */
    assert_int_equal(hosted_tlb()->page_flushes, 3);
    assert_int_equal(hosted_tlb()->full_flushes, 0);
    assert_int_equal(hosted_tlb()->pages[2], hole);
}

static void test_protect_whole_and_part(void **state)
{
    (void)state;
    assert_int_equal(page_map(&space, UPPER, 0, 2 * PAGE_SIZE_2M, VM_READ_WRITE, VM_WRITE_THROUGH), NEO_OK);
    assert_int_equal(page_protect(&space, UPPER, PAGE_SIZE_2M, VM_READ_EXECUTE), NEO_OK);
    assert_int_equal(leaf_at(UPPER), PAGE_SIZE_2M);
    assert_int_equal(space.tables, 3);
    assert_int_equal(page_protect(&space, UPPER + PAGE_SIZE_2M - PAGE_SIZE, 2 * PAGE_SIZE, VM_READ), NEO_OK);
    assert_int_equal(space.tables, 5);
    struct vm_mapping mapping;
    assert_true(page_query(space.root, UPPER + PAGE_SIZE_2M - 1, &mapping));
    assert_true(!mapping.writable && !mapping.executable && mapping.type == VM_WRITE_THROUGH);
    assert_true(page_query(space.root, UPPER + PAGE_SIZE_2M - PAGE_SIZE - 1, &mapping));
    assert_true(!mapping.writable && mapping.executable && mapping.type == VM_WRITE_THROUGH);
    assert_true(page_query(space.root, UPPER + PAGE_SIZE_2M + PAGE_SIZE, &mapping));
    assert_true(mapping.writable && !mapping.executable && mapping.type == VM_WRITE_THROUGH);
}

static void test_many_flushes_become_one(void **state)
{
    (void)state;
    assert_int_equal(map(UPPER, PAGE_SIZE, 33 * PAGE_SIZE), NEO_OK);
    assert_int_equal(hosted_tlb()->page_flushes + hosted_tlb()->full_flushes, 0);
    assert_int_equal(page_protect(&space, UPPER, 32 * PAGE_SIZE, VM_READ), NEO_OK);
    assert_int_equal(hosted_tlb()->page_flushes, 32);
    assert_int_equal(hosted_tlb()->full_flushes, 0);
    assert_int_equal(page_protect(&space, UPPER, 33 * PAGE_SIZE, VM_READ), NEO_OK);
    assert_int_equal(hosted_tlb()->page_flushes, 32);
    assert_int_equal(hosted_tlb()->full_flushes, 1);
}

static pte_t *watched_slot;
static uint64_t watched_values[4];
static unsigned watched_count;

static void watch(void)
{
    if (watched_count < 4) {
        watched_values[watched_count++] = watched_slot->v;
    }
}

/* A large leaf is replaced by an equal table and flushed before a page of it changes. */
static void test_split_is_flushed_before_the_change(void **state)
{
    (void)state;
    assert_int_equal(map(UPPER, 0, PAGE_SIZE_2M), NEO_OK);
    pte_t *level3 = phys_to_virt(pte_table_address(((pte_t *)phys_to_virt(space.root))[pte_index(UPPER, 4)]));
    pte_t *level2 = phys_to_virt(pte_table_address(level3[pte_index(UPPER, 3)]));
    assert_true(pte_is_leaf(level2[0], 2));
    watched_slot = &level2[0];
    watched_count = 0;
    hosted_tlb_set_observer(watch);
    assert_int_equal(page_protect(&space, UPPER + PAGE_SIZE, PAGE_SIZE, VM_READ), NEO_OK);
    hosted_tlb_set_observer(NULL);
    assert_int_equal(watched_count, 2);
    assert_false(pte_is_leaf((pte_t){watched_values[0]}, 2));
    const pte_t *level1 = phys_to_virt(pte_table_address(level2[0]));
    assert_int_equal(level1[1].v & PTE_WRITE, 0);
    assert_int_equal(level1[0].v & PTE_WRITE, PTE_WRITE);
}

static bool stop_at_second(void *context, const struct vm_mapping *mapping)
{
    unsigned *seen = context;
    (void)mapping;
    return ++*seen < 2;
}

static void test_for_each_stops(void **state)
{
    (void)state;
    unsigned seen = 0;
    assert_true(page_for_each(space.root, stop_at_second, &seen));
    assert_int_equal(seen, 0);
    assert_int_equal(map(0, PAGE_SIZE, 2 * PAGE_SIZE), NEO_OK);
    assert_int_equal(map(UPPER, PAGE_SIZE, PAGE_SIZE), NEO_OK);
    assert_false(page_for_each(space.root, stop_at_second, &seen));
    assert_int_equal(seen, 2);
}

/* Rights are those of all levels together, as in a table that another program made. */
static void test_effective_rights(void **state)
{
    (void)state;
    assert_int_equal(page_map(&space, UPPER, 0, PAGE_SIZE, VM_READ_WRITE, VM_WRITE_BACK), NEO_OK);
    pte_t *root = phys_to_virt(space.root);
    pte_t *entry = &root[pte_index(UPPER, 4)];
    struct vm_mapping mapping;
    entry->v &= ~PTE_WRITE;
    assert_true(page_query(space.root, UPPER, &mapping));
    assert_false(mapping.writable);
    entry->v |= PTE_WRITE | PTE_USER;
    assert_true(page_query(space.root, UPPER, &mapping));
    assert_true(mapping.writable && !mapping.user);
    assert_int_equal(page_protect(&space, UPPER, PAGE_SIZE, VM_READ_EXECUTE), NEO_OK);
    entry->v = (entry->v & ~PTE_USER) | PTE_NO_EXECUTE;
    assert_true(page_query(space.root, UPPER, &mapping));
    assert_false(mapping.executable);
    entry->v &= ~PTE_NO_EXECUTE;
    assert_true(page_query(space.root, UPPER, &mapping));
    assert_true(mapping.executable && !mapping.writable);
}

/* A user leaf that is cut stays a user leaf. */
static void test_split_keeps_user(void **state)
{
    (void)state;
    assert_int_equal(map(0, 0, GIB(1)), NEO_OK);
    pte_t *top = phys_to_virt(space.root);
    pte_t *leaf = phys_to_virt(pte_table_address(top[0]));
    top[0].v |= PTE_USER;
    leaf[0].v |= PTE_USER;
    assert_int_equal(page_protect(&space, PAGE_SIZE, PAGE_SIZE, VM_READ), NEO_OK);
    struct vm_mapping mapping;
    assert_true(page_query(space.root, 0, &mapping) && mapping.user && mapping.nbytes == PAGE_SIZE);
    assert_true(page_query(space.root, PAGE_SIZE_2M, &mapping) && mapping.user && mapping.nbytes == PAGE_SIZE_2M);
    assert_true(page_query(space.root, PAGE_SIZE, &mapping) && mapping.user && !mapping.writable);
}

static phys_addr_t next_low_frame;

static phys_addr_t alloc_low_frame(void *context)
{
    (void)context;
    phys_addr_t pa = next_low_frame;
    next_low_frame += PAGE_SIZE;
    return pa;
}

static void free_low_frame(void *context, phys_addr_t table)
{
    *(uint64_t *)context |= 1ull << (table / PAGE_SIZE);
}

/* Frame 0 is a frame like any other, also in the lists of tables. */
static void test_table_in_frame_0(void **state)
{
    (void)state;
    uint64_t freed = 0;
    const struct page_table_source low = {.alloc = alloc_low_frame, .free = free_low_frame, .context = &freed};
    assert_int_equal(hosted_arena_open(0, MIB(1)), NEO_OK);
    struct page_space other;
    next_low_frame = PAGE_SIZE * 5;
    assert_int_equal(page_space_init(&other, &low), NEO_OK);
    next_low_frame = 0;
    assert_int_equal(page_map(&other, UPPER, 0, PAGE_SIZE, VM_READ, VM_WRITE_BACK), NEO_OK);
    assert_int_equal(page_count_tables(other.root), 4);
    assert_int_equal(page_unmap(&other, UPPER, PAGE_SIZE), NEO_OK);
    assert_int_equal(other.tables, 1);
    assert_int_equal(freed, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leaf_sizes_follow_alignment),
        TEST(test_leaf_sizes_follow_features),
        TEST(test_misaligned_pair_uses_small_leaves),
        TEST(test_unmap_splits_what_it_cuts),
        TEST(test_protect_whole_and_part),
        TEST(test_many_flushes_become_one),
        TEST(test_split_is_flushed_before_the_change),
        TEST(test_for_each_stops),
        TEST(test_effective_rights),
        TEST(test_split_keeps_user),
        TEST(test_table_in_frame_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
