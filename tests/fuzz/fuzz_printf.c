/* fuzz_printf.c — two uses of the same bytes: as a format of our own making, compared with libc, and raw, as whatever
 * format they happen to be, with arguments that are safe for every conversion. */
#include <neomem/printf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

#define TEXT_BYTES 2048

/* Percent signs and stars: an upper bound of the arguments that a format takes. */
static size_t arguments_of(const char *format)
{
    size_t count = 0;
    for (; *format != '\0'; format++) {
        count += *format == '%' || *format == '*';
    }
    return count;
}

static void raw_format(const uint8_t *data, size_t nbytes)
{
    char *format = malloc(nbytes + 1);
    memcpy(format, data, nbytes);
    format[nbytes] = '\0';
    if (arguments_of(format) <= 8) {
        /* a valid string is also good as a number, a width (clamped) and a pointer */
        const char *a = "argument";
        size_t capacity = nbytes % 97;
        char *buffer = malloc(capacity + (capacity == 0));
        char *whole = malloc(TEXT_BYTES);
        int length = neo_snprintf(buffer, capacity, format, a, a, a, a, a, a, a, a);
        int again = neo_snprintf(whole, TEXT_BYTES, format, a, a, a, a, a, a, a, a);
        if (length < 0 || length != again) {
            abort();
        }
        if (capacity > 0 && capacity <= TEXT_BYTES) {
            size_t kept = (size_t)length < capacity ? (size_t)length : capacity - 1;
            if (buffer[kept] != '\0' || memcmp(buffer, whole, kept) != 0) {
                abort();
            }
        }
        free(buffer);
        free(whole);
    }
    free(format);
}

/* Build one conversion that C defines. Return: its conversion character. */
static char build_conversion(const uint8_t *d, char *format, bool *is_long)
{
    static const char *const sizes[] = {"", "hh", "h", "l", "ll", "z", "j", "t"};
    static const char conversions[] = "diuxXocs";
    char conversion = conversions[d[0] % 8];
    bool is_signed = conversion == 'd' || conversion == 'i';
    bool is_number = conversion != 'c' && conversion != 's';
    size_t used = 0;
    format[used++] = '%';
    for (unsigned flag = 0; flag < 5; flag++) {
        bool legal = flag == 0 || (flag == 1 && is_number) || (flag == 2 && strchr("xXo", conversion) != NULL) ||
                     (flag > 2 && is_signed);
        if (((d[1] >> flag) & 1) != 0 && legal) {
            format[used++] = "-0#+ "[flag];
        }
    }
    if ((d[1] & 0x20) != 0) {
        used += (size_t)sprintf(format + used, "%u", 1u + d[2]);
    }
    if ((d[1] & 0x40) != 0 && conversion != 'c') {
        used += (size_t)sprintf(format + used, ".%u", (unsigned)d[3]);
    }
    unsigned size = is_number ? d[0] / 8 % 8 : 0;
    *is_long = size >= 3;
    sprintf(format + used, "%s%c", sizes[size], conversion);
    return conversion;
}

static void compare_with_libc(const uint8_t *data, size_t nbytes)
{
    char format[64];
    char expected[TEXT_BYTES];
    char actual[TEXT_BYTES];
    if (nbytes < 12) {
        return;
    }
    bool is_long = false;
    char conversion = build_conversion(data, format, &is_long);
    long value;
    memcpy(&value, data + 4, sizeof(value));
    int expected_length;
    int actual_length;
    if (conversion == 's') {
        char *text = malloc(nbytes - 12 + 1);
        memcpy(text, data + 12, nbytes - 12);
        text[nbytes - 12] = '\0';
        expected_length = snprintf(expected, sizeof(expected), format, text);
        actual_length = neo_snprintf(actual, sizeof(actual), format, text);
        free(text);
    } else if (is_long) {
        expected_length = snprintf(expected, sizeof(expected), format, value);
        actual_length = neo_snprintf(actual, sizeof(actual), format, value);
    } else {
        expected_length = snprintf(expected, sizeof(expected), format, (int)value);
        actual_length = neo_snprintf(actual, sizeof(actual), format, (int)value);
    }
    if (expected_length != actual_length || strcmp(expected, actual) != 0) {
        fprintf(stderr, "%s: libc \"%s\" (%d), neomem \"%s\" (%d)\n", format, expected, expected_length, actual,
                actual_length);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
    raw_format(data, nbytes);
    compare_with_libc(data, nbytes);
    return 0;
}
