/* model_frames.c — random calls of the frame allocator against a naive bitmap (tests/support/naive_frames.h).
 *
 *     model_frames [operations [seed]]        SEED=… does the same
 *
 * MODEL_LIFE=… runs one machine only; MODEL_TRACE=1 prints all that happens and stays in this process, for a debugger.
 *
 * Machines of all kinds take turns, each for LIFE_OPERATIONS operations in a process of its own. When one ends badly, the
 * operations that led there are shrunk (delta debugging: Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing
 * Input", 2002): chunks are left out for as long as it still ends badly, and what remains is printed while it runs.
 * Operation n of machine m follows from seed, m and n alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/frames_model.h"

#define LIFE_OPERATIONS 20000u
#define SWING_OPERATIONS 1250u
#define SHRINK_RUNS_MAX 2000u

struct life {
    uint64_t seed, index;
    unsigned count;                      /* operations still in the list */
    uint16_t operation[LIFE_OPERATIONS]; /* their numbers */
};

/* What a process tells the one that started it. */
static struct report {
    unsigned reached; /* position in the list */
    char what[100];   /* went wrong; empty: a panic, a signal */
    uint64_t successes, refusals;
} * report;

static void note_failure(const char *what)
{
    (void)snprintf(report->what, sizeof(report->what), "%s", what);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* Memory swings between full and empty; percent of it in use, above 100: every call finds it full in the end. */
static const unsigned goals[] = {101, 60, 101, 5, 95, 101, 30, 0};

static void live(const struct life *life, bool traces)
{
    static struct frames_model model;
    uint64_t machine_seed = mix(life->seed ^ mix(life->index));
    memset(&model, 0, sizeof(model));
    model.traces = traces;
    model.on_failure = note_failure;
    report->what[0] = '\0';
    report->reached = 0;
    machine_make(&model.machine, (enum machine_kind)(life->index % MACHINE_KINDS), machine_seed);
    model_start(&model);
    for (unsigned i = 0; i < life->count; i++) {
        struct frames_operation operation = {.number = life->operation[i]};
        operation.goal = goals[operation.number / SWING_OPERATIONS % (sizeof(goals) / sizeof(goals[0]))];
        for (unsigned draw = 0; draw < DRAWS; draw++) {
            operation.draw[draw] = mix(machine_seed + operation.number * DRAWS + draw);
        }
        report->reached = i;
        model_step(&model, &operation);
    }
    model.doing = "end";
    report->reached = life->count;
    model_compare(&model);
    report->successes += model.successes;
    report->refusals += model.refusals;
}

/* Return: whether the life ended well. */
static bool live_apart(const struct life *life, bool traces, bool is_quiet)
{
    (void)fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (child == 0) {
        if (is_quiet && (freopen("/dev/null", "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)) {
            exit(2);
        }
        (void)alarm(600); /* an endless loop is a failure too */
        live(life, traces);
        exit(0);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Leave out chunks of falling size for as long as what remains still fails in the same way. */
static void shrink(struct life *life)
{
    static struct life candidate;
    char what[sizeof(report->what)];
    memcpy(what, report->what, sizeof(what));
    unsigned runs = 0;
    life->count = report->reached < life->count ? report->reached + 1 : life->count;
    for (unsigned size = life->count / 2; size >= 1 && runs < SHRINK_RUNS_MAX; size /= 2) {
        for (unsigned from = 0; from < life->count && runs < SHRINK_RUNS_MAX; runs++) {
            unsigned end = from + size < life->count ? from + size : life->count;
            candidate = *life;
            memmove(&candidate.operation[from], &candidate.operation[end],
                    (life->count - end) * sizeof(candidate.operation[0]));
            candidate.count -= end - from;
            if (live_apart(&candidate, false, true) || strcmp(report->what, what) != 0) {
                from = end;
            } else {
                *life = candidate;
            }
        }
    }
}

int main(int argc, char **argv)
{
    const char *seed_text = getenv("SEED");
    const char *only = getenv("MODEL_LIFE");
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 300000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : seed_text != NULL ? strtoull(seed_text, NULL, 0) : 1;
    static struct life life;
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        return 2;
    }
    printf("model_frames: %llu operations, seed %llu\n", (unsigned long long)operations, (unsigned long long)seed);
    uint64_t first = only != NULL ? strtoull(only, NULL, 0) : 0;
    uint64_t lives = only != NULL ? first + 1 : (operations + LIFE_OPERATIONS - 1) / LIFE_OPERATIONS;
    for (uint64_t index = first; index < lives; index++) {
        life = (struct life){.seed = seed, .index = index, .count = LIFE_OPERATIONS};
        for (unsigned i = 0; i < LIFE_OPERATIONS; i++) {
            life.operation[i] = (uint16_t)i;
        }
        if (getenv("MODEL_TRACE") != NULL) {
            live(&life, true);
        } else if (!live_apart(&life, false, false)) {
            (void)fprintf(stderr, "SEED=%llu MODEL_LIFE=%llu (%s) failed at operation %u; shrinking\n",
                          (unsigned long long)seed, (unsigned long long)index,
                          machine_kind_name((enum machine_kind)(index % MACHINE_KINDS)), report->reached);
            shrink(&life);
            (void)fprintf(stderr, "%u operations are enough:\n", life.count);
            (void)live_apart(&life, true, false);
            return 1;
        }
    }
    printf("%llu allocations, %llu refused for lack of memory\nok\n", (unsigned long long)report->successes,
           (unsigned long long)report->refusals);
    return 0;
}
