/* shell_parse.h — command lines to words; pure. Private to kernel/shell. */
#ifndef NEOMEM_SHELL_PARSE_H
#define NEOMEM_SHELL_PARSE_H

#include <neomem/shell.h>
#include <neomem/types.h>

/* One command, split. */
struct shell_words {
    char storage[SHELL_LINE_BYTES]; /* the words, NUL-terminated */
    char *words[SHELL_WORDS_MAX + 1];
    unsigned count;    /* 0: an empty command */
    const char *error; /* why it cannot be run; NULL: it can */
};

/* Split the first command of text, whose length must be below SHELL_LINE_BYTES.
 * Return: where the next command begins (behind the ';'), or the end of text. */
const char *shell_split(const char *text, struct shell_words *words);

/* The command name that is nearest to what was typed, by typing errors (Damerau-Levenshtein distance at most
 * 2) or as the beginning of a name. name_at: the index-th name, NULL behind the last. Return: NULL when none is near. */
const char *shell_nearest(const char *typed, const char *(*name_at)(size_t index));

#endif
