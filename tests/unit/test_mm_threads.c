/* test_mm_threads.c — several CPUs (threads) in the lock, the frame allocator and the heap at once: nobody is handed what
 * another one holds, counts come out even, interrupts are off exactly while a lock is held. Run under
 * ThreadSanitizer too (the Makefile's flags can be replaced: SANITIZE=-fsanitize=thread). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/frames.h>
#include <neomem/heap.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <neomem/spinlock.h>

#include "tests/support/mm_fixture.h"

#define THREADS 4u
#define ROUNDS 20000u

static void run_threads(void *(*function)(void *))
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, function, (void *)(i + 1)), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

/* ---- the lock ------------------------------------------------------------------------------------------------------ */

static struct spinlock lock;
static unsigned guarded; /* plain: the lock is what makes it right */

static void *count_up(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        arch_irq_state_t state;
        if (i % 3 != 0) {
            state = spin_lock(&lock);
        } else {
            while (!spin_try_lock(&lock, &state)) {
                arch_cpu_relax();
            }
        }
        guarded++;
        if (!spin_is_held(&lock) || hosted_interrupts_enabled()) {
            return argument;
        }
        spin_unlock(&lock, state);
        if (spin_is_held(&lock) || !hosted_interrupts_enabled()) {
            return argument;
        }
    }
    return NULL;
}

static void test_lock_excludes(void **state)
{
    (void)state;
    guarded = 0;
    run_threads(count_up);
    assert_int_equal(guarded, THREADS * ROUNDS);
}

static void test_lock_states(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), PAGE_SIZE)};
    mm_fixture_arena(map, 1);
    static struct spinlock other;
    arch_irq_state_t outer = spin_lock(&lock);
    arch_irq_state_t inner = spin_lock(&other);
    arch_irq_state_t unused;
    assert_false(spin_try_lock(&lock, &unused));
    assert_false(hosted_interrupts_enabled());
    arch_irq_restore(1);
    assert_false(spin_try_lock(&lock, &unused));
    assert_true(hosted_interrupts_enabled());
    arch_irq_restore(0);
    spin_unlock(&other, inner);
    assert_false(hosted_interrupts_enabled());
#if DEBUG_MEMORY >= 1
    EXPECT_PANIC_TEXT((void)spin_lock(&lock), "taken twice");
#endif
    spin_unlock(&lock, outer);
    assert_true(hosted_interrupts_enabled());
#if DEBUG_MEMORY >= 1
    EXPECT_PANIC_TEXT(spin_unlock(&lock, outer), "does not hold it");
#endif
    outer = spin_lock(&lock);
    spin_unlock(&lock, outer);
}

/* ---- frames and heap ------------------------------------------------------------------------------------------------- */

#define HELD 32u

static void *use_frames(void *argument)
{
    uint64_t id = (uintptr_t)argument;
    uint64_t random = id * 0x9e3779b97f4a7c15ull;
    uint64_t *held[HELD] = {0};
    uint64_t counts[HELD] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        unsigned at = (unsigned)(random >> 33) % HELD;
        if (held[at] != NULL) {
            for (uint64_t page = 0; page < counts[at]; page++) {
                if (held[at][page * 512] != (id << 32 | at)) {
                    return argument;
                }
            }
            free_pages(held[at], counts[at]);
            held[at] = NULL;
            continue;
        }
        counts[at] = 1 + ((random >> 50) % 8 == 0 ? (random >> 40) % 30 : 0);
        held[at] = allocate_pages(counts[at]);
        for (uint64_t page = 0; held[at] != NULL && page < counts[at]; page++) {
            held[at][page * 512] = id << 32 | at;
        }
    }
    for (unsigned at = 0; at < HELD; at++) {
        free_pages(held[at], counts[at]);
    }
    return NULL;
}

static void *use_heap(void *argument)
{
    unsigned char id = (unsigned char)(uintptr_t)argument;
    uint64_t random = id * 0x9e3779b97f4a7c15ull;
    unsigned char *held[HELD] = {0};
    size_t sizes[HELD] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        unsigned at = (unsigned)(random >> 33) % HELD;
        if (held[at] != NULL) {
            if (held[at][0] != id || held[at][sizes[at] - 1] != id) {
                return argument;
            }
            kfree(held[at]);
            held[at] = NULL;
            continue;
        }
        sizes[at] = 1 + (random >> 40) % ((random >> 60) == 0 ? 20000 : 500);
        held[at] = kmalloc(sizes[at]);
        if (held[at] != NULL) {
            memset(held[at], id, sizes[at]);
        }
    }
    for (unsigned at = 0; at < HELD; at++) {
        kfree(held[at]);
    }
    return NULL;
}

static void test_frames_on_every_cpu(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(3));
    struct frames_stats before;
    struct frames_stats after;
    frames_get_stats(&before);
    run_threads(use_frames);
    frames_get_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(frames_check(), NEO_OK);
}

static void test_heap_on_every_cpu(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    heapInit();
    struct heap_stats before;
    struct heap_stats after;
    heap_get_stats(&before);
    run_threads(use_heap);
    heap_get_stats(&after);
    after.failures = before.failures;
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(heap_check(NULL), NEO_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock_excludes),
        cmocka_unit_test(test_lock_states),
        cmocka_unit_test(test_frames_on_every_cpu),
        cmocka_unit_test(test_heap_on_every_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
