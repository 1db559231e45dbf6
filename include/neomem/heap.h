/* heap.h — the kernel heap below kmalloc and its relatives (memory.h): figures and self-check.
 *
 * Blocks below 4 KiB come from a best-fit store with immediate coalescing, boundary tags and a header each; larger ones
 * directly from page runs. Layout, invariants and cost at the head of heap_store.c and heap_large.c.
 *
 * Debug ladder (DEBUG_MEMORY): 0 and up: header check word, double and foreign frees panic; 1 + lock and argument
 * checks; 2 + poison (0xA5 in new blocks, 0x5A in freed ones) and each block's caller; 3 + full walk per operation.
 * Locking: one lock inside, IRQ-safe, between vmm's and frames'. Context: any.
 * Depends on: types.h, status.h. Used by: kernel/mm, kernel/diag. */
#ifndef NEOMEM_HEAP_H
#define NEOMEM_HEAP_H

#include <neomem/compiler.h>
#include <neomem/status.h>
#include <neomem/types.h>

#define HEAP_LARGE_BYTES 4096u /* requests from here on are page runs */
#define HEAP_ALIGN_MAX (2ull << 20)

#define HEAP_POISON_NEW 0xa5u
#define HEAP_POISON_FREED 0x5au

/* Add nbytes to the memory that the heap keeps even when it is empty (the `heap-mb` option). After heapInit.
 * Return: bytes that could not be had, 0 for all. Context: any. Cost: O(pages). */
uint64_t heap_reserve(uint64_t nbytes);

struct heap_stats {
    uint64_t size; /* bytes of frames the heap holds */
    uint64_t used; /* bytes in live blocks, headers and rounding included */
    uint64_t live_blocks;
    uint64_t free_blocks;  /* in the store */
    uint64_t free_bytes;   /* in the store, their headers included */
    uint64_t largest_free; /* usable bytes of the largest free block of the store */
    uint64_t large_blocks; /* live blocks that are page runs (in live_blocks too) */
    uint64_t arenas;       /* page runs of the store */
    uint64_t failures;     /* requests that were refused for want of memory */
};
/* Cost: O(log n). */
void heap_get_stats(struct heap_stats *stats);

/* What heap_check found first. */
struct heap_problem {
    const void *block; /* block or arena */
    const char *what;
};

/* Walk everything: headers, neighbours, free tree, arenas, page runs, sums.
 * Return: NEO_OK, or NEO_ERR_CORRUPT and *problem (which may be NULL). Cost: O(blocks), interrupts off. */
enum neo_status heap_check(struct heap_problem *problem) NEO_NODISCARD;

/* A live block, as reports name it. */
struct heap_block_info {
    const void *block; /* as kmalloc returned it */
    size_t usable;
    size_t requested;   /* 0 where the level does not record it */
    const void *caller; /* NULL where the level does not record it */
};
/* Call visit for every live block, ascending by address within the store, then page runs. The lock is held: visit must
 * not call the heap; it stops the walk by returning false. Return: false when stopped. */
typedef bool (*heap_visit_fn)(void *context, const struct heap_block_info *info);
bool heap_for_each_block(heap_visit_fn visit, void *context);

#endif
