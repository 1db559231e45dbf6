/* world_internal.h — what building the machine (world.c), calling the allocator under the oracle's eyes (world_calls.c)
 * and judging (world_verdict.c) share: the oracle's notes. They are put back for each run, as the machine is.
 *
 * Depends on: world.h. Used by: tests/ilv/world*.c. */
#ifndef NEOMEM_TESTS_ILV_WORLD_INTERNAL_H
#define NEOMEM_TESTS_ILV_WORLD_INTERNAL_H

#include "world.h"

#define ARENA_BYTES ((uint64_t)WORLD_FRAMES * PAGE_SIZE)
#define RETIRED_MAX 8u
/* In owner[]: owner + 1, and whether an allocation starts here. */
#define NOBODY 0u
#define STARTS 0x80u

struct retired_frame {
    unsigned frame;
    uint32_t since; /* clock */
    bool was_pending;
};

struct world {
    struct world_shape shape;
    unsigned first_added;
    unsigned end; /* frame after the last that may ever be managed */
    uint8_t owner[WORLD_FRAMES];
    uint8_t managed[WORLD_FRAMES];
    struct retired_frame retired[RETIRED_MAX];
    unsigned retired_count;
    bool watches_retirement;
    uint32_t clock;
    const char *wrong;
};
extern struct world world;

static inline unsigned frame_of(phys_addr_t pa)
{
    return (unsigned)((pa - WORLD_BASE) >> PAGE_SHIFT);
}

/* The machine cannot be built: ends the program. */
void world_broken(const char *what) __attribute__((noreturn));
/* Return: whether judge(thorough) came to its end, without a panic. */
bool world_judges(void (*judge)(bool thorough), bool thorough);

#endif
