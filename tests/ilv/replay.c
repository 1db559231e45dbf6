/* replay.c — one run of a scene as a schedule text says, with its transitions (replay.h). */

#include "replay.h"

#include <stdio.h>
#include <stdlib.h>

static bool parse_schedule(const char *text, unsigned threads, struct schedule *schedule)
{
    char *end;
    for (unsigned i = 0; i < threads; i++) {
        schedule->order[i] = (unsigned)strtoul(text, &end, 10);
        if (*end != (i + 1 < threads ? ',' : ':') || schedule->order[i] >= threads) {
            return false;
        }
        text = end + 1;
    }
    for (schedule->cuts = 0; *text != '\0'; schedule->cuts++) {
        if (schedule->cuts == SCHEDULE_CUTS) {
            return false;
        }
        struct cut *cut = &schedule->cut[schedule->cuts];
        cut->at = (uint32_t)strtoul(text, &end, 10);
        if (*end != '>') {
            return false;
        }
        cut->to = (uint32_t)strtoul(end + 1, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

int replay(const struct scene *scene, const char *text)
{
    struct schedule schedule = {0};
    if (!parse_schedule(text, scene->threads, &schedule)) {
        (void)fprintf(stderr, "ilv: %s is no schedule\n", text);
        return 2;
    }
    const struct thread_plan *plans = scene_prepare(scene);
    world_restore();
    uint32_t steps = schedule_run(plans, scene->threads, &schedule);
    for (uint32_t i = 0; i < steps; i++) {
        const struct transition *made = &schedule_trace()[i];
        (void)printf("%5u  %*sthread %u  %-6s %#14lx  marks %x\n", i, (int)made->thread * 12, "", made->thread,
                     made->is_write ? "write" : "read", (unsigned long)made->address, made->marks);
    }
    const char *wrong = scene_verdict(scene, true);
    (void)printf("%s\n", wrong != NULL ? wrong : "nothing wrong");
    if (wrong != NULL && world_panic_text()[0] != '\0') {
        (void)printf("panic: %s\n", world_panic_text());
    }
    return wrong != NULL;
}
