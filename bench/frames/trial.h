/* trial.h — one allocator in one arena, and the threads that work on it.
 *
 * Times are CPU time of the thread that spends it, in nanoseconds for each call. A phase ends early after cap_ns (the naive
 * scan needs that); its figure is then of the calls it got through, and the result says so.
 * Depends on: allocator.h. Used by: bench/frames. */
#ifndef BENCH_FRAMES_TRIAL_H
#define BENCH_FRAMES_TRIAL_H

#include "allocator.h"

#include <neomem/compiler.h>
#include <pthread.h>

#define THREADS_MAX 64u
#define METRICS_MAX 2u

/* Frames for each thread that no test asks for: other CPUs may keep that many in their caches. */
#define SLACK_FRAMES 512u
#define SLACK_2M 2u

struct thread_result {
    NEO_ALIGNED(64) uint64_t held; /* blocks that the thread holds */
    double ns[METRICS_MAX];
    bool was_capped;
    bool is_void; /* the allocator could not do it */
};

struct trial {
    const struct frame_allocator *allocator;
    void *self;
    uint64_t nframes;
    unsigned threads;
    double cap_ns;
    unsigned order;      /* of the blocks of this row */
    uint64_t count;      /* run length or burst of this row */
    uint32_t *held;      /* names of held blocks, per_thread for each thread */
    uint64_t per_thread; /* blocks that a thread may hold */
    pthread_barrier_t barrier;
    struct thread_result result[THREADS_MAX];
};

/* Start the trial's allocator on fresh metadata. Return: whether it accepts the arena. */
bool trial_start(struct trial *trial);
void trial_stop(struct trial *trial);

/* Run body on all threads at once, each on a CPU of its own while there are enough; returns when all have. */
typedef void trial_body(struct trial *trial, unsigned thread);
void trial_run(struct trial *trial, trial_body *body);
/* Wait for the other threads. */
void trial_meet(struct trial *trial);

/* This thread's block of held. */
uint32_t *trial_held(const struct trial *trial, unsigned thread);
/* Allocate up to count blocks of the row's order into names. Return: how many; *ns: time for each. */
uint64_t trial_fill(struct trial *trial, unsigned thread, uint32_t *names, uint64_t count, double *ns);
/* Free count blocks. */
void trial_empty(struct trial *trial, unsigned thread, const uint32_t *names, uint64_t count, double *ns);

/* CPU time of this thread in nanoseconds. */
double thread_cpu_ns(void);
/* SplitMix64: the next of the sequence that *state names. */
uint64_t next_random(uint64_t *state);
/* Random order, the same for the same seed. */
void shuffle(uint32_t *names, uint64_t count, uint64_t seed);

#endif
