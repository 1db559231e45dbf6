/* line_history.c — entered lines, oldest first, none of them twice. */
#include "line_editor.h"

#include <neomem/string.h>

static bool is_blank(const char *text)
{
    while (*text == ' ') {
        text++;
    }
    return *text == '\0';
}

static void forget(struct line_editor *editor, size_t index)
{
    editor->history_count--;
    neo_memmove(editor->history[index], editor->history[index + 1],
                (editor->history_count - index) * LINE_EDITOR_BYTES);
}

void line_history_add(struct line_editor *editor)
{
    if (is_blank(editor->text)) {
        return;
    }
    for (size_t i = 0; i < editor->history_count; i++) {
        if (neo_strcmp(editor->history[i], editor->text) == 0) {
            forget(editor, i);
            break;
        }
    }
    if (editor->history_count == LINE_HISTORY_ENTRIES) {
        forget(editor, 0);
    }
    neo_memcpy(editor->history[editor->history_count], editor->text, editor->length + 1);
    editor->history_count++;
}

bool line_history_older(struct line_editor *editor)
{
    if (editor->history_at == 0) {
        return false;
    }
    if (editor->history_at == editor->history_count) {
        neo_memcpy(editor->draft, editor->text, editor->length + 1);
    }
    editor->history_at--;
    line_replace(editor, editor->history[editor->history_at]);
    return true;
}

bool line_history_newer(struct line_editor *editor)
{
    if (editor->history_at == editor->history_count) {
        return false;
    }
    editor->history_at++;
    bool is_new = editor->history_at == editor->history_count;
    line_replace(editor, is_new ? editor->draft : editor->history[editor->history_at]);
    return true;
}
