/* world.h — a machine of a few chunks for the interleaving checker, and the oracle that watches over it.
 *
 *   WORLD_BASE (above 4 GiB)                                                          metadata: end of the last chunk
 *      | chunk 0 | chunk 1 | …  chunks, whole                    | one more chunk, its rest kept in use |
 *      | expected chunks: not managed until added ...                                                  |
 *
 * The machine is built once for a scenario and put back by copying for each run: the program's writable data, the
 * allocator's metadata. What the frames contain is not put back, as on a real machine.
 *
 * The oracle's notes: who owns each frame, which are retired, which are managed. A frame with two owners, a frame
 * handed out that is retired, metadata or not managed, a correct free refused, a frame lost: each is `world_wrong`.
 *
 * Depends on: schedule.h, frames.h. Used by: tests/ilv. */
#ifndef NEOMEM_TESTS_ILV_WORLD_H
#define NEOMEM_TESTS_ILV_WORLD_H

#include "schedule.h"

#include <neomem/frames.h>
#include <neomem/types.h>

#define WORLD_BASE GIB(8)
#define WORLD_CHUNKS 12u
#define WORLD_FRAMES (WORLD_CHUNKS * FRAMES_2M)
#define WORLD_CPUS 3u
#define OWNER_FILLER 7u /* owner of what is just in use */

struct world_shape {
    unsigned chunks;       /* managed from the start, whole */
    unsigned added_chunks; /* that may be added later, above all others */
    unsigned cpu_slots;    /* 1 … WORLD_CPUS; the other CPUs work without caches */
    unsigned hardening;
    bool expects_added; /* metadata for them exists from the start */
    unsigned spare;     /* frames of the metadata's chunk that stay free, for what grows */
};

/* Build the machine; the rest of the metadata's chunk is taken by OWNER_FILLER. Ends the program when it cannot. */
void world_build(const struct world_shape *shape);
/* Remember the machine as it is now; put it back. */
void world_save(void);
void world_restore(void);

/* A second, later moment to come back to; after world_learn (called when a call has ended) with what that call made
 * metadata, too. */
void world_learn(void);
void world_checkpoint(void);
void world_rewind(void);

/* Address of a frame, counted from the start of chunk 0. */
static inline phys_addr_t world_pa(unsigned frame)
{
    return WORLD_BASE + frame * PAGE_SIZE;
}
/* First chunk of those that can be added. */
unsigned world_first_added(void);

/* ---- calls under the oracle's eyes; owner: thread, or OWNER_FILLER ---------------------------------------- */

/* Return: what the allocator returned. */
phys_addr_t world_alloc_one(unsigned owner);
phys_addr_t world_alloc_2m(unsigned owner);
phys_addr_t world_alloc(unsigned owner, const struct frames_request *request);
/* Exactly these frames. */
void world_take(unsigned owner, unsigned frame, unsigned count);
/* The same; out of what OWNER_FILLER has there, when it has all of it. */
void world_claim(unsigned owner, unsigned frame, unsigned count);
/* OWNER_FILLER takes whatever is free in [first, end). */
void world_fill(unsigned first, unsigned end);
/* What an owner holds goes back; all of it must be that owner's. */
void world_free(unsigned owner, phys_addr_t pa, unsigned count);
/* A frame, whoever has it and whether or not it is free already. */
void world_free_again(unsigned frame);
/* world_retire will be called: every allocation's time matters from now on. */
void world_watch_retirement(void);
void world_retire(phys_addr_t pa);
void world_add(unsigned chunk);
void world_remove(unsigned chunk);
/* Somebody else answers for these frames from now on. */
void world_hand_over(unsigned owner, unsigned frame, unsigned count);

/* An allocation that may not fail did. */
void world_expect_memory(phys_addr_t pa);
/* How many frames from `frame` on an owner holds in a row. */
unsigned world_owned(unsigned owner, unsigned frame);

/* ---- verdict ---------------------------------------------------------------------------------------------- */

/* Note what is wrong; the first one stays. */
void world_fault(const char *what);
/* Everything goes back, every CPU drains; then the books must balance. thorough: and every frame must be there to be
 * had again. Return: what is wrong, or NULL. */
const char *world_verdict(bool thorough);
/* What came of a run, in one number: who has which frame, what is managed and retired. */
uint64_t world_outcome(void);
/* Called right before each call of the allocator that these functions make (NULL: nobody). Others say world_enter
 * first. */
void world_on_enter(void (*hook)(void));
void world_enter(void);
/* Called when a panic happens outside schedule_run; does not return. NULL: ends the program. */
void world_on_panic(void (*handler)(void));
/* Text of the last panic. */
const char *world_panic_text(void);

#endif
