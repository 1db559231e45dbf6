/* test_record.c — whatever the caller does, one line of valid JSON comes out: read back by json_check.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/record.h>
#include <neomem/warning.h>

#include "capture_sink.h"
#include "json_check.h"
#include "test_random_source.h"

static struct capture_sink serial;

static int reset(void **state)
{
    (void)state;
    console_reset();
    record_enable(true);
    capture_add(&serial, "serial", true, true);
    return 0;
}

/* Valid, on one line, begins with its kind. */
static void check_line(const char *line, size_t nbytes)
{
    assert_int_equal(strlen(line), nbytes);
    assert_true(json_is_object(line, nbytes));
    assert_null(strchr(line, '\n'));
    assert_memory_equal(line, "{\"neomem\":\"", 11);
}

static void expect_member(const char *line, const char *key, const char *raw)
{
    char value[4096];
    if (!json_member(line, strlen(line), key, value, sizeof(value))) {
        fail_msg("no member %s in %s", key, line);
    }
    assert_string_equal(value, raw);
}

static void test_every_kind_of_member(void **state)
{
    (void)state;
    const uint64_t values[] = {0, 0xffffffff80000000ull, UINT64_MAX};
    struct record r;
    record_begin(&r, "boot");
    record_text(&r, "version", "0.1.0");
    record_textf(&r, "detail", "%d of %d", 3, 4);
    record_text_bytes(&r, "bytes", "abcdef", 3);
    record_text_bytes(&r, "terminated", "ab\0cd", 5);
    record_hex(&r, "base", 0xFFFF800000000000ull);
    record_hex(&r, "zero", 0);
    record_number(&r, "most", UINT64_MAX);
    record_signed(&r, "least", INT64_MIN);
    record_bool(&r, "yes", true);
    record_bool(&r, "no", false);
    record_null(&r, "nothing");
    record_text(&r, "absent", NULL);
    record_hex_array(&r, "trace", values, 3);
    record_hex_array(&r, "empty", NULL, 0);
    record_end(&r);
    assert_string_equal(serial.bytes,
                        "{\"neomem\":\"boot\",\"version\":\"0.1.0\",\"detail\":\"3 of 4\",\"bytes\":\"abc\","
                        "\"terminated\":\"ab\",\"base\":\"0xffff800000000000\",\"zero\":\"0x0\","
                        "\"most\":18446744073709551615,\"least\":-9223372036854775808,\"yes\":true,\"no\":false,"
                        "\"nothing\":null,\"absent\":null,"
                        "\"trace\":[\"0x0\",\"0xffffffff80000000\",\"0xffffffffffffffff\"],\"empty\":[]}\n");
    check_line(strtok(serial.bytes, "\n"), serial.used - 1);
}

static void test_escapes(void **state)
{
    (void)state;
    struct record r;
    record_begin(&r, "x");
    record_text(&r, "a", "\"\\/\b\f\n\r\t\x01\x1f\x7f");
    record_text(&r, "b", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");                              /* ä € 😀 stay */
    record_text(&r, "c", "<\xff><\xc0\xaf><\xed\xa0\x80><\xf4\x90\x80\x80><\xe2\x82>");        /* ill-formed */
    record_text(&r, "d", "\xc2\x85|\xe2\x80\xa8|\xe2\x80\xa9|\xc2\x9f|\xc2\xa0|\xef\xbf\xbd"); /* line ends */
    record_text(&r, "k\"e\ny", "v");
    size_t nbytes;
    const char *line = record_finish(&r, &nbytes);
    check_line(line, nbytes);
    expect_member(line, "a", "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"");
    expect_member(line, "b", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_member(line, "c",
                  "\"<\\ufffd><\\ufffd\\ufffd><\\ufffd\\ufffd\\ufffd><\\ufffd\\ufffd\\ufffd\\ufffd><\\ufffd>\"");
    expect_member(line, "d", "\"\\u0085|\\u2028|\\u2029|\\u009f|\xc2\xa0|\xef\xbf\xbd\"");
    expect_member(line, "k\\\"e\\ny", "\"v\"");
}

static void test_odd_calls(void **state)
{
    (void)state;
    struct record r;
    memset(&r, 0xEE, sizeof(r));
    record_text(&r, "too", "early");
    record_hex_array(&r, "too", NULL, 0);
    record_hex(&r, "too", 1);
    record_end(&r);
    assert_string_equal(serial.bytes, "");

    record_begin(&r, NULL);
    record_text(&r, NULL, NULL);
    record_number(&r, "", 1);
    record_end(&r);
    assert_string_equal(serial.bytes, "{\"neomem\":\"\",\"\":null,\"\":1}\n");
    record_number(&r, "late", 1);
    record_end(&r);
    assert_string_equal(record_finish(&r, NULL), "");
    assert_string_equal(serial.bytes, "{\"neomem\":\"\",\"\":null,\"\":1}\n");

    record_begin(&r, "again");
    record_begin(&r, "restarted");
    record_finish(&r, NULL);
    assert_string_equal(r.buffer, "{\"neomem\":\"restarted\"}");
}

static void test_records_off(void **state)
{
    (void)state;
    struct record r;
    record_enable(false);
    assert_false(record_is_enabled());
    record_begin(&r, "x");
    record_number(&r, "n", 1);
    record_end(&r);
    size_t nbytes = 77;
    assert_string_equal(record_finish(&r, &nbytes), "");
    assert_int_equal(nbytes, 0);
    record_enable(true);
    assert_true(record_is_enabled());
    record_number(&r, "n", 1);
    record_end(&r); /* it began while they were off */
    assert_string_equal(serial.bytes, "");
    record_begin(&r, "y");
    record_end(&r);
    assert_string_equal(serial.bytes, "{\"neomem\":\"y\"}\n");
}

static void test_kind_always_fits(void **state)
{
    (void)state;
    char kind[100];
    memset(kind, 0x01, sizeof(kind) - 1);
    kind[sizeof(kind) - 1] = '\0';
    char buffer[RECORD_BYTES_MIN];
    struct record r;
    record_begin_in(&r, kind, buffer, sizeof(buffer));
    record_text(&r, "text", "this one is too long for what is left of the buffer, because the kind took it all up");
    size_t nbytes;
    const char *line = record_finish(&r, &nbytes);
    assert_ptr_equal(line, buffer);
    check_line(line, nbytes);
    expect_member(line, "truncated", "true");
    char expected[6 * 32 + 3] = "\"";
    for (unsigned i = 0; i < 32; i++) {
        strcat(expected, "\\u0001");
    }
    strcat(expected, "\"");
    expect_member(line, "neomem", expected);
}

static void test_what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    static char longer[RECORD_BYTES + 100];
    memset(longer, 'x', sizeof(longer) - 1);
    uint64_t values[200];
    memset(values, 0xff, sizeof(values));
    struct record r;
    record_begin(&r, "big");
    record_number(&r, "first", 1);
    record_text(&r, "text", longer);
    record_number(&r, "second", 2);
    record_hex_array(&r, "array", values, 200);
    record_hex(&r, "third", 3);
    record_text(&r, longer, "key too long");
    record_bool(&r, "fourth", true);
    record_end(&r);
    assert_string_equal(serial.bytes, "{\"neomem\":\"big\",\"first\":1,\"second\":2,\"third\":\"0x3\",\"fourth\":true,"
                                      "\"truncated\":true}\n");
}

/* Around the limit, byte by byte: the last text that fits and the first that does not. */
static void test_exact_limit(void **state)
{
    (void)state;
    /* {"neomem":"k","t":"…"} and the reserve for the end */
    const size_t room =
        RECORD_BYTES - strlen("{\"neomem\":\"k\"") - strlen(",\"t\":\"\"") - sizeof(",\"truncated\":true}");
    for (size_t length = room - 3; length <= room + 3; length++) {
        char *text = malloc(length + 1);
        memset(text, 'x', length);
        text[length] = '\0';
        struct record *r = malloc(sizeof(*r));
        record_begin(r, "k");
        record_text(r, "t", text);
        size_t nbytes;
        const char *line = record_finish(r, &nbytes);
        check_line(line, nbytes);
        assert_true(nbytes < RECORD_BYTES);
        assert_int_equal(strstr(line, "\"truncated\":true") != NULL, length > room);
        assert_int_equal(strstr(line, "xxx") != NULL, length <= room);
        free(text);
        free(r);
    }
}

static void test_small_buffers_fall_back(void **state)
{
    (void)state;
    char small[RECORD_BYTES_MIN - 1];
    struct record r;
    record_begin_in(&r, "k", small, sizeof(small));
    assert_ptr_equal(record_finish(&r, NULL), r.storage);
    record_begin_in(&r, "k", NULL, 5000);
    assert_ptr_equal(record_finish(&r, NULL), r.storage);
    static char large[8192];
    static char text[6000];
    memset(text, 'y', sizeof(text) - 1);
    record_begin_in(&r, "k", large, sizeof(large));
    record_text(&r, "t", text);
    size_t nbytes;
    const char *line = record_finish(&r, &nbytes);
    assert_ptr_equal(line, large);
    check_line(line, nbytes);
    assert_null(strstr(line, "truncated"));
}

static void random_bytes(char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        uint64_t kind = test_random_below(4);
        text[i] = (char)(kind == 0 ? test_random() : kind == 1 ? '"' : ' ' + test_random_below(95));
    }
}

static void random_member(struct record *r)
{
    char key[24];
    char value[300];
    uint64_t numbers[12];
    random_bytes(key, sizeof(key) - 1);
    key[test_random_below(sizeof(key))] = '\0';
    random_bytes(value, sizeof(value) - 1);
    value[test_random_below(sizeof(value))] = '\0';
    for (size_t i = 0; i < 12; i++) {
        numbers[i] = test_random() >> test_random_below(64);
    }
    key[sizeof(key) - 1] = '\0';
    value[sizeof(value) - 1] = '\0';
    switch (test_random_below(8)) {
    case 0:
        record_text(r, key, value);
        break;
    case 1:
        record_hex(r, key, numbers[0]);
        break;
    case 2:
        record_number(r, key, numbers[0]);
        break;
    case 3:
        record_signed(r, key, (int64_t)numbers[0]);
        break;
    case 4:
        record_bool(r, key, (numbers[0] & 1) != 0);
        break;
    case 5:
        record_null(r, key);
        break;
    case 6:
        record_textf(r, key, "%s-%s", value, value);
        break;
    default:
        record_hex_array(r, key, numbers, test_random_below(12));
        break;
    }
}

static void test_random_records(void **state)
{
    (void)state;
    unsigned truncated = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t capacity = RECORD_BYTES_MIN + test_random_below(1200);
        char *buffer = malloc(capacity);
        struct record r;
        record_begin_in(&r, "random", buffer, capacity);
        for (uint64_t i = test_random_below(12); i > 0; i--) {
            random_member(&r);
        }
        size_t nbytes;
        const char *line = record_finish(&r, &nbytes);
        check_line(line, nbytes);
        truncated += strstr(line, ",\"truncated\":true}") != NULL;
        free(buffer);
    }
    assert_true(truncated > 1000 && truncated < 19000);
}

/* What goes in comes out: valid UTF-8 survives escaping and a reader's unescaping. */
static void test_text_round_trip(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\"", "\\", "\n", "\t", "\x01", "\x7f", "a", "\xc3\xa4", "\xe2\x80\xa8", "/"};
    for (unsigned round = 0; round < 5000; round++) {
        char text[128] = "";
        for (unsigned i = 0; i < 20; i++) {
            strcat(text, pieces[test_random_below(10)]);
        }
        struct record r;
        record_begin(&r, "k");
        record_text(&r, "t", text);
        size_t nbytes;
        const char *line = record_finish(&r, &nbytes);
        char raw[1024];
        char back[256];
        assert_true(json_member(line, nbytes, "t", raw, sizeof(raw)));
        size_t length = json_unescape(raw, back, sizeof(back));
        assert_int_equal(length, strlen(text));
        assert_memory_equal(back, text, length);
    }
}

static void test_warning(void **state)
{
    (void)state;
    warning("{%s %d", "oops", 5);
    assert_string_equal(serial.bytes, "warning: {oops 5\n{\"neomem\":\"warning\",\"text\":\"{oops 5\"}\n");
}

/* The reader itself must be able to say no. */
static void test_the_reader_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\":01}",
                                      "{\"a\":+1}",
                                      "{\"a\":1}}",
                                      "{\"a\":\"}",
                                      "{\"a\":\"\n\"}",
                                      "[1]",
                                      "{\"a\":[1}",
                                      "{\"a\":tru}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":\"\\u12g4\"}",
                                      "{\"a\":\"\xff\"}",
                                      "{\"a\":\"\xc0\xaf\"}",
                                      "{\"a\":\"\xed\xa0\x80\"}",
                                      "{,}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1.}",
                                      "{\"a\":-}",
                                      "{\"a\":\"\xe2\x82\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (json_is_object(bad[i], strlen(bad[i]))) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    static const char good[] = "{ \"a\" : [ 1 , -0.5e+3 , {} , [] , null ], \"b\":\"\\u00e4\xc3\xa4\" }";
    assert_true(json_is_object(good, strlen(good)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_every_kind_of_member, reset),
        cmocka_unit_test_setup(test_escapes, reset),
        cmocka_unit_test_setup(test_odd_calls, reset),
        cmocka_unit_test_setup(test_records_off, reset),
        cmocka_unit_test_setup(test_kind_always_fits, reset),
        cmocka_unit_test_setup(test_what_does_not_fit_is_left_out_whole, reset),
        cmocka_unit_test_setup(test_exact_limit, reset),
        cmocka_unit_test_setup(test_small_buffers_fall_back, reset),
        cmocka_unit_test_setup(test_random_records, reset),
        cmocka_unit_test_setup(test_text_round_trip, reset),
        cmocka_unit_test_setup(test_warning, reset),
        cmocka_unit_test(test_the_reader_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
