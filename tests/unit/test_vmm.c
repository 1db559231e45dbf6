/* test_vmm.c — the kernel's own tables: what is in them and with which rights, what is refused, what is built without memory,
 * and what reports say about an address. The tests run in order: vmm_init succeeds once. Areas: test_vmm_areas.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/arch.h>
#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "tests/support/mm_fixture.h"
#include "tests/support/vmm_machine.h"

/* ---- before and at the start ----------------------------------------------------------------------------------- */

static void test_before_the_start(void **state)
{
    (void)state;
    vmm_machine_start();
    struct vm_mapping mapping;
    assert_int_equal(vmm_root(), 0);
    assert_null(vmm_alloc(1, VM_READ_WRITE));
    assert_null(vmm_map_phys(MIB(96), 1, VM_READ, VM_UNCACHED));
    assert_false(vmm_query(getHHDM(), &mapping));
    assert_int_equal(vmm_protect(phys_to_virt(0), PAGE_SIZE, VM_READ), NEO_ERR_NOT_FOUND);
    assert_int_equal(vmm_machine_frames(), 0);
}

static void test_refused_descriptions(void **state)
{
    (void)state;
    struct vmm_segment segments[VMM_SEGMENTS_MAX + 1] = {{0}};
    struct vmm_boot boot = vmm_machine_boot();
    boot.hhdm_base += PAGE_SIZE_1G;
    assert_int_equal(vmm_init(&boot), NEO_ERR_INVALID);

    boot = vmm_machine_boot();
    boot.segments = segments;
    boot.segment_count = VMM_SEGMENTS_MAX + 1;
    assert_int_equal(vmm_init(&boot), NEO_ERR_INVALID);

    memcpy(segments, vmm_machine_segments, sizeof(vmm_machine_segments));
    boot.segment_count = VMM_MACHINE_SEGMENTS;
    segments[1].va -= PAGE_SIZE;
    assert_int_equal(vmm_init(&boot), NEO_ERR_INVALID);
    segments[1].va = segments[0].va - PAGE_SIZE;
    assert_int_equal(vmm_init(&boot), NEO_ERR_INVALID);
    segments[1] = vmm_machine_segments[1];
    segments[1].nbytes -= 1;
    assert_int_equal(vmm_init(&boot), NEO_ERR_INVALID);
    segments[1] = vmm_machine_segments[1];
    segments[2].pa = 1ull << VMM_MACHINE_PHYS_BITS;
    assert_int_equal(vmm_init(&boot), NEO_ERR_RANGE);
    segments[2] = vmm_machine_segments[2];
    segments[0].va = VMM_WINDOW_BASE;
    assert_int_equal(vmm_init(&boot), NEO_ERR_RANGE);
    segments[0].va = getHHDM();
    assert_int_equal(vmm_init(&boot), NEO_ERR_EXISTS);
    assert_int_equal(vmm_root(), 0);
    assert_int_equal(vmm_machine_frames(), 0);
    assert_int_equal(hosted_tlb()->root_switches, 0);
}

static void test_start_without_memory(void **state)
{
    (void)state;
    struct vmm_boot boot = vmm_machine_boot();
    (void)frames_inject_failure(UINT64_MAX, false);
    for (uint64_t n = 0; n < 10; n++) {
        for (unsigned for_ever = 0; for_ever < 2; for_ever++) {
            (void)frames_inject_failure(n, for_ever == 1);
            assert_int_equal(vmm_init(&boot), NEO_ERR_NO_MEMORY);
            assert_int_equal(vmm_machine_frames(), 0);
            assert_int_equal(vmm_root(), 0);
        }
    }
    (void)frames_inject_failure(UINT64_MAX, false);
    assert_int_equal(hosted_tlb()->root_switches, 0);
}

static void test_start(void **state)
{
    (void)state;
    struct vmm_boot boot = vmm_machine_boot();
    hosted_tlb_clear();
    assert_int_equal(vmm_init(&boot), NEO_OK);
    assert_int_equal(arch_page_root(), vmm_root());
    assert_int_equal(hosted_tlb()->root_switches, 1);
    assert_int_equal(hosted_tlb()->full_flushes, 1);
    assert_int_equal(vmm_init(&boot), NEO_ERR_INVALID);
    struct vmm_stats stats = vmm_machine_stats();
    assert_int_equal(stats.areas, 0);
    assert_in_range(stats.window_base, VMM_WINDOW_BASE, VMM_WINDOW_BASE + (16ull << 40) - 1);
    assert_true(is_aligned(stats.window_base, PAGE_SIZE));
    assert_int_not_equal(stats.window_base, VMM_WINDOW_BASE);
}

/* ---- what is mapped ----------------------------------------------------------------------------------------------- */

struct audit {
    uint64_t hhdm_bytes;
    uint64_t image_bytes;
    uint64_t large_bytes;
};

static bool audit_leaf(void *context, const struct vm_mapping *mapping)
{
    struct audit *audit = context;
    assert_false(mapping->writable && mapping->executable);
    assert_false(mapping->user);
    assert_true(mapping->global);
    if (mapping->va - VMM_MACHINE_IMAGE < 28 * PAGE_SIZE) {
        audit->image_bytes += mapping->nbytes;
        return true;
    }
    phys_addr_t pa = mapping->va - getHHDM();
    assert_int_equal(mapping->pa, pa);
    assert_false(mapping->executable);
    assert_int_equal(mapping->type, VM_WRITE_BACK);
    for (uint64_t offset = 0; offset < mapping->nbytes; offset += PAGE_SIZE) {
        assert_int_equal(vmm_machine_expect(pa + offset),
                         mapping->writable ? VMM_MACHINE_READ_WRITE : VMM_MACHINE_READ);
    }
    audit->hhdm_bytes += mapping->nbytes;
    audit->large_bytes += mapping->nbytes > PAGE_SIZE ? mapping->nbytes : 0;
    return true;
}

/* Exactly the right pages, and large where they can be: regions of equal rights that touch are one. */
static void test_every_leaf(void **state)
{
    (void)state;
    struct audit audit = {0};
    assert_true(vmm_for_each_mapping(audit_leaf, &audit));
    uint64_t expected = 0;
    for (phys_addr_t page = 0; page < VMM_MACHINE_END; page += PAGE_SIZE) {
        expected += vmm_machine_expect(page) != VMM_MACHINE_ABSENT ? PAGE_SIZE : 0;
    }
    assert_int_equal(audit.hhdm_bytes, expected);
    assert_int_equal(audit.image_bytes, 28 * PAGE_SIZE);
    assert_int_equal(audit.large_bytes, MIB(66) + GIB(1));
    struct vm_mapping mapping;
    assert_true(vmm_query(getHHDM() + GIB(1), &mapping));
    assert_int_equal(mapping.nbytes, PAGE_SIZE_1G);
    assert_true(vmm_query(getHHDM(), &mapping));
    assert_int_equal(mapping.nbytes, PAGE_SIZE_2M);
}

static void test_image_rights(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VMM_MACHINE_SEGMENTS; i++) {
        const struct vmm_segment *segment = &vmm_machine_segments[i];
        for (uint64_t offset = 0; offset < segment->nbytes; offset += PAGE_SIZE) {
            struct vm_mapping mapping;
            assert_true(vmm_query(segment->va + offset, &mapping));
            assert_int_equal(mapping.pa, segment->pa + offset);
            assert_int_equal(mapping.writable, segment->rights == VM_READ_WRITE);
            assert_int_equal(mapping.executable, segment->rights == VM_READ_EXECUTE);
        }
    }
    assert_false(vmm_machine_is_mapped(VMM_MACHINE_IMAGE - 1));
    assert_false(vmm_machine_is_mapped(VMM_MACHINE_IMAGE + 28 * PAGE_SIZE));
}

/* ---- rights of the image, reports ------------------------------------------------------------------------------------- */

static void test_protect(void **state)
{
    (void)state;
    void *data = (void *)(uintptr_t)vmm_machine_segments[2].va;
    struct vm_mapping mapping;
    assert_int_equal(vmm_protect(data, 2 * PAGE_SIZE, VM_READ), NEO_OK);
    assert_true(vmm_query(vmm_machine_va(data) + PAGE_SIZE, &mapping) && !mapping.writable);
    assert_true(vmm_query(vmm_machine_va(data) + 2 * PAGE_SIZE, &mapping) && mapping.writable);
    assert_int_equal(vmm_protect(data, 9 * PAGE_SIZE, VM_READ), NEO_ERR_NOT_FOUND);
    assert_int_equal(vmm_protect((char *)data + 1, PAGE_SIZE, VM_READ), NEO_ERR_INVALID);
    assert_int_equal(vmm_protect(data, 2 * PAGE_SIZE, VM_READ_WRITE), NEO_OK);
}

static void assert_place(virt_addr_t va, enum vmm_place place, virt_addr_t base, const char *name)
{
    struct vmm_place_info info = vmm_find_area(va);
    assert_int_equal(info.place, place);
    assert_int_equal(info.base, base);
    if (name == NULL) {
        assert_null(info.name);
    } else {
        assert_string_equal(info.name, name);
    }
}

static bool look_while_locked(void *context, const struct vm_mapping *mapping)
{
    (void)mapping;
    assert_int_equal(vmm_find_area(VMM_WINDOW_BASE).place, VMM_PLACE_UNKNOWN);
    *(bool *)context = true;
    return false;
}

static void test_find_area(void **state)
{
    (void)state;
    char *area = vmm_alloc(2 * PAGE_SIZE, VM_READ_WRITE);
    vmm_name_area(area, "stack of CPU 2");
    vmm_name_area(area + 1, "nobody");
    virt_addr_t va = vmm_machine_va(area);
    assert_place(va, VMM_PLACE_AREA, va, "stack of CPU 2");
    assert_place(va + 2 * PAGE_SIZE - 1, VMM_PLACE_AREA, va, "stack of CPU 2");
    assert_place(va - 1, VMM_PLACE_GUARD, va, "stack of CPU 2");
    assert_place(va - PAGE_SIZE, VMM_PLACE_GUARD, va, "stack of CPU 2");
    assert_place(va + 2 * PAGE_SIZE, VMM_PLACE_GUARD, va, "stack of CPU 2");
    assert_place(va + 3 * PAGE_SIZE, VMM_PLACE_WINDOW, VMM_WINDOW_BASE, NULL);
    vmm_free(area);
    assert_place(va, VMM_PLACE_WINDOW, VMM_WINDOW_BASE, NULL);
    assert_place(VMM_MACHINE_IMAGE + 16 * PAGE_SIZE, VMM_PLACE_IMAGE, VMM_MACHINE_IMAGE + 16 * PAGE_SIZE, ".rodata");
    assert_place(VMM_MACHINE_IMAGE - 1, VMM_PLACE_NOTHING, 0, NULL);
    assert_place(getHHDM() + MIB(500), VMM_PLACE_HHDM, getHHDM(), NULL);
    assert_place(getHHDM() + VMM_MACHINE_END, VMM_PLACE_LOWER_HALF, 0, NULL);
    assert_place(0, VMM_PLACE_LOWER_HALF, 0, NULL);
    assert_place(1ull << 47, VMM_PLACE_NONCANONICAL, 0, NULL);
    assert_place(VMM_WINDOW_END, VMM_PLACE_NOTHING, 0, NULL);
    bool looked = false;
    assert_false(vmm_for_each_mapping(look_while_locked, &looked));
    assert_true(looked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_start),
        cmocka_unit_test(test_refused_descriptions),
        cmocka_unit_test(test_start_without_memory),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_every_leaf),
        cmocka_unit_test(test_image_rights),
        cmocka_unit_test(test_protect),
        cmocka_unit_test(test_find_area),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
