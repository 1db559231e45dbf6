/* test_printf.c — neo_snprintf against libc's snprintf: a table of hand-picked cases, then random conversions. What
 * neomem does otherwise on purpose (%p of NULL, %n, unknown conversions, field limits) has tests of its own. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/printf.h>

#include "test_random_source.h"

/* The formats are data here. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#endif

/* Same text and same length as libc, in a buffer that is large enough and in every smaller one. */
#define SAME(...) \
    do { \
        char expected[600]; \
        char actual[600]; \
        int expected_length = snprintf(expected, sizeof(expected), __VA_ARGS__); \
        int actual_length = neo_snprintf(actual, sizeof(actual), __VA_ARGS__); \
        assert_string_equal(actual, expected); \
        assert_int_equal(actual_length, expected_length); \
        size_t capacity = (size_t)expected_length / 2; \
        memset(actual, '#', sizeof(actual)); \
        assert_int_equal(neo_snprintf(actual, capacity, __VA_ARGS__), expected_length); \
        if (capacity > 0) { \
            assert_memory_equal(actual, expected, capacity - 1); \
            assert_int_equal(actual[capacity - 1], '\0'); \
        } \
        assert_int_equal(actual[capacity], '#'); \
    } while (0)

static void test_integers(void **state)
{
    (void)state;
    static const int values[] = {0, 1, -1, 9, 10, -10, 42, 255, 256, 12345, INT_MAX, INT_MIN, INT_MIN + 1};
    static const char *const formats[] = {
        "%d",   "%i",      "%5d",       "%-5d|",  "%05d",    "%+d",   "% d",    "%+ d",   "%.0d",  "%.1d",
        "%.5d", "%8.3d",   "%-8.3d|",   "%08.3d", "%+08d",   "% 08d", "%-08d|", "%+.0d",  "%3.0d", "%u",
        "%x",   "%X",      "%o",        "%#x",    "%#X",     "%#o",   "%#08x",  "%#-8x|", "%#.0x", "%#.0o",
        "%.0o", "%#.3o",   "%#5o",      "%#05o",  "%#10.4x", "%hhd",  "%hd",    "%hhu",   "%hu",   "%hhx",
        "%hx",  "%20.15d", "%-20.15x|", "%c",     "%5c",     "%-5c|", "%.d",    "%5.d"};
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            if (strchr(formats[f], 'c') != NULL && (values[v] & 0xff) == 0) {
                continue; /* a NUL inside the text: see test_character_nul */
            }
            SAME(formats[f], values[v]);
        }
    }
}

static void test_wide_integers(void **state)
{
    (void)state;
    static const long long values[] = {0, 1, -1, LLONG_MAX, LLONG_MIN, 0x123456789abcdefll, -4294967296ll};
    static const char *const formats[] = {"%ld",  "%li",   "%lu",   "%lx",     "%lX",       "%lo",   "%lld",   "%llu",
                                          "%llx", "%#llx", "%#llo", "%zd",     "%zu",       "%zx",   "%jd",    "%ju",
                                          "%jx",  "%td",   "%tu",   "%#018lx", "%+30.22ld", "%25lu", "%-25lo|"};
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            SAME(formats[f], values[v]);
        }
    }
}

static void test_text(void **state)
{
    (void)state;
    static const char *const values[] = {"", "a", "hello", "a longer text with % in it", "\xc3\xa4"};
    static const char *const formats[] = {"%s", "%10s", "%-10s|", "%.3s", "%10.2s", "%-10.0s|", "%.s", "[%.100s]"};
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            SAME(formats[f], values[v]);
        }
    }
    SAME("%s and %s: %d%%", "one", "two", 50);
    SAME("no conversion at all");
    SAME("%s", "");
    SAME("%%");
    SAME("%s%s%s", "", "", "");
    /* a precision makes the terminator unnecessary, and bounds what is read */
    char *open = malloc(3);
    memcpy(open, "abc", 3);
    SAME("%.3s", open);
    SAME("%5.2s", open);
    free(open);
}

static void test_star_arguments(void **state)
{
    (void)state;
    SAME("%*d", 8, 42);
    SAME("%*d|", -8, 42);
    SAME("%-*d|", 8, 42);
    SAME("%.*d", 5, 42);
    SAME("%.*d", -5, 42);
    SAME("%.*d", 0, 0);
    SAME("%*.*d|", -12, 6, -42);
    SAME("%.*s", 2, "hello");
    SAME("%.*s", -1, "hello");
    SAME("%*s", 0, "x");
    SAME("%0*d", 6, -42);
    SAME("%d %*d %s", 1, 4, 2, "three");
}

static void test_pointers(void **state)
{
    (void)state;
    int object;
    SAME("%p", (void *)&object);
    SAME("%30p", (void *)&object);
    SAME("%-30p|", (void *)&object);
    SAME("%p", (void *)UINTPTR_MAX);
    char text[32];
    assert_int_equal(neo_snprintf(text, sizeof(text), "%p", (void *)NULL), 3);
    assert_string_equal(text, "0x0");
    assert_int_equal(neo_snprintf(text, sizeof(text), "%s", (const char *)NULL), 6);
    assert_string_equal(text, "(null)");
    assert_int_equal(neo_snprintf(text, sizeof(text), "%.3s", (const char *)NULL), 3);
    assert_string_equal(text, "(nu");
}

static void test_character_nul(void **state)
{
    (void)state;
    char text[8];
    memset(text, '#', sizeof(text));
    assert_int_equal(neo_snprintf(text, sizeof(text), "a%cb", 0), 3);
    assert_memory_equal(text, "a\0b\0####", 8);
}

static void test_unknown_conversions_end_the_format(void **state)
{
    (void)state;
    static const char *const formats[] = {"%n %s", "%f %s", "%e",      "%Lf",  "%ls %d", "%lc", "%q",
                                          "%",     "%5",    "%-08.3l", "%hhs", "%lp",    "%k%d"};
    char text[64];
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        char format[64];
        snprintf(format, sizeof(format), "%%d: %s", formats[f]);
        char expected[64];
        snprintf(expected, sizeof(expected), "7: %s", formats[f]);
        /* a wild pointer as the next argument proves that it is not used */
        assert_int_equal(neo_snprintf(text, sizeof(text), format, 7, (void *)1), strlen(expected));
        assert_string_equal(text, expected);
    }
}

static void test_field_limits(void **state)
{
    (void)state;
    static char text[8192];
    assert_int_equal(neo_snprintf(text, sizeof(text), "%999999999999999999999d", 1), FORMAT_FIELD_MAX);
    assert_int_equal(text[FORMAT_FIELD_MAX - 1], '1');
    assert_int_equal(neo_snprintf(text, sizeof(text), "%.99999d", 1), FORMAT_FIELD_MAX);
    assert_int_equal(neo_snprintf(text, sizeof(text), "%*d", INT_MIN, 1), FORMAT_FIELD_MAX);
    assert_int_equal(text[0], '1');
    assert_int_equal(neo_snprintf(text, sizeof(text), "%*s", INT_MAX, "x"), FORMAT_FIELD_MAX);
    assert_int_equal(neo_snprintf(text, sizeof(text), "%4095d", 1), 4095);
    assert_int_equal(neo_snprintf(text, sizeof(text), "%.*s", INT_MAX, "unaffected"), 10);
    /* text itself has no limit, nor has a precision that cuts it */
    char *longer = malloc(6001);
    memset(longer, 'y', 6000);
    longer[6000] = '\0';
    assert_int_equal(neo_snprintf(text, sizeof(text), "%.5000s", longer), 5000);
    assert_int_equal(strlen(text), 5000);
    assert_int_equal(neo_snprintf(text, 10, "%s", longer), 6000);
    assert_string_equal(text, "yyyyyyyyy");
    free(longer);
}

static void test_no_buffer(void **state)
{
    (void)state;
    assert_int_equal(neo_snprintf(NULL, 0, "%s %d", "text", 5), 6);
    char one = '#';
    assert_int_equal(neo_snprintf(&one, 1, "abc"), 3);
    assert_int_equal(one, '\0');
}

struct pieces {
    char text[256];
    size_t used;
};

static void collect(void *context, const char *text, size_t nbytes)
{
    struct pieces *pieces = context;
    assert_true(nbytes > 0 && pieces->used + nbytes < sizeof(pieces->text));
    memcpy(pieces->text + pieces->used, text, nbytes);
    pieces->used += nbytes;
}

static int format_into(struct pieces *pieces, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = neo_vformat(collect, pieces, format, arguments);
    /* neo_vformat works on a copy: the caller's list is still at its start */
    assert_int_equal(va_arg(arguments, int), 17);
    va_end(arguments);
    return length;
}

static void test_vformat(void **state)
{
    (void)state;
    struct pieces pieces = {.used = 0};
    assert_int_equal(format_into(&pieces, "[%4d|%-100s]", 17, "left"), 107);
    assert_int_equal(pieces.used, 107);
    assert_memory_equal(pieces.text, "[  17|left ", 11);
}

/* A random conversion that C defines, and one argument of the right type. */
static void compare_random_conversion(void)
{
    static const char *const sizes[] = {"", "hh", "h", "l", "ll", "z", "j", "t"};
    static const char conversions[] = "diuxXocsp";
    char format[64];
    size_t used = 0;
    char conversion = conversions[test_random_below(sizeof(conversions) - 1)];
    bool is_signed = conversion == 'd' || conversion == 'i';
    bool is_number = is_signed || strchr("uxXo", conversion) != NULL;
    format[used++] = '<';
    format[used++] = '%';
    for (unsigned n = (unsigned)test_random_below(4); n > 0; n--) {
        char flag = "-0+ #"[test_random_below(5)];
        bool legal = flag == '-' || (flag == '0' && is_number) || (flag == '#' && strchr("xXo", conversion) != NULL) ||
                     ((flag == '+' || flag == ' ') && is_signed);
        if (legal) {
            format[used++] = flag;
        }
    }
    if (test_random_below(2) == 0) {
        used += (size_t)sprintf(format + used, "%u", 1 + (unsigned)test_random_below(40));
    }
    if (test_random_below(2) == 0 && conversion != 'c' && conversion != 'p') {
        used += (size_t)sprintf(format + used, ".%u", (unsigned)test_random_below(30));
    }
    const char *size = is_number ? sizes[test_random_below(8)] : "";
    sprintf(format + used, "%s%c>", size, conversion);
    uint64_t value = test_random() >> test_random_below(64);
    if (conversion == 's') {
        char text[40];
        size_t length = test_random_below(sizeof(text));
        memset(text, 'a' + (int)test_random_below(26), length);
        text[length] = '\0';
        SAME(format, text);
    } else if (conversion == 'p') {
        SAME(format, (void *)(uintptr_t)(value | 1));
    } else if (conversion == 'c') {
        SAME(format, 1 + (int)(value % 255));
    } else if (size[0] == '\0' || size[0] == 'h') {
        SAME(format, (int)value);
    } else {
        SAME(format, (long)value);
    }
}

static void test_random_conversions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        compare_random_conversion();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_star_arguments),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_character_nul),
        cmocka_unit_test(test_unknown_conversions_end_the_format),
        cmocka_unit_test(test_field_limits),
        cmocka_unit_test(test_no_buffer),
        cmocka_unit_test(test_vformat),
        cmocka_unit_test(test_random_conversions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
