/* test_heap_no_memory.c — every request for frames refused, one after the other, and memory used up to the last frame:
 * NULL, nothing changed, nothing lost. */
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
    /* What stays is the low window's reserve, which the heap does not take. */
    struct frames_zone_stats low;
    frames_get_zone_stats(0, FRAMES_WINDOW_16M, &low);
    assert_true(low.reserve > 0);
    assert_int_equal(frames_now.free, low.reserve);
    assert_null(kcalloc(1, 4096));
    while (count != 0) {
        kfree(blocks[--count]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_memory),
        TEST(test_exhaustion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
