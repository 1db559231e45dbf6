/* shell_parse.c — splitting command lines and guessing what a mistyped command was meant to be. */
#include "shell_parse.h"

#include <neomem/string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct splitter {
    const char *next;
    char *out;
    struct shell_words *words;
};

/* A part in quotes, the opening one already passed. Return: whether it is closed. */
static bool take_quoted(struct splitter *splitter, char quote)
{
    while (*splitter->next != quote) {
        if (quote == '"' && *splitter->next == '\\') {
            splitter->next++;
        }
        if (*splitter->next == '\0') {
            return false;
        }
        *splitter->out++ = *splitter->next++;
    }
    splitter->next++;
    return true;
}

static const char *take_word(struct splitter *splitter)
{
    if (splitter->words->count == SHELL_WORDS_MAX) {
        return "too many words";
    }
    splitter->words->words[splitter->words->count++] = splitter->out;
    while (*splitter->next != '\0' && *splitter->next != ';' && !is_blank(*splitter->next)) {
        char c = *splitter->next++;
        if (c == '"' || c == '\'') {
            if (!take_quoted(splitter, c)) {
                return "a quote is not closed";
            }
        } else {
            *splitter->out++ = c;
        }
    }
    *splitter->out++ = '\0';
    return NULL;
}

const char *shell_split(const char *text, struct shell_words *words)
{
    struct splitter splitter = {.next = text, .out = words->storage, .words = words};
    words->count = 0;
    words->error = NULL;
    /* Every word takes at least one byte of text and the byte that ends it; the last one ends with text's NUL. */
    while (words->error == NULL && *splitter.next != '\0' && *splitter.next != ';') {
        if (is_blank(*splitter.next)) {
            splitter.next++;
        } else {
            words->error = take_word(&splitter);
        }
    }
    words->words[words->count] = NULL;
    return *splitter.next == ';' ? splitter.next + 1 : splitter.next;
}

/* ---- nearest name ---- */

#define NAME_MAX 24u
#define DISTANCE_MAX 2u

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* Optimal string alignment distance: insert, delete, replace, swap neighbours. Both lengths at most NAME_MAX. */
static unsigned distance(const char *left, const char *right)
{
    unsigned rows[3][NAME_MAX + 1]; /* of the table: this one, the one before, the one before that */
    unsigned *row = rows[0];
    unsigned *above = rows[1];
    unsigned *above2 = rows[2];
    size_t right_length = neo_strlen(right);
    for (unsigned j = 0; j <= right_length; j++) {
        row[j] = j;
        above2[j] = 0;
    }
    for (unsigned i = 1; left[i - 1] != '\0'; i++) {
        unsigned *oldest = above2;
        above2 = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (unsigned j = 1; j <= right_length; j++) {
            unsigned replace = above[j - 1] + (left[i - 1] != right[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1, replace);
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
                row[j] = least(row[j], above2[j - 2] + 1, row[j]);
            }
        }
    }
    return row[right_length];
}

const char *shell_nearest(const char *typed, const char *(*name_at)(size_t index))
{
    const char *best = NULL;
    unsigned best_distance = DISTANCE_MAX + 1;
    if (neo_strlen(typed) > NAME_MAX) {
        return NULL;
    }
    const char *name;
    for (size_t i = 0; (name = name_at(i)) != NULL; i++) {
        unsigned d = neo_starts_with(name, typed) ? 1 : distance(typed, name);
        /* With half of its letters wrong it is another word. */
        if (d < best_distance && d < (neo_strlen(name) + 1) / 2) {
            best = name;
            best_distance = d;
        }
    }
    return best;
}
