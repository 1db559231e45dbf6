/* heap_check.c — walking the whole heap: the invariants, and every live block.
 * Cost: O(blocks). Locking: the heap's lock. */

#include "heap_internal.h"

#include <neomem/frames.h>
#include <neomem/memory.h>

/* What the walk adds up, to be compared with the counters. */
struct sums {
    uint64_t used_bytes;
    uint64_t live_blocks;
    uint64_t records;
    uint64_t free_blocks;
    uint64_t free_bytes;
    uint64_t arenas;
    uint64_t arena_bytes;
    uint64_t large_blocks;
    uint64_t large_bytes;
};

static bool fail(struct heap_problem *problem, const void *block, const char *what)
{
    *problem = (struct heap_problem){block, what};
    return false;
}

static bool check_arena(const struct heap *heap, const struct heap_arena *arena, struct sums *sums,
                        struct heap_problem *problem)
{
    const struct heap_block *end = heap_end_block(arena);
    uint64_t before = 0;
    uint64_t live = 0;
    bool after_free = false;
    const struct heap_block *block = heap_first_block(arena);
    while (block != end) {
        if (!heap_header_is_sound(heap, block)) {
            return fail(problem, heap_payload(block), "header overwritten");
        }
        uint64_t size = heap_block_size(block);
        if (block->before != before || size < HEAP_BLOCK_MIN || size > (uintptr_t)end - (uintptr_t)block) {
            return fail(problem, heap_payload(block), "header does not fit its neighbours");
        }
        bool is_used = heap_block_is_used(block);
        if (is_used) {
            live++;
            sums->used_bytes += size;
            sums->records += (block->size & HEAP_BLOCK_RECORD) != 0;
            sums->live_blocks += (block->size & HEAP_BLOCK_RECORD) == 0;
        } else {
            if (after_free) {
                return fail(problem, heap_payload(block), "two free blocks side by side");
            }
            sums->free_blocks++;
            sums->free_bytes += size;
        }
        after_free = !is_used;
        before = size;
        block = heap_block_after(block);
    }
    if (!heap_header_is_sound(heap, end) || end->before != before || end->size != HEAP_BLOCK_USED) {
        return fail(problem, end, "end of an arena overwritten");
    }
    if (live != arena->live || (live == 0 && !arena->is_permanent)) {
        return fail(problem, arena, "arena counts its live blocks wrongly, or is kept though empty");
    }
    return true;
}

static bool check_arenas(const struct heap *heap, struct sums *sums, struct heap_problem *problem)
{
    if (!rb_check(&heap->arenas, heap_compare_arenas, heap->stats.arenas)) {
        return fail(problem, NULL, "tree of arenas damaged");
    }
    for (const struct rb_node *node = rb_first(&heap->arenas); node != NULL; node = rb_next(node)) {
        const struct heap_arena *arena = heap_arena_of(node);
        sums->arenas++;
        sums->arena_bytes += arena->nbytes;
        if (!check_arena(heap, arena, sums, problem)) {
            return false;
        }
    }
    return true;
}

static bool check_free_tree(const struct heap *heap, const struct sums *sums, struct heap_problem *problem)
{
    if (!rb_check(&heap->free_blocks, heap_compare_free, sums->free_blocks)) {
        return fail(problem, NULL, "tree of free blocks damaged");
    }
    uint64_t count = 0;
    for (const struct rb_node *node = rb_first(&heap->free_blocks); node != NULL; node = rb_next(node)) {
        const struct heap_block *block = heap_block_of_node(node);
        if (!heap_header_is_sound(heap, block) || heap_block_is_used(block)) {
            return fail(problem, heap_payload(block), "used block in the tree of free ones");
        }
        count++;
    }
    return count == sums->free_blocks || fail(problem, NULL, "free block missing from the tree");
}

static bool check_large(const struct heap *heap, struct sums *sums, struct heap_problem *problem)
{
    if (!rb_check(&heap->large, heap_compare_large, sums->records)) {
        return fail(problem, NULL, "tree of page runs damaged");
    }
    for (const struct rb_node *node = rb_first(&heap->large); node != NULL; node = rb_next(node)) {
        const struct heap_large *large = heap_large_of(node);
        const struct heap_block *record = heap_block_of_node(node);
        if (!heap_header_is_sound(heap, record) || (record->size & HEAP_BLOCK_RECORD) == 0) {
            return fail(problem, large->pages, "record of a page run overwritten");
        }
        phys_addr_t first = virt_to_phys(large->pages);
        if (large->npages == 0 || large->requested > large->npages << PAGE_SHIFT || !frames_is_allocated(first) ||
            !frames_is_allocated(first + ((large->npages - 1) << PAGE_SHIFT))) {
            return fail(problem, large->pages, "record of a page run does not fit its frames");
        }
        sums->large_blocks++;
        sums->large_bytes += large->npages << PAGE_SHIFT;
    }
    return sums->large_blocks == sums->records || fail(problem, NULL, "record without a page run");
}

static bool check_counters(const struct heap *heap, const struct sums *sums, struct heap_problem *problem)
{
    const struct heap_stats *stats = &heap->stats;
    bool agrees = stats->arenas == sums->arenas && stats->free_blocks == sums->free_blocks &&
                  stats->free_bytes == sums->free_bytes && stats->large_blocks == sums->large_blocks &&
                  stats->live_blocks == sums->live_blocks + sums->large_blocks &&
                  stats->size == sums->arena_bytes + sums->large_bytes &&
                  stats->used == sums->used_bytes + sums->large_bytes;
    return agrees || fail(problem, NULL, "counters do not agree with the blocks");
}

enum neo_status heap_check_locked(const struct heap *heap, struct heap_problem *problem)
{
    struct sums sums = {0};
    bool is_sound = check_arenas(heap, &sums, problem) && check_free_tree(heap, &sums, problem) &&
                    check_large(heap, &sums, problem) && check_counters(heap, &sums, problem);
    return is_sound ? NEO_OK : NEO_ERR_CORRUPT;
}

static struct heap_block_info describe(const struct heap_block *block)
{
    struct heap_block_info info = {
        .block = heap_payload(block),
        .usable = heap_block_size(block) - sizeof(struct heap_block),
    };
#if DEBUG_MEMORY >= 2
    info.requested = block->requested;
    info.caller = block->caller;
#endif
    return info;
}

static bool visit_arena(const struct heap_arena *arena, heap_visit_fn visit, void *context)
{
    const struct heap_block *end = heap_end_block(arena);
    for (const struct heap_block *block = heap_first_block(arena); block != end; block = heap_block_after(block)) {
        if ((block->size & HEAP_BLOCK_FLAGS) == HEAP_BLOCK_USED) {
            struct heap_block_info info = describe(block);
            if (!visit(context, &info)) {
                return false;
            }
        }
    }
    return true;
}

bool heap_for_each_locked(const struct heap *heap, heap_visit_fn visit, void *context)
{
    for (struct rb_node *node = rb_first(&heap->arenas); node != NULL; node = rb_next(node)) {
        if (!visit_arena(heap_arena_of(node), visit, context)) {
            return false;
        }
    }
    for (struct rb_node *node = rb_first(&heap->large); node != NULL; node = rb_next(node)) {
        const struct heap_large *large = heap_large_of(node);
        struct heap_block_info info = {large->pages, large->npages << PAGE_SHIFT, large->requested, large->caller};
        if (!visit(context, &info)) {
            return false;
        }
    }
    return true;
}
