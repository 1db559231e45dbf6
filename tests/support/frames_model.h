/* frames_model.h — the frame allocator and its naive reference side by side: one life of a random machine.
 *
 * An operation is a handful of random numbers, drawn without looking at the state; what they mean is decided when it is
 * carried out. So any subset of a list of operations is a legal list, and a failing one can be shrunk.
 * Whatever differs from the contract of frames.h ends the process with the operation and the reason.
 * One thread that plays several CPUs. Depends on: frames.h, naive_frames.h, frames_machine.h. Used by: tests/model. */
#ifndef NEOMEM_TESTS_FRAMES_MODEL_H
#define NEOMEM_TESTS_FRAMES_MODEL_H

#include "frames_machine.h"
#include "naive_frames.h"

#define DRAWS 10u
#define RECENT 1024u

struct frames_operation {
    uint64_t number;
    unsigned goal; /* percent of the memory that should be in use about now */
    uint64_t draw[DRAWS];
};

struct frames_model {
    struct frames_machine machine;
    struct naive_frames naive;
    unsigned cpu;  /* the one that calls now */
    unsigned cpus; /* that have caches */
    unsigned nodes;
    unsigned level;
    bool traces; /* print every operation */
    const char *doing;
    uint64_t number;                      /* of the operation */
    uint64_t log_lines;                   /* since the operation began */
    bool watches;                         /* the windows' reserves, in this operation's first allocation */
    uint64_t shared_free[FRAMES_WINDOWS]; /* at the operation's beginning, when it watches */
    uint64_t reserve[FRAMES_WINDOWS];     /* the most that was seen since memory came or went */
    pfn_t recent[RECENT];                 /* freed lately, first and last frames */
    uint64_t freed;                       /* how many were put there */
    uint64_t successes, refusals;         /* of allocations: what the run was worth */
    void (*on_failure)(const char *what);
};

/* The process ends unless it holds. */
void model_require(const struct frames_model *model, bool holds, const char *what);

/* Start the machine, all of it. */
void model_start(struct frames_model *model);
/* Carry out one operation and check what it did. */
void model_step(struct frames_model *model, const struct frames_operation *operation);
/* Compare everything that can be asked for; ends with all caches drained. */
void model_compare(struct frames_model *model);

/* ---- between the parts of the model ------------------------------------------------------------------------------ */

/* frames_model.c */
void model_drain(const struct frames_model *model);
/* Only those, and only when frames of [pfn, pfn + count) sit in their caches. */
void model_drain_others(const struct frames_model *model, pfn_t pfn, uint64_t count);
void model_compare_figures(const struct frames_model *model);
void model_compare_states(const struct frames_model *model);
/* Metadata comes and goes with memory; everything else must be as the reference has it. */
void model_learn_metadata(struct frames_model *model);
void model_say(const struct frames_model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* frames_model_rules.c */
struct naive_request model_rules(const struct frames_model *model, const struct frames_request *request);
/* pa is what the allocator has answered to the request. */
void model_check_allocation(struct frames_model *model, const struct frames_request *request, phys_addr_t pa);
void model_watch_windows(struct frames_model *model);

/* frames_model_alloc.c, frames_model_free.c, frames_model_memory.c: the operations. */
void model_alloc(struct frames_model *model, const uint64_t *draw);
void model_alloc_fixed(struct frames_model *model, const uint64_t *draw);
void model_request(struct frames_model *model, const uint64_t *draw);
void model_burst(struct frames_model *model, const uint64_t *draw);
void model_refused_request(struct frames_model *model, const uint64_t *draw);
void model_preferred(struct frames_model *model, const uint64_t *draw);
void model_longest(struct frames_model *model, const uint64_t *draw);
/* Whether the frames at the top, which cannot be touched, are all in use now. */
bool model_occupy_top(struct frames_model *model);

void model_free(struct frames_model *model, const uint64_t *draw);
void model_bad_free(struct frames_model *model, const uint64_t *draw);

void model_retire(struct frames_model *model, const uint64_t *draw);
void model_add(struct frames_model *model, const uint64_t *draw);
void model_remove(struct frames_model *model, const uint64_t *draw);
void model_set_level(struct frames_model *model, const uint64_t *draw);
void model_set_machine(struct frames_model *model, const uint64_t *draw);

/* The contents of [pfn, pfn + count): written when it is handed out, looked at when it comes back. */
void model_stamp(const struct frames_model *model, pfn_t pfn, uint64_t count);
void model_check_stamp(const struct frames_model *model, pfn_t pfn, uint64_t count);
bool model_is_reachable(pfn_t pfn);

static inline bool model_chance(uint64_t draw, unsigned percent)
{
    return draw % 100 < percent;
}

#endif
