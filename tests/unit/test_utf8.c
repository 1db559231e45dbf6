/* test_utf8.c — the decoder against the set of all prefixes of all well-formed sequences, which the test makes from the
 * 1,112,064 scalar values with an encoder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/utf8.h>

#include "test_random_source.h"

/* is_prefix[n - 1][bytes, big-endian]: these n bytes begin a well-formed sequence; the values are bits:
 * 1 they are the start of a longer one, 2 they are one. Four bytes are never a start, so three levels are enough. */
static uint8_t *prefixes[3];

static bool is_scalar(uint32_t code)
{
    return code < 0xD800 || (code >= 0xE000 && code <= 0x10FFFF);
}

static size_t reference_encode(uint32_t code, uint8_t bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        bytes[0] = (uint8_t)(0xC0 + code / 64);
        bytes[1] = (uint8_t)(0x80 + code % 64);
        return 2;
    }
    if (code < 0x10000) {
        bytes[0] = (uint8_t)(0xE0 + code / 4096);
        bytes[1] = (uint8_t)(0x80 + code / 64 % 64);
        bytes[2] = (uint8_t)(0x80 + code % 64);
        return 3;
    }
    bytes[0] = (uint8_t)(0xF0 + code / 262144);
    bytes[1] = (uint8_t)(0x80 + code / 4096 % 64);
    bytes[2] = (uint8_t)(0x80 + code / 64 % 64);
    bytes[3] = (uint8_t)(0x80 + code % 64);
    return 4;
}

static size_t key_of(const uint8_t *bytes, size_t count)
{
    size_t key = 0;
    for (size_t i = 0; i < count; i++) {
        key = key << 8 | bytes[i];
    }
    return key;
}

static int make_prefixes(void **state)
{
    (void)state;
    for (size_t n = 0; n < 3; n++) {
        prefixes[n] = calloc(1u << (8 * (n + 1)), 1);
    }
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        uint8_t bytes[4];
        if (is_scalar(code)) {
            size_t count = reference_encode(code, bytes);
            for (size_t n = 1; n <= count && n <= 3; n++) {
                prefixes[n - 1][key_of(bytes, n)] |= n == count ? 2 : 1;
            }
        }
    }
    return 0;
}

static int free_prefixes(void **state)
{
    (void)state;
    for (size_t n = 0; n < 3; n++) {
        free(prefixes[n]);
    }
    return 0;
}

/* What Unicode says: a well-formed sequence, or else the longest start of one, or else one byte. */
static size_t reference_decode(const uint8_t *bytes, size_t nbytes, bool *valid)
{
    *valid = false;
    size_t taken = 0;
    while (taken < nbytes && taken < 3) {
        uint8_t kind = prefixes[taken][key_of(bytes, taken + 1)];
        if ((kind & 2) != 0) {
            *valid = true;
            return taken + 1;
        }
        if (kind == 0) {
            return taken > 0 ? taken : 1;
        }
        taken++;
    }
    /* three bytes of a four-byte sequence are fine: any continuation byte completes it */
    if (taken == 3 && nbytes > 3 && (bytes[3] & 0xC0) == 0x80) {
        *valid = true;
        return 4;
    }
    return taken;
}

static void check(const uint8_t *bytes, size_t nbytes)
{
    bool expected_valid;
    bool valid = false;
    uint32_t code = 0;
    size_t expected = reference_decode(bytes, nbytes, &expected_valid);
    size_t taken = utf8_decode((const char *)bytes, nbytes, &code, &valid);
    assert_true(taken == expected);
    assert_true(valid == expected_valid);
    uint8_t again[4];
    if (valid) {
        assert_true(is_scalar(code));
        assert_true(reference_encode(code, again) == taken && memcmp(again, bytes, taken) == 0);
    } else {
        assert_true(code == UTF8_REPLACEMENT);
    }
}

static void test_all_short_inputs(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 1u << 24; value++) {
        /* all pairs; all triples that begin with a byte of which something can come */
        const uint8_t bytes[3] = {(uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
        if (bytes[2] == 0) {
            check(bytes, 2);
            check(bytes, bytes[1] == 0 ? 1 : 2);
        }
        if (bytes[0] >= 0xC0 && (bytes[2] < 4 || (bytes[2] >= 0x7E && bytes[2] <= 0xC4))) {
            check(bytes, 3);
        }
    }
}

static void test_four_bytes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000000; i++) {
        uint8_t bytes[5];
        for (size_t n = 0; n < sizeof(bytes); n++) {
            uint64_t kind = test_random_below(4);
            bytes[n] = (uint8_t)(kind == 0 ? test_random() : 0x80 | (test_random() & 0x3F));
        }
        if (i % 2 == 0) {
            bytes[0] = (uint8_t)(0xEE + test_random_below(9));
        }
        check(bytes, 1 + test_random_below(5));
    }
}

static void test_encode_is_exact(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110010; code++) {
        char bytes[UTF8_BYTES_MAX];
        uint8_t expected[4];
        size_t count = utf8_encode(code, bytes);
        size_t expected_count = reference_encode(is_scalar(code) ? code : UTF8_REPLACEMENT, expected);
        assert_true(count == expected_count && memcmp(bytes, expected, count) == 0);
    }
    char bytes[UTF8_BYTES_MAX];
    assert_int_equal(utf8_encode(UINT32_MAX, bytes), 3);
}

static void test_nothing(void **state)
{
    (void)state;
    uint32_t code = 0;
    bool valid = true;
    assert_int_equal(utf8_decode(NULL, 0, &code, &valid), 0);
    assert_false(valid);
    assert_int_equal(utf8_decode("a", 1, &code, NULL), 1);
    assert_int_equal(code, 'a');
}

/* The streaming decoder finds the same characters as utf8_decode on the whole; a cut-off end stays pending. */
static void test_stream_equals_whole(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a",    "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xc3",     "\xe2\x82", "\xf0\x9f\x98",
        "\x80", "\xff",     "\xc0\xaf",     "\xed\xa0\x80",     "\xe0\x80", "\xf4\x90"};
    for (unsigned round = 0; round < 50000; round++) {
        char text[64];
        size_t nbytes = 0;
        for (unsigned i = 0; i < 8; i++) {
            const char *piece = pieces[test_random_below(sizeof(pieces) / sizeof(pieces[0]))];
            memcpy(text + nbytes, piece, strlen(piece));
            nbytes += strlen(piece);
        }
        text[nbytes++] = '.'; /* ends whatever is pending */
        uint32_t streamed[128];
        size_t streamed_count = 0;
        struct utf8_decoder decoder = {0};
        for (size_t i = 0; i < nbytes; i++) {
            streamed_count += utf8_decoder_feed(&decoder, (uint8_t)text[i], &streamed[streamed_count]);
        }
        size_t count = 0;
        for (size_t at = 0; at < nbytes; count++) {
            uint32_t code;
            at += utf8_decode(text + at, nbytes - at, &code, NULL);
            assert_true(count < streamed_count && streamed[count] == code);
        }
        assert_int_equal(count, streamed_count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_short_inputs),    cmocka_unit_test(test_four_bytes),
        cmocka_unit_test(test_encode_is_exact),     cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_stream_equals_whole),
    };
    return cmocka_run_group_tests(tests, make_prefixes, free_prefixes);
}
