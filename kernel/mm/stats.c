/* stats.c — memory_get_stats: the figures of all parts in one struct. Each part answers under its own lock, so while other
 * CPUs work the figures of different parts are not of one instant. */

#include <neomem/frames.h>
#include <neomem/heap.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>
#include <neomem/vmm.h>

/* Of all nodes and windows. */
static void add_huge_frames(struct memory_stats *stats)
{
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats zone;
        frames_get_zone_stats(UINT32_MAX, (enum frames_window)window, &zone);
        stats->frames_free_2m += zone.free_2m;
        stats->frames_free_1g += zone.free_1g;
    }
}

void memory_get_stats(struct memory_stats *stats)
{
    struct frames_stats frames;
    struct vmm_stats vmm;
    struct heap_stats heap;
    frames_get_stats(&frames);
    vmm_get_stats(&vmm);
    heap_get_stats(&heap);
    const struct memory_map *map = memory_map_kernel();
    uint64_t map_bytes = map == NULL ? 0 : memory_map_total(map, MEMORY_MANAGER);
    *stats = (struct memory_stats){
        .total_physical = frames.total << PAGE_SHIFT,
        .available_physical = frames.free << PAGE_SHIFT,
        .kernel_heap_used = heap.used,
        .pages_allocated = frames.total - frames.free,
        .kernel_heap_size = heap.size,
        .heap_blocks = heap.live_blocks,
        .page_tables = vmm.table_frames,
        .largest_free_run = frames_longest_free_run(),
        .metadata_bytes = ((frames.metadata + vmm.record_frames) << PAGE_SHIFT) + map_bytes,
        .reclaimable = map == NULL ? 0 : memory_map_total(map, MEMORY_BOOTLOADER_RECLAIMABLE),
        .frames_reserve = frames.reserve,
        .frames_metadata = frames.metadata,
        .frames_retired = frames.retired,
        .frames_cached = frames.cached,
    };
    add_huge_frames(stats);
}
