/* bitmap.h — searching and filling bitmaps of 64-bit words.
 *
 * Bit i is bit (i % 64) of words[i / 64]. Ranges are half-open [first, end) in bits; the words behind them must exist.
 * Bits outside a range are neither changed nor do they matter.
 *
 * Locking: the caller's; nothing here is atomic. Context: any. Cost: O(words looked at) unless said otherwise.
 * Depends on: types.h. Used by: kernel/mm, kernel/diag. */
#ifndef NEOMEM_BITMAP_H
#define NEOMEM_BITMAP_H

#include <neomem/compiler.h>
#include <neomem/types.h>

#define BITMAP_WORD_BITS 64u
#define BITMAP_NONE UINT64_MAX /* no such bit */

/* Words needed for nbits. */
static inline uint64_t bitmap_words(uint64_t nbits)
{
    return nbits / BITMAP_WORD_BITS + (nbits % BITMAP_WORD_BITS != 0);
}

static inline bool bitmap_test(const uint64_t *words, uint64_t bit)
{
    return ((words[bit / BITMAP_WORD_BITS] >> (bit % BITMAP_WORD_BITS)) & 1u) != 0;
}

static inline void bitmap_set(uint64_t *words, uint64_t bit)
{
    words[bit / BITMAP_WORD_BITS] |= 1ull << (bit % BITMAP_WORD_BITS);
}

static inline void bitmap_clear(uint64_t *words, uint64_t bit)
{
    words[bit / BITMAP_WORD_BITS] &= ~(1ull << (bit % BITMAP_WORD_BITS));
}

/* Set / clear count bits from first on; count 0 does nothing. */
void bitmap_set_range(uint64_t *words, uint64_t first, uint64_t count);
void bitmap_clear_range(uint64_t *words, uint64_t first, uint64_t count);

/* Lowest set / clear bit in [first, end); BITMAP_NONE when there is none. */
uint64_t bitmap_find_next_set(const uint64_t *words, uint64_t first, uint64_t end);
uint64_t bitmap_find_next_zero(const uint64_t *words, uint64_t first, uint64_t end);

/* Highest set / clear bit in [first, end); BITMAP_NONE when there is none. */
uint64_t bitmap_find_last_set(const uint64_t *words, uint64_t first, uint64_t end);
uint64_t bitmap_find_last_zero(const uint64_t *words, uint64_t first, uint64_t end);

/* Lowest / highest start of count >= 1 clear bits in a row, inside [first, end) and with a start that is a multiple of
 * align (a power of two). Return: the start; BITMAP_NONE when there is none or count is 0. */
uint64_t bitmap_find_zero_run(const uint64_t *words, uint64_t first, uint64_t end, uint64_t count, uint64_t align);
uint64_t bitmap_find_zero_run_top(const uint64_t *words, uint64_t first, uint64_t end, uint64_t count, uint64_t align);

/* Longest run of clear bits in [first, end): its length, and its (lowest) start in *start when start is not NULL.
 * Return: 0 when there is no clear bit; *start is then untouched. */
uint64_t bitmap_longest_zero_run(const uint64_t *words, uint64_t first, uint64_t end, uint64_t *start);

/* Number of set bits in [first, end). */
uint64_t bitmap_count_set(const uint64_t *words, uint64_t first, uint64_t end);

/* Whether every bit in [first, end) is set / clear; true for an empty range. */
bool bitmap_all_set(const uint64_t *words, uint64_t first, uint64_t end);
bool bitmap_all_zero(const uint64_t *words, uint64_t first, uint64_t end);

#endif
