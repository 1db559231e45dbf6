/* commands.h — the command table and what the command files share. Private to kernel/shell. */
#ifndef NEOMEM_SHELL_COMMANDS_H
#define NEOMEM_SHELL_COMMANDS_H

#include <neomem/types.h>

struct shell_command {
    const char *name;
    const char *usage; /* what stands behind the name; "" for nothing */
    const char *help;  /* one line */
    /* argv[0] is the name; argv[argc] is NULL. Return: success; a failure has said why. */
    bool (*run)(unsigned argc, char *const *argv);
};

/* The table, in the order of `help`: index 0 …; NULL behind the last one. */
const struct shell_command *shell_command_at(size_t index);
/* NULL when there is none of this name. */
const struct shell_command *shell_command_find(const char *name);

/* "12 KiB", "1.5 GiB", "17 bytes". Return: buffer. */
#define SHELL_SIZE_BYTES 24u
const char *shell_format_size(uint64_t nbytes, char buffer[SHELL_SIZE_BYTES]);

/* Say how the command is used. Return: false, for `return shell_usage(argv[0])`. */
bool shell_usage(const char *name);

/* ---- the commands, by file ---- */

/* commands_help.c */
bool command_help(unsigned argc, char *const *argv);
/* commands_map.c */
bool command_map(unsigned argc, char *const *argv);
/* commands_memory.c */
bool command_stats(unsigned argc, char *const *argv);
bool command_peek(unsigned argc, char *const *argv);
/* commands_frames.c */
bool command_frames(unsigned argc, char *const *argv);
/* commands_alloc.c */
bool command_alloc(unsigned argc, char *const *argv);
bool command_free(unsigned argc, char *const *argv);
/* commands_system.c */
bool command_selftest(unsigned argc, char *const *argv);
bool command_options(unsigned argc, char *const *argv);
bool command_boot(unsigned argc, char *const *argv);
bool command_cpu(unsigned argc, char *const *argv);
bool command_acpi(unsigned argc, char *const *argv);
bool command_version(unsigned argc, char *const *argv);
bool command_echo(unsigned argc, char *const *argv);
bool command_clear(unsigned argc, char *const *argv);
bool command_panic(unsigned argc, char *const *argv);
bool command_reboot(unsigned argc, char *const *argv);
bool command_poweroff(unsigned argc, char *const *argv);
bool command_halt(unsigned argc, char *const *argv);

#endif
