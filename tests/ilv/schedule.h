/* schedule.h — up to three threads of execution on one real one, switched only at steps and exactly as a schedule says.
 *
 * A schedule is an order of the threads and a list of cuts. The first thread of the order starts; a thread that ends or
 * spins is followed by the next one in the order that can run; cut {at, to} switches before transition number `at` is
 * made. The same schedule always gives the same run.
 *
 * A transition is what a thread does from one step to its next. Its label says what it shares with others: the address
 * accessed, and marks for what has no address. Two transitions are independent when their labels do not conflict:
 * changing their order changes nothing. explore.c rests on that.
 *
 * A thread may be an interrupt of another one: same CPU number, and the other one cannot go on before it has ended.
 *
 * Depends on: types.h. Used by: tests/ilv. */
#ifndef NEOMEM_TESTS_ILV_SCHEDULE_H
#define NEOMEM_TESTS_ILV_SCHEDULE_H

#include <neomem/types.h>

#define SCHEDULE_THREADS 3u
#define SCHEDULE_CUTS 8u
#define SCHEDULE_STEPS 30000u /* in one run; more means that it does not end */
#define THREAD_NONE UINT32_MAX

/* The checker's own state lies in a section of its own: world_restore puts everything else back. */
#define RUNNER_STATE __attribute__((section("runner_state")))

enum {
    MARK_LOCK = 1u << 0,   /* taking or giving back a spinlock */
    MARK_RETIRE = 1u << 1, /* the oracle's notes about retired frames, and what compares with them */
    MARK_ANY = 1u << 2,    /* shares something that is not known: conflicts with everything */
    MARK_CHUNK = 1u << 8,  /* and the bits above: the oracle's notes about the frames of a chunk */
};

struct transition {
    uintptr_t address; /* of the 8-byte word accessed; 0: none */
    uint32_t marks;
    uint8_t thread;
    bool is_write;
};

struct cut {
    uint32_t at; /* transitions made before the switch */
    uint32_t to; /* thread */
};

struct schedule {
    unsigned order[SCHEDULE_THREADS];
    unsigned cuts;
    struct cut cut[SCHEDULE_CUTS];
};

struct thread_plan {
    void (*run)(unsigned thread);
    unsigned cpu;
    unsigned interrupts; /* thread that it is an interrupt of; THREAD_NONE */
    bool shares_unknown; /* reads or writes shared data without steps: every transition gets MARK_ANY */
};

/* Run the threads to their ends. Return: how many transitions were made (schedule_trace). */
uint32_t schedule_run(const struct thread_plan *plans, unsigned threads, const struct schedule *schedule);
const struct transition *schedule_trace(void);
bool schedule_conflicts(const struct transition *a, const struct transition *b);

/* ---- for the code that runs ---------------------------------------------------------------------------- */

/* Running thread; THREAD_NONE outside schedule_run. */
unsigned schedule_thread(void);
/* Add to the label of the transition that is being made. */
void schedule_mark(uint32_t marks);
/* CPU number outside schedule_run. */
void schedule_set_cpu(unsigned cpu);
/* A panic: ends the thread, and notes it. Outside schedule_run: does not return to the caller either. */
void schedule_panicked(void) __attribute__((noreturn));
bool schedule_has_panicked(unsigned thread);
/* Why the run could not go on to its end; NULL: it did. */
const char *schedule_stuck(void);

#endif
