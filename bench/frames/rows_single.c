/* rows_single.c — rows over single blocks, mostly frames of 4 KiB: bulk, repeat, random, churn. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS 2000000u
#define PAIRS_BETWEEN_LOOKS 4096u
#define GOLDEN_RATIO 0.6180339887

void row_bulk(struct trial *trial, unsigned thread)
{
    uint32_t *names = trial_held(trial, thread);
    struct thread_result *result = &trial->result[thread];
    result->held = trial_fill(trial, thread, names, trial->per_thread, &result->ns[0]);
    trial_meet(trial);
    trial_empty(trial, thread, names, result->held, &result->ns[1]);
}

void row_repeat(struct trial *trial, unsigned thread)
{
    const struct frame_allocator *allocator = trial->allocator;
    void *self = trial->self;
    unsigned order = trial->order;
    uint32_t *names = trial_held(trial, thread);
    struct thread_result *result = &trial->result[thread];
    double untimed;
    result->held = trial_fill(trial, thread, names, trial->per_thread / 2, &untimed);
    trial_meet(trial);
    uint64_t pairs = 0;
    double start = thread_cpu_ns();
    while (pairs < PAIRS) {
        uint64_t frame = allocator->alloc(self, thread, order);
        if (frame == NO_FRAME) {
            result->is_void = true;
            break;
        }
        (void)allocator->free(self, thread, frame, 1ull << order);
        if (++pairs % PAIRS_BETWEEN_LOOKS == 0 && thread_cpu_ns() - start > trial->cap_ns) {
            result->was_capped = true;
            break;
        }
    }
    result->ns[0] = (thread_cpu_ns() - start) / (double)max_u64(pairs, 1);
    trial_empty(trial, thread, names, result->held, &untimed);
}

/* All threads' names as one list, shuffled, dealt out anew. */
static void deal_out(struct trial *trial)
{
    uint64_t all = 0;
    for (unsigned thread = 0; thread < trial->threads; thread++) {
        uint64_t held = trial->result[thread].held;
        memmove(trial->held + all, trial_held(trial, thread), held * sizeof(trial->held[0]));
        all += held;
    }
    shuffle(trial->held, all, 42);
    for (unsigned thread = trial->threads; thread-- != 0;) {
        uint64_t held = trial->result[thread].held;
        all -= held;
        memmove(trial_held(trial, thread), trial->held + all, held * sizeof(trial->held[0]));
    }
}

void row_random(struct trial *trial, unsigned thread)
{
    uint32_t *names = trial_held(trial, thread);
    struct thread_result *result = &trial->result[thread];
    double untimed;
    result->held = trial_fill(trial, thread, names, trial->per_thread, &untimed);
    trial_meet(trial);
    if (thread == 0) {
        deal_out(trial);
    }
    trial_meet(trial);
    uint64_t half = result->held / 2;
    trial_empty(trial, thread, names, half, &result->ns[0]);
    trial_meet(trial);
    uint64_t again = trial_fill(trial, thread, names, half, &result->ns[1]);
    trial_meet(trial);
    trial_empty(trial, thread, names, again, &untimed);
    trial_empty(trial, thread, names + half, result->held - half, &untimed);
}

/* A step of about the golden ratio of length that has none of its small divisors: a cheap walk over all places, never
 * twice in a pass, on which frames that were allocated together do not come up together again. */
static uint64_t golden_step(uint64_t length)
{
    static const uint64_t primes[] = {2, 3, 5, 7};
    uint64_t step = (uint64_t)((double)length * GOLDEN_RATIO) | 1;
    for (;; step++) {
        bool shares = length % step == 0;
        for (unsigned i = 0; i < ARRAY_COUNT(primes); i++) {
            shares = shares || (length % primes[i] == 0 && step % primes[i] == 0);
        }
        if (!shares) {
            return step;
        }
    }
}

/* One burst from place at on: count frees, then count allocations into the same places. Return: the next place. */
static uint64_t churn_burst(struct trial *trial, unsigned thread, uint32_t *names, uint64_t at, uint64_t step)
{
    const struct frame_allocator *allocator = trial->allocator;
    void *self = trial->self;
    uint64_t length = trial->result[thread].held;
    uint64_t count = trial->count;
    uint64_t place = at;
    for (uint64_t i = 0; i < count; i++) {
        (void)allocator->free(self, thread, names[place], 1);
        place = place + step >= length ? place + step - length : place + step;
    }
    place = at;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t frame = allocator->alloc(self, thread, 0);
        if (frame == NO_FRAME) {
            (void)fprintf(stderr, "%s: no frame at 90 %% full\n", allocator->name);
            exit(EXIT_FAILURE);
        }
        names[place] = (uint32_t)frame;
        place = place + step >= length ? place + step - length : place + step;
    }
    return place;
}

void row_churn(struct trial *trial, unsigned thread)
{
    uint32_t *names = trial_held(trial, thread);
    struct thread_result *result = &trial->result[thread];
    double untimed;
    result->held = trial_fill(trial, thread, names, trial->per_thread * 9 / 10, &untimed);
    shuffle(names, result->held, 3 + thread);
    trial_meet(trial);
    if (result->held < 4 * trial->count) { /* an arena too small, or a fill that was capped */
        result->is_void = true;
        trial_empty(trial, thread, names, result->held, &untimed);
        return;
    }
    uint64_t step = golden_step(result->held);
    uint64_t at = 0;
    uint64_t pairs = 0;
    double start = thread_cpu_ns();
    while (pairs < PAIRS) {
        at = churn_burst(trial, thread, names, at, step);
        pairs += trial->count;
        if (pairs % PAIRS_BETWEEN_LOOKS == 0 && thread_cpu_ns() - start > trial->cap_ns) {
            result->was_capped = true;
            break;
        }
    }
    result->ns[0] = (thread_cpu_ns() - start) / (double)pairs;
    trial_empty(trial, thread, names, result->held, &untimed);
}
