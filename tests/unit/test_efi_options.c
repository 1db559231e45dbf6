/* test_efi_options.c — the loader's tokeniser: the grammar of neomem.cfg, and LoadOptions as good and as bad as firmware
 * delivers them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "efi/options.h"

static char note_buffer[4096];
static struct notes notes;
static char word_buffer[OPTIONS_WORDS_BYTES(OPTIONS_FILE_BYTES_MAX)];
static struct option_words words;

static int set_up(void **state)
{
    (void)state;
    notes_init(&notes, note_buffer, sizeof note_buffer);
    options_init(&words, word_buffer, sizeof word_buffer);
    return 0;
}

/* Words joined by '|', for comparing. */
static const char *joined(const struct option_words *from)
{
    static char text[sizeof word_buffer];

    memcpy(text, from->bytes, from->used);
    for (size_t i = 0; i < from->used; i++) {
        text[i] = text[i] == '\0' ? '|' : text[i];
    }
    text[from->used] = '\0';
    return text;
}

static unsigned note_count(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < notes.used; i++) {
        count += note_buffer[i] == '\0';
    }
    return count;
}

/* The source and the words live in exact heap blocks, so that ASan sees every step too far. */
static void read_file(const void *text, size_t nbytes)
{
    uint8_t *copy = malloc(nbytes + (nbytes == 0));
    char *room = malloc(OPTIONS_WORDS_BYTES(nbytes));

    memcpy(copy, text, nbytes);
    options_init(&words, room, OPTIONS_WORDS_BYTES(nbytes));
    options_from_file(&words, copy, nbytes, false, &notes);
    memcpy(word_buffer, room, words.used);
    words.bytes = word_buffer;
    free(room);
    free(copy);
}

static void expect_file(const char *text, const char *expected)
{
    read_file(text, strlen(text));
    assert_string_equal(joined(&words), expected);
}

/* ASCII as UCS-2, with or without the final NUL. */
static void read_load_options(const char *text, bool has_nul)
{
    size_t units = strlen(text) + (has_nul ? 1 : 0);
    uint8_t *copy = calloc(units + (units == 0), 2);

    for (size_t i = 0; i < units; i++) {
        copy[2 * i] = (uint8_t)text[i];
    }
    options_from_load_options(&words, copy, units * 2, &notes);
    free(copy);
}

static void test_words(void **state)
{
    (void)state;
    expect_file("", "");
    expect_file("a=1", "a=1|");
    expect_file("  a=1\t b=2\r\nc=3\n\n", "a=1|b=2|c=3|");
    expect_file("a=1\vb=2\fc=3", "a=1|b=2|c=3|");
    assert_int_equal(note_count(), 0);
}

static void test_quotes(void **state)
{
    (void)state;
    expect_file("run=\"help; map\" x=1", "run=help; map|x=1|");
    expect_file("\"run=a b\"", "run=a b|");
    expect_file("a=\"b\"c\"d e\"", "a=bcd e|");
    expect_file("a=\"# no comment\"", "a=# no comment|");
    expect_file("a=\"\" b=1", "a=|b=1|");
    expect_file("\"\" \"\"", "");
    expect_file("a=\"x\ty\"", "a=x\ty|");
    assert_int_equal(note_count(), 0);
}

static void test_comments(void **state)
{
    (void)state;
    expect_file("# all of it a=1", "");
    expect_file("a=1 # b=2\nc=3", "a=1|c=3|");
    expect_file("a=1#b=2\rc=3", "a=1|c=3|");
    expect_file("a=1 # \"quote in a comment\nb=2 # caf\xC3\xA9\n", "a=1|b=2|");
    assert_int_equal(note_count(), 0);
}

static void test_open_quote_costs_one_word(void **state)
{
    (void)state;
    expect_file("a=1 run=\"help; map\nb=2", "a=1|b=2|");
    assert_int_equal(note_count(), 1);
    assert_string_equal(note_buffer, "neomem.cfg: quote is not closed, word ignored: run=help; map");
    expect_file("a=\"", "");
    assert_int_equal(note_count(), 2);
}

static void test_non_ascii_word_is_left_out(void **state)
{
    (void)state;
    expect_file("a=1 b=\xC3\xA9 c=3 d=\x01", "a=1|c=3|");
    assert_int_equal(note_count(), 2);
    assert_string_equal(note_buffer, "neomem.cfg: not plain ASCII, word ignored: b=??");
}

static void test_many_bad_words_do_not_fill_the_notes(void **state)
{
    (void)state;
    char text[3 * 1000 + 1];

    for (unsigned i = 0; i < 1000; i++) {
        memcpy(text + (size_t)3 * i, "\x80x ", 3);
    }
    text[3000] = '\0';
    expect_file(text, "");
    assert_int_equal(note_count(), 9);
    static const char last[] = "options: 992 more words ignored";
    assert_string_equal(note_buffer + notes.used - sizeof last, last);
}

static void test_binary_file_is_ignored(void **state)
{
    (void)state;
    read_file("a=1\0b=2", 7);
    assert_int_equal(words.used, 0);
    assert_string_equal(note_buffer, "neomem.cfg is not a text file, ignored");
}

static void test_byte_order_marks(void **state)
{
    (void)state;
    static const uint8_t wide[] = {0xFF, 0xFE, 'a', 0, '=', 0, '1', 0, ' ', 0, '#', 0, 0x39, 0x26, '\n', 0, 'b', 0};

    expect_file("\xEF\xBB\xBF"
                "a=1",
                "a=1|");
    read_file(wide, sizeof wide);
    assert_string_equal(joined(&words), "a=1|b|");
    read_file(wide, sizeof wide - 1); /* half a character at the end */
    assert_string_equal(joined(&words), "a=1|");
    read_file(wide, 2);
    assert_int_equal(words.used, 0);
    assert_int_equal(note_count(), 0);
}

static void test_oversized_file(void **state)
{
    (void)state;
    size_t nbytes = OPTIONS_FILE_BYTES_MAX + 1;
    char *text = malloc(nbytes);

    /* The last whole line ends just inside the limit; the next one is cut by it. */
    memset(text, ' ', nbytes);
    memcpy(text, "a=1\n", 4);
    memcpy(text + OPTIONS_FILE_BYTES_MAX - 10, "b=2\n", 4);
    memcpy(text + OPTIONS_FILE_BYTES_MAX - 6, "c=33333", 7);
    read_file(text, nbytes);
    assert_string_equal(joined(&words), "a=1|b=2|");
    assert_int_equal(note_count(), 1);
    assert_non_null(strstr(note_buffer, "longer than 65536 bytes"));
    read_file(text, OPTIONS_FILE_BYTES_MAX); /* exactly fits: nothing is cut */
    assert_string_equal(joined(&words), "a=1|b=2|c=3333|");
    assert_int_equal(note_count(), 1);
    free(text);
}

static void test_small_word_buffer(void **state)
{
    (void)state;
    static const char text[] = "abc=1 defgh=2 i=3";

    for (size_t capacity = 0; capacity <= sizeof text; capacity++) {
        char *room = malloc(capacity + (capacity == 0));
        struct option_words few;

        options_init(&few, room, capacity);
        options_from_file(&few, (const uint8_t *)text, sizeof text - 1, false, &notes);
        assert_true(few.used <= capacity);
        assert_true(few.used == 0 || room[few.used - 1] == '\0');
        if (capacity == 6) {
            assert_string_equal(joined(&few), "abc=1|");
        }
        if (capacity == 10) { /* the long word is left out, the short one behind it is not */
            assert_string_equal(joined(&few), "abc=1|i=3|");
        }
        free(room);
    }
}

static void test_load_options(void **state)
{
    (void)state;
    read_load_options("kaslr=off run=\"a b\"", true);
    assert_string_equal(joined(&words), "kaslr=off|run=a b|");
    set_up(state);
    read_load_options("kaslr=off", false);
    assert_string_equal(joined(&words), "kaslr=off|");
    set_up(state);
    read_load_options("a=1 # b=2", true); /* comments belong to the file */
    assert_string_equal(joined(&words), "a=1|#|b=2|");
    assert_int_equal(note_count(), 0);
}

static void test_program_name_is_left_out(void **state)
{
    static const char *const names[] = {"neomem.efi", "BOOTX64.EFI", "FS0:\\x", "\\EFI\\BOOT\\B.efi", "neomem", "a/b"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[80];
        set_up(state);
        snprintf(line, sizeof line, "%s a=1 b.efi", names[i]);
        read_load_options(line, true);
        assert_string_equal(joined(&words), "a=1|b.efi|");
    }
    set_up(state);
    read_load_options("path=\\x.efi a=1", true);
    assert_string_equal(joined(&words), "path=\\x.efi|a=1|");
    set_up(state);
    read_load_options("hello", true);
    assert_string_equal(joined(&words), "hello|");
    set_up(state);
    read_load_options("neomem.efi", true);
    assert_int_equal(words.used, 0);
    assert_int_equal(note_count(), 0);
}

static void test_load_options_marks_sizes_and_ends(void **state)
{
    static const uint8_t marked[] = {0xFF, 0xFE, 'a', 0, '=', 0, '1', 0};
    static const uint8_t ended[] = {'a', 0, '=', 0, '1', 0, 0, 0, 0xDE, 0xAD, 0xBE, 0xEF};
    static const uint8_t odd[] = {'a', 0, '=', 0, '1', 0, 'x'};

    options_from_load_options(&words, marked, sizeof marked, &notes);
    assert_string_equal(joined(&words), "a=1|");
    set_up(state);
    options_from_load_options(&words, ended, sizeof ended, &notes);
    assert_string_equal(joined(&words), "a=1|");
    set_up(state);
    options_from_load_options(&words, odd, sizeof odd, &notes);
    assert_string_equal(joined(&words), "a=1|");
    set_up(state);
    options_from_load_options(&words, NULL, 100, &notes);
    options_from_load_options(&words, odd, 0, &notes);
    options_from_load_options(&words, odd, 1, &notes);
    assert_int_equal(words.used, 0);
    assert_int_equal(note_count(), 0);
}

static void test_binary_load_options_are_ignored(void **state)
{
    /* EDK2's mark of an automatically created boot entry, and text spoilt by one unit. */
    static const uint8_t guid[] = {0x4E, 0xAC, 0x08, 0x81, 0x11, 0x9F, 0x59, 0x4D,
                                   0x85, 0x0E, 0xE2, 0x1A, 0x52, 0x2C, 0x59, 0xB2};
    static const uint8_t spoilt[] = {'a', 0, '=', 0, '1', 0, 0xE9, 0, 0, 0};

    options_from_load_options(&words, guid, sizeof guid, &notes);
    assert_int_equal(words.used, 0);
    assert_int_equal(note_count(), 1);
    assert_string_equal(note_buffer, "LoadOptions is not text, ignored");
    set_up(state);
    options_from_load_options(&words, spoilt, sizeof spoilt, &notes);
    assert_int_equal(words.used, 0);
    assert_int_equal(note_count(), 1);
}

static void test_huge_load_options(void **state)
{
    (void)state;
    size_t units = OPTIONS_UNITS_MAX;
    uint8_t *text = calloc(units, 2);

    /* The stated size is far beyond the memory that is really there: only the limit may be read. */
    for (size_t i = 0; i < units; i++) {
        text[2 * i] = i % 4 == 3 ? ' ' : 'a';
    }
    options_from_load_options(&words, text, UINT32_MAX, &notes);
    assert_int_equal(words.used, OPTIONS_UNITS_MAX);
    assert_non_null(strstr(note_buffer, "longer than 8192"));
    free(text);
}

static void fill(struct option_words *target, char *room, size_t capacity, const char *text)
{
    options_init(target, room, capacity);
    options_from_file(target, (const uint8_t *)text, strlen(text), false, &notes);
}

static void test_lookup(void **state)
{
    (void)state;
    char file_room[200];
    char command_room[200];
    struct option_words file;
    struct option_words command;
    uint64_t number = 99;

    fill(&file, file_room, sizeof file_room,
         "kaslr=off seed=5 kaslr=on on-end=qemu-exit kaslr=no kaslrx=off xkaslr=off");
    fill(&command, command_room, sizeof command_room, "seed=0x1F seed=bad");
    assert_int_equal(options_choice(&file, &command, "kaslr", "off on"), 1);
    assert_int_equal(options_choice(&file, &command, "on-end", "shell poweroff reboot halt qemu-exit"), 4);
    assert_int_equal(options_choice(&file, &command, "on-end", "shell qemu qemu-exitx"), -1);
    assert_int_equal(options_choice(&file, &command, "absent", "off on"), -1);
    assert_true(options_number(&file, &command, "seed", &number));
    assert_int_equal(number, 0x1F);
    fill(&command, command_room, sizeof command_room, "kaslr=off");
    assert_int_equal(options_choice(&file, &command, "kaslr", "off on"), 0);
    assert_true(options_number(&file, &command, "seed", &number));
    assert_int_equal(number, 5);
    assert_false(options_number(&file, &command, "kaslr", &number));
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        uint64_t value;
    } cases[] = {
        {"n=0", true, 0},
        {"n=18446744073709551615", true, UINT64_MAX},
        {"n=18446744073709551616", false, 0},
        {"n=0xffffffffffffffff", true, UINT64_MAX},
        {"n=0xFFFFFFFFFFFFFFFF0", false, 0},
        {"n=0X1a", true, 0x1A},
        {"n=", false, 0},
        {"n=0x", false, 0},
        {"n=12a", false, 0},
        {"n=0xg", false, 0},
        {"n=-1", false, 0},
        {"n=007", true, 7},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char room[100];
        struct option_words one;
        struct option_words none = {NULL, 0, 0};
        uint64_t value = 0;

        fill(&one, room, sizeof room, cases[i].text);
        assert_int_equal(options_number(&one, &none, "n", &value), cases[i].is_good);
        if (cases[i].is_good) {
            assert_int_equal(value, cases[i].value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_words, set_up),
        cmocka_unit_test_setup(test_quotes, set_up),
        cmocka_unit_test_setup(test_comments, set_up),
        cmocka_unit_test_setup(test_open_quote_costs_one_word, set_up),
        cmocka_unit_test_setup(test_non_ascii_word_is_left_out, set_up),
        cmocka_unit_test_setup(test_many_bad_words_do_not_fill_the_notes, set_up),
        cmocka_unit_test_setup(test_binary_file_is_ignored, set_up),
        cmocka_unit_test_setup(test_byte_order_marks, set_up),
        cmocka_unit_test_setup(test_oversized_file, set_up),
        cmocka_unit_test_setup(test_small_word_buffer, set_up),
        cmocka_unit_test_setup(test_load_options, set_up),
        cmocka_unit_test_setup(test_program_name_is_left_out, set_up),
        cmocka_unit_test_setup(test_load_options_marks_sizes_and_ends, set_up),
        cmocka_unit_test_setup(test_binary_load_options_are_ignored, set_up),
        cmocka_unit_test_setup(test_huge_load_options, set_up),
        cmocka_unit_test_setup(test_lookup, set_up),
        cmocka_unit_test_setup(test_numbers, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
