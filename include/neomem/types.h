/* types.h — the scalar types that keep physical, virtual and frame numbers apart, and page arithmetic.
 *
 * Ranges are half-open [base, end) and carried as base + length, so that a range that ends at 2^64
 * needs no special value. Every helper here is pure.
 *
 * Depends on: the compiler's freestanding headers. Used by: everything, on both sides of the hand-over. */
#ifndef NEOMEM_TYPES_H
#define NEOMEM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t phys_addr_t; /* byte address in physical memory; never dereferenced */
typedef uint64_t virt_addr_t; /* byte address in a virtual address space, as a number */
typedef uint64_t pfn_t;       /* frame number: phys_addr_t >> PAGE_SHIFT */

#define PAGE_SHIFT 12u
#define PAGE_SIZE 4096ull
#define PAGE_SIZE_2M (2ull << 20)
#define PAGE_SIZE_1G (1ull << 30)

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

/* Architectural ceiling of a physical address (Intel SDM vol. 3A 4.1.4: MAXPHYADDR is at most 52). */
#define PHYS_ADDR_BITS_MAX 52u
#define PHYS_ADDR_LIMIT (1ull << PHYS_ADDR_BITS_MAX)

/* Round to a multiple of align, a power of two. align_up wraps above 2^64 - align: where the value
 * comes from outside, use align_up_checked. */
static inline uint64_t align_down(uint64_t value, uint64_t align)
{
    return value & ~(align - 1);
}

static inline uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

/* Return: true and *result, or false (and *result untouched) when the rounded value exceeds 64 bits. */
static inline bool align_up_checked(uint64_t value, uint64_t align, uint64_t *result)
{
    uint64_t sum;
    if (__builtin_add_overflow(value, align - 1, &sum)) {
        return false;
    }
    *result = sum & ~(align - 1);
    return true;
}

static inline bool is_aligned(uint64_t value, uint64_t align)
{
    return (value & (align - 1)) == 0;
}

/* Frames needed to hold nbytes; no overflow for any input. */
static inline uint64_t bytes_to_pages(uint64_t nbytes)
{
    return (nbytes >> PAGE_SHIFT) + ((nbytes & (PAGE_SIZE - 1)) != 0);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
