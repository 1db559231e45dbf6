/* frames_start.c — bringing the allocator up: metadata for the memory there is, CPUs, nodes, hardening.
 *
 * All metadata is one block from the bump allocator (early.h): the arena, the layout, the two copies of the book. Bits are not
 * written but for chunks that are not wholly usable: 1 TiB costs 64 KiB of `whole` and 512 KiB of states.
 * Expected memory has its chunks in the same arena, absent at first, so that it joins without new metadata.
 * Locking: one CPU inside, see frames.h. */

#include "frames_internal.h"

#include <config.h>
#include <neomem/early.h>
#include <neomem/string.h>

#define SPARE_BOOK_ENTRIES 16u

static struct frames_cpu boot_cpu;
static struct frames_cpu *boot_cpus[1] = {&boot_cpu};

/* ---- maps ---------------------------------------------------------------------------------------------------- */

struct entries {
    const struct limine_memmap_entry *map;
    uint64_t count;
    bool wants_usable;
    uint64_t at;
};

static bool is_wanted(const struct entries *entries, uint64_t i)
{
    uint64_t wanted = entries->wants_usable ? LIMINE_MEMMAP_USABLE : LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
    return entries->map[i].type == wanted && entries->map[i].length != 0;
}

static void skip_unwanted(struct entries *entries)
{
    while (entries->at < entries->count && !is_wanted(entries, entries->at)) {
        entries->at++;
    }
}

bool frames_map_is_valid(const struct limine_memmap_entry *map, uint64_t count, bool wants_usable)
{
    const struct entries entries = {map, count, wants_usable, 0};
    phys_addr_t end = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct limine_memmap_entry *entry = &map[i];
        if (!is_wanted(&entries, i)) {
            continue;
        }
        if (!is_aligned(entry->base | entry->length, PAGE_SIZE) || entry->base < end ||
            entry->base >= PHYS_ADDR_LIMIT || entry->length > PHYS_ADDR_LIMIT - entry->base) {
            return false;
        }
        end = entry->base + entry->length;
    }
    return true;
}

/* The next range of chunks that hold frames of either list; neighbours joined. Return: false at the end. */
static bool next_chunks(struct entries lists[2], pfn_t *base, pfn_t *end)
{
    bool found = false;
    for (;;) {
        const struct limine_memmap_entry *lowest = NULL;
        struct entries *from = NULL;
        for (unsigned i = 0; i < 2; i++) {
            skip_unwanted(&lists[i]);
            if (lists[i].at < lists[i].count && (lowest == NULL || lists[i].map[lists[i].at].base < lowest->base)) {
                from = &lists[i];
                lowest = &from->map[from->at];
            }
        }
        if (lowest == NULL) {
            return found;
        }
        pfn_t first = align_down(lowest->base >> PAGE_SHIFT, CHUNK_FRAMES);
        pfn_t after = align_up((lowest->base + lowest->length) >> PAGE_SHIFT, CHUNK_FRAMES);
        if (found && first > *end) {
            return true;
        }
        *base = found ? *base : first;
        *end = found ? max_u64(*end, after) : after;
        found = true;
        from->at++;
    }
}

static void rewind_lists(struct entries lists[2], const struct limine_memmap_entry *map, uint64_t count,
                         const struct limine_memmap_entry *expected, uint64_t expected_count)
{
    lists[0] = (struct entries){map, count, true, 0};
    lists[1] = (struct entries){expected, expected_count, false, 0};
}

/* ---- the start ------------------------------------------------------------------------------------------------- */

struct sizes {
    uint64_t spans, chunks, regions;
    uint64_t arena_bytes, layout_bytes, book_bytes, span_bytes;
};

static struct sizes measure(struct entries lists[2])
{
    struct sizes sizes = {0};
    pfn_t base;
    pfn_t end;
    sizes.regions = lists[0].count + lists[1].count + SPARE_BOOK_ENTRIES;
    while (next_chunks(lists, &base, &end)) {
        sizes.spans++;
        sizes.chunks += (end - base) >> CHUNK_SHIFT;
    }
    sizes.arena_bytes = frames_arena_bytes(sizes.chunks);
    sizes.layout_bytes = align_up(frames_layout_bytes(sizes.spans, 1), 64);
    sizes.book_bytes = align_up(2 * frames_book_bytes(sizes.regions, SPARE_BOOK_ENTRIES, SPARE_BOOK_ENTRIES), 64);
    sizes.span_bytes = sizes.spans * sizeof(struct frames_span);
    return sizes;
}

static void make_spans(struct frames_span *spans, struct entries lists[2], struct frames_arena *arena)
{
    uint64_t chunk = 0;
    pfn_t base;
    pfn_t end;
    while (next_chunks(lists, &base, &end)) {
        *spans++ = (struct frames_span){.base = base, .nframes = end - base, .arena = arena, .chunk = chunk};
        chunk += (end - base) >> CHUNK_SHIFT;
    }
}

static void reset(void)
{
    /* What outlives a restart (tests): the log. */
    frames_log_fn log = frames_.log;
    neo_memset(&frames_, 0, sizeof(frames_));
    frames_.log = log;
    frames_.node_count = 1;
    frames_.hardening = FRAMES_HARDENING < 3 ? FRAMES_HARDENING : 2;
    frames_.direct_map_end = FRAMES_ANYWHERE;
    frames_.inject_successes = UINT64_MAX;
    frames_.cpus = boot_cpus;
    frames_.cpu_count = 1;
}

enum neo_status frames_init_expecting(const struct limine_memmap_entry *map, uint64_t count,
                                      const struct limine_memmap_entry *expected, uint64_t expected_count)
{
    struct entries lists[2];
    if (!frames_map_is_valid(map, count, true) || !frames_map_is_valid(expected, expected_count, false)) {
        return NEO_ERR_INVALID;
    }
    rewind_lists(lists, map, count, expected, expected_count);
    struct sizes sizes = measure(lists);
    uint8_t *memory = early_take(sizes.arena_bytes + sizes.layout_bytes + sizes.book_bytes + sizes.span_bytes, 64);
    if (memory == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    reset();
    struct frames_arena *arena = (struct frames_arena *)(void *)memory;
    uint8_t *layout = memory + sizes.arena_bytes;
    uint8_t *book = layout + sizes.layout_bytes;
    struct frames_span *spans = (struct frames_span *)(void *)(book + sizes.book_bytes);
    frames_arena_start(arena, memory, sizes.chunks);
    neo_memset((void *)(uintptr_t)arena->state, CHUNK_ABSENT, sizes.chunks);
    rewind_lists(lists, map, count, expected, expected_count);
    make_spans(spans, lists, arena);
    frames_layout_publish(layout, spans, sizes.spans);
    frames_book_start(book, sizes.regions, SPARE_BOOK_ENTRIES, SPARE_BOOK_ENTRIES, map, count);
    for (uint64_t i = 0; i < count; i++) {
        if (map[i].type == LIMINE_MEMMAP_USABLE && map[i].length != 0) {
            frames_bring(map[i].base >> PAGE_SHIFT, map[i].length >> PAGE_SHIFT, true);
        }
    }
    struct early_usage usage = early_retire();
    pfn_t first = usage.base >> PAGE_SHIFT;
    if (!frames_claim(NULL, first, usage.nbytes >> PAGE_SHIFT)) {
        return NEO_ERR_INVALID; /* the bump allocator was given another map */
    }
    frames_metadata_adopt(first, usage.nbytes >> PAGE_SHIFT);
    frames_book_add_metadata(first, usage.nbytes >> PAGE_SHIFT);
    frames_windows_start(first, usage.nbytes >> PAGE_SHIFT);
    frames_cpu_start(&boot_cpu, 0, 0);
    return NEO_OK;
}

enum neo_status frames_init(const struct limine_memmap_entry *map, uint64_t count)
{
    return frames_init_expecting(map, count, NULL, 0);
}

/* ---- CPUs and nodes ---------------------------------------------------------------------------------------------- */

static unsigned node_of_cpu(unsigned number)
{
    return number < frames_.cpu_node_count ? frames_.cpu_node[number] : 0;
}

/* One CPU is inside, so every cache may be touched. */
static void drain_every_cpu(void)
{
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        frames_cpu_drain(frames_.cpus[i]);
    }
}

static void restart_every_cpu(void)
{
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        int64_t taken = frames_.cpus[i]->taken;
        frames_cpu_start(frames_.cpus[i], i, node_of_cpu(i));
        frames_.cpus[i]->taken = taken;
    }
}

enum neo_status frames_set_cpus(unsigned cpus)
{
    if (cpus <= frames_.cpu_count) {
        return cpus == 0 ? NEO_ERR_INVALID : NEO_OK;
    }
    cpus = (unsigned)min_u64(cpus, FRAMES_CPUS_MAX);
    drain_every_cpu();
    arch_irq_state_t state = spin_lock(&frames_.change_lock);
    uint64_t pointers = align_up(cpus * sizeof(struct frames_cpu *), 128);
    uint64_t added = cpus - frames_.cpu_count;
    uint8_t *memory = frames_metadata_alloc(pointers + added * sizeof(struct frames_cpu));
    if (memory == NULL) {
        spin_unlock(&frames_.change_lock, state);
        return NEO_ERR_NO_MEMORY;
    }
    struct frames_cpu **table = (struct frames_cpu **)(void *)memory;
    struct frames_cpu *slots = (struct frames_cpu *)(void *)(memory + pointers);
    for (unsigned i = 0; i < cpus; i++) {
        table[i] = i < frames_.cpu_count ? frames_.cpus[i] : &slots[i - frames_.cpu_count];
    }
    frames_.cpus = table;
    frames_.cpu_count = cpus;
    restart_every_cpu();
    spin_unlock(&frames_.change_lock, state);
    return NEO_OK;
}

static bool ranges_are_valid(const struct frames_node_range *ranges, uint64_t count, unsigned nodes)
{
    phys_addr_t end = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (ranges[i].node >= nodes || ranges[i].nbytes == 0 || (i > 0 && ranges[i].base < end) ||
            ranges[i].nbytes > UINT64_MAX - ranges[i].base) {
            return false;
        }
        end = ranges[i].base + ranges[i].nbytes;
    }
    return true;
}

enum neo_status frames_set_nodes(const struct frames_node_range *ranges, uint64_t count, unsigned nodes,
                                 const uint8_t *distance, const uint8_t *cpu_node, unsigned cpus)
{
    if (nodes == 0 || nodes > FRAMES_NODES_MAX || !ranges_are_valid(ranges, count, nodes)) {
        return NEO_ERR_INVALID;
    }
    for (unsigned i = 0; cpu_node != NULL && i < cpus; i++) {
        if (cpu_node[i] >= nodes) {
            return NEO_ERR_INVALID;
        }
    }
    uint64_t range_bytes = count * sizeof(*ranges);
    uint64_t distance_bytes = distance == NULL ? 0 : align_up((uint64_t)nodes * nodes, 8);
    uint64_t cpu_bytes = cpu_node == NULL ? 0 : align_up(cpus, 8);
    drain_every_cpu();
    arch_irq_state_t state = spin_lock(&frames_.change_lock);
    /* Sized with the new ranges: each border may cut a span. */
    frames_.node_range_count += count;
    uint64_t layout_bytes = align_up(frames_layout_bytes(frames_layout_now()->span_count, nodes), 8);
    frames_.node_range_count -= count;
    uint8_t *memory = frames_metadata_alloc(range_bytes + distance_bytes + cpu_bytes + layout_bytes);
    if (memory == NULL) {
        spin_unlock(&frames_.change_lock, state);
        return NEO_ERR_NO_MEMORY;
    }
    uint8_t *layout = memory;
    uint8_t *copy = memory + layout_bytes;
    neo_memcpy(copy, ranges, range_bytes);
    frames_.node_ranges = (const struct frames_node_range *)(const void *)copy;
    frames_.node_range_count = count;
    frames_.node_count = nodes;
    frames_.distance = distance == NULL ? NULL : copy + range_bytes;
    frames_.cpu_node = cpu_node == NULL ? NULL : copy + range_bytes + distance_bytes;
    frames_.cpu_node_count = cpu_node == NULL ? 0 : cpus;
    if (distance != NULL) {
        neo_memcpy(copy + range_bytes, distance, (uint64_t)nodes * nodes);
    }
    if (cpu_node != NULL) {
        neo_memcpy(copy + range_bytes + distance_bytes, cpu_node, cpus);
    }
    frames_layout_publish(layout, NULL, 0);
    restart_every_cpu();
    spin_unlock(&frames_.change_lock, state);
    return NEO_OK;
}

unsigned frames_nodes(void)
{
    return frames_.node_count;
}

/* ---- hardening --------------------------------------------------------------------------------------------------- */

void frames_caches_switch(void)
{
    drain_every_cpu();
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        frames_.cpus[i]->busy = frames_.hardening >= 2 || frames_.is_injecting;
        frames_.cpus[i]->is_trusting = frames_.hardening == 0;
    }
}

enum neo_status frames_set_hardening(unsigned level)
{
    if (level > 3) {
        return NEO_ERR_RANGE;
    }
    if (level == 3 && frames_.hardening < 3) {
        enum neo_status status = guard_start();
        if (status != NEO_OK) {
            return status;
        }
    }
    if (level < 3 && frames_.hardening == 3) {
        guard_drain();
    }
    frames_.hardening = level;
    frames_caches_switch();
    return NEO_OK;
}

unsigned frames_hardening(void)
{
    return frames_.hardening;
}

void frames_set_direct_map_end(phys_addr_t end)
{
    frames_.direct_map_end = end;
}

void frames_stop_others(const struct frames_cpu *cpu)
{
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        if (frames_.cpus[i] != cpu) {
            byte_store(&frames_.cpus[i]->stop, 1);
        }
    }
}

void frames_note_reserve(uint64_t frames)
{
    word_store(&frames_.reserve, frames);
}
