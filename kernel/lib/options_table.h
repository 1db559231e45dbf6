/* options_table.h — what the option table holds; private to kernel/lib.
 * Depends on: options.h. Used by: options*.c. */
#ifndef NEOMEM_OPTIONS_TABLE_H
#define NEOMEM_OPTIONS_TABLE_H

#include <neomem/options.h>

enum option_kind {
    OPTION_FLAG,   /* on, off */
    OPTION_NUMBER, /* min to max */
    OPTION_CHOICE, /* one of words */
    OPTION_WORDS,  /* one or more of words; the value is a bit mask of their indices */
    OPTION_TEXT,   /* anything of up to OPTION_TEXT_MAX - 1 bytes */
};

struct option_definition {
    const char *name;
    enum option_kind kind;
    unsigned word_count;      /* at most 64 for WORDS */
    const char *const *words; /* CHOICE, WORDS, FLAG (off, on): what a value may say */
    uint64_t min, max;        /* NUMBER */
    uint64_t default_number;  /* number, choice index, mask of words, flag; text is empty by default */
    const char *values;       /* TEXT: what a value looks like */
    const char *help;         /* no '|', no newline: it ends in a Markdown table */
    bool has_default;         /* false: unset, and default_number is 0 */
};

/* In the order of enum option_id. */
extern const struct option_definition options_table[OPTION_COUNT];

/* How many options are OPTION_TEXT: each needs storage of its own. */
#define OPTION_TEXT_COUNT 1u

#endif
