/* frames_free.c — giving back: single frames and runs the fast way, everything else checked in full (frames_wrong.c) and then
 * piece by piece into the books.
 *
 * Locking: none. Cost: O(1) for each chunk touched and 64 frames of a split one. */

#include "frames_fast.h"

/* ---- giving ---------------------------------------------------------------------------------------------------- */

void frames_count_taken(struct frames_cpu *cpu, int64_t frames)
{
    if (cpu != NULL) {
        cpu->taken += frames;
    } else {
        (void)word_add(&frames_.taken, (uint64_t)frames);
    }
}

static bool give_bits(const struct frames_place *place, unsigned frame, unsigned count)
{
    bool is_right = true;
    for (unsigned done = 0; done < count;) {
        unsigned at = frame + done;
        unsigned here = (unsigned)min_u64(count - done, 64 - at % 64);
        is_right = chunk_give_word(place, at / 64, low_ones(here) << (at % 64)) && is_right;
        done += here;
    }
    return is_right;
}

/* Frames of one chunk. */
static bool give_piece(struct frames_cpu *cpu, const struct frames_place *place, unsigned frame, unsigned count)
{
    atomic_byte *state = &place->arena->state[place->chunk];
    bool is_right;
    if (count == CHUNK_FRAMES && byte_load_acquire(state) == CHUNK_WHOLE) {
        is_right = chunk_give_whole(place);
        if (cpu != NULL) {
            cpu->whole_at = place->chunk;
        }
    } else if (!chunk_split_used(place->arena, place->chunk)) {
        return false;
    } else if (cpu != NULL && (byte_load(state) & CHUNK_BAD) == 0) {
        return frames_cpu_give(cpu, place, frame, count); /* counted when it is written back */
    } else {
        is_right = give_bits(place, frame, count);
    }
    frames_count_taken(cpu, is_right ? -(int64_t)count : 0);
    frames_count_window(place->window, is_right ? count : 0);
    return is_right;
}

bool frames_give(struct frames_cpu *cpu, pfn_t pfn, uint64_t count)
{
    bool is_right = true;
    for (uint64_t done = 0; done < count;) {
        struct frames_place place;
        unsigned frame = (unsigned)((pfn + done) % CHUNK_FRAMES);
        unsigned here = (unsigned)min_u64(count - done, CHUNK_FRAMES - frame);
        is_right = frames_locate(pfn + done, &place) && give_piece(cpu, &place, frame, here) && is_right;
        done += here;
    }
    return is_right;
}

/* ---- entry ----------------------------------------------------------------------------------------------------- */

NEO_NOINLINE void frames_free_slow(struct frames_cpu *cpu, phys_addr_t pa, uint64_t count, const void *caller)
{
    pfn_t pfn = pa >> PAGE_SHIFT;
    pfn_t culprit = pfn;
    bool is_entered = frames_cpu_enter(cpu);
    struct frames_cpu *owner = is_entered ? cpu : NULL;
    const char *problem = frames_.hardening == 0 && count != 0 ? NULL : frames_wrong_free(owner, pa, count, &culprit);
    phys_addr_t culprit_pa = culprit == pfn ? pa : culprit << PAGE_SHIFT;
    if (problem == NULL && frames_.hardening >= 3) {
        problem = guard_check_free(pfn, count, &culprit_pa);
        if (problem == NULL) {
            guard_freed(pfn, count, caller);
            return;
        }
    }
    bool is_right = problem != NULL || frames_give(owner, pfn, count);
    if (is_entered) {
        frames_cpu_find_span(cpu, pfn);
        frames_cpu_leave(cpu);
    }
    if (NEO_UNLIKELY(problem != NULL)) {
        frames_violation(pa, count, culprit_pa, caller, problem);
    }
    if (NEO_UNLIKELY(!is_right)) {
        frames_violation(pa, count, pa, caller, "freed at the same time by somebody else (double free)");
    }
}

/* Whether all bits of the run, which lies in one SPLIT chunk of the span, are 1. */
static inline bool are_bits_set(const struct frames_cpu *cpu, uint64_t at, uint64_t count)
{
    const atomic_word *word = &cpu->span_map[at / 64];
    uint64_t bits = low_ones(count) << (at % 64);
    bool are_set = (word_load(word) & bits) == bits;
    for (uint64_t done = 64 - at % 64; NEO_UNLIKELY(done < count) && are_set; done += 64) {
        bits = low_ones(count - done);
        are_set = (word_load(++word) & bits) == bits;
    }
    return are_set;
}

/* Whether a run inside one chunk can go into the give line without further looks. */
static inline bool is_plain_run(const struct frames_cpu *cpu, pfn_t pfn, uint64_t count)
{
    uint64_t at = pfn - cpu->span_base;
    if (count > CHUNK_FRAMES - at % CHUNK_FRAMES || byte_load(&cpu->span_state[at >> CHUNK_SHIFT]) != CHUNK_SPLIT ||
        !are_bits_set(cpu, at, count)) {
        return false;
    }
    if (frames_line_has_any(&cpu->alloc, pfn, count) || frames_line_has_any(&cpu->run, pfn, count) ||
        frames_line_has_any(&cpu->give, pfn, count)) {
        return false;
    }
    bool is_seen = (cpu->held != 0 || cpu->hot != FRAMES_NONE) && cpu->seen[(at >> CHUNK_SHIFT) % CPU_SEEN] != 0;
    return !is_seen || !frames_cpu_holds(cpu, pfn, count);
}

/* A whole chunk of the span. Return: whether it was one in use; else nothing has changed. */
static inline bool free_whole(struct frames_cpu *cpu, pfn_t pfn)
{
    uint64_t at = (pfn - cpu->span_base) >> CHUNK_SHIFT;
    struct frames_arena *arena = cpu->span_place.arena;
    uint64_t chunk = cpu->span_place.chunk + at;
    if (byte_load(&cpu->span_state[at]) != CHUNK_WHOLE || set_add(&arena->whole, chunk)) {
        return false;
    }
    cpu->whole_at = chunk;
    cpu->taken -= CHUNK_FRAMES;
    bool is_bad = (byte_load_sc(&cpu->span_state[at]) & CHUNK_BAD) != 0;
    if (NEO_UNLIKELY(is_bad || cpu->span_place.window < frames_.top_window)) {
        struct frames_place place = cpu->span_place;
        place.base = pfn;
        place.chunk = chunk;
        frames_count_window(place.window, CHUNK_FRAMES);
        if (is_bad) {
            (void)chunk_claim(&place);
        }
    }
    return true;
}

static inline struct frames_place place_in_span(const struct frames_cpu *cpu, pfn_t pfn)
{
    struct frames_place place = cpu->span_place;
    place.chunk += (pfn - place.base) >> CHUNK_SHIFT;
    place.base = align_down(pfn, CHUNK_FRAMES);
    return place;
}

/* Frames of one chunk, checked by is_plain_run. */
static inline bool give_run(struct frames_cpu *cpu, pfn_t pfn, uint64_t count)
{
    struct frames_line *line = &cpu->give;
    unsigned frame = (unsigned)(pfn % CHUNK_FRAMES);
    /* Not by subtraction: seen from an empty line (PFN_NONE), frames 0 … 510 would be its own. */
    if (NEO_LIKELY(align_down(pfn, CHUNK_FRAMES) == line->place.base && frame % 64 + count <= 64)) {
        line->free[frame / 64] |= low_ones(count) << (frame % 64);
        line->count += (unsigned)count;
        return true;
    }
    struct frames_place place = place_in_span(cpu, pfn);
    return frames_cpu_give(cpu, &place, frame, (unsigned)count);
}

static bool is_whole_in_use(const struct frames_cpu *cpu, pfn_t pfn)
{
    uint64_t at = (pfn - cpu->span_base) >> CHUNK_SHIFT;
    return byte_load(&cpu->span_state[at]) == CHUNK_WHOLE &&
           !set_has(&cpu->span_place.arena->whole, cpu->span_place.chunk + at);
}

/* The frames [pfn, pfn + count) at the start of a chunk, whose other frames are all free in the shared map: the chunk becomes
 * whole without any bit going back. Return: false when it is not so, or somebody came between. */
static bool free_last_of_chunk(struct frames_cpu *cpu, pfn_t pfn, unsigned count)
{
    atomic_word *words = &cpu->span_map[(pfn - cpu->span_base) / 64];
    unsigned border = count / 64;
    uint64_t rest = low_ones(count % 64);
    bool is_so = word_load(&words[border]) == rest;
    for (unsigned i = border + 1; i < CHUNK_WORDS; i++) {
        is_so = is_so && word_load(&words[i]) == 0;
    }
    unsigned claimed = border;
    while (is_so && claimed < CHUNK_WORDS && word_replace(&words[claimed], claimed == border ? rest : 0, WORD_FULL)) {
        claimed++;
    }
    struct frames_place place = place_in_span(cpu, pfn);
    if (claimed == CHUNK_WORDS && chunk_make_whole(&place)) {
        cpu->taken -= count;
        if (NEO_UNLIKELY(place.window < frames_.top_window)) {
            frames_count_window(place.window, count);
        }
        return true;
    }
    for (unsigned i = border; i < claimed; i++) {
        (void)chunk_give_word(&place, i, i == border ? ~rest : WORD_FULL);
    }
    return false;
}

/* Whole chunks in use, and then perhaps a plain run. All is checked before any of it changes.
 * Return: false when it is not that; else true, and *is_right. */
static bool free_chunks(struct frames_cpu *cpu, pfn_t pfn, uint64_t count, bool *is_right)
{
    uint64_t whole = align_down(count, CHUNK_FRAMES);
    uint64_t rest = count - whole;
    if (pfn % CHUNK_FRAMES != 0 || count > cpu->span_frames - (pfn - cpu->span_base)) {
        return false;
    }
    for (uint64_t done = 0; done < whole; done += CHUNK_FRAMES) {
        if (!is_whole_in_use(cpu, pfn + done) || cpu->hot_2m == (pfn + done) << PAGE_SHIFT) {
            return false;
        }
    }
    if (rest != 0 && !is_plain_run(cpu, pfn + whole, rest)) {
        return false;
    }
    for (uint64_t done = 0; done < whole; done += CHUNK_FRAMES) {
        *is_right = free_whole(cpu, pfn + done) && *is_right;
    }
    if (rest != 0 && !free_last_of_chunk(cpu, pfn + whole, (unsigned)rest)) {
        *is_right = give_run(cpu, pfn + whole, rest) && *is_right;
    }
    return true;
}

static NEO_NOINLINE void free_2m(struct frames_cpu *cpu, phys_addr_t pa, const void *caller)
{
    pfn_t pfn = (pa >> PAGE_SHIFT) | (pa << (64 - PAGE_SHIFT));
    bool is_plain = cpu != NULL && pfn % CHUNK_FRAMES == 0 && pfn - cpu->span_base < cpu->span_frames;
    if (NEO_LIKELY(is_plain && frames_cpu_begin(cpu))) {
        bool is_done = cpu->hot_2m == FRAMES_NONE && is_whole_in_use(cpu, pfn);
        if (is_done) {
            cpu->hot_2m = pa;
        } else {
            is_done = cpu->hot_2m != pa && free_whole(cpu, pfn);
        }
        frames_cpu_done(cpu);
        if (NEO_LIKELY(is_done)) {
            return;
        }
    }
    frames_free_slow(cpu, pa, CHUNK_FRAMES, caller);
}

static NEO_NOINLINE void free_run(struct frames_cpu *cpu, phys_addr_t pa, uint64_t count, const void *caller)
{
    pfn_t pfn = (pa >> PAGE_SHIFT) | (pa << (64 - PAGE_SHIFT));
    if (cpu == NULL || count == 0 || pfn - cpu->span_base >= cpu->span_frames || !frames_cpu_begin(cpu)) {
        frames_free_slow(cpu, pa, count, caller);
        return;
    }
    bool is_right = true;
    bool is_done;
    cpu->last = FRAMES_NONE;
    if (count >= CHUNK_FRAMES) {
        is_done = free_chunks(cpu, pfn, count, &is_right);
    } else {
        is_done = is_plain_run(cpu, pfn, count);
        if (NEO_LIKELY(is_done)) {
            is_right = give_run(cpu, pfn, count);
        }
    }
    frames_cpu_done(cpu);
    if (NEO_UNLIKELY(!is_done)) {
        frames_free_slow(cpu, pa, count, caller);
    } else if (NEO_UNLIKELY(!is_right)) {
        frames_violation(pa, count, pa, caller,
                         "an earlier free on this CPU was of a frame free already (double free)");
    }
}

static inline void free_any(phys_addr_t pa, uint64_t count, const void *caller)
{
    struct frames_cpu *cpu = frames_cpu_of(arch_cpu_id());
    if (NEO_LIKELY(count == 1 && cpu != NULL)) {
        frames_cpu_free(cpu, pa, caller);
    } else if (count == CHUNK_FRAMES) {
        free_2m(cpu, pa, caller);
    } else {
        free_run(cpu, pa, count, caller);
    }
}

void frames_free_for(phys_addr_t pa, uint64_t count, const void *caller)
{
    free_any(pa, count, caller);
}

NEO_NOINLINE void frames_free(phys_addr_t pa, uint64_t count)
{
    free_any(pa, count, __builtin_return_address(0));
}
