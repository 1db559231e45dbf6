/* explore.h — every schedule of a scene with at most so many preemptions.
 *
 * Depth first, each schedule run from the start. Of schedules that differ only in the order of independent transitions
 * one is run: preempting a thread right before a transition that shares nothing with what the others do in the pause
 * gives the same as preempting it right after (the transitions commute), so going backwards over the places for a cut,
 * that place is left out. A switch where a thread ends or waits is no preemption.
 *
 * Depends on: scene.h. Used by: tests/ilv. */
#ifndef NEOMEM_TESTS_ILV_EXPLORE_H
#define NEOMEM_TESTS_ILV_EXPLORE_H

#include "scene.h"

#define EXPLORE_OUTCOMES 4096u

struct explore_result {
    uint64_t runs;            /* schedules run */
    uint64_t skipped;         /* cuts that were left out, each with all that would follow */
    const char *wrong;        /* NULL: nothing */
    struct schedule schedule; /* the one that went wrong */
};

/* The different outcomes (world_outcome) are collected here, ascending, while it is not NULL; capacity
 * EXPLORE_OUTCOMES. */
struct explore_outcomes {
    unsigned count;
    uint64_t outcome[EXPLORE_OUTCOMES];
};
void explore_collect(struct explore_outcomes *outcomes);

/* preemptions: at most SCHEDULE_CUTS. reduces: leave equivalent schedules out. Stops at the first that goes wrong. */
void explore_scene(const struct scene *scene, unsigned preemptions, bool reduces, struct explore_result *result);

#endif
