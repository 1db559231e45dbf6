/* frames_search.c — the search of last resort: any count, alignment, window, boundary and node, over everything that is free in
 * the shared map; and claiming an exact range.
 *
 * First zone by zone in the node's order of preference, runs within one span; then runs that cross spans (of different
 * windows or nodes, but physically adjacent). Nothing is claimed before a whole run has been seen; claiming is all or nothing and
 * undone exactly, so a lost race costs a retry, never a frame.
 * Cost: O(chunks of the window + words of its split chunks). Lock-free. */

#include "frames_internal.h"

struct wanted {
    uint64_t count, align, boundary;
    unsigned node;
    bool is_bound;
};

/* ---- claiming ------------------------------------------------------------------------------------------------ */

static bool claim_bits(const struct frames_place *place, unsigned frame, unsigned count)
{
    atomic_word *line = chunk_line(place->arena, place->chunk);
    unsigned done = 0;
    while (done < count) {
        unsigned at = frame + done;
        unsigned here = (unsigned)min_u64(count - done, 64 - at % 64);
        uint64_t bits = low_ones(here) << (at % 64);
        uint64_t won = bits & ~word_set_bits(&line[at / 64], bits);
        uint64_t ours = won == 0 ? 0 : chunk_sort_out(place, at / 64, won);
        if (ours != bits) {
            if (ours != 0) {
                room_take(place->arena, place->chunk, count_bits(ours));
                (void)chunk_give_word(place, at / 64, ours);
            }
            break;
        }
        done += here;
    }
    if (done == count) {
        room_take(place->arena, place->chunk, count);
        return true;
    }
    while (done > 0) {
        unsigned last = frame + done - 1;
        unsigned here = (unsigned)min_u64(done, last % 64 + 1);
        (void)chunk_give_word(place, last / 64, low_ones(here) << (last % 64 + 1 - here));
        done -= here;
    }
    return false;
}

/* Frames [frame, frame + count) of one chunk. */
static bool claim_piece(const struct frames_place *place, unsigned frame, unsigned count)
{
    uint8_t state = byte_load_acquire(&place->arena->state[place->chunk]);
    if ((state & CHUNK_KIND) == CHUNK_SPLIT) {
        return claim_bits(place, frame, count);
    }
    if (!chunk_claim(place)) {
        return false;
    }
    if (count < CHUNK_FRAMES) {
        uint64_t used[CHUNK_WORDS] = {0};
        for (unsigned i = frame; i < frame + count; i++) {
            used[i / 64] |= 1ull << (i % 64);
        }
        chunk_split(place, used, CHUNK_FRAMES - count);
    }
    return true;
}

bool frames_claim(struct frames_cpu *cpu, pfn_t pfn, uint64_t count)
{
    uint64_t done = 0;
    while (done < count) {
        struct frames_place place;
        unsigned frame = (unsigned)((pfn + done) % CHUNK_FRAMES);
        unsigned here = (unsigned)min_u64(count - done, CHUNK_FRAMES - frame);
        if (!frames_locate(pfn + done, &place) || !claim_piece(&place, frame, here)) {
            break;
        }
        frames_count_window(place.window, -(int64_t)here);
        done += here;
    }
    frames_count_taken(cpu, (int64_t)done);
    if (done < count) {
        if (done > 0) {
            (void)frames_give(cpu, pfn, done);
        }
        return false;
    }
    return true;
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

/* Free frames in a row from pfn on, at most `most`, which lie in the chunk. */
static uint64_t free_in_chunk(const struct frames_span *span, pfn_t pfn, uint64_t most)
{
    struct frames_arena *arena = span->arena;
    uint64_t chunk = span->chunk + ((pfn - span->base) >> CHUNK_SHIFT);
    uint8_t kind = byte_load_acquire(&arena->state[chunk]) & CHUNK_KIND;
    if (kind == CHUNK_WHOLE) {
        return set_has(&arena->whole, chunk) ? most : 0;
    }
    uint64_t found = 0;
    while (kind == CHUNK_SPLIT && found < most) {
        uint64_t bit = (pfn + found) % 64;
        uint64_t word = word_load(&chunk_line(arena, chunk)[(pfn + found) % CHUNK_FRAMES / 64]) >> bit;
        uint64_t here = word == 0 ? 64 - bit : low_bit(word);
        found += here;
        if (word != 0) {
            break;
        }
    }
    return min_u64(found, most);
}

/* First frame at or after pfn in its chunk that is free; the chunk's end when there is none. */
static pfn_t next_free_in_chunk(const struct frames_span *span, pfn_t pfn)
{
    struct frames_arena *arena = span->arena;
    uint64_t chunk = span->chunk + ((pfn - span->base) >> CHUNK_SHIFT);
    pfn_t end = align_down(pfn, CHUNK_FRAMES) + CHUNK_FRAMES;
    uint8_t kind = byte_load_acquire(&arena->state[chunk]) & CHUNK_KIND;
    if (kind == CHUNK_WHOLE) {
        return set_has(&arena->whole, chunk) ? pfn : end;
    }
    while (kind == CHUNK_SPLIT && pfn < end) {
        uint64_t free = ~word_load(&chunk_line(arena, chunk)[pfn % CHUNK_FRAMES / 64]) >> (pfn % 64);
        if (free != 0) {
            return pfn + low_bit(free);
        }
        pfn = align_down(pfn, 64) + 64;
    }
    return end;
}

static bool crosses(pfn_t pfn, uint64_t count, uint64_t boundary)
{
    return boundary != 0 && pfn / boundary != (pfn + count - 1) / boundary;
}

/* Lowest legal start at or after pfn. */
static pfn_t legal_start(pfn_t pfn, const struct wanted *wanted)
{
    pfn = align_up(pfn, wanted->align);
    if (crosses(pfn, wanted->count, wanted->boundary)) {
        pfn = align_up(align_up(pfn + 1, wanted->boundary), wanted->align);
    }
    return pfn;
}

/* Spans one after another that touch, from spans[i] on, as far as they count. Return: the number of the first one after. */
static uint64_t stretch_end(const struct frames_layout *layout, uint64_t i, const struct wanted *wanted)
{
    uint64_t k = i + 1;
    if (wanted->is_bound && layout->spans[i].node != wanted->node) {
        return k; /* what follows may be of the node */
    }
    while (k < layout->span_count &&
           layout->spans[k].base == layout->spans[k - 1].base + layout->spans[k - 1].nframes &&
           (!wanted->is_bound || layout->spans[k].node == wanted->node)) {
        k++;
    }
    return k;
}

/* A run in [lo, hi), which spans[first … end) cover without a gap. Claimed. */
static pfn_t search_stretch(const struct frames_span *spans, uint64_t first, uint64_t end, pfn_t lo, pfn_t hi,
                            const struct wanted *wanted)
{
    pfn_t start = legal_start(lo, wanted);
    uint64_t have = 0; /* frames from start on that were seen free */
    uint64_t i = first;
    while (start < hi && wanted->count <= hi - start) {
        pfn_t at = start + have;
        while (i > first && at < spans[i].base) {
            i--;
        }
        while (at - spans[i].base >= spans[i].nframes) {
            if (++i == end) {
                return PFN_NONE;
            }
        }
        uint64_t most = min_u64(wanted->count - have, CHUNK_FRAMES - at % CHUNK_FRAMES);
        uint64_t here = free_in_chunk(&spans[i], at, most);
        have += here;
        if (have == wanted->count) {
            if (frames_claim(NULL, start, wanted->count)) {
                return start;
            }
            have = 0; /* somebody was faster: look again */
            continue;
        }
        if (here < most) {
            start = legal_start(next_free_in_chunk(&spans[i], at + here), wanted);
            have = 0;
        }
    }
    return PFN_NONE;
}

static pfn_t search_zone(const struct frames_layout *layout, const struct frames_zone *zone, pfn_t lo, pfn_t hi,
                         const struct wanted *wanted)
{
    for (uint64_t i = zone->end_span; i-- > zone->first_span;) {
        const struct frames_span *span = &layout->spans[i];
        pfn_t from = max_u64(lo, span->base);
        pfn_t to = min_u64(hi, span->base + span->nframes);
        if (from < to) {
            pfn_t pfn = search_stretch(layout->spans, i, i + 1, from, to, wanted);
            if (pfn != PFN_NONE) {
                return pfn;
            }
        }
    }
    return PFN_NONE;
}

/* Whether the request may use what is left of a window: its limit asks for that window, or there is more than the reserve. */
static bool may_use(unsigned window, const struct frames_request *request)
{
    static const phys_addr_t window_end[FRAMES_WINDOWS] = {MIB(16), GIB(4), FRAMES_ANYWHERE};
    return align_down(request->hi_pa, PAGE_SIZE) <= window_end[window] ||
           frames_window_has(window, request->count, request->flags);
}

pfn_t frames_search(const struct frames_request *request)
{
    const struct frames_layout *layout = frames_layout_now();
    unsigned node = request->node < layout->nodes ? request->node : 0;
    const struct wanted wanted = {request->count, max_u64(request->align, 1), request->boundary, node,
                                  (request->flags & FRAMES_BIND) != 0};
    pfn_t lo = bytes_to_pages(request->lo_pa);
    pfn_t hi = min_u64(request->hi_pa, PHYS_ADDR_LIMIT) >> PAGE_SHIFT;
    for (uint64_t i = 0; i < layout->zone_count; i++) {
        const struct frames_zone *zone = &layout->zones[layout->order[node * layout->zone_count + i]];
        if ((!wanted.is_bound || zone->node == node) && may_use(zone->window, request)) {
            pfn_t pfn = search_zone(layout, zone, lo, hi, &wanted);
            if (pfn != PFN_NONE) {
                return pfn;
            }
        }
    }
    for (uint64_t i = 0; i < layout->span_count;) {
        uint64_t end = stretch_end(layout, i, &wanted);
        while (i < end && !may_use(layout->spans[i].window, request)) {
            i++;
        }
        uint64_t usable_end = min_u64(i + 1, end);
        while (usable_end < end && may_use(layout->spans[usable_end].window, request)) {
            usable_end++;
        }
        end = usable_end;
        if (end - i > 1 && (!wanted.is_bound || layout->spans[i].node == node)) {
            const struct frames_span *last = &layout->spans[end - 1];
            pfn_t from = max_u64(lo, layout->spans[i].base);
            pfn_t to = min_u64(hi, last->base + last->nframes);
            pfn_t pfn = from < to ? search_stretch(layout->spans, i, end, from, to, &wanted) : PFN_NONE;
            if (pfn != PFN_NONE) {
                return pfn;
            }
        }
        i = end;
    }
    return PFN_NONE;
}
