/* frames_grow.c — memory that comes later, and memory that goes away.
 *
 * Frames of chunks that exist already (memory that was expected, or a chunk of which a part was there) only have their bits cleared.
 * Chunks that do not exist get an arena of their own, whose metadata comes out of the memory there is, or else out of
 * what is being added. Removing claims every frame first, all or nothing, and then takes it out of the books; arenas stay.
 *
 * Locking: one change at a time under frames_.change_lock; allocation goes on meanwhile. Order: books before bits, so that
 * whoever gets a frame finds it managed. Cost: O(entries * regions + chunks touched). */

#include "frames_internal.h"

#include <neomem/string.h>

/* ---- metadata --------------------------------------------------------------------------------------------------- */

static void mark_own(pfn_t pfn, uint64_t count)
{
    for (uint64_t done = 0; done < count;) {
        struct frames_place place;
        if (frames_locate(pfn + done, &place)) {
            (void)byte_set_bits(&place.arena->state[place.chunk], CHUNK_OWN);
        }
        done += CHUNK_FRAMES - (pfn + done) % CHUNK_FRAMES;
    }
}

void frames_metadata_adopt(pfn_t pfn, uint64_t count)
{
    frames_count_taken(NULL, -(int64_t)count);
    (void)word_add(&frames_.metadata, count);
    mark_own(pfn, count);
}

void *frames_metadata_alloc(uint64_t nbytes)
{
    nbytes = align_up(nbytes, 128);
    if (nbytes > frames_.spare_bytes) {
        if (frames_book_reserve(0, 1, 0) != NEO_OK) {
            return NULL;
        }
        struct frames_request request = FRAMES_REQUEST(bytes_to_pages(nbytes));
        request.hi_pa = frames_.direct_map_end;
        pfn_t pfn = frames_search(&request);
        if (pfn == PFN_NONE) {
            return NULL;
        }
        frames_metadata_adopt(pfn, request.count);
        frames_book_add_metadata(pfn, request.count);
        frames_.spare_metadata = phys_to_virt(pfn << PAGE_SHIFT);
        frames_.spare_bytes = request.count << PAGE_SHIFT;
    }
    void *memory = frames_.spare_metadata;
    frames_.spare_metadata += nbytes;
    frames_.spare_bytes -= nbytes;
    neo_memset(memory, 0, nbytes);
    return memory;
}

/* ---- frames appear ----------------------------------------------------------------------------------------------- */

static void bring_whole(const struct frames_span *span, pfn_t pfn, uint64_t chunks)
{
    struct frames_arena *arena = span->arena;
    uint64_t first = span->chunk + ((pfn - span->base) >> CHUNK_SHIFT);
    neo_memset((void *)(uintptr_t)&arena->state[first], CHUNK_WHOLE, chunks);
    set_fill(&arena->whole, first, chunks);
}

/* Part of a chunk, or all of one that has flags. */
static void bring_piece(const struct frames_place *place, unsigned frame, unsigned count)
{
    atomic_byte *state = &place->arena->state[place->chunk];
    atomic_word *line = chunk_line(place->arena, place->chunk);
    if ((byte_load(state) & CHUNK_KIND) == CHUNK_ABSENT) {
        if (count == CHUNK_FRAMES && byte_load(state) == CHUNK_ABSENT) {
            byte_store_release(state, CHUNK_WHOLE);
            (void)chunk_give_whole(place);
            frames_count_window(place->window, CHUNK_FRAMES);
            return;
        }
        for (unsigned i = 0; i < CHUNK_WORDS; i++) {
            word_store(&line[i], WORD_FULL);
        }
        count_store(&place->arena->room[place->chunk], 0);
        byte_store_release(state, (uint8_t)((byte_load(state) & ~CHUNK_KIND) | CHUNK_SPLIT | CHUNK_EDGE));
    }
    frames_count_window(place->window, count);
    for (unsigned done = 0; done < count;) {
        unsigned at = frame + done;
        unsigned here = (unsigned)min_u64(count - done, 64 - at % 64);
        (void)chunk_give_word(place, at / 64, low_ones(here) << (at % 64));
        done += here;
    }
    if ((byte_load(state) & CHUNK_EDGE) != 0 && frames_is_managed(place->base, CHUNK_FRAMES)) {
        (void)byte_clear_bits(state, CHUNK_EDGE);
        chunk_coalesce(place);
    }
}

/* Frames of a chunk that hold the metadata for it: there, and in use. */
static void bring_own(pfn_t pfn, uint64_t count)
{
    for (uint64_t done = 0; done < count;) {
        struct frames_place place;
        uint64_t here = min_u64(count - done, CHUNK_FRAMES - (pfn + done) % CHUNK_FRAMES);
        if (frames_locate(pfn + done, &place)) {
            atomic_byte *state = &place.arena->state[place.chunk];
            if ((byte_load(state) & CHUNK_KIND) == CHUNK_ABSENT) {
                chunk_fill_line(place.arena, place.chunk);
                count_store(&place.arena->room[place.chunk], 0);
                byte_store_release(state, (uint8_t)((byte_load(state) & ~CHUNK_KIND) | CHUNK_SPLIT | CHUNK_EDGE));
            }
            (void)byte_set_bits(state, CHUNK_OWN);
            if (frames_is_managed(place.base, CHUNK_FRAMES)) {
                (void)byte_clear_bits(state, CHUNK_EDGE);
            }
        }
        done += here;
    }
}

void frames_bring(pfn_t pfn, uint64_t count, bool is_start)
{
    for (uint64_t done = 0; done < count;) {
        const struct frames_span *span = frames_find_span(pfn + done);
        uint64_t most = min_u64(count - done, span->base + span->nframes - (pfn + done));
        unsigned frame = (unsigned)((pfn + done) % CHUNK_FRAMES);
        if (is_start && frame == 0 && most >= CHUNK_FRAMES) {
            bring_whole(span, pfn + done, most >> CHUNK_SHIFT);
            done += align_down(most, CHUNK_FRAMES);
            continue;
        }
        struct frames_place place;
        uint64_t here = min_u64(most, CHUNK_FRAMES - frame);
        if (frames_locate(pfn + done, &place)) {
            bring_piece(&place, frame, (unsigned)here);
        }
        done += here;
    }
}

/* ---- adding --------------------------------------------------------------------------------------------------------- */

/* The next part of [*pfn, end) whose chunks do not exist. Return: false: none. */
static bool next_new_chunks(pfn_t *pfn, pfn_t end, uint64_t *count)
{
    const struct frames_span *span;
    while (*pfn < end && (span = frames_find_span(*pfn)) != NULL) {
        *pfn = span->base + span->nframes;
    }
    *count = 0;
    while (*pfn + *count < end && frames_find_span(*pfn + *count) == NULL) {
        *count += CHUNK_FRAMES;
    }
    return *count != 0;
}

/* The next part of [*pfn, end) that is not managed. Return: false: none. */
static bool next_new(pfn_t *pfn, pfn_t end, uint64_t *count)
{
    frames_next_unmanaged(pfn, end, count);
    return *count != 0;
}

struct growth {
    uint64_t regions; /* pieces that are not managed yet */
    uint64_t spans, chunks;
};

static void note_chunks(struct growth *growth, struct frames_span *spans, pfn_t *last_end, pfn_t base, uint64_t nframes)
{
    if (growth->spans > 0 && base < *last_end) {
        /* The chunk before holds the end of the entry before, too. */
        uint64_t seen = min_u64(*last_end - base, nframes);
        base += seen;
        nframes -= seen;
    }
    if (nframes == 0) {
        return;
    }
    if (spans != NULL) {
        spans[growth->spans] = (struct frames_span){.base = base, .nframes = nframes, .chunk = growth->chunks};
    }
    growth->spans++;
    growth->chunks += nframes >> CHUNK_SHIFT;
    *last_end = base + nframes;
}

static struct growth measure(const struct limine_memmap_entry *map, uint64_t count, struct frames_span *spans)
{
    struct growth growth = {0, 0, 0};
    pfn_t last_end = 0;
    uint64_t here;
    for (uint64_t i = 0; i < count; i++) {
        if (map[i].type != LIMINE_MEMMAP_USABLE || map[i].length == 0) {
            continue;
        }
        pfn_t base = map[i].base >> PAGE_SHIFT;
        pfn_t end = base + (map[i].length >> PAGE_SHIFT);
        for (pfn_t at = base; next_new(&at, end, &here); at += here) {
            growth.regions++;
        }
        for (pfn_t at = align_down(base, CHUNK_FRAMES); next_new_chunks(&at, align_up(end, CHUNK_FRAMES), &here);
             at += here) {
            note_chunks(&growth, spans, &last_end, at, here);
        }
    }
    return growth;
}

/* The end of the longest new range, for its own metadata. Return: nframes 0: none is that long, or mapped, or
 * some of it is retired. */
static struct frames_region place_in_new(const struct limine_memmap_entry *map, uint64_t count, uint64_t nframes)
{
    struct frames_region longest = {0, 0};
    for (uint64_t i = 0; i < count; i++) {
        uint64_t here;
        pfn_t end = (map[i].base + map[i].length) >> PAGE_SHIFT;
        if (map[i].type != LIMINE_MEMMAP_USABLE || map[i].base + map[i].length > frames_.direct_map_end) {
            continue;
        }
        for (pfn_t at = map[i].base >> PAGE_SHIFT; next_new(&at, end, &here); at += here) {
            longest = here > longest.nframes ? (struct frames_region){at, here} : longest;
        }
    }
    if (longest.nframes < nframes) {
        return (struct frames_region){0, 0};
    }
    pfn_t base = longest.base + longest.nframes - nframes;
    if (frames_retired_in(base, nframes) != 0) {
        return (struct frames_region){0, 0}; /* bad memory that was removed and comes again */
    }
    return (struct frames_region){base, nframes};
}

/* Metadata for chunks that do not exist yet; *own: the new memory that it takes, when the old has no room.
 * Return: NEO_ERR_NO_MEMORY, nothing changed. */
static enum neo_status make_arena(const struct limine_memmap_entry *map, uint64_t count, const struct growth *growth,
                                  struct frames_region *own)
{
    uint64_t arena_bytes = frames_arena_bytes(growth->chunks);
    uint64_t span_bytes = growth->spans * sizeof(struct frames_span);
    uint64_t layout_bytes = frames_layout_bytes(frames_layout_now()->span_count + growth->spans, frames_.node_count);
    uint64_t nbytes = arena_bytes + align_up(span_bytes, 64) + layout_bytes;
    uint8_t *memory = frames_metadata_alloc(nbytes);
    if (memory == NULL) {
        *own = place_in_new(map, count, bytes_to_pages(nbytes));
        if (own->nframes == 0) {
            return NEO_ERR_NO_MEMORY;
        }
        memory = phys_to_virt(own->base << PAGE_SHIFT);
    }
    struct frames_arena *arena = (struct frames_arena *)(void *)memory;
    struct frames_span *spans = (struct frames_span *)(void *)(memory + arena_bytes);
    frames_arena_start(arena, memory, growth->chunks);
    neo_memset((void *)(uintptr_t)arena->state, CHUNK_ABSENT, growth->chunks);
    (void)measure(map, count, spans);
    for (uint64_t i = 0; i < growth->spans; i++) {
        spans[i].arena = arena;
    }
    guard_cover(arena);
    frames_layout_publish(memory + arena_bytes + align_up(span_bytes, 64), spans, growth->spans);
    return NEO_OK;
}

static enum neo_status add_locked(const struct limine_memmap_entry *map, uint64_t count)
{
    struct growth growth = measure(map, count, NULL);
    struct frames_region own = {0, 0};
    enum neo_status status = frames_book_reserve(growth.regions, 1, 0);
    if (status == NEO_OK && growth.chunks != 0) {
        status = make_arena(map, count, &growth, &own);
    }
    if (status != NEO_OK) {
        return status;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (map[i].type != LIMINE_MEMMAP_USABLE || map[i].length == 0) {
            continue;
        }
        uint64_t here;
        pfn_t end = (map[i].base + map[i].length) >> PAGE_SHIFT;
        for (pfn_t at = map[i].base >> PAGE_SHIFT; next_new(&at, end, &here); at += here) {
            frames_book_add_region(at, here);
            (void)word_add(&frames_.total, here);
            bool has_own = own.nframes != 0 && own.base >= at && own.base - at < here;
            if (has_own) {
                (void)word_add(&frames_.metadata, own.nframes);
                frames_book_add_metadata(own.base, own.nframes);
                bring_own(own.base, own.nframes);
            }
            frames_bring(at, here - (has_own ? own.nframes : 0), false);
        }
    }
    /* A window above all others makes this one a window with a reserve. */
    for (uint64_t i = 0; i < count; i++) {
        bool is_new_top = map[i].type == LIMINE_MEMMAP_USABLE && map[i].length != 0 &&
                          frames_window_of((map[i].base + map[i].length - 1) >> PAGE_SHIFT) > frames_.top_window;
        if (is_new_top) {
            frames_windows_recount();
        }
    }
    frames_windows_reserve();
    return NEO_OK;
}

enum neo_status frames_add(const struct limine_memmap_entry *map, uint64_t count)
{
    if (!frames_map_is_valid(map, count, true)) {
        return NEO_ERR_INVALID;
    }
    arch_irq_state_t state = spin_lock(&frames_.change_lock);
    enum neo_status status = add_locked(map, count);
    spin_unlock(&frames_.change_lock, state);
    return status;
}

enum neo_status frames_add_range(phys_addr_t pa, uint64_t nbytes)
{
    const struct limine_memmap_entry entry = {pa, nbytes, LIMINE_MEMMAP_USABLE};
    return nbytes == 0 ? NEO_ERR_INVALID : frames_add(&entry, 1);
}

/* ---- removing --------------------------------------------------------------------------------------------------------- */

/* The next run of [*pfn, end) without a retired frame. Return: false: none. */
static bool next_claimable(pfn_t *pfn, pfn_t end, uint64_t *count)
{
    while (*pfn < end && frames_is_retired(*pfn)) {
        (*pfn)++;
    }
    *count = 0;
    while (*pfn + *count < end) {
        uint64_t chunk_rest = CHUNK_FRAMES - (*pfn + *count) % CHUNK_FRAMES;
        if (frames_find_bad(*pfn + *count) == NULL) {
            *count += min_u64(chunk_rest, end - (*pfn + *count));
        } else if (!frames_is_retired(*pfn + *count)) {
            (*count)++;
        } else {
            break;
        }
    }
    return *count != 0;
}

/* Retired frames that their owners still have. */
static bool has_retiring(pfn_t pfn, pfn_t end)
{
    for (; pfn < end; pfn = align_down(pfn, CHUNK_FRAMES) + CHUNK_FRAMES) {
        const struct frames_bad *bad = frames_find_bad(pfn);
        for (unsigned i = 0; bad != NULL && i < CHUNK_FRAMES; i++) {
            pfn_t frame = align_down(pfn, CHUNK_FRAMES) + i;
            uint64_t waits = word_load(&bad->retired[i / 64]) & ~word_load(&bad->out[i / 64]);
            if (frame >= pfn && frame < end && ((waits >> (i % 64)) & 1u) != 0) {
                return true;
            }
        }
    }
    return false;
}

/* The frames are claimed or retired: they stop existing. */
static void make_absent(pfn_t pfn, pfn_t end)
{
    while (pfn < end) {
        struct frames_place place;
        uint64_t here = min_u64(end - pfn, CHUNK_FRAMES - pfn % CHUNK_FRAMES);
        if (frames_locate(pfn, &place)) {
            atomic_byte *state = &place.arena->state[place.chunk];
            const struct frames_bad *bad = frames_find_bad(pfn);
            if (!frames_has_managed(place.base, CHUNK_FRAMES)) {
                byte_store_release(state, (uint8_t)((byte_load(state) & ~(CHUNK_KIND | CHUNK_EDGE)) | CHUNK_ABSENT));
            } else {
                (void)chunk_split_used(place.arena, place.chunk);
                (void)byte_set_bits(state, CHUNK_EDGE);
            }
            for (uint64_t i = 0; bad != NULL && i < here; i++) {
                uint64_t at = (pfn + i) % CHUNK_FRAMES;
                (void)word_add(&frames_.retired, -((word_load(&bad->out[at / 64]) >> (at % 64)) & 1u));
            }
        }
        pfn += here;
    }
}

/* Undo claims. */
static void give_claimable(pfn_t pfn, pfn_t end)
{
    uint64_t here;
    for (; pfn < end && next_claimable(&pfn, end, &here); pfn += here) {
        (void)frames_give(NULL, pfn, here);
    }
}

static enum neo_status remove_locked(pfn_t pfn, uint64_t count)
{
    pfn_t end = pfn + count;
    if (!frames_is_managed(pfn, count) || frames_has_metadata(pfn, count)) {
        return NEO_ERR_INVALID;
    }
    if (has_retiring(pfn, end)) {
        return NEO_ERR_EXISTS;
    }
    uint64_t claimed = 0;
    uint64_t here;
    for (pfn_t at = pfn; next_claimable(&at, end, &here); at += here) {
        if (!frames_claim(NULL, at, here)) {
            give_claimable(pfn, at);
            return NEO_ERR_EXISTS;
        }
        claimed += here;
    }
    /* Only now: room for the book must not come out of what is to go. */
    enum neo_status status = frames_book_reserve(1, 0, 0);
    if (status != NEO_OK) {
        give_claimable(pfn, end);
        return status;
    }
    guard_forget(pfn, count);
    frames_book_remove_region(pfn, count);
    make_absent(pfn, end);
    frames_count_taken(NULL, -(int64_t)claimed);
    (void)word_add(&frames_.total, -count);
    frames_windows_reserve();
    return NEO_OK;
}

enum neo_status frames_remove(phys_addr_t pa, uint64_t nbytes)
{
    if (!is_aligned(pa | nbytes, PAGE_SIZE) || nbytes == 0 || pa >= PHYS_ADDR_LIMIT || nbytes > PHYS_ADDR_LIMIT - pa) {
        return NEO_ERR_INVALID;
    }
    frames_drain_all();
    arch_irq_state_t state = spin_lock(&frames_.change_lock);
    enum neo_status status = remove_locked(pa >> PAGE_SHIFT, nbytes >> PAGE_SHIFT);
    spin_unlock(&frames_.change_lock, state);
    return status;
}
