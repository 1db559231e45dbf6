/* frames_table.c — searching and changing the frame bitmap; theory at the head of frames.c.
 *
 * Search runs from the top down. The highest free frame below a bound is found by climbing until a word has a set bit
 * below the position and then descending: at most two words a level, O(log64 n). A run of frames takes the highest free
 * frame, looks for the last used one in the run that would end there, and goes on below that: every step moves down,
 * O(bitmap) at worst. Bit order is address order, so windows are bounds on bits and "low memory last" needs no zones. */

#include "frames_internal.h"

#include <neomem/string.h>

/* ---- spans ---------------------------------------------------------------------------------------- */

/* First span that ends above pfn; span_count when there is none. */
static uint64_t span_ending_above(const struct frames_table *table, pfn_t pfn)
{
    uint64_t low = 0;
    uint64_t high = table->span_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (table->spans[middle].base + table->spans[middle].nframes > pfn) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

const struct frames_span *frames_table_span(const struct frames_table *table, pfn_t pfn)
{
    uint64_t index = span_ending_above(table, pfn);
    return index < table->span_count && table->spans[index].base <= pfn ? &table->spans[index] : NULL;
}

const struct frames_span *frames_table_span_of_bit(const struct frames_table *table, uint64_t bit)
{
    uint64_t low = 0;
    uint64_t high = table->span_count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (table->spans[middle].first_bit <= bit) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &table->spans[low];
}

uint64_t frames_table_bit_at_or_above(const struct frames_table *table, pfn_t pfn)
{
    uint64_t index = span_ending_above(table, pfn);
    if (index == table->span_count) {
        return table->nbits;
    }
    const struct frames_span *span = &table->spans[index];
    return frames_bit(span, max_u64(pfn, span->base));
}

/* ---- the bitmap and its summary --------------------------------------------------------------------- */

void frames_table_set_free(struct frames_table *table, uint64_t first, uint64_t count)
{
    uint64_t last = first + count - 1;
    bitmap_set_range(table->level[0], first, count);
    for (unsigned level = 1; level < table->level_count; level++) {
        first /= BITMAP_WORD_BITS;
        last /= BITMAP_WORD_BITS;
        if (first == last && bitmap_test(table->level[level], first)) {
            return; /* the levels above know already */
        }
        bitmap_set_range(table->level[level], first, last - first + 1);
    }
}

void frames_table_set_used(struct frames_table *table, uint64_t first, uint64_t count)
{
    uint64_t last = first + count - 1;
    bitmap_clear_range(table->level[0], first, count);
    for (unsigned level = 1; level < table->level_count; level++) {
        first /= BITMAP_WORD_BITS;
        last /= BITMAP_WORD_BITS;
        bool emptied = false;
        for (uint64_t word = first; word <= last; word++) {
            if (table->level[level - 1][word] == 0) {
                bitmap_clear(table->level[level], word);
                emptied = true;
            }
        }
        if (!emptied) {
            return;
        }
    }
}

/* One bit for each of up to 64 words of level from `first` on: whether it is not 0. */
static uint64_t summary_of(const struct frames_table *table, unsigned level, uint64_t first)
{
    const uint64_t *words = &table->level[level][first];
    uint64_t count = min_u64(BITMAP_WORD_BITS, table->level_words[level] - first);
    uint64_t summary = 0;
    for (uint64_t i = 0; i < count; i++) {
        summary |= (uint64_t)(words[i] != 0) << i;
    }
    return summary;
}

void frames_table_summarise(struct frames_table *table)
{
    for (unsigned level = 1; level < table->level_count; level++) {
        for (uint64_t word = 0; word < table->level_words[level]; word++) {
            table->level[level][word] = summary_of(table, level - 1, word * BITMAP_WORD_BITS);
        }
    }
}

static uint64_t highest_set(uint64_t word)
{
    return 63u - (uint64_t)__builtin_clzll(word);
}

uint64_t frames_table_find_below(const struct frames_table *table, uint64_t end)
{
    for (unsigned level = 0; level < table->level_count && end != 0; level++) {
        uint64_t word = (end - 1) / BITMAP_WORD_BITS;
        uint64_t below = ~0ull >> (63u - (end - 1) % BITMAP_WORD_BITS);
        uint64_t bits = table->level[level][word] & below;
        if (bits != 0) {
            uint64_t found = word * BITMAP_WORD_BITS + highest_set(bits);
            while (level > 0) {
                level--;
                found = found * BITMAP_WORD_BITS + highest_set(table->level[level][found]);
            }
            return found;
        }
        end = word;
    }
    return BITMAP_NONE;
}

uint64_t frames_table_find_run(const struct frames_table *table, uint64_t low, uint64_t end, uint64_t count,
                               uint64_t align, pfn_t *pfn)
{
    for (;;) {
        uint64_t last = frames_table_find_below(table, end);
        if (last == BITMAP_NONE || last < low) {
            return BITMAP_NONE;
        }
        const struct frames_span *span = frames_table_span_of_bit(table, last);
        pfn_t above = span->base + (last - span->first_bit) + 1;
        bool fits = above - span->base >= count;
        pfn_t start = fits ? align_down(above - count, align) : 0;
        if (!fits || start < span->base) {
            end = span->first_bit;
            continue;
        }
        uint64_t first = frames_bit(span, start);
        if (first < low) {
            /* A window's lower bound cuts this span; the spans below lie outside the window. */
            return BITMAP_NONE;
        }
        uint64_t used = count == 1 ? BITMAP_NONE : bitmap_find_last_zero(table->level[0], first, first + count);
        if (used == BITMAP_NONE && bitmap_test(table->level[0], first)) {
            *pfn = start;
            return first;
        }
        end = used == BITMAP_NONE ? first : used;
    }
}

uint64_t frames_table_longest_run(const struct frames_table *table)
{
    uint64_t longest = 0;
    for (uint64_t last = frames_table_find_below(table, table->nbits); last != BITMAP_NONE;) {
        const struct frames_span *span = frames_table_span_of_bit(table, last);
        uint64_t used = bitmap_find_last_zero(table->level[0], span->first_bit, last);
        uint64_t first = used == BITMAP_NONE ? span->first_bit : used + 1;
        longest = max_u64(longest, last - first + 1);
        last = frames_table_find_below(table, first);
    }
    return longest;
}
