/* text_terminal.h — what a real terminal would show of the line editor's output: the row that the cursor is in.
 *
 * Understands exactly what line_draw.c promises to use; anything else, a write into the last column (which might wrap) or a
 * move past the edge sets `broken`.
 * Depends on: types.h. Used by: tests/unit, tests/fuzz. */
#ifndef NEOMEM_TEST_TEXT_TERMINAL_H
#define NEOMEM_TEST_TEXT_TERMINAL_H

#include <neomem/types.h>

#define TEXT_TERMINAL_COLUMNS_MAX 200u

struct text_terminal {
    unsigned columns;
    uint32_t row[TEXT_TERMINAL_COLUMNS_MAX]; /* code points; ' ' where nothing is */
    unsigned column;
    unsigned lines;     /* newlines so far */
    unsigned clears;    /* of the whole screen */
    char output[16384]; /* lines that are finished, as UTF-8 with newlines; stops when full */
    size_t output_count;
    const char *broken; /* NULL: all is well */

    unsigned escape; /* 0 none, 1 after ESC, 2 after ESC [ */
    unsigned parameter;
};

void text_terminal_init(struct text_terminal *terminal, unsigned columns);
/* A `write` for line_editor_ops, context is the terminal. */
void text_terminal_write(void *context, const char *text, size_t nbytes);
/* The row as UTF-8 without trailing blanks. Return: buffer. */
const char *text_terminal_row(const struct text_terminal *terminal, char *buffer, size_t capacity);

#endif
