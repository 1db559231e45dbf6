/* bitmap.c — searching and filling bitmaps a word at a time.
 *
 * Every search folds "looking for a clear bit" into "looking for a set bit" by xor with all ones, cuts the first and the
 * last word to the range, and lets one bit-scan instruction finish. */
#include <neomem/bitmap.h>

#define ALL_ONES UINT64_MAX

/* Bits of the word with this index that lie in [first, end); the word must contain one of them. */
static uint64_t mask_in_word(uint64_t index, uint64_t first, uint64_t end)
{
    uint64_t mask = ALL_ONES;
    if (index == first / BITMAP_WORD_BITS) {
        mask <<= first % BITMAP_WORD_BITS;
    }
    if (index == end / BITMAP_WORD_BITS) {
        mask &= ~(ALL_ONES << (end % BITMAP_WORD_BITS));
    }
    return mask;
}

static void fill_in_word(uint64_t *word, uint64_t mask, bool value)
{
    *word = value ? *word | mask : *word & ~mask;
}

static void fill_range(uint64_t *words, uint64_t first, uint64_t count, bool value)
{
    if (count == 0) {
        return;
    }
    uint64_t end = first + count;
    uint64_t index = first / BITMAP_WORD_BITS;
    uint64_t last_index = (end - 1) / BITMAP_WORD_BITS;

    /* Only the ends need a mask: bitmaps of whole machines are filled by this loop. */
    fill_in_word(&words[index], mask_in_word(index, first, end), value);
    if (index == last_index) {
        return;
    }
    for (index++; index < last_index; index++) {
        words[index] = value ? ALL_ONES : 0;
    }
    fill_in_word(&words[last_index], mask_in_word(last_index, first, end), value);
}

void bitmap_set_range(uint64_t *words, uint64_t first, uint64_t count)
{
    fill_range(words, first, count, true);
}

void bitmap_clear_range(uint64_t *words, uint64_t first, uint64_t count)
{
    fill_range(words, first, count, false);
}

/* flip: 0 looks for set bits, ALL_ONES for clear ones. */
static uint64_t find_next(const uint64_t *words, uint64_t first, uint64_t end, uint64_t flip)
{
    if (first >= end) {
        return BITMAP_NONE;
    }
    uint64_t last_index = (end - 1) / BITMAP_WORD_BITS;
    for (uint64_t index = first / BITMAP_WORD_BITS; index <= last_index; index++) {
        uint64_t found = (words[index] ^ flip) & mask_in_word(index, first, end);
        if (found != 0) {
            return index * BITMAP_WORD_BITS + (uint64_t)__builtin_ctzll(found);
        }
    }
    return BITMAP_NONE;
}

static uint64_t find_last(const uint64_t *words, uint64_t first, uint64_t end, uint64_t flip)
{
    if (first >= end) {
        return BITMAP_NONE;
    }
    uint64_t first_index = first / BITMAP_WORD_BITS;
    for (uint64_t index = (end - 1) / BITMAP_WORD_BITS + 1; index-- > first_index;) {
        uint64_t found = (words[index] ^ flip) & mask_in_word(index, first, end);
        if (found != 0) {
            return index * BITMAP_WORD_BITS + 63 - (uint64_t)__builtin_clzll(found);
        }
    }
    return BITMAP_NONE;
}

uint64_t bitmap_find_next_set(const uint64_t *words, uint64_t first, uint64_t end)
{
    return find_next(words, first, end, 0);
}

uint64_t bitmap_find_next_zero(const uint64_t *words, uint64_t first, uint64_t end)
{
    return find_next(words, first, end, ALL_ONES);
}

uint64_t bitmap_find_last_set(const uint64_t *words, uint64_t first, uint64_t end)
{
    return find_last(words, first, end, 0);
}

uint64_t bitmap_find_last_zero(const uint64_t *words, uint64_t first, uint64_t end)
{
    return find_last(words, first, end, ALL_ONES);
}

uint64_t bitmap_find_zero_run(const uint64_t *words, uint64_t first, uint64_t end, uint64_t count, uint64_t align)
{
    if (count == 0) {
        return BITMAP_NONE;
    }
    uint64_t start = bitmap_find_next_zero(words, first, end);
    while (start != BITMAP_NONE && align_up_checked(start, align, &start) && start < end && end - start >= count) {
        /* The last obstacle, not the first: everything up to it is lost for this run. */
        uint64_t obstacle = bitmap_find_last_set(words, start, start + count);
        if (obstacle == BITMAP_NONE) {
            return start;
        }
        start = bitmap_find_next_zero(words, obstacle, end);
    }
    return BITMAP_NONE;
}

uint64_t bitmap_find_zero_run_top(const uint64_t *words, uint64_t first, uint64_t end, uint64_t count, uint64_t align)
{
    if (count == 0 || first >= end) {
        return BITMAP_NONE;
    }
    /* limit: one behind the highest bit that the run may still use. */
    uint64_t last = bitmap_find_last_zero(words, first, end);
    while (last != BITMAP_NONE) {
        uint64_t limit = last + 1;
        if (limit - first < count) {
            return BITMAP_NONE;
        }
        uint64_t start = align_down(limit - count, align);
        if (start < first) {
            return BITMAP_NONE;
        }
        uint64_t obstacle = bitmap_find_next_set(words, start, start + count);
        if (obstacle == BITMAP_NONE) {
            return start;
        }
        last = bitmap_find_last_zero(words, first, obstacle);
    }
    return BITMAP_NONE;
}

uint64_t bitmap_longest_zero_run(const uint64_t *words, uint64_t first, uint64_t end, uint64_t *start)
{
    uint64_t longest = 0;
    uint64_t run = bitmap_find_next_zero(words, first, end);
    while (run != BITMAP_NONE) {
        uint64_t run_end = bitmap_find_next_set(words, run, end);
        if (run_end == BITMAP_NONE) {
            run_end = end;
        }
        if (run_end - run > longest) {
            longest = run_end - run;
            if (start != NULL) {
                *start = run;
            }
        }
        run = bitmap_find_next_zero(words, run_end, end);
    }
    return longest;
}

/* Sums of neighbouring bit groups: without -mpopcnt the compiler would call libgcc for __builtin_popcountll. */
static uint64_t count_ones(uint64_t word)
{
    word -= (word >> 1) & 0x5555555555555555ull;
    word = (word & 0x3333333333333333ull) + ((word >> 2) & 0x3333333333333333ull);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return (word * 0x0101010101010101ull) >> 56;
}

uint64_t bitmap_count_set(const uint64_t *words, uint64_t first, uint64_t end)
{
    if (first >= end) {
        return 0;
    }
    uint64_t count = 0;
    uint64_t last_index = (end - 1) / BITMAP_WORD_BITS;
    for (uint64_t index = first / BITMAP_WORD_BITS; index <= last_index; index++) {
        count += count_ones(words[index] & mask_in_word(index, first, end));
    }
    return count;
}

bool bitmap_all_set(const uint64_t *words, uint64_t first, uint64_t end)
{
    return bitmap_find_next_zero(words, first, end) == BITMAP_NONE;
}

bool bitmap_all_zero(const uint64_t *words, uint64_t first, uint64_t end)
{
    return bitmap_find_next_set(words, first, end) == BITMAP_NONE;
}
