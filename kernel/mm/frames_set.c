/* frames_set.c — see frames_set.h for the rules.
 *
 * Store-load pairs (both sides sequentially consistent, b in frames_state.h): adding sets the word and then looks at the
 * summary; a search clears a summary bit and then looks at the word again. Whatever the interleaving, one of them sees the
 * other. Setting a summary that is set already, or leaving one set over nothing, only costs time. */

#include "frames_set.h"

static unsigned lowest(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

uint64_t set_total_words(uint64_t members)
{
    uint64_t words = set_words(members);
    uint64_t level1 = set_words(words);
    return words + level1 + set_words(level1);
}

void set_init(struct frames_set *set, atomic_word *memory, uint64_t members)
{
    set->nwords = set_words(members);
    set->nlevel1 = set_words(set->nwords);
    set->nlevel2 = set_words(set->nlevel1);
    set->words = memory;
    set->level1 = memory + set->nwords;
    set->level2 = set->level1 + set->nlevel1;
    uint64_t total = set->nwords + set->nlevel1 + set->nlevel2;
    for (uint64_t i = 0; i < total; i++) {
        word_store(&memory[i], 0);
    }
}

static void fill_bits(atomic_word *words, uint64_t first, uint64_t count)
{
    while (count > 0) {
        uint64_t bit = first % 64;
        uint64_t here = count < 64 - bit ? count : 64 - bit;
        uint64_t mask = (here == 64 ? UINT64_MAX : (1ull << here) - 1) << bit;
        word_store(&words[first / 64], word_load(&words[first / 64]) | mask);
        first += here;
        count -= here;
    }
}

void set_fill(struct frames_set *set, uint64_t first, uint64_t count)
{
    if (count == 0) {
        return;
    }
    uint64_t word = first / 64;
    uint64_t last_word = (first + count - 1) / 64;
    fill_bits(set->words, first, count);
    fill_bits(set->level1, word, last_word - word + 1);
    fill_bits(set->level2, word / 64, last_word / 64 - word / 64 + 1);
}

void set_summarise(struct frames_set *set, uint64_t word)
{
    uint64_t group = word / 64;
    (void)word_set_bit(&set->level1[group], (unsigned)(word % 64));
    if (((word_load_sc(&set->level2[group / 64]) >> (group % 64)) & 1u) == 0) {
        (void)word_set_bit(&set->level2[group / 64], (unsigned)(group % 64));
    }
}

void set_add_mask(struct frames_set *set, uint64_t word, uint64_t mask)
{
    (void)word_set_bits(&set->words[word], mask);
    if (((word_load_sc(&set->level1[word / 64]) >> (word % 64)) & 1u) == 0) {
        set_summarise(set, word);
    }
}

/* Nothing behind a summary bit: clear it, unless something came meanwhile. */
static void clear_summary(atomic_word *summary, uint64_t bit, const atomic_word *behind)
{
    (void)word_clear_bit(&summary[bit / 64], (unsigned)(bit % 64));
    if (word_load_sc(behind) != 0) {
        (void)word_set_bit(&summary[bit / 64], (unsigned)(bit % 64));
    }
}

/* First level1 word at or after group that has a bit; nlevel1: none. */
static uint64_t next_group(struct frames_set *set, uint64_t group)
{
    while (group < set->nlevel1) {
        uint64_t bits = word_load(&set->level2[group / 64]) & (UINT64_MAX << (group % 64));
        if (bits == 0) {
            group = (group / 64 + 1) * 64;
            continue;
        }
        group = group / 64 * 64 + lowest(bits);
        if (word_load(&set->level1[group]) != 0) {
            return group;
        }
        clear_summary(set->level2, group, &set->level1[group]);
        group++;
    }
    return set->nlevel1;
}

/* First word at or after word that has a member; nwords: none. */
static uint64_t next_word(struct frames_set *set, uint64_t word)
{
    while (word < set->nwords) {
        uint64_t group = word / 64;
        uint64_t bits = word_load(&set->level1[group]) & (UINT64_MAX << (word % 64));
        if (bits == 0) {
            word = next_group(set, group + 1) * 64;
            continue;
        }
        word = group * 64 + lowest(bits);
        if (word_load(&set->words[word]) != 0) {
            return word;
        }
        clear_summary(set->level1, word, &set->words[word]);
        word++;
    }
    return set->nwords;
}

uint64_t set_find_next(struct frames_set *set, uint64_t from, uint64_t end)
{
    if (from >= end) {
        return SET_NONE;
    }
    uint64_t word = from / 64;
    uint64_t bits = word_load(&set->words[word]) & (UINT64_MAX << (from % 64));
    while (bits == 0) {
        word = next_word(set, word + 1);
        if (word * 64 >= end || word >= set->nwords) {
            return SET_NONE;
        }
        bits = word_load(&set->words[word]); /* 0: taken since */
    }
    uint64_t member = word * 64 + lowest(bits);
    return member < end ? member : SET_NONE;
}

uint64_t set_find(struct frames_set *set, uint64_t from, uint64_t first, uint64_t end)
{
    if (from <= first || from >= end) {
        return set_find_next(set, first, end);
    }
    uint64_t member = set_find_next(set, from, end);
    return member != SET_NONE ? member : set_find_next(set, first, from);
}
