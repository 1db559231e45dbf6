/* selftest_heap.c — round trips through kmalloc and its family over every size class, with contents checked.
 * Each leaves exactly as many live blocks as it found. */

#include "selftest_internal.h"

#include <neomem/memory.h>
#include <neomem/random.h>
#include <neomem/string.h>

#define SMALL_MAX 4096u
#define MIXED_SLOTS 256u
#define MIXED_ROUNDS 20000u
#define MIXED_MAX 6000u

static uint64_t live_blocks(void)
{
    struct memory_stats stats;
    memory_get_stats(&stats);
    return stats.heap_blocks;
}

static bool is_well_aligned(const void *block, size_t size)
{
    return is_aligned((uint64_t)(uintptr_t)block, size >= 16 ? 16 : 8);
}

static enum selftest_result verdict(struct selftest_report *report, uint64_t wrong, uint64_t before, const char *what,
                                    uint64_t count)
{
    if (wrong != 0 || live_blocks() != before) {
        return selftest_fail(report, "%llu of %llu %s wrong, %llu live blocks before, %llu after",
                             (unsigned long long)wrong, (unsigned long long)count, what, (unsigned long long)before,
                             (unsigned long long)live_blocks());
    }
    return selftest_pass(report, "%llu %s", (unsigned long long)count, what);
}

/* Every size from 8 bytes to 4 KiB in steps of 8, all alive at once, freed in an order that makes neighbours merge late. */
enum selftest_result selftest_heap_small(struct selftest_report *report)
{
    static void *blocks[SMALL_MAX / 8 + 1];
    uint64_t before = live_blocks();
    uint64_t wrong = 0;
    uint64_t count = 0;

    for (size_t size = 8; size <= SMALL_MAX; size += 8) {
        void *block = kmalloc(size);
        blocks[size / 8] = block;
        if (block == NULL) {
            continue;
        }
        wrong += !is_well_aligned(block, size) || kmalloc_usable_size(block) < size;
        selftest_fill(block, size, size);
        count++;
    }
    for (size_t pass = 0; pass < 3; pass++) {
        for (size_t size = 8 * (pass + 1); size <= SMALL_MAX; size += 24) {
            void *block = blocks[size / 8];
            wrong += block != NULL && !selftest_verify(block, size, size);
            kfree(block);
        }
    }
    if (count != SMALL_MAX / 8) {
        return selftest_fail(report, "only %llu of %u blocks could be had", (unsigned long long)count, SMALL_MAX / 8);
    }
    return verdict(report, wrong, before, "blocks of 8 to 4096 bytes", count);
}

enum selftest_result selftest_heap_large(struct selftest_report *report)
{
    static const size_t sizes[] = {4096, 4097, 8192, 12288, 65536, 100000, 262144, 1048576};
    uint64_t before = live_blocks();
    uint64_t wrong = 0;
    uint64_t count = 0;

    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        void *block = kmalloc(sizes[i]);
        if (block == NULL) {
            continue;
        }
        selftest_fill(block, sizes[i], i);
        wrong += !selftest_verify(block, sizes[i], i) || !is_well_aligned(block, sizes[i]);
        kfree(block);
        count++;
    }
    if (count < ARRAY_COUNT(sizes) - 1) {
        return selftest_fail(report, "only %llu of %zu sizes could be had", (unsigned long long)count,
                             ARRAY_COUNT(sizes));
    }
    return verdict(report, wrong, before, "blocks of 4 KiB to 1 MiB", count);
}

enum selftest_result selftest_heap_mixed(struct selftest_report *report)
{
    static struct {
        void *block;
        size_t size;
    } slots[MIXED_SLOTS];
    uint64_t before = live_blocks();
    uint64_t wrong = 0;

    for (uint64_t round = 0; round < MIXED_ROUNDS; round++) {
        size_t i = (size_t)random_below(MIXED_SLOTS);
        if (slots[i].block != NULL) {
            wrong += !selftest_verify(slots[i].block, slots[i].size, i);
            kfree(slots[i].block);
            slots[i].block = NULL;
            continue;
        }
        /* Mostly small, as kernels ask: one in eight draws from the whole range. */
        slots[i].size = 1 + (size_t)random_below(random_below(8) == 0 ? MIXED_MAX : 128);
        slots[i].block = kmalloc(slots[i].size);
        if (slots[i].block != NULL) {
            selftest_fill(slots[i].block, slots[i].size, i);
        }
    }
    for (size_t i = 0; i < MIXED_SLOTS; i++) {
        wrong += slots[i].block != NULL && !selftest_verify(slots[i].block, slots[i].size, i);
        kfree(slots[i].block);
        slots[i].block = NULL;
    }
    return verdict(report, wrong, before, "random operations", MIXED_ROUNDS);
}

enum selftest_result selftest_heap_realloc(struct selftest_report *report)
{
    static const size_t sizes[] = {1, 8, 24, 100, 512, 4000, 5000, 70000, 300, 40, 8};
    uint64_t before = live_blocks();
    uint64_t wrong = 0;
    size_t old_size = 1;
    uint8_t *block = krealloc(NULL, old_size);

    if (block == NULL) {
        return selftest_fail(report, "krealloc(NULL, 1) returned NULL");
    }
    selftest_fill(block, old_size, 7);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint8_t *moved = krealloc(block, sizes[i]);
        if (moved == NULL) {
            wrong++;
            continue;
        }
        block = moved;
        wrong += !selftest_verify(block, old_size < sizes[i] ? old_size : sizes[i], 7);
        selftest_fill(block, sizes[i], 7);
        old_size = sizes[i];
    }
    wrong += krealloc(block, 0) != NULL;

    uint8_t *zeroed = kcalloc(37, 11);
    for (size_t i = 0; zeroed != NULL && i < (size_t)37 * 11; i++) {
        wrong += zeroed[i] != 0;
    }
    kfree(zeroed);
    return verdict(report, wrong, before, "resizes kept their contents", ARRAY_COUNT(sizes));
}

enum selftest_result selftest_heap_aligned(struct selftest_report *report)
{
    uint64_t before = live_blocks();
    uint64_t wrong = 0;
    uint64_t count = 0;

    for (size_t alignment = 8; alignment <= 65536; alignment *= 2) {
        for (size_t size = 1; size <= 10000; size = size * 3 + 5) {
            void *block = kmalloc_aligned(size, alignment);
            if (block == NULL) {
                wrong++;
                continue;
            }
            wrong += !is_aligned((uint64_t)(uintptr_t)block, alignment);
            selftest_fill(block, size, alignment);
            wrong += !selftest_verify(block, size, alignment);
            kfree(block);
            count++;
        }
    }
    return verdict(report, wrong, before, "aligned blocks, 8 bytes to 64 KiB", count);
}

/* The compiler must not reason about sizes that no object can have: hence the volatile. */
enum selftest_result selftest_heap_limits(struct selftest_report *report)
{
    volatile size_t huge = SIZE_MAX;
    volatile size_t half = SIZE_MAX / 2 + 2;
    uint64_t before = live_blocks();
    uint64_t wrong = 0;

    wrong += kmalloc(0) != NULL;
    wrong += kmalloc(huge) != NULL;
    wrong += kmalloc(huge - 64) != NULL;
    wrong += kcalloc(half, 2) != NULL;
    wrong += kcalloc(huge, huge) != NULL;
    wrong += kcalloc(0, 8) != NULL;
    wrong += kmalloc_aligned(64, 3) != NULL;
    wrong += kmalloc_aligned(64, huge) != NULL;
    wrong += kmalloc_aligned(0, 64) != NULL;
    kfree(NULL);
    void *block = kmalloc(32);
    if (block != NULL) {
        selftest_fill(block, 32, 1);
        wrong += krealloc(block, huge) != NULL;
        wrong += !selftest_verify(block, 32, 1);
    }
    kfree(block);
    return verdict(report, wrong, before, "impossible requests refused", 10);
}
