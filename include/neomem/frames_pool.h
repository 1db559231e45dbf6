/* frames_pool.h — pools of page frames set aside before they are needed.
 *
 * A pool holds up to `limit` free frames of its own; what it hands out is not limited. frames_pool_alloc prefers the pool,
 * then asks the frame allocator, so it fails only when both are empty. Frames that come back refill the pool first.
 * Zeroed pools keep their frames zeroed: a frame is cleared when it comes back, not when it is needed.
 * A retired frame (frames_retire) is neither handed out by a pool nor kept when it comes back.
 *
 * Locking: one spinlock (spinlock.h) for each pool, IRQ-safe, above the frame allocator in the lock order. Context: any but
 * NMI; create, set_limit and destroy of one pool: one caller at a time (allocating and freeing may go on meanwhile).
 * Failure: no memory returns FRAMES_NONE or NEO_ERR_NO_MEMORY, no partial effect; misuse panics as in frames.h.
 * Depends on: frames.h, spinlock.h. Used by: kernel/mm (page tables), kernel/diag, kernel/shell, kernel/main.c. */
#ifndef NEOMEM_FRAMES_POOL_H
#define NEOMEM_FRAMES_POOL_H

#include <neomem/frames.h>
#include <neomem/spinlock.h>

#define FRAMES_POOL_CAPACITY_MAX (1u << 20)

struct frames_pool_stats {
    uint64_t limit;     /* frames it keeps ready */
    uint64_t held;      /* ready now */
    uint64_t live;      /* handed out and not given back to the pool (frames_free is not seen here) */
    uint64_t low_mark;  /* least held since it was created or got its limit */
    uint64_t allocs;    /* successful */
    uint64_t from_pool; /* of allocs: out of the pool */
    uint64_t frees;
    uint64_t failures;
};

/* All members are private; a zeroed one is a pool that was never created. */
struct frames_pool {
    const char *name;
    struct spinlock lock;     /* all members below but the constant ones */
    uint64_t *ready;          /* frame addresses, a stack in frames of the pool's own; NULL: no room for any */
    uint64_t ready_capacity;  /* entries */
    phys_addr_t lo_pa, hi_pa; /* constant, as are flags and name */
    unsigned flags;           /* FRAMES_ZEROED, FRAMES_USE_RESERVE */
    struct frames_pool_stats stats;
    struct frames_pool *next; /* all pools, for reports */
};

/* Set aside limit frames (0 … FRAMES_POOL_CAPACITY_MAX) of the window. flags: FRAMES_ZEROED, FRAMES_USE_RESERVE or none.
 * name stays valid. pool: zeroed, the caller's, valid until destroyed. Return: NEO_ERR_NO_MEMORY, NEO_ERR_RANGE (limit),
 * NEO_ERR_INVALID (name, flags, an empty window, a pool that exists); nothing changed then. Cost: O(limit). */
enum neo_status frames_pool_create(struct frames_pool *pool, const char *name, uint64_t limit, phys_addr_t lo_pa,
                                   phys_addr_t hi_pa, unsigned flags) NEO_NODISCARD;
/* Give everything that is held back; the pool is zeroed then. Return: frames still handed out (they stay their owners', free
 * with frames_free). Nobody else may be using the pool. */
uint64_t frames_pool_destroy(struct frames_pool *pool);

/* One frame of the pool's window, zero when the pool is FRAMES_ZEROED. Return: FRAMES_NONE. Owner: the caller, until
 * frames_pool_free or frames_free. Cost: O(1) out of the pool. */
phys_addr_t frames_pool_alloc(struct frames_pool *pool) NEO_NODISCARD;
/* pa: a frame of the caller's, from this pool or from frames.h. Kept when the pool is not full and pa lies in its window,
 * else as frames_free. A frame that is not in use, or is in the pool already (noticed among the last 64 that came back; at
 * hardening level 2 and above among all, O(held); at level 0 never), is misuse. */
void frames_pool_free(struct frames_pool *pool, phys_addr_t pa);

/* Change the limit at run time: fills up, or gives back. Return: NEO_ERR_NO_MEMORY (everything stays as it was),
 * NEO_ERR_RANGE, NEO_ERR_INVALID (no such pool). Cost: O(frames that move), interrupts on meanwhile. */
enum neo_status frames_pool_set_limit(struct frames_pool *pool, uint64_t limit) NEO_NODISCARD;
/* Fill up to the limit again as far as there is memory; for idle time. Return: frames added. */
uint64_t frames_pool_refill(struct frames_pool *pool);

void frames_pool_get_stats(struct frames_pool *pool, struct frames_pool_stats *stats);
/* The index-th pool; NULL past the end. For reports: a pool must not be destroyed while somebody looks at it. */
struct frames_pool *frames_pool_at(unsigned index);
/* The pool that holds the frame at pa ready; NULL when none does. For reports. Cost: O(held by all pools). */
struct frames_pool *frames_pool_holding(phys_addr_t pa);

/* ---- the page pool ---------------------------------------------------------------------------------- */

/* PAGE_POOL_SIZE frames (config.h; less on a small machine: at most 1/64 of the memory) for page tables and for what must
 * not fail. Called after frames_init by its caller; its frames are frames_stats.reserve. (Tests: again after each
 * frames_init; pools of the machine before are forgotten.) Return: NEO_ERR_NO_MEMORY: there is no page pool then. */
enum neo_status frames_page_pool_init(void) NEO_NODISCARD;
/* For frames_pool_set_limit and figures; NULL when there is none. */
struct frames_pool *frames_page_pool(void);

/* One frame that may come out of the page pool: from the allocator, and when that is empty from the pool. Free with
 * frames_free or frames_free_reserved (which refills the pool first). Without a page pool: as frames_alloc_one. */
phys_addr_t frames_alloc_reserved(void) NEO_NODISCARD;
void frames_free_reserved(phys_addr_t pa);

#endif
