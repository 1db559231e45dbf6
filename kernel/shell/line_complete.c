/* line_complete.c — Tab: complete the word before the cursor; a second Tab lists what is possible. */
#include "line_editor.h"

#include <neomem/string.h>

/* Where the word before the cursor begins: blanks and ';' end words. */
static size_t word_before_cursor(const struct line_editor *editor)
{
    size_t start = editor->cursor;
    while (start > 0 && editor->text[start - 1] != ' ' && editor->text[start - 1] != ';') {
        start--;
    }
    return start;
}

/* The index-th candidate that begins with what is typed; *index moves to it. */
static const char *next_match(const struct line_editor *editor, size_t start, size_t *index)
{
    for (;; (*index)++) {
        const char *word = editor->ops.candidate(editor->ops.context, editor->text, start, *index);
        if (word == NULL || neo_strncmp(word, editor->text + start, editor->cursor - start) == 0) {
            return word;
        }
    }
}

static size_t common_length(const char *left, const char *right, size_t limit)
{
    size_t n = 0;
    while (n < limit && left[n] == right[n]) {
        n++;
    }
    return n;
}

/* In as many rows as it takes: a list that wraps by itself would tear words apart. */
static void list_matches(const struct line_editor *editor, size_t start)
{
    size_t width = line_columns(editor);
    size_t column = 0;
    size_t index = 0;
    const char *word;
    line_write_text(editor, "\n");
    for (; (word = next_match(editor, start, &index)) != NULL; index++) {
        size_t length = neo_strlen(word);
        if (column > 0 && column + 2 + length >= width) {
            line_write_text(editor, "\n");
            column = 0;
        }
        line_write_text(editor, column > 0 ? "  " : "");
        line_write(editor, word, length);
        column += length + (column > 0 ? 2 : 0);
    }
    line_write_text(editor, "\n");
}

bool line_complete(struct line_editor *editor)
{
    bool second_time = editor->after_tab;
    editor->after_tab = false;
    if (editor->ops.candidate == NULL) {
        return false;
    }
    size_t start = word_before_cursor(editor);
    size_t index = 0;
    const char *match = next_match(editor, start, &index);
    if (match == NULL) {
        return false;
    }
    size_t agreed = neo_strlen(match);
    size_t matches = 1;
    const char *other;
    for (index++; (other = next_match(editor, start, &index)) != NULL; index++) {
        agreed = common_length(match, other, agreed);
        matches++;
    }
    size_t typed = editor->cursor - start;
    bool changed = line_insert(editor, match + typed, agreed - typed) && agreed > typed;
    if (matches == 1) {
        bool blank_follows = editor->text[editor->cursor] == ' ';
        return (!blank_follows && line_insert(editor, " ", 1)) || changed;
    }
    if (second_time) { /* the first one changed nothing, so this one does not either */
        list_matches(editor, start);
        return true;
    }
    editor->after_tab = !changed;
    return changed;
}
