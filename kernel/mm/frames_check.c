/* frames_check.c — the invariants of the frame allocator's table, walked. Pure. Cost: O(bitmap). */

#include "frames_internal.h"

static bool spans_are_sound(const struct frames_table *table, uint64_t *total)
{
    uint64_t bits = 0;
    *total = 0;
    for (uint64_t i = 0; i < table->span_count; i++) {
        const struct frames_span *span = &table->spans[i];
        uint64_t lead = span->base % BITMAP_WORD_BITS;
        bool is_apart = i == 0 || table->spans[i - 1].base + table->spans[i - 1].nframes < span->base;
        if (span->nframes == 0 || !is_apart || span->first_bit != bits + lead) {
            return false;
        }
        bits += bitmap_words(lead + span->nframes) * BITMAP_WORD_BITS;
        *total += span->nframes;
    }
    return bits == table->nbits;
}

static bool padding_is_clear(const struct frames_table *table)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < table->span_count; i++) {
        if (!bitmap_all_zero(table->level[0], end, table->spans[i].first_bit)) {
            return false;
        }
        end = table->spans[i].first_bit + table->spans[i].nframes;
    }
    return bitmap_all_zero(table->level[0], end, table->nbits);
}

static bool summary_is_exact(const struct frames_table *table)
{
    for (unsigned level = 1; level < table->level_count; level++) {
        if (table->level_words[level] != bitmap_words(table->level_words[level - 1])) {
            return false;
        }
        for (uint64_t word = 0; word < table->level_words[level - 1]; word++) {
            if (bitmap_test(table->level[level], word) != (table->level[level - 1][word] != 0)) {
                return false;
            }
        }
        if (!bitmap_all_zero(table->level[level], table->level_words[level - 1],
                             table->level_words[level] * BITMAP_WORD_BITS)) {
            return false;
        }
    }
    return table->level_words[table->level_count - 1] == 1;
}

bool frames_table_is_sound(const struct frames_table *table, uint64_t total, uint64_t free_bits)
{
    uint64_t found = 0;
    return spans_are_sound(table, &found) && found == total && padding_is_clear(table) && summary_is_exact(table) &&
           bitmap_count_set(table->level[0], 0, table->nbits) == free_bits;
}

bool frames_table_range_is_used(const struct frames_table *table, phys_addr_t pa, uint64_t nbytes)
{
    if (nbytes == 0) {
        return true;
    }
    const struct frames_span *span = frames_table_span(table, pa >> PAGE_SHIFT);
    if (span == NULL) {
        return false;
    }
    uint64_t first = frames_bit(span, pa >> PAGE_SHIFT);
    return bitmap_all_zero(table->level[0], first, first + (nbytes >> PAGE_SHIFT));
}
