/* heap_store.c — the best-fit store: blocks below 4 KiB inside arenas of contiguous frames.
 *
 *   arena | hdr payload | hdr payload | hdr free…     | hdr payload | end
 *           <-before--------size-->                                         every header knows both neighbours (boundary
 *                                                                           tags, Knuth TAOCP 1, 2.5)
 * Allocation takes the smallest free block that is large enough, the lowest of equals, and splits what is over.
 * Freeing joins with both neighbours at once. Free blocks are in one red-black tree by (size, address), through a node in
 * their payload. An arena that becomes empty goes back to the frames, unless it is part of HEAP_SIZE_MB.
 *
 * Invariants (heap_check): headers of an arena tile it; no two free blocks touch; the tree holds exactly the free
 * blocks; each header's check word fits its address and fields.
 * A header that is swallowed by a neighbour stays behind in the state "free" with a valid check word, so a second kfree of
 * its block is told apart from a foreign pointer for as long as nobody writes there.
 *
 * Before a header's fields are used its check word is verified; damage is reported with nothing changed.
 * Cost: O(log free blocks + log arenas). Locking: the heap's lock is held. */

#include "heap_internal.h"

#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/string.h>

/* What the store grows by, if memory has a run that long. */
#define GROW_PAGES (KIB(256) / PAGE_SIZE)

/* ---- headers --------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    /* Finaliser of MurmurHash3 (Appleby, public domain constants): every input bit reaches every output bit. */
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdull;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ull;
    return x ^ (x >> 33);
}

static uint64_t header_check(const struct heap *heap, const struct heap_block *block)
{
    uint64_t fields = (uint64_t)block->size << 32 | block->before;
#if DEBUG_MEMORY >= 2
    fields += mix((uint64_t)(uintptr_t)block->caller) + mix(~block->requested);
#endif
    return mix((uint64_t)(uintptr_t)block ^ heap->secret) ^ mix(fields ^ heap->secret);
}

static void seal(const struct heap *heap, struct heap_block *block)
{
    block->check = header_check(heap, block);
}

bool heap_header_is_sound(const struct heap *heap, const struct heap_block *block)
{
    return block->check == header_check(heap, block);
}

static void set_header(const struct heap *heap, struct heap_block *block, uint64_t size, unsigned flags,
                       uint64_t before)
{
    *block = (struct heap_block){.size = (uint32_t)size | flags, .before = (uint32_t)before};
    seal(heap, block);
}

static void set_before(const struct heap *heap, struct heap_block *block, uint64_t before)
{
    block->before = (uint32_t)before;
    seal(heap, block);
}

static struct heap_block *block_before(const struct heap_block *block)
{
    return block->before == 0 ? NULL : (struct heap_block *)((uintptr_t)block - block->before);
}

static bool follows_soundly(const struct heap *heap, const struct heap_block *after, const struct heap_block *block,
                            struct heap_problem *problem)
{
    if (heap_header_is_sound(heap, after) && after->before == heap_block_size(block)) {
        return true;
    }
    *problem = (struct heap_problem){heap_payload(after), "header overwritten, by an overflow of the block before it?"};
    return false;
}

/* Every header that freeing, splitting or growing the block rewrites is sound: rewriting would hide the damage. */
static bool surroundings_are_sound(const struct heap *heap, const struct heap_block *block,
                                   struct heap_problem *problem)
{
    const struct heap_block *after = heap_block_after(block);
    const struct heap_block *before = block_before(block);
    if (!follows_soundly(heap, after, block, problem) ||
        (!heap_block_is_used(after) && !follows_soundly(heap, heap_block_after(after), after, problem))) {
        return false;
    }
    if (before != NULL && (!heap_header_is_sound(heap, before) || heap_block_size(before) != block->before)) {
        *problem = (struct heap_problem){heap_payload(before), "header overwritten"};
        return false;
    }
    return true;
}

static void poison(const struct heap_block *block, unsigned value)
{
#if DEBUG_MEMORY >= 2
    neo_memset(heap_payload(block), (int)value, heap_block_size(block) - sizeof(struct heap_block));
#else
    (void)block;
    (void)value;
#endif
}

/* ---- the tree of free blocks -------------------------------------------------------------------------------- */

int heap_compare_free(const struct rb_node *left, const struct rb_node *right)
{
    const struct heap_block *a = heap_block_of_node(left);
    const struct heap_block *b = heap_block_of_node(right);
    if (heap_block_size(a) != heap_block_size(b)) {
        return heap_block_size(a) < heap_block_size(b) ? -1 : 1;
    }
    return (a > b) - (a < b);
}

static int compare_with_size(const struct rb_node *node, const void *key)
{
    return heap_block_size(heap_block_of_node(node)) < *(const uint64_t *)key ? -1 : 1;
}

static void link_free(struct heap *heap, struct heap_block *block)
{
    rb_insert(&heap->free_blocks, heap_free_node(block), heap_compare_free);
    heap->stats.free_blocks++;
    heap->stats.free_bytes += heap_block_size(block);
}

static void unlink_free(struct heap *heap, struct heap_block *block)
{
    rb_erase(&heap->free_blocks, heap_free_node(block));
    heap->stats.free_blocks--;
    heap->stats.free_bytes -= heap_block_size(block);
}

/* ---- arenas ------------------------------------------------------------------------------------------------- */

int heap_compare_arenas(const struct rb_node *left, const struct rb_node *right)
{
    return (left > right) - (left < right);
}

static int compare_arena_with_address(const struct rb_node *node, const void *key)
{
    const struct heap_arena *arena = heap_arena_of(node);
    uintptr_t address = *(const uintptr_t *)key;
    if ((uintptr_t)arena + arena->nbytes <= address) {
        return -1;
    }
    return (uintptr_t)arena <= address ? 0 : 1;
}

static struct heap_arena *arena_of_address(const struct heap *heap, const void *pointer)
{
    uintptr_t address = (uintptr_t)pointer;
    struct rb_node *node = rb_find(&heap->arenas, compare_arena_with_address, &address);
    return node == NULL ? NULL : heap_arena_of(node);
}

bool heap_store_add_arena(struct heap *heap, uint64_t npages, bool is_permanent)
{
    phys_addr_t pa = frames_alloc(npages, 1, 0, FRAMES_ANYWHERE);
    if (pa == FRAMES_NONE) {
        return false;
    }
    struct heap_arena *arena = phys_to_virt(pa);
    *arena = (struct heap_arena){.nbytes = npages << PAGE_SHIFT, .is_permanent = is_permanent};
    rb_insert(&heap->arenas, &arena->node, heap_compare_arenas);
    struct heap_block *block = heap_first_block(arena);
    struct heap_block *end = heap_end_block(arena);
    uint64_t size = (uintptr_t)end - (uintptr_t)block;
    set_header(heap, block, size, 0, 0);
    set_header(heap, end, 0, HEAP_BLOCK_USED, size);
    poison(block, HEAP_POISON_FREED);
    link_free(heap, block);
    heap->stats.arenas++;
    heap->stats.size += arena->nbytes;
    return true;
}

static void remove_arena(struct heap *heap, struct heap_arena *arena)
{
    rb_erase(&heap->arenas, &arena->node);
    heap->stats.arenas--;
    heap->stats.size -= arena->nbytes;
    frames_free(virt_to_phys(arena), arena->nbytes >> PAGE_SHIFT);
}

/* Room for one block of `need` bytes: GROW_PAGES, or what it takes when memory has no longer run. */
static bool grow(struct heap *heap, uint64_t need)
{
    uint64_t around = (uintptr_t)heap_first_block(NULL) + sizeof(struct heap_block);
    uint64_t npages = bytes_to_pages(around + need);
    return (npages < GROW_PAGES && heap_store_add_arena(heap, GROW_PAGES, false)) ||
           heap_store_add_arena(heap, npages, false);
}

/* ---- splitting and joining ------------------------------------------------------------------------------------ */

/* Cut a block that is in no tree after `size` bytes. Return: the rest, free, in no tree either. */
static struct heap_block *split(const struct heap *heap, struct heap_block *block, uint64_t size)
{
    uint64_t rest_size = heap_block_size(block) - size;
    struct heap_block *rest = heap_block_at(block, size);
    set_header(heap, rest, rest_size, 0, size);
    set_before(heap, heap_block_after(rest), rest_size);
    block->size = (uint32_t)size | (block->size & HEAP_BLOCK_FLAGS);
    seal(heap, block);
    return rest;
}

/* Append the next block, which is in no tree. Its header stays behind as a free one. */
static void absorb_next(const struct heap *heap, struct heap_block *block)
{
    block->size += (uint32_t)heap_block_size(heap_block_after(block));
    seal(heap, block);
    set_before(heap, heap_block_after(block), heap_block_size(block));
}

/* Put a free block that is in no tree where it belongs: joined with its neighbours, in the tree or, with the whole
 * arena, back to the frames. */
static void settle_free(struct heap *heap, struct heap_block *block)
{
    struct heap_block *after = heap_block_after(block);
    if (!heap_block_is_used(after)) {
        unlink_free(heap, after);
        absorb_next(heap, block);
    }
    struct heap_block *before = block_before(block);
    if (before != NULL && !heap_block_is_used(before)) {
        unlink_free(heap, before);
        absorb_next(heap, before);
        block = before;
    }
    bool is_whole = block->before == 0 && heap_block_size(heap_block_after(block)) == 0;
    struct heap_arena *arena = is_whole ? arena_of_address(heap, block) : NULL;
    if (arena != NULL && !arena->is_permanent) {
        remove_arena(heap, arena);
    } else {
        link_free(heap, block);
    }
}

/* ---- interface -------------------------------------------------------------------------------------------------- */

static uint64_t block_bytes_for(size_t size)
{
    return max_u64(align_up(size + sizeof(struct heap_block), HEAP_GRAIN), HEAP_BLOCK_MIN);
}

/* Bytes to skip so that the payload is aligned; what is skipped is a block of its own. */
static uint64_t lead_for(const struct heap_block *block, size_t align)
{
    uintptr_t payload = (uintptr_t)heap_payload(block);
    uint64_t lead = align_up(payload, align) - payload;
    return lead != 0 && lead < HEAP_BLOCK_MIN ? lead + align_up(HEAP_BLOCK_MIN - lead, align) : lead;
}

void *heap_store_alloc(struct heap *heap, size_t size, size_t align, unsigned flags, const void *caller,
                       struct heap_problem *problem)
{
    uint64_t need = block_bytes_for(size);
    uint64_t fits = align <= HEAP_GRAIN ? need : need + HEAP_BLOCK_MIN + align;
    struct rb_node *node = rb_lower_bound(&heap->free_blocks, compare_with_size, &fits);
    if (node == NULL) {
        if (!grow(heap, fits)) {
            return NULL;
        }
        node = rb_lower_bound(&heap->free_blocks, compare_with_size, &fits);
    }
    struct heap_block *block = heap_block_of_node(node);
    if (!heap_header_is_sound(heap, block) || heap_block_is_used(block)) {
        *problem = (struct heap_problem){heap_payload(block), "header of a free block overwritten"};
        return NULL;
    }
    if (!surroundings_are_sound(heap, block, problem)) {
        return NULL;
    }
    unlink_free(heap, block);
    uint64_t lead = lead_for(block, align);
    if (lead != 0) {
        struct heap_block *rest = split(heap, block, lead);
        link_free(heap, block);
        block = rest;
    }
    if (heap_block_size(block) - need >= HEAP_BLOCK_MIN) {
        link_free(heap, split(heap, block, need));
    }
    block->size |= HEAP_BLOCK_USED | flags;
#if DEBUG_MEMORY >= 2
    block->caller = caller;
    block->requested = size;
#else
    (void)caller;
#endif
    seal(heap, block);
    poison(block, HEAP_POISON_NEW);
    heap->stats.used += heap_block_size(block);
    arena_of_address(heap, block)->live++;
    return heap_payload(block);
}

struct heap_block *heap_store_find(const struct heap *heap, const void *payload, unsigned flags,
                                   struct heap_problem *problem)
{
    *problem = (struct heap_problem){payload, "not a block of the heap"};
    const struct heap_arena *arena = arena_of_address(heap, payload);
    if (arena == NULL) {
        return NULL;
    }
    uintptr_t header = (uintptr_t)payload - sizeof(struct heap_block);
    /* Nothing lies behind the end block, so an address inside the arena is not behind it either. */
    if (!is_aligned(header, HEAP_GRAIN) || header < (uintptr_t)heap_first_block(arena)) {
        problem->what = "not the start of a block";
        return NULL;
    }
    struct heap_block *block = (struct heap_block *)header;
    if (!heap_header_is_sound(heap, block)) {
        problem->what = "not the start of a block, or its header was overwritten";
        return NULL;
    }
    if (!heap_block_is_used(block)) {
        problem->what = "free already (double free)";
        return NULL;
    }
    if ((block->size & HEAP_BLOCK_RECORD) != flags) {
        problem->what = "the heap's own record";
        return NULL;
    }
    if (!surroundings_are_sound(heap, block, problem)) {
        return NULL;
    }
    problem->what = NULL;
    return block;
}

void heap_store_free(struct heap *heap, struct heap_block *block)
{
    heap->stats.used -= heap_block_size(block);
    arena_of_address(heap, block)->live--;
    set_header(heap, block, heap_block_size(block), 0, block->before);
    poison(block, HEAP_POISON_FREED);
    settle_free(heap, block);
}

bool heap_store_resize(struct heap *heap, struct heap_block *block, size_t size)
{
    uint64_t need = block_bytes_for(size);
    uint64_t old_size = heap_block_size(block);
    struct heap_block *after = heap_block_after(block);
    if (need > old_size) {
        if (heap_block_is_used(after) || old_size + heap_block_size(after) < need) {
            return false;
        }
        unlink_free(heap, after);
        absorb_next(heap, block);
#if DEBUG_MEMORY >= 2
        neo_memset(after, HEAP_POISON_NEW, heap_block_size(block) - old_size);
#endif
    }
    if (heap_block_size(block) - need >= HEAP_BLOCK_MIN) {
        struct heap_block *rest = split(heap, block, need);
        poison(rest, HEAP_POISON_FREED);
        settle_free(heap, rest);
    }
#if DEBUG_MEMORY >= 2
    block->requested = size;
    seal(heap, block);
#endif
    heap->stats.used += heap_block_size(block) - old_size;
    return true;
}
