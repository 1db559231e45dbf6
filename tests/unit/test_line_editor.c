/* test_line_editor.c — keys in, a terminal's row out: after every single byte the row must show the prompt and the part of
 * the text around the cursor, and nothing must ever be written where a terminal might wrap. */
#include "line_editor.h"
#include "tests/support/text_terminal.h"

#include <neomem/compiler.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PROMPT "> "
#define UP "\x1b[A"
#define DOWN "\x1b[B"
#define RIGHT "\x1b[C"
#define LEFT "\x1b[D"
#define HOME "\x1b[H"
#define END "\x1b[F"
#define DELETE "\x1b[3~"
#define WORD_LEFT "\x1b[1;5D"
#define WORD_RIGHT "\x1b[1;5C"

static struct line_editor editor;
static struct text_terminal terminal;

static unsigned columns(void *context)
{
    return ((struct text_terminal *)context)->columns;
}

static const char *candidate(void *context, const char *text, size_t word_start, size_t index)
{
    static const char *const commands[] = {"help", "halt", "map", "memory", "memtest"};
    (void)context;
    for (size_t i = 0; i < word_start; i++) {
        if (text[i] != ' ' && text[i] != ';') {
            return NULL;
        }
    }
    return index < ARRAY_COUNT(commands) ? commands[index] : NULL;
}

static void open_editor(unsigned width)
{
    text_terminal_init(&terminal, width);
    const struct line_editor_ops ops = {
        .context = &terminal, .write = text_terminal_write, .columns = columns, .candidate = candidate};
    line_editor_init(&editor, &ops, PROMPT);
    line_editor_start(&editor);
}

static int setup(void **state)
{
    (void)state;
    open_editor(80);
    return 0;
}

static size_t characters(size_t from, size_t to)
{
    size_t count = 0;
    for (size_t at = from; at < to; at++) {
        count += ((uint8_t)editor.text[at] & 0xc0) != 0x80;
    }
    return count;
}

/* The row is prompt + text[first …], as far as it fits; the cursor stands where it should. */
static void assert_row_is_right(void)
{
    char row[1024];
    char expected[1024];
    size_t fits = terminal.columns - strlen(PROMPT) - 1;
    size_t used = (size_t)snprintf(expected, sizeof(expected), "%s", PROMPT);
    size_t shown = 0;
    for (size_t at = editor.first; at < editor.length; at++) {
        shown += ((uint8_t)editor.text[at] & 0xc0) != 0x80;
        if (shown > fits) {
            break;
        }
        expected[used++] = editor.text[at];
    }
    while (used > 0 && expected[used - 1] == ' ') {
        used--;
    }
    expected[used] = '\0';
    assert_null(terminal.broken);
    assert_string_equal(text_terminal_row(&terminal, row, sizeof(row)), expected);
    assert_true(editor.first <= editor.cursor);
    assert_int_equal(terminal.column, strlen(PROMPT) + characters(editor.first, editor.cursor));
}

/* Feed bytes; lines that are entered begin anew. Return: the last event that ended a line, or LINE_EDITING. */
static enum line_event keys(const char *bytes)
{
    enum line_event last = LINE_EDITING;
    for (size_t i = 0; bytes[i] != '\0'; i++) {
        enum line_event event = line_editor_feed(&editor, (uint8_t)bytes[i]);
        if (event != LINE_EDITING) {
            last = event;
            line_editor_start(&editor);
        }
        assert_int_equal(strlen(editor.text), editor.length);
        assert_row_is_right();
    }
    return last;
}

/* The text with the cursor as '|'. */
static void assert_text(const char *expected)
{
    char with_cursor[LINE_EDITOR_BYTES + 2];
    snprintf(with_cursor, sizeof(with_cursor), "%.*s|%s", (int)editor.cursor, editor.text, editor.text + editor.cursor);
    assert_string_equal(with_cursor, expected);
}

static void typing(void **state)
{
    (void)state;
    keys("stats");
    assert_text("stats|");
    assert_int_equal(line_editor_feed(&editor, '\r'), LINE_ENTERED);
    assert_string_equal(editor.text, "stats");
    assert_int_equal(terminal.lines, 1);
    assert_string_equal(terminal.output, "> stats\n");
}

static void cr_lf_and_both(void **state)
{
    (void)state;
    keys("a\rb\nc\r\nd\n\r");
    assert_string_equal(terminal.output, "> a\n> b\n> c\n> d\n>\n");
    keys("\r\n\ne\n");
    assert_string_equal(terminal.output, "> a\n> b\n> c\n> d\n>\n>\n>\n> e\n");
}

static void inserting_and_deleting(void **state)
{
    (void)state;
    keys("help" LEFT LEFT "XY");
    assert_text("heXY|lp");
    keys("\x7f");
    assert_text("heX|lp");
    keys("\b");
    assert_text("he|lp");
    keys(DELETE);
    assert_text("he|p");
    keys("\x04");
    assert_text("he|");
    keys("\x04" DELETE RIGHT);
    assert_text("he|");
    keys("\x7f\x7f\x7f\x7f");
    assert_text("|");
}

static void every_way_to_move(void **state)
{
    (void)state;
    keys("one two  three");
    keys(HOME);
    assert_text("|one two  three");
    keys(LEFT "\x02" RIGHT "\x06");
    assert_text("on|e two  three");
    keys(END "\x01");
    assert_text("|one two  three");
    keys("\x05");
    assert_text("one two  three|");
    keys(WORD_LEFT);
    assert_text("one two  |three");
    keys(WORD_LEFT WORD_LEFT WORD_LEFT);
    assert_text("|one two  three");
    keys(WORD_RIGHT);
    assert_text("one| two  three");
    keys(WORD_RIGHT WORD_RIGHT WORD_RIGHT);
    assert_text("one two  three|");
    keys("\x1bOH");
    assert_text("|one two  three");
    keys("\x1bOF\x1bOD\x1bOC\x1b[1~" RIGHT);
    assert_text("o|ne two  three");
    keys("\x1b[4~\x1b[7~\x1b[8~" LEFT);
    assert_text("one two  thre|e");
}

static void cutting_and_pasting(void **state)
{
    (void)state;
    keys("alpha beta gamma" WORD_LEFT "\x17");
    assert_text("alpha |gamma");
    keys("\x19");
    assert_text("alpha beta |gamma");
    keys("\x0b");
    assert_text("alpha beta |");
    keys(HOME "\x19");
    assert_text("gamma|alpha beta ");
    keys("\x15");
    assert_text("|alpha beta ");
    keys(END "\x15\x15\x0b\x17"); /* nothing to cut leaves the buffer alone */
    assert_text("|");
    keys("\x19\x19");
    assert_text("alpha beta alpha beta |");
}

static void history(void **state)
{
    (void)state;
    keys("first\rsecond\r  \r\rthird\r");
    keys(UP);
    assert_text("third|");
    keys(UP UP);
    assert_text("first|");
    keys(UP);
    assert_text("first|");
    keys("!" DOWN);
    assert_text("second|");
    keys(DOWN DOWN DOWN);
    assert_text("|");
    keys("draft\x10\x10\x0e\x0e");
    assert_text("draft|");
    keys("\x0e");
    assert_text("draft|");
    keys(UP UP "+");
    keys("\r");
    keys(UP);
    assert_text("second+|");
    keys(UP UP);
    assert_text("second|"); /* an edited copy is a new line; the old one stays */
}

static void history_has_no_duplicates_and_an_end(void **state)
{
    (void)state;
    keys("a\rb\ra\rc\ra\r");
    keys(UP);
    assert_text("a|");
    keys(UP);
    assert_text("c|");
    keys(UP);
    assert_text("b|");
    keys(UP UP);
    assert_text("b|");
    keys("\x03");
    for (unsigned i = 0; i < 3 * LINE_HISTORY_ENTRIES; i++) {
        char line[16];
        snprintf(line, sizeof(line), "line %u\r", i);
        keys(line);
    }
    for (unsigned i = 0; i < LINE_HISTORY_ENTRIES + 5; i++) {
        keys(UP);
    }
    char oldest[16];
    snprintf(oldest, sizeof(oldest), "line %u|", 2 * LINE_HISTORY_ENTRIES);
    assert_text(oldest);
}

static void abandoning(void **state)
{
    (void)state;
    assert_int_equal(keys("half a li\x03"), LINE_ABANDONED);
    assert_text("|");
    assert_string_equal(terminal.output, "> half a li^C\n");
    keys(UP);
    assert_text("|"); /* not remembered */
    terminal.output_count = 0;
    keys("ab" LEFT "\x03");
    assert_string_equal(terminal.output, "> ab^C\n");
    open_editor(20);
    keys("fifteen letters\x03sixteen letters!\x03"); /* 17 fit: for one of the two with the mark */
    assert_string_equal(terminal.output, "> fifteen letters^C\n> sixteen letters!\n");
    keys("x\x04");
    assert_text("x|");
}

static void clearing_keeps_the_line(void **state)
{
    (void)state;
    keys("some text" LEFT LEFT "\x0c");
    assert_int_equal(terminal.clears, 1);
    assert_text("some te|xt");
}

static void completion(void **state)
{
    (void)state;
    keys("he\t");
    assert_text("help |");
    keys("\x15mem\t");
    assert_text("mem|");
    assert_int_equal(terminal.lines, 0);
    keys("\t");
    assert_string_equal(terminal.output, "> mem\nmemory  memtest\n");
    assert_text("mem|");
    keys("o\t");
    assert_text("memory |");
    keys("\x15m\t");
    assert_text("m|"); /* map and mem… share no more */
    keys("\x15me\t");
    assert_text("mem|");
    keys("\x15xyz\t\t");
    assert_text("xyz|");
    keys("\x15help ma\t\t");
    assert_text("help ma|"); /* not at the start of a command */
    keys("\x15; ma\t");
    assert_text("; map |");
    keys("\x15hel rest" HOME RIGHT RIGHT RIGHT "\t");
    assert_text("help| rest"); /* a blank is there already */
    keys("\x15" DELETE "map\t");
    assert_text("map |rest");
    keys("\x15\x0b\th\ta\t");
    assert_text("halt |");
    /* Two Tabs with something between them list nothing. */
    unsigned lines = terminal.lines;
    keys("\x15mem\tx\x7f\t");
    assert_int_equal(terminal.lines, lines);
    editor.ops.candidate = NULL;
    keys("\x15h\t");
    assert_text("h|");
}

static void a_long_list_takes_several_rows(void **state)
{
    (void)state;
    open_editor(20);
    keys("\t\t");
    assert_string_equal(terminal.output, ">\nhelp  halt  map\nmemory  memtest\n");
    assert_text("|");
}

static void utf8_input(void **state)
{
    (void)state;
    keys("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    assert_text("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z|");
    keys(LEFT LEFT "\x7f");
    assert_text("a\xc3\xa9|\xf0\x9f\x98\x80z");
    keys(DELETE LEFT LEFT DELETE);
    assert_text("|\xc3\xa9z");
    keys("\x15");
    keys("\x0b");
    /* Noise: cut-off, overlong, surrogate, stray, C1, DEL-adjacent. None of it enters the line. */
    keys("a\xc3"
         "b\xc0\xaf"
         "c\xed\xa0\x80"
         "d\xa9"
         "e\xc2\x9b"
         "f\xff\xfe"
         "g");
    assert_text("abcdefg|");
}

static void unknown_keys_do_nothing(void **state)
{
    (void)state;
    keys("ab" LEFT);
    keys("\x1b[5~\x1b[6~\x1b[2~\x1b[11~\x1b[99999999~\x1b[1;2;3;4;5Z\x1bOP\x1b[E");
    assert_text("a|b");
    keys("\x1b"
         "c"); /* Escape by itself, then a letter */
    assert_text("ac|b");
    keys("\x1b\x1b[D");
    assert_text("a|cb");
    keys("\x1b[\r"); /* a key inside a sequence counts as that key */
    assert_text("|");
    keys("\x07\x0f\x11\x12\x13\x14\x16\x18\x1a\x1c\x1d\x1e\x1f");
    assert_text("|");
}

static void long_lines_scroll_sideways(void **state)
{
    (void)state;
    open_editor(30);
    for (unsigned i = 0; i < 100; i++) {
        char key[2] = {(char)('a' + i % 26), '\0'};
        keys(key);
    }
    assert_true(editor.first > 0);
    keys(HOME);
    assert_int_equal(editor.first, 0);
    for (unsigned i = 0; i < 100; i++) {
        keys(RIGHT);
    }
    for (unsigned i = 0; i < 60; i++) {
        keys(LEFT);
    }
    keys("XY\x7f" DELETE WORD_LEFT END);
    for (unsigned i = 0; i < 100; i++) {
        keys("\x7f");
    }
    assert_text("|");
    assert_int_equal(editor.first, 0);
    keys("0123456789012345678901234567890123456789" HOME "\x0b"
         "\x19"
         "\x17");
    assert_text("|");
}

static unsigned no_columns(void *context)
{
    (void)context;
    return 0;
}

static void a_terminal_of_unknown_width(void **state)
{
    (void)state;
    open_editor(20);
    editor.ops.columns = no_columns;
    keys("longer than twenty columns" HOME END LEFT);
    assert_text("longer than twenty column|s");
}

static void a_full_line_takes_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINE_EDITOR_BYTES + 50; i++) {
        assert_int_equal(line_editor_feed(&editor, 'x'), LINE_EDITING);
    }
    assert_int_equal(editor.length, LINE_EDITOR_BYTES - 1);
    keys("\xc3\xa9"
         "y" HOME "z");
    assert_int_equal(editor.length, LINE_EDITOR_BYTES - 1);
    keys(DELETE DELETE "\xc3\xa9"); /* two bytes fit into two bytes */
    assert_int_equal(editor.length, LINE_EDITOR_BYTES - 1);
    keys(DELETE "\xc3\xa9"); /* and not into one */
    assert_int_equal(editor.length, LINE_EDITOR_BYTES - 2);
    keys("\x0b\x19\x19"); /* a cut line goes back once */
    assert_int_equal(editor.length, LINE_EDITOR_BYTES - 2);
    assert_int_equal(line_editor_feed(&editor, '\r'), LINE_ENTERED);
    line_editor_start(&editor);
    keys(UP DOWN UP);
    assert_int_equal(editor.length, LINE_EDITOR_BYTES - 2);
    keys("m\t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(typing, setup),
        cmocka_unit_test_setup(cr_lf_and_both, setup),
        cmocka_unit_test_setup(inserting_and_deleting, setup),
        cmocka_unit_test_setup(every_way_to_move, setup),
        cmocka_unit_test_setup(cutting_and_pasting, setup),
        cmocka_unit_test_setup(history, setup),
        cmocka_unit_test_setup(history_has_no_duplicates_and_an_end, setup),
        cmocka_unit_test_setup(abandoning, setup),
        cmocka_unit_test_setup(clearing_keeps_the_line, setup),
        cmocka_unit_test_setup(completion, setup),
        cmocka_unit_test_setup(a_long_list_takes_several_rows, setup),
        cmocka_unit_test_setup(utf8_input, setup),
        cmocka_unit_test_setup(unknown_keys_do_nothing, setup),
        cmocka_unit_test_setup(long_lines_scroll_sideways, setup),
        cmocka_unit_test_setup(a_terminal_of_unknown_width, setup),
        cmocka_unit_test_setup(a_full_line_takes_no_more, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
