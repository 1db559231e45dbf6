/* options.h — run-time options: one table drives parsing, the boot log, `help options` and the README.
 *
 * The table itself is in options_table.c; its order is that of enum option_id. Values come from words "name=value";
 * the later one wins. A word that names no option or has a bad value gives exactly one warning and changes nothing.
 * Numbers are decimal or 0x-hexadecimal. Lists are separated by commas or white space.
 *
 * Locking: none; written during start-up and by the shell, which run on one CPU.
 * Depends on: compiler.h, types.h, config.h. Used by: main, shell, console set-up. */
#ifndef NEOMEM_OPTIONS_H
#define NEOMEM_OPTIONS_H

#include <neomem/compiler.h>
#include <neomem/types.h>

enum option_id {
    OPTION_CONSOLE,      /* words: enum option_console_word */
    OPTION_RECORDS,      /* flag */
    OPTION_RUN,          /* text */
    OPTION_ON_END,       /* choice: enum option_on_end */
    OPTION_KASLR,        /* flag */
    OPTION_SEED,         /* number; unset by default, see option_is_set */
    OPTION_HEAP_MB,      /* number, 1 to 1024 */
    OPTION_LOW_MEMORY,   /* flag */
    OPTION_FRAMES_CHECK, /* number, 0 to 3: frames_set_hardening */
    OPTION_PAGE_POOL,    /* number, 16 to 65536: limit of the page pool */
    OPTION_COUNT,
};

enum option_console_word {
    OPTION_CONSOLE_SERIAL,
    OPTION_CONSOLE_SCREEN,
};

enum option_on_end {
    OPTION_ON_END_SHELL,
    OPTION_ON_END_POWEROFF,
    OPTION_ON_END_REBOOT,
    OPTION_ON_END_HALT,
    OPTION_ON_END_QEMU_EXIT,
};

enum option_source {
    OPTION_SOURCE_DEFAULT,
    OPTION_SOURCE_CONFIG,  /* neomem.cfg */
    OPTION_SOURCE_COMMAND, /* the UEFI LoadOptions */
    OPTION_SOURCE_SHELL,
};

#define OPTION_TEXT_MAX 1024u /* bytes of a text value, its NUL included; longer ones are bad values */

/* text: one line, NUL-terminated, printable ASCII, without a newline; valid during the call only. */
typedef void (*options_warn_fn)(void *context, const char *text);

/* Give every option its default. */
void options_init(void);

/* Take NUL-terminated words "name=value". A last word without NUL ends with nbytes; empty words are skipped.
 * words may be NULL when nbytes is 0. warn may be NULL. Values are copied; words may be freed afterwards.
 * The first form counts as the command line. */
void options_apply_words(const char *words, size_t nbytes, options_warn_fn warn, void *context);
void options_apply_words_from(enum option_source source, const char *words, size_t nbytes, options_warn_fn warn,
                              void *context);

/* Set one option by name, as the shell does. Return: true; false after a warning, with the option unchanged. */
bool options_set(const char *name, const char *value, options_warn_fn warn, void *context);

/* Values. Asking for another kind than the option has is a bug and panics. */
bool option_flag(enum option_id id);
uint64_t option_number(enum option_id id);
const char *option_text(enum option_id id); /* "" when empty; valid until the option is set again */
unsigned option_choice(enum option_id id);
bool option_has_word(enum option_id id, unsigned word_index);

/* False only for an option without a default (seed) that nobody has given a value. */
bool option_is_set(enum option_id id);
enum option_source option_source(enum option_id id);
/* "default", "neomem.cfg", "command line", "shell". */
const char *option_source_name(enum option_source source);

/* ---- walking the table ---------------------------------------------------------------------------
 * index: 0 to options_count() - 1, the numbers of enum option_id. The formatters write as neo_snprintf does and return
 * what it returns; an index beyond the table gives an empty text and 0. */
size_t options_count(void);
const char *options_name(size_t index); /* NULL beyond the table */
/* The value as it would be written behind the '='; "none" when unset. */
int options_format_value(size_t index, char *buffer, size_t capacity);
/* For the boot log: "heap-mb=64 (command line)". */
int options_format(size_t index, char *buffer, size_t capacity);
/* For `help options`: name, values, default, current value and meaning, one line. */
int options_help(size_t index, char *buffer, size_t capacity);
/* For the README: "| `name` | values | default | meaning |". */
int options_describe(size_t index, char *buffer, size_t capacity);

#endif
