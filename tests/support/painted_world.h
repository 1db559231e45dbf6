/* painted_world.h — random hostile memory maps in a small world, and what must come of every unit of it.
 *
 * A world is up to PAINTED_UNITS_MAX units of 1 KiB, four to a frame. The painter knows neither sorting nor merging nor
 * ranges: it loops over all units of all descriptors and claims.
 * Depends on: memmaps.h. Used by: tests/model/model_memmap_limine.c. */
#ifndef NEOMEM_TESTS_SUPPORT_PAINTED_WORLD_H
#define NEOMEM_TESTS_SUPPORT_PAINTED_WORLD_H

#include "tests/support/memmaps.h"

#define PAINTED_UNIT 1024ull
#define PAINTED_FRAME_UNITS 4u
#define PAINTED_UNITS_MAX 16384u
#define PAINTED_CLAIMS_MAX 4u
#define PAINTED_TYPES 21u
#define PAINTED_NOBODY UINT32_MAX
#define PAINTED_HOLE UINT8_MAX

struct painted_descriptor {
    unsigned type;         /* painted_type_index */
    uint8_t table_type;    /* Limine type by the table */
    uint8_t own_type;      /* the same after the attribute rules */
    uint32_t first, after; /* units */
};

struct painted_unit {
    uint16_t covered[PAINTED_TYPES]; /* by how many descriptors of the type */
    uint16_t guards;                 /* by how many that a framebuffer must not cover */
    uint32_t winner;                 /* the strictest descriptor */
    uint32_t chosen;                 /* the claim */
    uint8_t wanted;                  /* Limine type before the whole-frame rule */
};

struct world {
    uint64_t random; /* state */
    uint64_t base;
    uint32_t units;
    struct memmap_limine_input input;
    struct memmap_claim claims[PAINTED_CLAIMS_MAX];
    struct raw_map raw;
    struct painted_descriptor *descriptors;
    uint32_t descriptor_count; /* inside the world */
    uint64_t outside_trims;    /* of descriptors that are not: empty, wrapping */
    struct painted_unit *painted;
};

/* Make count descriptors and some claims from a seed. Free with world_free. */
void world_make(struct world *world, uint64_t seed, uint64_t count, uint32_t units);
void world_free(struct world *world);
/* Random number below limit. */
uint64_t world_below(struct world *world, uint64_t limit);

/* Paint everything. Return: bits of the claims that do not get all they ask for. */
uint64_t world_paint(struct world *world);

uint64_t world_address(const struct world *world, uint32_t unit);
/* Below MAXPHYADDR? */
bool world_is_reachable(const struct world *world, uint32_t unit);
/* Lost because usable and reclaimable memory comes in whole frames? */
bool world_is_cut_off(const struct world *world, uint32_t unit);
/* Row of an EFI type; PAINTED_TYPES for one that no world uses. */
unsigned painted_type_index(uint32_t efi_type);

#endif
