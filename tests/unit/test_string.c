/* test_string.c — every size, every alignment, every overlap of the memory functions against libc's; buffers end where
 * the allocation ends, so that AddressSanitizer sees a byte too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/string.h>

#include "test_random_source.h"

#define SIZE_MOST 210u
#define OFFSETS 9u

static void fill_random(unsigned char *bytes, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        bytes[i] = (unsigned char)test_random();
    }
}

/* Exactly the bytes of the range; a copy that reads or writes one more hits the allocation's red zone. */
static void test_memcpy_all_sizes_and_alignments(void **state)
{
    (void)state;
    for (size_t n = 0; n <= SIZE_MOST; n++) {
        for (size_t offsets = 0; offsets < OFFSETS * OFFSETS; offsets++) {
            size_t from = offsets / OFFSETS;
            size_t to = offsets % OFFSETS;
            unsigned char *source = malloc(from + n + (from + n == 0));
            unsigned char *destination = malloc(to + n + (to + n == 0));
            fill_random(source, from + n);
            memset(destination, 0xA5, to + n);
            assert_ptr_equal(neo_memcpy(destination + to, source + from, n), destination + to);
            assert_memory_equal(destination + to, source + from, n);
            for (size_t i = 0; i < to; i++) {
                assert_int_equal(destination[i], 0xA5);
            }
            free(source);
            free(destination);
        }
    }
}

static void test_memmove_all_overlaps(void **state)
{
    (void)state;
    unsigned char buffer[400];
    unsigned char expected[400];
    for (size_t n = 0; n <= SIZE_MOST; n += n > 80 ? 7 : 1) {
        for (size_t from = 0; from<160; from += from> 20 ? 8 : 1) {
            for (size_t to = 0; to<160; to += to> 20 ? 4 : 1) {
                fill_random(buffer, sizeof(buffer));
                memcpy(expected, buffer, sizeof(buffer));
                memmove(expected + to, expected + from, n);
                assert_ptr_equal(neo_memmove(buffer + to, buffer + from, n), buffer + to);
                assert_memory_equal(buffer, expected, sizeof(buffer));
            }
        }
    }
}

static void test_memset_writes_exactly_its_bytes(void **state)
{
    (void)state;
    unsigned char buffer[320];
    unsigned char expected[320];
    for (size_t n = 0; n <= SIZE_MOST; n++) {
        for (size_t offset = 0; offset < OFFSETS; offset++) {
            unsigned char value = (unsigned char)test_random();
            fill_random(buffer, sizeof(buffer));
            memcpy(expected, buffer, sizeof(buffer));
            memset(expected + 16 + offset, value, n);
            /* only the low byte of the int counts */
            assert_ptr_equal(neo_memset(buffer + 16 + offset, value | 0x5500, n), buffer + 16 + offset);
            assert_memory_equal(buffer, expected, sizeof(buffer));
            fill_random(buffer + 16 + offset, n);
            memset_8(buffer + 16 + offset, n, value);
            assert_memory_equal(buffer, expected, sizeof(buffer));
        }
    }
}

static void test_memset_64_counts_words(void **state)
{
    (void)state;
    uint64_t words[64];
    for (uint64_t n = 0; n <= 40; n++) {
        memset(words, 0x11, sizeof(words));
        memset_64(words + 3, n, 0x0123456789abcdefull);
        for (uint64_t i = 0; i < 64; i++) {
            bool inside = i >= 3 && i < 3 + n;
            assert_true(words[i] == (inside ? 0x0123456789abcdefull : 0x1111111111111111ull));
        }
    }
}

static void test_big_blocks(void **state)
{
    (void)state;
    size_t nbytes = (1u << 20) + 5;
    unsigned char *source = malloc(nbytes + 8);
    unsigned char *destination = malloc(nbytes);
    fill_random(source, nbytes + 8);
    neo_memcpy(destination, source + 3, nbytes);
    assert_memory_equal(destination, source + 3, nbytes);
    assert_int_equal(neo_memcmp(destination, source + 3, nbytes), 0);
    neo_memset(destination, 0x5A, nbytes);
    for (size_t i = 0; i < nbytes; i++) {
        assert_true(destination[i] == 0x5A);
    }
    free(source);
    free(destination);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void test_memcmp_sign(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 40; n++) {
        for (size_t at = 0; at <= n; at++) {
            unsigned char *left = malloc(n + 1);
            unsigned char *right = malloc(n + 1);
            fill_random(left, n + 1);
            memcpy(right, left, n + 1);
            if (at < n) {
                right[at] = (unsigned char)(left[at] + 1 + test_random_below(255));
            }
            unsigned char *exact_left = malloc(n + (n == 0));
            memcpy(exact_left, left, n);
            assert_int_equal(sign(neo_memcmp(exact_left, right, n)), sign(memcmp(left, right, n)));
            assert_int_equal(sign(neo_memcmp(right, exact_left, n)), sign(memcmp(right, left, n)));
            free(left);
            free(right);
            free(exact_left);
        }
    }
}

static void test_lengths(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 70; n++) {
        char *text = malloc(n + 1);
        memset(text, 'x', n);
        text[n] = '\0';
        assert_int_equal(neo_strlen(text), n);
        assert_int_equal(neo_strnlen(text, n + 100), n);
        free(text);
        char *open = malloc(n + (n == 0));
        memset(open, 'x', n);
        assert_int_equal(neo_strnlen(open, n), n);
        free(open);
    }
}

static void test_comparing_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "A", "ab", "abc", "abd", "\xff", "\x7f", "b", "abcdefghijkl"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            assert_int_equal(sign(neo_strcmp(texts[i], texts[j])), sign(strcmp(texts[i], texts[j])));
            for (size_t n = 0; n < 6; n++) {
                assert_int_equal(sign(neo_strncmp(texts[i], texts[j], n)), sign(strncmp(texts[i], texts[j], n)));
            }
            bool starts = strncmp(texts[i], texts[j], strlen(texts[j])) == 0;
            assert_int_equal(neo_starts_with(texts[i], texts[j]), starts);
        }
    }
    /* no NUL within the count: nothing behind it may be read */
    char *open = malloc(3);
    memcpy(open, "abc", 3);
    assert_int_equal(neo_strncmp(open, "abcd", 3), 0);
    free(open);
}

static void test_strchr(void **state)
{
    (void)state;
    static const char text[] = "find me\xff";
    assert_ptr_equal(neo_strchr(text, 'f'), text);
    assert_ptr_equal(neo_strchr(text, 'm'), text + 5);
    assert_ptr_equal(neo_strchr(text, 0xff), text + 7);
    assert_ptr_equal(neo_strchr(text, '\0'), text + 8);
    assert_null(neo_strchr(text, 'q'));
}

static void test_strlcpy(void **state)
{
    (void)state;
    char buffer[8];
    memset(buffer, 'z', sizeof(buffer));
    assert_int_equal(neo_strlcpy(buffer, "abc", 0), 3);
    assert_int_equal(buffer[0], 'z');
    assert_int_equal(neo_strlcpy(buffer, "abc", 1), 3);
    assert_string_equal(buffer, "");
    assert_int_equal(buffer[1], 'z');
    assert_int_equal(neo_strlcpy(buffer, "abc", 4), 3);
    assert_string_equal(buffer, "abc");
    assert_int_equal(buffer[4], 'z');
    assert_int_equal(neo_strlcpy(buffer, "abcdefghijk", sizeof(buffer)), 11);
    assert_string_equal(buffer, "abcdefg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memcpy_all_sizes_and_alignments),
        cmocka_unit_test(test_memmove_all_overlaps),
        cmocka_unit_test(test_memset_writes_exactly_its_bytes),
        cmocka_unit_test(test_memset_64_counts_words),
        cmocka_unit_test(test_big_blocks),
        cmocka_unit_test(test_memcmp_sign),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_comparing_text),
        cmocka_unit_test(test_strchr),
        cmocka_unit_test(test_strlcpy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
