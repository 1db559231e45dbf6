/* frames_layout.c — from a memory map to spans and bitmap; growing by building a larger layout and moving over.
 *
 * The union of the spans that are managed and the entries that arrive is walked twice in address order: once to count
 * spans and words, once to write them. The new layout lives in one block of whole frames: spans, then level 0, then the
 * summaries. Old bits are copied word by word (first_bit and base agree modulo 64 in every layout), frames that only the
 * map knows start free.
 *
 *      old spans   |=====|          |======|
 *      map             |======|     |======|===|
 *      new spans   |==========|     |==========|
 *
 * Pure but for the block that is written. */

#include "frames_internal.h"

#include <neomem/memory.h>
#include <neomem/string.h>

/* Walks two ascending lists of ranges as one. */
struct merge {
    const struct frames_table *old;
    const struct limine_memmap_entry *map;
    uint64_t map_count;
    uint64_t next_old;
    uint64_t next_map;
};

struct run {
    pfn_t base;
    uint64_t nframes;
};

/* The range that comes next by base, from either list. */
static bool merge_next_piece(struct merge *merge, struct run *piece)
{
    while (merge->next_map < merge->map_count &&
           (merge->map[merge->next_map].type != LIMINE_MEMMAP_USABLE || merge->map[merge->next_map].length == 0)) {
        merge->next_map++;
    }
    bool has_old = merge->next_old < merge->old->span_count;
    bool has_map = merge->next_map < merge->map_count;
    if (!has_old && !has_map) {
        return false;
    }
    const struct limine_memmap_entry *entry = &merge->map[merge->next_map];
    if (has_old && (!has_map || merge->old->spans[merge->next_old].base <= entry->base >> PAGE_SHIFT)) {
        const struct frames_span *span = &merge->old->spans[merge->next_old++];
        *piece = (struct run){span->base, span->nframes};
    } else {
        *piece = (struct run){entry->base >> PAGE_SHIFT, entry->length >> PAGE_SHIFT};
        merge->next_map++;
    }
    return true;
}

/* The next maximal run of the union: pieces that touch or overlap become one. */
static bool merge_next(struct merge *merge, struct run *out)
{
    if (!merge_next_piece(merge, out)) {
        return false;
    }
    struct merge ahead = *merge;
    struct run piece;
    while (merge_next_piece(&ahead, &piece) && piece.base <= out->base + out->nframes) {
        out->nframes = max_u64(out->nframes, piece.base + piece.nframes - out->base);
        *merge = ahead;
    }
    return true;
}

bool frames_layout_accepts(const struct limine_memmap_entry *map, uint64_t count)
{
    phys_addr_t end = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct limine_memmap_entry *entry = &map[i];
        if (entry->type != LIMINE_MEMMAP_USABLE || entry->length == 0) {
            continue;
        }
        if (!is_aligned(entry->base | entry->length, PAGE_SIZE) || entry->base < end ||
            entry->base >= PHYS_ADDR_LIMIT || entry->length > PHYS_ADDR_LIMIT - entry->base) {
            return false;
        }
        end = entry->base + entry->length;
    }
    return true;
}

/* Sizes of the union's layout; spans are written too when table->spans is set. Return: total frames. */
static uint64_t lay_out(struct frames_table *table, struct merge merge)
{
    struct run run;
    uint64_t total = 0;
    table->span_count = 0;
    table->nbits = 0;
    while (merge_next(&merge, &run)) {
        uint64_t lead = run.base % BITMAP_WORD_BITS;
        if (table->spans != NULL) {
            table->spans[table->span_count] = (struct frames_span){run.base, run.nframes, table->nbits + lead};
        }
        table->span_count++;
        table->nbits += bitmap_words(lead + run.nframes) * BITMAP_WORD_BITS;
        total += run.nframes;
    }
    uint64_t words = table->nbits / BITMAP_WORD_BITS;
    uint64_t all_words = 0;
    table->level_count = 0;
    do {
        table->level_words[table->level_count++] = words;
        all_words += words;
        words = words == 1 ? 0 : bitmap_words(words);
    } while (words != 0);
    uint64_t nbytes = table->span_count * sizeof(struct frames_span) + all_words * sizeof(uint64_t);
    table->block_bytes = align_up(nbytes, PAGE_SIZE);
    return total;
}

static void place(struct frames_table *table, void *block)
{
    table->block_pa = virt_to_phys(block);
    table->spans = block;
    uint64_t *words = (uint64_t *)(void *)(table->spans + table->span_count);
    for (unsigned level = 0; level < table->level_count; level++) {
        table->level[level] = words;
        words += table->level_words[level];
    }
}

uint64_t frames_layout_measure(struct frames_table *table, const struct frames_table *old,
                               const struct limine_memmap_entry *map, uint64_t count)
{
    *table = (struct frames_table){0};
    return lay_out(table, (struct merge){.old = old, .map = map, .map_count = count});
}

/* One old span into the words at target; the first and the last of them may hold bits of new neighbours, too. */
static void copy_span(uint64_t *target, const uint64_t *source, uint64_t lead, uint64_t nframes)
{
    uint64_t words = bitmap_words(lead + nframes);
    bitmap_clear_range(target, lead, min_u64(nframes, BITMAP_WORD_BITS - lead));
    target[0] |= source[0];
    if (words == 1) {
        return;
    }
    for (uint64_t word = 1; word < words - 1; word++) {
        target[word] = source[word];
    }
    uint64_t tail = (lead + nframes - 1) % BITMAP_WORD_BITS + 1;
    bitmap_clear_range(target, lead + nframes - tail, tail);
    target[words - 1] |= source[words - 1];
}

/* Frames of old keep their state. */
static void copy_bits(struct frames_table *table, const struct frames_table *old)
{
    for (uint64_t i = 0; i < old->span_count; i++) {
        const struct frames_span *from = &old->spans[i];
        uint64_t first = frames_bit(frames_table_span(table, from->base), from->base);
        copy_span(&table->level[0][first / BITMAP_WORD_BITS], &old->level[0][from->first_bit / BITMAP_WORD_BITS],
                  from->first_bit % BITMAP_WORD_BITS, from->nframes);
    }
}

/* Every frame of the span free. The words are the span's own, so what lies beside its frames in them is padding. */
static void fill_span(struct frames_table *table, const struct frames_span *span)
{
    table->level[0][span->first_bit / BITMAP_WORD_BITS] = 0;
    table->level[0][(span->first_bit + span->nframes - 1) / BITMAP_WORD_BITS] = 0;
    bitmap_set_range(table->level[0], span->first_bit, span->nframes);
}

void frames_layout_build(struct frames_table *table, void *block, const struct frames_table *old,
                         const struct limine_memmap_entry *map, uint64_t count)
{
    place(table, block);
    (void)lay_out(table, (struct merge){.old = old, .map = map, .map_count = count});
    for (uint64_t i = 0; i < table->span_count; i++) {
        fill_span(table, &table->spans[i]);
    }
    copy_bits(table, old);
    frames_table_summarise(table);
}
