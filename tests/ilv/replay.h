/* replay.h — see one run: what `ilv --replay` does with what a found error printed.
 *
 * Depends on: scene.h. Used by: tests/ilv. */
#ifndef NEOMEM_TESTS_ILV_REPLAY_H
#define NEOMEM_TESTS_ILV_REPLAY_H

#include "scene.h"

/* text: "<order>:<cut>,<cut>…", each cut "<transition>><thread>". Return: exit status: 0 nothing wrong, 1 wrong, 2 no
 * schedule. */
int replay(const struct scene *scene, const char *text);

#endif
