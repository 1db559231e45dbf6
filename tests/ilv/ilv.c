/* ilv.c — the interleaving checker: runs kernel/mm/frames*.c under every schedule with a bounded number of preemptions
 * and asks after each whether a frame was lost, handed out twice, refused, or came back from retirement.
 *
 *     ilv                                     bounded: what `make test` runs
 *     ilv --long [SECONDS]                    one preemption more everywhere; of each group as much as the time
 *                                             allows, from scenes on that differ each time
 *     ilv --quick                             at most one preemption: for the mutants
 *     ilv --scene TEXT [PREEMPTIONS]          one scene (scene.h says how it is written)
 *     ilv --replay TEXT SCHEDULE              one run, with its transitions
 *     ilv --full …                            run equivalent schedules, too
 *     ilv --keep-going …                      do not end with the first error
 *     ilv --compare [PREEMPTIONS]             check the checker: with and without them every pair ends in the same ways
 *
 * After Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded programs" (PLDI
 * 2007): few preemptions find nearly all errors, so all groups are searched with one preemption first, then with two, …
 * Interleavings are sequentially consistent; what weaker orders allow is ThreadSanitizer's and the reader's part. Exit
 * status: 0 nothing found, 1 something found, 2 usage. */

#include "explore.h"
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_BYTES 256u
#define PARTS 16u /* in which a group is searched when time is limited */

static struct {
    bool reduces, compares, keeps_going, is_long;
    bool found;
    uint64_t scenes, runs, skipped;
    double deadline;        /* of this group; 0: none */
    unsigned number, round; /* of the scene, and which part of all of them is due: number % parts */
    unsigned parts;
} search RUNNER_STATE = {.reduces = true, .parts = 1};

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- one scene ------------------------------------------------------------------------------------------------ */

static void print_schedule(const struct schedule *schedule, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        (void)printf("%s%u", i > 0 ? "," : "", schedule->order[i]);
    }
    (void)putchar(':');
    for (unsigned i = 0; i < schedule->cuts; i++) {
        (void)printf("%s%u>%u", i > 0 ? "," : "", schedule->cut[i].at, schedule->cut[i].to);
    }
    (void)putchar('\n');
}

/* Whether leaving schedules out lost an outcome. */
static bool compare_reduction(const struct scene *scene, unsigned preemptions)
{
    static struct explore_outcomes all RUNNER_STATE;
    static struct explore_outcomes reduced RUNNER_STATE;
    struct explore_result result;
    all.count = reduced.count = 0;
    explore_collect(&all);
    explore_scene(scene, preemptions, false, &result);
    search.skipped += result.runs;
    explore_collect(&reduced);
    explore_scene(scene, preemptions, true, &result);
    search.runs += result.runs;
    search.scenes++;
    if (all.count == reduced.count && memcmp(all.outcome, reduced.outcome, all.count * sizeof(all.outcome[0])) == 0) {
        return true;
    }
    char text[TEXT_BYTES];
    scene_print(scene, text, sizeof(text));
    (void)printf("%s: %u outcomes, but %u with schedules left out\n", text, all.count, reduced.count);
    return false;
}

static bool is_late(void)
{
    return search.deadline != 0 && seconds() > search.deadline;
}

static bool search_scene(const struct scene *scene, unsigned preemptions)
{
    if (search.number++ % search.parts != search.round || is_late()) {
        return true;
    }
    if (search.compares) {
        return compare_reduction(scene, preemptions);
    }
    struct explore_result result;
    explore_scene(scene, preemptions, search.reduces, &result);
    search.scenes++;
    search.runs += result.runs;
    search.skipped += result.skipped;
    if (result.wrong == NULL) {
        return true;
    }
    char text[TEXT_BYTES];
    scene_print(scene, text, sizeof(text));
    (void)printf("WRONG: %s\n", result.wrong);
    if (world_panic_text()[0] != '\0') {
        (void)printf("  panic: %s\n", world_panic_text());
    }
    (void)printf("  see it: ilv --replay '%s' ", text);
    print_schedule(&result.schedule, scene->threads);
    (void)fflush(stdout);
    search.found = true;
    return search.keeps_going;
}

/* ---- groups of scenes ------------------------------------------------------------------------------------------ */

/* Two general kinds each, in every mode and situation. */
static bool search_pairs(unsigned preemptions)
{
    for (unsigned mode = 0; mode < scene_modes(); mode++) {
        for (unsigned situation = 0; situation < scene_situations(); situation++) {
            for (unsigned first = 0; first < scene_kinds(); first++) {
                for (unsigned second = first; second < scene_kinds(); second++) {
                    struct scene scene = {mode, situation, 2, {1, 1, 0}, {{first}, {second}}, false};
                    if (scene_kind_is_general(first) && scene_kind_is_general(second) &&
                        !search_scene(&scene, preemptions)) {
                        return false;
                    }
                }
            }
        }
    }
    return true;
}

/* A call interrupted by another one on the same CPU, at every step; they never nest more than once. */
static bool search_interrupts(unsigned preemptions)
{
    for (unsigned mode = 0; mode < scene_modes(); mode++) {
        for (unsigned situation = 0; situation < scene_situations(); situation++) {
            for (unsigned first = 0; first < scene_kinds(); first++) {
                for (unsigned second = 0; second < scene_kinds(); second++) {
                    struct scene scene = {mode, situation, 2, {1, 1, 0}, {{first}, {second}}, true};
                    bool is_chosen =
                        (scene_kind_is_general(first) || scene_kind_nests(first)) && scene_kind_nests(second);
                    if (is_chosen && !search_scene(&scene, preemptions)) {
                        return false;
                    }
                }
            }
        }
    }
    return true;
}

/* These scenes; exits when one of them is none. */
static bool search_texts(const char *const *texts, unsigned count, unsigned preemptions)
{
    for (unsigned i = 0; i < count; i++) {
        struct scene scene;
        if (!scene_parse(texts[i], &scene)) {
            (void)fprintf(stderr, "ilv: %s is no scene\n", texts[i]);
            exit(2);
        }
        if (!search_scene(&scene, preemptions)) {
            return false;
        }
    }
    return true;
}

static bool search_named(const char *const *calls, unsigned count, unsigned preemptions)
{
    static const char *const modes[] = {"cached", "shared", "mixed"};
    static const char *const situations[] = {"fresh", "last", "full", "nearly-free", "two", "huge"};
    for (unsigned i = 0; i < count; i++) {
        /* With several preemptions the mixed mode, which costs a third of the time, is for the long run. */
        unsigned most = preemptions > 1 && !search.is_long ? ARRAY_COUNT(modes) - 1 : ARRAY_COUNT(modes);
        for (unsigned mode = 0; mode < most; mode++) {
            for (unsigned situation = 0; situation < ARRAY_COUNT(situations); situation++) {
                char text[TEXT_BYTES];
                const char *const texts[] = {text};
                (void)snprintf(text, sizeof(text), "%s:%s:%s", modes[mode], situations[situation], calls[i]);
                if (!search_texts(texts, 1, preemptions)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* Where the rules of frames_internal.h meet: one preemption more. */
static const char *const critical[] = {
    "free-one+drain|free-one+drain", /* last frees of a chunk and a word */
    "free-part+2m|free-part+2m",     /* split twice, completed, wanted whole */
    "free-last+2m|free-last+2m",     /* completed from both ends, wanted whole */
    "free-last+one|free-last+drain", /* completed while somebody opens it */
    "free-2m+2m|2m+one",             /* the only free chunk, wanted twice */
    "free-part-one|free-part-one",   /* cached frames of a whole chunk go back */
    "chunks|2m+one",                 /* a run of chunks against a single one */
    "run-700|2m",                    /* a run with a rest against a chunk */
    "run-100|one+run-3",             /* runs that collide word by word */
    "window|one+one",                /* the search claims what a line is opened for */
    "one-warm+drain|one+one",        /* a line goes back while another CPU looks for frames */
    "drain-all|one-warm+one",        /* asked to drain in the middle */
    "retire-used|free-one+drain",    /* retired while it is freed */
    "retire-used|free-part",         /* a part of a whole chunk, split for retirement and for the free */
    "retire-free|2m+one",            /* the free chunk is split for retirement */
    "look|free-one+one",
    "drain-line|free-one+one", /* what goes back completes the chunk while somebody wants a frame of it */
    "free-700|one+one",        /* a rest completes its chunk while somebody opens it */
    "free-700|window",
    "free-700+2m|free-700+one",
};

/* The same where memory comes, goes or is retired: such calls share much, so little is left out. */
static const char *const changes[] = {
    "retire-used|free-2m",      /* a frame of a 2 MiB frame that comes back whole */
    "retire-used|free-2m+2m",   /* the same, and it is wanted at once: from the cache */
    "retire-used|free-last",    /* a chunk that must not become whole any more */
    "retire-used|one-warm+one", /* a frame in another CPU's stack */
    "remove|2m+2m",             /* a chunk goes away while it is wanted */
    "add|2m+one",               /* and comes */
    "add-new|one",              /* a new layout is published while it is read */
    "add-new|2m+free-part",
};

static const char *const triples[] = {
    "free-part|free-part|2m",
    "free-last|free-last|2m",
    "free-last|free-last|one",
    "one|one|one",
    "2m|free-2m|one",
    "run-100|run-100|one",
    "chunks|2m|free-2m",
    "free-one+drain|free-one+drain|window",
    "retire-used|free-part|free-part",
    "retire-used|free-last|free-last",
    "retire-free|one|2m",
    "one-warm|one-warm|drain-all",
    /* an interrupt as the third */
    "free-last|free-last^one",
    "free-part|free-part^2m",
    "one|one^free-last",
    "retire-used|free-last^one",
    "drain|one^free-one",
    "one-warm|drain-all^one",
};

/* A frame freed by two CPUs at once: it must be noticed, or do no harm. Nothing is promised where that free makes its
 * chunk whole (frames.h), so a frame is in use beside it. */
static bool search_double_frees(unsigned preemptions)
{
    static const char *const scenes[] = {
        "shared:full:free-common|free-common",
        "shared:nearly-free:free-common|free-common",
        "shared:huge:free-common|free-common",
    };
    return search_texts(scenes, ARRAY_COUNT(scenes), preemptions);
}

/* The set of chunks, whatever the machine looks like. */
static bool search_set(unsigned preemptions)
{
    static const char *const scenes[] = {
        "shared:two:set-add|set-take",
        "shared:two:set-add+set-take|set-take+set-take",
        "shared:two:set-add+set-take|set-add+set-take",
        "shared:two:set-add|set-take|set-take",
    };
    return search_texts(scenes, ARRAY_COUNT(scenes), preemptions);
}

static bool search_critical(unsigned preemptions)
{
    return search_named(critical, ARRAY_COUNT(critical), preemptions);
}

static bool search_changes(unsigned preemptions)
{
    return search_named(changes, ARRAY_COUNT(changes), preemptions);
}

static bool search_triples(unsigned preemptions)
{
    return search_named(triples, ARRAY_COUNT(triples), preemptions);
}

struct group {
    const char *name;
    bool (*search)(unsigned preemptions);
    unsigned preemptions; /* bounded */
};

static const struct group groups[] = {
    {"sets with summaries", search_set, 3},
    {"double frees", search_double_frees, 3},
    {"critical pairs", search_critical, 2},
    {"memory comes, goes, is retired", search_changes, 1},
    {"three CPUs", search_triples, 1},
    {"every pair of calls", search_pairs, 1},
    {"calls on top of calls (interrupts)", search_interrupts, 1},
};

/* Groups that are searched with so many preemptions. */
static unsigned groups_of_pass(unsigned pass, unsigned more)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(groups); i++) {
        count += pass <= groups[i].preemptions + more;
    }
    return count;
}

static bool search_group(const struct group *group, unsigned pass, unsigned first_part)
{
    double start = seconds();
    bool is_right = true;
    search.scenes = search.runs = search.skipped = 0;
    for (unsigned part = 0; is_right && part < search.parts; part++) {
        search.number = 0;
        search.round = (first_part + part) % search.parts;
        is_right = group->search(pass);
    }
    (void)printf("%-36s at most %u preemptions: %5llu scenes, %10llu interleavings, %10llu left out, %6.1f s%s\n",
                 group->name, pass, (unsigned long long)search.scenes, (unsigned long long)search.runs,
                 (unsigned long long)search.skipped, seconds() - start, is_late() ? ", not all of them" : "");
    (void)fflush(stdout);
    return is_right;
}

/* limit: seconds for all of it; 0: none. */
static bool search_groups(unsigned most, unsigned more, double limit)
{
    unsigned shares = 0;
    double end = seconds() + limit;
    unsigned first_part = limit == 0 ? 0 : (unsigned)time(NULL) % PARTS;
    search.parts = limit == 0 ? 1 : PARTS;
    for (unsigned pass = 1; pass <= most; pass++) {
        shares += groups_of_pass(pass, more);
    }
    for (unsigned pass = 1; pass <= most; pass++) {
        for (unsigned i = 0; i < ARRAY_COUNT(groups); i++) {
            if (pass > groups[i].preemptions + more) {
                continue;
            }
            search.deadline = limit == 0 ? 0 : seconds() + (end - seconds()) / shares--;
            if (!search_group(&groups[i], pass, first_part)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- what was asked for -------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    int at = 1;
    for (; at < argc && (strcmp(argv[at], "--full") == 0 || strcmp(argv[at], "--keep-going") == 0); at++) {
        search.reduces = search.reduces && strcmp(argv[at], "--full") != 0;
        search.keeps_going = search.keeps_going || strcmp(argv[at], "--keep-going") == 0;
    }
    struct scene scene;
    if (at + 1 < argc && strcmp(argv[at], "--compare") != 0 && strcmp(argv[at], "--long") != 0 &&
        !scene_parse(argv[at + 1], &scene)) {
        (void)fprintf(stderr, "ilv: %s is no scene\n", argv[at + 1]);
        return 2;
    }
    if (at < argc && strcmp(argv[at], "--compare") == 0) {
        search.compares = true;
        bool is_right = search_pairs(at + 1 < argc ? (unsigned)atoi(argv[at + 1]) % (SCHEDULE_CUTS + 1) : 1);
        (void)printf("%llu scenes, %llu interleavings stand for %llu\n", (unsigned long long)search.scenes,
                     (unsigned long long)search.runs, (unsigned long long)search.skipped);
        return is_right ? 0 : 1;
    }
    if (at + 2 < argc && strcmp(argv[at], "--replay") == 0) {
        return replay(&scene, argv[at + 2]);
    }
    if (at + 1 < argc && strcmp(argv[at], "--scene") == 0) {
        bool is_right = search_scene(&scene, at + 2 < argc ? (unsigned)atoi(argv[at + 2]) % (SCHEDULE_CUTS + 1) : 2);
        (void)printf("%llu interleavings, %llu left out\n", (unsigned long long)search.runs,
                     (unsigned long long)search.skipped);
        return is_right ? 0 : 1;
    }
    bool is_long = at < argc && strcmp(argv[at], "--long") == 0;
    bool is_quick = at < argc && strcmp(argv[at], "--quick") == 0;
    if (at < argc && !is_long && !is_quick) {
        (void)fprintf(stderr, "usage: ilv [--full] [--keep-going] "
                              "[--long [SECONDS] | --quick | --scene TEXT [N] | --replay TEXT SCHEDULE]\n");
        return 2;
    }
    search.is_long = is_long;
    double limit = is_long && at + 1 < argc ? (double)atoi(argv[at + 1]) : 0;
    return search_groups(is_quick ? 1 : SCHEDULE_CUTS, is_long ? 1 : 0, limit) && !search.found ? 0 : 1;
}
