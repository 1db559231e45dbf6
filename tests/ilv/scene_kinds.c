/* scene_kinds.c — the tables of scenes: modes, situations, kinds of calls (scene.h).
 *
 * Chunk 0 is what everybody wants; the situation decides what it looks like. Kinds that need a chunk of their own, or
 * one that they share with others of their kind, get it behind the situation's chunks. */

#include "scene_internal.h"
#include "subject_set.h"

/* Frames of chunk 0 that calls of thread t give back: one, all in the same word; and a run over three words. */
#define ONE_FRAME(thread) (5u + (thread))
#define RUN_FRAME(thread) (100u + 150u * (thread))
#define RUN_COUNT 100u
#define RETIRED_FRAME 300u

/* ---- modes ------------------------------------------------------------------------------------------------- */

const struct mode scene_mode_table[] = {
    {"cached", 1, WORLD_CPUS}, /* every CPU has a cache */
    {"shared", 2, WORLD_CPUS}, /* nobody has: hardening level 2 */
    {"mixed", 1, 1},           /* only CPU 0 has */
};

/* ---- situations ----------------------------------------------------------------------------------------------- */

static void nothing(void)
{
}

static void fill_second(void)
{
    world_fill(FRAMES_2M, 2 * FRAMES_2M);
}

/* Three free frames in three words are left of chunk 0. */
static void leave_three(void)
{
    fill_second();
    world_fill(0, 63);
    world_fill(65, 130);
    world_fill(131, FRAMES_2M);
}

static void take_one(void)
{
    fill_second();
    world_fill(FRAMES_2M - 1, FRAMES_2M);
}

static void take_huge(void)
{
    world_fill(0, FRAMES_2M);
    fill_second();
}
const struct situation scene_situation_table[] = {
    {"fresh", 4, true, nothing, nothing},         /* four free chunks */
    {"last", 2, false, nothing, fill_second},     /* one chunk left */
    {"full", 2, false, nothing, leave_three},     /* a few frames of one chunk left */
    {"nearly-free", 2, false, nothing, take_one}, /* one frame of the last chunk in use */
    {"two", 2, false, nothing, nothing},          /* two free chunks */
    {"huge", 2, false, take_huge, nothing},       /* everything in use, in whole chunks */
};

/* ---- kinds of calls --------------------------------------------------------------------------------------------- */

static void expect(unsigned thread, phys_addr_t pa)
{
    (void)thread;
    if (scene_situation_table[stage.scene->situation].has_plenty) {
        world_expect_memory(pa);
    }
}

static void run_one(unsigned thread)
{
    expect(thread, world_alloc_one(thread));
}

static void run_request(unsigned thread, uint64_t count)
{
    struct frames_request request = FRAMES_REQUEST(count);
    phys_addr_t pa = world_alloc(thread, &request);
    if (count <= FRAMES_2M) {
        expect(thread, pa);
    }
}

static void run_3(unsigned thread)
{
    run_request(thread, 3);
}

static void run_100(unsigned thread)
{
    run_request(thread, 100);
}

static void run_1024(unsigned thread)
{
    run_request(thread, 2 * (uint64_t)FRAMES_2M);
}

static void run_700(unsigned thread)
{
    run_request(thread, 700);
}

static void run_2m(unsigned thread)
{
    (void)world_alloc_2m(thread);
}

static void run_window(unsigned thread)
{
    struct frames_request request = FRAMES_REQUEST(8);
    request.align = 4;
    request.boundary = 16;
    request.lo_pa = world_pa(0);
    request.hi_pa = world_pa(FRAMES_2M);
    (void)world_alloc(thread, &request);
}

static void hold_one(unsigned thread)
{
    world_claim(thread, ONE_FRAME(thread), 1);
}

static void run_free_one(unsigned thread)
{
    world_free(thread, world_pa(ONE_FRAME(thread)), 1);
}

static void hold_run(unsigned thread)
{
    world_claim(thread, RUN_FRAME(thread), RUN_COUNT);
}

static void run_free_run(unsigned thread)
{
    world_free(thread, world_pa(RUN_FRAME(thread)), RUN_COUNT);
}

static void hold_own(unsigned thread)
{
    world_take(thread, stage.own[thread], FRAMES_2M);
}

static void run_free_2m(unsigned thread)
{
    world_free(thread, world_pa(stage.own[thread]), FRAMES_2M);
}

static void hold_700(unsigned thread)
{
    world_take(thread, stage.own[thread], 700);
}

static void run_free_700(unsigned thread)
{
    world_free(thread, world_pa(stage.own[thread]), 700);
}

static void hold_set(unsigned thread)
{
    (void)thread;
    subject_set_start();
}

static void run_set_take(unsigned thread)
{
    (void)thread;
    subject_set_take();
}

static void hold_part(unsigned thread)
{
    if (!stage.has_huge) {
        world_take(OWNER_FILLER, stage.huge, FRAMES_2M);
        stage.has_huge = true;
    }
    world_hand_over(thread, stage.part[thread], stage.part_count[thread]);
}

static void hold_last(unsigned thread)
{
    if (!stage.has_last) {
        world_take(OWNER_FILLER, stage.last, LAST_COUNT);
        stage.has_last = true;
    }
    world_hand_over(thread, stage.part[thread], stage.part_count[thread]);
}

static void run_free_part(unsigned thread)
{
    world_free(thread, world_pa(stage.part[thread]), stage.part_count[thread]);
}

static void run_free_part_one(unsigned thread)
{
    world_free(thread, world_pa(stage.part[thread]), 1);
    world_enter();
    frames_drain();
}

/* A frame in the CPU's stack, and the free frames of some chunk in its hands. */
static void warm_up(unsigned thread)
{
    phys_addr_t kept = world_alloc_one(thread);
    phys_addr_t freed = world_alloc_one(thread);
    if (freed != FRAMES_NONE) {
        stage.warm[thread] = (unsigned)((freed - WORLD_BASE) >> PAGE_SHIFT);
        world_free(thread, freed, 1);
    }
    (void)kept;
}

/* All free frames of some chunk, and none of it in use by this CPU. */
static void open_line(unsigned thread)
{
    world_free(thread, world_alloc_one(thread), 1);
}

static void run_drain(unsigned thread)
{
    (void)thread;
    world_enter();
    frames_drain();
}

static void run_drain_all(unsigned thread)
{
    (void)thread;
    world_enter();
    frames_drain_all();
}

static void run_retire_free(unsigned thread)
{
    (void)thread;
    world_retire(world_pa(RETIRED_FRAME));
}

static void run_retire_other(unsigned thread)
{
    world_retire(world_pa(stage.victim[thread]));
}

static void run_add(unsigned thread)
{
    world_add(world_first_added() + thread);
}

static void run_remove(unsigned thread)
{
    world_remove(stage.own[thread] / FRAMES_2M);
}

static void run_look(unsigned thread)
{
    struct frames_owner owner;
    struct frames_stats stats;
    world_enter();
    frames_query(world_pa(ONE_FRAME(1 - thread % 2)), &owner);
    frames_get_stats(&stats);
}

/* The same frame twice, by two CPUs. */
static void hold_common(unsigned thread)
{
    if (thread == 0) {
        world_claim(OWNER_FILLER, ONE_FRAME(0), 1);
    }
}

static void run_free_common(unsigned thread)
{
    (void)thread;
    world_free_again(ONE_FRAME(0));
}

const struct kind scene_kind_table[] = {
    {"one", GENERAL | NESTS, NULL, NULL, run_one},
    {"run-3", GENERAL | NESTS, NULL, NULL, run_3},
    {"run-100", GENERAL | NESTS, NULL, NULL, run_100},
    {"2m", GENERAL | NESTS, NULL, NULL, run_2m},
    {"chunks", GENERAL | NESTS, NULL, NULL, run_1024},
    {"run-700", NESTS, NULL, NULL, run_700},
    {"window", GENERAL | NESTS, NULL, NULL, run_window},
    {"free-one", GENERAL | NESTS, hold_one, NULL, run_free_one},
    {"free-run", GENERAL | NESTS, hold_run, NULL, run_free_run},
    {"free-2m", GENERAL | NESTS | OWN, hold_own, NULL, run_free_2m},
    {"free-part", GENERAL | NESTS | PART, hold_part, NULL, run_free_part},
    {"free-part-one", NESTS | PART, hold_part, NULL, run_free_part_one},
    {"free-last", GENERAL | NESTS | LAST, hold_last, NULL, run_free_part},
    {"drain", GENERAL | NESTS, NULL, warm_up, run_drain},
    {"one-warm", GENERAL | NESTS, NULL, warm_up, run_one},
    {"drain-all", NESTS, NULL, NULL, run_drain_all},
    {"retire-free", GENERAL | RETIRES | UNKNOWN, NULL, NULL, run_retire_free},
    {"retire-used", GENERAL | RETIRES | UNKNOWN, NULL, NULL, run_retire_other},
    {"add", GENERAL | ADDS | UNKNOWN, NULL, NULL, run_add},
    {"remove", GENERAL | OWN | UNKNOWN, NULL, NULL, run_remove},
    {"add-new", ADDS | UNKNOWN | UNEXPECTED | RETIRES, NULL, NULL, run_add},
    {"free-700", OWN | TWO, hold_700, NULL, run_free_700},
    {"set-add", 0, hold_set, NULL, subject_set_add},
    {"set-take", 0, hold_set, NULL, run_set_take},
    {"drain-line", 0, NULL, open_line, run_drain},
    {"look", NESTS, NULL, NULL, run_look},
    {"free-common", DOUBLE, hold_common, NULL, run_free_common},
};

/* A frame that another thread holds and is about to give back, or that is just in use. */
unsigned scene_victim(unsigned thread)
{
    for (unsigned k = 1; k < stage.scene->threads; k++) {
        unsigned other = (thread + k) % stage.scene->threads;
        for (unsigned i = 0; i < stage.scene->calls[other]; i++) {
            const struct kind *kind = &scene_kind_table[stage.scene->call[other][i]];
            if (kind->hold == hold_one) {
                return ONE_FRAME(other);
            }
            if (kind->hold == hold_run) {
                return RUN_FRAME(other) + 50;
            }
            if (kind->hold == hold_own) {
                return stage.own[other] + 77;
            }
            if (kind->hold == hold_part || kind->hold == hold_last) {
                return stage.part[other];
            }
            if (kind->warm_up == warm_up && stage.warm[other] != NO_FRAME) {
                return stage.warm[other];
            }
        }
    }
    return RETIRED_FRAME + 1;
}

/* ---- what there is ---------------------------------------------------------------------------------------------- */

unsigned scene_modes(void)
{
    return ARRAY_COUNT(scene_mode_table);
}

unsigned scene_situations(void)
{
    return ARRAY_COUNT(scene_situation_table);
}

unsigned scene_kinds(void)
{
    return ARRAY_COUNT(scene_kind_table);
}

bool scene_kind_is_general(unsigned kind)
{
    return (scene_kind_table[kind].flags & GENERAL) != 0;
}

bool scene_kind_nests(unsigned kind)
{
    return (scene_kind_table[kind].flags & NESTS) != 0;
}
