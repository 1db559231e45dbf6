/* options_table.c — the run-time options. To add one: a line in enum option_id and one here, in the same place. */
#include "options_table.h"

#include <config.h>

static const char *const flag_words[] = {"off", "on"};
static const char *const console_words[] = {
    [OPTION_CONSOLE_SERIAL] = "serial",
    [OPTION_CONSOLE_SCREEN] = "screen",
};
static const char *const on_end_words[] = {
    [OPTION_ON_END_SHELL] = "shell", [OPTION_ON_END_POWEROFF] = "poweroff",   [OPTION_ON_END_REBOOT] = "reboot",
    [OPTION_ON_END_HALT] = "halt",   [OPTION_ON_END_QEMU_EXIT] = "qemu-exit",
};

#define WORDS_OF(array) .words = (array), .word_count = ARRAY_COUNT(array)
#define FLAG_OF(on_by_default) \
    .kind = OPTION_FLAG, WORDS_OF(flag_words), .has_default = true, .default_number = (on_by_default)

const struct option_definition options_table[OPTION_COUNT] = {
    [OPTION_CONSOLE] = {.name = "console",
                        .kind = OPTION_WORDS,
                        WORDS_OF(console_words),
                        .has_default = true,
                        .default_number = 1u << OPTION_CONSOLE_SERIAL | 1u << OPTION_CONSOLE_SCREEN,
                        .help = "where text goes"},
    [OPTION_RECORDS] = {.name = "records", FLAG_OF(true), .help = "JSON records on serial"},
    [OPTION_RUN] = {.name = "run",
                    .kind = OPTION_TEXT,
                    .has_default = true,
                    .values = "\"command; command; ...\"",
                    .help = "shell commands run after start-up, in order"},
    [OPTION_ON_END] = {.name = "on-end",
                       .kind = OPTION_CHOICE,
                       WORDS_OF(on_end_words),
                       .has_default = true,
                       .default_number = OPTION_ON_END_SHELL,
                       .help = "what follows the last `run` command"},
    [OPTION_KASLR] = {.name = "kaslr",
                      FLAG_OF(true),
                      .help = "off: kernel text at exactly 0xFFFFFFFF80000000 and HHDM at 0xFFFF800000000000"},
    [OPTION_SEED] = {.name = "seed",
                     .kind = OPTION_NUMBER,
                     .max = UINT64_MAX,
                     .help = "fixes every random choice after start-up (tests)"},
    [OPTION_HEAP_MB] = {.name = "heap-mb",
                        .kind = OPTION_NUMBER,
                        .min = 1,
                        .max = 1024,
                        .has_default = true,
                        .default_number = HEAP_SIZE_MB,
                        .help = "MiB that the kernel heap starts with; it grows on demand"},
    [OPTION_LOW_MEMORY] = {.name = "low-memory", FLAG_OF(false), .help = "on: hand out the first MiB too"},
    [OPTION_FRAMES_CHECK] =
        {.name = "frames-check",
         .kind = OPTION_NUMBER,
         .max = 3,
         .has_default = true,
         .default_number = FRAMES_HARDENING,
         .help = "page frames: 0 trusts every free, 1 notices double and wild frees, 2 at once on every "
                 "CPU, 3 also writes to free memory and wrong counts"},
    [OPTION_PAGE_POOL] = {.name = "page-pool",
                          .kind = OPTION_NUMBER,
                          .min = 16,
                          .max = 65536,
                          .has_default = true,
                          .default_number = PAGE_POOL_SIZE,
                          .help = "frames kept ready for page tables and for what must not fail"},
};
