/* memory_map_query.c — reading the kernel's map: iteration, look-up by address, sums, its own invariants. */
#include "memory_map_internal.h"
#include <neomem/memory_map.h>

static bool is_in(uint64_t kind, unsigned kinds)
{
    return kind < MEMORY_KIND_COUNT && (kinds >> kind & 1u) != 0;
}

const struct memory_region *memory_map_next(const struct memory_map *map, unsigned kinds,
                                            const struct memory_region *previous)
{
    uint64_t index = previous != NULL ? (uint64_t)(previous - map->regions) + 1 : 0;
    for (; index < map->count; index++) {
        if (is_in(map->regions[index].kind, kinds)) {
            return &map->regions[index];
        }
    }
    return NULL;
}

/* Invariant of the search: regions[0, low) start at or below address, regions[high, count) above it. */
const struct memory_region *memory_map_find(const struct memory_map *map, phys_addr_t address)
{
    uint64_t low = 0;
    uint64_t high = map->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (map->regions[middle].base <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || address - map->regions[low - 1].base >= map->regions[low - 1].length) {
        return NULL;
    }
    return &map->regions[low - 1];
}

bool memory_map_covers(const struct memory_map *map, phys_addr_t base, uint64_t length, unsigned kinds)
{
    uint64_t last;
    if (length == 0 || __builtin_add_overflow(base, length - 1, &last)) {
        return false;
    }
    const struct memory_region *after = map->regions + map->count;
    const struct memory_region *region = memory_map_find(map, base);
    for (; region != NULL && region < after; region++) {
        if (region->base > base || !is_in(region->kind, kinds)) {
            return false;
        }
        if (memory_region_last(region) >= last) {
            return true;
        }
        base = memory_region_last(region) + 1;
    }
    return false;
}

uint64_t memory_map_total(const struct memory_map *map, enum memory_kind kind)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < map->count; i++) {
        total += map->regions[i].kind == (uint64_t)kind ? map->regions[i].length : 0;
    }
    return total;
}

void memory_map_totals(const struct memory_map *map, uint64_t totals[MEMORY_KIND_COUNT])
{
    for (unsigned kind = 0; kind < MEMORY_KIND_COUNT; kind++) {
        totals[kind] = 0;
    }
    for (uint64_t i = 0; i < map->count; i++) {
        totals[map->regions[i].kind] += map->regions[i].length;
    }
}

phys_addr_t memory_map_end(const struct memory_map *map, unsigned kinds)
{
    for (uint64_t i = map->count; i-- > 0;) {
        if (is_in(map->regions[i].kind, kinds)) {
            uint64_t last = memory_region_last(&map->regions[i]);
            return last == UINT64_MAX ? UINT64_MAX : last + 1;
        }
    }
    return 0;
}

static bool region_is_sane(const struct memory_map *map, const struct memory_region *region)
{
    if (region->length == 0 || memory_region_last(region) < region->base || region->kind >= MEMORY_KIND_COUNT) {
        return false;
    }
    if (memory_kind_is_frames(region->kind) && !is_aligned(region->base | region->length, PAGE_SIZE)) {
        return false;
    }
    return region->kind != MEMORY_USABLE || region->base >= map->low_limit;
}

bool memory_map_verify(const struct memory_map *map)
{
    if (map->count > map->capacity || map->published_count > map->capacity) {
        return false;
    }
    for (uint64_t i = 0; i < map->count; i++) {
        const struct memory_region *region = &map->regions[i];
        if (!region_is_sane(map, region)) {
            return false;
        }
        if (i == 0) {
            continue;
        }
        uint64_t previous_last = memory_region_last(&map->regions[i - 1]);
        if (region->base <= previous_last ||
            (region->base == previous_last + 1 && region->kind == map->regions[i - 1].kind)) {
            return false;
        }
    }
    return true;
}

const char *memory_kind_name(uint64_t kind)
{
    static const char *const names[MEMORY_KIND_COUNT] = {
        [MEMORY_USABLE] = "usable",
        [MEMORY_RESERVED] = "reserved",
        [MEMORY_ACPI_RECLAIMABLE] = "ACPI reclaimable",
        [MEMORY_ACPI_NVS] = "ACPI NVS",
        [MEMORY_BAD] = "bad memory",
        [MEMORY_BOOTLOADER_RECLAIMABLE] = "bootloader reclaimable",
        [MEMORY_KERNEL_AND_MODULES] = "kernel and modules",
        [MEMORY_FRAMEBUFFER] = "framebuffer",
        [MEMORY_RESERVED_MAPPED] = "reserved, mapped",
        [MEMORY_LOW] = "low memory, withheld",
        [MEMORY_MANAGER] = "memory manager",
    };
    return kind < MEMORY_KIND_COUNT ? names[kind] : "unknown";
}
