/* checks.c — what an allocator is asked besides its times: cost and size of its start, how memory recovers from use at
 * random, whether a frame ever has two owners, and whether a second free is noticed.
 *
 * Each prints one line of tab-separated fields: kind, allocator, MiB, threads, values. */

#include "rows.h"

#include "arch_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- start --------------------------------------------------------------------------------------------------- */

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void print_head(const char *kind, const struct trial *trial)
{
    (void)printf("%s\t%s\t%llu\t%u", kind, trial->allocator->name, (unsigned long long)(trial->nframes >> 8),
                 trial->threads);
}

void check_init(struct trial *trial, int repetitions)
{
    double *us = malloc((size_t)repetitions * sizeof(us[0]));
    if (us == NULL || !trial_start(trial)) { /* the first start is not timed: the host maps memory in it */
        free(us);
        return;
    }
    const struct frame_allocator *allocator = trial->allocator;
    uint64_t metadata = allocator->metadata_bytes != NULL ? allocator->metadata_bytes(trial->self) : pool_used();
    trial_stop(trial);
    for (int i = 0; i < repetitions; i++) {
        double start = thread_cpu_ns();
        bool started = trial_start(trial);
        us[i] = (thread_cpu_ns() - start) / 1e3;
        if (started) {
            trial_stop(trial);
        }
    }
    qsort(us, (size_t)repetitions, sizeof(us[0]), ascending);
    print_head("init", trial);
    (void)printf("\t%.2f\t%.2f\t%llu\t%.3f\n", us[repetitions / 2], us[0], (unsigned long long)metadata,
                 8.0 * (double)metadata / (double)trial->nframes);
    free(us);
}

/* ---- recovery of 2 MiB frames -------------------------------------------------------------------------------- */

#define ROUNDS 100
#define ROUNDS_BETWEEN_LINES 20

static uint64_t name_limit(const struct trial *trial)
{
    const struct frame_allocator *allocator = trial->allocator;
    return allocator->name_limit != NULL ? allocator->name_limit(trial->self) : allocator->first_name + trial->nframes;
}

/* Wholly free 2 MiB frames among chunks from first on, by our own record of what is held. users: for all chunks to name. */
static uint64_t free_chunks(const uint32_t *names, uint64_t count, uint16_t *users, uint64_t all, uint64_t first,
                            uint64_t chunks)
{
    uint64_t free_ones = 0;
    memset(users, 0, all * sizeof(users[0]));
    for (uint64_t i = 0; i < count; i++) {
        users[names[i] / FRAMES_IN_2M]++;
    }
    for (uint64_t chunk = first; chunk < first + chunks; chunk++) {
        free_ones += users[chunk] == 0;
    }
    return free_ones;
}

/* count of the names, chosen at random, move to the end. */
static void move_some_to_end(uint32_t *names, uint64_t length, uint64_t count, uint64_t *seed)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t other = next_random(seed) % (length - i);
        uint32_t name = names[length - 1 - i];
        names[length - 1 - i] = names[other];
        names[other] = name;
    }
}

static void replace_in_rounds(struct trial *trial, uint32_t *names, uint64_t kept, uint16_t *users, uint64_t all)
{
    uint64_t chunks = trial->nframes / FRAMES_IN_2M;
    uint64_t first = trial->allocator->first_name / FRAMES_IN_2M;
    uint64_t tenth = kept / 10;
    uint64_t seed = 11;
    double untimed;
    print_head("frag", trial);
    for (int round = 0; round <= ROUNDS; round++) {
        if (round % ROUNDS_BETWEEN_LINES == 0) {
            uint64_t free_ones = free_chunks(names, kept, users, all, first, chunks);
            (void)printf("\t%.1f", 100.0 * (double)free_ones / (double)chunks);
        }
        move_some_to_end(names, kept, tenth, &seed);
        trial_empty(trial, 0, names + kept - tenth, tenth, &untimed);
        (void)trial_fill(trial, 0, names + kept - tenth, tenth, &untimed);
    }
    (void)putchar('\n');
}

void check_fragmentation(struct trial *trial)
{
    if (trial->threads != 1 || !trial_start(trial)) {
        return;
    }
    uint64_t all = name_limit(trial) / FRAMES_IN_2M + 1;
    uint16_t *users = malloc(all * sizeof(users[0]));
    uint32_t *names = malloc(trial->nframes * sizeof(names[0]));
    double untimed;
    trial->order = 0;
    trial->result[0].was_capped = false;
    if (users != NULL && names != NULL) {
        uint64_t count = trial_fill(trial, 0, names, trial->nframes - SLACK_FRAMES, &untimed);
        if (!trial->result[0].was_capped) {
            shuffle(names, count, 5);
            uint64_t kept = count / 2;
            trial_empty(trial, 0, names + kept, count - kept, &untimed);
            replace_in_rounds(trial, names, kept, users, all);
        }
    }
    trial_stop(trial);
    free(users);
    free(names);
}

/* ---- one owner for each frame ---------------------------------------------------------------------------------- */

#define OWNED_MAX 4096u
#define OWNER_STEPS 3000000u
#define PAIR_STEPS 6000000u

struct owned {
    uint64_t frame;
    uint64_t count;
};

static struct {
    uint8_t *is_owned; /* one for each frame; atomic accesses only */
    uint64_t errors;   /* the same */
    uint64_t limit;
} owners;

static void set_owned(const struct owned *block, uint8_t value)
{
    for (uint64_t i = 0; i < block->count; i++) {
        if (__atomic_exchange_n(&owners.is_owned[block->frame + i], value, __ATOMIC_SEQ_CST) == value) {
            (void)__atomic_fetch_add(&owners.errors, 1, __ATOMIC_SEQ_CST);
        }
    }
}

/* Mostly single frames, some blocks of an order, some runs. */
static bool take_something(struct trial *trial, unsigned thread, uint64_t dice, struct owned *block)
{
    const struct frame_allocator *allocator = trial->allocator;
    unsigned kind = (unsigned)(dice >> 8) % 100;
    if (kind < 60) {
        block->count = 1;
        block->frame = allocator->alloc(trial->self, thread, 0);
    } else if (kind < 90 || allocator->alloc_run == NULL) {
        unsigned order = (unsigned)(dice >> 16) % (kind < 88 ? 7 : 11);
        block->count = 1ull << order;
        block->frame = allocator->alloc(trial->self, thread, order);
    } else {
        block->count = 1 + (dice >> 16) % (kind < 98 ? 100 : 1500);
        block->frame = allocator->alloc_run(trial->self, thread, block->count);
    }
    if (block->frame == NO_FRAME) {
        return false;
    }
    bool is_misaligned = kind >= 60 && kind < 90 && block->frame % block->count != 0;
    bool is_outside = block->frame < allocator->first_name || block->frame + block->count > owners.limit;
    if (is_misaligned || is_outside) {
        (void)__atomic_fetch_add(&owners.errors, 1, __ATOMIC_SEQ_CST);
        return false;
    }
    set_owned(block, 1);
    return true;
}

static void give_something(struct trial *trial, unsigned thread, const struct owned *block)
{
    set_owned(block, 0);
    if (trial->allocator->free(trial->self, thread, block->frame, block->count) != 0) {
        (void)__atomic_fetch_add(&owners.errors, 1, __ATOMIC_SEQ_CST);
    }
}

static void own_at_random(struct trial *trial, unsigned thread)
{
    static struct owned blocks[THREADS_MAX][OWNED_MAX];
    struct owned *owned = blocks[thread];
    uint64_t seed = 99 + thread;
    uint64_t count = 0;
    uint64_t frames = 0;
    for (uint64_t step = 0; step < OWNER_STEPS; step++) {
        uint64_t dice = next_random(&seed);
        if ((dice & 1) != 0 && count < OWNED_MAX && frames < trial->nframes / trial->threads) {
            if (take_something(trial, thread, dice, &owned[count])) {
                frames += owned[count++].count;
            }
        } else if (count != 0) {
            uint64_t i = (dice >> 8) % count;
            frames -= owned[i].count;
            give_something(trial, thread, &owned[i]);
            owned[i] = owned[--count];
        }
    }
    while (count != 0) {
        give_something(trial, thread, &owned[--count]);
    }
}

/* Whether another thread says that it holds frame. */
static bool is_held_elsewhere(const struct trial *trial, unsigned thread, uint64_t frame)
{
    for (unsigned other = 0; other < trial->threads; other++) {
        if (other != thread && __atomic_load_n(&trial->result[other].held, __ATOMIC_ACQUIRE) == frame) {
            return true;
        }
    }
    return false;
}

/* One frame at a time while all others are in whole chunks, free or used: chunks become whole and are divided again all the
 * time. Little is done in between, so that the threads meet in these changes. */
static void own_one_after_another(struct trial *trial, unsigned thread)
{
    const struct frame_allocator *allocator = trial->allocator;
    uint64_t *held = &trial->result[thread].held;
    uint64_t errors = 0;
    __atomic_store_n(held, NO_FRAME, __ATOMIC_RELEASE);
    trial_meet(trial);
    for (uint64_t step = 0; step < PAIR_STEPS; step++) {
        uint64_t frame = allocator->alloc(trial->self, thread, 0);
        if (frame == NO_FRAME) {
            errors++;
            break;
        }
        __atomic_store_n(held, frame, __ATOMIC_RELEASE);
        errors += is_held_elsewhere(trial, thread, frame);
        __atomic_store_n(held, NO_FRAME, __ATOMIC_RELEASE);
        errors += allocator->free(trial->self, thread, frame, 1) != 0;
    }
    (void)__atomic_fetch_add(&owners.errors, errors, __ATOMIC_SEQ_CST);
}

/* The same with as many frames in use as half of the whole chunks have: none is left that is used in part. */
static void check_pairs(struct trial *trial)
{
    uint64_t count = align_down(trial->nframes / 2, FRAMES_IN_2M);
    uint32_t *names = malloc(count * sizeof(names[0]));
    double untimed;
    if (names == NULL) {
        return;
    }
    trial->order = 0;
    uint64_t held = trial_fill(trial, 0, names, count, &untimed);
    trial_run(trial, own_one_after_another);
    trial_empty(trial, 0, names, held, &untimed);
    free(names);
}

bool check_owners(struct trial *trial)
{
    if (!trial_start(trial)) {
        return true;
    }
    const struct frame_allocator *allocator = trial->allocator;
    owners.limit = name_limit(trial);
    owners.is_owned = calloc(owners.limit, sizeof(owners.is_owned[0]));
    if (owners.is_owned == NULL) {
        perror("owners");
        exit(EXIT_FAILURE);
    }
    owners.errors = 0;
    uint64_t before = allocator->free_frames(trial->self);
    check_pairs(trial);
    trial_run(trial, own_at_random);
    if (allocator->drain != NULL) {
        allocator->drain(trial->self);
    }
    uint64_t after = allocator->free_frames(trial->self);
    bool is_sound = allocator->is_sound == NULL || allocator->is_sound(trial->self);
    uint64_t errors = owners.errors;
    print_head("verify", trial);
    (void)printf("\t%llu\t%llu\t%llu\t%s\n", (unsigned long long)errors, (unsigned long long)before,
                 (unsigned long long)after, is_sound ? "sound" : "broken");
    trial_stop(trial);
    free(owners.is_owned);
    return errors == 0 && before == after && is_sound;
}

/* ---- double frees ------------------------------------------------------------------------------------------------ */

#define FREED_TWICE_OF 200u

enum second_free { SAME_CPU, SAME_CPU_LATER, OTHER_CPU, OTHER_CPU_WRITTEN_BACK, SECOND_FREES };

struct double_free {
    struct trial *trial;
    enum second_free kind;
    uint64_t frame[FREED_TWICE_OF];
};

static int free_on(const struct trial *trial, unsigned cpu, uint64_t frame)
{
    arch_bench_set_cpu(cpu);
    int refused = trial->allocator->free(trial->self, cpu, frame, 1);
    arch_bench_set_cpu(0);
    return refused;
}

static int free_again(void *context)
{
    const struct double_free *test = context;
    const struct trial *trial = test->trial;
    unsigned cpu = test->kind == OTHER_CPU || test->kind == OTHER_CPU_WRITTEN_BACK ? 1 : 0;
    int refused = free_on(trial, cpu, test->frame[20]);
    if (test->kind == OTHER_CPU_WRITTEN_BACK && trial->allocator->drain != NULL) {
        trial->allocator->drain(trial->self);
    }
    return refused;
}

static bool is_noticed(struct trial *trial, enum second_free kind)
{
    struct double_free test = {.trial = trial, .kind = kind};
    if (!trial_start(trial)) {
        return false;
    }
    for (unsigned i = 0; i < FREED_TWICE_OF; i++) {
        test.frame[i] = trial->allocator->alloc(trial->self, 0, 0);
    }
    (void)free_on(trial, 0, test.frame[20]);
    if (kind == SAME_CPU_LATER) { /* 76 frees later */
        for (unsigned i = 64; i < 140; i++) {
            (void)free_on(trial, 0, test.frame[i]);
        }
    }
    bool noticed =
        (trial->allocator->attempt != NULL ? trial->allocator->attempt(free_again, &test) : free_again(&test)) != 0;
    trial_stop(trial);
    return noticed;
}

void check_double_free(struct trial *trial)
{
    if (trial->threads != 2) {
        return;
    }
    print_head("dfree", trial);
    for (unsigned kind = 0; kind < SECOND_FREES; kind++) {
        (void)printf("\t%s", is_noticed(trial, (enum second_free)kind) ? "yes" : "no");
    }
    (void)putchar('\n');
}
