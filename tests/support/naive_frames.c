/* naive_frames.c — see naive_frames.h. */
#include "naive_frames.h"

#include <string.h>

static uint64_t ones(uint64_t count)
{
    return count >= 64 ? UINT64_MAX : (1ull << count) - 1;
}

static unsigned population(uint64_t word)
{
    return (unsigned)__builtin_popcountll(word);
}

/* Index of the first word whose number is >= number. */
static unsigned word_from(const struct naive_frames *naive, pfn_t number)
{
    unsigned low = 0;
    unsigned high = naive->words;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (naive->number[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Most questions are about where the last one was, or the word after. */
static unsigned word_of(const struct naive_frames *naive, pfn_t pfn)
{
    static unsigned last;
    pfn_t number = pfn / 64;
    unsigned end = last + 2 < naive->words ? last + 2 : naive->words;
    for (unsigned word = last; word < end; word++) {
        if (naive->number[word] == number) {
            return last = word;
        }
    }
    return last = word_from(naive, number);
}

static bool is_word(const struct naive_frames *naive, unsigned word, pfn_t number)
{
    return word < naive->words && naive->number[word] == number;
}

bool naive_init(struct naive_frames *naive, const struct limine_memmap_entry *regions, uint64_t count)
{
    memset(naive->bits, 0, sizeof(naive->bits));
    memset(naive->count, 0, sizeof(naive->count));
    memset(naive->zones, 0, sizeof(naive->zones));
    naive->words = 0;
    naive->universe = 0;
    for (uint64_t i = 0; i < count; i++) {
        pfn_t at = regions[i].base >> PAGE_SHIFT;
        pfn_t end = at + (regions[i].length >> PAGE_SHIFT);
        naive->universe += end - at;
        while (at < end) {
            if (naive->words == 0 || naive->number[naive->words - 1] != at / 64) {
                if (naive->words == NAIVE_WORDS_MAX) {
                    return false;
                }
                naive->zone[naive->words] = (uint8_t)naive_window(at);
                naive->number[naive->words++] = at / 64;
            }
            uint64_t here = min_u64(end - at, 64 - at % 64);
            naive->bits[NAIVE_KNOWN][naive->words - 1] |= ones(here) << (at % 64);
            at += here;
        }
    }
    return true;
}

void naive_set_node(struct naive_frames *naive, pfn_t pfn, uint64_t count, unsigned node)
{
    for (unsigned word = word_of(naive, pfn); word < naive->words && naive->number[word] * 64 < pfn + count; word++) {
        uint64_t total = 0;
        for (unsigned property = NAIVE_FREE; property <= NAIVE_RETIRED; property++) {
            total += population(naive->bits[property][word]);
        }
        uint64_t free = population(naive->bits[NAIVE_FREE][word]);
        struct naive_zone *old = &naive->zones[naive->zone[word]];
        old->total -= total;
        old->free -= free;
        naive->zone[word] = (uint8_t)(node * FRAMES_WINDOWS + naive_window(naive->number[word] * 64));
        naive->zones[naive->zone[word]].total += total;
        naive->zones[naive->zone[word]].free += free;
    }
}

unsigned naive_node(const struct naive_frames *naive, pfn_t pfn)
{
    return naive->zone[word_of(naive, pfn)] / FRAMES_WINDOWS;
}

static void put_bits(struct naive_frames *naive, enum naive_property property, unsigned word, uint64_t bits, bool set)
{
    uint64_t *at = &naive->bits[property][word];
    uint64_t changed = set ? bits & ~*at : bits & *at;
    uint64_t change = set ? population(changed) : -(uint64_t)population(changed);
    *at ^= changed;
    naive->count[property] += change;
    if (property <= NAIVE_RETIRED) {
        struct naive_zone *zone = &naive->zones[naive->zone[word]];
        zone->total += change;
        zone->free += property == NAIVE_FREE ? change : 0;
    }
}

static void put(struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t count, bool set)
{
    unsigned word = word_of(naive, pfn);
    while (count != 0) {
        uint64_t here = min_u64(count, 64 - pfn % 64);
        put_bits(naive, property, word++, ones(here) << (pfn % 64), set);
        pfn += here;
        count -= here;
    }
}

void naive_give(struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t count)
{
    put(naive, property, pfn, count, true);
}

void naive_take(struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t count)
{
    put(naive, property, pfn, count, false);
}

/* The bits of the word that belong to [pfn, pfn + count), which does not end before it. */
static uint64_t inside(const struct naive_frames *naive, unsigned word, pfn_t pfn, uint64_t count)
{
    pfn_t first = naive->number[word] * 64;
    return ones(pfn + count - first) & (first < pfn ? ~ones(pfn - first) : UINT64_MAX);
}

uint64_t naive_having(const struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t count)
{
    uint64_t having = 0;
    for (unsigned word = word_of(naive, pfn); word < naive->words && naive->number[word] * 64 < pfn + count; word++) {
        having += population(naive->bits[property][word] & inside(naive, word, pfn, count));
    }
    return having;
}

bool naive_has(const struct naive_frames *naive, enum naive_property property, pfn_t pfn)
{
    unsigned word = word_of(naive, pfn);
    return is_word(naive, word, pfn / 64) && (naive->bits[property][word] >> (pfn % 64) & 1) != 0;
}

static uint64_t present(const struct naive_frames *naive, unsigned word)
{
    return naive->bits[NAIVE_FREE][word] | naive->bits[NAIVE_USED][word] | naive->bits[NAIVE_METADATA][word] |
           naive->bits[NAIVE_RETIRED][word];
}

uint64_t naive_managed(const struct naive_frames *naive, pfn_t pfn, uint64_t count)
{
    uint64_t managed = 0;
    for (unsigned word = word_of(naive, pfn); word < naive->words && naive->number[word] * 64 < pfn + count; word++) {
        managed += population(present(naive, word) & inside(naive, word, pfn, count));
    }
    return managed;
}

enum naive_property naive_state(const struct naive_frames *naive, pfn_t pfn)
{
    unsigned word = word_of(naive, pfn);
    if (is_word(naive, word, pfn / 64)) {
        for (unsigned property = NAIVE_FREE; property <= NAIVE_RETIRED; property++) {
            if ((naive->bits[property][word] >> (pfn % 64) & 1) != 0) {
                return (enum naive_property)property;
            }
        }
    }
    return NAIVE_PROPERTIES;
}

void naive_arrive(struct naive_frames *naive, pfn_t pfn, uint64_t count)
{
    for (unsigned word = word_of(naive, pfn); word < naive->words && naive->number[word] * 64 < pfn + count; word++) {
        uint64_t new = inside(naive, word, pfn, count) & ~present(naive, word);
        uint64_t bad = new & naive->bits[NAIVE_BAD][word];
        put_bits(naive, NAIVE_FREE, word, new & ~bad, true);
        put_bits(naive, NAIVE_RETIRED, word, bad, true);
        put_bits(naive, NAIVE_BAD, word, bad, false);
    }
}

void naive_show_hidden(struct naive_frames *naive)
{
    for (unsigned word = 0; word < naive->words && naive->count[NAIVE_HIDDEN] != 0; word++) {
        uint64_t hidden = naive->bits[NAIVE_HIDDEN][word];
        put_bits(naive, NAIVE_FREE, word, hidden, true);
        put_bits(naive, NAIVE_HIDDEN, word, hidden, false);
    }
}

pfn_t naive_next(const struct naive_frames *naive, enum naive_property property, pfn_t pfn)
{
    unsigned start = word_of(naive, pfn);
    bool is_there = naive->count[property] != 0 || property == NAIVE_KNOWN;
    for (unsigned i = 0; is_there && i <= naive->words; i++) {
        unsigned word = (start + i) % naive->words;
        uint64_t bits = naive->bits[property][word];
        if (i == 0 && is_word(naive, start, pfn / 64)) {
            bits &= ~ones(pfn % 64);
        }
        if (bits != 0) {
            return naive->number[word] * 64 + (unsigned)__builtin_ctzll(bits);
        }
    }
    return FRAMES_NONE;
}

pfn_t naive_at(const struct naive_frames *naive, uint64_t position)
{
    unsigned word = (unsigned)(position / 64 % naive->words);
    return naive_next(naive, NAIVE_KNOWN, naive->number[word] * 64 + position % 64);
}

uint64_t naive_stretch(const struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t most)
{
    uint64_t count = 0;
    unsigned word = word_of(naive, pfn);
    while (count < most && is_word(naive, word, (pfn + count) / 64)) {
        unsigned offset = (unsigned)((pfn + count) % 64);
        uint64_t absent = ~(naive->bits[property][word] >> offset);
        uint64_t here = absent == 0 ? 64 : (unsigned)__builtin_ctzll(absent);
        here = min_u64(here, 64 - offset);
        count += here;
        if (here < 64 - offset) {
            break;
        }
        word++;
    }
    return min_u64(count, most);
}

uint64_t naive_extent(const struct naive_frames *naive, pfn_t pfn)
{
    uint64_t used = naive_stretch(naive, NAIVE_USED, pfn, UINT64_MAX);
    unsigned word = word_of(naive, pfn);
    for (uint64_t count = 1; count < used;) {
        unsigned offset = (unsigned)((pfn + count) % 64);
        uint64_t starts = naive->bits[NAIVE_START][word + (pfn + count) / 64 - pfn / 64] >> offset;
        if (starts != 0) {
            return min_u64(used, count + (unsigned)__builtin_ctzll(starts));
        }
        count += 64 - offset;
    }
    return used;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

static bool crosses(const struct naive_request *request, pfn_t pfn)
{
    return request->boundary != 0 && pfn / request->boundary != (pfn + request->count - 1) / request->boundary;
}

bool naive_is_legal(const struct naive_frames *naive, const struct naive_request *request, pfn_t pfn)
{
    if (pfn < request->lo || pfn > request->hi || request->count > request->hi - pfn || pfn % request->align != 0 ||
        crosses(request, pfn) || naive_having(naive, NAIVE_FREE, pfn, request->count) != request->count) {
        return false;
    }
    for (unsigned word = word_of(naive, pfn); word < naive->words && naive->number[word] * 64 < pfn + request->count;
         word++) {
        if ((request->zones >> naive->zone[word] & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* The first place in the free run [first, end); both are powers of two, so beginning at a boundary ends the search. */
static pfn_t place_in(const struct naive_request *request, pfn_t first, pfn_t end)
{
    first = max_u64(first, request->lo);
    end = min_u64(end, request->hi);
    pfn_t at = align_up(first, request->align);
    while (at < end && request->count <= end - at) {
        if (!crosses(request, at)) {
            return at;
        }
        if (request->count > request->boundary) {
            break;
        }
        at = align_up(align_up(at + 1, request->boundary), request->align);
    }
    return FRAMES_NONE;
}

struct run_walk {
    pfn_t first, end; /* of the run that is open; empty: none */
};

/* Feed the next word of free bits. Return: whether a run was closed; closed then holds it (more may follow: call again with
 * the bits that are left). */
static bool walk_word(struct run_walk *walk, pfn_t base, uint64_t *bits, struct run_walk *closed)
{
    while (*bits != 0) {
        unsigned offset = (unsigned)__builtin_ctzll(*bits);
        if (walk->first != walk->end && walk->end != base + offset) {
            *closed = *walk;
            walk->first = walk->end;
            return true;
        }
        uint64_t clear = ~(*bits >> offset);
        unsigned length = clear == 0 ? 64 : (unsigned)__builtin_ctzll(clear);
        if (walk->first == walk->end) {
            walk->first = base + offset;
        }
        walk->end = base + offset + length;
        *bits &= ~(ones(length) << offset);
    }
    return false;
}

pfn_t naive_find(const struct naive_frames *naive, const struct naive_request *request)
{
    struct run_walk walk = {0, 0};
    struct run_walk closed;
    pfn_t place = FRAMES_NONE;
    for (unsigned word = word_of(naive, request->lo); word < naive->words && place == FRAMES_NONE; word++) {
        if (naive->number[word] * 64 >= request->hi) {
            break;
        }
        bool is_open = (request->zones >> naive->zone[word] & 1) != 0;
        uint64_t bits = is_open ? naive->bits[NAIVE_FREE][word] : 0;
        while (place == FRAMES_NONE && walk_word(&walk, naive->number[word] * 64, &bits, &closed)) {
            place = place_in(request, closed.first, closed.end);
        }
    }
    return place != FRAMES_NONE ? place : place_in(request, walk.first, walk.end);
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

static uint64_t count_run(const struct run_walk *run, uint64_t runs[64])
{
    uint64_t length = run->end - run->first;
    if (length != 0) {
        runs[63 - __builtin_clzll(length)]++;
    }
    return length;
}

/* property NAIVE_PROPERTIES: managed. */
uint64_t naive_count_runs(const struct naive_frames *naive, enum naive_property property, uint64_t runs[64])
{
    struct run_walk walk = {0, 0};
    struct run_walk closed;
    uint64_t longest = 0;
    memset(runs, 0, 64 * sizeof(*runs));
    for (unsigned word = 0; word < naive->words; word++) {
        uint64_t bits = property == NAIVE_PROPERTIES ? present(naive, word) : naive->bits[property][word];
        while (walk_word(&walk, naive->number[word] * 64, &bits, &closed)) {
            longest = max_u64(longest, count_run(&closed, runs));
        }
    }
    return max_u64(longest, count_run(&walk, runs));
}

uint64_t naive_spans(const struct naive_frames *naive)
{
    uint64_t spans = 0;
    uint64_t runs[64];
    (void)naive_count_runs(naive, NAIVE_PROPERTIES, runs);
    for (unsigned k = 0; k < 64; k++) {
        spans += runs[k];
    }
    return spans;
}

uint64_t naive_whole(const struct naive_frames *naive, unsigned zone, unsigned order)
{
    uint64_t words = 1ull << (order - 6);
    uint64_t whole = 0;
    for (unsigned word = 0; word < naive->words; word++) {
        uint64_t full = 0;
        if (naive->number[word] % words != 0) {
            continue;
        }
        while (full < words && is_word(naive, word + (unsigned)full, naive->number[word] + full) &&
               naive->bits[NAIVE_FREE][word + full] == UINT64_MAX && naive->zone[word + full] == zone) {
            full++;
        }
        whole += full == words;
    }
    return whole;
}
