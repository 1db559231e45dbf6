/* memory.h — the public memory API: the names of the seed, with contracts.
 *
 * Pages are 4 KiB frames, addressed by their HHDM pointer and usable as they are.
 * Context of every function: any CPU, any interrupt level; locks are IRQ-safe and never held on return.
 * Failure: out of memory returns NULL and changes nothing; a pointer that is not what the contract says
 * (double free, foreign, interior) is our caller's bug and panics with the address and the caller.
 *
 * Depends on: types.h, limine.h. Used by: every client of the memory manager. */
#ifndef NEOMEM_MEMORY_H
#define NEOMEM_MEMORY_H

#include <neomem/compiler.h>
#include <neomem/limine.h>
#include <neomem/types.h>

#if __STDC_HOSTED__
#include <string.h> /* memcpy */
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- usable memory ------------------------------------------------------------------------------ */

/* Usable regions as Limine entries: sorted, whole frames, disjoint; owned by the memory manager and
 * rewritten (never shrunk) when loader memory is reclaimed. */
extern struct limine_memmap_entry *availableMemoryRegions;
extern uint64_t availableMemoryRegionsCount;

/* ---- page frames -------------------------------------------------------------------------------- */

/* Take over the frames of availableMemoryRegions. Called once, by kernel_main, after the memory map is
 * proven sane. Panics when there is not enough memory for the bitmap. Cost: O(memory / 4 KiB / 8) bytes written. */
void initialize_page_allocator(void);

/* One frame. Return: HHDM pointer, 4096-aligned, contents undefined; NULL when none is free.
 * Owner: the caller, until free_page. */
void *allocate_page(void) NEO_NODISCARD;

/* count physically contiguous frames, 1 … all. Return: HHDM pointer to the first; NULL when count is 0
 * or no free run is that long. Owner: the caller, until free_pages with the same count. */
void *allocate_pages(uint64_t count) NEO_NODISCARD;

/* page: from allocate_page. NULL is legal and does nothing. */
void free_page(void *page);

/* pages, count: as allocated. NULL is legal and does nothing. */
void free_pages(void *pages, uint64_t count);

/* Base of the direct map: virtual = getHHDM() + physical. Cost: one load. */
uint64_t getHHDM(void);

/* HHDM pointer <-> physical address; only for addresses inside the direct map. */
void *phys_to_virt(phys_addr_t address);
phys_addr_t virt_to_phys(const void *pointer);

/* ---- kernel heap -------------------------------------------------------------------------------- */

/* Start the heap with HEAP_SIZE_MB. Called once, after initialize_page_allocator. Panics when there is no memory at all. */
void heapInit(void);

/* size bytes, aligned to 8 (to 16 from 16 bytes up), contents undefined. Return: NULL when size is 0 or
 * there is no memory. Owner: the caller, until kfree. */
void *kmalloc(size_t size) NEO_NODISCARD;

/* block: from kmalloc, kcalloc or krealloc. NULL is legal and does nothing. */
void kfree(void *block);

/* krealloc(NULL, n) is kmalloc(n); krealloc(p, 0) frees p and returns NULL. On failure returns NULL and
 * block stays valid and unchanged. The first min(old, new) bytes are kept. */
void *krealloc(void *block, size_t size) NEO_NODISCARD;

/* count * size zeroed bytes. Return: NULL when the product is 0 or overflows, or there is no memory. */
void *kcalloc(size_t count, size_t size) NEO_NODISCARD;

/* alignment: a power of two, 8 … 2 MiB. Return: NULL when it is not, when size is 0, or out of memory. Free with kfree. */
void *kmalloc_aligned(size_t size, size_t alignment) NEO_NODISCARD;

/* Bytes that may be used at block (>= what was asked); 0 for NULL. */
size_t kmalloc_usable_size(const void *block);

/* ---- filling and copying ------------------------------------------------------------------------ */

/* The C signature; the ranges must not overlap. Declared here only where no libc declares it. */
#if !__STDC_HOSTED__
void *memcpy(void *destination, const void *source, size_t nbytes);
#endif

/* Write value to num bytes / num 64-bit words at addr; nothing past the end is touched.
 * memset_64 wants addr 8-aligned. num == 0 writes nothing. */
void memset_8(void *addr, uint64_t num, uint8_t value);
void memset_64(void *addr, uint64_t num, uint64_t value);

/* ---- figures ------------------------------------------------------------------------------------ */

struct memory_stats {
    uint64_t total_physical;     /* bytes of RAM under the page allocator, in use or free */
    uint64_t available_physical; /* bytes in free frames */
    uint64_t kernel_heap_used;   /* bytes in live heap blocks, their headers included */
    uint64_t pages_allocated;    /* frames that are not free: in use, in the page pool, metadata, retired */
    /* beyond the seed */
    uint64_t kernel_heap_size; /* bytes of frames the heap holds */
    uint64_t heap_blocks;      /* live blocks */
    uint64_t page_tables;      /* frames used as page tables */
    uint64_t largest_free_run; /* frames */
    uint64_t metadata_bytes;   /* bitmaps and tables of the memory manager itself */
    uint64_t reclaimable;      /* bytes the loader and boot services still hold */
    /* frames (frames.h, struct frames_stats) */
    uint64_t frames_reserve;  /* ready in the page pool */
    uint64_t frames_metadata; /* the frame allocator's own */
    uint64_t frames_retired;  /* never handed out again */
    uint64_t frames_cached;   /* free, in the caches of CPUs */
    uint64_t frames_free_2m;  /* wholly free, aligned 2 MiB frames */
    uint64_t frames_free_1g;  /* the same of 1 GiB */
};

/* Cost: O(1) but for largest_free_run and frames_free_*, which scan the bitmap. */
void memory_get_stats(struct memory_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
