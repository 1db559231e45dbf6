/* test_parse.c — numbers at and beyond every limit; names of the result codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/parse.h>
#include <neomem/status.h>

#include "test_random_source.h"

typedef bool (*parse_fn)(const char *text, uint64_t *value);

static void accepts(parse_fn parse, const char *text, uint64_t expected)
{
    uint64_t value = ~expected;
    if (!parse(text, &value) || value != expected) {
        fail_msg("\"%s\" gave %llx", text, (unsigned long long)value);
    }
}

static void refuses(parse_fn parse, const char *text)
{
    uint64_t value = 0x5555;
    if (parse(text, &value) || value != 0x5555) {
        fail_msg("\"%s\" gave %llx", text, (unsigned long long)value);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    accepts(parse_u64, "0", 0);
    accepts(parse_u64, "007", 7);
    accepts(parse_u64, "18446744073709551615", UINT64_MAX);
    accepts(parse_u64, "0x0", 0);
    accepts(parse_u64, "0xffffffffffffffff", UINT64_MAX);
    accepts(parse_u64, "0XaBcDeF", 0xabcdef);
    accepts(parse_u64, "0x00000000000000000000001", 1);
    refuses(parse_u64, "18446744073709551616");
    refuses(parse_u64, "18446744073709551620"); /* the multiplication overflows */
    refuses(parse_u64, "99999999999999999999999999");
    refuses(parse_u64, "0x10000000000000000");
    static const char *const malformed[] = {"",     " 1", "1 ", "-1",  "+1",  "1.0", "0x",  "x1", "1x", "a",
                                            "0x-1", "/",  ":",  "0xg", "0x@", "0x`", "0xG", "1K", "1\t"};
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        refuses(parse_u64, malformed[i]);
    }
    refuses(parse_u64, NULL);
}

static void test_sizes(void **state)
{
    (void)state;
    accepts(parse_size, "5", 5);
    accepts(parse_size, "4k", 4096);
    accepts(parse_size, "4K", 4096);
    accepts(parse_size, "3m", 3ull << 20);
    accepts(parse_size, "3M", 3ull << 20);
    accepts(parse_size, "7g", 7ull << 30);
    accepts(parse_size, "7G", 7ull << 30);
    accepts(parse_size, "9t", 9ull << 40);
    accepts(parse_size, "9T", 9ull << 40);
    accepts(parse_size, "0x10K", 16384);
    accepts(parse_size, "16777215T", 16777215ull << 40);
    accepts(parse_size, "0G", 0);
    refuses(parse_size, "16777216T");
    refuses(parse_size, "18014398509481984K");
    refuses(parse_size, "K");
    refuses(parse_size, "1KK");
    refuses(parse_size, "1KB");
    refuses(parse_size, "1P");
    refuses(parse_size, "");
    refuses(parse_size, "0x");
    refuses(parse_size, NULL);
}

static void test_hex(void **state)
{
    (void)state;
    accepts(parse_hex, "ff", 255);
    accepts(parse_hex, "0xff", 255);
    accepts(parse_hex, "10", 16);
    accepts(parse_hex, "ffffffffffffffff", UINT64_MAX);
    refuses(parse_hex, "1ffffffffffffffff");
    refuses(parse_hex, "fg");
    refuses(parse_hex, "");
    refuses(parse_hex, "0x");
    refuses(parse_hex, NULL);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char text[32];
        uint64_t value = test_random() >> test_random_below(64);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        accepts(parse_u64, text, value);
        accepts(parse_size, text, value);
        snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
        accepts(parse_u64, text, value);
        accepts(parse_hex, text, value);
        accepts(parse_hex, text + 2, value);
    }
}

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(neo_status_name(NEO_OK), "ok");
    assert_string_equal(neo_status_name(NEO_ERR_NO_MEMORY), "no memory");
    assert_string_equal(neo_status_name((enum neo_status)1), "unknown status");
    assert_string_equal(neo_status_name((enum neo_status) - 10), "unknown status");
    for (int a = 0; a >= -9; a--) {
        const char *name = neo_status_name((enum neo_status)a);
        assert_true(strlen(name) > 1 && strcmp(name, "unknown status") != 0);
        for (int b = a - 1; b >= -9; b--) {
            assert_string_not_equal(name, neo_status_name((enum neo_status)b));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_sizes),        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_status_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
