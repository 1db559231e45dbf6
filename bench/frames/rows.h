/* rows.h — the rows of the table: what is timed. Depends on: trial.h. Used by: bench/frames. */
#ifndef BENCH_FRAMES_ROWS_H
#define BENCH_FRAMES_ROWS_H

#include "trial.h"

struct row {
    const char *name;
    trial_body *body;
    unsigned order;
    uint64_t count;                  /* run length or burst */
    const char *metric[METRICS_MAX]; /* what result.ns[] is; NULL: unused */
    bool needs_runs;                 /* calls alloc_run */
};

extern const struct row rows[];
extern const unsigned row_count;

/* ---- rows_single.c ---------------------------------------------------------------------------------------- */

/* Fill the arena, free in the same order. */
trial_body row_bulk;
/* Half full; then one block is allocated and freed, again and again. */
trial_body row_repeat;
/* Fill, shuffle over all threads, free half of it at random, allocate as much again. */
trial_body row_random;
/* 90 % full; count frees all over the place, then as many allocations. */
trial_body row_churn;

/* ---- rows_large.c ----------------------------------------------------------------------------------------- */

/* All taken as 2 MiB frames; one is freed at random and allocated again: the price of finding the only free one. */
trial_body row_full;
/* Runs of count frames up to half the arena, then all freed. */
trial_body row_runs;

/* ---- checks.c: what is not a time for each call; one line of output each ------------------------------------- */

void check_init(struct trial *trial, int repetitions);
void check_fragmentation(struct trial *trial);
/* Return: whether all is well. */
bool check_owners(struct trial *trial);
void check_double_free(struct trial *trial);

#endif
