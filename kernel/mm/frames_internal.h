/* frames_internal.h — the functions that the files of the page frame allocator offer to one another, by file. What they work on,
 * the rules and the memory orders: frames_state.h.
 * Context: as frames.h says, unless a function says more. Used by: kernel/mm/frames*.c. */
#ifndef NEOMEM_MM_FRAMES_INTERNAL_H
#define NEOMEM_MM_FRAMES_INTERNAL_H

#include "frames_state.h"

/* ---- frames_layout.c ---------------------------------------------------------------------------------- */

static inline const struct frames_layout *frames_layout_now(void)
{
    FRAMES_STEP();
    return atomic_load_explicit(&frames_.layout, memory_order_acquire);
}

const struct frames_span *frames_find_span(pfn_t pfn);
/* Return: false when no chunk with that frame exists. */
bool frames_locate(pfn_t pfn, struct frames_place *place);
enum frames_window frames_window_of(pfn_t pfn);
/* Where a chunk of a zone is. */
struct frames_place frames_zone_place(const struct frames_layout *layout, const struct frames_zone *zone,
                                      uint64_t chunk);
/* Highest window in which that node has memory; of any node when it has none. */
unsigned frames_main_window(unsigned node);

/* Memory that a layout with that many spans needs, and making it: of the published spans and `added` ones. */
uint64_t frames_layout_bytes(uint64_t spans, unsigned nodes);
void frames_layout_publish(void *memory, const struct frames_span *added, uint64_t added_count);
/* Window counters and reserves, from what is free now. frames_.change_lock is held, or nobody else is there. */
void frames_windows_recount(void);
/* As frames_get_zone_stats, without reserve and without what is in caches. */
void frames_get_shared_stats(unsigned node, enum frames_window window, struct frames_zone_stats *stats);
/* The reserves only, after memory has come or gone. */
void frames_windows_reserve(void);
/* The counters when only the metadata is in use: without a walk. */
void frames_windows_start(pfn_t metadata, uint64_t metadata_count);

/* Metadata of an arena. */
uint64_t frames_arena_bytes(uint64_t chunks);
void frames_arena_start(struct frames_arena *arena, void *memory, uint64_t chunks);

/* ---- frames_book.c ----------------------------------------------------------------------------------- */

bool frames_is_managed(pfn_t pfn, uint64_t count);     /* all of [pfn, pfn + count) */
bool frames_has_managed(pfn_t pfn, uint64_t count);    /* some of it */
uint64_t frames_managed_in(pfn_t pfn, uint64_t count); /* how many */
/* The next frames of [*pfn, end) that are not managed: count 0: none. */
void frames_next_unmanaged(pfn_t *pfn, pfn_t end, uint64_t *count);
uint64_t frames_retired_in(pfn_t pfn, uint64_t count);
static inline bool frames_is_retired(pfn_t pfn)
{
    return frames_retired_in(pfn, 1) != 0;
}

/* The index-th region, or metadata range; nframes 0 past the end. For walks while nothing changes. */
struct frames_region frames_region_at(uint64_t index);
struct frames_region frames_metadata_at(uint64_t index);
bool frames_has_metadata(pfn_t pfn, uint64_t count); /* some of it */
/* Retired frames of the chunk of pfn; NULL: none. */
struct frames_bad *frames_find_bad(pfn_t pfn);

uint64_t frames_book_bytes(uint64_t regions, uint64_t metadata, uint64_t bad);
/* The first book, in memory of two times that many bytes. */
void frames_book_start(void *memory, uint64_t regions, uint64_t metadata, uint64_t bad,
                       const struct limine_memmap_entry *map, uint64_t count);
/* Changes. frames_.change_lock is held. First make room (and always for one metadata range more): NEO_ERR_NO_MEMORY, nothing
 * changed; then the change cannot fail. */
enum neo_status frames_book_reserve(uint64_t regions, uint64_t metadata, uint64_t bad);
void frames_book_add_region(pfn_t base, uint64_t nframes); /* not managed before */
void frames_book_remove_region(pfn_t base, uint64_t nframes);
void frames_book_add_metadata(pfn_t base, uint64_t nframes);
void frames_book_add_bad(pfn_t base, struct frames_bad *frames);

/* ---- frames_grow.c ----------------------------------------------------------------------------------- */

/* Memory for books that never goes back, zeroed; frames_.change_lock is held. NULL: none. */
void *frames_metadata_alloc(uint64_t nbytes);
/* Frames that the caller has claimed are metadata from now on. The book learns it from the caller. */
void frames_metadata_adopt(pfn_t pfn, uint64_t count);
/* Frames that were absent so far are there and free. is_start: nobody else is there. */
void frames_bring(pfn_t pfn, uint64_t count, bool is_start);

/* ---- frames_chunk.c: the shared level ------------------------------------------------------------------- */

/* Bits of one word go back, all of them 1 until now. Return: false when some were free already (nothing is changed). Counts
 * nothing but `retired`. */
bool chunk_give_word(const struct frames_place *place, unsigned word, uint64_t bits);
/* Win a whole, free chunk. Return: false when it is not, or when frames in it are retired (it is split then). */
bool chunk_claim(const struct frames_place *place);
/* A claimed chunk becomes SPLIT, with the bits in `used` (8 words) taken, the others (`free` of them) on offer. */
void chunk_split(const struct frames_place *place, const uint64_t used[CHUNK_WORDS], unsigned free);
/* WHOLE and in use becomes SPLIT, all taken. Return: false when it is neither that nor SPLIT already. */
bool chunk_split_used(struct frames_arena *arena, uint64_t chunk);
/* The caller holds all 512 frames of a SPLIT chunk. Return: false when flags forbid it (the caller still holds them). */
bool chunk_make_whole(const struct frames_place *place);
/* A WHOLE chunk in use goes back. The caller knows that it is WHOLE. Return: false when it was free already. */
bool chunk_give_whole(const struct frames_place *place);
/* All bits of a SPLIT chunk read 0: make it WHOLE when nobody comes between. */
void chunk_coalesce(const struct frames_place *place);
/* Retired bits of an otherwise free word must not stay on offer. */
void chunk_keep_retired(const struct frames_place *place, unsigned word);
/* These frames of a BAD chunk are the caller's and go out of use now. */
void chunk_put_out(const struct frames_place *place, unsigned word, uint64_t bits);
/* The caller has just won these bits. Those of retired frames go out of use. Return: the others. */
uint64_t chunk_sort_out(const struct frames_place *place, unsigned word, uint64_t bits);
/* Rule 3, for a chunk that the caller has claimed. */
static inline void chunk_fill_line(const struct frames_arena *arena, uint64_t chunk)
{
    atomic_word *line = chunk_line(arena, chunk);
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        word_store(&line[i], WORD_FULL);
    }
}

static inline void chunk_offer(struct frames_arena *arena, uint64_t chunk)
{
    if (!set_has(&arena->part, chunk)) {
        (void)set_add(&arena->part, chunk);
    }
}

/* The counters of windows with a reserve, for frames that leave (negative) or come back. */
void frames_count_window(unsigned window, int64_t frames);
bool frames_window_has(unsigned window, uint64_t frames, unsigned flags);

/* ---- frames_line.c: a chunk's free bits in one CPU's hands ------------------------------------------------ */

void line_clear(struct frames_line *line);
/* All free bits of a SPLIT chunk into the line, which is empty. The caller took the chunk out of part. Return: frames taken. */
unsigned line_open(struct frames_line *line, const struct frames_place *place);
/* A claimed chunk, all of it. Return: frames taken. */
unsigned line_open_whole(struct frames_line *line, const struct frames_place *place);
/* Everything in it goes back and the line is empty; windows are counted. Return: frames given back; *culprit: a frame that was
 * free already, else untouched. */
unsigned line_write_back(struct frames_line *line, pfn_t *culprit);
unsigned line_count(const struct frames_line *line);
bool line_holds(const struct frames_line *line, pfn_t pfn, uint64_t count);
/* The SPLIT chunk with the least room (a hint) among `look` of the zone, from `from` on, around its end; SET_NONE: none. *after: where
 * to go on next time. */
uint64_t frames_fullest_part(const struct frames_zone *zone, uint64_t from, unsigned look, uint64_t *after);
/* A new chunk in the empty line: from the first zone in the CPU's order that has room; there the fullest of some SPLIT ones,
 * else a whole one (is_fresh: whole ones only). Return: frames taken, counted in cpu->taken. */
unsigned line_open_next(struct frames_cpu *cpu, struct frames_line *line, bool is_fresh, unsigned flags);

/* ---- frames_cpu.c ------------------------------------------------------------------------------------ */

static inline struct frames_cpu *frames_cpu_of(unsigned number)
{
    return NEO_LIKELY(number < frames_.cpu_count) ? frames_.cpus[number] : NULL;
}
/* Behind the fast paths (frames_fast.h): the cache is entered, the stack and the alloc line's present word are empty. */
phys_addr_t frames_cpu_refill(struct frames_cpu *cpu);
/* The cache is entered, the frame (of the span) checked, and the stack full. */
void frames_cpu_give_one(struct frames_cpu *cpu, phys_addr_t pa, const void *caller);
/* The owner is inside (busy is set by the caller). */
void frames_cpu_drain(struct frames_cpu *cpu);
void frames_cpu_start(struct frames_cpu *cpu, unsigned number, unsigned node);
/* Frames [frame, frame + count) of the chunk into the give line. Return: false when what it held before was free already. */
bool frames_cpu_give(struct frames_cpu *cpu, const struct frames_place *place, unsigned frame, unsigned count);
bool frames_cpu_holds(const struct frames_cpu *cpu, pfn_t pfn, uint64_t count);
uint64_t frames_cpu_cached(const struct frames_cpu *cpu);
/* Take the slot when it is free to take; false: nested, off, or there is none. */
bool frames_cpu_enter(struct frames_cpu *cpu);
void frames_cpu_leave(struct frames_cpu *cpu);
/* Make the span of pfn the one that frames are freed into without a search, when frames of it may enter the stack. */
void frames_cpu_find_span(struct frames_cpu *cpu, pfn_t pfn);

/* ---- requests ---------------------------------------------------------------------------------------- */

/* Lowest start of count ones in a row in [from, 512), aligned; 512: none. */
unsigned run_find(const uint64_t bits[CHUNK_WORDS], unsigned from, unsigned count, unsigned align);
/* A run of 2 … 511 frames out of the CPU's run line (entered); align a power of two, at most 512. PFN_NONE: ask elsewhere. */
pfn_t frames_run_alloc(struct frames_cpu *cpu, unsigned count, unsigned align);
/* One whole chunk of the CPU's span (entered). FRAMES_NONE: ask elsewhere. */
phys_addr_t frames_cpu_alloc_2m(struct frames_cpu *cpu);
/* 512 frames and more out of whole chunks of the span, where the last ones were found (entered). PFN_NONE: ask elsewhere. */
pfn_t frames_cpu_alloc_chunks(struct frames_cpu *cpu, uint64_t count);
/* Runs that begin with a whole chunk: the first zone of the node's order that has one. cpu: entered, or NULL. */
pfn_t frames_whole_alloc(struct frames_cpu *cpu, unsigned node, uint64_t count, uint64_t align, unsigned flags);
/* Any run that fits the request, found by looking at everything in the shared map. Validated arguments. */
pfn_t frames_search(const struct frames_request *request);
/* All of [pfn, pfn + count) or nothing; they exist. Counts them as taken. */
bool frames_claim(struct frames_cpu *cpu, pfn_t pfn, uint64_t count);
/* Frames in use go back, any number of chunks; they have been checked. cpu: entered, or NULL. Return: false on a double free. */
bool frames_give(struct frames_cpu *cpu, pfn_t pfn, uint64_t count);
/* One frame straight from the shared map. */
pfn_t frames_shared_one(unsigned node, unsigned flags);
/* A run of 2 … 511 frames, align at most 512, the same way. */
pfn_t frames_shared_run(unsigned node, unsigned count, unsigned align, unsigned flags);
void frames_count_taken(struct frames_cpu *cpu, int64_t frames);

void frames_free_slow(struct frames_cpu *cpu, phys_addr_t pa, uint64_t count, const void *caller);
/* frames_wrong.c: why [pa, pa + count frames) may not be freed; NULL when it may. *culprit: the frame to name. cpu: entered or NULL. */
const char *frames_wrong_free(const struct frames_cpu *cpu, phys_addr_t pa, uint64_t count, pfn_t *culprit);
void frames_violation(phys_addr_t pa, uint64_t count, phys_addr_t culprit, const void *caller,
                      const char *problem) NEO_NORETURN;

/* ---- frames_start.c ------------------------------------------------------------------------------------ */

/* Rules of frames_init for the usable entries (or the loader's). */
bool frames_map_is_valid(const struct limine_memmap_entry *map, uint64_t count, bool wants_usable);
/* Caches on or off, as hardening and fault injection want it. One CPU inside. */
void frames_caches_switch(void);
/* Every cache but this one is drained by its owner at its next allocation. */
void frames_stop_others(const struct frames_cpu *cpu);

/* For frames_pool.c: frames in use that the page pool holds ready. */
void frames_note_reserve(uint64_t frames);

/* ---- hardening level 3 (frames_guard.c) ------------------------------------------------------------------- */

enum neo_status guard_start(void);
/* A new arena gets records, too, when the level is on and there is memory for them. frames_.change_lock is held. */
void guard_cover(struct frames_arena *arena);
/* The frames are about to stop existing: what is known of them ends here. */
void guard_forget(pfn_t pfn, uint64_t count);
void guard_allocated(pfn_t pfn, uint64_t count, const void *caller);
/* Why this free is wrong; NULL: it is right. */
const char *guard_check_free(pfn_t pfn, uint64_t count, phys_addr_t *culprit);
/* Into quarantine; the oldest ones go back. */
void guard_freed(pfn_t pfn, uint64_t count, const void *caller);
void guard_drain(void);
void guard_owner(pfn_t pfn, struct frames_owner *owner);
bool guard_holds(pfn_t pfn, uint64_t count);
uint64_t guard_held(void);

#endif
