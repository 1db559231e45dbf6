/* scene.h — what the interleaving checker lets happen: a machine in some situation, and two or three threads that each
 * make a call or two.
 *
 * Text of a scene: "<mode>:<situation>:<calls of thread 0>|<calls of thread 1>[|<calls of thread 2>]", calls joined by
 * "+"; "^" instead of the last "|" makes that thread an interrupt of thread 0. Example:
 * "cached:full:one|free-run+drain^one".
 *
 * Depends on: world.h, schedule.h. Used by: tests/ilv. */
#ifndef NEOMEM_TESTS_ILV_SCENE_H
#define NEOMEM_TESTS_ILV_SCENE_H

#include "schedule.h"
#include "world.h"

#define SCENE_CALLS 3u

struct scene {
    unsigned mode;
    unsigned situation;
    unsigned threads;
    unsigned calls[SCHEDULE_THREADS];
    unsigned call[SCHEDULE_THREADS][SCENE_CALLS]; /* numbers of kinds */
    bool last_interrupts;
};

/* Return: false when text is no scene. */
bool scene_parse(const char *text, struct scene *scene);
void scene_print(const struct scene *scene, char *text, size_t capacity);

/* Build the machine, bring it into its situation, save it. Return: what to run. */
const struct thread_plan *scene_prepare(const struct scene *scene);
/* Return: what is wrong after a run, or NULL. */
const char *scene_verdict(const struct scene *scene, bool thorough);

/* ---- the tables, for going through all of them ------------------------------------------------------------- */

unsigned scene_modes(void);
unsigned scene_situations(void);
unsigned scene_kinds(void);
/* Whether every pair with that kind is tried (others appear only where they are named). */
bool scene_kind_is_general(unsigned kind);
/* Whether it may run as an interrupt. */
bool scene_kind_nests(unsigned kind);

#endif
