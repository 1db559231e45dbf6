/* frames_retire.c — frames that must never be handed out again: bad memory.
 *
 * After Xen's offlining: a free frame goes at once, one in use when its owner frees it. First the frame is noted and its chunk
 * flagged BAD, then its bit is tried; whoever gives bits back looks at the flag afterwards (pair c). So either this call
 * wins the bit, or the one who clears it does. A frame in the cache of another CPU looks used: that CPU is told to drain at its
 * next allocation, before it hands anything out.
 * Frames inside whole chunks: a free one is split around the frame; one in use is split when it is freed.
 *
 * Locking: frames_.change_lock. Cost: O(log BAD chunks) and, for the first one in a chunk, O(book). */

#include "frames_internal.h"

uint64_t frames_retired_in(pfn_t pfn, uint64_t count)
{
    uint64_t found = 0;
    for (uint64_t done = 0; done < count;) {
        const struct frames_bad *bad = frames_find_bad(pfn + done);
        uint64_t here = min_u64(count - done, CHUNK_FRAMES - (pfn + done) % CHUNK_FRAMES);
        for (uint64_t i = 0; bad != NULL && i < here; i++) {
            uint64_t at = (pfn + done + i) % CHUNK_FRAMES;
            found += (word_load(&bad->retired[at / 64]) >> (at % 64)) & 1u;
        }
        done += here;
    }
    return found;
}

static struct frames_bad *bad_of_chunk(pfn_t pfn)
{
    struct frames_bad *bad = frames_find_bad(pfn);
    if (bad != NULL) {
        return bad;
    }
    if (frames_book_reserve(0, 1, 1) != NEO_OK) {
        return NULL;
    }
    bad = frames_metadata_alloc(sizeof(*bad));
    if (bad != NULL) {
        frames_book_add_bad(align_down(pfn, CHUNK_FRAMES), bad);
    }
    return bad;
}

static bool is_out(const struct frames_bad *bad, pfn_t pfn)
{
    return ((word_load_sc(&bad->out[pfn % CHUNK_FRAMES / 64]) >> (pfn % 64)) & 1u) != 0;
}

/* The frame is noted and its chunk BAD: take it when nobody has it. */
static void try_to_win(const struct frames_place *place, pfn_t pfn)
{
    struct frames_arena *arena = place->arena;
    uint8_t kind = byte_load_sc(&arena->state[place->chunk]) & CHUNK_KIND;
    if (kind == CHUNK_WHOLE) {
        (void)chunk_claim(place); /* sees BAD and splits */
    } else if (kind == CHUNK_SPLIT &&
               !word_set_bit(&chunk_line(arena, place->chunk)[pfn % CHUNK_FRAMES / 64], (unsigned)(pfn % 64))) {
        chunk_put_out(place, (unsigned)(pfn % CHUNK_FRAMES / 64), 1ull << (pfn % 64));
    }
}

static enum neo_status retire_locked(pfn_t pfn, const struct frames_bad **noted)
{
    struct frames_place place;
    if (!frames_locate(pfn, &place) || !frames_is_managed(pfn, 1)) {
        return NEO_ERR_NOT_FOUND;
    }
    if (frames_has_metadata(pfn, 1)) {
        return NEO_ERR_INVALID;
    }
    /* While the note is made, a free frame is ours: the note must not be put into this very frame. */
    bool is_ours = frames_claim(NULL, pfn, 1);
    struct frames_bad *bad = bad_of_chunk(pfn);
    if (is_ours) {
        (void)frames_give(NULL, pfn, 1);
    }
    if (bad == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    if (frames_has_metadata(pfn, 1)) {
        return NEO_ERR_INVALID; /* in use when we looked; freed since, and taken for the note itself */
    }
    *noted = bad;
    if (word_set_bit(&bad->retired[pfn % CHUNK_FRAMES / 64], (unsigned)(pfn % 64))) {
        return NEO_OK; /* retired before */
    }
    (void)byte_set_bits(&place.arena->state[place.chunk], CHUNK_BAD);
    try_to_win(&place, pfn);
    return NEO_OK;
}

enum neo_status frames_retire(phys_addr_t pa, bool *pending)
{
    const struct frames_bad *bad = NULL;
    pfn_t pfn = pa >> PAGE_SHIFT;
    arch_irq_state_t state = spin_lock(&frames_.change_lock);
    enum neo_status status = retire_locked(pfn, &bad);
    spin_unlock(&frames_.change_lock, state);
    if (status == NEO_OK) {
        frames_drain_all(); /* it may sit in a cache; going back retires it */
        if (pending != NULL) {
            *pending = !is_out(bad, pfn);
        }
    }
    return status;
}
