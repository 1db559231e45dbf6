/* world_verdict.c — what came of a run, and whether the books balance once everything has gone back (world.h). */

#include "world_internal.h"

#include <string.h>

/* FNV-1a (Fowler, Noll, Vo). */
static uint64_t hash(uint64_t value, const void *memory, size_t nbytes)
{
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < nbytes; i++) {
        value = (value ^ bytes[i]) * 0x100000001b3ull;
    }
    return value;
}

uint64_t world_outcome(void)
{
    uint64_t value = hash(0xcbf29ce484222325ull, world.owner, world.end);
    value = hash(value, world.managed, world.end);
    for (unsigned i = 0; i < world.retired_count; i++) {
        value = hash(value, &world.retired[i].frame, sizeof(world.retired[i].frame));
    }
    return value;
}

/* ---- verdict ---------------------------------------------------------------------------------------------------- */

static void give_everything_back(void)
{
    for (unsigned frame = 0; frame < world.end; frame++) {
        static const uint8_t none[64];
        if (frame % 64 == 0 && memcmp(&world.owner[frame], none, 64) == 0) {
            frame += 63;
            continue;
        }
        if (world.owner[frame] == NOBODY) {
            continue;
        }
        unsigned owner = (world.owner[frame] & ~STARTS) - 1u;
        unsigned count = world_owned(owner, frame);
        /* Level 3 wants whole allocations back; below it any parts may go together. */
        for (unsigned i = 1; world.shape.hardening >= 3 && i < count; i++) {
            if ((world.owner[frame + i] & STARTS) != 0) {
                count = i;
            }
        }
        schedule_set_cpu(owner % WORLD_CPUS);
        world_free(owner, world_pa(frame), count);
        frame += count - 1;
    }
    for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
        schedule_set_cpu(cpu);
        frames_drain();
    }
    schedule_set_cpu(0);
}

static void compare_figures(void)
{
    uint64_t managed = 0;
    uint64_t retired = 0;
    for (unsigned frame = 0; frame < world.end; frame++) {
        managed += world.managed[frame];
    }
    for (unsigned i = 0; i < world.retired_count; i++) {
        retired += world.managed[world.retired[i].frame];
        if (world.managed[world.retired[i].frame] &&
            frames_state(world_pa(world.retired[i].frame)) != FRAMES_STATE_RETIRED) {
            world_fault("a retired frame is not in the books as one");
        }
    }
    struct frames_stats stats;
    frames_get_stats(&stats);
    if (stats.total != managed) {
        world_fault("the total is wrong");
    } else if (stats.retired != retired) {
        world_fault("the number of retired frames is wrong");
    } else if (stats.free + retired + stats.metadata + stats.reserve != managed) {
        world_fault(stats.free + retired + stats.metadata < managed ? "frames were lost"
                                                                    : "more free frames than there are");
    }
    if (frames_check() != NEO_OK) {
        world_fault("frames_check says no");
    }
}

/* Everything that is free can be had: 2 MiB frames first, then the rest one by one. */
static void take_everything(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    uint64_t whole = 0;
    for (unsigned chunk = 0; chunk < world.end / FRAMES_2M; chunk++) {
        bool is_whole = true;
        for (unsigned frame = chunk * FRAMES_2M; frame < (chunk + 1) * FRAMES_2M && is_whole; frame++) {
            is_whole = world.managed[frame] && frames_state(world_pa(frame)) == FRAMES_STATE_FREE;
        }
        whole += is_whole;
    }
    uint64_t got = 0;
    while (world_alloc_2m(0) != FRAMES_NONE) {
        got++;
    }
    if (got != whole) {
        world_fault("a chunk that is wholly free is not to be had as one");
    }
    for (got *= FRAMES_2M; world_alloc_one(0) != FRAMES_NONE;) {
        got++;
    }
    if (got != stats.free) {
        world_fault("a free frame is not to be had");
    }
}

static void judge(bool thorough)
{
    /* As the run left it: giving back would put right what it forgot. */
    if (frames_check() != NEO_OK) {
        world_fault("frames_check says no right after the run");
    }
    give_everything_back();
    compare_figures();
    if (thorough && world.wrong == NULL) {
        take_everything();
    }
}

const char *world_verdict(bool thorough)
{
    if (world.wrong == NULL && !world_judges(judge, thorough)) {
        world_fault("a correct call was refused after the run");
    }
    return world.wrong;
}
