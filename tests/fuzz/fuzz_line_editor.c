/* fuzz_line_editor.c — any bytes: the invariants of line_editor.h hold, and a terminal shows what the editor believes.
 * Input: byte 0 is the terminal's width, the rest is typed. */
#include "line_editor.h"
#include "tests/support/text_terminal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT "$ "
#define KEYS_MAX 2048u /* a line is full long before; every byte costs a look at everything */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct line_editor editor;
static struct text_terminal terminal;

static unsigned columns(void *context)
{
    return ((struct text_terminal *)context)->columns;
}

static const char *candidate(void *context, const char *text, size_t word_start, size_t index)
{
    static const char *const words[] = {"help", "halt", "map", "memory", "memtest"};
    (void)context;
    (void)text;
    return word_start % 2 == 0 && index < 5 ? words[index] : NULL;
}

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static bool is_boundary(size_t at)
{
    return at <= editor.length && ((uint8_t)editor.text[at] & 0xc0) != 0x80;
}

static size_t characters(size_t from, size_t to)
{
    size_t count = 0;
    for (size_t at = from; at < to; at++) {
        count += ((uint8_t)editor.text[at] & 0xc0) != 0x80;
    }
    return count;
}

static void check_text(void)
{
    require(editor.length < LINE_EDITOR_BYTES && strlen(editor.text) == editor.length, "length");
    require(is_boundary(editor.cursor) && is_boundary(editor.first), "cursor inside a character");
    require(editor.first <= editor.cursor, "cursor left of the window");
    require(editor.history_count <= LINE_HISTORY_ENTRIES && editor.history_at <= editor.history_count, "history");
    for (size_t at = 0; at < editor.length;) {
        uint32_t code_point;
        bool valid;
        at += utf8_decode(editor.text + at, editor.length - at, &code_point, &valid);
        require(valid && code_point >= 0x20 && (code_point < 0x7f || code_point >= 0xa0), "text");
    }
}

static void check_screen(void)
{
    require(terminal.broken == NULL, terminal.broken);
    size_t column = strlen(PROMPT) + characters(editor.first, editor.cursor);
    require(terminal.column == column && column < terminal.columns, "cursor column");
    size_t at = editor.first;
    for (unsigned i = (unsigned)strlen(PROMPT); i + 1 < terminal.columns; i++) {
        uint32_t expected = ' ';
        if (at < editor.length) {
            at += utf8_decode(editor.text + at, editor.length - at, &expected, NULL);
        }
        require(terminal.row[i] == expected, "row");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct line_editor_ops ops = {
        .context = &terminal, .write = text_terminal_write, .columns = columns, .candidate = candidate};
    text_terminal_init(&terminal, 20 + data[0] % 80);
    line_editor_init(&editor, &ops, PROMPT);
    line_editor_start(&editor);
    for (size_t i = 1; i < size && i < KEYS_MAX; i++) {
        if (line_editor_feed(&editor, data[i]) != LINE_EDITING) {
            check_text();
            line_editor_start(&editor);
        }
        check_text();
        check_screen();
    }
    return 0;
}
