/* naive_frames.h — the reference that the frame allocator is compared with: one bit a frame for each thing that can be
 * true of it, and linear search. It places nothing itself; it says whether a placement is legal and whether there is one.
 *
 * Only frames of the machine's universe (everything that will ever be memory in this test) have bits. Words hold 64 frames
 * whose numbers start at a multiple of 64, so alignment and neighbourhood can be read off; words of holes do not exist.
 * Counts are in frames, addresses are frame numbers. One thread. Depends on: frames.h. Used by: tests/model. */
#ifndef NEOMEM_TESTS_NAIVE_FRAMES_H
#define NEOMEM_TESTS_NAIVE_FRAMES_H

#include <neomem/frames.h>
#include <neomem/limine.h>
#include <neomem/types.h>

#define NAIVE_WORDS_MAX 32768u
#define NAIVE_NODES_MAX 4u
#define NAIVE_ZONES (NAIVE_NODES_MAX * FRAMES_WINDOWS)

/* What a frame can be; the first four exclude each other, none of them: not managed now. */
enum naive_property {
    NAIVE_FREE,
    NAIVE_USED,
    NAIVE_METADATA,
    NAIVE_RETIRED,
    NAIVE_RETIRING, /* used, retired when it comes back */
    NAIVE_HARDENED, /* used, and allocated at hardening level 3 */
    NAIVE_START,    /* used, first frame of what was allocated or left of it */
    NAIVE_BAD,      /* was retired and then removed: retired again when it is added */
    NAIVE_HIDDEN,   /* would be free, but another CPU has it in its cache; only while that matters */
    NAIVE_KNOWN,    /* of the universe */
    NAIVE_PROPERTIES
};

struct naive_zone {
    uint64_t total;
    uint64_t free;
};

struct naive_frames {
    unsigned words;
    pfn_t number[NAIVE_WORDS_MAX]; /* frame number / 64, ascending */
    uint64_t bits[NAIVE_PROPERTIES][NAIVE_WORDS_MAX];
    uint8_t zone[NAIVE_WORDS_MAX]; /* node * FRAMES_WINDOWS + window; nodes end at multiples of 64 frames here */
    uint64_t count[NAIVE_PROPERTIES];
    struct naive_zone zones[NAIVE_ZONES];
    uint64_t universe; /* frames */
};

/* Start with the frames of regions (ascending, disjoint, whole frames), none of them managed, all on node 0.
 * Return: false when there are too many. */
bool naive_init(struct naive_frames *naive, const struct limine_memmap_entry *regions, uint64_t count);

/* Frames [pfn, pfn + count) belong to node. */
void naive_set_node(struct naive_frames *naive, pfn_t pfn, uint64_t count, unsigned node);
unsigned naive_node(const struct naive_frames *naive, pfn_t pfn);
static inline enum frames_window naive_window(pfn_t pfn)
{
    return pfn < MIB(16) >> PAGE_SHIFT  ? FRAMES_WINDOW_16M
           : pfn < GIB(4) >> PAGE_SHIFT ? FRAMES_WINDOW_4G
                                        : FRAMES_WINDOW_HIGH;
}

/* Give or take a property of all of [pfn, pfn + count), which lies in the universe. */
void naive_give(struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t count);
void naive_take(struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t count);

/* How many of [pfn, pfn + count) have it; the range may leave the universe. */
uint64_t naive_having(const struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t count);
bool naive_has(const struct naive_frames *naive, enum naive_property property, pfn_t pfn);
/* Which of the first four the frame is; NAIVE_PROPERTIES: none, not memory now. */
enum naive_property naive_state(const struct naive_frames *naive, pfn_t pfn);
/* All of [pfn, pfn + count) that is of the universe is memory from now on; what is new is free, or retired as it was before. */
void naive_arrive(struct naive_frames *naive, pfn_t pfn, uint64_t count);
/* Everything hidden is free again. */
void naive_show_hidden(struct naive_frames *naive);
/* How many of [pfn, pfn + count) are memory now. */
uint64_t naive_managed(const struct naive_frames *naive, pfn_t pfn, uint64_t count);

/* The first frame from pfn on (around the end) with that property; FRAMES_NONE when there is none. */
pfn_t naive_next(const struct naive_frames *naive, enum naive_property property, pfn_t pfn);
/* The frame at a position between 0 and universe - 1, ascending (approximately even for large steps). */
pfn_t naive_at(const struct naive_frames *naive, uint64_t position);

/* Frames from pfn on that are used and belong to the same allocation, at least 1. */
uint64_t naive_extent(const struct naive_frames *naive, pfn_t pfn);
/* Frames from pfn on that have the property, at most `most`. */
uint64_t naive_stretch(const struct naive_frames *naive, enum naive_property property, pfn_t pfn, uint64_t most);

struct naive_request {
    uint64_t count;
    uint64_t align;    /* >= 1 */
    pfn_t lo, hi;      /* [lo, hi) */
    uint64_t boundary; /* 0: none */
    uint32_t zones;    /* bit mask of the zones that may be used */
};
/* Whether [pfn, pfn + count) keeps the request's rules and is free. */
bool naive_is_legal(const struct naive_frames *naive, const struct naive_request *request, pfn_t pfn);
/* Some legal place; FRAMES_NONE when there is none. */
pfn_t naive_find(const struct naive_frames *naive, const struct naive_request *request);

/* As frames_count_free_runs. */
uint64_t naive_count_runs(const struct naive_frames *naive, enum naive_property property, uint64_t runs[64]);
/* Maximal runs of managed frames. */
uint64_t naive_spans(const struct naive_frames *naive);
/* Wholly free aligned runs of 2^order frames in a zone (order >= 6). */
uint64_t naive_whole(const struct naive_frames *naive, unsigned zone, unsigned order);

#endif
