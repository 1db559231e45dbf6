/* scene.c — a scene made ready to run, and judged (scene.h). */

#include "scene_internal.h"
#include "subject_set.h"

#include <string.h>

/* For the books of retired frames, when everything else is in use. */
#define SPARE 4u

struct stage stage;

/* ---- preparation ---------------------------------------------------------------------------------------------- */

unsigned scene_flags(unsigned thread)
{
    unsigned flags = 0;
    for (unsigned i = 0; i < stage.scene->calls[thread]; i++) {
        flags |= scene_kind_table[stage.scene->call[thread][i]].flags;
    }
    return flags;
}

static void run_thread(unsigned thread)
{
    for (unsigned i = 0; i < stage.scene->calls[thread]; i++) {
        scene_kind_table[stage.scene->call[thread][i]].run(thread);
    }
}

/* Divide the shared chunks among their users. */
static void divide(unsigned flag, unsigned base, unsigned frames)
{
    unsigned users = 0;
    for (unsigned thread = 0; thread < stage.scene->threads; thread++) {
        users += (scene_flags(thread) & flag) != 0;
    }
    unsigned user = 0;
    for (unsigned thread = 0; thread < stage.scene->threads; thread++) {
        if ((scene_flags(thread) & flag) != 0) {
            stage.part[thread] = base + frames * user / users;
            stage.part_count[thread] = base + frames * (user + 1) / users - stage.part[thread];
            user++;
        }
    }
}

static void build(const struct scene *scene)
{
    const struct mode *mode = &scene_mode_table[scene->mode];
    struct world_shape shape = {.chunks = scene_situation_table[scene->situation].chunks,
                                .cpu_slots = mode->cpu_slots,
                                .hardening = mode->hardening,
                                .expects_added = true};
    for (unsigned thread = 0; thread < scene->threads; thread++) {
        unsigned flags = scene_flags(thread);
        if ((flags & RETIRES) != 0) {
            shape.spare = SPARE;
        }
        shape.expects_added = shape.expects_added && (flags & UNEXPECTED) == 0;
        if ((flags & ADDS) != 0) {
            shape.added_chunks = thread + 1;
        }
        if ((flags & OWN) != 0) {
            stage.own[thread] = shape.chunks * FRAMES_2M;
            shape.chunks += (flags & TWO) != 0 ? 2 : 1;
        }
        if ((flags & PART) != 0 && stage.huge == 0) {
            stage.huge = shape.chunks++ * FRAMES_2M;
        }
        if ((flags & LAST) != 0 && stage.last == 0) {
            stage.last = shape.chunks++ * FRAMES_2M;
        }
    }
    divide(PART, stage.huge, FRAMES_2M);
    divide(LAST, stage.last, LAST_COUNT);
    world_build(&shape);
}

static void call_each(bool is_warming)
{
    for (unsigned thread = 0; thread < stage.scene->threads; thread++) {
        schedule_set_cpu(stage.plan[thread].cpu);
        for (unsigned i = 0; i < stage.scene->calls[thread]; i++) {
            const struct kind *kind = &scene_kind_table[stage.scene->call[thread][i]];
            if (is_warming && kind->warm_up != NULL) {
                kind->warm_up(thread);
            } else if (!is_warming && kind->hold != NULL) {
                kind->hold(thread);
            }
        }
        if (!is_warming) {
            frames_drain();
        }
    }
    schedule_set_cpu(0);
}

static void plan_threads(const struct scene *scene)
{
    for (unsigned thread = 0; thread < scene->threads; thread++) {
        bool interrupts = scene->last_interrupts && thread == scene->threads - 1;
        stage.plan[thread] = (struct thread_plan){
            .run = run_thread,
            .cpu = interrupts ? 0 : thread,
            .interrupts = interrupts ? 0 : THREAD_NONE,
            .shares_unknown = (scene_flags(thread) & UNKNOWN) != 0,
        };
        stage.warm[thread] = NO_FRAME;
    }
}

const struct thread_plan *scene_prepare(const struct scene *scene)
{
    memset(&stage, 0, sizeof(stage));
    stage.scene = scene;
    subject_set_start();
    plan_threads(scene);
    build(scene);
    scene_situation_table[scene->situation].before();
    call_each(false);
    scene_situation_table[scene->situation].after();
    frames_drain();
    call_each(true);
    for (unsigned thread = 0; thread < scene->threads; thread++) {
        if ((scene_flags(thread) & RETIRES) != 0) {
            world_watch_retirement();
            stage.victim[thread] = scene_victim(thread);
        }
    }
    world_save();
    return stage.plan;
}

const char *scene_verdict(const struct scene *scene, bool thorough)
{
    if (schedule_stuck() != NULL) {
        return schedule_stuck();
    }
    unsigned panics = 0;
    for (unsigned thread = 0; thread < scene->threads; thread++) {
        panics += schedule_has_panicked(thread);
    }
    if ((scene_flags(0) & DOUBLE) != 0 && panics > 0) {
        return NULL; /* it was noticed; what the refused call left behind is not said */
    }
    if (!subject_set_is_sound()) {
        return "a member of a set is not found";
    }
    return panics > 0 ? "a correct call was refused" : world_verdict(thorough);
}
