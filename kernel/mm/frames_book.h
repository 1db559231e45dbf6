/* frames_book.h — what reading and changing the book share. Rules: frames_book.c. Used by: kernel/mm/frames_book*.c. */
#ifndef NEOMEM_MM_FRAMES_BOOK_H
#define NEOMEM_MM_FRAMES_BOOK_H

#include "frames_internal.h"

/* Fields of a copy that a change may be rewriting. */
#define READ(field) (FRAMES_STEP(), __atomic_load_n(&(field), __ATOMIC_RELAXED))
#define WRITE(field, value) (FRAMES_STEP(), __atomic_store_n(&(field), (value), __ATOMIC_RELAXED))

/* First region that ends after pfn. */
static inline uint64_t frames_region_after(const struct frames_region *regions, uint64_t count, pfn_t pfn)
{
    uint64_t low = 0;
    while (low < count) {
        uint64_t middle = low + (count - low) / 2;
        if (READ(regions[middle].base) + READ(regions[middle].nframes) > pfn) {
            count = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* First BAD chunk at or after base. */
static inline uint64_t frames_bad_after(const struct frames_book *book, uint64_t count, pfn_t base)
{
    uint64_t low = 0;
    while (low < count) {
        uint64_t middle = low + (count - low) / 2;
        if (READ(book->bad[middle].base) >= base) {
            count = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

#endif
