/* test_frames.c — the frame allocator by picture: single frames, runs, misuse, states, failure on demand, the public pages.
 * Requests with constraints: test_frames_requests.c; random sequences against a naive reference: tests/model/model_frames.c. */
#include "frames_started.h"

#include <neomem/early.h>
#include <neomem/frames_pool.h>

static phys_addr_t taken[1u << 14];

/*   1 MiB     3 MiB     5 MiB
 *   |#########|#########|          two entries that touch are one span */
static void test_touching_regions_are_one(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(2)), USABLE(MIB(3), MIB(2))};
    mm_fixture_frames(map, 2);
    assert_int_equal(figures().spans, 1);
    uint64_t free = figures().free;
    assert_int_equal(frames_longest_free_run(), free);
    phys_addr_t all = frames_alloc(free, 1, 0, FRAMES_ANYWHERE);
    assert_int_equal(all, MIB(1));
    assert_int_equal(frames_longest_free_run(), 0);
    frames_free(all, free);
    assert_int_equal(frames_longest_free_run(), free);
    assert_int_equal(figures().allocated, 0);
}

/* Every frame once, whole and writable; and all of it free again. */
static void test_every_frame_once(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    struct frames_stats before = figures();
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    assert_int_equal(count, before.free);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t *words = phys_to_virt(taken[i]);
        words[0] = words[511] = taken[i];
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t *words = phys_to_virt(taken[i]);
        assert_true(words[0] == taken[i] && words[511] == taken[i]);
        assert_true(is_in(taken[i], MIB(1), MIB(15)));
    }
    assert_int_equal(figures().free, 0);
    give_back(taken, count);
    expect_figures(&before);
    frames_drain();
    assert_int_equal(figures().cached, 0);
    assert_int_equal(frames_longest_free_run(), before.free);
}

/* Any part of an allocation may go back on its own, in any order. */
static void test_parts_go_back(void **state)
{
    (void)state;
    static const uint64_t counts[] = {2, 3, 64, 65, 511, 512, 513, 1024, 1500};
    mm_fixture_one_region(MIB(14));
    struct frames_stats before = figures();
    for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
        uint64_t count = counts[i];
        phys_addr_t pa = frames_alloc(count, 1, 0, FRAMES_ANYWHERE);
        assert_int_not_equal(pa, FRAMES_NONE);
        assert_int_equal(figures().allocated, count);
        uint64_t middle = count / 2;
        frames_free(pa + middle * PAGE_SIZE, 1);
        assert_int_equal(frames_state(pa + middle * PAGE_SIZE), FRAMES_STATE_FREE);
        assert_true(frames_is_allocated(pa + (count - 1) * PAGE_SIZE) || middle == count - 1);
        if (middle + 1 < count) {
            frames_free(pa + (middle + 1) * PAGE_SIZE, count - middle - 1);
        }
        frames_free(pa, middle);
        expect_figures(&before);
    }
}

/* Blocks for 2 MiB and 1 GiB mappings are aligned to their size. */
static void test_large_frames(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(GIB(4) + MIB(3), GIB(3))};
    mm_fixture_frames(map, 1);
    struct frames_stats before = figures();
    phys_addr_t first = frames_alloc_1g();
    phys_addr_t second = frames_alloc_1g();
    assert_true(first != second && is_in(first, GIB(5), GIB(7)) && is_in(second, GIB(5), GIB(7)));
    assert_true(is_aligned(first, GIB(1)) && is_aligned(second, GIB(1)));
    assert_int_equal(frames_alloc_1g(), FRAMES_NONE);
    phys_addr_t small = frames_alloc_2m();
    assert_true(is_aligned(small, MIB(2)) && small < GIB(8));
    assert_int_equal(figures().allocated, 2 * FRAMES_1G + FRAMES_2M);
    frames_free(small, FRAMES_2M);
    frames_free(first, FRAMES_1G);
    assert_int_equal(frames_alloc_1g(), first);
    frames_free(first, FRAMES_1G);
    frames_free(second, FRAMES_1G);
    expect_figures(&before);
}

/*   [a a a a]      free the middle two, then ranges that touch them */
static void test_misuse_panics(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(4), MIB(8))};
    mm_fixture_frames(map, 2);
    phys_addr_t a = frames_alloc(4, 4, MIB(4), MIB(12));
    phys_addr_t low = frames_alloc(2, 1, 0, MIB(2));
    phys_addr_t last = frames_alloc(1, 1, MIB(2) - PAGE_SIZE, MIB(2));
    frames_free(a + PAGE_SIZE, 2);
    struct frames_stats before = figures();

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
    EXPECT_PANIC_TEXT(frames_free(FRAMES_NONE, 1), "not that of a frame");
    EXPECT_PANIC_TEXT(frames_free(last, 2), "runs out of the memory");
    EXPECT_PANIC_TEXT(frames_free(last, UINT64_MAX), "runs out of the memory");
    EXPECT_PANIC_TEXT(frames_free(MIB(12) - PAGE_SIZE, 1), "metadata");
    expect_figures(&before);

    frames_free(a, 1);
    frames_free(a + 3 * PAGE_SIZE, 1);
    frames_free(low, 2);
    frames_free(last, 1);
    assert_int_equal(figures().allocated, 0);
}

static void test_panic_names_address_and_caller(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    EXPECT_PANIC_TEXT(frames_free_for(MIB(2), 1, some_caller(0xabcdef)), "by 0xabcdef");
    EXPECT_PANIC_TEXT(frames_free_for(MIB(2), 1, some_caller(0xabcdef)), "0x200000");
}

static void test_states(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    phys_addr_t a = frames_alloc_one();
    assert_int_equal(frames_state(a), FRAMES_STATE_ALLOCATED);
    assert_int_equal(frames_state(a + 4095), FRAMES_STATE_ALLOCATED);
    assert_true(frames_is_allocated(a));
    frames_free(a, 1);
    assert_int_equal(frames_state(a), FRAMES_STATE_FREE);
    struct frames_owner owner;
    frames_query(a, &owner);
    assert_true(owner.cached_by == 0 && !owner.is_retiring && owner.node == 0);
    frames_drain();
    frames_query(a, &owner);
    assert_true(owner.cached_by == -1 && owner.state == FRAMES_STATE_FREE);
    assert_int_equal(frames_state(MIB(9) - 1), FRAMES_STATE_METADATA);
    assert_false(frames_is_allocated(MIB(9) - 1));
    assert_int_equal(frames_state(MIB(9)), FRAMES_STATE_FOREIGN);
    assert_int_equal(frames_state(MIB(1) - 1), FRAMES_STATE_FOREIGN);
    assert_int_equal(frames_state(UINT64_MAX), FRAMES_STATE_FOREIGN);
    assert_string_equal(frames_state_name(FRAMES_STATE_RETIRED), "retired");
    assert_string_equal(frames_state_name((enum frames_state)77), "unknown");
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
    assert_in_range(figures().metadata, 4, 5);
    for (phys_addr_t pa; (pa = frames_alloc_one()) != FRAMES_NONE;) {
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
    assert_int_not_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_not_equal(frames_alloc(5, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_not_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_inject_failure(1, true), 4);
    assert_int_not_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_alloc_2m(), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, 0, MIB(3)), FRAMES_NONE);
    (void)frames_inject_failure(UINT64_MAX, false);
    assert_int_not_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_equal(figures().allocated, 1 + 5 + 1 + 1 + 1);
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
    assert_int_equal(figures().allocated, 0);
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
    assert_int_equal(figures().total, 768);
    assert_int_equal(figures().reserve, 12);
    /* early.h was started before: it is not started again. */
    mm_fixture_arena(map, 2);
    assert_int_equal(early_init(map, 2), NEO_OK);
    assert_non_null(early_alloc(1, 1));
    initialize_page_allocator();
    assert_in_range(figures().metadata, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_touching_regions_are_one),
        cmocka_unit_test(test_every_frame_once),
        cmocka_unit_test(test_parts_go_back),
        cmocka_unit_test(test_large_frames),
        cmocka_unit_test(test_misuse_panics),
        cmocka_unit_test(test_panic_names_address_and_caller),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_early_memory_is_kept),
        cmocka_unit_test(test_failure_injection),
        cmocka_unit_test(test_public_pages),
        cmocka_unit_test(test_public_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
