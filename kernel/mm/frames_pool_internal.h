/* frames_pool_internal.h — what frames_pool.c and frames_pool_limit.c share. Private to them. `_locked`: the pool's lock is
 * held. */
#ifndef NEOMEM_MM_FRAMES_POOL_INTERNAL_H
#define NEOMEM_MM_FRAMES_POOL_INTERNAL_H

#include <neomem/frames_pool.h>

/* ---- frames_pool.c ---- */

/* After every change of stats.held. */
void frames_pool_held_changed_locked(struct frames_pool *pool);

/* Whether the pool has room for the frame at pa, and it lies in its window. */
bool frames_pool_wants_locked(const struct frames_pool *pool, phys_addr_t pa);

/* Put in a frame that the pool wants. */
void frames_pool_push_locked(struct frames_pool *pool, phys_addr_t pa);

/* Whether pa is among the last depth frames that were put in. */
bool frames_pool_is_ready_locked(const struct frames_pool *pool, phys_addr_t pa, uint64_t depth);

/* A frame as the pool wants them, from the allocator; FRAMES_NONE. */
phys_addr_t frames_pool_ask_allocator(const struct frames_pool *pool);

/* ---- frames_pool_limit.c ---- */

/* The machine starts anew: no pool exists. */
void frames_pool_forget_all(void);

#endif
