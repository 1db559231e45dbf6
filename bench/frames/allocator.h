/* allocator.h — the face that every page frame allocator shows to the benchmark.
 *
 * A frame is named by a number of 32 bits. An allocator owns nframes frames, all of them free after start. Nothing ever
 * touches the frames themselves, so that an arena of 1 TiB costs only the allocator's own metadata.
 *
 * Context: cpu is the caller's processor number, 0 … cpus-1. One number is used by one thread at a time, as in a kernel that
 * makes these calls with preemption off; nothing else is promised.
 * Depends on: types.h. Used by: bench/frames. */
#ifndef BENCH_FRAMES_ALLOCATOR_H
#define BENCH_FRAMES_ALLOCATOR_H

#include <neomem/types.h>

#define NO_FRAME UINT64_MAX
#define ORDER_2M 9u
#define FRAMES_IN_2M (1u << ORDER_2M)

struct frame_allocator {
    const char *name;

    /* An allocator for nframes frames and cpus processors. Metadata comes from pool_alloc or from where the allocator takes
     * it; either is dirty memory that the host has already mapped. Return: NULL when refused. */
    void *(*start)(uint64_t nframes, unsigned cpus);
    void (*stop)(void *self);

    /* 2^order frames, aligned to 2^order. Return: the first frame, or NO_FRAME. */
    uint64_t (*alloc)(void *self, unsigned cpu, unsigned order);
    /* count contiguous frames of any alignment. NULL: the allocator has no such call. */
    uint64_t (*alloc_run)(void *self, unsigned cpu, uint64_t count);
    /* Give back exactly what one of the two returned. Return: not 0 when the allocator can tell that the call is wrong. */
    int (*free)(void *self, unsigned cpu, uint64_t frame, uint64_t count);

    /* Frames that are free, cached ones included; callers quiet. */
    uint64_t (*free_frames)(void *self);

    /* The rest may be NULL. */

    /* Give back what is cached for any cpu; callers quiet. */
    void (*drain)(void *self);
    /* Self check; callers quiet. */
    bool (*is_sound)(void *self);
    /* Where names begin, and where they end; NULL: first_name + nframes. */
    uint64_t first_name;
    uint64_t (*name_limit)(void *self);
    /* NULL: what was taken from the pool. */
    uint64_t (*metadata_bytes)(void *self);
    /* Return: action(context), or 1 when the allocator stopped the program in it. NULL: it never does. */
    int (*attempt)(int (*action)(void *context), void *context);
};

extern const struct frame_allocator bitmap_naive;    /* bit by bit, from frame 0 */
extern const struct frame_allocator bitmap_next_fit; /* a word at a time, from where the last search ended */
extern const struct frame_allocator buddy_lock;      /* binary buddy, one lock */
extern const struct frame_allocator buddy_pcp;       /* the same behind per-CPU lists */
extern const struct frame_allocator neomem_default;  /* this project's, as it is configured by default */
extern const struct frame_allocator neomem_trust;    /* the same without checks: hardening level 0 */
extern const struct frame_allocator neomem_exact;    /* the same without caches: hardening level 2 */

/* ---- pool.c: metadata for the peers --------------------------------------------------------------------- */

/* Page-aligned memory with undefined contents, as RAM is at boot, in large host pages where the host has them. Ends the
 * program when there is none. Owner: the caller, until pool_reset. */
void *pool_alloc(uint64_t nbytes);
/* Everything is free again. */
void pool_reset(void);
/* Bytes taken since then. */
uint64_t pool_used(void);

#endif
