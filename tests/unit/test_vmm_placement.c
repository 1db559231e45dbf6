/* test_vmm_placement.c — placement of areas when the window has been walked through, on a struct vmm of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "vmm_internal.h"

#include "tests/support/mm_fixture.h"

static struct vmm vmm;

static phys_addr_t alloc_frame(void *context)
{
    (void)context;
    return frames_alloc(1, 1, 0, FRAMES_ANYWHERE);
}

static void free_frame(void *context, phys_addr_t table)
{
    (void)context;
    frames_free(table, 1);
}

static const struct page_table_source source = {.alloc = alloc_frame, .free = free_frame};

static int setup(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(16));
    vmm = (struct vmm){.cursor = VMM_WINDOW_BASE};
    return page_space_init(&vmm.space, &source) == NEO_OK ? 0 : -1;
}

/*                      cursor
 *   |[g a g]     [g b g]  |  [g c g]|        the next area goes behind c if it fits, else to the lowest gap */
static void test_wraps_to_the_lowest_gap(void **state)
{
    (void)state;
    struct vm_area *first = vm_area_create(&vmm, PAGE_SIZE, VM_READ_WRITE);
    assert_int_equal(first->base, VMM_WINDOW_BASE + PAGE_SIZE);
    vmm.cursor = VMM_WINDOW_BASE + 8 * PAGE_SIZE;
    struct vm_area *second = vm_area_create(&vmm, PAGE_SIZE, VM_READ_WRITE);
    assert_int_equal(second->base, VMM_WINDOW_BASE + 9 * PAGE_SIZE);
    /* The last one that fits: page and guard end with the window. */
    vmm.cursor = VMM_WINDOW_END - 3 * PAGE_SIZE;
    struct vm_area *last = vm_area_create(&vmm, PAGE_SIZE, VM_READ_WRITE);
    assert_int_equal(last->base, VMM_WINDOW_END - 2 * PAGE_SIZE);
    /* Nothing fits behind it. The gap between first and second is 5 pages without guards: 3 pages fit, 4 do not. */
    vmm.cursor = VMM_WINDOW_END;
    struct vm_area *large = vm_area_create(&vmm, 4 * PAGE_SIZE, VM_READ_WRITE);
    assert_int_equal(large->base, VMM_WINDOW_BASE + 12 * PAGE_SIZE);
    vmm.cursor = VMM_WINDOW_END;
    struct vm_area *small = vm_area_create(&vmm, 3 * PAGE_SIZE, VM_READ_WRITE);
    assert_int_equal(small->base, VMM_WINDOW_BASE + 4 * PAGE_SIZE);
    vmm.cursor = VMM_WINDOW_END;
    struct vm_area *next = vm_area_create(&vmm, PAGE_SIZE, VM_READ_WRITE);
    assert_int_equal(next->base, VMM_WINDOW_BASE + 18 * PAGE_SIZE);
    assert_ptr_equal(vm_area_around(&vmm, small->base + 3 * PAGE_SIZE), small);
    assert_ptr_equal(vm_area_around(&vmm, second->base - PAGE_SIZE), second);
    assert_null(vm_area_around(&vmm, VMM_WINDOW_BASE + 3 * PAGE_SIZE - 1 + PAGE_SIZE * 20));
    /* A cursor inside an area. */
    vmm.cursor = large->base + PAGE_SIZE;
    struct vm_area *inside = vm_area_create(&vmm, PAGE_SIZE, VM_READ_WRITE);
    assert_true(inside->base >= next->base + 3 * PAGE_SIZE);
}

/* Space that a freed area leaves is found again after the wrap. */
static void test_freed_space_is_found_again(void **state)
{
    (void)state;
    struct vm_area *area = vm_area_create(&vmm, 2 * PAGE_SIZE, VM_READ_WRITE);
    virt_addr_t base = area->base;
    vm_area_destroy(&vmm, area);
    vmm.cursor = VMM_WINDOW_END;
    assert_int_equal(vm_area_create(&vmm, 2 * PAGE_SIZE, VM_READ_WRITE)->base, base);
}

/* Windows of 2 MiB and more lie so that large leaves fit, whatever the physical address. */
static void test_windows_are_congruent(void **state)
{
    (void)state;
    struct vm_area *area = vm_area_create_phys(&vmm, GIB(5) + 3 * PAGE_SIZE, 3 * PAGE_SIZE_2M, VM_READ, VM_UNCACHED);
    assert_int_equal(area->base % PAGE_SIZE_2M, 3 * PAGE_SIZE);
    struct vm_mapping mapping;
    assert_true(page_query(vmm.space.root, area->base + PAGE_SIZE_2M, &mapping));
    assert_int_equal(mapping.nbytes, PAGE_SIZE_2M);
    /* No gap is that large; the records of the refused areas are used again. */
    for (unsigned i = 0; i < 200; i++) {
        assert_null(
            vm_area_create_phys(&vmm, GIB(5), VMM_WINDOW_END - VMM_WINDOW_BASE - PAGE_SIZE, VM_READ, VM_UNCACHED));
    }
    assert_int_equal(vmm.record_frames, 1);
    assert_int_equal(vmm.area_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_wraps_to_the_lowest_gap, setup),
        cmocka_unit_test_setup(test_freed_space_is_found_again, setup),
        cmocka_unit_test_setup(test_windows_are_congruent, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
