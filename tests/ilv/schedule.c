/* schedule.c — see schedule.h.
 *
 * Each thread has a stack of its own and sleeps in a _setjmp between its turns; a switch is one _setjmp and one
 * _longjmp, no system call. A thread's function is entered anew for each run. Cost of a step without a switch: some 3
 * ns. */

#include "schedule.h"

#include "step.h"

#include <neomem/arch.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK_BYTES (256u * 1024u)
/* A thread that makes so many transitions in a row waits for another one without saying so. */
#define STEPS_IN_A_ROW 2000u
#define SPINS_MAX 20000u

struct fiber {
    jmp_buf asleep;
    jmp_buf top; /* where it waits for its next run; also the way out of a panic */
    unsigned char *stack;
    bool exists, has_begun, is_done, has_panicked;
    uint32_t last; /* its newest transition */
};

static struct {
    const struct thread_plan *plans;
    const struct schedule *schedule;
    unsigned threads;
    unsigned thread; /* running */
    unsigned cpu;    /* outside a run */
    unsigned next_cut;
    uint32_t steps, in_a_row, spins;
    const char *stuck;
    jmp_buf outside;
    struct fiber fiber[SCHEDULE_THREADS];
    struct transition trace[SCHEDULE_STEPS];
    ucontext_t creator, created;
} runner RUNNER_STATE = {.thread = THREAD_NONE};

/* ---- who runs ------------------------------------------------------------------------------------------- */

static bool can_run(unsigned thread)
{
    if (thread >= runner.threads || runner.fiber[thread].is_done) {
        return false;
    }
    for (unsigned other = 0; other < runner.threads; other++) {
        const struct fiber *interrupt = &runner.fiber[other];
        if (runner.plans[other].interrupts == thread && interrupt->has_begun && !interrupt->is_done) {
            return false;
        }
    }
    return true;
}

/* The next thread after `thread` in the order that can run; THREAD_NONE. */
static unsigned next_after(unsigned thread)
{
    unsigned at = 0;
    while (at < runner.threads && runner.schedule->order[at] != thread) {
        at++;
    }
    for (unsigned k = 1; k < runner.threads; k++) {
        unsigned candidate = runner.schedule->order[(at + k) % runner.threads];
        if (can_run(candidate)) {
            return candidate;
        }
    }
    return THREAD_NONE;
}

static void __attribute__((noreturn)) wake(unsigned thread)
{
    runner.thread = thread;
    runner.in_a_row = 0;
    runner.fiber[thread].has_begun = true;
    _longjmp(runner.fiber[thread].asleep, 1);
}

static void switch_to(unsigned thread)
{
    if (_setjmp(runner.fiber[runner.thread].asleep) == 0) {
        wake(thread);
    }
}

static void __attribute__((noreturn)) give_up(const char *why)
{
    runner.stuck = why;
    runner.thread = THREAD_NONE;
    _longjmp(runner.outside, 1);
}

/* ---- transitions ---------------------------------------------------------------------------------------- */

static void transition(uintptr_t address, bool is_write, uint32_t marks)
{
    unsigned me = runner.thread;
    const struct schedule *schedule = runner.schedule;
    if (runner.next_cut < schedule->cuts && schedule->cut[runner.next_cut].at == runner.steps) {
        unsigned to = schedule->cut[runner.next_cut++].to;
        if (to != me && can_run(to)) {
            switch_to(to);
        }
    }
    if (runner.steps == SCHEDULE_STEPS) {
        give_up("a run that does not end");
    }
    if (++runner.in_a_row > STEPS_IN_A_ROW && next_after(me) != THREAD_NONE) {
        switch_to(next_after(me));
    }
    runner.spins = 0;
    runner.fiber[me].last = runner.steps;
    runner.trace[runner.steps++] = (struct transition){
        .address = address & ~(uintptr_t)7,
        .marks = marks | (runner.plans[me].shares_unknown ? MARK_ANY : 0),
        .thread = (uint8_t)me,
        .is_write = is_write,
    };
}

/* word_load_sc, count_load, begin_reading, … */
static bool only_reads(const char *function)
{
    const char *verb = strchr(function, '_');
    return verb != NULL && (strncmp(verb, "_load", 5) == 0 || strncmp(verb, "_read", 5) == 0);
}

void ilv_step(const volatile void *address, const char *function)
{
    static uint64_t nameless;
    if (runner.thread != THREAD_NONE) {
        transition(address == NULL ? (uintptr_t)&nameless : (uintptr_t)address, !only_reads(function), 0);
    }
}

void schedule_mark(uint32_t marks)
{
    if (runner.thread != THREAD_NONE) {
        runner.trace[runner.fiber[runner.thread].last].marks |= marks;
    }
}

bool schedule_conflicts(const struct transition *a, const struct transition *b)
{
    bool same_word = a->address != 0 && a->address == b->address && (a->is_write || b->is_write);
    return same_word || (a->marks & b->marks) != 0 || ((a->marks | b->marks) & MARK_ANY) != 0;
}

/* ---- a run ---------------------------------------------------------------------------------------------- */

static void live(unsigned thread)
{
    struct fiber *me = &runner.fiber[thread];
    if (_setjmp(me->asleep) == 0) {
        swapcontext(&runner.created, &runner.creator);
    }
    for (;;) {
        if (_setjmp(me->top) == 0) {
            transition(0, false, 0);
            runner.plans[thread].run(thread);
        }
        me->is_done = true;
        unsigned next = next_after(thread);
        if (_setjmp(me->asleep) == 0) {
            if (next == THREAD_NONE) {
                runner.thread = THREAD_NONE;
                _longjmp(runner.outside, 1);
            }
            wake(next);
        }
    }
}

static void create(unsigned thread)
{
    struct fiber *fiber = &runner.fiber[thread];
    if (fiber->stack == NULL) {
        fiber->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fiber->stack == MAP_FAILED) {
            perror("stack");
            exit(2);
        }
    }
    getcontext(&runner.created);
    runner.created.uc_stack.ss_sp = fiber->stack;
    runner.created.uc_stack.ss_size = STACK_BYTES;
    makecontext(&runner.created, (void (*)(void))live, 1, thread);
    swapcontext(&runner.creator, &runner.created);
    fiber->exists = true;
}

uint32_t schedule_run(const struct thread_plan *plans, unsigned threads, const struct schedule *schedule)
{
    runner.plans = plans;
    runner.threads = threads;
    runner.schedule = schedule;
    runner.next_cut = 0;
    runner.steps = runner.spins = 0;
    runner.stuck = NULL;
    for (unsigned i = 0; i < threads; i++) {
        /* One that was left in the middle of something starts over. */
        if (!runner.fiber[i].exists || (runner.fiber[i].has_begun && !runner.fiber[i].is_done)) {
            create(i);
        }
        runner.fiber[i].has_begun = runner.fiber[i].is_done = runner.fiber[i].has_panicked = false;
    }
    if (_setjmp(runner.outside) == 0) {
        wake(schedule->order[0]);
    }
    return runner.steps;
}

const struct transition *schedule_trace(void)
{
    return runner.trace;
}

const char *schedule_stuck(void)
{
    return runner.stuck;
}

unsigned schedule_thread(void)
{
    return runner.thread;
}

void schedule_set_cpu(unsigned cpu)
{
    runner.cpu = cpu;
}

void schedule_panicked(void)
{
    if (runner.thread == THREAD_NONE) {
        _longjmp(runner.outside, 1);
    }
    runner.fiber[runner.thread].has_panicked = true;
    _longjmp(runner.fiber[runner.thread].top, 1);
}

bool schedule_has_panicked(unsigned thread)
{
    return runner.fiber[thread].has_panicked;
}

/* ---- the machine: what arch.h promises, as far as the frame allocator asks for it ---------------------------- */

unsigned arch_cpu_id(void)
{
    return runner.thread == THREAD_NONE ? runner.cpu : runner.plans[runner.thread].cpu;
}

/* Locks are taken with interrupts off (spinlock.h): the transition from here on takes one … */
arch_irq_state_t arch_irq_save(void)
{
    if (runner.thread != THREAD_NONE) {
        transition(0, true, MARK_LOCK);
    }
    return 0;
}

/* … and the one that ends here has given it back. */
void arch_irq_restore(arch_irq_state_t state)
{
    (void)state;
    schedule_mark(MARK_LOCK);
}

/* A thread that waits: somebody else's turn. */
void arch_cpu_relax(void)
{
    if (runner.thread == THREAD_NONE) {
        return;
    }
    if (++runner.spins > SPINS_MAX) {
        give_up("a thread waits for what nobody does (deadlock)");
    }
    unsigned next = next_after(runner.thread);
    if (next != THREAD_NONE) {
        switch_to(next);
    }
}

uint64_t arch_cycles(void)
{
    return runner.steps;
}

uint64_t arch_random(void)
{
    return 0x9e3779b97f4a7c15ull;
}
