/* rows_large.c — rows over 2 MiB frames and runs: full, runs; and the list of all rows. */

#include "rows.h"

#define PAIRS_FULL 20000u
#define PAIRS_FULL_BETWEEN_LOOKS 64u
#define RUNS_MAX 400000u
#define RUNS_BETWEEN_LOOKS 1024u

void row_full(struct trial *trial, unsigned thread)
{
    const struct frame_allocator *allocator = trial->allocator;
    void *self = trial->self;
    uint32_t *names = trial_held(trial, thread);
    struct thread_result *result = &trial->result[thread];
    uint64_t seed = 5 + thread;
    uint64_t pairs = 0;
    double untimed;
    result->held = trial_fill(trial, thread, names, trial->per_thread, &untimed);
    trial_meet(trial);
    double start = thread_cpu_ns();
    while (pairs < PAIRS_FULL && result->held != 0) {
        uint64_t i = next_random(&seed) % result->held;
        (void)allocator->free(self, thread, names[i], 1ull << trial->order);
        uint64_t frame = allocator->alloc(self, thread, trial->order);
        if (frame == NO_FRAME) { /* another thread was quicker */
            names[i] = names[--result->held];
            continue;
        }
        names[i] = (uint32_t)frame;
        if (++pairs % PAIRS_FULL_BETWEEN_LOOKS == 0 && thread_cpu_ns() - start > trial->cap_ns) {
            result->was_capped = true;
            break;
        }
    }
    result->ns[0] = (thread_cpu_ns() - start) / (double)max_u64(pairs, 1);
    trial_empty(trial, thread, names, result->held, &untimed);
}

void row_runs(struct trial *trial, unsigned thread)
{
    const struct frame_allocator *allocator = trial->allocator;
    void *self = trial->self;
    uint64_t count = trial->count;
    uint32_t *names = trial_held(trial, thread);
    struct thread_result *result = &trial->result[thread];
    uint64_t want = min_u64(min_u64(trial->nframes / trial->threads / 2 / count, trial->per_thread), RUNS_MAX);
    uint64_t done = 0;
    double start = thread_cpu_ns();
    while (done < want) {
        uint64_t frame = allocator->alloc_run(self, thread, count);
        if (frame == NO_FRAME) {
            result->is_void = true;
            break;
        }
        names[done++] = (uint32_t)frame;
        if (done % RUNS_BETWEEN_LOOKS == 0 && thread_cpu_ns() - start > trial->cap_ns) {
            result->was_capped = true;
            break;
        }
    }
    result->ns[0] = (thread_cpu_ns() - start) / (double)max_u64(done, 1);
    trial_meet(trial);
    start = thread_cpu_ns();
    for (uint64_t i = 0; i < done; i++) {
        (void)allocator->free(self, thread, names[i], count);
    }
    result->ns[1] = (thread_cpu_ns() - start) / (double)max_u64(done, 1);
}

#define ALLOC_FREE \
    { \
        "alloc", "free" \
    }
#define PAIR \
    { \
        "pair", NULL \
    }

const struct row rows[] = {
    {.name = "bulk", .body = row_bulk, .metric = ALLOC_FREE},
    {.name = "repeat", .body = row_repeat, .metric = PAIR},
    {.name = "rand", .body = row_random, .metric = {"free", "realloc"}},
    {.name = "churn16", .body = row_churn, .count = 16, .metric = PAIR},
    {.name = "churn128", .body = row_churn, .count = 128, .metric = PAIR},
    {.name = "churn1024", .body = row_churn, .count = 1024, .metric = PAIR},
    {.name = "huge", .body = row_bulk, .order = ORDER_2M, .metric = ALLOC_FREE},
    {.name = "hugerep", .body = row_repeat, .order = ORDER_2M, .metric = PAIR},
    {.name = "full", .body = row_full, .order = ORDER_2M, .metric = PAIR},
    {.name = "run3", .body = row_runs, .count = 3, .metric = ALLOC_FREE, .needs_runs = true},
    {.name = "run17", .body = row_runs, .count = 17, .metric = ALLOC_FREE, .needs_runs = true},
    {.name = "run100", .body = row_runs, .count = 100, .metric = ALLOC_FREE, .needs_runs = true},
    {.name = "run1000", .body = row_runs, .count = 1000, .metric = ALLOC_FREE, .needs_runs = true},
};
const unsigned row_count = ARRAY_COUNT(rows);
