/* frames_line.c — lines: all free frames of one chunk in one CPU's hands.
 *
 * Opening takes every free bit of a chunk at once (one exchange for each word that has some; none at all for a whole chunk),
 * after that frames are handed out with plain instructions. What goes back is collected by chunk, too: when line and map
 * together are the whole chunk, it becomes whole without any of its bits going back.
 * Locking: a line belongs to its CPU. Cost: opening and writing back O(1): at most 8 RMWs and a few more. */

#include "frames_internal.h"

/* SPLIT chunks looked at for the fullest one. Filling full chunks first lets the emptier ones drain until they are whole. */
#define LOOK 32u

void line_clear(struct frames_line *line)
{
    *line = (struct frames_line){.place = {.base = PFN_NONE}};
}

FRAMES_READS_OTHERS unsigned line_count(const struct frames_line *line)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        uint64_t bits = line->free[i];
        count += bits == 0 ? 0 : bits == WORD_FULL ? 64 : count_bits(bits);
    }
    return count;
}

FRAMES_READS_OTHERS bool line_holds(const struct frames_line *line, pfn_t pfn, uint64_t count)
{
    /* The part of the range that lies in the chunk. */
    pfn_t base = line->place.base;
    uint64_t from = pfn > base ? pfn - base : 0;
    uint64_t to = pfn + count > base ? min_u64(pfn + count - base, CHUNK_FRAMES) : 0;
    while (from < to) {
        uint64_t here = min_u64(to - from, 64 - from % 64);
        if ((line->free[from / 64] & (low_ones(here) << (from % 64))) != 0) {
            return true;
        }
        from += here;
    }
    return false;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

unsigned line_open(struct frames_line *line, const struct frames_place *place)
{
    atomic_word *words = chunk_line(place->arena, place->chunk);
    unsigned count = 0;
    line_clear(line);
    for (unsigned i = CHUNK_WORDS; i-- > 0;) {
        /* Pair a: the part bit was cleared before this look. */
        if (word_load_sc(&words[i]) != WORD_FULL) {
            line->free[i] = chunk_sort_out(place, i, ~word_exchange(&words[i], WORD_FULL));
        }
        if (line->free[i] != 0) {
            count += count_bits(line->free[i]);
            line->at = i;
        }
    }
    if (count != 0) {
        line->place = *place;
        count_store(&place->arena->room[place->chunk], 0);
    }
    return count;
}

unsigned line_open_whole(struct frames_line *line, const struct frames_place *place)
{
    struct frames_arena *arena = place->arena;
    unsigned count = 0;
    count_store(&arena->room[place->chunk], 0);
    line_clear(line);
    line->place = *place;
    /* A retirement before this found the chunk whole and in use; one after it finds the bit set. Both leave it to whoever has
     * the frame. Here nobody has: what is retired already goes out of use at once. */
    bool is_bad = (byte_set_bits(&arena->state[place->chunk], CHUNK_SPLIT) & CHUNK_BAD) != 0;
    const struct frames_bad *bad = is_bad ? frames_find_bad(place->base) : NULL;
    for (unsigned i = CHUNK_WORDS; i-- > 0;) {
        uint64_t retired = bad == NULL ? 0 : word_load_sc(&bad->retired[i]);
        line->free[i] = ~retired;
        count += 64 - count_bits(retired);
        chunk_put_out(place, i, retired);
    }
    return count;
}

uint64_t frames_fullest_part(const struct frames_zone *zone, uint64_t from, unsigned look, uint64_t *after)
{
    struct frames_arena *arena = zone->arena;
    uint64_t at = set_find(&arena->part, from, zone->first, zone->end);
    uint64_t best = at;
    unsigned least = CHUNK_FRAMES + 1;
    for (unsigned looked = 0; at != SET_NONE && looked < look; looked++) {
        unsigned room = count_load(&arena->room[at]);
        if (room < least && room != 0) {
            least = room;
            best = at;
        }
        *after = at + 1;
        at = set_find_next(&arena->part, at + 1, zone->end);
    }
    return best;
}

/* The fullest of some SPLIT chunks of the zone, taken out of part; SET_NONE. */
static uint64_t take_fullest(struct frames_cpu *cpu, const struct frames_zone *zone)
{
    uint64_t best;
    do {
        best = frames_fullest_part(zone, cpu->part_at, LOOK, &cpu->part_at);
    } while (best != SET_NONE && !set_remove(&zone->arena->part, best));
    return best;
}

static unsigned open_part(struct frames_cpu *cpu, struct frames_line *line, const struct frames_layout *layout,
                          const struct frames_zone *zone)
{
    unsigned taken = 0;
    while (taken == 0) {
        uint64_t chunk = take_fullest(cpu, zone);
        if (chunk == SET_NONE) {
            return 0;
        }
        struct frames_place place = frames_zone_place(layout, zone, chunk);
        taken = line_open(line, &place);
    }
    return taken;
}

static unsigned open_whole(struct frames_cpu *cpu, struct frames_line *line, const struct frames_layout *layout,
                           const struct frames_zone *zone)
{
    for (;;) {
        uint64_t chunk = set_find(&zone->arena->whole, cpu->whole_at, zone->first, zone->end);
        if (chunk == SET_NONE) {
            return 0;
        }
        struct frames_place place = frames_zone_place(layout, zone, chunk);
        cpu->whole_at = chunk;
        if (chunk_claim(&place)) {
            unsigned taken = line_open_whole(line, &place);
            if (taken != 0) {
                return taken;
            }
        }
    }
}

unsigned line_open_next(struct frames_cpu *cpu, struct frames_line *line, bool is_fresh, unsigned flags)
{
    const struct frames_layout *layout = frames_layout_now();
    const uint32_t *order = layout->order + (cpu->node < layout->nodes ? cpu->node : 0) * layout->zone_count;
    for (uint64_t i = 0; i < layout->zone_count; i++) {
        const struct frames_zone *zone = &layout->zones[order[i]];
        if (!frames_window_has(zone->window, CHUNK_FRAMES, flags)) {
            if (frames_window_has(zone->window, 1, flags)) {
                return 0; /* no chunk without the reserve, but single frames, before any from a window below */
            }
            continue;
        }
        unsigned taken = is_fresh ? 0 : open_part(cpu, line, layout, zone);
        if (taken == 0) {
            taken = open_whole(cpu, line, layout, zone);
        }
        if (taken != 0) {
            cpu->taken += taken;
            frames_count_window(zone->window, -(int64_t)taken);
            return taken;
        }
    }
    return 0;
}

/* ---- writing back ------------------------------------------------------------------------------------------- */

/* Whether line and map together are the whole chunk. */
static bool is_complete(const struct frames_line *line, const atomic_word *words)
{
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        /* Exactly one of the two has the frame. */
        if (word_load(&words[i]) != line->free[i]) {
            return false;
        }
    }
    return true;
}

/* Win the rest of the chunk, then give it back as a whole one. */
static bool complete(const struct frames_line *line, atomic_word *words)
{
    unsigned claimed = 0;
    while (claimed < CHUNK_WORDS &&
           (line->free[claimed] == WORD_FULL || word_replace(&words[claimed], line->free[claimed], WORD_FULL))) {
        claimed++;
    }
    if (claimed == CHUNK_WORDS && chunk_make_whole(&line->place)) {
        return true;
    }
    for (unsigned i = 0; i < claimed; i++) {
        if (line->free[i] != WORD_FULL) {
            (void)chunk_give_word(&line->place, i, ~line->free[i]);
        }
    }
    return false;
}

unsigned line_write_back(struct frames_line *line, pfn_t *culprit)
{
    struct frames_place place = line->place;
    if (place.base == PFN_NONE) {
        return 0;
    }
    atomic_word *words = chunk_line(place.arena, place.chunk);
    unsigned count = line_count(line);
    if (!is_complete(line, words) || !complete(line, words)) {
        for (unsigned i = 0; i < CHUNK_WORDS; i++) {
            uint64_t bits = line->free[i];
            if (bits != 0 && !chunk_give_word(&place, i, bits)) {
                uint64_t twice = bits & ~word_load(&words[i]);
                *culprit = place.base + i * 64ull + low_bit(twice != 0 ? twice : bits);
                count -= count_bits(bits);
            }
        }
    }
    line_clear(line);
    frames_count_window(place.window, count);
    return count;
}
