/* page_table_started.h — an empty address space for each test, with tables from frames that come full of ones, and proof at
 * its end that every table was counted and came back.
 * Depends on: mm_fixture.h, cmocka. Used by: tests/unit. */
#ifndef NEOMEM_TEST_PAGE_TABLE_STARTED_H
#define NEOMEM_TEST_PAGE_TABLE_STARTED_H

#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <neomem/page_table.h>
#include <string.h>

#include "tests/support/mm_fixture.h"

#define UPPER 0xffffc00000000000ull

static struct page_space space;

static phys_addr_t alloc_frame(void *context)
{
    (void)context;
    phys_addr_t pa = frames_alloc(1, 1, 0, FRAMES_ANYWHERE);
    if (pa != FRAMES_NONE) {
        memset(phys_to_virt(pa), 0xff, PAGE_SIZE);
    }
    return pa;
}

static void free_frame(void *context, phys_addr_t table)
{
    (void)context;
    frames_free(table, 1);
}

static const struct page_table_source source = {.alloc = alloc_frame, .free = free_frame};

static const struct arch_paging_features full = {true, true, true, true, 46};

static uint64_t frames_in_use(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    return stats.allocated;
}

static int setup(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(16));
    hosted_set_paging_features(&full);
    assert_int_equal(page_space_init(&space, &source), NEO_OK);
    hosted_tlb_clear();
    return 0;
}

/* Every table is one frame, and all of them come back. */
static int teardown(void **state)
{
    (void)state;
    assert_int_equal(frames_in_use(), space.tables);
    assert_int_equal(page_count_tables(space.root), space.tables);
    page_space_destroy(&space);
    assert_int_equal(frames_in_use(), 0);
    return 0;
}

static enum neo_status map(virt_addr_t va, phys_addr_t pa, uint64_t nbytes)
{
    return page_map(&space, va, pa, nbytes, VM_READ_WRITE, VM_WRITE_BACK);
}

static uint64_t leaf_at(virt_addr_t va)
{
    struct vm_mapping mapping;
    return page_query(space.root, va, &mapping) ? mapping.nbytes : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
