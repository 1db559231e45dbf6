/* frames_shared.c — single frames and short runs straight from the shared map, without anybody's cache: for interrupts that came in
 * the middle of an operation, for CPUs without a cache, and for hardening level 2 and above.
 *
 * All of these calls share one hint, the chunk they found something in last; when it is full, the fullest of some others
 * follows. Lock-free. Cost: one RMW a frame or word of a run, more while chunks run full. */

#include "frames_internal.h"

#define LOOK 16u /* SPLIT chunks looked at */

/* Some free bit of the word. Return: its number; 64: none. */
static unsigned win_bit(const struct frames_place *place, unsigned word)
{
    atomic_word *bits = &chunk_line(place->arena, place->chunk)[word];
    for (uint64_t free = ~word_load_sc(bits); free != 0; free = ~word_load_sc(bits)) {
        unsigned bit = low_bit(free);
        if (!word_set_bit(bits, bit) && chunk_sort_out(place, word, 1ull << bit) != 0) {
            return bit;
        }
    }
    return 64;
}

static pfn_t win_frame(const struct frames_place *place)
{
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        unsigned bit = win_bit(place, i);
        if (bit < 64) {
            room_take(place->arena, place->chunk, 1);
            return place->base + i * 64ull + bit;
        }
    }
    return PFN_NONE;
}

/* A free frame of the chunk. Return: PFN_NONE when it has none; it is then out of part, unless some came meanwhile. */
static pfn_t frame_of_chunk(const struct frames_place *place)
{
    pfn_t pfn = win_frame(place);
    if (pfn == PFN_NONE) {
        /* Pair a: off the list first, then look again. */
        (void)set_remove(&place->arena->part, place->chunk);
        pfn = win_frame(place);
        if (pfn != PFN_NONE) {
            chunk_offer(place->arena, place->chunk);
        }
    }
    return pfn;
}

/* A SPLIT chunk that may have room: the last one again, else the fullest of some. SET_NONE: none in the zone. */
static uint64_t pick_part(const struct frames_zone *zone)
{
    struct frames_arena *arena = zone->arena;
    uint64_t hint = word_load(&frames_.hint);
    if (hint >= zone->first && hint < zone->end && set_has(&arena->part, hint)) {
        return hint;
    }
    uint64_t after;
    return frames_fullest_part(zone, hint, LOOK, &after);
}

/* The first count frames of a whole chunk. PFN_NONE: there is none. */
static pfn_t start_of_whole(const struct frames_layout *layout, const struct frames_zone *zone, unsigned count)
{
    for (;;) {
        uint64_t chunk = set_find(&zone->arena->whole, word_load(&frames_.hint), zone->first, zone->end);
        if (chunk == SET_NONE) {
            return PFN_NONE;
        }
        struct frames_place place = frames_zone_place(layout, zone, chunk);
        if (chunk_claim(&place)) {
            uint64_t used[CHUNK_WORDS];
            for (unsigned i = 0; i < CHUNK_WORDS; i++) {
                used[i] = count >= (i + 1) * 64 ? WORD_FULL : count <= i * 64 ? 0 : low_ones(count - i * 64);
            }
            chunk_split(&place, used, CHUNK_FRAMES - count);
            word_store(&frames_.hint, chunk);
            return place.base;
        }
    }
}

static pfn_t shared_one_of(const struct frames_layout *layout, const struct frames_zone *zone)
{
    for (;;) {
        uint64_t chunk = pick_part(zone);
        if (chunk == SET_NONE) {
            return start_of_whole(layout, zone, 1);
        }
        struct frames_place place = frames_zone_place(layout, zone, chunk);
        pfn_t pfn = frame_of_chunk(&place);
        if (pfn != PFN_NONE) {
            word_store(&frames_.hint, chunk);
            return pfn;
        }
    }
}

pfn_t frames_shared_one(unsigned node, unsigned flags)
{
    const struct frames_layout *layout = frames_layout_now();
    for (uint64_t i = 0; i < layout->zone_count; i++) {
        const struct frames_zone *zone = &layout->zones[layout->order[node * layout->zone_count + i]];
        if (((flags & FRAMES_BIND) == 0 || zone->node == node) && frames_window_has(zone->window, 1, flags)) {
            pfn_t pfn = shared_one_of(layout, zone);
            if (pfn != PFN_NONE) {
                frames_count_window(zone->window, -1);
                frames_count_taken(NULL, 1);
                return pfn;
            }
        }
    }
    return PFN_NONE;
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

/* A run in one of some SPLIT chunks. Claimed and counted. */
static pfn_t run_of_part(const struct frames_layout *layout, const struct frames_zone *zone, unsigned count,
                         unsigned align)
{
    struct frames_arena *arena = zone->arena;
    uint64_t at = set_find(&arena->part, word_load(&frames_.hint), zone->first, zone->end);
    for (unsigned looked = 0; at != SET_NONE && looked < LOOK; looked++) {
        uint64_t bits[CHUNK_WORDS];
        for (unsigned i = 0; i < CHUNK_WORDS; i++) {
            bits[i] = count_load(&arena->room[at]) < count ? 0 : ~word_load(&chunk_line(arena, at)[i]);
        }
        unsigned frame = run_find(bits, 0, count, align);
        pfn_t pfn = frames_zone_place(layout, zone, at).base + frame;
        if (frame < CHUNK_FRAMES && frames_claim(NULL, pfn, count)) {
            word_store(&frames_.hint, at);
            return pfn;
        }
        at = set_find_next(&arena->part, at + 1, zone->end);
    }
    return PFN_NONE;
}

pfn_t frames_shared_run(unsigned node, unsigned count, unsigned align, unsigned flags)
{
    const struct frames_layout *layout = frames_layout_now();
    for (uint64_t i = 0; i < layout->zone_count; i++) {
        const struct frames_zone *zone = &layout->zones[layout->order[node * layout->zone_count + i]];
        if (((flags & FRAMES_BIND) != 0 && zone->node != node) || !frames_window_has(zone->window, count, flags)) {
            continue;
        }
        pfn_t pfn = run_of_part(layout, zone, count, align);
        if (pfn != PFN_NONE) {
            return pfn;
        }
        pfn = start_of_whole(layout, zone, count);
        if (pfn != PFN_NONE) {
            frames_count_window(zone->window, -(int64_t)count);
            frames_count_taken(NULL, count);
            return pfn;
        }
    }
    return PFN_NONE;
}
