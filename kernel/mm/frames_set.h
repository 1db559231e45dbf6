/* frames_set.h — a lock-free set of chunk numbers: one bit each, with summaries over 64 and over 4096 words, so that the next
 * member is found in a few cache lines whatever the size.
 *
 * words    1: member
 * level1   1: its word may have a member     (rule: a word with a member has its bit here, or the one who added it is
 * level2   1: its level1 word may have a bit  about to set it)
 * Summary bits are set with the member and cleared only by a search that finds nothing behind them: a set that lives at the
 * edge of empty costs no summary write on each change.
 * Cost: add, remove: one RMW (an add behind a clear summary: up to three); search: O(1) words per level + level2, which has one word
 * for 2^18 chunks (512 GiB of memory). Context: any. Used by: kernel/mm/frames_*. */
#ifndef NEOMEM_MM_FRAMES_SET_H
#define NEOMEM_MM_FRAMES_SET_H

#include "frames_atomic.h"

#include <neomem/types.h>

#define SET_NONE UINT64_MAX

struct frames_set {
    atomic_word *words, *level1, *level2;
    uint64_t nwords, nlevel1, nlevel2;
};

static inline uint64_t set_words(uint64_t members)
{
    return (members + 63) / 64;
}

/* Words of memory for a set of that many possible members, all levels. */
uint64_t set_total_words(uint64_t members);
/* An empty set in memory, which has set_total_words(members) words of any contents. */
void set_init(struct frames_set *set, atomic_word *memory, uint64_t members);
/* Before anybody else sees it: add [first, first + count). */
void set_fill(struct frames_set *set, uint64_t first, uint64_t count);

void set_summarise(struct frames_set *set, uint64_t word);

static inline bool set_has(const struct frames_set *set, uint64_t member)
{
    return ((word_load_sc(&set->words[member / 64]) >> (member % 64)) & 1u) != 0;
}

/* Return: whether it was a member before. */
static inline bool set_add(struct frames_set *set, uint64_t member)
{
    bool was = word_set_bit(&set->words[member / 64], (unsigned)(member % 64));
    if (!was) {
        uint64_t word = member / 64;
        if (((word_load_sc(&set->level1[word / 64]) >> (word % 64)) & 1u) == 0) {
            set_summarise(set, word);
        }
    }
    return was;
}

/* Return: whether this call removed it. */
static inline bool set_remove(struct frames_set *set, uint64_t member)
{
    return word_clear_bit(&set->words[member / 64], (unsigned)(member % 64));
}

/* Add a mask of members of one word. */
void set_add_mask(struct frames_set *set, uint64_t word, uint64_t mask);

/* A member in [first, end), the lowest at or after `from`, else the lowest; SET_NONE. from may lie outside: first. */
uint64_t set_find(struct frames_set *set, uint64_t from, uint64_t first, uint64_t end);
/* The lowest member in [from, end); SET_NONE. */
uint64_t set_find_next(struct frames_set *set, uint64_t from, uint64_t end);

#endif
