/* selftest_frames.c — round trips through the page frame allocator: single frames, contiguous runs as a DMA
 * engine would want them, and what must be refused. Each leaves exactly as many frames free as it found. */

#include "selftest_internal.h"

#include <neomem/memory.h>
#include <neomem/string.h>

#define SINGLE_FRAMES 512u
#define RUN_LENGTHS_MAX 512u

static uint64_t frames_in_use(void)
{
    struct memory_stats stats;
    memory_get_stats(&stats);
    return stats.pages_allocated;
}

enum selftest_result selftest_single_frames(struct selftest_report *report)
{
    static void *frames[SINGLE_FRAMES];
    uint64_t before = frames_in_use();
    size_t got = 0;
    size_t damaged = 0;

    while (got < SINGLE_FRAMES && (frames[got] = allocate_page()) != NULL) {
        memset_64(frames[got], PAGE_SIZE / 8, got * 0x0101010101010101ull + virt_to_phys(frames[got]));
        got++;
    }
    bool aligned = true;
    for (size_t i = 0; i < got; i++) {
        const uint64_t *words = frames[i];
        uint64_t expected = i * 0x0101010101010101ull + virt_to_phys(frames[i]);
        aligned = aligned && is_aligned((uint64_t)(uintptr_t)frames[i], PAGE_SIZE);
        for (size_t w = 0; w < PAGE_SIZE / 8; w++) {
            damaged += words[w] != expected;
        }
    }
    /* Every other one first, so that the free frames lie scattered when the rest comes back. */
    for (size_t i = 0; i < got; i += 2) {
        free_page(frames[i]);
    }
    for (size_t i = 1; i < got; i += 2) {
        free_page(frames[i]);
    }
    if (got == 0 || damaged != 0 || !aligned) {
        return selftest_fail(report, "%zu frames, %zu damaged words, aligned %d", got, damaged, aligned);
    }
    if (frames_in_use() != before) {
        return selftest_fail(report, "%llu frames in use before, %llu after", (unsigned long long)before,
                             (unsigned long long)frames_in_use());
    }
    return selftest_pass(report, "%zu frames, each kept its own contents", got);
}

enum selftest_result selftest_frame_runs(struct selftest_report *report)
{
    static const uint64_t lengths[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 64, 100, 127, 128, 256, RUN_LENGTHS_MAX};
    void *runs[ARRAY_COUNT(lengths)];
    uint64_t before = frames_in_use();
    size_t got = 0;

    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        runs[i] = allocate_pages(lengths[i]);
        if (runs[i] == NULL) {
            continue;
        }
        selftest_fill(runs[i], lengths[i] * PAGE_SIZE, lengths[i]);
        got++;
    }
    uint64_t damaged = 0;
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        if (runs[i] == NULL) {
            continue;
        }
        damaged += !selftest_verify(runs[i], lengths[i] * PAGE_SIZE, lengths[i]);
        /* Contiguous in physical memory, not only in the direct map. */
        phys_addr_t last = virt_to_phys((uint8_t *)runs[i] + lengths[i] * PAGE_SIZE - 1);
        damaged += last - virt_to_phys(runs[i]) != lengths[i] * PAGE_SIZE - 1;
        free_pages(runs[i], lengths[i]);
    }
    if (damaged != 0 || frames_in_use() != before) {
        return selftest_fail(report, "%llu runs damaged, %llu frames in use before, %llu after",
                             (unsigned long long)damaged, (unsigned long long)before,
                             (unsigned long long)frames_in_use());
    }
    if (got < ARRAY_COUNT(lengths) / 2) {
        return selftest_fail(report, "only %zu of %zu runs could be had", got, ARRAY_COUNT(lengths));
    }
    return selftest_pass(report, "%zu of %zu runs of 1 to %u frames", got, ARRAY_COUNT(lengths), RUN_LENGTHS_MAX);
}

enum selftest_result selftest_frame_limits(struct selftest_report *report)
{
    struct memory_stats stats;
    memory_get_stats(&stats);
    uint64_t all = stats.total_physical / PAGE_SIZE;

    if (allocate_pages(0) != NULL || allocate_pages(all + 1) != NULL || allocate_pages(UINT64_MAX) != NULL) {
        return selftest_fail(report, "an impossible count was not refused");
    }
    free_page(NULL);
    free_pages(NULL, 17);
    if (frames_in_use() != stats.pages_allocated) {
        return selftest_fail(report, "refused calls changed the figures");
    }
    return selftest_pass(report, "counts of 0, %llu and 2^64-1 refused", (unsigned long long)(all + 1));
}
