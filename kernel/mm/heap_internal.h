/* heap_internal.h — what the heap's files share. Private to heap*.c and kmalloc.c. */
#ifndef NEOMEM_HEAP_INTERNAL_H
#define NEOMEM_HEAP_INTERNAL_H

#include "heap_entry.h"
#include "mm_internal.h"

#include <neomem/heap.h>
#include <neomem/rbtree.h>

#define HEAP_GRAIN 16u /* sizes and addresses of blocks are multiples */

/* Header of every block of the store; the payload follows. */
struct heap_block {
    uint64_t check;  /* mixes address, secret and every other field */
    uint32_t size;   /* bytes to the next header; HEAP_BLOCK_* in the low bits */
    uint32_t before; /* bytes back to the previous header; 0: the first of its arena */
#if DEBUG_MEMORY >= 2
    const void *caller; /* who allocated it, while it is used */
    uint64_t requested;
#endif
};

#define HEAP_BLOCK_USED 1u
#define HEAP_BLOCK_RECORD 2u /* with USED: the heap's own, describes a page run */
#define HEAP_BLOCK_FLAGS (HEAP_GRAIN - 1u)

/* Smallest block: a free one holds its place in the tree behind the header. */
#define HEAP_BLOCK_MIN ((sizeof(struct heap_block) + sizeof(struct rb_node) + HEAP_GRAIN - 1) / HEAP_GRAIN * HEAP_GRAIN)

/*   | arena | block | block | … | end |     one page run; `end` is a used header of size 0 that stops coalescing */
struct heap_arena {
    struct rb_node node; /* by address */
    uint64_t nbytes;
    uint64_t live;     /* used blocks, records too */
    bool is_permanent; /* part of HEAP_SIZE_MB: kept when empty */
};

/* A live block that is a page run. Lies in a record block of the store. */
struct heap_large {
    struct rb_node node; /* by address */
    void *pages;
    uint64_t npages;
    uint64_t requested;
    const void *caller;
};

struct heap {
    struct spinlock lock; /* everything below */
    bool is_started;
    uint64_t secret;
    struct rb_tree arenas;
    struct rb_tree free_blocks; /* by size, then address */
    struct rb_tree large;
    struct heap_stats stats; /* largest_free is computed on demand */
};

/* ---- the store (heap_store.c); lock held; problem->what is set when damage was found, and nothing changed then ----- */

/* Payload for size < HEAP_LARGE_BYTES bytes; align: a power of two below 4096. flags: HEAP_BLOCK_RECORD or 0. */
void *heap_store_alloc(struct heap *heap, size_t size, size_t align, unsigned flags, const void *caller,
                       struct heap_problem *problem);
/* The block behind a payload, proven to be live and with sound neighbours. flags: as it was allocated. NULL and *problem. */
struct heap_block *heap_store_find(const struct heap *heap, const void *payload, unsigned flags,
                                   struct heap_problem *problem);
void heap_store_free(struct heap *heap, struct heap_block *block);
/* Give a block that heap_store_find has proven the size for `size` bytes, in place. Return: false when it cannot grow. */
bool heap_store_resize(struct heap *heap, struct heap_block *block, size_t size);
/* One more arena of npages. Return: false when there is no such run. */
bool heap_store_add_arena(struct heap *heap, uint64_t npages, bool is_permanent);

bool heap_header_is_sound(const struct heap *heap, const struct heap_block *block);
int heap_compare_free(const struct rb_node *left, const struct rb_node *right);
int heap_compare_arenas(const struct rb_node *left, const struct rb_node *right);

/* ---- page runs (heap_large.c); lock held ------------------------------------------------------------------------- */

void *heap_large_alloc(struct heap *heap, size_t size, size_t align, const void *caller, struct heap_problem *problem);
struct heap_large *heap_large_find(const struct heap *heap, const void *pages);
/* Return: false and *problem when the record was damaged; nothing changed then. */
bool heap_large_free(struct heap *heap, struct heap_large *large, struct heap_problem *problem);
/* Give the pages beyond size bytes back. Return: false when size needs more pages than there are. */
bool heap_large_resize(struct heap *heap, struct heap_large *large, size_t size);
int heap_compare_large(const struct rb_node *left, const struct rb_node *right);

/* ---- both together (heap.c, and heap_entry.h); these take the lock ---------------------------------------------- */

/* Usable bytes of a live block. */
size_t heap_usable(const void *block, const void *caller, const char *what);
/* Resize in place. Return: false when that is not possible; *usable: bytes of the block as it was. */
bool heap_resize(void *block, size_t size, size_t *usable, const void *caller);

/* ---- walking (heap_check.c); lock held --------------------------------------------------------------------------- */

enum neo_status heap_check_locked(const struct heap *heap, struct heap_problem *problem);
bool heap_for_each_locked(const struct heap *heap, heap_visit_fn visit, void *context);

/* ---- small things ------------------------------------------------------------------------------------------------- */

static inline uint64_t heap_block_size(const struct heap_block *block)
{
    return block->size & ~HEAP_BLOCK_FLAGS;
}

static inline bool heap_block_is_used(const struct heap_block *block)
{
    return (block->size & HEAP_BLOCK_USED) != 0;
}

static inline struct heap_block *heap_block_at(const void *base, uint64_t offset)
{
    return (struct heap_block *)((uintptr_t)base + offset);
}

static inline struct heap_block *heap_block_after(const struct heap_block *block)
{
    return heap_block_at(block, heap_block_size(block));
}

static inline void *heap_payload(const struct heap_block *block)
{
    return (void *)((uintptr_t)block + sizeof(struct heap_block));
}

static inline struct heap_block *heap_first_block(const struct heap_arena *arena)
{
    return heap_block_at(arena, (sizeof(struct heap_arena) + HEAP_GRAIN - 1) / HEAP_GRAIN * HEAP_GRAIN);
}

static inline struct heap_block *heap_end_block(const struct heap_arena *arena)
{
    return heap_block_at(arena, arena->nbytes - sizeof(struct heap_block));
}

static inline struct rb_node *heap_free_node(const struct heap_block *block)
{
    return heap_payload(block);
}

static inline struct heap_block *heap_block_of_node(const struct rb_node *node)
{
    return (struct heap_block *)((uintptr_t)node - sizeof(struct heap_block));
}

static inline struct heap_arena *heap_arena_of(const struct rb_node *node)
{
    return (struct heap_arena *)((uintptr_t)node - offsetof(struct heap_arena, node));
}

static inline struct heap_large *heap_large_of(const struct rb_node *node)
{
    return (struct heap_large *)((uintptr_t)node - offsetof(struct heap_large, node));
}

#endif
