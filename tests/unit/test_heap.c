/* test_heap.c — the kernel heap by picture: contracts of the public functions, best fit and coalescing, growth and giving
 * back, page runs. heap.c is included to start it again for each test.
 * Random sequences against a naive reference are in tests/model/model_heap.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "heap.c"

#include <neomem/hosted.h>

#include "heap_started.h"

/* ---- contracts ------------------------------------------------------------------------------------------------------ */

static void test_contract_of_the_seed(void **state)
{
    (void)state;
    assert_null(kmalloc(0));
    kfree(NULL);
    assert_null(krealloc(NULL, 0));
    assert_null(kcalloc(0, 5));
    assert_null(kcalloc(5, 0));
    assert_null(kcalloc(SIZE_MAX / 2 + 1, 2));
    assert_null(kcalloc(SIZE_MAX, SIZE_MAX));
    assert_null(kmalloc(SIZE_MAX));
    assert_null(kmalloc(SIZE_MAX - 4096));
    assert_null(kmalloc_aligned(0, 16));
    assert_null(kmalloc_aligned(16, 0));
    assert_null(kmalloc_aligned(16, 4));
    assert_null(kmalloc_aligned(16, 24));
    assert_null(kmalloc_aligned(16, 4u << 20));
    assert_null(kmalloc_aligned(SIZE_MAX, 64));
    assert_int_equal(kmalloc_usable_size(NULL), 0);
    void *block = krealloc(NULL, 100);
    assert_non_null(block);
    assert_true(kmalloc_usable_size(block) >= 100);
    assert_null(krealloc(block, SIZE_MAX));
    assert_null(krealloc(block, 0));
}

static void test_every_small_size(void **state)
{
    (void)state;
    static unsigned char *blocks[5000];
    for (size_t size = 1; size < 5000; size++) {
        blocks[size] = kmalloc(size);
        assert_non_null(blocks[size]);
        assert_true(is_aligned((uintptr_t)blocks[size], 16));
        memset(blocks[size], (int)size, size);
    }
    for (size_t size = 1; size < 5000; size++) {
        assert_int_equal(blocks[size][0], size & 0xff);
        assert_int_equal(blocks[size][size - 1], size & 0xff);
        kfree(blocks[size]);
    }
}

static void test_every_alignment(void **state)
{
    (void)state;
    for (size_t align = 8; align <= HEAP_ALIGN_MAX; align *= 2) {
        void *small = kmalloc_aligned(24, align);
        void *large = kmalloc_aligned(5000, align);
        assert_true(small != NULL && large != NULL);
        assert_true(is_aligned((uintptr_t)small | (uintptr_t)large, align));
        (void)stats_now();
        kfree(small);
        kfree(large);
    }
}

static void test_before_the_start(void **state)
{
    (void)state;
    struct heap saved = heap;
    heap = (struct heap){0};
    assert_null(kmalloc(1));
    assert_null(kmalloc(5000));
    heap = saved;
    EXPECT_PANIC_TEXT(heapInit(), "is_started");
}

/* ---- placement ------------------------------------------------------------------------------------------------------- */

/*   | a 64 | x | b 160 | y | c 96 | z | free …       a, b and c are freed: a request goes into the smallest that holds it */
static void test_best_fit(void **state)
{
    (void)state;
    void *a = kmalloc(64);
    void *x = kmalloc(16);
    void *b = kmalloc(160);
    void *y = kmalloc(16);
    void *c = kmalloc(96);
    void *z = kmalloc(16);
    kfree(a);
    kfree(b);
    kfree(c);
    assert_int_equal(stats_now().free_blocks, 4);
    void *first = kmalloc(90);
    assert_ptr_equal(first, c);
    void *second = kmalloc(90);
    assert_ptr_equal(second, b);
    void *third = kmalloc(60);
    assert_ptr_equal(third, a);
    /* What was left of b. */
    void *fourth = kmalloc(32);
    assert_ptr_equal(fourth, (char *)b + align_up(90 + sizeof(struct heap_block), HEAP_GRAIN));
    void *blocks[] = {x, y, z, first, second, third, fourth};
    for (unsigned i = 0; i < ARRAY_COUNT(blocks); i++) {
        kfree(blocks[i]);
    }
}

/*   | a | b | c | d |      all orders of freeing b and c beside a free or used a: never two free blocks side by side */
static void test_coalescing_at_once(void **state)
{
    (void)state;
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned i = 0; i < 6; i++) {
        void *blocks[4];
        for (unsigned k = 0; k < 4; k++) {
            blocks[k] = kmalloc(100);
        }
        for (unsigned k = 0; k < 3; k++) {
            kfree(blocks[orders[i][k]]);
            (void)stats_now();
        }
        assert_int_equal(stats_now().free_blocks, 2);
        size_t each = align_up(100 + sizeof(struct heap_block), HEAP_GRAIN);
        void *whole = kmalloc(3 * each - sizeof(struct heap_block));
        assert_ptr_equal(whole, blocks[0]);
        kfree(whole);
        kfree(blocks[3]);
        assert_int_equal(stats_now().free_blocks, 1);
    }
}

static void test_realloc_in_place(void **state)
{
    (void)state;
    char *a = kmalloc(100);
    char *b = kmalloc(100);
    char *c = kmalloc(100);
    memset(a, 'a', 100);
    kfree(b);
    assert_ptr_equal(krealloc(a, 180), a);
    (void)stats_now();
    assert_ptr_equal(krealloc(a, 40), a);
    assert_int_equal(stats_now().free_blocks, 2);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(a[i], 'a');
    }
    /* No room: moves, and what was there is free. */
    char *moved = krealloc(a, 1000);
    assert_ptr_not_equal(moved, a);
    assert_memory_equal(moved, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40);
    kfree(moved);
    kfree(c);
}

static void test_realloc_between_store_and_pages(void **state)
{
    (void)state;
    unsigned char *block = kmalloc(100);
    memset(block, 7, 100);
    block = krealloc(block, 100000);
    assert_non_null(block);
    assert_int_equal(stats_now().large_blocks, 1);
    assert_int_equal(block[99], 7);
    memset(block, 8, 100000);
    uint64_t size = stats_now().size;
    unsigned char *same = krealloc(block, 50000);
    assert_ptr_equal(same, block);
    assert_int_equal(stats_now().size, size - (25 - 13) * PAGE_SIZE);
    assert_int_equal(kmalloc_usable_size(block), 13 * PAGE_SIZE);
    block = krealloc(block, 200000);
    assert_int_equal(block[49999], 8);
    block = krealloc(block, 4000);
    assert_int_equal(block[3999], 8);
    assert_int_equal(stats_now().large_blocks, 0);
    kfree(block);
}

/* ---- growing and giving back -------------------------------------------------------------------------------------------- */

static void test_grows_and_gives_back(void **state)
{
    (void)state;
    static void *blocks[3000];
    for (unsigned i = 0; i < 3000; i++) {
        blocks[i] = kmalloc(1000);
        assert_non_null(blocks[i]);
    }
    assert_true(stats_now().arenas > 4);
    assert_true(stats_now().size > 3000 * 1000);
    for (unsigned i = 0; i < 3000; i += 2) {
        kfree(blocks[i]);
    }
    (void)stats_now();
    for (unsigned i = 1; i < 3000; i += 2) {
        kfree(blocks[i]);
    }
    assert_int_equal(stats_now().arenas, 1);
}

static void test_pages_are_exact(void **state)
{
    (void)state;
    uint64_t size = stats_now().size;
    unsigned char *block = kmalloc(4096);
    assert_int_equal(kmalloc_usable_size(block), 4096);
    assert_true(is_aligned((uintptr_t)block, PAGE_SIZE));
    assert_int_equal(stats_now().size, size + PAGE_SIZE);
    assert_int_equal(stats_now().live_blocks, 1);
    unsigned char *odd = kmalloc(4097);
    assert_int_equal(stats_now().size, size + 3 * PAGE_SIZE);
    memset(block, 1, 4096);
    memset(odd, 1, 8192);
    kfree(block);
    kfree(odd);
}

/* Frames that are left come in pieces: the heap starts with what there is, and panics only when there is nothing. */
static void test_starts_in_pieces(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), 20 * PAGE_SIZE), USABLE(MIB(2), 100 * PAGE_SIZE),
                                        USABLE(MIB(3), 40 * PAGE_SIZE), USABLE(MIB(4), 10 * PAGE_SIZE)};
    mm_fixture_frames(map, 4);
    heap = (struct heap){0};
    heapInit();
    struct heap_stats stats = stats_now();
    assert_true(stats.arenas > 1);
    assert_true(stats.size >= 64 * PAGE_SIZE);

    mm_fixture_frames(map, 1);
    while (frames_alloc(1, 1, 0, FRAMES_ANYWHERE) != FRAMES_NONE) {
    }
    heap = (struct heap){0};
    EXPECT_PANIC_TEXT(heapInit(), "no memory for the kernel heap");
}

/* Memory that stays, in arenas of 1 GiB at most: a free block's size has 32 bits. */
static void test_reserve_stays(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), GIB(10))};
    mm_fixture_frames(map, 1);
    heap = (struct heap){0};
    assert_int_equal(heap_reserve(MIB(1)), MIB(1));
    heapInit();
    assert_int_equal(heap_reserve(0), 0);
    assert_int_equal(heap_reserve(GIB(5) + MIB(1)), 0);
    struct heap_stats stats = stats_now();
    assert_int_equal(stats.arenas, 7);
    assert_int_equal(stats.size, GIB(5) + MIB(1) + MIB(HEAP_SIZE_MB));
    void *block = kmalloc(4000);
    kfree(block);
    assert_int_equal(stats_now().size, stats.size);
    uint64_t missing = heap_reserve(GIB(8));
    assert_in_range(missing, GIB(3), GIB(4));
    assert_int_equal(stats_now().size, stats.size + GIB(8) - missing);
}

static bool stop(void *context, const struct heap_block_info *info)
{
    *(const void **)context = info->block;
    return false;
}

static void test_for_each_stops(void **state)
{
    (void)state;
    const void *seen = NULL;
    assert_true(heap_for_each_block(stop, &seen));
    void *large = kmalloc(5000);
    assert_false(heap_for_each_block(stop, &seen));
    assert_ptr_equal(seen, large);
    void *small = kmalloc(50);
    assert_false(heap_for_each_block(stop, &seen));
    assert_ptr_equal(seen, small);
    kfree(small);
    kfree(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_contract_of_the_seed),
        TEST(test_every_small_size),
        TEST(test_every_alignment),
        TEST(test_before_the_start),
        TEST(test_best_fit),
        TEST(test_coalescing_at_once),
        TEST(test_realloc_in_place),
        TEST(test_realloc_between_store_and_pages),
        TEST(test_grows_and_gives_back),
        TEST(test_pages_are_exact),
        cmocka_unit_test_setup(test_starts_in_pieces, setup),
        cmocka_unit_test(test_reserve_stays),
        TEST(test_for_each_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
