/* frames_state.h — how the page frame allocator keeps its books.
 *
 * Ground truth: one bit a frame (1: not free here), 512 frames = one cache line of bits = one chunk of 2 MiB. After LLFree
 * (Wrenger et al., ATC 2023) in keeping bitmaps, lock-free; different in taking whole lines at once instead of counting.
 *
 *   state[chunk]  WHOLE     not divided: free when its `whole` bit is set, else handed out (or in transit) as one piece. Its
 *                           line of bits reads all ones; before it is claimed for the first time, the line is garbage.
 *                 SPLIT     the line of bits says which frames are free
 *                 ABSENT    no frame of it is managed
 *                 and flags EDGE (some frames are absent: their bits stay 1), BAD (some frames are retired or will be),
 *                 OWN (metadata). The fast paths know only chunks without flags.
 *   whole         set of chunks, 1: WHOLE and free. Clearing the bit claims the chunk.
 *   part          set of chunks, 1: SPLIT, look here for free bits. Whoever clears the bit looks through the line.
 *   room[chunk]   about how many bits are free; a hint for choosing the fullest, never trusted.
 *
 * Each CPU keeps frames of its own, whose bits are 1 in the map:
 *   stack         single frames freed last, reused first, with hash chains through the stack so that "is this frame on it?"
 *                 is answered exactly in O(1): the double-free check of the fast path
 *   hot, hot_2m   a frame, and a whole chunk, that wait to go out again at once
 *   lines         all free bits of one chunk at once: `alloc` for single frames, `run` for runs, `give` for what goes back
 * `busy` is set while the owner is inside: a nested interrupt or NMI then takes the shared path, which needs no owner. At
 * hardening level 2 and above it is always set.
 *
 * Rules:
 *  1 A frame is won by the read-modify-write that turns its bit from 0 to 1 and given back by the one that turns it from 1
 *    to 0. Undo clears exactly the bits that this caller set.
 *  2 A free chunk is won by the one that clears its `whole` bit; the winner fills its line with ones. So WHOLE -> SPLIT is one
 *    RMW for whoever comes first, and nobody ever waits for anybody (an NMI could wait for what it interrupted for ever).
 *  3 The line of a WHOLE chunk reads all ones: a late reader of a recycled chunk can win nothing.
 *  4 A SPLIT chunk with a free bit is in `part`, or somebody who made it so is about to put it there, or somebody who took it
 *    out is about to read its line.
 *  5 Becoming WHOLE: hold all 512 bits, then state SPLIT -> WHOLE by compare-and-swap (it fails when a flag came), then `whole`.
 *  6 A retired frame: BAD first, then the bit. Giving back: the bit first, then look for BAD. Winning: the bit first, then look
 *    for BAD: a frame may be retired between the free and the next allocation.
 *
 * Memory order. Frames change hands through read-modify-writes on their word (or `whole` bit), which are acquire and release:
 * what an owner wrote to a frame happens before what the next owner does. Store-load pairs that need sequential consistency
 * (each side writes one location, then reads the other's; with acquire/release alone both could read the old value):
 *    a  give back {clear bits; load part}          vs  open {clear part; load bits}            else: room nobody offers
 *    b  set add {set word; load summary}           vs  set search {clear summary; load word}   else: a chunk nobody finds
 *    c  give back {clear bits; load state}         vs  retire {set BAD; set bit}               else: a retired frame is reused
 *    d  last two frees {clear bits; load line} each                                            else: a free chunk stays SPLIT
 * Relaxed is enough for: hints (room, positions), the fast path's look at state and bit (the frame is the caller's: nobody
 * else changes them while it is), `stop` (noticed at the next allocation; whoever needs it at once orders it by other means).
 * Release/acquire: state = SPLIT after the line is written; the index pointer after the tables.
 *
 * Cost: one frame from the stack: no atomic; refill: at most 8 exchanges for all free frames of a chunk, none for a whole
 * one; give back: one RMW a word, none when the chunk becomes whole; 2 MiB: one RMW each way.
 * Metadata: 64 B + 1 B + 2 B + 2 bits (and their summaries) a chunk: 1.05 bits a frame; init writes 2.4 B a chunk. */
#ifndef NEOMEM_MM_FRAMES_STATE_H
#define NEOMEM_MM_FRAMES_STATE_H

#include "frames_atomic.h"
#include "frames_set.h"
#include "mm_internal.h"

#include <neomem/frames.h>
#include <neomem/memory.h>

#define CHUNK_FRAMES 512u
#define CHUNK_SHIFT 9u
#define CHUNK_WORDS 8u
#define WORD_FULL UINT64_MAX
#define PFN_NONE UINT64_MAX

enum {
    CHUNK_WHOLE = 0, /* so that WHOLE -> SPLIT only sets a bit, whatever flags come meanwhile */
    CHUNK_SPLIT = 1,
    CHUNK_ABSENT = 2,
    CHUNK_KIND = 0x0f, /* mask of the above */
    CHUNK_EDGE = 0x10,
    CHUNK_BAD = 0x20,
    CHUNK_OWN = 0x40, /* holds metadata of the allocator */
};

/* Retired frames of one chunk. Made at the first retirement, never given back. */
struct frames_bad {
    atomic_word retired[CHUNK_WORDS]; /* 1: out of use, or to be when freed */
    atomic_word out[CHUNK_WORDS];     /* 1: out of use: the frame's bit in the map is 1 and stays it */
};

struct frames_bad_chunk {
    pfn_t base;
    struct frames_bad *frames;
};

/* One block of metadata; made by frames_init, and for each addition that has chunks of its own. Never goes away. */
struct frames_arena {
    atomic_word *map;
    atomic_byte *state;
    atomic_count *room;
    struct frames_set whole, part;
    uint64_t chunks;
    void *records; /* of hardening level 3 (frames_guard.c); NULL: none */
};

/* Chunks in a row, of one node and window. Never shrinks. */
struct frames_span {
    pfn_t base;       /* first frame, chunk-aligned */
    uint64_t nframes; /* a multiple of CHUNK_FRAMES */
    struct frames_arena *arena;
    uint64_t chunk; /* index of the first one in the arena */
    uint8_t node;
    uint8_t window;
};

/* Frames that are managed, exactly. */
struct frames_region {
    pfn_t base;
    uint64_t nframes;
};

/* A place to look for memory: chunks [first, end) of an arena, all of one node and window. */
struct frames_zone {
    struct frames_arena *arena;
    uint64_t first, end;
    uint64_t first_span, end_span; /* of the layout */
    uint8_t node;
    uint8_t window;
};

/* Where memory is. Immutable: a new one is made and published when chunks are added or nodes change; old ones stay, because
 * somebody may still be reading them (they are small, and such changes rare). */
struct frames_layout {
    const struct frames_span *spans; /* ascending, disjoint */
    uint64_t span_count;
    const struct frames_zone *zones; /* ascending */
    uint64_t zone_count;
    const uint32_t *order; /* order[node * zone_count + i]: zones in that node's order of preference */
    unsigned nodes;
};

/* What frames are managed, retired, metadata: asked only for chunks with EDGE or BAD, for reports and by changes. Two copies
 * take turns (frames_book.c). */
struct frames_book {
    struct frames_region *regions; /* ascending, apart */
    uint64_t region_count, region_capacity;
    struct frames_region *metadata; /* ascending */
    uint64_t metadata_count, metadata_capacity;
    struct frames_bad_chunk *bad; /* ascending */
    uint64_t bad_count, bad_capacity;
};

/* Where a frame's books are. */
struct frames_place {
    pfn_t base; /* first frame of the chunk */
    struct frames_arena *arena;
    uint64_t chunk;
    uint8_t node, window;
};

struct frames_line {
    struct frames_place place;  /* base PFN_NONE: the line is empty */
    unsigned at;                /* alloc: no bit is set in a word before this one; run: where the last run ended */
    unsigned count;             /* give: frames in it */
    uint64_t free[CHUNK_WORDS]; /* 1: ours to hand out */
};

#define CPU_STACK_MAX 1024u
#define CPU_HASH_BITS 12u
#define CPU_SEEN 64u

struct frames_cpu {
    /* What the fast paths touch comes first. */
    uint8_t busy;        /* the owner is inside, or caches are off */
    atomic_byte stop;    /* somebody wants this cache drained */
    uint8_t is_trusting; /* hardening level 0: the stack is not threaded, nothing is checked */
    uint32_t held;       /* frames on the stack */
    uint32_t capacity;   /* of it now: 0 while frames come back in masses */
    uint32_t capacity_full;
    uint32_t overflow; /* frees past the full stack since the last refill */
    phys_addr_t hot;   /* a frame that came back right after it had been handed out; FRAMES_NONE: none */
    phys_addr_t last;  /* the frame handed out last, while this CPU has not got it back; FRAMES_NONE: unknown */
    uint64_t mine;     /* bit (chunk % 64) for the run and the give line */
    /* The span that frames are freed into without a search; only of the own node and its main window. */
    pfn_t span_base;
    uint64_t span_frames;
    atomic_byte *span_state;
    atomic_word *span_map;
    uint8_t seen[CPU_SEEN]; /* by chunk % CPU_SEEN: whether such a frame may be on the stack */
    struct frames_line alloc, run, give;
    pfn_t give_base; /* chunk of the last frame that found the stack full; more of it go into the give line */
    struct frames_place span_place; /* of the span's first chunk */
    int64_t taken;                  /* frames that left the shared map through this CPU, less those that came back */
    uint32_t number;
    uint32_t node;
    phys_addr_t hot_2m;                   /* a whole chunk that came back last; FRAMES_NONE: none */
    uint64_t part_at, whole_at;           /* where the last search ended */
    phys_addr_t stack[CPU_STACK_MAX + 1]; /* from 1 on; [0] is no frame, so that a look at it finds nothing */
    uint16_t next[CPU_STACK_MAX + 1];     /* the next older frame of the same hash; 0: none */
    uint16_t head[1u << CPU_HASH_BITS];   /* the newest one */
} NEO_ALIGNED(128);

#define FRAMES_CPUS_MAX 4096u
#define FRAMES_NODES_MAX 256u

struct frames_allocator {
    const struct frames_layout *_Atomic layout;
    const struct frames_book *_Atomic book;
    _Atomic uint64_t book_changes;
    struct frames_book *books[2]; /* the published one and the other */
    uint8_t *spare_metadata;      /* rest of the last metadata frames */
    uint64_t spare_bytes;
    struct frames_cpu **cpus;
    unsigned cpu_count;
    unsigned node_count;
    unsigned hardening;
    const struct frames_node_range *node_ranges;
    uint64_t node_range_count;
    const uint8_t *distance; /* node_count * node_count */
    const uint8_t *cpu_node; /* cpu_node_count entries */
    unsigned cpu_node_count;
    atomic_word total;                       /* managed frames */
    atomic_word metadata;                    /* of total */
    atomic_word retired;                     /* of total, out of use */
    atomic_word reserve;                     /* of total: what the page pool holds (frames_note_reserve) */
    atomic_word taken;                       /* as in frames_cpu, for calls without a cache */
    _Atomic unsigned top_window;             /* the highest one that has memory */
    atomic_word window_free[FRAMES_WINDOWS]; /* kept below the top window only */
    uint64_t window_reserve[FRAMES_WINDOWS];
    phys_addr_t direct_map_end; /* frames from here on are never touched */
    atomic_word hint;           /* where the last search without a cache ended */
    atomic_word interleave;     /* whose turn it is */
    bool is_injecting;
    bool inject_for_ever;
    uint64_t inject_successes, inject_attempts;
    frames_log_fn log;
    struct spinlock change_lock; /* layout, book, growth, retirement */
    struct spinlock inject_lock;
};
/* Its state, one for all files of the allocator; defined in frames.c. */
extern struct frames_allocator *const frames_self;
#define frames_ (*frames_self)

/* ---- bits ------------------------------------------------------------------------------------------- */

static inline unsigned low_bit(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

static inline uint64_t low_ones(uint64_t count)
{
    return count >= 64 ? WORD_FULL : (1ull << count) - 1;
}

/* No popcnt in the baseline instruction set, and no library call in the kernel. Warren, Hacker's Delight, 5-1. */
static inline unsigned count_bits(uint64_t word)
{
    word = word - ((word >> 1) & 0x5555555555555555ull);
    word = (word & 0x3333333333333333ull) + ((word >> 2) & 0x3333333333333333ull);
    return (unsigned)((((word + (word >> 4)) & 0x0f0f0f0f0f0f0f0full) * 0x0101010101010101ull) >> 56);
}

static inline atomic_word *chunk_line(const struct frames_arena *arena, uint64_t chunk)
{
    return &arena->map[chunk * CHUNK_WORDS];
}

/* Reads what another CPU may be writing: for figures and reports, exact while nobody else is inside. */
#define FRAMES_READS_OTHERS __attribute__((no_sanitize("thread")))

static inline void room_take(struct frames_arena *arena, uint64_t chunk, unsigned frames)
{
    unsigned room = count_load(&arena->room[chunk]);
    count_store(&arena->room[chunk], (uint16_t)(room > frames ? room - frames : 0));
}

static inline void room_add(struct frames_arena *arena, uint64_t chunk, unsigned frames)
{
    count_store(&arena->room[chunk], (uint16_t)(count_load(&arena->room[chunk]) + frames));
}

#endif
