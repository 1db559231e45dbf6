/* frames_machine.h — random memory maps for the frame allocator's model test: what is there at the start, what comes later
 * with and without notice, nodes. Everything follows from a seed.
 *
 * Metadata goes to the largest usable region, which therefore lies in the arena and is present from the start; a region at
 * the 2^52 end can be managed but not touched. Depends on: frames.h, hosted.h. Used by: tests/model. */
#ifndef NEOMEM_TESTS_FRAMES_MACHINE_H
#define NEOMEM_TESTS_FRAMES_MACHINE_H

#include <neomem/frames.h>
#include <neomem/limine.h>

#define MACHINE_REGIONS_MAX 5200u
#define MACHINE_NODES_MAX 4u
#define MACHINE_CPUS_MAX 6u

enum machine_kind {
    MACHINE_ONE_REGION,
    MACHINE_HOLES,
    MACHINE_WINDOWS,       /* memory on both sides of 16 MiB and of 4 GiB */
    MACHINE_SHARED_CHUNKS, /* present, expected and unexpected memory side by side in 2 MiB chunks */
    MACHINE_NODES,         /* two to four nodes */
    MACHINE_SINGLE_FRAMES, /* 5,000 regions of one frame */
    MACHINE_MANY_REGIONS,  /* 5,000 regions */
    MACHINE_TOP,           /* up to the 2^52 end */
    MACHINE_LARGE,         /* room for 1 GiB frames */
    MACHINE_KINDS
};

struct machine_regions {
    uint64_t count;
    struct limine_memmap_entry entry[MACHINE_REGIONS_MAX];
};

struct frames_machine {
    enum machine_kind kind;
    struct machine_regions all;      /* usable, ascending: everything that will ever be memory */
    struct machine_regions present;  /* of all: given to frames_init */
    struct machine_regions expected; /* of all: announced, added later; reclaimable */
    bool is_small;                   /* all of it may be touched */
    unsigned nodes;
    struct frames_node_range range[2 * MACHINE_NODES_MAX];
    uint64_t ranges;
    uint8_t distance[MACHINE_NODES_MAX * MACHINE_NODES_MAX];
    uint8_t cpu_node[MACHINE_CPUS_MAX];
};

const char *machine_kind_name(enum machine_kind kind);
void machine_make(struct frames_machine *machine, enum machine_kind kind, uint64_t seed);

#endif
