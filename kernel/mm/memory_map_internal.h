/* memory_map_internal.h — what the files of the memory map share.
 *
 * A region's end may be 2^64, so ranges are compared by their last byte; regions are never empty.
 * Depends on: memory_map.h. Used by: memory_map*.c. */
#ifndef NEOMEM_MM_MEMORY_MAP_INTERNAL_H
#define NEOMEM_MM_MEMORY_MAP_INTERNAL_H

#include <neomem/memory_map.h>

static inline uint64_t memory_region_last(const struct memory_region *region)
{
    return region->base + (region->length - 1);
}

/* Is this a kind whose regions are whole frames? */
static inline bool memory_kind_is_frames(uint64_t kind)
{
    return kind == MEMORY_USABLE || kind == MEMORY_BOOTLOADER_RECLAIMABLE || kind == MEMORY_LOW ||
           kind == MEMORY_MANAGER;
}

/* Add [base, last] behind the regions there are, joined with the last one if they touch and are of one
 * kind. The caller has made sure that there is room. */
void memory_map_append(struct memory_map *map, uint64_t base, uint64_t last, uint64_t kind);

/* The same for RAM that is to be handed out: what lies below low_limit becomes MEMORY_LOW. */
void memory_map_append_usable(struct memory_map *map, uint64_t base, uint64_t last);

#endif
