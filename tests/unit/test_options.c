/* test_options.c — defaults, sources, every kind of value good and bad, exactly one warning for each fault, and the
 * table as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <config.h>
#include <neomem/options.h>

#include "expect_panic.h"
#include "test_random_source.h"

static unsigned warnings;
static char last_warning[512];

static void count_warning(void *context, const char *text)
{
    assert_ptr_equal(context, &warnings);
    assert_true(strlen(text) > 0 && strlen(text) < sizeof(last_warning));
    for (const char *at = text; *at != '\0'; at++) {
        assert_true(*at >= ' ' && *at <= '~');
    }
    strcpy(last_warning, text);
    warnings++;
}

static int reset(void **state)
{
    (void)state;
    options_init();
    warnings = 0;
    last_warning[0] = '\0';
    return 0;
}

/* Words with their NULs, in an allocation that ends where they end. */
static void apply_bytes(enum option_source source, const char *words, size_t nbytes)
{
    char *copy = malloc(nbytes + (nbytes == 0));
    memcpy(copy, words, nbytes);
    options_apply_words_from(source, copy, nbytes, count_warning, &warnings);
    memset(copy, 'x', nbytes);
    free(copy);
}

#define APPLY(words) apply_bytes(OPTION_SOURCE_COMMAND, words, sizeof(words))

static void expect_shown(enum option_id id, const char *expected)
{
    char text[2048];
    int length = options_format_value(id, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_string_equal(text, expected);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_true(option_has_word(OPTION_CONSOLE, OPTION_CONSOLE_SERIAL));
    assert_true(option_has_word(OPTION_CONSOLE, OPTION_CONSOLE_SCREEN));
    assert_true(option_flag(OPTION_RECORDS));
    assert_string_equal(option_text(OPTION_RUN), "");
    assert_int_equal(option_choice(OPTION_ON_END), OPTION_ON_END_SHELL);
    assert_true(option_flag(OPTION_KASLR));
    assert_false(option_is_set(OPTION_SEED));
    assert_true(option_number(OPTION_SEED) == 0);
    assert_true(option_number(OPTION_HEAP_MB) == HEAP_SIZE_MB);
    assert_false(option_flag(OPTION_LOW_MEMORY));
    assert_true(option_number(OPTION_FRAMES_CHECK) == FRAMES_HARDENING);
    assert_true(option_number(OPTION_PAGE_POOL) == PAGE_POOL_SIZE);
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        assert_int_equal(option_source((enum option_id)id), OPTION_SOURCE_DEFAULT);
        assert_int_equal(option_is_set((enum option_id)id), id != OPTION_SEED);
    }
}

static void test_every_kind_of_value(void **state)
{
    (void)state;
    APPLY("console=screen\0records=off\0run=map; stats = x\0on-end=qemu-exit\0kaslr=off\0seed=0x1f\0heap-mb=64\0"
          "low-memory=on");
    assert_int_equal(warnings, 0);
    assert_false(option_has_word(OPTION_CONSOLE, OPTION_CONSOLE_SERIAL));
    assert_true(option_has_word(OPTION_CONSOLE, OPTION_CONSOLE_SCREEN));
    assert_false(option_flag(OPTION_RECORDS));
    assert_string_equal(option_text(OPTION_RUN), "map; stats = x");
    assert_int_equal(option_choice(OPTION_ON_END), OPTION_ON_END_QEMU_EXIT);
    assert_false(option_flag(OPTION_KASLR));
    assert_true(option_is_set(OPTION_SEED));
    assert_true(option_number(OPTION_SEED) == 31);
    assert_true(option_number(OPTION_HEAP_MB) == 64);
    assert_true(option_flag(OPTION_LOW_MEMORY));
    options_init();
    test_defaults(state);
}

static void test_choices_in_order(void **state)
{
    (void)state;
    static const char *const words[] = {"shell", "poweroff", "reboot", "halt", "qemu-exit"};
    for (unsigned i = 0; i < 5; i++) {
        assert_true(options_set("on-end", words[i], count_warning, &warnings));
        assert_int_equal(option_choice(OPTION_ON_END), i);
        expect_shown(OPTION_ON_END, words[i]);
    }
    assert_int_equal(warnings, 0);
}

static void test_word_lists(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *expected; /* NULL: refused */
    } cases[] = {
        {"serial", "serial"},
        {"screen", "screen"},
        {"serial,screen", "serial,screen"},
        {"screen,serial", "serial,screen"},
        {"screen serial", "serial,screen"},
        {" ,screen\t,,", "screen"},
        {"serial,serial", "serial"},
        {"", NULL},
        {",", NULL},
        {"serial,printer", NULL},
        {"serial;screen", NULL},
        {"Serial", NULL},
        {"seria", NULL},
        {"serials", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reset(NULL);
        assert_int_equal(options_set("console", cases[i].value, count_warning, &warnings), cases[i].expected != NULL);
        expect_shown(OPTION_CONSOLE, cases[i].expected != NULL ? cases[i].expected : "serial,screen");
        assert_int_equal(warnings, cases[i].expected == NULL);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t expected; /* 0: refused */
    } cases[] = {
        {"1", 1},   {"1024", 1024}, {"0x400", 1024}, {"0X10", 16}, {"007", 7}, {"0", 0},   {"1025", 0},
        {"-1", 0},  {"", 0},        {"64M", 0},      {" 64", 0},   {"0x", 0},  {"64 ", 0}, {"18446744073709551617", 0},
        {"1e3", 0}, {"ten", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reset(NULL);
        assert_int_equal(options_set("heap-mb", cases[i].value, count_warning, &warnings), cases[i].expected != 0);
        assert_true(option_number(OPTION_HEAP_MB) == (cases[i].expected != 0 ? cases[i].expected : HEAP_SIZE_MB));
        assert_int_equal(warnings, cases[i].expected == 0);
    }
    assert_true(options_set("seed", "18446744073709551615", count_warning, &warnings));
    assert_true(option_number(OPTION_SEED) == UINT64_MAX);
    assert_true(options_set("seed", "0", count_warning, &warnings));
    assert_true(option_number(OPTION_SEED) == 0 && option_is_set(OPTION_SEED));
}

static void test_bad_words_warn_once_and_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"unknown=1", "kaslr",          "kaslr=",   "kaslr=yes",  "kaslr=1",
                                      "KASLR=off", "kaslr =off",     "=off",     "=",          "on-end=sleep",
                                      "heap-mb=0", "seed=0x",        "console=", "neomem.efi", "run",
                                      "\xff\xfe=", "records=\x01on", "kasl=off", "kaslrs=off", "heap-mb==5",
                                      "\x1b[2J=x", "low-memory=ON"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        reset(NULL);
        apply_bytes(OPTION_SOURCE_CONFIG, bad[i], strlen(bad[i]) + 1);
        if (warnings != 1) {
            fail_msg("%u warnings for %s", warnings, bad[i]);
        }
        test_defaults(state);
    }
}

static void test_previous_value_is_kept(void **state)
{
    (void)state;
    apply_bytes(OPTION_SOURCE_CONFIG, "heap-mb=5", 10);
    APPLY("heap-mb=5000");
    assert_int_equal(warnings, 1);
    assert_true(option_number(OPTION_HEAP_MB) == 5);
    assert_int_equal(option_source(OPTION_HEAP_MB), OPTION_SOURCE_CONFIG);
}

static void test_sources(void **state)
{
    (void)state;
    apply_bytes(OPTION_SOURCE_CONFIG, "heap-mb=5\0kaslr=off\0seed=1", 27);
    options_apply_words("heap-mb=6\0seed=2", 17, count_warning, &warnings);
    assert_true(options_set("seed", "3", count_warning, &warnings));
    assert_int_equal(option_source(OPTION_KASLR), OPTION_SOURCE_CONFIG);
    assert_int_equal(option_source(OPTION_HEAP_MB), OPTION_SOURCE_COMMAND);
    assert_int_equal(option_source(OPTION_SEED), OPTION_SOURCE_SHELL);
    assert_true(option_number(OPTION_SEED) == 3 && option_number(OPTION_HEAP_MB) == 6);
    char text[128];
    options_format(OPTION_HEAP_MB, text, sizeof(text));
    assert_string_equal(text, "heap-mb=6 (command line)");
    options_format(OPTION_KASLR, text, sizeof(text));
    assert_string_equal(text, "kaslr=off (neomem.cfg)");
    options_format(OPTION_SEED, text, sizeof(text));
    assert_string_equal(text, "seed=3 (shell)");
    options_format(OPTION_RECORDS, text, sizeof(text));
    assert_string_equal(text, "records=on (default)");
    assert_string_equal(option_source_name((enum option_source)99), "unknown source");
}

static void test_shapes_of_word_lists(void **state)
{
    (void)state;
    options_apply_words(NULL, 0, count_warning, &warnings);
    apply_bytes(OPTION_SOURCE_COMMAND, "", 0);
    apply_bytes(OPTION_SOURCE_COMMAND, "\0\0\0", 3);
    test_defaults(state);
    assert_int_equal(warnings, 0);
    apply_bytes(OPTION_SOURCE_COMMAND, "\0\0seed=12", 9); /* the last word has no NUL */
    assert_true(option_number(OPTION_SEED) == 12);
    apply_bytes(OPTION_SOURCE_COMMAND, "seed=123\0seed=124\0", 7); /* cut inside a word */
    assert_true(option_number(OPTION_SEED) == 12);
    apply_bytes(OPTION_SOURCE_COMMAND, "seed=1\0seed=2\0seed=3", 21); /* the last one wins */
    assert_true(option_number(OPTION_SEED) == 3);
    apply_bytes(OPTION_SOURCE_COMMAND, "run=a=b=c", 10); /* the first '=' splits */
    assert_string_equal(option_text(OPTION_RUN), "a=b=c");
    assert_int_equal(warnings, 0);
    options_apply_words("oops=1", 7, NULL, NULL); /* nobody listens */
    assert_false(options_set("oops", "1", NULL, NULL));
    assert_false(options_set("seed", NULL, count_warning, &warnings));
    assert_int_equal(warnings, 1);
}

static void test_long_text(void **state)
{
    (void)state;
    static char word[OPTION_TEXT_MAX + 8] = "run=";
    memset(word + 4, 'y', OPTION_TEXT_MAX - 1);
    apply_bytes(OPTION_SOURCE_COMMAND, word, 4 + OPTION_TEXT_MAX - 1);
    assert_int_equal(warnings, 0);
    assert_int_equal(strlen(option_text(OPTION_RUN)), OPTION_TEXT_MAX - 1);
    memset(word + 4, 'z', OPTION_TEXT_MAX);
    apply_bytes(OPTION_SOURCE_COMMAND, word, 4 + OPTION_TEXT_MAX);
    assert_int_equal(warnings, 1);
    assert_string_equal(last_warning, "option run: the value is longer than 1023 bytes");
    assert_int_equal(option_text(OPTION_RUN)[0], 'y'); /* no half command */
    memcpy(word, "seed", 4);
    word[4] = '=';
    memset(word + 5, '0', OPTION_TEXT_MAX);
    apply_bytes(OPTION_SOURCE_COMMAND, word, 5 + OPTION_TEXT_MAX);
    assert_int_equal(warnings, 2);
    assert_true(options_set("run", "", count_warning, &warnings));
    assert_string_equal(option_text(OPTION_RUN), "");
    /* setting an option to its own text */
    assert_true(options_set("run", "self", count_warning, &warnings));
    assert_true(options_set("run", option_text(OPTION_RUN), count_warning, &warnings));
    assert_string_equal(option_text(OPTION_RUN), "self");
}

static void test_warning_texts(void **state)
{
    (void)state;
    APPLY("frobnicate=1");
    assert_string_equal(last_warning, "unknown option \"frobnicate\"");
    APPLY("kaslr");
    assert_string_equal(last_warning, "option kaslr needs a value: on, off");
    APPLY("on-end=\xffnow\n");
    assert_string_equal(last_warning,
                        "option on-end: bad value \"?now?\", expected: shell, poweroff, reboot, halt, qemu-exit");
    APPLY("heap-mb=0");
    assert_string_equal(last_warning, "option heap-mb: bad value \"0\", expected: number, 1 to 1024");
    APPLY("a-very-long-name-that-goes-on-and-on-and-on-and-on-and-on-and-on=1");
    assert_string_equal(last_warning, "unknown option \"a-very-long-name-that-goes-on-and-on-and-on-and-...\"");
    assert_int_equal(warnings, 5);
}

static void test_wrong_kind_panics(void **state)
{
    (void)state;
    EXPECT_PANIC((void)option_flag(OPTION_SEED));
    EXPECT_PANIC((void)option_number(OPTION_KASLR));
    EXPECT_PANIC((void)option_text(OPTION_CONSOLE));
    EXPECT_PANIC((void)option_choice(OPTION_RUN));
    EXPECT_PANIC((void)option_has_word(OPTION_ON_END, 0));
    EXPECT_PANIC((void)option_has_word(OPTION_CONSOLE, 2));
    EXPECT_PANIC((void)option_flag(OPTION_COUNT));
    EXPECT_PANIC((void)option_is_set(OPTION_COUNT));
    EXPECT_PANIC((void)option_source(OPTION_COUNT));
}

static void test_readme_rows(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "| `console` | list of `serial`, `screen` | `serial,screen` | where text goes |",
        "| `records` | `on`, `off` | `on` | JSON records on serial |",
        "| `run` | `\"command; command; ...\"` | none | shell commands run after start-up, in order |",
        "| `on-end` | `shell`, `poweroff`, `reboot`, `halt`, `qemu-exit` | `shell` | what follows the last `run` "
        "command |",
        "| `kaslr` | `on`, `off` | `on` | off: kernel text at exactly 0xFFFFFFFF80000000 and HHDM at "
        "0xFFFF800000000000 |",
        "| `seed` | number | none | fixes every random choice after start-up (tests) |",
    };
    APPLY("kaslr=off\0seed=5\0run=x"); /* the row tells defaults, not values */
    char text[512];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(options_describe(i, text, sizeof(text)), strlen(rows[i]));
        assert_string_equal(text, rows[i]);
    }
    char heap[256];
    snprintf(heap, sizeof(heap),
             "| `heap-mb` | number, 1 to 1024 | `%d` | MiB that the kernel heap starts with; it grows on demand |",
             HEAP_SIZE_MB);
    options_describe(OPTION_HEAP_MB, text, sizeof(text));
    assert_string_equal(text, heap);
    options_describe(OPTION_LOW_MEMORY, text, sizeof(text));
    assert_string_equal(text, "| `low-memory` | `on`, `off` | `off` | on: hand out the first MiB too |");
}

static void test_values_and_help(void **state)
{
    (void)state;
    char text[512];
    expect_shown(OPTION_SEED, "none");
    expect_shown(OPTION_RUN, "\"\"");
    APPLY("run=a\x01\xffz");
    expect_shown(OPTION_RUN, "\"a??z\"");
    options_help(OPTION_SEED, text, sizeof(text));
    assert_string_equal(text,
                        "seed=<number>  fixes every random choice after start-up (tests) (default none, now none)");
    APPLY("console=serial");
    options_help(OPTION_CONSOLE, text, sizeof(text));
    assert_string_equal(text, "console=<list of serial, screen>  where text goes (default serial,screen, now serial)");
}

typedef int (*format_fn)(size_t index, char *buffer, size_t capacity);

static void test_formatters_keep_to_their_buffer(void **state)
{
    (void)state;
    static const format_fn formatters[] = {options_format_value, options_format, options_help, options_describe};
    APPLY("run=some text");
    assert_int_equal(options_count(), OPTION_COUNT);
    for (size_t f = 0; f < 4; f++) {
        for (size_t index = 0; index < OPTION_COUNT; index++) {
            char whole[512];
            int length = formatters[f](index, whole, sizeof(whole));
            assert_int_equal(length, strlen(whole));
            assert_int_equal(formatters[f](index, NULL, 0), length);
            for (size_t capacity = 1; capacity <= (size_t)length + 1; capacity++) {
                char *exact = malloc(capacity);
                assert_int_equal(formatters[f](index, exact, capacity), length);
                assert_int_equal(strlen(exact), capacity - 1);
                assert_memory_equal(exact, whole, capacity - 1);
                free(exact);
            }
        }
        char nothing[4] = "abc";
        assert_int_equal(formatters[f](OPTION_COUNT, nothing, sizeof(nothing)), 0);
        assert_string_equal(nothing, "");
    }
    assert_string_equal(options_name(OPTION_ON_END), "on-end");
    assert_null(options_name(OPTION_COUNT));
}

static void test_random_words(void **state)
{
    (void)state;
    static const char *const pieces[] = {"console", "records", "seed", "heap-mb", "=",  "=",   "on",   "off",
                                         "serial",  "\0",      "0x",   "12",      "\n", "run", "kaslr"};
    for (unsigned round = 0; round < 20000; round++) {
        char words[200];
        size_t nbytes = 0;
        for (uint64_t i = test_random_below(16); i > 0; i--) {
            size_t piece = test_random_below(sizeof(pieces) / sizeof(pieces[0]));
            size_t length = pieces[piece][0] == '\0' ? 1 : strlen(pieces[piece]);
            memcpy(words + nbytes, pieces[piece], length);
            nbytes += length;
        }
        unsigned words_in_it = 0;
        for (size_t i = 0; i < nbytes; i++) {
            words_in_it += words[i] != '\0' && (i == 0 || words[i - 1] == '\0');
        }
        warnings = 0;
        apply_bytes(OPTION_SOURCE_COMMAND, words, nbytes);
        assert_true(warnings <= words_in_it);
        assert_true(option_number(OPTION_HEAP_MB) >= 1 && option_number(OPTION_HEAP_MB) <= 1024);
        assert_true(option_has_word(OPTION_CONSOLE, 0) || option_has_word(OPTION_CONSOLE, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, reset),
        cmocka_unit_test_setup(test_every_kind_of_value, reset),
        cmocka_unit_test_setup(test_choices_in_order, reset),
        cmocka_unit_test_setup(test_word_lists, reset),
        cmocka_unit_test_setup(test_numbers, reset),
        cmocka_unit_test_setup(test_bad_words_warn_once_and_change_nothing, reset),
        cmocka_unit_test_setup(test_previous_value_is_kept, reset),
        cmocka_unit_test_setup(test_sources, reset),
        cmocka_unit_test_setup(test_shapes_of_word_lists, reset),
        cmocka_unit_test_setup(test_long_text, reset),
        cmocka_unit_test_setup(test_warning_texts, reset),
        cmocka_unit_test_setup(test_wrong_kind_panics, reset),
        cmocka_unit_test_setup(test_readme_rows, reset),
        cmocka_unit_test_setup(test_values_and_help, reset),
        cmocka_unit_test_setup(test_formatters_keep_to_their_buffer, reset),
        cmocka_unit_test_setup(test_random_words, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
