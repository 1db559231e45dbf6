/* frames_stats.c — figures: counters summed when they are read, and walks over the chunks.
 *
 * in use = taken (frames that left the shared map, less those that came back; one counter a CPU) - cached
 * free   = total - metadata - retired - in use
 * Nothing is counted on the fast paths: the stack knows how many it holds.
 * Locking: none; exact while no other CPU is inside. */

#include "frames_internal.h"

/* ---- totals ------------------------------------------------------------------------------------------------------ */

static FRAMES_READS_OTHERS uint64_t cached_frames(void)
{
    uint64_t cached = frames_.hardening >= 3 ? guard_held() : 0;
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        cached += frames_cpu_cached(frames_.cpus[i]);
    }
    return cached;
}

FRAMES_READS_OTHERS void frames_get_stats(struct frames_stats *stats)
{
    uint64_t taken = word_load(&frames_.taken);
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        taken += (uint64_t)frames_.cpus[i]->taken;
    }
    stats->total = word_load(&frames_.total);
    stats->metadata = word_load(&frames_.metadata);
    stats->retired = word_load(&frames_.retired);
    stats->reserve = word_load(&frames_.reserve);
    stats->cached = cached_frames();
    uint64_t in_use = taken - stats->cached;
    stats->free = stats->total - stats->metadata - stats->retired - in_use;
    stats->allocated = in_use - stats->reserve;
    stats->spans = 0;
    while (frames_region_at(stats->spans).nframes != 0) {
        stats->spans++;
    }
}

/* ---- chunks -------------------------------------------------------------------------------------------------------- */

static bool is_free_whole(const struct frames_arena *arena, uint64_t chunk)
{
    return (byte_load(&arena->state[chunk]) & CHUNK_KIND) == CHUNK_WHOLE && set_has(&arena->whole, chunk);
}

static unsigned free_bits(const struct frames_arena *arena, uint64_t chunk)
{
    uint8_t kind = byte_load(&arena->state[chunk]) & CHUNK_KIND;
    if (kind != CHUNK_SPLIT) {
        return is_free_whole(arena, chunk) ? CHUNK_FRAMES : 0;
    }
    unsigned free = 0;
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        free += count_bits(~word_load(&chunk_line(arena, chunk)[i]));
    }
    return free;
}

static unsigned present_frames(const struct frames_arena *arena, uint64_t chunk, pfn_t base)
{
    uint8_t state = byte_load(&arena->state[chunk]);
    if ((state & CHUNK_KIND) == CHUNK_ABSENT) {
        return 0;
    }
    return (state & CHUNK_EDGE) == 0 ? CHUNK_FRAMES : (unsigned)frames_managed_in(base, CHUNK_FRAMES);
}

static void add_span(const struct frames_span *span, struct frames_zone_stats *stats)
{
    unsigned row = 0; /* free whole chunks in a row, from a 1 GiB border on */
    for (uint64_t i = 0; i < span->nframes >> CHUNK_SHIFT; i++) {
        pfn_t base = span->base + (i << CHUNK_SHIFT);
        unsigned free = free_bits(span->arena, span->chunk + i);
        bool is_whole = is_free_whole(span->arena, span->chunk + i);
        stats->total += present_frames(span->arena, span->chunk + i, base);
        stats->free += free;
        stats->free_2m += is_whole;
        row = is_whole && (row != 0 || is_aligned(base, FRAMES_1G)) ? row + 1 : 0;
        if (row == FRAMES_1G / CHUNK_FRAMES) {
            stats->free_1g++;
            row = 0;
        }
    }
}

/* Cached frames of that node and window. */
static FRAMES_READS_OTHERS uint64_t cached_in(const struct frames_cpu *cpu, unsigned node, unsigned window)
{
    const struct frames_line *lines[] = {&cpu->alloc, &cpu->run, &cpu->give};
    uint64_t found = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(lines); i++) {
        bool is_here = lines[i]->place.window == window && (node == UINT32_MAX || lines[i]->place.node == node);
        found += is_here ? line_count(lines[i]) : 0;
    }
    struct frames_place hot;
    bool is_whole_here = cpu->hot_2m != FRAMES_NONE && frames_locate(cpu->hot_2m >> PAGE_SHIFT, &hot) &&
                         hot.window == window && (node == UINT32_MAX || hot.node == node);
    found += is_whole_here ? CHUNK_FRAMES : 0;
    found += cpu->hot != FRAMES_NONE && frames_locate(cpu->hot >> PAGE_SHIFT, &hot) && hot.window == window &&
             (node == UINT32_MAX || hot.node == node);
    for (uint32_t i = 1; i <= cpu->held; i++) {
        struct frames_place place;
        found += frames_locate(cpu->stack[i] >> PAGE_SHIFT, &place) && place.window == window &&
                 (node == UINT32_MAX || place.node == node);
    }
    return found;
}

void frames_get_shared_stats(unsigned node, enum frames_window window, struct frames_zone_stats *stats)
{
    const struct frames_layout *layout = frames_layout_now();
    *stats = (struct frames_zone_stats){0};
    for (uint64_t i = 0; i < layout->span_count; i++) {
        const struct frames_span *span = &layout->spans[i];
        if (span->window == (unsigned)window && (node == UINT32_MAX || span->node == node)) {
            add_span(span, stats);
        }
    }
}

void frames_get_zone_stats(unsigned node, enum frames_window window, struct frames_zone_stats *stats)
{
    frames_get_shared_stats(node, window, stats);
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        stats->free += cached_in(frames_.cpus[i], node, window);
    }
    stats->reserve = min_u64(frames_.window_reserve[window], stats->free);
}

void frames_for_each_chunk(void (*visit)(void *context, const struct frames_chunk_info *chunk), void *context)
{
    const struct frames_layout *layout = frames_layout_now();
    for (uint64_t i = 0; i < layout->span_count; i++) {
        const struct frames_span *span = &layout->spans[i];
        for (uint64_t k = 0; k < span->nframes >> CHUNK_SHIFT; k++) {
            pfn_t base = span->base + (k << CHUNK_SHIFT);
            uint8_t state = byte_load(&span->arena->state[span->chunk + k]);
            struct frames_chunk_info info = {
                .base = base << PAGE_SHIFT,
                .present = (uint16_t)present_frames(span->arena, span->chunk + k, base),
                .free = (uint16_t)free_bits(span->arena, span->chunk + k),
                .retired = (uint16_t)((state & CHUNK_BAD) != 0 ? frames_retired_in(base, CHUNK_FRAMES) : 0),
                .is_whole = (state & CHUNK_KIND) == CHUNK_WHOLE,
                .has_metadata = (state & CHUNK_OWN) != 0,
                .node = span->node,
            };
            if (info.present != 0) {
                visit(context, &info);
            }
        }
    }
}

void frames_for_each_span(void (*visit)(void *context, phys_addr_t base, uint64_t nbytes), void *context)
{
    struct frames_region region;
    for (uint64_t i = 0; (region = frames_region_at(i)).nframes != 0; i++) {
        visit(context, region.base << PAGE_SHIFT, region.nframes << PAGE_SHIFT);
    }
}

/* ---- runs ------------------------------------------------------------------------------------------------------------ */

struct run_count {
    uint64_t *runs;
    uint64_t length, longest;
};

static void end_run(struct run_count *count)
{
    if (count->length != 0) {
        count->runs[63 - __builtin_clzll(count->length)]++;
        count->longest = max_u64(count->longest, count->length);
        count->length = 0;
    }
}

static void count_word(struct run_count *count, uint64_t free)
{
    unsigned at = 0;
    while (at < 64) {
        uint64_t rest = free >> at;
        if ((rest & 1u) == 0) {
            end_run(count);
            at += rest == 0 ? 64 : low_bit(rest);
            continue;
        }
        unsigned ones = ~rest == 0 ? 64 : low_bit(~rest);
        ones = (unsigned)min_u64(ones, 64 - at);
        count->length += ones;
        at += ones;
    }
}

static void count_chunk(struct run_count *count, const struct frames_arena *arena, uint64_t chunk)
{
    unsigned free = free_bits(arena, chunk);
    if (free == CHUNK_FRAMES) {
        count->length += CHUNK_FRAMES;
    } else if (free == 0) {
        end_run(count);
    } else {
        for (unsigned i = 0; i < CHUNK_WORDS; i++) {
            count_word(count, ~word_load(&chunk_line(arena, chunk)[i]));
        }
    }
}

/* Spans of one window, or of all (FRAMES_WINDOWS). */
static uint64_t count_runs(uint64_t runs[64], unsigned window)
{
    const struct frames_layout *layout = frames_layout_now();
    struct run_count count = {runs, 0, 0};
    pfn_t end = PFN_NONE;
    for (uint64_t i = 0; i < layout->span_count; i++) {
        const struct frames_span *span = &layout->spans[i];
        if (window != FRAMES_WINDOWS && span->window != window) {
            continue;
        }
        if (span->base != end) {
            end_run(&count);
        }
        end = span->base + span->nframes;
        for (uint64_t k = 0; k < span->nframes >> CHUNK_SHIFT; k++) {
            count_chunk(&count, span->arena, span->chunk + k);
        }
    }
    end_run(&count);
    return count.longest;
}

uint64_t frames_count_free_runs(uint64_t runs[64])
{
    for (unsigned i = 0; i < 64; i++) {
        runs[i] = 0;
    }
    return count_runs(runs, FRAMES_WINDOWS);
}

uint64_t frames_longest_free_run(void)
{
    uint64_t runs[64] = {0};
    uint64_t longest = 0;
    frames_drain();
    /* A run that reaches into a low window is bound by what that window may give. */
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        uint64_t most = count_runs(runs, window);
        if (window < frames_.top_window) {
            uint64_t free = word_load(&frames_.window_free[window]);
            most = min_u64(most, free - min_u64(free, frames_.window_reserve[window]));
        }
        longest = max_u64(longest, most);
    }
    return longest;
}

/* ---- one frame --------------------------------------------------------------------------------------------------------- */

const char *frames_state_name(enum frames_state state)
{
    static const char *const names[] = {"no memory of this allocator", "free", "in use", "metadata", "retired"};
    return (unsigned)state < ARRAY_COUNT(names) ? names[state] : "unknown";
}

/* Whether the frame is in a cache; by scanning, so that caches of other CPUs may be looked at, too. */
static FRAMES_READS_OTHERS bool is_cached(const struct frames_cpu *cpu, pfn_t pfn)
{
    if (line_holds(&cpu->alloc, pfn, 1) || line_holds(&cpu->run, pfn, 1) || line_holds(&cpu->give, pfn, 1) ||
        cpu->hot == pfn << PAGE_SHIFT || cpu->hot_2m == align_down(pfn, CHUNK_FRAMES) << PAGE_SHIFT) {
        return true;
    }
    for (uint32_t i = 1; i <= cpu->held && i <= CPU_STACK_MAX; i++) {
        if (cpu->stack[i] >> PAGE_SHIFT == pfn) {
            return true;
        }
    }
    return false;
}

static enum frames_state state_of(pfn_t pfn, const struct frames_place *place)
{
    uint8_t state = byte_load_acquire(&place->arena->state[place->chunk]);
    uint64_t bit = 1ull << (pfn % 64);
    unsigned word = (unsigned)(pfn % CHUNK_FRAMES / 64);
    const struct frames_bad *bad = (state & CHUNK_BAD) != 0 ? frames_find_bad(pfn) : NULL;
    if (bad != NULL && (word_load(&bad->out[word]) & bit) != 0) {
        return FRAMES_STATE_RETIRED;
    }
    if ((state & CHUNK_OWN) != 0 && frames_has_metadata(pfn, 1)) {
        return FRAMES_STATE_METADATA;
    }
    bool is_free = (state & CHUNK_KIND) == CHUNK_SPLIT
                       ? (word_load(&chunk_line(place->arena, place->chunk)[word]) & bit) == 0
                       : is_free_whole(place->arena, place->chunk);
    return is_free ? FRAMES_STATE_FREE : FRAMES_STATE_ALLOCATED;
}

void frames_query(phys_addr_t pa, struct frames_owner *owner)
{
    pfn_t pfn = pa >> PAGE_SHIFT;
    struct frames_place place;
    *owner = (struct frames_owner){.state = FRAMES_STATE_FOREIGN, .cached_by = -1};
    if (!frames_locate(pfn, &place) || !frames_is_managed(pfn, 1)) {
        return;
    }
    owner->node = place.node;
    owner->state = state_of(pfn, &place);
    for (unsigned i = 0; owner->state == FRAMES_STATE_ALLOCATED && i < frames_.cpu_count; i++) {
        if (is_cached(frames_.cpus[i], pfn)) {
            owner->cached_by = (int)i;
            owner->state = FRAMES_STATE_FREE;
        }
    }
    owner->is_retiring = owner->state == FRAMES_STATE_ALLOCATED && frames_is_retired(pfn);
    if (frames_.hardening >= 3) {
        guard_owner(pfn, owner);
        if (owner->state == FRAMES_STATE_ALLOCATED && guard_holds(pfn, 1)) {
            owner->state = FRAMES_STATE_FREE;
        }
    }
}

enum frames_state frames_state(phys_addr_t pa)
{
    struct frames_owner owner;
    frames_query(pa, &owner);
    return owner.state;
}

bool frames_is_allocated(phys_addr_t pa)
{
    return frames_state(pa) == FRAMES_STATE_ALLOCATED;
}
