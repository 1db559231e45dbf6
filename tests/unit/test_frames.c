/* test_frames.c — the frame allocator by picture: where frames come from, what refuses, what panics, states.
 * Random sequences against a naive reference are in tests/model/model_frames.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <config.h>
#include <neomem/early.h>
#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "tests/support/mm_fixture.h"

static struct frames_stats stats_now(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    assert_int_equal(stats.total, stats.free + stats.reserve + stats.allocated + stats.metadata);
    assert_int_equal(frames_check(), NEO_OK);
    return stats;
}

static uint64_t alloc_one(void)
{
    return frames_alloc(1, 1, 0, FRAMES_ANYWHERE);
}

/*   1 MiB       2 MiB           16 MiB    18 MiB             4 GiB   4 GiB + 4 MiB
 *   |###########|               |#########|                  |#######M|                  M: metadata, top of the largest
 *        3rd                        2nd                         1st                      highest addresses go first */
static void test_high_memory_goes_first(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(16), MIB(2)), USABLE(GIB(4), MIB(4))};
    mm_fixture_frames(map, 3);
    struct frames_stats stats = stats_now();
    assert_int_equal(stats.total, 7 * 256);
    assert_int_equal(stats.metadata, 1);
    assert_int_equal(stats.spans, 3);
    assert_int_equal(stats.allocated, 0);
    assert_int_equal(stats.reserve, PAGE_POOL_SIZE < 112 ? PAGE_POOL_SIZE : 112);
    for (unsigned i = 0; i < 4 * 256 - 1; i++) {
        assert_int_equal(alloc_one(), GIB(4) + (4 * 256 - 2 - i) * PAGE_SIZE);
    }
    for (unsigned i = 0; i < 2 * 256; i++) {
        assert_int_equal(alloc_one(), MIB(18) - (i + 1) * PAGE_SIZE);
    }
    for (uint64_t i = 0; i < 256 - stats.reserve; i++) {
        assert_int_equal(alloc_one(), MIB(2) - (i + 1) * PAGE_SIZE);
    }
    assert_int_equal(alloc_one(), FRAMES_NONE);
    assert_int_equal(stats_now().free, 0);
    assert_int_equal(frames_longest_free_run(), 0);
}

/* The last frames are only for those who must not fail. */
static void test_reserve(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    uint64_t reserve = stats_now().reserve;
    assert_int_equal(reserve, PAGE_POOL_SIZE < 128 ? PAGE_POOL_SIZE : 128);
    while (alloc_one() != FRAMES_NONE) {
    }
    assert_int_equal(stats_now().free, 0);
    assert_int_equal(stats_now().reserve, reserve);
    uint64_t last = FRAMES_NONE;
    for (uint64_t i = 0; i < reserve; i++) {
        last = frames_alloc_reserved();
        assert_int_not_equal(last, FRAMES_NONE);
        assert_int_equal(stats_now().reserve, reserve - i - 1);
    }
    assert_int_equal(frames_alloc_reserved(), FRAMES_NONE);
    /* What comes back fills the reserve first. */
    frames_free(last, 1);
    assert_int_equal(stats_now().reserve, 1);
    assert_int_equal(stats_now().free, 0);
    assert_int_equal(alloc_one(), FRAMES_NONE);
}

/*   1 MiB     3 MiB     5 MiB
 *   |#########|#########|          two entries that touch are one span */
static void test_touching_regions_are_one(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(2)), USABLE(MIB(3), MIB(2))};
    mm_fixture_frames(map, 2);
    assert_int_equal(stats_now().spans, 1);
    uint64_t free = stats_now().free;
    phys_addr_t all = frames_alloc(free, 1, 0, FRAMES_ANYWHERE);
    assert_int_not_equal(all, FRAMES_NONE);
    frames_free(all, free);
    assert_int_equal(frames_longest_free_run(), free);
}

static void test_alignment_is_of_the_address(void **state)
{
    (void)state;
    /* Starts at an odd frame, so bit numbers and frame numbers differ beyond a word. */
    struct limine_memmap_entry map[] = {USABLE(MIB(1) + 13 * PAGE_SIZE, MIB(64))};
    mm_fixture_frames(map, 1);
    for (uint64_t align = 1; align <= 4096; align *= 2) {
        phys_addr_t pa = frames_alloc(3, align, 0, FRAMES_ANYWHERE);
        assert_int_not_equal(pa, FRAMES_NONE);
        assert_true(is_aligned(pa, align * PAGE_SIZE));
        frames_free(pa, 3);
        pa = frames_alloc(1, align, 0, FRAMES_ANYWHERE);
        assert_true(is_aligned(pa, align * PAGE_SIZE));
        frames_free(pa, 1);
    }
    assert_int_equal(frames_alloc(1, 1 << 20, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    (void)stats_now();
}

/*       window:      [       )
 *   |####|    |######|######|####|       cut at both ends, to whole frames */
static void test_windows(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(8)), USABLE(MIB(16), MIB(32))};
    mm_fixture_frames(map, 2);
    assert_int_equal(frames_alloc(1, 1, 0, MIB(16)), MIB(9) - PAGE_SIZE);
    assert_int_equal(frames_alloc(1, 1, 0, MIB(1) + PAGE_SIZE), MIB(1));
    assert_int_equal(frames_alloc(1, 1, 0, MIB(1)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(9), MIB(16)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(20) + 1, MIB(20) + 2 * PAGE_SIZE), MIB(20) + PAGE_SIZE);
    assert_int_equal(frames_alloc(1, 1, MIB(24) + 1, MIB(24) + 2 * PAGE_SIZE - 1), FRAMES_NONE);
    assert_int_equal(frames_alloc(256, 1, MIB(4), MIB(5)), MIB(4));
    assert_int_equal(frames_alloc(256, 1, MIB(4), MIB(6)), MIB(5));
    assert_int_equal(frames_alloc(1, 1, MIB(4), MIB(6)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(30), MIB(20)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(48), FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, FRAMES_ANYWHERE, FRAMES_ANYWHERE), FRAMES_NONE);
    /* A run that fits the memory but not the window. */
    assert_int_equal(frames_alloc(257, 1, MIB(40), MIB(41)), FRAMES_NONE);
    (void)stats_now();
}

static void test_refused_arguments(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    struct frames_stats before = stats_now();
    assert_int_equal(frames_alloc(0, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 0, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 3, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(UINT64_MAX, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(before.total, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1ull << 63, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(before.free + 1, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    struct frames_stats after = stats_now();
    assert_memory_equal(&before, &after, sizeof(before));
}

/*   [a a a a b b b b]      free the middle two of a, then ranges that touch them */
static void test_misuse_panics(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(4), MIB(8))};
    mm_fixture_frames(map, 2);
    phys_addr_t a = frames_alloc(4, 4, 0, FRAMES_ANYWHERE);
    phys_addr_t low = frames_alloc(2, 1, 0, MIB(2));
    frames_free(a + PAGE_SIZE, 2);
    struct frames_stats before = stats_now();

    EXPECT_PANIC_TEXT(frames_free(a + PAGE_SIZE, 1), "double free");
    EXPECT_PANIC_TEXT(frames_free(a, 4), "double free");
    char culprit[32];
    (void)snprintf(culprit, sizeof(culprit), "0x%llx: free already", (unsigned long long)(a + PAGE_SIZE));
    EXPECT_PANIC_TEXT(frames_free(a, 2), culprit);
    EXPECT_PANIC_TEXT(frames_free(a + 1, 1), "not that of a frame");
    EXPECT_PANIC_TEXT(frames_free(a, 0), "count is 0");
    EXPECT_PANIC_TEXT(frames_free(MIB(3), 1), "no memory of this allocator");
    EXPECT_PANIC_TEXT(frames_free(0, 1), "no memory of this allocator");
    EXPECT_PANIC_TEXT(frames_free(GIB(64), 1), "no memory of this allocator");
    EXPECT_PANIC_TEXT(frames_free(FRAMES_NONE - 4095, 1), "no memory of this allocator");
    EXPECT_PANIC_TEXT(frames_free(low, 3), "runs out of the memory");
    EXPECT_PANIC_TEXT(frames_free(low, UINT64_MAX), "runs out of the memory");
    EXPECT_PANIC_TEXT(frames_free(MIB(12) - PAGE_SIZE, 1), "metadata");
    EXPECT_PANIC_TEXT(frames_free(a, (MIB(12) - a) >> PAGE_SHIFT), "metadata");

    struct frames_stats after = stats_now();
    assert_memory_equal(&before, &after, sizeof(before));
    frames_free(a, 1);
    frames_free(a + 3 * PAGE_SIZE, 1);
    frames_free(low, 2);
    assert_int_equal(stats_now().allocated, 0);
}

static void test_panic_names_the_caller(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    EXPECT_PANIC_TEXT(frames_free_for(MIB(2), 1, (void *)(uintptr_t)0xabcdef), "by 0xabcdef");
    EXPECT_PANIC_TEXT(frames_free_for(MIB(2), 1, (void *)(uintptr_t)0xabcdef), "0x200000");
}

static void test_states(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    phys_addr_t a = alloc_one();
    assert_int_equal(frames_state(a), FRAMES_STATE_ALLOCATED);
    assert_int_equal(frames_state(a + 4095), FRAMES_STATE_ALLOCATED);
    assert_true(frames_is_allocated(a));
    frames_free(a, 1);
    assert_int_equal(frames_state(a), FRAMES_STATE_FREE);
    assert_int_equal(frames_state(MIB(9) - 1), FRAMES_STATE_METADATA);
    assert_false(frames_is_allocated(MIB(9) - 1));
    assert_int_equal(frames_state(MIB(9)), FRAMES_STATE_FOREIGN);
    assert_int_equal(frames_state(MIB(1) - 1), FRAMES_STATE_FOREIGN);
    assert_int_equal(frames_state(UINT64_MAX), FRAMES_STATE_FOREIGN);
}

/* What early.h gave to others before is metadata too, to the frame. */
static void test_early_memory_is_kept(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(8))};
    mm_fixture_arena(map, 1);
    assert_int_equal(early_init(map, 1), NEO_OK);
    unsigned char *kept = early_alloc(3 * PAGE_SIZE + 5, 64);
    assert_non_null(kept);
    memset(kept, 0x77, 3 * PAGE_SIZE + 5);
    assert_int_equal(frames_init(map, 1), NEO_OK);
    assert_false(early_is_active());
    assert_null(early_alloc(1, 1));
    assert_int_equal(stats_now().metadata, 4 + 1);
    for (phys_addr_t pa; (pa = alloc_one()) != FRAMES_NONE;) {
        memset(phys_to_virt(pa), 0, PAGE_SIZE);
    }
    for (unsigned i = 0; i < 3 * PAGE_SIZE + 5; i++) {
        assert_int_equal(kept[i], 0x77);
    }
}

static void test_failure_injection(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(4));
    (void)frames_inject_failure(2, false);
    assert_int_not_equal(alloc_one(), FRAMES_NONE);
    assert_int_not_equal(frames_alloc_reserved(), FRAMES_NONE);
    assert_int_equal(alloc_one(), FRAMES_NONE);
    assert_int_not_equal(alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_inject_failure(1, true), 4);
    assert_int_not_equal(alloc_one(), FRAMES_NONE);
    assert_int_equal(alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_alloc_reserved(), FRAMES_NONE);
    (void)frames_inject_failure(UINT64_MAX, false);
    assert_int_not_equal(alloc_one(), FRAMES_NONE);
}

/* ---- the public names ------------------------------------------------------------------------------------------------ */

static void test_public_pages(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    unsigned char *page = allocate_page();
    assert_non_null(page);
    assert_true(is_aligned((uintptr_t)page, PAGE_SIZE));
    assert_int_equal(getHHDM() + virt_to_phys(page), (uintptr_t)page);
    assert_ptr_equal(phys_to_virt(virt_to_phys(page)), page);
    memset(page, 1, PAGE_SIZE);
    free_page(page);
    unsigned char *pages = allocate_pages(100);
    assert_non_null(pages);
    memset(pages, 1, 100 * PAGE_SIZE);
    free_pages(pages, 100);
    free_page(NULL);
    free_pages(NULL, 5);
    assert_null(allocate_pages(0));
    assert_null(allocate_pages(UINT64_MAX));
    assert_int_equal(stats_now().allocated, 0);
    EXPECT_PANIC_TEXT(free_page(pages), "double free");
    EXPECT_PANIC_TEXT(free_pages(pages + 1, 1), "not that of a frame");
    EXPECT_PANIC_TEXT(free_page(&(char){0}), "PANIC");
}

/* availableMemoryRegions decides; without memory there is one clear line. */
static void test_public_start(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(4), MIB(2))};
    mm_fixture_arena(map, 2);
    availableMemoryRegions = map;
    availableMemoryRegionsCount = 0;
    EXPECT_PANIC_TEXT(initialize_page_allocator(), "cannot start on 0 usable regions: no memory");
    availableMemoryRegionsCount = 2;
    initialize_page_allocator();
    assert_int_equal(stats_now().total, 768);
    /* early.h was started before: it is not started again. */
    mm_fixture_arena(map, 2);
    assert_int_equal(early_init(map, 2), NEO_OK);
    assert_non_null(early_alloc(1, 1));
    initialize_page_allocator();
    assert_int_equal(stats_now().metadata, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_high_memory_goes_first),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_touching_regions_are_one),
        cmocka_unit_test(test_alignment_is_of_the_address),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refused_arguments),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_panic_names_the_caller),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_early_memory_is_kept),
        cmocka_unit_test(test_failure_injection),
        cmocka_unit_test(test_public_pages),
        cmocka_unit_test(test_public_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
