/* scene_internal.h — what the tables of a scene (scene_kinds.c), its text (scene_text.c) and its preparation (scene.c)
 * share.
 *
 * Depends on: scene.h. Used by: tests/ilv/scene*.c. */
#ifndef NEOMEM_TESTS_ILV_SCENE_INTERNAL_H
#define NEOMEM_TESTS_ILV_SCENE_INTERNAL_H

#include "scene.h"

#define NO_FRAME UINT32_MAX
/* Used part of a chunk that the last free completes. */
#define LAST_COUNT 500u

struct stage {
    const struct scene *scene;
    struct thread_plan plan[SCHEDULE_THREADS];
    unsigned own[SCHEDULE_THREADS]; /* first frame of each thread's own chunk */
    unsigned huge, last;            /* first frames of the shared ones */
    bool has_huge, has_last;
    unsigned part[SCHEDULE_THREADS], part_count[SCHEDULE_THREADS]; /* of the shared ones */
    unsigned warm[SCHEDULE_THREADS];                               /* a frame in that CPU's stack */
    unsigned victim[SCHEDULE_THREADS];                             /* frame to retire */
};
/* What the running scene looks like; put back for each run. */
extern struct stage stage;

struct mode {
    const char *name;
    unsigned hardening, cpu_slots;
};

struct situation {
    const char *name;
    unsigned chunks;
    bool has_plenty;                      /* no allocation of up to a chunk may fail */
    void (*before)(void), (*after)(void); /* the calls are prepared */
};

enum {
    GENERAL = 1u << 0, /* in every pair */
    NESTS = 1u << 1,   /* may be an interrupt */
    OWN = 1u << 2,     /* a chunk of its own */
    PART = 1u << 3,    /* a part of the shared 2 MiB frame */
    LAST = 1u << 4,    /* a part of the shared chunk that the last free completes */
    RETIRES = 1u << 5,
    ADDS = 1u << 6,
    UNKNOWN = 1u << 7,     /* shares data that is not accessed through frames_atomic.h */
    DOUBLE = 1u << 8,      /* frees what another thread frees, too */
    TWO = 1u << 9,         /* with OWN: one more chunk behind it */
    UNEXPECTED = 1u << 10, /* what is added brings its books itself */
};

struct kind {
    const char *name;
    unsigned flags;
    void (*hold)(unsigned thread);    /* before the situation is complete */
    void (*warm_up)(unsigned thread); /* after it */
    void (*run)(unsigned thread);
};

extern const struct mode scene_mode_table[];
extern const struct situation scene_situation_table[];
extern const struct kind scene_kind_table[];

/* Flags of all calls of a thread. */
unsigned scene_flags(unsigned thread);
/* A frame that another thread holds and is about to give back, or that is just in use. */
unsigned scene_victim(unsigned thread);

#endif
