/* test_vmm.c — the kernel's own tables: what is in them and with which rights, what is refused, areas and their guard
 * pages, windows to devices, and every function without memory. The tests run in order: vmm_init succeeds once. */
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
#include "tests/unit/test_random_source.h"

static virt_addr_t va_of(const void *pointer)
{
    return (virt_addr_t)(uintptr_t)pointer;
}

static struct vmm_stats stats_now(void)
{
    struct vmm_stats stats;
    vmm_get_stats(&stats);
    if (vmm_root() != 0) {
        assert_int_equal(page_count_tables(vmm_root()), stats.table_frames);
        assert_int_equal(vmm_machine_frames(), stats.table_frames + stats.record_frames + stats.area_frames);
    }
    return stats;
}

static bool is_mapped(virt_addr_t va)
{
    struct vm_mapping mapping;
    return vmm_query(va, &mapping);
}

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
    struct vmm_stats stats = stats_now();
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
    assert_false(is_mapped(VMM_MACHINE_IMAGE - 1));
    assert_false(is_mapped(VMM_MACHINE_IMAGE + 28 * PAGE_SIZE));
}

/* ---- areas ----------------------------------------------------------------------------------------------------------- */

static void test_area_and_guards(void **state)
{
    (void)state;
    struct vmm_stats before = stats_now();
    void *area = vmm_alloc(3 * PAGE_SIZE - 5, VM_READ_WRITE);
    assert_non_null(area);
    virt_addr_t va = va_of(area);
    assert_true(is_aligned(va, PAGE_SIZE));
    assert_in_range(va, before.window_base + PAGE_SIZE, VMM_WINDOW_END - 1);
    assert_false(is_mapped(va - 1));
    assert_false(is_mapped(va + 3 * PAGE_SIZE));
    for (unsigned i = 0; i < 3; i++) {
        struct vm_mapping mapping;
        assert_true(vmm_query(va + i * PAGE_SIZE, &mapping));
        assert_true(mapping.writable && !mapping.executable && mapping.type == VM_WRITE_BACK);
        assert_true(frames_is_allocated(mapping.pa));
        memset(phys_to_virt(mapping.pa), 1, PAGE_SIZE);
    }
    assert_int_equal(stats_now().area_frames, before.area_frames + 3);
    assert_int_equal(stats_now().areas, before.areas + 1);
    vmm_free(area);
    struct vmm_stats after = stats_now();
    assert_int_equal(after.area_frames, before.area_frames);
    assert_int_equal(after.table_frames, before.table_frames);
    assert_false(is_mapped(va));
    vmm_free(NULL);
    assert_null(vmm_alloc(0, VM_READ_WRITE));
    assert_null(vmm_alloc(UINT64_MAX, VM_READ_WRITE));
    assert_null(vmm_alloc(VMM_WINDOW_END - VMM_WINDOW_BASE, VM_READ_WRITE));
    assert_null(vmm_alloc(GIB(2), VM_READ_WRITE));
    after = stats_now();
    assert_int_equal(after.areas, before.areas);
    assert_int_equal(after.table_frames, before.table_frames);
}

/* An address comes back only after the window has been walked through. */
static void test_addresses_are_not_reused(void **state)
{
    (void)state;
    virt_addr_t last = 0;
    unsigned gaps = 0;
    for (unsigned i = 0; i < 200; i++) {
        void *area = vmm_alloc(PAGE_SIZE, VM_READ);
        assert_non_null(area);
        assert_true(va_of(area) >= last + 2 * PAGE_SIZE || last == 0);
        gaps += va_of(area) != last + 2 * PAGE_SIZE;
        last = va_of(area) + PAGE_SIZE;
        vmm_free(area);
    }
    assert_true(gaps > 100);
}

static void test_large_area_uses_large_leaves(void **state)
{
    (void)state;
    struct vmm_stats before = stats_now();
    void *area = vmm_alloc(2 * PAGE_SIZE_2M + PAGE_SIZE, VM_READ_WRITE);
    assert_non_null(area);
    struct vm_mapping mapping;
    assert_true(vmm_query(va_of(area), &mapping));
    assert_int_equal(mapping.nbytes, PAGE_SIZE_2M);
    assert_int_equal(stats_now().area_frames, before.area_frames + 1025);
    /* Rights of a part: the leaf is split, and everything still comes back. */
    assert_int_equal(vmm_protect((char *)area + 5 * PAGE_SIZE, PAGE_SIZE, VM_READ), NEO_OK);
    assert_true(vmm_query(va_of(area) + 5 * PAGE_SIZE, &mapping));
    assert_true(!mapping.writable && mapping.nbytes == PAGE_SIZE);
    vmm_free(area);
    assert_int_equal(stats_now().area_frames, before.area_frames);
    assert_int_equal(stats_now().table_frames, before.table_frames);
}

static void test_misuse_panics(void **state)
{
    (void)state;
    char *area = vmm_alloc(2 * PAGE_SIZE, VM_READ_WRITE);
    char *window = vmm_map_phys(MIB(96) + 5, 16, VM_READ, VM_UNCACHED);
    assert_true(area != NULL && window != NULL);
    struct vmm_stats before = stats_now();
    EXPECT_PANIC_TEXT(vmm_free(area + PAGE_SIZE), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(area + 1), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(area - 1), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(phys_to_virt(MIB(2))), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(window), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_unmap_phys(window - 5), "vmm_unmap_phys of");
    EXPECT_PANIC_TEXT(vmm_unmap_phys(area), "vmm_unmap_phys of");
    struct vmm_stats after = stats_now();
    assert_memory_equal(&before, &after, sizeof(before));
    vmm_free(area);
    vmm_unmap_phys(window);
    EXPECT_PANIC_TEXT(vmm_free(area), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_unmap_phys(window), "vmm_unmap_phys of");
}

/* ---- windows ----------------------------------------------------------------------------------------------------------- */

static void test_map_phys(void **state)
{
    (void)state;
    struct vmm_stats before = stats_now();
    /* The framebuffer: whole 2 MiB leaves, as its address allows. */
    char *fb = vmm_map_phys(MIB(96), MIB(8), VM_READ_WRITE, VM_WRITE_COMBINING);
    assert_non_null(fb);
    struct vm_mapping mapping;
    assert_true(vmm_query(va_of(fb), &mapping));
    assert_int_equal(mapping.nbytes, PAGE_SIZE_2M);
    assert_int_equal(mapping.type, VM_WRITE_COMBINING);
    assert_int_equal(mapping.pat_index, 5);
    assert_true(mapping.writable && !mapping.executable);
    assert_false(is_mapped(va_of(fb) - 1) || is_mapped(va_of(fb) + MIB(8)));
    /* Bytes across a page border, in a hole. */
    char *registers = vmm_map_phys(GIB(2) + 0xffe, 4, VM_READ_WRITE, VM_UNCACHED);
    assert_non_null(registers);
    assert_int_equal(va_of(registers) % PAGE_SIZE, 0xffe);
    assert_true(vmm_query(va_of(registers) + 3, &mapping));
    assert_int_equal(mapping.pa, GIB(2) + PAGE_SIZE);
    assert_int_equal(mapping.type, VM_UNCACHED);
    assert_false(is_mapped(va_of(registers) + 3 + PAGE_SIZE));
    /* Firmware tables and RAM may be read through a second write-back mapping, never through another type. */
    char *table = vmm_map_phys(MIB(66) + 0x234, 0x100, VM_READ, VM_WRITE_BACK);
    assert_non_null(table);
    assert_null(vmm_map_phys(MIB(66) + 0x234, 0x100, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(MIB(2), 1, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(MIB(68), 1, VM_READ, VM_WRITE_COMBINING));
    assert_null(vmm_map_phys(GIB(1) - 1, 2, VM_READ, VM_WRITE_THROUGH));
    assert_null(vmm_map_phys(MIB(66) + 0x1ff0, 1, VM_READ, VM_UNCACHED));
    assert_int_equal(stats_now().areas, before.areas + 3);
    assert_int_equal(stats_now().area_frames, before.area_frames);
    vmm_unmap_phys(fb);
    vmm_unmap_phys(registers);
    vmm_unmap_phys(table);
    vmm_unmap_phys(NULL);
    assert_int_equal(stats_now().areas, before.areas);
    assert_int_equal(stats_now().table_frames, before.table_frames);
}

static void test_map_phys_refuses(void **state)
{
    (void)state;
    struct vmm_stats before = stats_now();
    assert_null(vmm_map_phys(MIB(96), 0, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(1ull << VMM_MACHINE_PHYS_BITS, 1, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys((1ull << VMM_MACHINE_PHYS_BITS) - 1, 2, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(UINT64_MAX, 1, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(UINT64_MAX, 2, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(GIB(2), UINT64_MAX, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(PAGE_SIZE, UINT64_MAX - PAGE_SIZE, VM_READ, VM_WRITE_BACK));
    struct vmm_stats after = stats_now();
    before.record_frames = after.record_frames;
    assert_memory_equal(&before, &after, sizeof(before));
}

/* ---- rights of the image, reports ------------------------------------------------------------------------------------- */

static void test_protect(void **state)
{
    (void)state;
    void *data = (void *)(uintptr_t)vmm_machine_segments[2].va;
    struct vm_mapping mapping;
    assert_int_equal(vmm_protect(data, 2 * PAGE_SIZE, VM_READ), NEO_OK);
    assert_true(vmm_query(va_of(data) + PAGE_SIZE, &mapping) && !mapping.writable);
    assert_true(vmm_query(va_of(data) + 2 * PAGE_SIZE, &mapping) && mapping.writable);
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
    virt_addr_t va = va_of(area);
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

/* ---- without memory ----------------------------------------------------------------------------------------------------- */

/* The n-th request for a frame fails, once or for ever. Return: whether the area came all the same; it is gone again. */
static bool area_comes(uint64_t n, bool for_ever)
{
    (void)frames_inject_failure(n, for_ever);
    void *area = vmm_alloc(PAGE_SIZE_2M + 7 * PAGE_SIZE, VM_READ_WRITE);
    (void)frames_inject_failure(UINT64_MAX, false);
    vmm_free(area);
    return area != NULL;
}

static bool window_comes(uint64_t n, bool for_ever)
{
    (void)frames_inject_failure(n, for_ever);
    void *window = vmm_map_phys(GIB(2) + MIB(1), 2 * PAGE_SIZE_2M, VM_READ_WRITE, VM_UNCACHED);
    (void)frames_inject_failure(UINT64_MAX, false);
    vmm_unmap_phys(window);
    return window != NULL;
}

static void test_areas_without_memory(void **state)
{
    (void)state;
    bool (*const attempts[])(uint64_t, bool) = {area_comes, window_comes};
    struct vmm_stats before = stats_now();
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned for_ever = 0; for_ever < 2; for_ever++) {
            unsigned refused = 0;
            bool came_last = false;
            for (uint64_t n = 0; n < 40; n++) {
                came_last = attempts[i](n, for_ever == 1);
                refused += !came_last;
                struct vmm_stats after = stats_now();
                assert_int_equal(after.areas, before.areas);
                assert_int_equal(after.area_frames, before.area_frames);
                assert_int_equal(after.table_frames, before.table_frames);
                assert_in_range(after.record_frames, before.record_frames, before.record_frames + 1);
            }
            assert_true(refused >= 3 && came_last);
        }
    }
}

#define LIVE 64u

/* Random areas: none overlaps another one's pages or guards, everything comes back. */
static void test_random_areas(void **state)
{
    (void)state;
    struct vmm_stats before = stats_now();
    static struct {
        char *area;
        uint64_t nbytes;
        bool is_window;
    } live[LIVE];
    for (unsigned i = 0; i < 20000; i++) {
        unsigned at = (unsigned)test_random_below(LIVE);
        if (live[at].area != NULL) {
            live[at].is_window ? vmm_unmap_phys(live[at].area) : vmm_free(live[at].area);
            live[at].area = NULL;
            continue;
        }
        live[at].is_window = test_random_below(4) == 0;
        live[at].nbytes = (1 + test_random_below(20)) * PAGE_SIZE;
        live[at].area = live[at].is_window ? vmm_map_phys(GIB(2), live[at].nbytes, VM_READ, VM_UNCACHED)
                                           : vmm_alloc(live[at].nbytes, VM_READ_WRITE);
        assert_non_null(live[at].area);
        for (unsigned other = 0; other < LIVE; other++) {
            if (other != at && live[other].area != NULL) {
                virt_addr_t a = va_of(live[at].area);
                virt_addr_t b = va_of(live[other].area);
                assert_true(a + live[at].nbytes + 2 * PAGE_SIZE <= b || b + live[other].nbytes + 2 * PAGE_SIZE <= a);
            }
        }
    }
    for (unsigned at = 0; at < LIVE; at++) {
        if (live[at].area != NULL) {
            live[at].is_window ? vmm_unmap_phys(live[at].area) : vmm_free(live[at].area);
        }
    }
    struct vmm_stats after = stats_now();
    assert_int_equal(after.areas, before.areas);
    assert_int_equal(after.area_frames, before.area_frames);
    assert_int_equal(after.table_frames, before.table_frames);
    /* 39 records fit a frame. */
    assert_in_range(after.record_frames, 1, 2);
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
        cmocka_unit_test(test_area_and_guards),
        cmocka_unit_test(test_addresses_are_not_reused),
        cmocka_unit_test(test_large_area_uses_large_leaves),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_map_phys),
        cmocka_unit_test(test_map_phys_refuses),
        cmocka_unit_test(test_protect),
        cmocka_unit_test(test_find_area),
        cmocka_unit_test(test_areas_without_memory),
        cmocka_unit_test(test_random_areas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
