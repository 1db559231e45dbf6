/* kmalloc.c — the public heap functions of memory.h: argument rules, and krealloc's policy, on top of heap.c.
 * Each takes its caller's address here, for reports. */

#include "heap_internal.h"

#include <neomem/memory.h>
#include <neomem/string.h>

NEO_NOINLINE void *kmalloc(size_t size)
{
    return size == 0 ? NULL : heap_allocate(size, HEAP_GRAIN, __builtin_return_address(0));
}

NEO_NOINLINE void kfree(void *block)
{
    if (block != NULL) {
        heap_release(block, __builtin_return_address(0), "kfree");
    }
}

NEO_NOINLINE void *krealloc(void *block, size_t size)
{
    const void *caller = __builtin_return_address(0);
    if (block == NULL) {
        return size == 0 ? NULL : heap_allocate(size, HEAP_GRAIN, caller);
    }
    if (size == 0) {
        heap_release(block, caller, "krealloc");
        return NULL;
    }
    size_t usable;
    if (heap_resize(block, size, &usable, caller)) {
        return block;
    }
    void *moved = heap_allocate(size, HEAP_GRAIN, caller);
    if (moved != NULL) {
        /* No lock: the old block is still our caller's, and nobody knows the new one yet. */
        neo_memcpy(moved, block, usable < size ? usable : size);
        heap_release(block, caller, "krealloc");
    }
    return moved;
}

NEO_NOINLINE void *kcalloc(size_t count, size_t size)
{
    size_t nbytes;
    if (__builtin_mul_overflow(count, size, &nbytes) || nbytes == 0) {
        return NULL;
    }
    void *block = heap_allocate(nbytes, HEAP_GRAIN, __builtin_return_address(0));
    if (block != NULL) {
        neo_memset(block, 0, nbytes);
    }
    return block;
}

NEO_NOINLINE void *kmalloc_aligned(size_t size, size_t alignment)
{
    bool is_power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
    if (size == 0 || !is_power_of_two || alignment < 8 || alignment > HEAP_ALIGN_MAX) {
        return NULL;
    }
    return heap_allocate(size, alignment, __builtin_return_address(0));
}

NEO_NOINLINE size_t kmalloc_usable_size(const void *block)
{
    return block == NULL ? 0 : heap_usable(block, __builtin_return_address(0), "kmalloc_usable_size");
}
