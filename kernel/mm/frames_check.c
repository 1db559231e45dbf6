/* frames_check.c — the invariants of frames_state.h, walked. Callers quiet. Cost: O(bitmap + cached frames * CPUs). */

#include "frames_internal.h"

/* Bits of absent and retired frames are 1. */
static bool are_missing_frames_taken(const struct frames_arena *arena, uint64_t chunk, pfn_t base, uint8_t state)
{
    const struct frames_bad *bad = (state & CHUNK_BAD) != 0 ? frames_find_bad(base) : NULL;
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        uint64_t free = ~word_load(&chunk_line(arena, chunk)[i]);
        if (bad != NULL && (free & word_load(&bad->out[i])) != 0) {
            return false;
        }
        for (; (state & CHUNK_EDGE) != 0 && free != 0; free &= free - 1) {
            if (!frames_is_managed(base + i * 64ull + low_bit(free), 1)) {
                return false;
            }
        }
    }
    return true;
}

static bool has_summary(const struct frames_set *set, uint64_t member)
{
    uint64_t word = member / 64;
    uint64_t group = word / 64;
    return ((word_load(&set->level1[group]) >> (word % 64)) & 1u) != 0 &&
           ((word_load(&set->level2[group / 64]) >> (group % 64)) & 1u) != 0;
}

static bool is_chunk_sound(const struct frames_arena *arena, uint64_t chunk, pfn_t base, uint64_t *free)
{
    uint8_t state = byte_load(&arena->state[chunk]);
    bool is_whole = set_has(&arena->whole, chunk);
    bool is_part = set_has(&arena->part, chunk);
    bool is_bad = (state & CHUNK_BAD) != 0;
    unsigned bits = 0;
    if ((is_whole && !has_summary(&arena->whole, chunk)) || (is_part && !has_summary(&arena->part, chunk)) ||
        (is_bad && frames_find_bad(base) == NULL)) {
        return false;
    }
    switch (state & CHUNK_KIND) {
    case CHUNK_WHOLE:
        *free += is_whole ? CHUNK_FRAMES : 0;
        return (!is_whole || state == CHUNK_WHOLE) && (state & CHUNK_EDGE) == 0 &&
               frames_is_managed(base, CHUNK_FRAMES);
    case CHUNK_SPLIT:
        for (unsigned i = 0; i < CHUNK_WORDS; i++) {
            bits += count_bits(~word_load(&chunk_line(arena, chunk)[i]));
        }
        *free += bits;
        return !is_whole && (bits == 0 || is_part) && (bits < CHUNK_FRAMES || state != CHUNK_SPLIT) &&
               are_missing_frames_taken(arena, chunk, base, state);
    case CHUNK_ABSENT:
        return !is_whole && !frames_has_managed(base, CHUNK_FRAMES);
    default:
        return false;
    }
}

static bool is_taken_in_map(pfn_t pfn)
{
    struct frames_place place;
    if (!frames_locate(pfn, &place) || (byte_load(&place.arena->state[place.chunk]) & CHUNK_KIND) != CHUNK_SPLIT) {
        return false;
    }
    return ((word_load(&chunk_line(place.arena, place.chunk)[pfn % CHUNK_FRAMES / 64]) >> (pfn % 64)) & 1u) != 0;
}

/* Nobody else has the frame. */
static bool is_only_here(unsigned cpu, pfn_t pfn)
{
    for (unsigned i = 0; i < frames_.cpu_count; i++) {
        if (i != cpu && frames_cpu_holds(frames_.cpus[i], pfn, 1)) {
            return false;
        }
    }
    return is_taken_in_map(pfn);
}

static bool is_line_sound(unsigned cpu, const struct frames_line *line)
{
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        for (uint64_t bits = line->free[i]; bits != 0; bits &= bits - 1) {
            if (line->place.base == PFN_NONE || !is_only_here(cpu, line->place.base + i * 64ull + low_bit(bits))) {
                return false;
            }
        }
    }
    return true;
}

static bool is_cpu_sound(unsigned number)
{
    const struct frames_cpu *cpu = frames_.cpus[number];
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        bool share = (cpu->alloc.free[i] & cpu->run.free[i]) != 0 && cpu->alloc.place.base == cpu->run.place.base;
        share =
            share || ((cpu->alloc.free[i] & cpu->give.free[i]) != 0 && cpu->alloc.place.base == cpu->give.place.base);
        share = share || ((cpu->run.free[i] & cpu->give.free[i]) != 0 && cpu->run.place.base == cpu->give.place.base);
        if (share) {
            return false;
        }
    }
    struct frames_place whole;
    if (cpu->hot_2m != FRAMES_NONE &&
        (!frames_locate(cpu->hot_2m >> PAGE_SHIFT, &whole) || set_has(&whole.arena->whole, whole.chunk) ||
         (byte_load(&whole.arena->state[whole.chunk]) & CHUNK_KIND) != CHUNK_WHOLE)) {
        return false;
    }
    if (cpu->hot != FRAMES_NONE && !is_only_here(number, cpu->hot >> PAGE_SHIFT)) {
        return false;
    }
    for (uint32_t i = 1; i <= cpu->held; i++) {
        pfn_t pfn = cpu->stack[i] >> PAGE_SHIFT;
        bool is_in_line =
            line_holds(&cpu->alloc, pfn, 1) || line_holds(&cpu->run, pfn, 1) || line_holds(&cpu->give, pfn, 1);
        for (uint32_t k = i + 1; k <= cpu->held; k++) {
            if (cpu->stack[k] >> PAGE_SHIFT == pfn || cpu->stack[k] == cpu->hot) {
                return false;
            }
        }
        bool is_known = cpu->is_trusting || frames_cpu_holds(cpu, pfn, 1);
        if (is_in_line || !is_known || !is_only_here(number, pfn)) {
            return false;
        }
    }
    return is_line_sound(number, &cpu->alloc) && is_line_sound(number, &cpu->run) && is_line_sound(number, &cpu->give);
}

static bool is_metadata_taken(void)
{
    struct frames_region region;
    uint64_t found = 0;
    for (uint64_t i = 0; (region = frames_metadata_at(i)).nframes != 0; i++) {
        found += region.nframes;
        for (uint64_t k = 0; k < region.nframes; k++) {
            if (frames_state((region.base + k) << PAGE_SHIFT) != FRAMES_STATE_METADATA) {
                return false;
            }
        }
    }
    return found == word_load(&frames_.metadata);
}

static bool are_regions_sound(void)
{
    uint64_t total = 0;
    pfn_t end = 0;
    struct frames_region region;
    for (uint64_t i = 0; (region = frames_region_at(i)).nframes != 0; i++) {
        if (i > 0 && region.base <= end) {
            return false;
        }
        end = region.base + region.nframes;
        total += region.nframes;
    }
    return total == word_load(&frames_.total);
}

/* What the counters of windows with a reserve say is what is free in the shared map there. */
static bool are_windows_sound(const uint64_t free[FRAMES_WINDOWS])
{
    for (unsigned window = 0; window < frames_.top_window; window++) {
        if (word_load(&frames_.window_free[window]) != free[window]) {
            return false;
        }
    }
    return true;
}

enum neo_status frames_check(void)
{
    const struct frames_layout *layout = frames_layout_now();
    uint64_t window_free[FRAMES_WINDOWS] = {0};
    uint64_t free = 0;
    bool is_sound = are_regions_sound() && is_metadata_taken();
    for (uint64_t i = 0; is_sound && i < layout->span_count; i++) {
        const struct frames_span *span = &layout->spans[i];
        is_sound = i == 0 || layout->spans[i - 1].base + layout->spans[i - 1].nframes <= span->base;
        for (uint64_t k = 0; is_sound && k < span->nframes >> CHUNK_SHIFT; k++) {
            is_sound = is_chunk_sound(span->arena, span->chunk + k, span->base + (k << CHUNK_SHIFT),
                                      &window_free[span->window]);
        }
    }
    is_sound = is_sound && are_windows_sound(window_free);
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        free += window_free[window];
    }
    for (unsigned i = 0; is_sound && i < frames_.cpu_count; i++) {
        is_sound = is_cpu_sound(i);
    }
    struct frames_stats stats;
    frames_get_stats(&stats);
    return is_sound && free + stats.cached == stats.free ? NEO_OK : NEO_ERR_CORRUPT;
}
