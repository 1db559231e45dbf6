/* memory_map.c — building the kernel's map and changing it: init, claim, publish.
 *
 * Storage: one block of the caller's, cut in two arrays of equal length, the regions and the published
 * entries. A map of n entries needs at most 2n regions (each entry begins one and ends one) and one more for
 * the cut at low_limit; a claim or an excluded range splits one region into at most three.
 *
 * Overlaps (legal among the types that are not usable or reclaimable) are resolved in O(n) without a
 * queue: what matters at an address is only which types are active there, and there are nine. For each step
 * of the strictness ladder the sweep keeps the highest byte that any entry so far reaches; the strictest
 * step that still reaches the current address owns it. Behind an address the active types can only step down
 * the ladder, so one descent is enough.
 *
 *      reserved  |-----------------|                  reserved  |----|   |------|
 *      ACPI NVS       (less strict)   |----|     →
 *      bad            |---|                           bad            |---|            ACPI NVS  |----|
 *
 * Locking: none, see memory_map.h. */
#include "memory_map_internal.h"
#include <neomem/memory.h>
#include <neomem/memory_map.h>

struct limine_memmap_entry *availableMemoryRegions;
uint64_t availableMemoryRegionsCount;

static struct {
    const struct memory_map *published;
} state;

_Static_assert(sizeof(struct memory_region) == sizeof(struct limine_memmap_entry), "the storage is cut in two halves");

#define STEPS 9u /* types 0 … 8, each with its own strictness */

/* ---- storage -------------------------------------------------------------------------------------- */

uint64_t memory_map_storage_bytes(uint64_t count, uint64_t changes)
{
    uint64_t regions;
    uint64_t bytes;
    if (__builtin_add_overflow(count, changes, &regions) || __builtin_add_overflow(regions, 1u, &regions) ||
        __builtin_mul_overflow(regions, 4u * sizeof(struct memory_region), &bytes)) {
        return 0;
    }
    return bytes;
}

bool memory_map_find_storage(const struct limine_memmap_entry *entries, uint64_t count, uint64_t nbytes,
                             phys_addr_t limit, phys_addr_t *base)
{
    uint64_t npages = bytes_to_pages(nbytes);
    uint64_t best_pages = 0;
    uint64_t best_last = 0;
    uint64_t limit_last = align_down(limit, PAGE_SIZE) - 1; /* no limit: 2^64 - 1 */
    for (uint64_t i = 0; i < count; i++) {
        if (entries[i].type != LIMINE_MEMMAP_USABLE) {
            continue;
        }
        uint64_t from = max_u64(entries[i].base, MEMORY_MAP_LOW_LIMIT);
        uint64_t last = min_u64(entries[i].base + (entries[i].length - 1), limit_last);
        uint64_t pages = from <= last ? ((last - from) >> PAGE_SHIFT) + 1 : 0;
        if (pages > best_pages) {
            best_pages = pages;
            best_last = last;
        }
    }
    if (npages == 0 || best_pages < npages) {
        return false;
    }
    *base = best_last - (npages << PAGE_SHIFT) + 1;
    return true;
}

/* ---- building ------------------------------------------------------------------------------------- */

void memory_map_append(struct memory_map *map, uint64_t base, uint64_t last, uint64_t kind)
{
    uint64_t length = last - base + 1;
    if (map->count > 0) {
        struct memory_region *previous = &map->regions[map->count - 1];
        if (previous->kind == kind && memory_region_last(previous) + 1 == base) {
            previous->length += length;
            return;
        }
    }
    map->regions[map->count++] = (struct memory_region){.base = base, .length = length, .kind = kind};
}

void memory_map_append_usable(struct memory_map *map, uint64_t base, uint64_t last)
{
    if (base < map->low_limit) {
        memory_map_append(map, base, min_u64(last, map->low_limit - 1), MEMORY_LOW);
        base = map->low_limit;
    }
    if (base <= last) {
        memory_map_append(map, base, last, MEMORY_USABLE);
    }
}

struct ladder {
    bool used[STEPS];
    uint64_t last[STEPS]; /* highest byte that an entry of this step reaches */
    uint64_t type[STEPS];
};

static void climb(struct ladder *ladder, const struct limine_memmap_entry *entry)
{
    unsigned step = limine_memmap_strictness(entry->type);
    uint64_t last = entry->base + (entry->length - 1);
    if (!ladder->used[step] || ladder->last[step] < last) {
        ladder->used[step] = true;
        ladder->last[step] = last;
        ladder->type[step] = entry->type;
    }
}

/* Append what the entries so far make of [from, until]. */
static void flush(struct memory_map *map, const struct ladder *ladder, uint64_t from, uint64_t until)
{
    for (unsigned step = STEPS; step-- > 0;) {
        if (!ladder->used[step] || ladder->last[step] < from) {
            continue;
        }
        uint64_t last = min_u64(ladder->last[step], until);
        if (ladder->type[step] == LIMINE_MEMMAP_USABLE) {
            memory_map_append_usable(map, from, last);
        } else {
            memory_map_append(map, from, last, ladder->type[step]);
        }
        if (last == until) {
            return;
        }
        from = last + 1;
    }
}

enum neo_status memory_map_init(struct memory_map *map, const struct limine_memmap_entry *entries, uint64_t count,
                                phys_addr_t low_limit, void *storage, uint64_t storage_bytes)
{
    *map = (struct memory_map){0};
    if (storage == NULL || !is_aligned((uintptr_t)storage, 8) || !is_aligned(low_limit, PAGE_SIZE)) {
        return NEO_ERR_INVALID;
    }
    if (!memmap_check(entries, count, NULL)) {
        return NEO_ERR_CORRUPT;
    }
    uint64_t needed = memory_map_storage_bytes(count, 0);
    if (needed == 0 || storage_bytes < needed) {
        return NEO_ERR_LIMIT;
    }
    map->low_limit = low_limit;
    map->regions = storage;
    map->capacity = storage_bytes / (2 * sizeof(struct memory_region));
    map->published = (struct limine_memmap_entry *)(void *)(map->regions + map->capacity);

    struct ladder ladder = {0};
    uint64_t from = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (entries[i].length == 0) {
            continue;
        }
        if (entries[i].base > from) {
            flush(map, &ladder, from, entries[i].base - 1);
            from = entries[i].base;
        }
        climb(&ladder, &entries[i]);
    }
    flush(map, &ladder, from, UINT64_MAX);
    return NEO_OK;
}

/* ---- changing ------------------------------------------------------------------------------------- */

/* Replace regions[index] by the `pieces` regions at piece; room is there. */
static void replace(struct memory_map *map, uint64_t index, const struct memory_region *piece, uint64_t pieces)
{
    for (uint64_t i = map->count; i-- > index + 1;) {
        map->regions[i + pieces - 1] = map->regions[i];
    }
    for (uint64_t i = 0; i < pieces; i++) {
        map->regions[index + i] = piece[i];
    }
    map->count += pieces - 1;
}

/* Join every pair of neighbours from index on that touch and are of one kind. */
static void join_from(struct memory_map *map, uint64_t index)
{
    uint64_t count = map->count;
    map->count = index;
    for (uint64_t i = index; i < count; i++) {
        struct memory_region region = map->regions[i];
        memory_map_append(map, region.base, memory_region_last(&region), region.kind);
    }
}

enum neo_status memory_map_claim(struct memory_map *map, phys_addr_t base, uint64_t length, enum memory_kind from,
                                 enum memory_kind to)
{
    if (length == 0 || !is_aligned(base | length, PAGE_SIZE) || (unsigned)to >= MEMORY_KIND_COUNT) {
        return NEO_ERR_INVALID;
    }
    const struct memory_region *found = memory_map_find(map, base);
    if (found == NULL || found->kind != (uint64_t)from || length > found->length - (base - found->base)) {
        return NEO_ERR_NOT_FOUND;
    }
    uint64_t before = base - found->base;
    uint64_t after = found->length - before - length;
    struct memory_region piece[3];
    uint64_t pieces = 0;
    if (before != 0) {
        piece[pieces++] = (struct memory_region){.base = found->base, .length = before, .kind = found->kind};
    }
    piece[pieces++] = (struct memory_region){.base = base, .length = length, .kind = (uint64_t)to};
    if (after != 0) {
        piece[pieces++] = (struct memory_region){.base = base + length, .length = after, .kind = found->kind};
    }
    if (pieces - 1 > map->capacity - map->count) {
        return NEO_ERR_LIMIT;
    }
    uint64_t index = (uint64_t)(found - map->regions);
    replace(map, index, piece, pieces);
    join_from(map, index);
    return NEO_OK;
}

void memory_map_publish(struct memory_map *map)
{
    map->published_count = 0;
    for (uint64_t i = 0; i < map->count; i++) {
        const struct memory_region *region = &map->regions[i];
        if (region->kind == MEMORY_USABLE) {
            map->published[map->published_count++] = (struct limine_memmap_entry){
                .base = region->base, .length = region->length, .type = LIMINE_MEMMAP_USABLE};
        }
    }
    availableMemoryRegions = map->published;
    availableMemoryRegionsCount = map->published_count;
    state.published = map;
}

const struct memory_map *memory_map_kernel(void)
{
    return state.published;
}
