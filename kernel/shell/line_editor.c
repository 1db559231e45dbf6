/* line_editor.c — from bytes to keys, and what each key does.
 * Source: ECMA-48 for the sequences; xterm, the Linux console and vt100 differ in Home, End and the arrows, all are taken. */
#include "line_editor.h"

#include <neomem/string.h>

#define CONTROL(letter) ((letter)&0x1f)
#define PARAMETER_MAX 999u

static void move(struct line_editor *editor, size_t to)
{
    line_draw_moved(editor, to);
}

static void cut(struct line_editor *editor, size_t from, size_t to)
{
    line_remove(editor, from, to, true);
    line_draw(editor);
}

static void delete_before(struct line_editor *editor)
{
    size_t from = line_previous(editor, editor->cursor);
    bool simple = editor->cursor == editor->length && from > editor->first;
    if (from == editor->cursor) {
        return;
    }
    line_remove(editor, from, editor->cursor, false);
    if (simple) {
        line_write_text(editor, "\b \b");
    } else {
        line_draw(editor);
    }
}

static void delete_under(struct line_editor *editor)
{
    size_t to = line_next(editor, editor->cursor);
    if (to > editor->cursor) {
        line_remove(editor, editor->cursor, to, false);
        line_draw(editor);
    }
}

static void insert(struct line_editor *editor, const char *bytes, size_t nbytes)
{
    if (nbytes > 0 && line_insert(editor, bytes, nbytes)) {
        line_draw_inserted(editor, nbytes);
    }
}

static void walk_history(struct line_editor *editor, bool older)
{
    if (older ? line_history_older(editor) : line_history_newer(editor)) {
        line_draw(editor);
    }
}

static enum line_event enter(struct line_editor *editor)
{
    line_history_add(editor);
    line_write_text(editor, "\n");
    return LINE_ENTERED;
}

static enum line_event control_key(struct line_editor *editor, uint32_t key)
{
    switch (key) {
    case CONTROL('A'):
        move(editor, 0);
        break;
    case CONTROL('B'):
        move(editor, line_previous(editor, editor->cursor));
        break;
    case CONTROL('C'):
        line_draw_abandoned(editor);
        return LINE_ABANDONED;
    case CONTROL('D'):
        delete_under(editor);
        break;
    case CONTROL('E'):
        move(editor, editor->length);
        break;
    case CONTROL('F'):
        move(editor, line_next(editor, editor->cursor));
        break;
    case CONTROL('H'):
    case 0x7f:
        delete_before(editor);
        break;
    case CONTROL('I'):
        if (line_complete(editor)) {
            line_draw(editor);
        }
        break;
    case CONTROL('J'):
    case CONTROL('M'):
        return enter(editor);
    case CONTROL('K'):
        cut(editor, editor->cursor, editor->length);
        break;
    case CONTROL('L'):
        line_write_text(editor, "\x1b[H\x1b[2J");
        line_draw(editor);
        break;
    case CONTROL('N'):
    case CONTROL('P'):
        walk_history(editor, key == CONTROL('P'));
        break;
    case CONTROL('U'):
        cut(editor, 0, editor->cursor);
        break;
    case CONTROL('W'):
        cut(editor, line_word_start(editor), editor->cursor);
        break;
    case CONTROL('Y'):
        insert(editor, editor->cut, editor->cut_length);
        break;
    default:
        break;
    }
    return LINE_EDITING;
}

/* ---- escape sequences ---- */

static void sequence_key(struct line_editor *editor, uint32_t final)
{
    bool by_word = editor->parameters[1] == 5; /* ESC [ 1 ; 5 C: with Ctrl */
    switch (final) {
    case 'A':
    case 'B':
        walk_history(editor, final == 'A');
        break;
    case 'C':
        move(editor, by_word ? line_word_end(editor) : line_next(editor, editor->cursor));
        break;
    case 'D':
        move(editor, by_word ? line_word_start(editor) : line_previous(editor, editor->cursor));
        break;
    case 'H':
        move(editor, 0);
        break;
    case 'F':
        move(editor, editor->length);
        break;
    case '~':
        if (editor->parameters[0] == 1 || editor->parameters[0] == 7) {
            move(editor, 0);
        } else if (editor->parameters[0] == 4 || editor->parameters[0] == 8) {
            move(editor, editor->length);
        } else if (editor->parameters[0] == 3) {
            delete_under(editor);
        }
        break;
    default:
        break;
    }
}

/* Return: whether the character belonged to the sequence. */
static bool feed_escape(struct line_editor *editor, uint32_t character)
{
    enum line_escape before = editor->escape;
    editor->escape = LINE_ESCAPE_NONE;
    if (character < 0x20) {
        return false; /* a key of its own: the sequence was none */
    }
    if (before == LINE_ESCAPE_STARTED) {
        editor->parameters[0] = editor->parameters[1] = editor->parameter = 0;
        if (character == '[') {
            editor->escape = LINE_ESCAPE_SEQUENCE;
        } else if (character == 'O') {
            editor->escape = LINE_ESCAPE_SINGLE;
        }
        return character == '[' || character == 'O';
    }
    if (before == LINE_ESCAPE_SEQUENCE && character < 0x40) {
        editor->escape = LINE_ESCAPE_SEQUENCE;
        unsigned *value = &editor->parameters[editor->parameter < 2 ? editor->parameter : 1];
        if (character >= '0' && character <= '9' && *value < PARAMETER_MAX) {
            *value = *value * 10 + (character - '0');
        } else if (character == ';') {
            editor->parameter++;
        }
        return true;
    }
    sequence_key(editor, character);
    return true;
}

static enum line_event feed_character(struct line_editor *editor, uint32_t character)
{
    if (editor->escape != LINE_ESCAPE_NONE && feed_escape(editor, character)) {
        return LINE_EDITING;
    }
    bool line_feed_of_return = editor->after_return && character == '\n';
    editor->after_return = character == '\r';
    if (line_feed_of_return) {
        return LINE_EDITING;
    }
    if (character != '\t') {
        editor->after_tab = false;
    }
    if (character == 0x1b) {
        editor->escape = LINE_ESCAPE_STARTED;
    } else if (character < 0x20 || character == 0x7f) {
        return control_key(editor, character);
    } else if (character >= 0xa0 || character < 0x7f) {
        char bytes[UTF8_BYTES_MAX];
        /* U+FFFD is what the decoder makes of garbage: line noise is not worth keeping. */
        if (character != UTF8_REPLACEMENT) {
            insert(editor, bytes, utf8_encode(character, bytes));
        }
    }
    return LINE_EDITING;
}

enum line_event line_editor_feed(struct line_editor *editor, uint8_t byte)
{
    uint32_t characters[2];
    size_t count = utf8_decoder_feed(&editor->decoder, byte, characters);
    enum line_event event = LINE_EDITING;
    /* Two only when the first is U+FFFD, which changes nothing: no event is lost. */
    for (size_t i = 0; i < count; i++) {
        event = feed_character(editor, characters[i]);
    }
    return event;
}

void line_editor_init(struct line_editor *editor, const struct line_editor_ops *ops, const char *prompt)
{
    neo_memset(editor, 0, sizeof(*editor));
    editor->ops = *ops;
    editor->prompt = prompt;
}

void line_editor_start(struct line_editor *editor)
{
    editor->history_at = editor->history_count;
    line_replace(editor, "");
    line_write_text(editor, editor->prompt);
}
