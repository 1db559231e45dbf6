/* test_heap.c — the kernel heap by picture: contracts of the public functions, best fit and coalescing, growth and giving
 * back, page runs, misuse and damage that must be named, no memory. heap.c is included to see headers and neighbours.
 * Random sequences against a naive reference are in tests/model/model_heap.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "heap.c"

#include <neomem/frames.h>
#include <neomem/hosted.h>

#include "tests/support/mm_fixture.h"

static struct heap_stats stats_now(void)
{
    struct heap_stats stats;
    struct heap_problem problem;
    heap_get_stats(&stats);
    assert_int_equal(heap_check(&problem), NEO_OK);
    assert_null(problem.what);
    return stats;
}

static int setup(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(24));
    heap = (struct heap){0};
    heapInit();
    return 0;
}

/* Everything has been freed: what is left is HEAP_SIZE_MB. */
static int teardown(void **state)
{
    (void)state;
    struct heap_stats stats = stats_now();
    assert_int_equal(stats.live_blocks, 0);
    assert_int_equal(stats.used, 0);
    assert_int_equal(stats.size, MIB(HEAP_SIZE_MB));
    struct frames_stats frames_now;
    frames_get_stats(&frames_now);
    assert_int_equal(frames_now.allocated << PAGE_SHIFT, MIB(HEAP_SIZE_MB));
    return 0;
}

/* The jump back must not meet local variables of a test: one function each. */
static void *volatile unused_result;

static void expect_kfree_panic(void *block, const char *text)
{
    EXPECT_PANIC_TEXT(kfree(block), text);
}

static void expect_krealloc_panic(void *block, size_t size, const char *text)
{
    EXPECT_PANIC_TEXT(unused_result = krealloc(block, size), text);
}

static void expect_kmalloc_panic(size_t size, const char *text)
{
    EXPECT_PANIC_TEXT(unused_result = kmalloc(size), text);
}

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

/* ---- misuse ---------------------------------------------------------------------------------------------------------------- */

static void test_misuse_is_named(void **state)
{
    (void)state;
    char local[64] = {0};
    char *a = kmalloc(100);
    char *b = kmalloc(100);
    char *c = kmalloc(100);
    char *large = kmalloc(10000);
    struct heap_stats before = stats_now();
    expect_kfree_panic(a + 16, "not the start of a block");
    expect_kfree_panic(a + 8, "not the start of a block");
    expect_kfree_panic(local, "not a block of the heap");
    expect_kfree_panic(phys_to_virt(MIB(2)), "not a block of the heap");
    expect_kfree_panic(large + 16, "not a block of the heap");
    expect_kfree_panic(large + 4096, "not a block of the heap");
    expect_kfree_panic((void *)(uintptr_t)8, "not a block of the heap");
    expect_kfree_panic((void *)UINTPTR_MAX, "not a block of the heap");
    expect_krealloc_panic(a + 16, 5, "krealloc of");
    expect_krealloc_panic(local, 0, "krealloc of");
    EXPECT_PANIC_TEXT((void)kmalloc_usable_size(local), "kmalloc_usable_size of");
    expect_kfree_panic(heap_large_find(&heap, large), "the heap's own record");
    expect_kfree_panic(heap_payload(heap_end_block(heap_arena_of(rb_first(&heap.arenas)))), "not ");
    struct heap_stats after = stats_now();
    assert_memory_equal(&before, &after, sizeof(before));
    kfree(b);
    expect_kfree_panic(b, "free already (double free)");
    /* Joined with the block before it: still told apart. */
    kfree(a);
    expect_kfree_panic(b, "free already (double free)");
    kfree(c);
    expect_kfree_panic(c, "free already (double free)");
    kfree(large);
    expect_kfree_panic(large, "not a block of the heap");
    expect_krealloc_panic(a, 5, "free already (double free)");
}

static void test_panics_name_block_and_caller(void **state)
{
    (void)state;
    void *a = kmalloc(1);
    char text[64];
    (void)snprintf(text, sizeof(text), "kfree of %p by 0xabcdef", a);
    kfree(a);
    EXPECT_PANIC_TEXT(heap_release(a, (void *)(uintptr_t)0xabcdef, "kfree"), text);
}

/*   | a ######|# b |     one byte too many from a, found when a, b or a neighbour is freed; then put right again */
static void test_damage_is_named(void **state)
{
    (void)state;
    char *a = kmalloc(104);
    char *b = kmalloc(104);
    char *c = kmalloc(104);
    size_t usable = kmalloc_usable_size(a);
    struct heap_problem problem;

    a[usable] ^= 1;
    expect_kfree_panic(a, "by an overflow of the block before it");
    expect_kfree_panic(b, "header was overwritten");
    expect_kfree_panic(c, "header overwritten");
    expect_krealloc_panic(a, 200, "header overwritten");
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    assert_ptr_equal(problem.block, b);
    a[usable] ^= 1;
    (void)stats_now();

    /* Every byte of a header is covered. */
    for (size_t i = 0; i < sizeof(struct heap_block); i++) {
        a[usable + i] ^= 0x10;
        expect_kfree_panic(b, "header was overwritten");
        a[usable + i] ^= 0x10;
    }
    /* The header behind a free neighbour is rewritten when they join: damage there must not be covered up. */
    kfree(b);
    struct heap_block *header = heap_block_at(c, 0) - 1;
    header->size ^= 32;
    expect_kfree_panic(a, "header overwritten");
    expect_krealloc_panic(a, 150, "header overwritten");
    header->size ^= 32;
    /* The header of the free block that would be chosen. */
    header = heap_block_at(b, 0) - 1;
    header->check ^= 1;
    expect_kmalloc_panic(104, "header of a free block overwritten");
    header->check ^= 1;
    kfree(a);
    kfree(c);
}

static void test_damaged_record_is_named(void **state)
{
    (void)state;
    char *large = kmalloc(10000);
    struct heap_block *record = heap_block_of_node(&heap_large_find(&heap, large)->node);
    record->check ^= 1;
    expect_kfree_panic(large, "header was overwritten");
    struct heap_problem problem;
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    record->check ^= 1;
    kfree(large);
}

/* What heap_check alone sees. */
static void test_check_sees_everything(void **state)
{
    (void)state;
    struct heap_problem problem;
    struct heap_arena *arena = heap_arena_of(rb_first(&heap.arenas));
    char *large = kmalloc(5000);
    struct heap_large *record = heap_large_find(&heap, large);
    uint64_t *const fields[] = {
        &heap.stats.used,         &heap.stats.size,       &heap.stats.free_blocks, &heap.stats.live_blocks,
        &heap.stats.large_blocks, &heap.stats.free_bytes, &heap.stats.arenas,      &arena->live,
        &record->npages};
    for (unsigned i = 0; i < ARRAY_COUNT(fields); i++) {
        *fields[i] += 1;
        assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
        assert_non_null(problem.what);
        *fields[i] -= 1;
        assert_int_equal(heap_check(NULL), NEO_OK);
    }
    struct rb_node *root = heap.free_blocks.root;
    heap.free_blocks.root = NULL;
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    heap.free_blocks.root = root;
    root = heap.large.root;
    heap.large.root = NULL;
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    heap.large.root = root;
    heap_end_block(arena)->size = 0;
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    heap_end_block(arena)->size = HEAP_BLOCK_USED;
    kfree(large);
}

/* ---- without memory ----------------------------------------------------------------------------------------------------------- */

static void *grow_request(void)
{
    return kmalloc(3000);
}

static void *page_request(void)
{
    return kmalloc(50000);
}

static void *zeroed_request(void)
{
    return kcalloc(100, 500);
}

static void *aligned_request(void)
{
    return kmalloc_aligned(100, 65536);
}

static unsigned char *resized;

static void *resize_request(void)
{
    return krealloc(resized, 70000);
}

/* Every frame request of every kind of allocation fails, once and for ever: NULL, nothing changed. */
static void test_no_memory(void **state)
{
    (void)state;
    void *(*const requests[])(void) = {grow_request, page_request, zeroed_request, aligned_request, resize_request};
    /* Fill the first arena, so that the store has to grow for anything. */
    static void *fillers[2000];
    unsigned count = 0;
    while (heap.stats.arenas == 1) {
        fillers[count++] = kmalloc(1000);
    }
    kfree(fillers[--count]);
    while (heap.stats.arenas == 1) {
        fillers[count++] = kmalloc(16);
    }
    kfree(fillers[--count]);
    resized = fillers[0];
    memset(resized, 0x33, 1000);
    for (unsigned i = 0; i < ARRAY_COUNT(requests); i++) {
        for (unsigned for_ever = 0; for_ever < 2; for_ever++) {
            unsigned refused = 0;
            for (uint64_t n = 0; n < 6; n++) {
                struct heap_stats before = stats_now();
                (void)frames_inject_failure(n, for_ever == 1);
                void *block = requests[i]();
                (void)frames_inject_failure(UINT64_MAX, false);
                refused += block == NULL;
                if (requests[i] == resize_request && block != NULL) {
                    assert_int_equal(((unsigned char *)block)[999], 0x33);
                    fillers[0] = resized = krealloc(block, 1000);
                } else {
                    kfree(block);
                }
                struct heap_stats after = stats_now();
                assert_int_equal(after.failures, before.failures + (block == NULL));
                after.failures = before.failures;
                after.largest_free = before.largest_free;
                if (block == NULL) {
                    assert_memory_equal(&before, &after, sizeof(before));
                }
                assert_int_equal(resized[0], 0x33);
            }
            assert_true(refused >= (for_ever == 1 ? 1 : 0));
        }
    }
    while (count != 0) {
        kfree(fillers[--count]);
    }
}

static void test_exhaustion(void **state)
{
    (void)state;
    static void *blocks[100000];
    unsigned count = 0;
    for (size_t size = 100000; size >= 16; size /= 2) {
        for (void *block; (block = kmalloc(size)) != NULL;) {
            blocks[count++] = block;
        }
    }
    struct heap_stats full = stats_now();
    assert_true(full.failures >= 10);
    struct frames_stats frames_now;
    frames_get_stats(&frames_now);
    assert_int_equal(frames_now.free, 0);
    assert_null(kcalloc(1, 4096));
    while (count != 0) {
        kfree(blocks[--count]);
    }
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(test_misuse_is_named),
        TEST(test_panics_name_block_and_caller),
        TEST(test_damage_is_named),
        TEST(test_damaged_record_is_named),
        TEST(test_check_sees_everything),
        TEST(test_no_memory),
        TEST(test_exhaustion),
        TEST(test_for_each_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
