/* memory_map_reclaim.c — the late step that turns the loader's memory into usable memory.
 *
 * The map is rewritten in one pass, in place: the regions move to the end of their array, and are read
 * from there while the result grows from the front.
 *
 *      |  written →      |   gap   |      ← not yet read |
 *
 * The writer never reaches the reader: the number of pieces is counted first, and the storage holds them all. */
#include "memory_map_internal.h"
#include <neomem/memory_map.h>

struct reclaim {
    struct memory_map *map;
    const struct memory_range *excluded;
    uint64_t excluded_count;
    memory_map_take_over_fn take_over;
    void *context;
    struct memory_reclaim_report *report;
};

/* Last byte of a range that is not empty, grown to whole frames. */
static uint64_t frames_last(const struct memory_range *range)
{
    return (range->base + (range->length - 1)) | (PAGE_SIZE - 1);
}

/* Is the byte at address excluded? *last: how far from there the answer stays the same, at most as before. */
static bool is_excluded(const struct reclaim *job, uint64_t address, uint64_t *last)
{
    for (uint64_t i = 0; i < job->excluded_count; i++) {
        const struct memory_range *range = &job->excluded[i];
        uint64_t base = align_down(range->base, PAGE_SIZE);
        if (range->length == 0 || frames_last(range) < address) {
            continue;
        }
        if (base <= address) {
            *last = min_u64(*last, frames_last(range));
            return true;
        }
        *last = min_u64(*last, base - 1);
    }
    return false;
}

/* Pieces that one reclaimable region falls into, the cut at low_limit included. */
static uint64_t count_pieces(const struct reclaim *job, const struct memory_region *region)
{
    uint64_t region_last = memory_region_last(region);
    uint64_t pieces = region->base < job->map->low_limit && region_last >= job->map->low_limit ? 1 : 0;
    uint64_t from = region->base;
    for (;;) {
        uint64_t last = region_last;
        (void)is_excluded(job, from, &last);
        pieces++;
        if (last == region_last) {
            return pieces;
        }
        from = last + 1;
    }
}

static bool fits(const struct reclaim *job)
{
    uint64_t pieces = 0;
    for (uint64_t i = 0; i < job->map->count; i++) {
        const struct memory_region *region = &job->map->regions[i];
        pieces += region->kind == MEMORY_BOOTLOADER_RECLAIMABLE ? count_pieces(job, region) : 1;
    }
    return pieces <= job->map->capacity;
}

/* Decide about one run without exclusions. */
static void hand_over(const struct reclaim *job, uint64_t base, uint64_t last)
{
    struct memory_map *map = job->map;
    if (base < map->low_limit) {
        uint64_t low_last = min_u64(last, map->low_limit - 1);
        memory_map_append(map, base, low_last, MEMORY_LOW);
        job->report->to_low += low_last - base + 1;
        if (low_last == last) {
            return;
        }
        base = map->low_limit;
    }
    uint64_t length = last - base + 1;
    if (job->take_over != NULL && !job->take_over(job->context, base, length)) {
        memory_map_append(map, base, last, MEMORY_BOOTLOADER_RECLAIMABLE);
        job->report->refused += length;
        return;
    }
    memory_map_append(map, base, last, MEMORY_USABLE);
    job->report->to_usable += length;
}

static void reclaim_region(const struct reclaim *job, const struct memory_region *region)
{
    uint64_t region_last = memory_region_last(region);
    uint64_t from = region->base;
    for (;;) {
        uint64_t last = region_last;
        if (is_excluded(job, from, &last)) {
            memory_map_append(job->map, from, last, MEMORY_BOOTLOADER_RECLAIMABLE);
            job->report->excluded += last - from + 1;
        } else {
            hand_over(job, from, last);
        }
        if (last == region_last) {
            return;
        }
        from = last + 1;
    }
}

static void rewrite(const struct reclaim *job)
{
    struct memory_map *map = job->map;
    uint64_t count = map->count;
    struct memory_region *old = map->regions + (map->capacity - count);
    for (uint64_t i = count; i-- > 0;) {
        old[i] = map->regions[i];
    }
    map->count = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct memory_region region = old[i];
        if (region.kind == MEMORY_BOOTLOADER_RECLAIMABLE) {
            reclaim_region(job, &region);
        } else {
            memory_map_append(map, region.base, memory_region_last(&region), region.kind);
        }
    }
}

enum neo_status memory_map_reclaim(struct memory_map *map, const struct memory_range *excluded, uint64_t excluded_count,
                                   memory_map_take_over_fn take_over, void *context,
                                   struct memory_reclaim_report *report)
{
    struct memory_reclaim_report unread = {0};
    struct reclaim job = {.map = map,
                          .excluded = excluded,
                          .excluded_count = excluded_count,
                          .take_over = take_over,
                          .context = context,
                          .report = report != NULL ? report : &unread};
    for (uint64_t i = 0; i < excluded_count; i++) {
        if (excluded[i].length != 0 && excluded[i].base + (excluded[i].length - 1) < excluded[i].base) {
            return NEO_ERR_INVALID;
        }
    }
    if (!fits(&job)) {
        return NEO_ERR_LIMIT;
    }
    *job.report = (struct memory_reclaim_report){0};
    memory_map_totals(map, job.report->before);
    rewrite(&job);
    memory_map_totals(map, job.report->after);
    if (memory_map_kernel() == map) {
        memory_map_publish(map);
    }
    return NEO_OK;
}
