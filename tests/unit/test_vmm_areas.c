/* test_vmm_areas.c — areas and their guard pages, windows to devices, misuse, no memory. Placement alone:
 * test_vmm_placement.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/arch.h>
#include <neomem/frames_pool.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "tests/support/mm_fixture.h"
#include "tests/support/vmm_machine.h"
#include "tests/unit/test_random_source.h"

static int start(void **state)
{
    (void)state;
    vmm_machine_start();
    struct vmm_boot boot = vmm_machine_boot();
    return vmm_init(&boot) == NEO_OK ? 0 : -1;
}

/* ---- areas ----------------------------------------------------------------------------------------------------------- */

static void test_area_and_guards(void **state)
{
    (void)state;
    struct vmm_stats before = vmm_machine_stats();
    void *area = vmm_alloc(3 * PAGE_SIZE - 5, VM_READ_WRITE);
    assert_non_null(area);
    virt_addr_t va = vmm_machine_va(area);
    assert_true(is_aligned(va, PAGE_SIZE));
    assert_in_range(va, before.window_base + PAGE_SIZE, VMM_WINDOW_END - 1);
    assert_false(vmm_machine_is_mapped(va - 1));
    assert_false(vmm_machine_is_mapped(va + 3 * PAGE_SIZE));
    for (unsigned i = 0; i < 3; i++) {
        struct vm_mapping mapping;
        assert_true(vmm_query(va + i * PAGE_SIZE, &mapping));
        assert_true(mapping.writable && !mapping.executable && mapping.type == VM_WRITE_BACK);
        assert_true(frames_is_allocated(mapping.pa));
        memset(phys_to_virt(mapping.pa), 1, PAGE_SIZE);
    }
    assert_int_equal(vmm_machine_stats().area_frames, before.area_frames + 3);
    assert_int_equal(vmm_machine_stats().areas, before.areas + 1);
    vmm_free(area);
    struct vmm_stats after = vmm_machine_stats();
    assert_int_equal(after.area_frames, before.area_frames);
    assert_int_equal(after.table_frames, before.table_frames);
    assert_false(vmm_machine_is_mapped(va));
    vmm_free(NULL);
    assert_null(vmm_alloc(0, VM_READ_WRITE));
    assert_null(vmm_alloc(UINT64_MAX, VM_READ_WRITE));
    assert_null(vmm_alloc(VMM_WINDOW_END - VMM_WINDOW_BASE, VM_READ_WRITE));
    assert_null(vmm_alloc(GIB(2), VM_READ_WRITE));
    after = vmm_machine_stats();
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
        assert_true(vmm_machine_va(area) >= last + 2 * PAGE_SIZE || last == 0);
        gaps += vmm_machine_va(area) != last + 2 * PAGE_SIZE;
        last = vmm_machine_va(area) + PAGE_SIZE;
        vmm_free(area);
    }
    assert_true(gaps > 100);
}

static void test_large_area_uses_large_leaves(void **state)
{
    (void)state;
    struct vmm_stats before = vmm_machine_stats();
    void *area = vmm_alloc(2 * PAGE_SIZE_2M + PAGE_SIZE, VM_READ_WRITE);
    assert_non_null(area);
    struct vm_mapping mapping;
    assert_true(vmm_query(vmm_machine_va(area), &mapping));
    assert_int_equal(mapping.nbytes, PAGE_SIZE_2M);
    assert_int_equal(vmm_machine_stats().area_frames, before.area_frames + 1025);
    /* Rights of a part: the leaf is split, and everything still comes back. */
    assert_int_equal(vmm_protect((char *)area + 5 * PAGE_SIZE, PAGE_SIZE, VM_READ), NEO_OK);
    assert_true(vmm_query(vmm_machine_va(area) + 5 * PAGE_SIZE, &mapping));
    assert_true(!mapping.writable && mapping.nbytes == PAGE_SIZE);
    vmm_free(area);
    assert_int_equal(vmm_machine_stats().area_frames, before.area_frames);
    assert_int_equal(vmm_machine_stats().table_frames, before.table_frames);
}

static void test_misuse_panics(void **state)
{
    (void)state;
    char *area = vmm_alloc(2 * PAGE_SIZE, VM_READ_WRITE);
    char *window = vmm_map_phys(MIB(96) + 5, 16, VM_READ, VM_UNCACHED);
    assert_true(area != NULL && window != NULL);
    struct vmm_stats before = vmm_machine_stats();
    EXPECT_PANIC_TEXT(vmm_free(area + PAGE_SIZE), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(area + 1), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(area - 1), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(phys_to_virt(MIB(2))), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_free(window), "vmm_free of");
    EXPECT_PANIC_TEXT(vmm_unmap_phys(window - 5), "vmm_unmap_phys of");
    EXPECT_PANIC_TEXT(vmm_unmap_phys(area), "vmm_unmap_phys of");
    struct vmm_stats after = vmm_machine_stats();
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
    struct vmm_stats before = vmm_machine_stats();
    /* The framebuffer: whole 2 MiB leaves, as its address allows. */
    char *fb = vmm_map_phys(MIB(96), MIB(8), VM_READ_WRITE, VM_WRITE_COMBINING);
    assert_non_null(fb);
    struct vm_mapping mapping;
    assert_true(vmm_query(vmm_machine_va(fb), &mapping));
    assert_int_equal(mapping.nbytes, PAGE_SIZE_2M);
    assert_int_equal(mapping.type, VM_WRITE_COMBINING);
    assert_int_equal(mapping.pat_index, 5);
    assert_true(mapping.writable && !mapping.executable);
    assert_false(vmm_machine_is_mapped(vmm_machine_va(fb) - 1) || vmm_machine_is_mapped(vmm_machine_va(fb) + MIB(8)));
    /* Bytes across a page border, in a hole. */
    char *registers = vmm_map_phys(GIB(2) + 0xffe, 4, VM_READ_WRITE, VM_UNCACHED);
    assert_non_null(registers);
    assert_int_equal(vmm_machine_va(registers) % PAGE_SIZE, 0xffe);
    assert_true(vmm_query(vmm_machine_va(registers) + 3, &mapping));
    assert_int_equal(mapping.pa, GIB(2) + PAGE_SIZE);
    assert_int_equal(mapping.type, VM_UNCACHED);
    assert_false(vmm_machine_is_mapped(vmm_machine_va(registers) + 3 + PAGE_SIZE));
    /* Firmware tables and RAM may be read through a second write-back mapping, never through another type. */
    char *table = vmm_map_phys(MIB(66) + 0x234, 0x100, VM_READ, VM_WRITE_BACK);
    assert_non_null(table);
    assert_null(vmm_map_phys(MIB(66) + 0x234, 0x100, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(MIB(2), 1, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(MIB(68), 1, VM_READ, VM_WRITE_COMBINING));
    assert_null(vmm_map_phys(GIB(1) - 1, 2, VM_READ, VM_WRITE_THROUGH));
    assert_null(vmm_map_phys(MIB(66) + 0x1ff0, 1, VM_READ, VM_UNCACHED));
    assert_int_equal(vmm_machine_stats().areas, before.areas + 3);
    assert_int_equal(vmm_machine_stats().area_frames, before.area_frames);
    vmm_unmap_phys(fb);
    vmm_unmap_phys(registers);
    vmm_unmap_phys(table);
    vmm_unmap_phys(NULL);
    assert_int_equal(vmm_machine_stats().areas, before.areas);
    assert_int_equal(vmm_machine_stats().table_frames, before.table_frames);
}

static void test_map_phys_refuses(void **state)
{
    (void)state;
    struct vmm_stats before = vmm_machine_stats();
    assert_null(vmm_map_phys(MIB(96), 0, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(1ull << VMM_MACHINE_PHYS_BITS, 1, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys((1ull << VMM_MACHINE_PHYS_BITS) - 1, 2, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(UINT64_MAX, 1, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(UINT64_MAX, 2, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(GIB(2), UINT64_MAX, VM_READ, VM_UNCACHED));
    assert_null(vmm_map_phys(PAGE_SIZE, UINT64_MAX - PAGE_SIZE, VM_READ, VM_WRITE_BACK));
    struct vmm_stats after = vmm_machine_stats();
    before.record_frames = after.record_frames;
    assert_memory_equal(&before, &after, sizeof(before));
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
    struct vmm_stats before = vmm_machine_stats();
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned for_ever = 0; for_ever < 2; for_ever++) {
            unsigned refused = 0;
            bool came_last = false;
            for (uint64_t n = 0; n < 40; n++) {
                came_last = attempts[i](n, for_ever == 1);
                refused += !came_last;
                struct vmm_stats after = vmm_machine_stats();
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
    struct vmm_stats before = vmm_machine_stats();
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
                virt_addr_t a = vmm_machine_va(live[at].area);
                virt_addr_t b = vmm_machine_va(live[other].area);
                assert_true(a + live[at].nbytes + 2 * PAGE_SIZE <= b || b + live[other].nbytes + 2 * PAGE_SIZE <= a);
            }
        }
    }
    for (unsigned at = 0; at < LIVE; at++) {
        if (live[at].area != NULL) {
            live[at].is_window ? vmm_unmap_phys(live[at].area) : vmm_free(live[at].area);
        }
    }
    struct vmm_stats after = vmm_machine_stats();
    assert_int_equal(after.areas, before.areas);
    assert_int_equal(after.area_frames, before.area_frames);
    assert_int_equal(after.table_frames, before.table_frames);
    /* 39 records fit a frame. */
    assert_in_range(after.record_frames, 1, 2);
}

/* The page pool is for this: tables when the allocator has nothing left. */
static void test_tables_come_out_of_the_page_pool(void **state)
{
    (void)state;
    struct frames_pool_stats stats;
    uint64_t tables = vmm_machine_stats().table_frames;
    vmm_unmap_phys(vmm_map_phys(1ull << 38, PAGE_SIZE, VM_READ_WRITE, VM_UNCACHED)); /* there is a free area record */
    assert_int_equal(frames_page_pool_init(), NEO_OK);
    void *windows[20];
    (void)frames_inject_failure(0, true);
    for (unsigned i = 0; i < ARRAY_COUNT(windows); i++) { /* a window of 1 GiB and a page needs a table of its own */
        windows[i] = vmm_map_phys(1ull << 38, GIB(1) + PAGE_SIZE, VM_READ_WRITE, VM_UNCACHED);
        assert_non_null(windows[i]);
    }
    (void)frames_inject_failure(UINT64_MAX, false);
    frames_pool_get_stats(frames_page_pool(), &stats);
    assert_true(stats.from_pool >= ARRAY_COUNT(windows));
    assert_int_equal(stats.held, stats.limit - stats.from_pool);
    for (unsigned i = 0; i < ARRAY_COUNT(windows); i++) {
        vmm_unmap_phys(windows[i]);
    }
    frames_pool_get_stats(frames_page_pool(), &stats);
    assert_int_equal(stats.held, stats.limit); /* the tables went where they came from */
    assert_int_equal(frames_pool_destroy(frames_page_pool()), 0);
    assert_int_equal(vmm_machine_stats().table_frames, tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_area_and_guards),
        cmocka_unit_test(test_addresses_are_not_reused),
        cmocka_unit_test(test_large_area_uses_large_leaves),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_map_phys),
        cmocka_unit_test(test_map_phys_refuses),
        cmocka_unit_test(test_areas_without_memory),
        cmocka_unit_test(test_tables_come_out_of_the_page_pool),
        cmocka_unit_test(test_random_areas),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
