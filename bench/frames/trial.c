/* trial.c — threads, clocks and the two loops that nearly all rows consist of.
 *
 * Locking: threads share only the allocator, the barrier and the array held, of which each owns one block. */

#include "trial.h"

#include "arch_bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A look at the clock costs as much as dozens of calls. */
#define CALLS_BETWEEN_LOOKS 4096u

struct worker {
    struct trial *trial;
    trial_body *body;
    unsigned thread;
};

bool trial_start(struct trial *trial)
{
    pool_reset();
    trial->self = trial->allocator->start(trial->nframes, trial->threads);
    return trial->self != NULL;
}

void trial_stop(struct trial *trial)
{
    trial->allocator->stop(trial->self);
    trial->self = NULL;
}

static void pin_to_cpu(unsigned thread)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(thread % (unsigned)(cpus > 0 ? cpus : 1), &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

static void *work(void *context)
{
    const struct worker *worker = context;
    pin_to_cpu(worker->thread);
    arch_bench_set_cpu(worker->thread);
    trial_meet(worker->trial);
    worker->body(worker->trial, worker->thread);
    return NULL;
}

void trial_run(struct trial *trial, trial_body *body)
{
    pthread_t id[THREADS_MAX];
    struct worker worker[THREADS_MAX];
    (void)pthread_barrier_init(&trial->barrier, NULL, trial->threads);
    for (unsigned thread = 0; thread < trial->threads; thread++) {
        worker[thread] = (struct worker){.trial = trial, .body = body, .thread = thread};
        trial->result[thread] = (struct thread_result){0};
        if (pthread_create(&id[thread], NULL, work, &worker[thread]) != 0) {
            perror("pthread_create");
            exit(EXIT_FAILURE);
        }
    }
    for (unsigned thread = 0; thread < trial->threads; thread++) {
        (void)pthread_join(id[thread], NULL);
    }
    (void)pthread_barrier_destroy(&trial->barrier);
}

void trial_meet(struct trial *trial)
{
    (void)pthread_barrier_wait(&trial->barrier);
}

uint32_t *trial_held(const struct trial *trial, unsigned thread)
{
    return trial->held + thread * trial->per_thread;
}

uint64_t trial_fill(struct trial *trial, unsigned thread, uint32_t *names, uint64_t count, double *ns)
{
    const struct frame_allocator *allocator = trial->allocator;
    void *self = trial->self;
    unsigned order = trial->order;
    uint64_t done = 0;
    double start = thread_cpu_ns();
    while (done < count) {
        uint64_t frame = allocator->alloc(self, thread, order);
        if (frame == NO_FRAME) {
            break;
        }
        names[done++] = (uint32_t)frame;
        if (done % CALLS_BETWEEN_LOOKS == 0 && thread_cpu_ns() - start > trial->cap_ns) {
            trial->result[thread].was_capped = true;
            break;
        }
    }
    *ns = (thread_cpu_ns() - start) / (double)max_u64(done, 1);
    return done;
}

void trial_empty(struct trial *trial, unsigned thread, const uint32_t *names, uint64_t count, double *ns)
{
    const struct frame_allocator *allocator = trial->allocator;
    void *self = trial->self;
    uint64_t frames = 1ull << trial->order;
    int refused = 0;
    double start = thread_cpu_ns();
    for (uint64_t i = 0; i < count; i++) {
        refused |= allocator->free(self, thread, names[i], frames);
    }
    *ns = (thread_cpu_ns() - start) / (double)max_u64(count, 1);
    if (refused != 0) {
        (void)fprintf(stderr, "%s: a correct free was refused\n", allocator->name);
        exit(EXIT_FAILURE);
    }
}

double thread_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void shuffle(uint32_t *names, uint64_t count, uint64_t seed)
{
    for (uint64_t left = count; left > 1; left--) {
        uint64_t other = next_random(&seed) % left;
        uint32_t name = names[left - 1];
        names[left - 1] = names[other];
        names[other] = name;
    }
}
