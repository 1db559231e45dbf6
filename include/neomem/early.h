/* early.h — what exists before the frame allocator: the direct map's base and a bump allocator for metadata.
 *
 * The bump allocator takes one usable region, the largest (the higher one where two are equal), and grows downwards
 * from its end, so that the region's start stays one long run. Nothing is ever freed. When the frame allocator starts it
 * retires the bump allocator and marks whatever was taken as used; from then on early_alloc returns NULL.
 *
 * Locking: none; one CPU, before any other memory function.
 * Depends on: types.h, limine.h, status.h. Used by: kernel/main.c, kernel/port, kernel/mm (frames). */
#ifndef NEOMEM_EARLY_H
#define NEOMEM_EARLY_H

#include <neomem/compiler.h>
#include <neomem/limine.h>
#include <neomem/status.h>
#include <neomem/types.h>

/* Base of the direct map, as the loader built it; getHHDM, phys_to_virt and virt_to_phys answer from here on.
 * Called once, first of all memory functions. base: 4096-aligned. */
void early_set_hhdm(virt_addr_t base);

/* Choose the region to bump in. regions: usable ones in any order (whole frames; entries of another type are passed
 * over), only read during the call. Return: NEO_ERR_NO_MEMORY when there is none. */
enum neo_status early_init(const struct limine_memmap_entry *regions, uint64_t count) NEO_NODISCARD;

/* Whether early_init has succeeded and early_retire has not been called. */
bool early_is_active(void);

/* nbytes (1 …) aligned to align, a power of two. Return: HHDM pointer, zeroed; NULL when the region is too small, when an
 * argument is outside its range, or when not active. Owner: the caller, for ever. Cost: O(nbytes) for the zeroing. */
void *early_alloc(uint64_t nbytes, uint64_t align) NEO_NODISCARD;

/* The same, contents undefined: for what is written anyway. Cost: O(1). */
void *early_take(uint64_t nbytes, uint64_t align) NEO_NODISCARD;

/* Whole frames taken so far: [base, base + nbytes). */
struct early_usage {
    phys_addr_t base;
    uint64_t nbytes;    /* a multiple of 4096; 0: nothing was taken */
    uint64_t requested; /* sum of what callers asked for; the rest of nbytes is padding */
};
struct early_usage early_usage(void);

/* End of the bump allocator. Return: what it holds for ever. Called by the frame allocator. */
struct early_usage early_retire(void);

#endif
