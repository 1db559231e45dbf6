/* frames_pool.c — pools of frames: a stack of addresses under a lock, in frames of its own.
 *
 *      ready  | pa | pa | pa | pa |    |    |    |    |        held <= limit <= ready_capacity
 *                               ^ held
 *
 * Everything that takes long (frames from the allocator, clearing, giving back) happens without the lock: new stacks are
 * filled before anybody sees them, surplus frames leave in small batches. So the lock is held for O(1), but for the rare
 * replacement of the stack, O(held).
 *
 * Invariants (under the lock): held <= limit (but while the limit shrinks);
 * every frame in ready is allocated as frames.h sees it, in the window, zero in
 * a zeroed pool, and there once; low_mark <= held. The page pool tells its `held` to frames.h (frames_note_reserve) under the
 * lock, so that the two never disagree for longer than one frame's move.
 * Retired frames: a held frame that was retired meanwhile is freed instead of handed out, which retires it.
 * Locking: see mm_internal.h. Cost: O(1) a frame, but a free from hardening level 1 on asks frames_query, which looks through
 * the caches of all CPUs. */

#include "frames_pool_internal.h"

#include "frames_internal.h"

#include <config.h>
#include <neomem/memory.h>
#include <neomem/panic.h>
#include <neomem/string.h>

#define RECENT 64u          /* frames that a free is compared with at hardening level 1 */
#define PAGE_POOL_SHARE 64u /* the page pool takes at most this part of the memory */

static struct frames_pool page_pool; /* its name is NULL until it exists */

/* ---- under the lock ------------------------------------------------------------------------------------ */

void frames_pool_held_changed_locked(struct frames_pool *pool)
{
    pool->stats.low_mark = min_u64(pool->stats.low_mark, pool->stats.held);
    if (pool == &page_pool) {
        frames_note_reserve(pool->stats.held);
    }
}

bool frames_pool_wants_locked(const struct frames_pool *pool, phys_addr_t pa)
{
    return pool->stats.held < pool->stats.limit && pa >= pool->lo_pa && pa < pool->hi_pa;
}

void frames_pool_push_locked(struct frames_pool *pool, phys_addr_t pa)
{
    pool->ready[pool->stats.held++] = pa;
    frames_pool_held_changed_locked(pool);
}

static bool is_retiring(phys_addr_t pa)
{
    struct frames_owner owner;
    if (NEO_LIKELY(frames_retired_at(0) == FRAMES_NONE)) {
        return false; /* the usual machine has no bad memory: no need to ask for each frame */
    }
    frames_query(pa, &owner);
    return owner.is_retiring;
}

/* Return: the frame that was put in last; FRAMES_NONE when none is held. */
static phys_addr_t pop_locked(struct frames_pool *pool)
{
    while (pool->stats.held > 0) {
        phys_addr_t pa = pool->ready[--pool->stats.held];
        frames_pool_held_changed_locked(pool);
        if (NEO_LIKELY(!is_retiring(pa))) {
            return pa;
        }
        frames_free(pa, 1);
    }
    return FRAMES_NONE;
}

/* Whether pa is among the last depth frames that were put in. */
bool frames_pool_is_ready_locked(const struct frames_pool *pool, phys_addr_t pa, uint64_t depth)
{
    uint64_t held = pool->stats.held;
    for (uint64_t i = held; i > 0 && held - i < depth; i--) {
        if (pool->ready[i - 1] == pa) {
            return true;
        }
    }
    return false;
}

static void count_alloc_locked(struct frames_pool *pool, phys_addr_t pa, bool from_pool)
{
    if (pa == FRAMES_NONE) {
        pool->stats.failures++;
        return;
    }
    pool->stats.allocs++;
    pool->stats.live++;
    pool->stats.from_pool += from_pool;
}

phys_addr_t frames_pool_ask_allocator(const struct frames_pool *pool)
{
    struct frames_request request = FRAMES_REQUEST(1);
    request.lo_pa = pool->lo_pa;
    request.hi_pa = pool->hi_pa;
    request.flags = pool->flags;
    return frames_alloc_request(&request);
}

/* ---- one frame ------------------------------------------------------------------------------------------ */

phys_addr_t frames_pool_alloc(struct frames_pool *pool)
{
    arch_irq_state_t state = spin_lock(&pool->lock);
    phys_addr_t pa = pop_locked(pool);
    if (pa != FRAMES_NONE) {
        count_alloc_locked(pool, pa, true);
    }
    spin_unlock(&pool->lock, state);
    if (pa != FRAMES_NONE || pool->name == NULL) {
        return pa;
    }
    pa = frames_pool_ask_allocator(pool);
    state = spin_lock(&pool->lock);
    count_alloc_locked(pool, pa, false);
    spin_unlock(&pool->lock, state);
    return pa;
}

/* Zeroed pools: clear the frame before anybody can get it from here. Return: whether the pool may have it. */
static bool prepare(struct frames_pool *pool, phys_addr_t pa)
{
    if ((pool->flags & (unsigned)FRAMES_ZEROED) == 0) {
        return true;
    }
    arch_irq_state_t state = spin_lock(&pool->lock);
    bool wanted = frames_pool_wants_locked(pool, pa);
    spin_unlock(&pool->lock, state);
    if (wanted) {
        memset_64(phys_to_virt(pa), PAGE_SIZE / sizeof(uint64_t), 0);
    }
    return wanted; /* when room comes only after this look, the frame goes to the allocator */
}

static void free_to(struct frames_pool *pool, phys_addr_t pa, const void *caller)
{
    unsigned level = frames_hardening();
    if (level >= 1 && (!is_aligned(pa, PAGE_SIZE) || !frames_is_allocated(pa))) {
        frames_free_for(pa, 1, caller); /* which panics with all that is known about the frame */
        return;
    }
    uint64_t depth = level == 0 ? 0 : level == 1 ? RECENT : UINT64_MAX;
    bool may_keep = !is_retiring(pa) && prepare(pool, pa);
    arch_irq_state_t state = spin_lock(&pool->lock);
    bool is_twice = frames_pool_is_ready_locked(pool, pa, depth);
    bool keep = !is_twice && may_keep && frames_pool_wants_locked(pool, pa);
    if (keep) {
        frames_pool_push_locked(pool, pa);
    }
    pool->stats.frees++;
    pool->stats.live -= pool->stats.live > 0; /* frames of other origin may come in */
    spin_unlock(&pool->lock, state);
    if (is_twice) {
        panic("double free of frame 0x%llx by %p: the pool \"%s\" holds it already", (unsigned long long)pa, caller,
              pool->name);
    }
    if (!keep) {
        frames_free_for(pa, 1, caller);
    }
}

NEO_NOINLINE void frames_pool_free(struct frames_pool *pool, phys_addr_t pa)
{
    free_to(pool, pa, __builtin_return_address(0));
}

void frames_pool_get_stats(struct frames_pool *pool, struct frames_pool_stats *stats)
{
    arch_irq_state_t state = spin_lock(&pool->lock);
    *stats = pool->stats;
    spin_unlock(&pool->lock, state);
}

/* ---- the page pool -------------------------------------------------------------------------------------- */

enum neo_status frames_page_pool_init(void)
{
    struct frames_stats stats;
    frames_pool_forget_all();
    page_pool = (struct frames_pool){0};
    frames_note_reserve(0);
    frames_get_stats(&stats);
    uint64_t limit = min_u64(PAGE_POOL_SIZE, stats.total / PAGE_POOL_SHARE);
    return frames_pool_create(&page_pool, "page", limit, 0, FRAMES_ANYWHERE, 0);
}

struct frames_pool *frames_page_pool(void)
{
    return page_pool.name != NULL ? &page_pool : NULL;
}

phys_addr_t frames_alloc_reserved(void)
{
    phys_addr_t pa = frames_alloc_one();
    if (page_pool.name == NULL) {
        return pa;
    }
    arch_irq_state_t state = spin_lock(&page_pool.lock);
    bool from_pool = pa == FRAMES_NONE;
    if (from_pool) {
        pa = pop_locked(&page_pool);
    }
    count_alloc_locked(&page_pool, pa, from_pool);
    spin_unlock(&page_pool.lock, state);
    return pa;
}

NEO_NOINLINE void frames_free_reserved(phys_addr_t pa)
{
    const void *caller = __builtin_return_address(0);
    if (page_pool.name == NULL) {
        frames_free_for(pa, 1, caller);
    } else {
        free_to(&page_pool, pa, caller);
    }
}
