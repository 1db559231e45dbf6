/* frames_chunk.c — the shared level: bits go back, chunks change their state. Rules and memory orders: frames_state.h. */

#include "frames_internal.h"

/* ---- the low windows ------------------------------------------------------------------------------------- */

void frames_count_window(unsigned window, int64_t frames)
{
    if (window < frames_.top_window) {
        (void)word_add(&frames_.window_free[window], (uint64_t)frames);
    }
}

bool frames_window_has(unsigned window, uint64_t frames, unsigned flags)
{
    if (window >= frames_.top_window || (flags & FRAMES_USE_RESERVE) != 0) {
        return true;
    }
    uint64_t free = word_load(&frames_.window_free[window]);
    return free >= frames && free - frames >= frames_.window_reserve[window];
}

/* ---- bits go back ---------------------------------------------------------------------------------------- */

static bool is_bad(const struct frames_place *place)
{
    return (byte_load_sc(&place->arena->state[place->chunk]) & CHUNK_BAD) != 0;
}

void chunk_put_out(const struct frames_place *place, unsigned word, uint64_t bits)
{
    struct frames_bad *bad = bits == 0 ? NULL : frames_find_bad(place->base);
    if (bad != NULL) {
        (void)word_set_bits(&bad->out[word], bits);
        (void)word_add(&frames_.retired, count_bits(bits));
        frames_count_window(place->window, -(int64_t)count_bits(bits));
    }
}

uint64_t chunk_sort_out(const struct frames_place *place, unsigned word, uint64_t bits)
{
    if (NEO_LIKELY(!is_bad(place))) {
        return bits;
    }
    const struct frames_bad *bad = frames_find_bad(place->base);
    uint64_t retired = bad == NULL ? 0 : bits & word_load_sc(&bad->retired[word]);
    chunk_put_out(place, word, retired);
    return bits & ~retired;
}

void chunk_keep_retired(const struct frames_place *place, unsigned word)
{
    const struct frames_bad *bad = frames_find_bad(place->base);
    uint64_t retired = bad == NULL ? 0 : word_load_sc(&bad->retired[word]);
    if (retired != 0) {
        uint64_t old = word_set_bits(&chunk_line(place->arena, place->chunk)[word], retired);
        chunk_put_out(place, word, retired & ~old);
    }
}

bool chunk_give_word(const struct frames_place *place, unsigned word, uint64_t bits)
{
    struct frames_arena *arena = place->arena;
    atomic_word *line = chunk_line(arena, place->chunk);
    uint64_t old = word_clear_bits(&line[word], bits);
    if (NEO_UNLIKELY((old & bits) != bits)) {
        (void)word_set_bits(&line[word], bits & old);
        return false;
    }
    room_add(arena, place->chunk, count_bits(bits));
    if (NEO_UNLIKELY(is_bad(place))) {
        chunk_keep_retired(place, word);
    }
    chunk_offer(arena, place->chunk);
    if (NEO_UNLIKELY((old & ~bits) == 0)) {
        chunk_coalesce(place);
    }
    return true;
}

/* Return: whether another try is worth it: a word was not 0 any more, and others were claimed meanwhile. */
static bool try_coalesce(const struct frames_place *place)
{
    atomic_word *line = chunk_line(place->arena, place->chunk);
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        if (word_load_sc(&line[i]) != 0) {
            return false;
        }
    }
    unsigned claimed = 0;
    while (claimed < CHUNK_WORDS && word_replace(&line[claimed], 0, WORD_FULL)) {
        claimed++;
    }
    if (claimed == CHUNK_WORDS && chunk_make_whole(place)) {
        return false;
    }
    for (unsigned i = 0; i < claimed; i++) {
        (void)word_exchange(&line[i], 0);
        if (is_bad(place)) {
            chunk_keep_retired(place, i);
        }
    }
    if (claimed != 0) {
        /* Whoever came by meanwhile saw full words and may have taken the chunk off the list. */
        chunk_offer(place->arena, place->chunk);
    }
    return claimed != 0 && claimed != CHUNK_WORDS;
}

void chunk_coalesce(const struct frames_place *place)
{
    /* Again: whoever freed the last frame while some words were claimed here did not see an empty chunk. */
    while (try_coalesce(place)) {
    }
}

/* ---- states ---------------------------------------------------------------------------------------------- */

void chunk_split(const struct frames_place *place, const uint64_t used[CHUNK_WORDS], unsigned free)
{
    struct frames_arena *arena = place->arena;
    atomic_word *line = chunk_line(arena, place->chunk);
    /* Plain stores do: the words are all ones and nobody else can own a frame of them yet. From here on a late reader may win
     * what is free here, which is right. The RMW on the state orders the words before the look at BAD (pair c). */
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        if (used[i] != WORD_FULL) {
            word_store_release(&line[i], used[i]);
        }
    }
    count_store(&arena->room[place->chunk], (uint16_t)free);
    bool is_bad = (byte_set_bits(&arena->state[place->chunk], CHUNK_SPLIT) & CHUNK_BAD) != 0;
    if (NEO_UNLIKELY(is_bad)) {
        for (unsigned i = 0; i < CHUNK_WORDS; i++) {
            chunk_keep_retired(place, i);
        }
    }
    if (free != 0) {
        chunk_offer(arena, place->chunk);
    }
}

bool chunk_split_used(struct frames_arena *arena, uint64_t chunk)
{
    atomic_byte *state = &arena->state[chunk];
    uint8_t kind = byte_load_acquire(state) & CHUNK_KIND;
    if (kind == CHUNK_WHOLE && !set_has(&arena->whole, chunk)) {
        count_store(&arena->room[chunk], 0);
        (void)byte_set_bits(state, CHUNK_SPLIT);
        return true;
    }
    return kind == CHUNK_SPLIT;
}

/* A claimed chunk in which frames are retired: it cannot stay whole. */
static void withhold(const struct frames_place *place)
{
    const uint64_t used[CHUNK_WORDS] = {0};
    chunk_split(place, used, CHUNK_FRAMES);
}

bool chunk_claim(const struct frames_place *place)
{
    struct frames_arena *arena = place->arena;
    if (!set_remove(&arena->whole, place->chunk)) {
        return false;
    }
    chunk_fill_line(arena, place->chunk);
    if (NEO_UNLIKELY(byte_load_sc(&arena->state[place->chunk]) != CHUNK_WHOLE)) {
        withhold(place);
        return false;
    }
    return true;
}

bool chunk_make_whole(const struct frames_place *place)
{
    struct frames_arena *arena = place->arena;
    if (!byte_replace(&arena->state[place->chunk], CHUNK_SPLIT, CHUNK_WHOLE)) {
        return false;
    }
    if (set_has(&arena->part, place->chunk)) {
        (void)set_remove(&arena->part, place->chunk);
    }
    (void)chunk_give_whole(place);
    return true;
}

bool chunk_give_whole(const struct frames_place *place)
{
    struct frames_arena *arena = place->arena;
    if (set_add(&arena->whole, place->chunk)) {
        return false;
    }
    uint8_t state = byte_load_sc(&arena->state[place->chunk]);
    if (NEO_UNLIKELY((state & CHUNK_BAD) != 0)) {
        (void)chunk_claim(place); /* retired meanwhile: whoever claims it splits it; perhaps nobody would */
    }
    /* Another state than WHOLE proves nothing: once the bit is set, anybody may claim the chunk and split it. */
    return true;
}
