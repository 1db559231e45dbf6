/* commands.c — the one table of commands. To add one: a line here, a prototype in commands.h. */
#include "commands.h"

#include <neomem/compiler.h>
#include <neomem/string.h>

static const struct shell_command commands[] = {
    {"help", "[command | options]", "list the commands, or explain one", command_help},
    {"map", "[efi | limine | kernel]", "memory maps: firmware's, the Limine entries, the kernel's own", command_map},
    {"stats", "", "figures of the memory manager", command_stats},
    {"frames", "[map | query ADDRESS | ...]", "the page frames; 'frames help' lists more", command_frames},
    {"alloc", "[N | NB | NK | NM | NG]", "allocate N frames, or bytes from the heap, and fill them", command_alloc},
    {"free", "[ID | all]", "check and free an allocation; without ID: list them", command_free},
    {"peek", "ADDRESS [BYTES]", "show memory at a virtual address", command_peek},
    {"selftest", "[NAME]", "run the kernel's tests, or those whose name begins with NAME", command_selftest},
    {"options", "[NAME=VALUE]", "show the run-time options, or change one", command_options},
    {"boot", "", "what firmware and loader handed over", command_boot},
    {"cpu", "", "the processor and its protections", command_cpu},
    {"acpi", "", "the ACPI tables", command_acpi},
    {"echo", "[WORD ...]", "print the words", command_echo},
    {"clear", "", "clear the screen", command_clear},
    {"version", "", "version and build id", command_version},
    {"panic", "[TEXT]", "panic on purpose", command_panic},
    {"reboot", "", "restart the machine", command_reboot},
    {"poweroff", "", "switch the machine off", command_poweroff},
    {"halt", "", "stop here", command_halt},
};

const struct shell_command *shell_command_at(size_t index)
{
    return index < ARRAY_COUNT(commands) ? &commands[index] : NULL;
}

const struct shell_command *shell_command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (neo_strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}
