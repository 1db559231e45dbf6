/* frames.h — the page frame allocator below allocate_page and its relatives (memory.h).
 *
 * Addresses are physical; counts are 4 KiB frames; windows are half-open [lo_pa, hi_pa). One bit per frame that exists,
 * plus a 64-ary summary: theory, invariants and cost at the head of frames.c.
 * Every allocation comes from the highest address that fits, so memory below 4 GiB and below 16 MiB goes last.
 *
 * Reserve: the last PAGE_POOL_SIZE free frames (less on small machines) are only for frames_alloc_reserved. Everybody
 * else finds memory exhausted before, and the figures count these frames as in use.
 *
 * Locking: one lock inside, IRQ-safe, last in the order of kernel/mm. Context: any.
 * Our caller's bugs (double free, foreign or unaligned address, wrong range) panic with the address and the
 * caller; nothing is changed before.
 * Depends on: types.h, limine.h, status.h. Used by: kernel/mm, kernel/diag, kernel/main.c. */
#ifndef NEOMEM_FRAMES_H
#define NEOMEM_FRAMES_H

#include <neomem/compiler.h>
#include <neomem/limine.h>
#include <neomem/status.h>
#include <neomem/types.h>

#define FRAMES_NONE UINT64_MAX     /* no frame: physical address 0 may be a usable one */
#define FRAMES_ANYWHERE UINT64_MAX /* as hi_pa: no upper limit */

/* Start with the usable entries of map (those of another type are passed over; ascending, whole frames, disjoint).
 * Metadata comes from early.h, which is active before and retired after. map is only read during the call.
 * Return: NEO_ERR_NO_MEMORY when no usable memory or not enough for the bitmap, NEO_ERR_INVALID when map breaks the rules;
 * nothing is started then. Called once. Cost: O(bits + entries). */
enum neo_status frames_init(const struct limine_memmap_entry *map, uint64_t count) NEO_NODISCARD;

/* count >= 1 contiguous frames whose first frame number is a multiple of align_frames (a power of two), inside the
 * window. Return: physical address of the first; FRAMES_NONE when an argument is outside its range or there is no such
 * run. Owner: the caller, until frames_free. Contents undefined.
 * Cost: one frame O(log64 frames); a run O(bitmap) at worst. */
phys_addr_t frames_alloc(uint64_t count, uint64_t align_frames, phys_addr_t lo_pa, phys_addr_t hi_pa) NEO_NODISCARD;

/* One frame that may come out of the reserve: page tables and what must not fail. Free with frames_free. */
phys_addr_t frames_alloc_reserved(void) NEO_NODISCARD;

/* count frames from pa on, all of them allocated before; any part of an allocation may go back on its own. */
void frames_free(phys_addr_t pa, uint64_t count);
/* The same on behalf of caller, whose address a panic names. */
void frames_free_for(phys_addr_t pa, uint64_t count, const void *caller);

enum frames_state {
    FRAMES_STATE_FOREIGN, /* no memory of this allocator */
    FRAMES_STATE_FREE,
    FRAMES_STATE_ALLOCATED,
    FRAMES_STATE_METADATA, /* the allocator's own */
};
/* State of the frame that contains pa. Cost: O(log spans). */
enum frames_state frames_state(phys_addr_t pa);
/* Whether the frame at pa is in use by a caller of this interface. */
bool frames_is_allocated(phys_addr_t pa);

/* Manage the usable entries of map too (rules as in frames_init): frames that are managed already stay as they are, the
 * others arrive free. Needs one run of frames for the larger metadata, then gives the old metadata back.
 * Return: NEO_ERR_INVALID, NEO_ERR_NO_MEMORY; nothing changed then.
 * Cost: O(bits + entries) a call: after a reclaim give it availableMemoryRegions once, not each run. */
enum neo_status frames_add(const struct limine_memmap_entry *map, uint64_t count) NEO_NODISCARD;
/* One range; pa and nbytes whole frames. */
enum neo_status frames_add_range(phys_addr_t pa, uint64_t nbytes) NEO_NODISCARD;

struct frames_stats {
    uint64_t total;     /* frames under management, metadata included */
    uint64_t free;      /* what frames_alloc can give out; the reserve is not in it */
    uint64_t reserve;   /* free frames held back for frames_alloc_reserved */
    uint64_t allocated; /* in use by callers */
    uint64_t metadata;  /* frames of this allocator and of early.h */
    uint64_t spans;     /* maximal runs of managed frames */
};
/* Always: total = free + reserve + allocated + metadata. Cost: O(1). */
void frames_get_stats(struct frames_stats *stats);

/* Longest run of free frames that frames_alloc could give out now. Cost: O(bitmap), interrupts off. */
uint64_t frames_longest_free_run(void);

/* Call visit for each managed run of frames, ascending. visit must not call this interface. */
void frames_for_each_span(void (*visit)(void *context, phys_addr_t base, uint64_t nbytes), void *context);

/* Whether all invariants hold (summary, counters, span table). Cost: O(bitmap). */
enum neo_status frames_check(void) NEO_NODISCARD;

/* Fault injection for tests: after `successes` more successful allocations the next one fails,
 * or with for_ever all that follow. successes UINT64_MAX: off. Return: how many allocations succeeded or were refused
 * since the last call. */
uint64_t frames_inject_failure(uint64_t successes, bool for_ever);

#endif
