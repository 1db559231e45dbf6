/* test_shell.c — splitting command lines, running them, and the interactive loop, with commands of the test's own. */
#include "commands.h"
#include "line_editor.h"
#include "shell_parse.h"

#include <neomem/arch.h>
#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/fbtext.h>
#include <neomem/input.h>
#include <neomem/serial.h>
#include <neomem/shell.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture_sink.h"

/* ---- splitting ---- */

/* Split all of text into "word|word/word": '|' between words, '/' between commands. Return: NULL or the error. */
static const char *split_all(const char *text, char *out)
{
    char *exact = strdup(text); /* ASan guards its end */
    const char *next = exact;
    const char *error = NULL;
    out[0] = '\0';
    do {
        struct shell_words words;
        next = shell_split(next, &words);
        error = words.error;
        assert_null(words.words[words.count]);
        for (unsigned i = 0; i < words.count; i++) {
            strcat(out, i > 0 ? "|" : "");
            strcat(out, words.words[i]);
        }
        strcat(out, "/");
    } while (error == NULL && *next != '\0');
    free(exact);
    return error;
}

static void splitting(void **state)
{
    (void)state;
    static const struct {
        const char *text, *split, *error;
    } cases[] = {
        {"", "/", NULL},
        {"   \t ", "/", NULL},
        {"stats", "stats/", NULL},
        {"  map   efi\t", "map|efi/", NULL},
        {"a;b ; c d;;e;", "a/b/c|d//e/", NULL},
        {"echo \"two words; one\" x", "echo|two words; one|x/", NULL},
        {"echo 'a \"b\" c'", "echo|a \"b\" c/", NULL},
        {"echo \"a \\\"b\\\" \\\\ \\n\"", "echo|a \"b\" \\ n/", NULL},
        {"echo 'no \\ escape'", "echo|no \\ escape/", NULL},
        {"a\"b c\"d'e f'", "ab cde f/", NULL},
        {"echo \"\" ''", "echo||/", NULL},
        {"\"he\"lp", "help/", NULL},
        {"a\r\nb", "a|b/", NULL},
        {"echo \"open", "echo|open/", "a quote is not closed"},
        {"echo 'open;", "echo|open;/", "a quote is not closed"},
        {"echo \"x\\", "echo|x\\/", "a quote is not closed"},
        {"echo \xc3\xb6\xc3\xa4", "echo|\xc3\xb6\xc3\xa4/", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char out[256];
        const char *error = split_all(cases[i].text, out);
        if (cases[i].error == NULL) {
            assert_null(error);
            assert_string_equal(out, cases[i].split);
        } else {
            assert_non_null(error);
            assert_string_equal(error, cases[i].error);
        }
    }
}

static void as_many_words_as_promised(void **state)
{
    (void)state;
    char text[2 * SHELL_WORDS_MAX + 3] = "";
    struct shell_words words;
    for (unsigned i = 0; i < SHELL_WORDS_MAX; i++) {
        strcat(text, "w ");
    }
    (void)shell_split(text, &words);
    assert_null(words.error);
    assert_int_equal(words.count, SHELL_WORDS_MAX);
    strcat(text, "w");
    (void)shell_split(text, &words);
    assert_string_equal(words.error, "too many words");
    assert_null(words.words[SHELL_WORDS_MAX]);
}

static void the_longest_line_fits(void **state)
{
    (void)state;
    char text[SHELL_LINE_BYTES];
    struct shell_words words;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)shell_split(text, &words);
    assert_int_equal(strlen(words.words[0]), SHELL_LINE_BYTES - 1);
    for (unsigned i = 1; i < 60; i += 2) {
        text[i] = ' ';
    }
    (void)shell_split(text, &words);
    assert_int_equal(words.count, 31);
    assert_null(words.error);
}

/* ---- guessing ---- */

static const char *guess_name(size_t index)
{
    static const char *const names[] = {"help", "map", "stats", "alloc", "free", "selftest", "options", "reboot", "go"};
    return index < ARRAY_COUNT(names) ? names[index] : NULL;
}

static void guessing(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *meant;
    } cases[] = {
        {"hlep", "help"},
        {"hepl", "help"},
        {"helpp", "help"},
        {"hel", "help"},
        {"hwlp", "help"},
        {"self", "selftest"},
        {"sefltest", "selftest"},
        {"selftets", "selftest"},
        {"stast", "stats"},
        {"opt", "options"},
        {"mpa", "map"},
        {"alocc", "alloc"},
        {"teboor", "reboot"},
        {"xyzzy", NULL},
        {"ab", NULL},
        {"freeze!", NULL},
        {"zz", NULL},
        {"wholly-different-and-long", NULL},
        {"a-name-of-24-characters!", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *guess = shell_nearest(cases[i].typed, guess_name);
        if (cases[i].meant == NULL ? guess != NULL : guess == NULL || strcmp(guess, cases[i].meant) != 0) {
            fail_msg("%s: guessed %s", cases[i].typed, guess != NULL ? guess : "nothing");
        }
    }
}

/* ---- running ---- */

static char ran[512]; /* "name,argument,argument;" for each command */

static void note_run(unsigned argc, char *const *argv)
{
    assert_null(argv[argc]);
    for (unsigned i = 0; i < argc; i++) {
        strcat(ran, i > 0 ? "," : "");
        strcat(ran, argv[i]);
    }
    strcat(ran, ";");
}

static bool run_good(unsigned argc, char *const *argv)
{
    note_run(argc, argv);
    kprintf("done\n");
    return true;
}

static bool run_bad(unsigned argc, char *const *argv)
{
    note_run(argc, argv);
    return false;
}

static char *changing_list;

/* What `options run=…` does inside of a `run` list. */
static bool run_change(unsigned argc, char *const *argv)
{
    note_run(argc, argv);
    memset(changing_list, 'X', strlen(changing_list));
    return true;
}

static const struct shell_command commands[] = {
    {"good", "", "succeeds", run_good},
    {"bad", "", "fails", run_bad},
    {"change", "", "overwrites the list", run_change},
};

const struct shell_command *shell_command_at(size_t index)
{
    return index < ARRAY_COUNT(commands) ? &commands[index] : NULL;
}

const struct shell_command *shell_command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static struct capture_sink capture;

static int setup(void **state)
{
    (void)state;
    ran[0] = '\0';
    console_reset();
    capture_add(&capture, "capture", true, false);
    return 0;
}

static void lists_run_to_their_end(void **state)
{
    (void)state;
    assert_true(shell_run_list(""));
    assert_true(shell_run_list(" ; ;"));
    assert_string_equal(capture.bytes, "");
    assert_true(shell_run_list("good"));
    assert_string_equal(capture.bytes, "neomem> good\ndone\n");
    assert_false(shell_run_list("  bad 1 ;good 'a b';"));
    assert_string_equal(ran, "good;bad,1;good,a b;");
    assert_string_equal(capture.bytes, "neomem> good\ndone\nneomem> bad 1 \nneomem> good 'a b'\ndone\n");
    ran[0] = '\0';
    assert_false(shell_run_list("good;bad"));
    assert_false(shell_run_list("bad;good"));
    assert_false(shell_run_list("nothing;good"));
    assert_string_equal(ran, "good;bad;bad;good;good;");
}

static void unknown_commands_are_explained(void **state)
{
    (void)state;
    assert_false(shell_run_list("godo"));
    assert_non_null(strstr(capture.bytes, "godo: unknown command; did you mean 'good'?\n"));
    assert_false(shell_run_list("''"));
    assert_non_null(strstr(capture.bytes, ": unknown command"));
    assert_false(shell_run_list("quite-different"));
    assert_non_null(strstr(capture.bytes, "'help' lists them all\n"));
}

static void broken_lists_run_not_at_all(void **state)
{
    (void)state;
    char text[SHELL_LINE_BYTES + 10];
    assert_false(shell_run_list("good; good 'open"));
    assert_string_equal(ran, "");
    assert_string_equal(capture.bytes, "shell: a quote is not closed\n");
    memset(text, ' ', sizeof(text));
    memcpy(text, "good", 4);
    text[SHELL_LINE_BYTES - 1] = '\0';
    assert_true(shell_run_list(text)); /* the longest */
    assert_string_equal(ran, "good;");
    text[SHELL_LINE_BYTES - 1] = ' ';
    text[SHELL_LINE_BYTES] = '\0';
    assert_false(shell_run_list(text)); /* one more */
    assert_string_equal(ran, "good;");
    assert_non_null(strstr(capture.bytes, "shell: line too long\n"));
}

static void a_list_may_change_under_its_commands(void **state)
{
    (void)state;
    char list[] = "change; good 1; good 2";
    changing_list = list;
    assert_true(shell_run_list(list));
    assert_string_equal(ran, "change;good,1;good,2;");
}

/* ---- the interactive loop ---- */

static const char *typed;
static jmp_buf typed_out;
static unsigned screen_columns;
static bool has_serial;
static unsigned relaxed;

int input_read_byte(void)
{
    if (*typed == '\0') {
        longjmp(typed_out, 1);
    }
    if (*typed == '~') { /* nothing at the moment */
        typed++;
        return -1;
    }
    return (uint8_t)*typed++;
}

void arch_cpu_relax(void)
{
    relaxed++;
}

void fbtext_size(unsigned *columns, unsigned *rows)
{
    *columns = screen_columns;
    *rows = screen_columns != 0 ? 25 : 0;
}

bool serial_present(void)
{
    return has_serial;
}

static void type(const char *keys)
{
    typed = keys;
    if (setjmp(typed_out) == 0) {
        shell_interactive();
    }
}

static void typing_commands(void **state)
{
    (void)state;
    has_serial = true;
    type("go\tx\r~~bad; good 2\rhalf\x03\r\x1b[A\x1b[A\r");
    assert_string_equal(ran, "good,x;bad;good,2;good,x;");
    assert_int_equal(relaxed, 2);
    assert_non_null(strstr(capture.bytes, "Type 'help'"));
    assert_non_null(strstr(capture.bytes, "half^C\nneomem> \nneomem> "));
}

static void completing_where_commands_begin(void **state)
{
    (void)state;
    type("good;ba\t\rhelp cha\t\x15good b\tx\r");
    assert_string_equal(ran, "good;bad;good,bx;");
    type("  g\t;  c\x7f ba\t\r");
    assert_string_equal(ran, "good;bad;good,bx;good;bad;");
    assert_non_null(strstr(capture.bytes, "help change "));
}

/* How wide the editor believes the terminal to be shows in where a long line starts to scroll. */
static unsigned columns_until_scroll(void)
{
    char keys[300];
    unsigned count = 0;
    memset(keys, 'x', sizeof(keys) - 1);
    keys[sizeof(keys) - 1] = '\0';
    setup(NULL);
    type(keys);
    const char *line = strstr(capture.bytes, "neomem> ") + strlen("neomem> ");
    while (line[count] == 'x') {
        count++;
    }
    return count + (unsigned)strlen("neomem> ") + 1;
}

static void the_narrowest_console_counts(void **state)
{
    (void)state;
    static const struct {
        bool serial;
        unsigned screen, width;
    } cases[] = {{true, 0, 80}, {false, 0, 80}, {true, 240, 80}, {false, 240, 240}, {true, 40, 40}, {false, 40, 40}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        has_serial = cases[i].serial;
        screen_columns = cases[i].screen;
        assert_int_equal(columns_until_scroll(), cases[i].width);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting),
        cmocka_unit_test(as_many_words_as_promised),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(guessing),
        cmocka_unit_test_setup(lists_run_to_their_end, setup),
        cmocka_unit_test_setup(unknown_commands_are_explained, setup),
        cmocka_unit_test_setup(broken_lists_run_not_at_all, setup),
        cmocka_unit_test_setup(a_list_may_change_under_its_commands, setup),
        cmocka_unit_test_setup(typing_commands, setup),
        cmocka_unit_test_setup(completing_where_commands_begin, setup),
        cmocka_unit_test_setup(the_narrowest_console_counts, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
