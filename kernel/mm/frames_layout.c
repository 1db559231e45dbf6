/* frames_layout.c — where memory is: spans of chunks, zones to search, and the order in which each node prefers them.
 *
 * Three windows, as devices need them: below 16 MiB (ISA DMA), below 4 GiB (32-bit DMA), the rest. Every span lies in one
 * window and belongs to one node, so that a limit or a policy is only a choice of zones. A zone joins spans that follow one
 * another in their arena: a machine with 5,000 regions has 5,000 spans and a handful of zones.
 *
 * Order of preference of a node: first the main zone (highest window with memory) of each node, nearest node first; then the lower
 * windows, highest first, nearest node first. So memory that only some devices can use goes last, but a node that has nothing
 * else is used.
 *
 * Locking: a layout is immutable once published. Cost: making one O(spans + nodes * zones^2), locating O(log spans). */

#include "frames_internal.h"

#include <neomem/string.h>

#define WINDOW_16M_END (MIB(16) >> PAGE_SHIFT)
#define WINDOW_4G_END (GIB(4) >> PAGE_SHIFT)
#define WINDOW_RESERVE_SHIFT 6u /* 1/64 of a window */
#define RESERVE_16M_MAX 256u    /* 1 MiB */
#define RESERVE_4G_MAX 4096u    /* 16 MiB */
#define FAR_DISTANCE 20u
#define NEAR_DISTANCE 10u

enum frames_window frames_window_of(pfn_t pfn)
{
    if (pfn < WINDOW_16M_END) {
        return FRAMES_WINDOW_16M;
    }
    return pfn < WINDOW_4G_END ? FRAMES_WINDOW_4G : FRAMES_WINDOW_HIGH;
}

static unsigned node_of(pfn_t pfn)
{
    phys_addr_t pa = pfn << PAGE_SHIFT;
    uint64_t low = 0;
    uint64_t count = frames_.node_range_count;
    while (low < count) {
        uint64_t middle = low + (count - low) / 2;
        const struct frames_node_range *range = &frames_.node_ranges[middle];
        if (pa - range->base < range->nbytes && pa >= range->base) {
            return range->node;
        }
        if (pa < range->base) {
            count = middle;
        } else {
            low = middle + 1;
        }
    }
    return 0;
}

/* First frame after pfn, chunk-aligned and at most end, that may be of another node or window. */
static pfn_t next_border(pfn_t pfn, pfn_t end)
{
    pfn_t border = end;
    if (pfn < WINDOW_16M_END) {
        border = min_u64(border, WINDOW_16M_END);
    } else if (pfn < WINDOW_4G_END) {
        border = min_u64(border, WINDOW_4G_END);
    }
    for (uint64_t i = 0; i < frames_.node_range_count; i++) {
        const struct frames_node_range *range = &frames_.node_ranges[i];
        pfn_t edges[] = {align_up(bytes_to_pages(range->base), CHUNK_FRAMES),
                         align_up((range->base + range->nbytes) >> PAGE_SHIFT, CHUNK_FRAMES)};
        for (size_t k = 0; k < ARRAY_COUNT(edges); k++) {
            if (edges[k] > pfn && edges[k] < border) {
                border = edges[k];
            }
        }
    }
    return border;
}

/* ---- finding -------------------------------------------------------------------------------------------- */

const struct frames_span *frames_find_span(pfn_t pfn)
{
    const struct frames_layout *layout = frames_layout_now();
    uint64_t low = 0;
    uint64_t count = layout->span_count;
    while (low < count) {
        uint64_t middle = low + (count - low) / 2;
        const struct frames_span *span = &layout->spans[middle];
        if (pfn < span->base) {
            count = middle;
        } else if (pfn - span->base < span->nframes) {
            return span;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

bool frames_locate(pfn_t pfn, struct frames_place *place)
{
    const struct frames_span *span = frames_find_span(pfn);
    if (span == NULL) {
        return false;
    }
    *place = (struct frames_place){
        .arena = span->arena,
        .chunk = span->chunk + ((pfn - span->base) >> CHUNK_SHIFT),
        .base = align_down(pfn, CHUNK_FRAMES),
        .node = span->node,
        .window = span->window,
    };
    return true;
}

struct frames_place frames_zone_place(const struct frames_layout *layout, const struct frames_zone *zone,
                                      uint64_t chunk)
{
    uint64_t low = zone->first_span;
    uint64_t end = zone->end_span;
    while (end - low > 1) {
        uint64_t middle = low + (end - low) / 2;
        if (layout->spans[middle].chunk > chunk) {
            end = middle;
        } else {
            low = middle;
        }
    }
    const struct frames_span *span = &layout->spans[low];
    return (struct frames_place){
        .base = span->base + ((chunk - span->chunk) << CHUNK_SHIFT),
        .arena = zone->arena,
        .chunk = chunk,
        .node = zone->node,
        .window = zone->window,
    };
}

unsigned frames_main_window(unsigned node)
{
    const struct frames_layout *layout = frames_layout_now();
    unsigned main_window = 0;
    bool found = false;
    for (uint64_t i = 0; i < layout->zone_count; i++) {
        if (layout->zones[i].node == node) {
            main_window = layout->zones[i].window > main_window || !found ? layout->zones[i].window : main_window;
            found = true;
        }
    }
    return found ? main_window : frames_.top_window;
}

/* ---- an arena ------------------------------------------------------------------------------------------- */

#define ARENA_ALIGN 64u

uint64_t frames_arena_bytes(uint64_t chunks)
{
    uint64_t bytes = sizeof(struct frames_arena) + ARENA_ALIGN;
    bytes += chunks * CHUNK_WORDS * sizeof(atomic_word);
    bytes += 2 * set_total_words(chunks) * sizeof(atomic_word);
    bytes += chunks * sizeof(atomic_count) + chunks;
    return align_up(bytes, ARENA_ALIGN);
}

/* memory holds the struct first, then the lines on cache lines of their own, the sets, the room counts and the states. */
void frames_arena_start(struct frames_arena *arena, void *memory, uint64_t chunks)
{
    uintptr_t at = align_up((uintptr_t)memory + sizeof(struct frames_arena), ARENA_ALIGN);
    arena->chunks = chunks;
    arena->records = NULL;
    arena->map = (atomic_word *)at;
    at += chunks * CHUNK_WORDS * sizeof(atomic_word);
    set_init(&arena->whole, (atomic_word *)at, chunks);
    at += set_total_words(chunks) * sizeof(atomic_word);
    set_init(&arena->part, (atomic_word *)at, chunks);
    at += set_total_words(chunks) * sizeof(atomic_word);
    arena->room = (atomic_count *)at;
    at += chunks * sizeof(atomic_count);
    arena->state = (atomic_byte *)at;
}

/* ---- a layout ------------------------------------------------------------------------------------------- */

uint64_t frames_layout_bytes(uint64_t spans, unsigned nodes)
{
    /* Every border of a node range cuts at most one span in two. */
    uint64_t pieces = spans + 2 + 2 * frames_.node_range_count;
    return sizeof(struct frames_layout) + pieces * (sizeof(struct frames_span) + sizeof(struct frames_zone)) +
           (uint64_t)nodes * pieces * sizeof(uint32_t);
}

/* span, cut where node or window change, joined to the last of spans where it continues it. Return: the new count. */
static uint64_t append_pieces(struct frames_span *spans, uint64_t count, const struct frames_span *span)
{
    pfn_t end = span->base + span->nframes;
    for (pfn_t at = span->base; at < end;) {
        pfn_t border = next_border(at, end);
        struct frames_span piece = {
            .base = at,
            .nframes = border - at,
            .arena = span->arena,
            .chunk = span->chunk + ((at - span->base) >> CHUNK_SHIFT),
            .node = (uint8_t)node_of(at),
            .window = (uint8_t)frames_window_of(at),
        };
        struct frames_span *last = count > 0 ? &spans[count - 1] : NULL;
        if (last != NULL && last->base + last->nframes == at && last->arena == piece.arena &&
            last->node == piece.node && last->window == piece.window &&
            last->chunk + (last->nframes >> CHUNK_SHIFT) == piece.chunk) {
            last->nframes += piece.nframes;
        } else {
            spans[count++] = piece;
        }
        at = border;
    }
    return count;
}

static uint64_t make_zones(struct frames_zone *zones, const struct frames_span *spans, uint64_t span_count)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < span_count; i++) {
        const struct frames_span *span = &spans[i];
        uint64_t end = span->chunk + (span->nframes >> CHUNK_SHIFT);
        struct frames_zone *last = count > 0 ? &zones[count - 1] : NULL;
        if (last != NULL && last->arena == span->arena && last->end == span->chunk && last->node == span->node &&
            last->window == span->window) {
            last->end = end;
            last->end_span = i + 1;
        } else {
            zones[count++] = (struct frames_zone){span->arena, span->chunk, end, i, i + 1, span->node, span->window};
        }
    }
    return count;
}

static unsigned distance(unsigned from, unsigned to)
{
    if (frames_.distance != NULL) {
        return frames_.distance[from * frames_.node_count + to];
    }
    return from == to ? NEAR_DISTANCE : FAR_DISTANCE;
}

/* Whether a is to be used before b. */
static bool is_preferred(const struct frames_zone *a, const struct frames_zone *b, unsigned node,
                         const uint8_t *main_window)
{
    bool a_is_main = a->window == main_window[a->node];
    bool b_is_main = b->window == main_window[b->node];
    if (a_is_main != b_is_main) {
        return a_is_main;
    }
    if (!a_is_main && a->window != b->window) {
        return a->window > b->window;
    }
    return distance(node, a->node) < distance(node, b->node);
}

static void order_zones(uint32_t *order, const struct frames_zone *zones, uint64_t count, unsigned node,
                        const uint8_t *main_window)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = i;
        while (at > 0 && is_preferred(&zones[i], &zones[order[at - 1]], node, main_window)) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = (uint32_t)i;
    }
}

void frames_layout_publish(void *memory, const struct frames_span *added, uint64_t added_count)
{
    const struct frames_layout *old = frames_layout_now();
    uint64_t old_count = old == NULL ? 0 : old->span_count;
    uint64_t pieces = old_count + added_count + 2 + 2 * frames_.node_range_count;
    struct frames_layout *layout = memory;
    struct frames_span *spans = (struct frames_span *)(layout + 1);
    struct frames_zone *zones = (struct frames_zone *)(spans + pieces);
    uint32_t *order = (uint32_t *)(zones + pieces);
    uint8_t main_window[FRAMES_NODES_MAX] = {0};

    uint64_t count = 0;
    for (uint64_t i = 0, k = 0; i < old_count || k < added_count;) {
        bool takes_old = k == added_count || (i < old_count && old->spans[i].base < added[k].base);
        count = append_pieces(spans, count, takes_old ? &old->spans[i++] : &added[k++]);
    }
    uint64_t zone_count = make_zones(zones, spans, count);
    for (uint64_t i = 0; i < zone_count; i++) {
        main_window[zones[i].node] = (uint8_t)max_u64(main_window[zones[i].node], zones[i].window);
    }
    for (unsigned node = 0; node < frames_.node_count; node++) {
        order_zones(order + node * zone_count, zones, zone_count, node, main_window);
    }
    *layout = (struct frames_layout){spans, count, zones, zone_count, order, frames_.node_count};
    atomic_store_explicit(&frames_.layout, layout, memory_order_release);
}

/* ---- the low windows ------------------------------------------------------------------------------------- */

static const pfn_t window_end[FRAMES_WINDOWS] = {WINDOW_16M_END, WINDOW_4G_END, PHYS_ADDR_LIMIT >> PAGE_SHIFT};

static void set_reserve(unsigned window, uint64_t total)
{
    uint64_t most = window == FRAMES_WINDOW_16M ? RESERVE_16M_MAX : RESERVE_4G_MAX;
    uint64_t reserve = min_u64(total >> WINDOW_RESERVE_SHIFT, most);
    frames_.window_reserve[window] = window < frames_.top_window ? reserve : 0;
}

static uint64_t managed_in_window(unsigned window)
{
    pfn_t base = window == 0 ? 0 : window_end[window - 1];
    return frames_managed_in(base, window_end[window] - base);
}

void frames_windows_reserve(void)
{
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        set_reserve(window, managed_in_window(window));
    }
}

void frames_windows_start(pfn_t metadata, uint64_t metadata_count)
{
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        uint64_t total = managed_in_window(window);
        pfn_t from = max_u64(metadata, window == 0 ? 0 : window_end[window - 1]);
        pfn_t to = min_u64(metadata + metadata_count, window_end[window]);
        if (total > 0) {
            frames_.top_window = window;
        }
        word_store(&frames_.window_free[window], total - (from < to ? to - from : 0));
    }
    frames_windows_reserve();
}

void frames_windows_recount(void)
{
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats stats;
        /* Cached frames are counted when they are written back. */
        frames_get_shared_stats(UINT32_MAX, (enum frames_window)window, &stats);
        if (stats.total > 0) {
            frames_.top_window = window;
        }
        word_store(&frames_.window_free[window], stats.free);
    }
    frames_windows_reserve();
}
