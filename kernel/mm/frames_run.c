/* frames_run.c — contiguous runs that are easy: below a chunk from the CPU's run line, above it from whole chunks.
 *
 * Runs of 2 … 511 frames come out of one chunk whose free bits the CPU holds, one after another (next fit within the line), so
 * that a stream of runs costs one claimed chunk for many of them. They are kept apart from single frames, which would
 * riddle the chunk.
 * Runs with a whole chunk in them take whole chunks in a row; the rest of the last one is on offer to everybody.
 * Everything else (constraints, crossing into split chunks, nearly full memory) is frames_search.c's.
 * Cost: a run from the line O(words of it); whole chunks O(1) for one, O(chunks/64) to find several in a row. */

#include "frames_fast.h"

#define LOOK 8u /* SPLIT chunks looked at for a run before a whole one is opened */

/* ---- inside a line ------------------------------------------------------------------------------------------ */

/* How many ones follow from `at` on, at most `most`. */
static inline unsigned ones_from(const uint64_t bits[CHUNK_WORDS], unsigned at, unsigned most)
{
    unsigned found = 0;
    while (found < most) {
        unsigned bit = (at + found) % 64;
        uint64_t zeros = ~(bits[(at + found) / 64] >> bit);
        unsigned here = zeros == 0 ? 64 : low_bit(zeros);
        if (here < 64 - bit) {
            return found + here < most ? found + here : most;
        }
        found += 64 - bit;
    }
    return most;
}

/* First one at or after `at`; 512: none. */
static unsigned next_one(const uint64_t bits[CHUNK_WORDS], unsigned at)
{
    while (at < CHUNK_FRAMES) {
        uint64_t word = bits[at / 64] >> (at % 64);
        if (word != 0) {
            return at + low_bit(word);
        }
        at = (at / 64 + 1) * 64;
    }
    return CHUNK_FRAMES;
}

unsigned run_find(const uint64_t bits[CHUNK_WORDS], unsigned from, unsigned count, unsigned align)
{
    unsigned at = (unsigned)align_up(next_one(bits, from), align);
    while (at + count <= CHUNK_FRAMES) {
        unsigned ones = ones_from(bits, at, count);
        if (ones == count) {
            return at;
        }
        at = (unsigned)align_up(next_one(bits, at + ones), align);
    }
    return CHUNK_FRAMES;
}

static inline void clear_ones(uint64_t bits[CHUNK_WORDS], unsigned at, unsigned count)
{
    while (count > 0) {
        unsigned here = (unsigned)min_u64(count, 64 - at % 64);
        bits[at / 64] &= ~(low_ones(here) << (at % 64));
        at += here;
        count -= here;
    }
}

static inline pfn_t take_run(struct frames_line *line, unsigned at, unsigned count)
{
    clear_ones(line->free, at, count);
    line->at = at + count;
    return line->place.base + at;
}

static bool has_run(const struct frames_arena *arena, uint64_t chunk, unsigned count, unsigned align)
{
    uint64_t bits[CHUNK_WORDS];
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        bits[i] = ~word_load(&chunk_line(arena, chunk)[i]);
    }
    return run_find(bits, 0, count, align) < CHUNK_FRAMES;
}

/* A SPLIT chunk that has the run, into the line. */
static bool open_with_run(struct frames_cpu *cpu, unsigned count, unsigned align)
{
    const struct frames_layout *layout = frames_layout_now();
    const struct frames_zone *zone = &layout->zones[layout->order[cpu->node * layout->zone_count]];
    struct frames_arena *arena = zone->arena;
    uint64_t chunk = set_find(&arena->part, cpu->part_at, zone->first, zone->end);
    for (unsigned looked = 0; looked < LOOK && chunk != SET_NONE; looked++) {
        if (count_load(&arena->room[chunk]) >= count && has_run(arena, chunk, count, align) &&
            frames_window_has(zone->window, CHUNK_FRAMES, 0) && set_remove(&arena->part, chunk)) {
            struct frames_place place = frames_zone_place(layout, zone, chunk);
            unsigned taken = line_open(&cpu->run, &place);
            cpu->taken += taken;
            frames_count_window(zone->window, -(int64_t)taken);
            return taken != 0;
        }
        chunk = set_find_next(&arena->part, chunk + 1, zone->end);
    }
    return false;
}

static NEO_NOINLINE pfn_t run_refill(struct frames_cpu *cpu, unsigned count, unsigned align)
{
    struct frames_line *line = &cpu->run;
    unsigned at = run_find(line->free, 0, count, align);
    if (at < CHUNK_FRAMES) {
        return take_run(line, at, count);
    }
    pfn_t culprit = PFN_NONE;
    cpu->taken -= line_write_back(line, &culprit);
    bool is_open = open_with_run(cpu, count, align) || line_open_next(cpu, line, true, 0) != 0;
    frames_cpu_note_lines(cpu);
    if (!is_open) {
        return PFN_NONE;
    }
    at = run_find(line->free, 0, count, align);
    return at < CHUNK_FRAMES ? take_run(line, at, count) : PFN_NONE;
}

pfn_t frames_run_alloc(struct frames_cpu *cpu, unsigned count, unsigned align)
{
    struct frames_line *line = &cpu->run;
    unsigned at = (line->at + align - 1) & ~(align - 1);
    if (at % 64 + count <= 64 && at < CHUNK_FRAMES) {
        uint64_t bits = low_ones(count) << (at % 64);
        uint64_t *word = &line->free[at / 64];
        if (NEO_LIKELY((*word & bits) == bits)) {
            *word &= ~bits;
            line->at = at + count;
            return line->place.base + at;
        }
    } else if (at + count <= CHUNK_FRAMES && ones_from(line->free, at, count) == count) {
        return take_run(line, at, count);
    }
    return run_refill(cpu, count, align);
}

/* ---- whole chunks --------------------------------------------------------------------------------------------- */

/* Claim count chunks from the first on: those of one word of the set at once. Return: how many in a row succeeded. */
static uint64_t claim_chunks(struct frames_place first, uint64_t count)
{
    struct frames_arena *arena = first.arena;
    uint64_t claimed = 0;
    while (claimed < count) {
        uint64_t bit = first.chunk % 64;
        uint64_t here = min_u64(count - claimed, 64 - bit);
        uint64_t bits = low_ones(here) << bit;
        atomic_word *word = &arena->whole.words[first.chunk / 64];
        uint64_t old = word_load(word);
        if ((old & bits) != bits || !word_replace(word, old, old & ~bits)) {
            break;
        }
        for (uint64_t i = 0; i < here; i++) {
            chunk_fill_line(arena, first.chunk + i);
            if (NEO_UNLIKELY(byte_load_sc(&arena->state[first.chunk + i]) != CHUNK_WHOLE)) {
                /* Retired meanwhile: these go back, that one split. */
                for (uint64_t k = 0; k < here; k++) {
                    (void)chunk_give_whole(&first);
                    first.base += CHUNK_FRAMES;
                    first.chunk++;
                }
                return claimed;
            }
        }
        first.base += here << CHUNK_SHIFT;
        first.chunk += here;
        claimed += here;
    }
    return claimed;
}

/* The last chunk of a run from the first one on is used in part. */
static void split_last(struct frames_place place, uint64_t count)
{
    uint64_t used[CHUNK_WORDS];
    unsigned frames = (unsigned)(count % CHUNK_FRAMES);
    place.base += align_down(count, CHUNK_FRAMES);
    place.chunk += count >> CHUNK_SHIFT;
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        used[i] = i < frames / 64 ? WORD_FULL : 0;
    }
    used[frames / 64] = low_ones(frames % 64);
    chunk_split(&place, used, CHUNK_FRAMES - frames);
}

static void give_chunks(struct frames_place first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        (void)chunk_give_whole(&first);
        first.base += CHUNK_FRAMES;
        first.chunk++;
    }
}

/* First of count members in a row at or after from, whose frame number is aligned; all inside [from, end). */
static uint64_t find_row(struct frames_set *set, uint64_t from, uint64_t end, uint64_t count, uint64_t align,
                         uint64_t phase)
{
    uint64_t at = from;
    while ((at = set_find_next(set, at, end)) != SET_NONE) {
        at = align_up(at + phase, align) - phase;
        if (at + count > end) {
            return SET_NONE;
        }
        uint64_t members = 0;
        while (members < count) {
            uint64_t bit = (at + members) % 64;
            uint64_t missing = ~(word_load(&set->words[(at + members) / 64]) >> bit);
            uint64_t here = missing == 0 ? 64 : low_bit(missing);
            members += min_u64(here, 64 - bit);
            if (here < 64 - bit) {
                break;
            }
        }
        if (members >= count) {
            return at;
        }
        at += members + 1;
    }
    return SET_NONE;
}

static pfn_t whole_in_span(const struct frames_span *span, uint64_t from, uint64_t count, uint64_t align)
{
    struct frames_arena *arena = span->arena;
    uint64_t chunks = (count + CHUNK_FRAMES - 1) >> CHUNK_SHIFT;
    uint64_t end = span->chunk + (span->nframes >> CHUNK_SHIFT);
    uint64_t align_chunks = max_u64(1, align >> CHUNK_SHIFT);
    /* chunk + phase is congruent to the physical chunk number. */
    uint64_t phase = ((span->base >> CHUNK_SHIFT) - span->chunk) & (align_chunks - 1);
    uint64_t at = max_u64(from, span->chunk);
    while ((at = find_row(&arena->whole, at, end, chunks, align_chunks, phase)) != SET_NONE) {
        struct frames_place place = {span->base + ((at - span->chunk) << CHUNK_SHIFT), arena, at, span->node,
                                     span->window};
        uint64_t claimed = claim_chunks(place, chunks);
        if (claimed == chunks) {
            if (count % CHUNK_FRAMES != 0) {
                split_last(place, count);
            }
            return place.base;
        }
        give_chunks(place, claimed);
        at += claimed + 1;
    }
    return PFN_NONE;
}

/* One chunk, any alignment up to its own: no span is searched. */
static pfn_t one_whole(const struct frames_layout *layout, const struct frames_zone *zone, uint64_t *hint,
                       uint64_t count)
{
    for (;;) {
        uint64_t chunk = set_find(&zone->arena->whole, *hint, zone->first, zone->end);
        if (chunk == SET_NONE) {
            return PFN_NONE;
        }
        struct frames_place place = frames_zone_place(layout, zone, chunk);
        *hint = chunk;
        if (chunk_claim(&place)) {
            if (count < CHUNK_FRAMES) {
                split_last(place, count);
            }
            return place.base;
        }
    }
}

pfn_t frames_cpu_alloc_chunks(struct frames_cpu *cpu, uint64_t count)
{
    const struct frames_place *first = &cpu->span_place;
    uint64_t chunk = cpu->whole_at;
    uint64_t chunks = (count + CHUNK_FRAMES - 1) >> CHUNK_SHIFT;
    uint64_t end = first->chunk + (cpu->span_frames >> CHUNK_SHIFT);
    if (first->arena == NULL || first->window < frames_.top_window || chunk < first->chunk || chunk + chunks > end ||
        chunks > 64 - chunk % 64) {
        return PFN_NONE;
    }
    struct frames_place place = {.base = cpu->span_base + ((chunk - first->chunk) << CHUNK_SHIFT),
                                 .arena = first->arena,
                                 .chunk = chunk,
                                 .node = first->node,
                                 .window = first->window};
    if (claim_chunks(place, chunks) != chunks) {
        return PFN_NONE;
    }
    cpu->whole_at = chunk + chunks < end ? chunk + chunks : first->chunk;
    cpu->taken += (int64_t)count;
    if (count % CHUNK_FRAMES != 0) {
        split_last(place, count);
    }
    return place.base;
}

phys_addr_t frames_cpu_alloc_2m(struct frames_cpu *cpu)
{
    phys_addr_t hot = cpu->hot_2m;
    uint64_t hot_at = ((hot >> PAGE_SHIFT) - cpu->span_base) >> CHUNK_SHIFT;
    if (hot != FRAMES_NONE && hot_at < cpu->span_frames >> CHUNK_SHIFT &&
        NEO_LIKELY(byte_load(&cpu->span_state[hot_at]) == CHUNK_WHOLE)) {
        cpu->hot_2m = FRAMES_NONE;
        return hot;
    }
    const struct frames_place *first = &cpu->span_place;
    struct frames_arena *arena = first->arena;
    uint64_t chunk = cpu->whole_at;
    uint64_t end = first->chunk + (cpu->span_frames >> CHUNK_SHIFT);
    if (arena == NULL || first->window < frames_.top_window) {
        return FRAMES_NONE;
    }
    if (NEO_UNLIKELY(chunk - first->chunk >= end - first->chunk)) {
        chunk = first->chunk; /* the last search ended elsewhere, perhaps in a larger arena */
    }
    uint64_t members = word_load(&arena->whole.words[chunk / 64]) >> (chunk % 64);
    chunk = NEO_LIKELY(members != 0) ? chunk + low_bit(members) : set_find(&arena->whole, chunk, first->chunk, end);
    if (chunk < first->chunk || chunk >= end) {
        return FRAMES_NONE;
    }
    struct frames_place place = {.base = cpu->span_base + ((chunk - first->chunk) << CHUNK_SHIFT),
                                 .arena = arena,
                                 .chunk = chunk,
                                 .node = first->node,
                                 .window = first->window};
    if (!chunk_claim(&place)) {
        return FRAMES_NONE;
    }
    cpu->whole_at = chunk;
    cpu->taken += CHUNK_FRAMES;
    return place.base << PAGE_SHIFT;
}

pfn_t frames_whole_alloc(struct frames_cpu *cpu, unsigned node, uint64_t count, uint64_t align, unsigned flags)
{
    const struct frames_layout *layout = frames_layout_now();
    const uint32_t *order = layout->order + node * layout->zone_count;
    uint64_t shared_hint = word_load(&frames_.hint);
    uint64_t *hint = cpu != NULL ? &cpu->whole_at : &shared_hint;
    pfn_t pfn = PFN_NONE;
    for (uint64_t i = 0; i < layout->zone_count && pfn == PFN_NONE; i++) {
        const struct frames_zone *zone = &layout->zones[order[i]];
        bool is_other = (flags & FRAMES_BIND) != 0 && zone->node != node;
        if (is_other || !frames_window_has(zone->window, align_up(count, CHUNK_FRAMES), flags)) {
            continue;
        }
        if (count <= CHUNK_FRAMES && align <= CHUNK_FRAMES) {
            pfn = one_whole(layout, zone, hint, count);
        } else {
            for (unsigned round = 0; round < 2 && pfn == PFN_NONE; round++) {
                for (uint64_t k = zone->first_span; k < zone->end_span && pfn == PFN_NONE; k++) {
                    pfn = whole_in_span(&layout->spans[k], round == 0 ? *hint : 0, count, align);
                }
            }
        }
        if (pfn != PFN_NONE) {
            frames_count_window(zone->window, -(int64_t)count);
            frames_count_taken(cpu, (int64_t)count);
        }
    }
    if (cpu == NULL) {
        word_store(&frames_.hint, shared_hint);
    }
    return pfn;
}
