/* heap.c — store and page runs as one heap: start, lock, routing, reports of misuse, figures.
 *
 * A pointer belongs to a page run when it is page-aligned and the tree of page runs knows it; a payload of the store may be
 * page-aligned by chance, so alignment alone decides nothing.
 * Misuse and damage are found under the lock, with nothing changed, and reported after it is dropped.
 * Locking: heap.lock, second in the order of mm_internal.h. */

#include "heap_internal.h"

#include <neomem/memory.h>
#include <neomem/panic.h>

#define INITIAL_PAGES ((uint64_t)HEAP_SIZE_MB * (MIB(1) / PAGE_SIZE))
/* Pieces of HEAP_SIZE_MB smaller than this are not worth an arena each. */
#define INITIAL_PIECE_MIN 16u
/* A block's size is 32 bits of bytes; whole arenas are one free block at first. */
#define ARENA_PAGES_MAX (GIB(1) / PAGE_SIZE)

static struct heap heap;

/* Arenas that stay, as few as memory allows. Return: pages that could not be had. */
static uint64_t add_permanent_locked(uint64_t npages)
{
    uint64_t left = npages;
    uint64_t piece = min_u64(npages, ARENA_PAGES_MAX);
    while (left != 0 && piece >= INITIAL_PIECE_MIN) {
        if (heap_store_add_arena(&heap, min_u64(piece, left), true)) {
            left -= min_u64(piece, left);
        } else {
            piece /= 2;
        }
    }
    return left;
}

uint64_t heap_reserve(uint64_t nbytes)
{
    arch_irq_state_t state = spin_lock(&heap.lock);
    uint64_t missing = heap.is_started ? add_permanent_locked(bytes_to_pages(nbytes)) : bytes_to_pages(nbytes);
    spin_unlock(&heap.lock, state);
    return missing << PAGE_SHIFT;
}

void heapInit(void)
{
    BUG_ON(heap.is_started);
    heap.secret = arch_random();
    arch_irq_state_t state = spin_lock(&heap.lock);
    (void)add_permanent_locked(INITIAL_PAGES);
    heap.is_started = heap.stats.arenas != 0;
    spin_unlock(&heap.lock, state);
    if (!heap.is_started) {
        panic("no memory for the kernel heap");
    }
}

static void report(const char *what, const void *block, const void *caller, const struct heap_problem *problem)
{
    if (problem->what != NULL) {
        panic("%s of %p by %p: %p: %s", what, block, caller, problem->block, problem->what);
    }
}

/* DEBUG_MEMORY 3: the whole heap after every operation. */
static void check_after_operation_locked(struct heap_problem *problem)
{
#if DEBUG_MEMORY >= 3
    if (problem->what == NULL) {
        (void)heap_check_locked(&heap, problem);
    }
#else
    (void)problem;
#endif
}

void *heap_allocate(size_t size, size_t align, const void *caller)
{
    struct heap_problem problem = {0};
    void *block = NULL;
    arch_irq_state_t state = spin_lock(&heap.lock);
    if (heap.is_started) {
        block = size >= HEAP_LARGE_BYTES || align >= PAGE_SIZE
                    ? heap_large_alloc(&heap, size, align, caller, &problem)
                    : heap_store_alloc(&heap, size, align, 0, caller, &problem);
        heap.stats.live_blocks += block != NULL;
        heap.stats.failures += block == NULL;
        check_after_operation_locked(&problem);
    }
    spin_unlock(&heap.lock, state);
    report("allocation", block, caller, &problem);
    return block;
}

/* Exactly one of the two for a live block; neither, and *problem, for anything else. */
struct live_block {
    struct heap_large *large;
    struct heap_block *block;
};

static struct live_block find_locked(const void *pointer, struct heap_problem *problem)
{
    struct live_block live = {.large = heap_large_find(&heap, pointer)};
    if (live.large == NULL) {
        live.block = heap_store_find(&heap, pointer, 0, problem);
    }
    return live;
}

static size_t usable_locked(struct live_block live)
{
    if (live.large != NULL) {
        return live.large->npages << PAGE_SHIFT;
    }
    return live.block == NULL ? 0 : heap_block_size(live.block) - sizeof(struct heap_block);
}

void heap_release(void *block, const void *caller, const char *what)
{
    struct heap_problem problem = {0};
    arch_irq_state_t state = spin_lock(&heap.lock);
    struct live_block live = find_locked(block, &problem);
    bool is_freed = live.large != NULL ? heap_large_free(&heap, live.large, &problem) : live.block != NULL;
    if (live.block != NULL) {
        heap_store_free(&heap, live.block);
    }
    heap.stats.live_blocks -= is_freed;
    check_after_operation_locked(&problem);
    spin_unlock(&heap.lock, state);
    report(what, block, caller, &problem);
}

size_t heap_usable(const void *block, const void *caller, const char *what)
{
    struct heap_problem problem = {0};
    arch_irq_state_t state = spin_lock(&heap.lock);
    size_t usable = usable_locked(find_locked(block, &problem));
    spin_unlock(&heap.lock, state);
    report(what, block, caller, &problem);
    return usable;
}

bool heap_resize(void *block, size_t size, size_t *usable, const void *caller)
{
    struct heap_problem problem = {0};
    bool is_resized = false;
    arch_irq_state_t state = spin_lock(&heap.lock);
    struct live_block live = find_locked(block, &problem);
    *usable = usable_locked(live);
    if (live.large != NULL) {
        is_resized = size >= HEAP_LARGE_BYTES && heap_large_resize(&heap, live.large, size);
    } else if (live.block != NULL) {
        is_resized = size < HEAP_LARGE_BYTES && heap_store_resize(&heap, live.block, size);
    }
    check_after_operation_locked(&problem);
    spin_unlock(&heap.lock, state);
    report("krealloc", block, caller, &problem);
    return is_resized;
}

void heap_get_stats(struct heap_stats *stats)
{
    arch_irq_state_t state = spin_lock(&heap.lock);
    *stats = heap.stats;
    const struct rb_node *largest = rb_last(&heap.free_blocks);
    stats->largest_free =
        largest == NULL ? 0 : heap_block_size(heap_block_of_node(largest)) - sizeof(struct heap_block);
    spin_unlock(&heap.lock, state);
}

enum neo_status heap_check(struct heap_problem *problem)
{
    struct heap_problem found = {0};
    arch_irq_state_t state = spin_lock(&heap.lock);
    enum neo_status status = heap_check_locked(&heap, &found);
    spin_unlock(&heap.lock, state);
    if (problem != NULL) {
        *problem = found;
    }
    return status;
}

bool heap_for_each_block(heap_visit_fn visit, void *context)
{
    arch_irq_state_t state = spin_lock(&heap.lock);
    bool completed = heap_for_each_locked(&heap, visit, context);
    spin_unlock(&heap.lock, state);
    return completed;
}
