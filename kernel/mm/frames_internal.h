/* frames_internal.h — the frame allocator's table: spans, bitmap and summary as one value, with functions that know no
 * state but that. Private to frames*.c. Locking: the caller's (frames.c). */
#ifndef NEOMEM_FRAMES_INTERNAL_H
#define NEOMEM_FRAMES_INTERNAL_H

#include <neomem/bitmap.h>
#include <neomem/limine.h>
#include <neomem/types.h>

/* A maximal run of managed frames. first_bit is congruent to base modulo 64, so bit i of a word and frame number i
 * (mod 64) always coincide and bits move between layouts a word at a time. */
struct frames_span {
    pfn_t base;
    uint64_t nframes;
    uint64_t first_bit;
};

/* 64^8 bits are more than 2^40 frames with a padding word each. */
#define FRAMES_LEVELS 8u

struct frames_table {
    struct frames_span *spans; /* ascending by base; no two touch */
    uint64_t span_count;
    uint64_t nbits; /* of level 0, padding included; a multiple of 64 */
    unsigned level_count;
    uint64_t *level[FRAMES_LEVELS];
    uint64_t level_words[FRAMES_LEVELS];
    phys_addr_t block_pa; /* whole frames that hold spans and levels */
    uint64_t block_bytes;
};

/* ---- frames_table.c ---------------------------------------------------------------------------------- */

/* Span that contains pfn; NULL when none does. */
const struct frames_span *frames_table_span(const struct frames_table *table, pfn_t pfn);
/* Span that contains a bit which is no padding. */
const struct frames_span *frames_table_span_of_bit(const struct frames_table *table, uint64_t bit);
/* Bit of the first managed frame at or above pfn; nbits when there is none. */
uint64_t frames_table_bit_at_or_above(const struct frames_table *table, pfn_t pfn);

/* Change frames [first, first + count) of one span, and the summary. */
void frames_table_set_free(struct frames_table *table, uint64_t first, uint64_t count);
void frames_table_set_used(struct frames_table *table, uint64_t first, uint64_t count);
/* Recompute every summary level from level 0. */
void frames_table_summarise(struct frames_table *table);

/* Highest free bit below end; BITMAP_NONE when there is none. */
uint64_t frames_table_find_below(const struct frames_table *table, uint64_t end);
/* Highest run of count free frames, aligned by frame number, inside bits [low, end); its first frame number in *pfn.
 * Return: its first bit; BITMAP_NONE when there is none. */
uint64_t frames_table_find_run(const struct frames_table *table, uint64_t low, uint64_t end, uint64_t count,
                               uint64_t align, pfn_t *pfn);
uint64_t frames_table_longest_run(const struct frames_table *table);

/* Bit of a frame that lies in span. */
static inline uint64_t frames_bit(const struct frames_span *span, pfn_t pfn)
{
    return span->first_bit + (pfn - span->base);
}

/* ---- frames_layout.c --------------------------------------------------------------------------------- */

/* Usable entries ascend, are disjoint, whole frames, and inside the physical address space. */
bool frames_layout_accepts(const struct limine_memmap_entry *map, uint64_t count);
/* Sizes (counts and block_bytes) of the layout for the frames of old and the usable entries of map together.
 * Return: how many frames that are. */
uint64_t frames_layout_measure(struct frames_table *table, const struct frames_table *old,
                               const struct limine_memmap_entry *map, uint64_t count);
/* Write that layout into block (of block_bytes). Frames of old are as they were, the others free. */
void frames_layout_build(struct frames_table *table, void *block, const struct frames_table *old,
                         const struct limine_memmap_entry *map, uint64_t count);

/* ---- frames_check.c ---------------------------------------------------------------------------------- */

/* Spans, padding and summary are as the head of frames.c says; the two sums agree. */
bool frames_table_is_sound(const struct frames_table *table, uint64_t total, uint64_t free_bits);
/* [pa, pa + nbytes) is managed and used; true for no bytes. */
bool frames_table_range_is_used(const struct frames_table *table, phys_addr_t pa, uint64_t nbytes);

#endif
