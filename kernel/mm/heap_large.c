/* heap_large.c — blocks of 4 KiB and more: page runs straight from the frames, described by a record in the store.
 *
 * The record lies apart, so 4096 bytes take one frame, page alignment comes for free, and an overflow of the block cannot
 * reach it. Its block in the store carries the header that every block has, and the check word.
 * Cost: O(log page runs) and what the frames take. Locking: the heap's lock is held. */

#include "heap_internal.h"

#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/string.h>

int heap_compare_large(const struct rb_node *left, const struct rb_node *right)
{
    uintptr_t a = (uintptr_t)heap_large_of(left)->pages;
    uintptr_t b = (uintptr_t)heap_large_of(right)->pages;
    return (a > b) - (a < b);
}

static int compare_with_pages(const struct rb_node *node, const void *key)
{
    uintptr_t a = (uintptr_t)heap_large_of(node)->pages;
    uintptr_t b = (uintptr_t)key;
    return (a > b) - (a < b);
}

void *heap_large_alloc(struct heap *heap, size_t size, size_t align, const void *caller, struct heap_problem *problem)
{
    struct heap_large *large = heap_store_alloc(heap, sizeof(*large), HEAP_GRAIN, HEAP_BLOCK_RECORD, caller, problem);
    if (large == NULL) {
        return NULL;
    }
    uint64_t npages = bytes_to_pages(size);
    phys_addr_t pa = frames_alloc(npages, bytes_to_pages(align), 0, FRAMES_ANYWHERE);
    if (pa == FRAMES_NONE) {
        heap_store_free(heap, heap_block_of_node(&large->node));
        return NULL;
    }
    *large = (struct heap_large){.pages = phys_to_virt(pa), .npages = npages, .requested = size, .caller = caller};
    rb_insert(&heap->large, &large->node, heap_compare_large);
    heap->stats.size += npages << PAGE_SHIFT;
    heap->stats.used += npages << PAGE_SHIFT;
    heap->stats.large_blocks++;
#if DEBUG_MEMORY >= 2
    neo_memset(large->pages, HEAP_POISON_NEW, npages << PAGE_SHIFT);
#endif
    return large->pages;
}

struct heap_large *heap_large_find(const struct heap *heap, const void *pages)
{
    if (!is_aligned((uintptr_t)pages, PAGE_SIZE)) {
        return NULL;
    }
    struct rb_node *node = rb_find(&heap->large, compare_with_pages, pages);
    return node == NULL ? NULL : heap_large_of(node);
}

/* Give back the pages from `keep` on. */
static void release_pages(struct heap *heap, struct heap_large *large, uint64_t keep)
{
    uint64_t nbytes = (large->npages - keep) << PAGE_SHIFT;
    unsigned char *first = (unsigned char *)large->pages + (keep << PAGE_SHIFT);
#if DEBUG_MEMORY >= 2
    neo_memset(first, HEAP_POISON_FREED, nbytes);
#endif
    heap->stats.size -= nbytes;
    heap->stats.used -= nbytes;
    large->npages = keep;
    frames_free(virt_to_phys(first), nbytes >> PAGE_SHIFT);
}

bool heap_large_free(struct heap *heap, struct heap_large *large, struct heap_problem *problem)
{
    struct heap_block *record = heap_store_find(heap, large, HEAP_BLOCK_RECORD, problem);
    if (record == NULL) {
        return false;
    }
    rb_erase(&heap->large, &large->node);
    release_pages(heap, large, 0);
    heap->stats.large_blocks--;
    heap_store_free(heap, record);
    return true;
}

bool heap_large_resize(struct heap *heap, struct heap_large *large, size_t size)
{
    uint64_t npages = bytes_to_pages(size);
    if (npages > large->npages) {
        return false;
    }
    if (npages < large->npages) {
        release_pages(heap, large, npages);
    }
    large->requested = size;
    return true;
}
