/* subject_set.h — a set of chunk numbers on its own, with two words, so that a search has summaries to clear: the
 * machine of a few chunks (world.h) has only one. Compiled as the allocator is, every atomic access a step.
 *
 * Depends on: types.h. Used by: tests/ilv. */
#ifndef NEOMEM_TESTS_ILV_SUBJECT_SET_H
#define NEOMEM_TESTS_ILV_SUBJECT_SET_H

#include <neomem/types.h>

/* An empty set whose summaries still say that there may be members. */
void subject_set_start(void);
void subject_set_add(unsigned thread);
/* Search, and remove what is found. */
void subject_set_take(void);
/* Whether a search finds exactly the members there are. Removes them. */
bool subject_set_is_sound(void);

#endif
