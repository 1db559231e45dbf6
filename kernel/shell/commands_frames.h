/* commands_frames.h — the larger subcommands of `frames`. Private to kernel/shell. */
#ifndef NEOMEM_SHELL_COMMANDS_FRAMES_H
#define NEOMEM_SHELL_COMMANDS_FRAMES_H

#include <neomem/types.h>

/* commands_frames_map.c: coloured cells on the screen, characters everywhere else. Return: true. */
bool frames_show_map(void);

/* commands_frames_bench.c: times, as text and as `frames_bench` records. Return: whether everything could be measured and
 * the allocator's figures are what they were before. */
bool frames_run_bench(void);

#endif
