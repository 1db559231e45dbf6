/* line_text.c — the text under the cursor. */
#include "line_editor.h"

#include <neomem/string.h>

static bool is_continuation(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

size_t line_next(const struct line_editor *editor, size_t at)
{
    if (at < editor->length) {
        do {
            at++;
        } while (is_continuation(editor->text[at])); /* ends at the NUL at the latest */
    }
    return at;
}

size_t line_previous(const struct line_editor *editor, size_t at)
{
    if (at > 0) {
        do {
            at--;
        } while (at > 0 && is_continuation(editor->text[at]));
    }
    return at;
}

size_t line_word_start(const struct line_editor *editor)
{
    size_t at = editor->cursor;
    while (at > 0 && editor->text[at - 1] == ' ') {
        at--;
    }
    while (at > 0 && editor->text[at - 1] != ' ') {
        at--;
    }
    return at;
}

size_t line_word_end(const struct line_editor *editor)
{
    size_t at = editor->cursor;
    while (at < editor->length && editor->text[at] == ' ') {
        at++;
    }
    while (at < editor->length && editor->text[at] != ' ') {
        at++;
    }
    return at;
}

bool line_insert(struct line_editor *editor, const char *bytes, size_t nbytes)
{
    if (nbytes >= LINE_EDITOR_BYTES - editor->length) {
        return false;
    }
    char *at = editor->text + editor->cursor;
    neo_memmove(at + nbytes, at, editor->length - editor->cursor + 1);
    neo_memcpy(at, bytes, nbytes);
    editor->length += nbytes;
    editor->cursor += nbytes;
    return true;
}

void line_remove(struct line_editor *editor, size_t from, size_t to, bool keep)
{
    if (keep && to > from) {
        editor->cut_length = to - from;
        neo_memcpy(editor->cut, editor->text + from, to - from);
    }
    neo_memmove(editor->text + from, editor->text + to, editor->length - to + 1);
    editor->length -= to - from;
    editor->cursor = from;
    if (editor->first > from) {
        editor->first = from;
    }
}

void line_replace(struct line_editor *editor, const char *text)
{
    editor->length = neo_strlen(text);
    neo_memcpy(editor->text, text, editor->length + 1);
    editor->cursor = editor->length;
    editor->first = 0;
}
