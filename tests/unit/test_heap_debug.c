/* test_heap_debug.c — what DEBUG_MEMORY 2 and 3 add to the heap: poison, caller and size of each block, and the walk after
 * every operation. The heap's sources are included at level 3, whatever the build's level is. */
#undef DEBUG_MEMORY
#define DEBUG_MEMORY 3

/* Before cmocka, which defines fail as a macro. */
#include "heap_check.c"
#include "heap_large.c"
#include "heap_store.c"

#include "heap.c"
#include "kmalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/mm_fixture.h"

static int setup(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(16));
    heap = (struct heap){0};
    heapInit();
    return 0;
}

static bool all_are(const unsigned char *bytes, size_t count, unsigned char value)
{
    size_t i = 0;
    while (i < count && bytes[i] == value) {
        i++;
    }
    return i == count;
}

static void test_poison(void **state)
{
    (void)state;
    unsigned char *block = kmalloc(200);
    size_t usable = kmalloc_usable_size(block);
    assert_true(all_are(block, usable, HEAP_POISON_NEW));
    memset(block, 1, usable);
    unsigned char *guard = kmalloc(1);
    kfree(block);
    /* The node of the free tree lies at the front. */
    assert_true(all_are(block + sizeof(struct rb_node), usable - sizeof(struct rb_node), HEAP_POISON_FREED));
    unsigned char *again = kmalloc(200);
    assert_ptr_equal(again, block);
    assert_true(all_are(again, usable, HEAP_POISON_NEW));
    unsigned char *zeroed = kcalloc(10, 20);
    assert_true(all_are(zeroed, 200, 0));
    unsigned char *large = kmalloc(10000);
    assert_true(all_are(large, 3 * PAGE_SIZE, HEAP_POISON_NEW));
    memset(large, 1, 3 * PAGE_SIZE);
    assert_ptr_equal(krealloc(large, 5000), large);
    assert_true(all_are(large + 2 * PAGE_SIZE, PAGE_SIZE, HEAP_POISON_FREED));
    assert_true(all_are(large, 2 * PAGE_SIZE, 1));
    kfree(large);
    assert_true(all_are(large, 2 * PAGE_SIZE, HEAP_POISON_FREED));
    kfree(zeroed);
    kfree(guard);
    kfree(again);
}

/*   | a 100 | free |  →  | a 300     |fr|      new bytes are poisoned, old ones kept; then shrunk again */
static void test_poison_of_resized_blocks(void **state)
{
    (void)state;
    unsigned char *block = kmalloc(100);
    size_t usable = kmalloc_usable_size(block);
    memset(block, 1, usable);
    assert_ptr_equal(krealloc(block, 300), block);
    size_t grown = kmalloc_usable_size(block);
    assert_true(all_are(block, usable, 1));
    assert_true(all_are(block + usable, grown - usable, HEAP_POISON_NEW));
    assert_ptr_equal(krealloc(block, 100), block);
    assert_int_equal(kmalloc_usable_size(block), usable);
    size_t behind = sizeof(struct heap_block) + sizeof(struct rb_node);
    assert_true(all_are(block + usable + behind, grown - usable - behind, HEAP_POISON_FREED));
    kfree(block);
}

static bool find_block(void *context, const struct heap_block_info *info)
{
    struct heap_block_info *wanted = context;
    if (info->block != wanted->block) {
        return true;
    }
    *wanted = *info;
    return false;
}

static void test_caller_and_size(void **state)
{
    (void)state;
    const void *caller = (const void *)(uintptr_t)0x1234;
    struct heap_block_info small = {.block = heap_allocate(77, 16, caller)};
    struct heap_block_info large = {.block = heap_allocate(7777, 16, caller)};
    assert_false(heap_for_each_block(find_block, &small));
    assert_false(heap_for_each_block(find_block, &large));
    assert_ptr_equal(small.caller, caller);
    assert_ptr_equal(large.caller, caller);
    assert_int_equal(small.requested, 77);
    assert_int_equal(large.requested, 7777);
    void *block = krealloc(kmalloc(5), 6);
    struct heap_block_info info = {.block = block};
    assert_false(heap_for_each_block(find_block, &info));
    assert_int_equal(info.requested, 6);
    assert_non_null(info.caller);
}

static void *volatile unused_result;

/* Damage anywhere stops the next operation, whichever block it is about. */
static void test_walk_after_every_operation(void **state)
{
    (void)state;
    unsigned char *first = kmalloc(100);
    unsigned char *second = kmalloc(100);
    void *far = kmalloc(2000);
    unsigned char *damaged = first + kmalloc_usable_size(first);
    *damaged ^= 1;
    EXPECT_PANIC_TEXT(unused_result = kmalloc(3000), "header overwritten");
    EXPECT_PANIC_TEXT(kfree(kmalloc(5)), "header overwritten");
    *damaged ^= 1;
    kfree(far);
    kfree(second);
    kfree(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_poison, setup),
        cmocka_unit_test_setup(test_poison_of_resized_blocks, setup),
        cmocka_unit_test_setup(test_caller_and_size, setup),
        cmocka_unit_test_setup(test_walk_after_every_operation, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
