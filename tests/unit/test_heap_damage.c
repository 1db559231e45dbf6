/* test_heap_damage.c — pointers that are no blocks, and headers that were overwritten: what the panic names, that nothing
 * changed before it, and what heap_check sees. The sources of the store are included, to make wrong headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "heap_store.c"

#include "heap.c"

#include <neomem/hosted.h>

#include "heap_started.h"

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

/* ---- misuse ---------------------------------------------------------------------------------------------------------------- */

static void test_misuse_is_named(void **state)
{
    (void)state;
    char local[64] = {0};
    char *a = kmalloc(100);
    char *b = kmalloc(100);
    char *c = kmalloc(100);
    /* So that no block of pages begins where the heap's own memory ends. */
    void *gap = allocate_pages(3);
    char *large = kmalloc(10000);
    struct heap_stats before = stats_now();
    expect_kfree_panic(a + 16, "not the start of a block");
    expect_kfree_panic(a + 8, "not the start of a block");
    expect_kfree_panic(local, "not a block of the heap");
    expect_kfree_panic(phys_to_virt(MIB(25) - PAGE_SIZE), "not a block of the heap");
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
    free_pages(gap, 3);
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
    root = heap.arenas.root;
    heap.arenas.root = NULL;
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    heap.arenas.root = root;
    /* Two pages in one tree of page runs that belong the other way round. */
    struct heap_large *other = heap_large_find(&heap, unused_result = kmalloc(5000));
    void *pages = other->pages;
    other->pages = record->pages;
    record->pages = pages;
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    record->pages = other->pages;
    other->pages = pages;
    kfree(unused_result);
    kfree(large);
}

static void set_check(struct heap_block *block, uint32_t size, uint32_t before)
{
    block->size = size;
    block->before = before;
    seal(&heap, block);
}

/*   | a 100 | b 100 | free …       headers that are sound one by one, but do not fit together */
static void test_check_sees_what_does_not_fit(void **state)
{
    (void)state;
    struct heap_problem problem;
    struct heap_block *a = heap_block_at(kmalloc(100), 0) - 1;
    struct heap_block *b = heap_block_at(kmalloc(100), 0) - 1;
    struct heap_block saved = *b;
    set_check(b, b->size & ~HEAP_BLOCK_USED, b->before);
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    assert_string_equal(problem.what, "two free blocks side by side");
    set_check(b, saved.size, b->before + 16);
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    assert_string_equal(problem.what, "header does not fit its neighbours");
    set_check(b, 16 | HEAP_BLOCK_USED, saved.before);
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    *b = saved;
    /* A record that describes nothing, and a used block that stands in the tree of free ones. */
    set_check(b, saved.size | HEAP_BLOCK_RECORD, saved.before);
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    *b = saved;
    (void)stats_now();
    kfree(heap_payload(a));
    saved = *a;
    set_check(a, a->size | HEAP_BLOCK_USED, a->before);
    assert_int_equal(heap_check(&problem), NEO_ERR_CORRUPT);
    *a = saved;
    kfree(heap_payload(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_misuse_is_named),       TEST(test_panics_name_block_and_caller),
        TEST(test_damage_is_named),       TEST(test_damaged_record_is_named),
        TEST(test_check_sees_everything), TEST(test_check_sees_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
