/* line_draw.c — the line on the terminal.
 *
 *   |<- prompt ->|<------------ room ------------>|1|   the last column stays free: writing it might wrap
 *    neomem>      text[first] … cursor …
 *
 * Only \r, \b, ESC [ n C and ESC [ K are used, which every terminal and the screen console understand. */
#include "line_editor.h"

#include <neomem/printf.h>
#include <neomem/string.h>

#define COLUMNS_MIN 20u
#define ROOM_MIN 4u

void line_write(const struct line_editor *editor, const char *text, size_t nbytes)
{
    if (nbytes > 0) {
        editor->ops.write(editor->ops.context, text, nbytes);
    }
}

void line_write_text(const struct line_editor *editor, const char *text)
{
    line_write(editor, text, neo_strlen(text));
}

static size_t columns_between(const struct line_editor *editor, size_t from, size_t to)
{
    size_t columns = 0;
    for (size_t at = from; at < to; at = line_next(editor, at)) {
        columns++;
    }
    return columns;
}

size_t line_columns(const struct line_editor *editor)
{
    size_t columns = editor->ops.columns(editor->ops.context);
    return columns < COLUMNS_MIN ? COLUMNS_MIN : columns;
}

static size_t room(const struct line_editor *editor)
{
    size_t columns = line_columns(editor);
    size_t taken = neo_strlen(editor->prompt) + 1;
    return columns > taken + ROOM_MIN ? columns - taken : ROOM_MIN;
}

/* Choose first so that the cursor is in sight; a jump shows half a row of what is before it. */
static void follow_cursor(struct line_editor *editor, size_t available)
{
    if (columns_between(editor, 0, editor->length) <= available) {
        editor->first = 0;
        return;
    }
    if (editor->cursor >= editor->first && columns_between(editor, editor->first, editor->cursor) <= available) {
        return;
    }
    editor->first = editor->cursor;
    for (size_t i = 0; i < available / 2; i++) {
        editor->first = line_previous(editor, editor->first);
    }
}

void line_draw(struct line_editor *editor)
{
    size_t available = room(editor);
    follow_cursor(editor, available);
    size_t last = editor->first;
    for (size_t i = 0; i < available && last < editor->length; i++) {
        last = line_next(editor, last);
    }
    line_write_text(editor, "\r");
    line_write_text(editor, editor->prompt);
    line_write(editor, editor->text + editor->first, last - editor->first);
    line_write_text(editor, "\x1b[K");
    size_t column = neo_strlen(editor->prompt) + columns_between(editor, editor->first, editor->cursor);
    if (editor->cursor != last && column > 0) {
        char move[24];
        neo_snprintf(move, sizeof(move), "\r\x1b[%zuC", column);
        line_write_text(editor, move);
    } else if (editor->cursor != last) {
        line_write_text(editor, "\r");
    }
}

void line_draw_inserted(struct line_editor *editor, size_t nbytes)
{
    bool at_end = editor->cursor == editor->length;
    if (at_end && columns_between(editor, editor->first, editor->cursor) <= room(editor)) {
        line_write(editor, editor->text + editor->cursor - nbytes, nbytes);
    } else {
        line_draw(editor);
    }
}

void line_draw_moved(struct line_editor *editor, size_t to)
{
    size_t from = editor->cursor;
    editor->cursor = to;
    if (to >= editor->first && to < from && line_previous(editor, from) == to) {
        line_write_text(editor, "\b");
    } else if (from < to && line_next(editor, from) == to &&
               columns_between(editor, editor->first, to) <= room(editor)) {
        line_write(editor, editor->text + from, to - from);
    } else if (from != to) {
        line_draw(editor);
    }
}

void line_draw_abandoned(struct line_editor *editor)
{
    static const char mark[] = "^C";
    if (editor->cursor != editor->length) {
        line_draw_moved(editor, editor->length);
    }
    if (columns_between(editor, editor->first, editor->cursor) + sizeof(mark) - 1 <= room(editor)) {
        line_write_text(editor, mark);
    }
    line_write_text(editor, "\n");
}
