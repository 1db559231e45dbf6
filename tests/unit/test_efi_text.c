/* test_efi_text.c — bounded texts and notes of the loader: nothing is ever written beyond a buffer, and an overflow
 * says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "efi/text.h"

static void test_numbers(void **state)
{
    (void)state;
    char buffer[64];
    struct text text;

    text_init(&text, buffer, sizeof buffer);
    text_add_decimal(&text, 0);
    text_add(&text, " ");
    text_add_decimal(&text, UINT64_MAX);
    text_add(&text, " ");
    text_add_hex(&text, 0);
    text_add(&text, " ");
    text_add_hex(&text, 0xDEADBEEF00000001u);
    assert_string_equal(buffer, "0 18446744073709551615 0x0 0xdeadbeef00000001");
    assert_int_equal(text.used, strlen(buffer));
}

static void test_text_is_cut_at_every_capacity(void **state)
{
    (void)state;
    static const char whole[] = "some words and 42";

    for (size_t capacity = 1; capacity <= sizeof whole + 2; capacity++) {
        char *buffer = malloc(capacity); /* ASan guards its end */
        struct text text;
        size_t expected = capacity - 1 < sizeof whole - 1 ? capacity - 1 : sizeof whole - 1;

        text_init(&text, buffer, capacity);
        text_add(&text, "some words and ");
        text_add_decimal(&text, 42);
        assert_int_equal(text.used, expected);
        assert_memory_equal(buffer, whole, expected);
        assert_int_equal(buffer[expected], '\0');
        free(buffer);
    }
}

static void test_unprintable_bytes(void **state)
{
    (void)state;
    char buffer[16];
    struct text text;

    text_init(&text, buffer, sizeof buffer);
    text_add_printable(&text, "a\0\x7F\x80\n~ ", 7);
    assert_string_equal(buffer, "a????~ ");
}

static void test_equal_and_length(void **state)
{
    (void)state;
    assert_true(text_equal("", ""));
    assert_true(text_equal("abc", "abc"));
    assert_false(text_equal("abc", "abcd"));
    assert_false(text_equal("abd", "abc"));
    assert_int_equal(text_length("four"), 4);
}

static void test_notes_are_lines(void **state)
{
    (void)state;
    char buffer[NOTE_BYTES * 2];
    struct notes notes;
    static const char expected[] = "first\0size 7 bytes\0at 0xff!";

    notes_init(&notes, buffer, sizeof buffer);
    notes_add(&notes, "first");
    notes_add_decimal(&notes, "size ", 7, " bytes");
    notes_add_hex(&notes, "at ", 255, "!");
    assert_int_equal(notes.used, sizeof expected);
    assert_memory_equal(buffer, expected, sizeof expected);
    assert_false(notes.full);
}

static void test_long_note_is_cut(void **state)
{
    (void)state;
    char buffer[NOTE_BYTES * 3];
    char line[NOTE_BYTES * 2];
    struct notes notes;

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    notes_init(&notes, buffer, sizeof buffer);
    notes_add(&notes, line);
    assert_int_equal(strlen(buffer), NOTE_BYTES - 1);
    assert_int_equal(notes.used, NOTE_BYTES);
}

static void test_overflow_says_so_and_ends(void **state)
{
    (void)state;
    for (size_t capacity = NOTE_BYTES; capacity < NOTE_BYTES + 40; capacity++) {
        char *buffer = malloc(capacity);
        struct notes notes;
        const char *last = buffer;

        notes_init(&notes, buffer, capacity);
        for (unsigned i = 0; i < 100; i++) {
            notes_add_decimal(&notes, "line number ", i, "");
        }
        assert_true(notes.full);
        assert_true(notes.used <= capacity);
        assert_int_equal(buffer[notes.used - 1], '\0');
        for (size_t at = 0; at < notes.used; at += strlen(buffer + at) + 1) {
            last = buffer + at;
        }
        assert_string_equal(last, "more notes did not fit");
        free(buffer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text_is_cut_at_every_capacity),
        cmocka_unit_test(test_unprintable_bytes),
        cmocka_unit_test(test_equal_and_length),
        cmocka_unit_test(test_notes_are_lines),
        cmocka_unit_test(test_long_note_is_cut),
        cmocka_unit_test(test_overflow_says_so_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
