/* frames_pool_limit.c — how many frames a pool keeps: its stack, filling, giving back; creating and destroying; the list.
 * Design and invariants: frames_pool.c. Locking: the list's lock, then a pool's (mm_internal.h). */

#include "frames_pool_internal.h"

#include <neomem/memory.h>

#define BATCH 32u /* frames that leave a pool with one taking of its lock */
#define POOL_FLAGS ((unsigned)FRAMES_ZEROED | (unsigned)FRAMES_USE_RESERVE)

static struct {
    struct spinlock lock;
    struct frames_pool *first; /* in the order of their creation */
} list;

/* ---- moving frames ------------------------------------------------------------------------------------- */

/* Give frames back to the allocator until at most keep are held. */
static void give_back(struct frames_pool *pool, uint64_t keep)
{
    phys_addr_t batch[BATCH];
    unsigned count;
    do {
        count = 0;
        arch_irq_state_t state = spin_lock(&pool->lock);
        while (pool->stats.held > keep && count < BATCH) {
            batch[count++] = pool->ready[--pool->stats.held];
        }
        frames_pool_held_changed_locked(pool);
        spin_unlock(&pool->lock, state);
        for (unsigned i = 0; i < count; i++) {
            frames_free(batch[i], 1);
        }
    } while (count == BATCH);
}

struct stack {
    uint64_t *entries; /* NULL: none */
    uint64_t capacity;
};

static uint64_t stack_frames(uint64_t capacity)
{
    return bytes_to_pages(capacity * sizeof(uint64_t));
}

/* Room for limit entries, in whole frames. Return: false when there is no memory. */
static bool stack_create(struct stack *stack, uint64_t limit)
{
    *stack = (struct stack){NULL, 0};
    if (limit == 0) {
        return true;
    }
    uint64_t nframes = stack_frames(limit);
    phys_addr_t pa = frames_alloc(nframes, 1, 0, FRAMES_ANYWHERE);
    if (pa == FRAMES_NONE) {
        return false;
    }
    *stack = (struct stack){phys_to_virt(pa), (nframes << PAGE_SHIFT) / sizeof(uint64_t)};
    return true;
}

static void stack_destroy(const struct stack *stack)
{
    if (stack->entries != NULL) {
        frames_free(virt_to_phys(stack->entries), stack_frames(stack->capacity));
    }
}

/* Put what is held on top of the first count entries of stack and use that one from now on. Return: the old one. */
static struct stack replace_stack(struct frames_pool *pool, const struct stack *stack, uint64_t count, uint64_t limit)
{
    arch_irq_state_t state = spin_lock(&pool->lock);
    struct stack old = {pool->ready, pool->ready_capacity};
    while (pool->stats.held > 0 && count < limit) {
        stack->entries[count++] = old.entries[--pool->stats.held];
    }
    while (pool->stats.held > 0) { /* came back while the new stack was being filled */
        frames_free(old.entries[--pool->stats.held], 1);
    }
    pool->ready = stack->entries;
    pool->ready_capacity = stack->capacity;
    pool->stats.held = count;
    pool->stats.limit = limit;
    pool->stats.low_mark = count;
    frames_pool_held_changed_locked(pool);
    spin_unlock(&pool->lock, state);
    return old;
}

/* ---- the limit ------------------------------------------------------------------------------------------ */

static enum neo_status grow(struct frames_pool *pool, uint64_t limit)
{
    struct frames_pool_stats stats;
    struct stack stack;
    frames_pool_get_stats(pool, &stats);
    if (!stack_create(&stack, limit)) {
        return NEO_ERR_NO_MEMORY;
    }
    uint64_t wanted = limit - stats.held;
    uint64_t count = 0;
    while (count < wanted && (stack.entries[count] = frames_pool_ask_allocator(pool)) != FRAMES_NONE) {
        count++;
    }
    if (count < wanted) {
        while (count > 0) {
            frames_free(stack.entries[--count], 1);
        }
        stack_destroy(&stack);
        return NEO_ERR_NO_MEMORY;
    }
    struct stack old = replace_stack(pool, &stack, count, limit);
    stack_destroy(&old);
    return NEO_OK;
}

static void shrink(struct frames_pool *pool, uint64_t limit)
{
    struct stack stack;
    arch_irq_state_t state = spin_lock(&pool->lock);
    pool->stats.limit = limit; /* from here on nothing that comes back is kept beyond it */
    spin_unlock(&pool->lock, state);
    give_back(pool, limit);
    bool is_smaller = stack_frames(limit) < stack_frames(pool->ready_capacity);
    if (is_smaller && stack_create(&stack, limit)) { /* without memory for a smaller stack the larger one stays */
        stack = replace_stack(pool, &stack, 0, limit);
        stack_destroy(&stack);
    }
    state = spin_lock(&pool->lock);
    pool->stats.low_mark = pool->stats.held;
    spin_unlock(&pool->lock, state);
}

enum neo_status frames_pool_set_limit(struct frames_pool *pool, uint64_t limit)
{
    if (pool->name == NULL) {
        return NEO_ERR_INVALID;
    }
    if (limit > FRAMES_POOL_CAPACITY_MAX) {
        return NEO_ERR_RANGE;
    }
    if (limit > pool->stats.limit) {
        return grow(pool, limit);
    }
    shrink(pool, limit);
    return NEO_OK;
}

uint64_t frames_pool_refill(struct frames_pool *pool)
{
    for (uint64_t added = 0;; added++) {
        struct frames_pool_stats stats;
        frames_pool_get_stats(pool, &stats);
        phys_addr_t pa = stats.held < stats.limit ? frames_pool_ask_allocator(pool) : FRAMES_NONE;
        if (pa == FRAMES_NONE) {
            return added;
        }
        arch_irq_state_t state = spin_lock(&pool->lock);
        bool wanted = frames_pool_wants_locked(pool, pa);
        if (wanted) {
            frames_pool_push_locked(pool, pa);
        }
        spin_unlock(&pool->lock, state);
        if (!wanted) { /* somebody else was faster */
            frames_free(pa, 1);
            return added;
        }
    }
}

/* ---- life ----------------------------------------------------------------------------------------------- */

enum neo_status frames_pool_create(struct frames_pool *pool, const char *name, uint64_t limit, phys_addr_t lo_pa,
                                   phys_addr_t hi_pa, unsigned flags)
{
    if (name == NULL || pool->name != NULL || (flags & ~POOL_FLAGS) != 0 || lo_pa >= hi_pa) {
        return NEO_ERR_INVALID;
    }
    *pool = (struct frames_pool){.name = name, .lo_pa = lo_pa, .hi_pa = hi_pa, .flags = flags};
    enum neo_status status = frames_pool_set_limit(pool, limit);
    if (status != NEO_OK) {
        *pool = (struct frames_pool){0};
        return status;
    }
    arch_irq_state_t state = spin_lock(&list.lock);
    struct frames_pool **link = &list.first;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = pool;
    spin_unlock(&list.lock, state);
    return NEO_OK;
}

uint64_t frames_pool_destroy(struct frames_pool *pool)
{
    if (pool->name == NULL) {
        return 0;
    }
    arch_irq_state_t state = spin_lock(&list.lock);
    for (struct frames_pool **link = &list.first; *link != NULL; link = &(*link)->next) {
        if (*link == pool) {
            *link = pool->next;
            break;
        }
    }
    spin_unlock(&list.lock, state);
    shrink(pool, 0);
    uint64_t live = pool->stats.live;
    *pool = (struct frames_pool){0};
    return live;
}

/* ---- the list ---- */

void frames_pool_forget_all(void)
{
    list.first = NULL;
}

struct frames_pool *frames_pool_at(unsigned index)
{
    arch_irq_state_t state = spin_lock(&list.lock);
    struct frames_pool *pool = list.first;
    while (pool != NULL && index-- > 0) {
        pool = pool->next;
    }
    spin_unlock(&list.lock, state);
    return pool;
}

struct frames_pool *frames_pool_holding(phys_addr_t pa)
{
    arch_irq_state_t list_state = spin_lock(&list.lock);
    struct frames_pool *pool = list.first;
    bool found = false;
    while (pool != NULL) {
        arch_irq_state_t state = spin_lock(&pool->lock);
        found = frames_pool_is_ready_locked(pool, align_down(pa, PAGE_SIZE), UINT64_MAX);
        spin_unlock(&pool->lock, state);
        if (found) {
            break;
        }
        pool = pool->next;
    }
    spin_unlock(&list.lock, list_state);
    return pool;
}
