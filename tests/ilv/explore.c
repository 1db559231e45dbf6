/* explore.c — see explore.h. */

#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The slow part of the verdict (all memory taken again) is made for one run of so many. */
#define THOROUGH_EVERY 8u

struct level {
    struct transition *trace; /* SCHEDULE_STEPS */
    uint32_t steps;
};

static struct {
    const struct scene *scene;
    const struct thread_plan *plans;
    unsigned preemptions;
    bool reduces;
    struct explore_result *result;
    struct schedule schedule;
    struct level level[SCHEDULE_CUTS + 1];
    struct explore_outcomes *outcomes;
} explorer RUNNER_STATE;

void explore_collect(struct explore_outcomes *outcomes)
{
    explorer.outcomes = outcomes;
}

static void collect(uint64_t outcome)
{
    struct explore_outcomes *all = explorer.outcomes;
    if (all == NULL) {
        return;
    }
    unsigned at = 0;
    while (at < all->count && all->outcome[at] < outcome) {
        at++;
    }
    if ((at < all->count && all->outcome[at] == outcome) || all->count == EXPLORE_OUTCOMES) {
        return;
    }
    memmove(&all->outcome[at + 1], &all->outcome[at], (all->count - at) * sizeof(all->outcome[0]));
    all->outcome[at] = outcome;
    all->count++;
}

static void run_once(unsigned depth)
{
    struct level *level = &explorer.level[depth];
    if (level->trace == NULL) {
        level->trace = malloc(SCHEDULE_STEPS * sizeof(*level->trace));
        if (level->trace == NULL) {
            perror("ilv");
            exit(2);
        }
    }
    explorer.schedule.cuts = depth;
    world_restore();
    level->steps = schedule_run(explorer.plans, explorer.scene->threads, &explorer.schedule);
    memcpy(level->trace, schedule_trace(), level->steps * sizeof(*level->trace));
    collect(explorer.outcomes == NULL ? 0 : world_outcome());
    const char *wrong = scene_verdict(explorer.scene, explorer.result->runs % THOROUGH_EVERY == 0);
    explorer.result->runs++;
    if (wrong != NULL) {
        explorer.result->wrong = wrong;
        explorer.result->schedule = explorer.schedule;
    }
}

/* What a thread did in a run; first > last: nothing. */
struct extent {
    uint32_t first, last;
};

static struct extent extent_of(const struct level *level, unsigned thread)
{
    struct extent extent = {UINT32_MAX, 0};
    for (uint32_t i = 0; i < level->steps; i++) {
        if (level->trace[i].thread == thread) {
            extent.first = i < extent.first ? i : extent.first;
            extent.last = i;
        }
    }
    return extent;
}

/* Whether `to` can run instead of transition `at`: it is not at its end, and no interrupt of it is going on. */
static bool can_cut(const struct level *level, uint32_t at, unsigned to, const struct extent *extents)
{
    if (level->trace[at].thread == to || extents[to].last < at) {
        return false;
    }
    for (unsigned thread = 0; thread < explorer.scene->threads; thread++) {
        if (explorer.plans[thread].interrupts == to && extents[thread].first < at && extents[thread].last >= at) {
            return false;
        }
    }
    return true;
}

/* Transition `made` and what the others did in a run from `from` on, until its thread went on. */
static bool conflicts_with_pause(const struct transition *made, const struct level *run, uint32_t from)
{
    for (uint32_t i = from; i < run->steps && run->trace[i].thread != made->thread; i++) {
        if (schedule_conflicts(made, &run->trace[i])) {
            return true;
        }
    }
    return false;
}

static void explore_from(unsigned depth);

/* All cuts in favour of one thread. */
static void explore_cuts(unsigned depth, unsigned to, const struct extent *extents)
{
    const struct level *level = &explorer.level[depth];
    uint32_t first = depth == 0 ? 1 : explorer.schedule.cut[depth - 1].at + 1;
    uint32_t run_at = UINT32_MAX; /* the cut that explorer.level[depth + 1] shows */
    for (uint32_t at = level->steps; at-- > first && explorer.result->wrong == NULL;) {
        bool continues = at + 1 < level->steps && level->trace[at + 1].thread == level->trace[at].thread;
        if (!continues) {
            run_at = UINT32_MAX;
        }
        if (!can_cut(level, at, to, extents)) {
            run_at = UINT32_MAX;
            continue;
        }
        if (explorer.reduces && run_at != UINT32_MAX &&
            !conflicts_with_pause(&level->trace[at], &explorer.level[depth + 1], run_at)) {
            explorer.result->skipped++;
            continue;
        }
        explorer.schedule.cut[depth] = (struct cut){.at = at, .to = to};
        explore_from(depth + 1);
        run_at = at;
    }
}

static void explore_from(unsigned depth)
{
    run_once(depth);
    if (depth == explorer.preemptions || explorer.result->wrong != NULL) {
        return;
    }
    struct extent extents[SCHEDULE_THREADS];
    for (unsigned thread = 0; thread < explorer.scene->threads; thread++) {
        extents[thread] = extent_of(&explorer.level[depth], thread);
    }
    for (unsigned to = 0; to < explorer.scene->threads; to++) {
        explore_cuts(depth, to, extents);
    }
}

static const unsigned orders[][SCHEDULE_THREADS] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

void explore_scene(const struct scene *scene, unsigned preemptions, bool reduces, struct explore_result *result)
{
    *result = (struct explore_result){0};
    explorer.scene = scene;
    explorer.plans = scene_prepare(scene);
    explorer.preemptions = preemptions;
    explorer.reduces = reduces;
    explorer.result = result;
    unsigned count = scene->threads == 1 ? 1 : scene->threads == 2 ? 2 : ARRAY_COUNT(orders);
    for (unsigned i = 0; i < count && result->wrong == NULL; i++) {
        memcpy(explorer.schedule.order, orders[i], sizeof(orders[i]));
        explore_from(0);
    }
}
