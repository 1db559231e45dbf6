/* commands_help.c — help, and the small helpers of all commands. */
#include "commands.h"

#include <neomem/console.h>
#include <neomem/options.h>
#include <neomem/printf.h>
#include <neomem/string.h>

#define OPTION_LINE_BYTES 512u

const char *shell_format_size(uint64_t nbytes, char buffer[SHELL_SIZE_BYTES])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    uint64_t whole = nbytes;
    uint64_t below = 0; /* what the last division left, in 1024ths */
    while (whole >= 1024) {
        below = whole % 1024 | (below != 0); /* exact or not is all that matters of the smaller parts */
        whole /= 1024;
        unit++;
    }
    if (below == 0) {
        neo_snprintf(buffer, SHELL_SIZE_BYTES, "%llu %s", (unsigned long long)whole, units[unit]);
    } else {
        neo_snprintf(buffer, SHELL_SIZE_BYTES, "%llu.%llu %s", (unsigned long long)whole,
                     (unsigned long long)(below * 10 / 1024), units[unit]);
    }
    return buffer;
}

static void print_usage(const struct shell_command *command)
{
    kprintf("usage: %s%s%s\n", command->name, command->usage[0] != '\0' ? " " : "", command->usage);
}

bool shell_usage(const char *name)
{
    const struct shell_command *command = shell_command_find(name);
    if (command != NULL) {
        print_usage(command);
    }
    return false;
}

static void list_commands(void)
{
    const struct shell_command *command;
    for (size_t i = 0; (command = shell_command_at(i)) != NULL; i++) {
        kprintf("  %-9s %-26s %s\n", command->name, command->usage, command->help);
    }
    kprintf("Several commands in a line are separated by ';'. 'help options' explains the run-time options.\n");
}

static void list_options(void)
{
    char line[OPTION_LINE_BYTES];
    for (size_t i = 0; i < options_count(); i++) {
        options_help(i, line, sizeof(line));
        kprintf("  %s\n", line);
    }
}

bool command_help(unsigned argc, char *const *argv)
{
    if (argc == 1) {
        list_commands();
        return true;
    }
    if (argc > 2) {
        return shell_usage(argv[0]);
    }
    const struct shell_command *command = shell_command_find(argv[1]);
    /* `options` is a command as well: its own help and the options' fit together. */
    bool options = neo_strcmp(argv[1], "options") == 0;
    if (command != NULL) {
        print_usage(command);
        kprintf("  %s\n", command->help);
    }
    if (options) {
        list_options();
    }
    if (command == NULL && !options) {
        kprintf("help: there is no command '%s'\n", argv[1]);
        return false;
    }
    return true;
}
