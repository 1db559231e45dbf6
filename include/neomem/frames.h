/* frames.h — the page frame allocator below allocate_page and its relatives (memory.h).
 *
 * One bit a frame, 512 frames (2 MiB, one cache line of bits) a chunk, lock-free; per-CPU caches in front. Theory,
 * invariants and memory orders: kernel/mm/frames_state.h and docs/frames.md.
 *
 * Addresses are physical; counts, alignments and boundaries are in 4 KiB frames; windows are half-open [lo_pa, hi_pa).
 * Windows of the machine: below 16 MiB, below 4 GiB, the rest. Where nothing else is asked for, memory comes from the
 * caller's node, then by distance; from the highest window, the low ones last and never their reserve.
 *
 * Locking: none inside the allocation paths; adding, removing and retiring serialise on one lock. Context: any CPU, any
 * interrupt level, NMI (not: frames_add*, frames_remove, frames_retire, frames_set_*). The caller must not move to
 * another CPU within a call. Exactness: figures and frames_check are exact while no other CPU is inside.
 * Failure, three kinds: no memory or an impossible request returns FRAMES_NONE, with nothing changed; our caller's bugs
 * (double free, foreign or unaligned address, wrong range) panic with address, caller and what is known of the owner.
 * Depends on: types.h, limine.h, status.h. Used by: kernel/mm, kernel/diag, kernel/shell, kernel/main.c. */
#ifndef NEOMEM_FRAMES_H
#define NEOMEM_FRAMES_H

#include <neomem/compiler.h>
#include <neomem/limine.h>
#include <neomem/status.h>
#include <neomem/types.h>

#define FRAMES_NONE UINT64_MAX     /* no frame: physical address 0 may be a usable one */
#define FRAMES_ANYWHERE UINT64_MAX /* as hi_pa: no upper limit */
#define FRAMES_2M 512u             /* frames in a 2 MiB frame */
#define FRAMES_1G 262144u          /* frames in a 1 GiB frame */

/* ---- start ------------------------------------------------------------------------------------------ */

/* Start with the usable entries of map (those of another type are passed over; ascending, whole frames, disjoint).
 * Metadata comes from early.h, which is active before and retired after. map is only read during the call.
 * Return: NEO_ERR_NO_MEMORY when no usable memory or not enough for the metadata, NEO_ERR_INVALID when map breaks the
 * rules; nothing is started then. Called once (tests: again after early_init). One CPU until frames_set_cpus.
 * Cost: O(entries + chunks); no bitmap is written but for chunks that are not wholly usable. */
enum neo_status frames_init(const struct limine_memmap_entry *map, uint64_t count) NEO_NODISCARD;

/* The same, with metadata for memory that frames_add will bring later: the entries of type LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE of
 * expected, others are passed over; same rules, disjoint from map's usable ones. Adding them later costs no metadata. */
enum neo_status frames_init_expecting(const struct limine_memmap_entry *map, uint64_t count,
                                      const struct limine_memmap_entry *expected,
                                      uint64_t expected_count) NEO_NODISCARD;

/* Per-CPU caches for CPU numbers 0 … cpus-1 (at least 1; shrinking is not supported). A CPU without one works, slower.
 * Return: NEO_ERR_NO_MEMORY, nothing changed then. Context: one CPU inside the allocator. */
enum neo_status frames_set_cpus(unsigned cpus) NEO_NODISCARD;

struct frames_node_range {
    phys_addr_t base;
    uint64_t nbytes;
    unsigned node; /* 0 … nodes-1 */
};
/* Nodes of the machine. ranges: sorted, disjoint, may reach far beyond the memory there is (only what is managed counts);
 * what no range covers belongs to node 0. distance: nodes * nodes bytes, row by row, as SLIT has them (10 = local; smaller
 * is nearer); NULL: all others equally far. cpu_node: node of each CPU number, cpus entries; NULL: all on node 0.
 * Everything is copied. Until called: one node. Return: NEO_ERR_INVALID, NEO_ERR_NO_MEMORY; nothing changed then.
 * Context: one CPU inside the allocator. */
enum neo_status frames_set_nodes(const struct frames_node_range *ranges, uint64_t count, unsigned nodes,
                                 const uint8_t *distance, const uint8_t *cpu_node, unsigned cpus) NEO_NODISCARD;

/* ---- allocation ------------------------------------------------------------------------------------- */

enum {
    FRAMES_ZEROED = 1u << 0,      /* contents all zero; else undefined */
    FRAMES_ATOMIC = 1u << 1,      /* do not ask other CPUs to give up their caches */
    FRAMES_USE_RESERVE = 1u << 2, /* may take the reserve of the low windows */
    FRAMES_BIND = 1u << 3,        /* only from the node asked for */
    FRAMES_INTERLEAVE = 1u << 4,  /* nodes take turns; node is ignored */
};
#define FRAMES_THIS_NODE UINT32_MAX /* as node: that of the CPU */

struct frames_request {
    uint64_t count;    /* contiguous frames, >= 1 */
    uint64_t align;    /* of the first frame's number; a power of two, 0 means 1 */
    phys_addr_t lo_pa; /* window; shrinks to whole frames */
    phys_addr_t hi_pa; /* FRAMES_ANYWHERE: no limit */
    uint64_t boundary; /* a power of two: no frame number that is a multiple of it lies inside the run; 0: none */
    unsigned node;     /* preferred; FRAMES_THIS_NODE */
    unsigned flags;    /* FRAMES_* */
};
#define FRAMES_REQUEST(frames) \
    { \
        .count = (frames), .align = 1, .hi_pa = FRAMES_ANYWHERE, .node = FRAMES_THIS_NODE \
    }

/* Return: physical address of the first frame; FRAMES_NONE when an argument is outside its range or there is no such run
 * (this CPU's cache is drained before it fails; the others are asked to drain, and are not waited for). Owner: the caller, until frames_free.
 * Refused arguments leave one line in the log (frames_set_log). Cost: O(1) for one frame, for at most 512 and for whole
 * chunks while there is room; O(chunks) when nearly full or when constrained. */
phys_addr_t frames_alloc_request(const struct frames_request *request) NEO_NODISCARD;

/* The same on behalf of caller, whose address log and records name. */
phys_addr_t frames_alloc_request_for(const struct frames_request *wanted, const void *caller) NEO_NODISCARD;

/* count frames whose first frame number is a multiple of align_frames, inside the window. */
phys_addr_t frames_alloc(uint64_t count, uint64_t align_frames, phys_addr_t lo_pa, phys_addr_t hi_pa) NEO_NODISCARD;

/* One frame; one 2 MiB frame (2 MiB aligned); one 1 GiB frame. The fast paths. */
phys_addr_t frames_alloc_one(void) NEO_NODISCARD;
phys_addr_t frames_alloc_2m(void) NEO_NODISCARD;
phys_addr_t frames_alloc_1g(void) NEO_NODISCARD;

/* count frames from pa on, all of them allocated before; any part of an allocation may go back on its own (from hardening
 * level 3 on only whole allocations). Cost: O(1) for one frame and for each chunk touched. */
void frames_free(phys_addr_t pa, uint64_t count);
/* The same on behalf of caller, whose address a panic names. */
void frames_free_for(phys_addr_t pa, uint64_t count, const void *caller);

/* Give this CPU's cached frames back to everybody. Context: as frames_free. */
void frames_drain(void);
/* The same, and every other CPU drains at its next allocation; a CPU in the idle loop calls frames_drain before. */
void frames_drain_all(void);

/* ---- what a frame is -------------------------------------------------------------------------------- */

enum frames_state {
    FRAMES_STATE_FOREIGN, /* no memory of this allocator */
    FRAMES_STATE_FREE,    /* also: in the cache of a CPU */
    FRAMES_STATE_ALLOCATED,
    FRAMES_STATE_METADATA, /* the allocator's own */
    FRAMES_STATE_RETIRED,  /* never handed out again */
};
const char *frames_state_name(enum frames_state state);

struct frames_owner {
    enum frames_state state;
    int cached_by;    /* CPU whose cache holds it; -1: none */
    bool is_retiring; /* in use, and retired as soon as it is freed */
    unsigned node;
    const void *allocated_by; /* callers, recorded at hardening level 3; NULL: unknown */
    const void *freed_by;
};
/* All that is known about the frame that contains pa. Cost: O(log spans + cached frames). */
void frames_query(phys_addr_t pa, struct frames_owner *owner);
enum frames_state frames_state(phys_addr_t pa);
/* Whether the frame at pa is in use by a caller of this interface. */
bool frames_is_allocated(phys_addr_t pa);

/* ---- memory that comes and goes ------------------------------------------------------------------------ */

/* Manage the usable entries of map too (rules as in frames_init): frames that are managed already stay as they are, the
 * others arrive free (but for retired ones, which stay retired). New metadata, where some is needed, comes from the old
 * memory, else from the new. One CPU inside when the memory is the first in a window above all others.
 * Return: NEO_ERR_INVALID, NEO_ERR_NO_MEMORY; nothing changed then. Cost: O(entries + chunks touched). */
enum neo_status frames_add(const struct limine_memmap_entry *map, uint64_t count) NEO_NODISCARD;
/* One range; pa and nbytes whole frames. */
enum neo_status frames_add_range(phys_addr_t pa, uint64_t nbytes) NEO_NODISCARD;

/* Stop managing [pa, pa + nbytes), whole frames, all of them managed and free (or retired): no call returns them until they
 * are added again. Return: NEO_ERR_INVALID (not whole frames, not all managed, or metadata), NEO_ERR_NO_MEMORY, NEO_ERR_EXISTS (some frame in use, or in
 * the cache of a CPU that did not give it up in time); nothing changed then. */
enum neo_status frames_remove(phys_addr_t pa, uint64_t nbytes) NEO_NODISCARD;

/* Retire the frame that contains pa: from the return on no call returns it. In use: its owner keeps it, and its free retires
 * it; *pending is then true (also for a frame in the cache of another CPU, which retires it at its next allocation). Retiring twice is no error. Works on frames inside 2 MiB and 1 GiB frames too.
 * Return: NEO_ERR_NOT_FOUND (foreign), NEO_ERR_INVALID (metadata), NEO_ERR_NO_MEMORY. pending may be NULL. */
enum neo_status frames_retire(phys_addr_t pa, bool *pending) NEO_NODISCARD;
/* The index-th retired (or retiring) frame, of memory that was removed, too, ascending; FRAMES_NONE past the end. For lists and reports. */
phys_addr_t frames_retired_at(uint64_t index);

/* ---- hardening -------------------------------------------------------------------------------------- */

/* 0 trust: frees are not checked. 1 (default): double and wild frees are noticed at once on the same CPU, at the latest on
 * write-back from another one. 2: exact on every CPU at once (but for two frees of one frame that overlap in time); no caches. 3: also frees of another count or from the middle of
 * an allocation, writes to free frames (poison, verified on allocation; only of frames in the direct map), a quarantine that
 * delays reuse, and the last owner by name.
 * Return: NEO_ERR_RANGE, NEO_ERR_NO_MEMORY (level 3 needs metadata). Frames allocated before level 3 are exempt from its
 * checks. Context: one CPU inside. */
enum neo_status frames_set_hardening(unsigned level) NEO_NODISCARD;
unsigned frames_hardening(void);

/* Frames at or above this address are not in the direct map: hardening level 3 does not poison them. Default: all are. */
void frames_set_direct_map_end(phys_addr_t end);

/* log is called with one line of text for each refused request (NULL: nobody). mm never prints by itself. Return: who was before. */
typedef void (*frames_log_fn)(const char *text);
frames_log_fn frames_set_log(frames_log_fn log);

/* ---- figures ---------------------------------------------------------------------------------------- */

struct frames_stats {
    uint64_t total;     /* frames under management, metadata and retired ones included */
    uint64_t free;      /* what frames_alloc can give out, cached ones included */
    uint64_t reserve;   /* held by the page pool for frames_alloc_reserved (frames_pool.h) */
    uint64_t allocated; /* in use by callers */
    uint64_t metadata;  /* frames of this allocator and of early.h */
    uint64_t retired;   /* never handed out again; those that wait for their owner are not in it */
    uint64_t cached;    /* of free: in the caches of CPUs */
    uint64_t spans;     /* maximal runs of managed frames */
};
/* Always: total = free + reserve + allocated + metadata + retired. Cost: O(CPUs). */
void frames_get_stats(struct frames_stats *stats);

enum frames_window { FRAMES_WINDOW_16M, FRAMES_WINDOW_4G, FRAMES_WINDOW_HIGH, FRAMES_WINDOWS };
unsigned frames_nodes(void);

struct frames_zone_stats {
    uint64_t total;   /* frames of that node in that window */
    uint64_t free;    /* cached ones included */
    uint64_t free_2m; /* wholly free, aligned 2 MiB frames (in no cache) */
    uint64_t free_1g;
    uint64_t reserve; /* of free: not for general requests */
};
/* One node's part of one window; node UINT32_MAX: all nodes. Cost: O(chunks of it). */
void frames_get_zone_stats(unsigned node, enum frames_window window, struct frames_zone_stats *stats);

/* runs[k]: number of maximal free runs of 2^k … 2^(k+1)-1 frames in the shared bitmap (drain first for all of it).
 * Return: the longest run. Cost: O(bitmap). */
uint64_t frames_count_free_runs(uint64_t runs[64]);

/* Longest run of free frames that frames_alloc could give out now: in one window, and not into its reserve. Drains this CPU's cache. Cost: O(bitmap). */
uint64_t frames_longest_free_run(void);

struct frames_chunk_info {
    phys_addr_t base; /* 2 MiB aligned */
    uint16_t present; /* frames of it that are managed */
    uint16_t free;    /* in the shared bitmap */
    uint16_t retired; /* those that wait for their owner included */
    bool is_whole;    /* handed out or free as one 2 MiB frame */
    bool has_metadata;
    unsigned node;
};
/* Call visit for each chunk with a managed frame, ascending. visit must not allocate or free. Cost: O(chunks). */
void frames_for_each_chunk(void (*visit)(void *context, const struct frames_chunk_info *chunk), void *context);

/* Call visit for each managed run of frames, ascending. visit must not call this interface. */
void frames_for_each_span(void (*visit)(void *context, phys_addr_t base, uint64_t nbytes), void *context);

/* Whether all invariants hold (states, summaries, counters, caches, regions); callers quiet. Cost: O(bitmap). */
enum neo_status frames_check(void) NEO_NODISCARD;

/* Fault injection for tests: after `successes` more successful allocations the next one fails,
 * or with for_ever all that follow. successes UINT64_MAX: off. Return: how many allocations succeeded or were refused
 * since the last call (counted only while injection is on). Caches are off meanwhile. Context: one CPU inside. */
uint64_t frames_inject_failure(uint64_t successes, bool for_ever);

#endif
