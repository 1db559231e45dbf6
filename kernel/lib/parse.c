/* parse.c — numbers from text, with every overflow caught. */
#include <neomem/parse.h>

/* 0 to 15; 16 for what is no hexadecimal digit. */
static unsigned digit_value(char character)
{
    if (character >= '0' && character <= '9') {
        return (unsigned)(character - '0');
    }
    if (character >= 'a' && character <= 'f') {
        return (unsigned)(character - 'a') + 10;
    }
    if (character >= 'A' && character <= 'F') {
        return (unsigned)(character - 'A') + 10;
    }
    return 16;
}

static bool has_hex_prefix(const char *text)
{
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

/* One or more digits. Return: behind the last one; NULL when there is none or the number needs more than 64 bits. */
static const char *parse_digits(const char *text, unsigned base, uint64_t *value)
{
    uint64_t sum = 0;
    const char *at = text;
    for (; digit_value(*at) < base; at++) {
        if (__builtin_mul_overflow(sum, (uint64_t)base, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)digit_value(*at), &sum)) {
            return NULL;
        }
    }
    *value = sum;
    return at == text ? NULL : at;
}

static const char *parse_number(const char *text, uint64_t *value)
{
    return has_hex_prefix(text) ? parse_digits(text + 2, 16, value) : parse_digits(text, 10, value);
}

bool parse_u64(const char *text, uint64_t *value)
{
    uint64_t number = 0;
    const char *end = text != NULL ? parse_number(text, &number) : NULL;
    if (end == NULL || *end != '\0') {
        return false;
    }
    *value = number;
    return true;
}

bool parse_hex(const char *text, uint64_t *value)
{
    uint64_t number = 0;
    const char *end = NULL;
    if (text != NULL) {
        end = parse_digits(has_hex_prefix(text) ? text + 2 : text, 16, &number);
    }
    if (end == NULL || *end != '\0') {
        return false;
    }
    *value = number;
    return true;
}

/* Return: log2 of what the suffix stands for; 0 when it is none. */
static unsigned suffix_shift(char suffix)
{
    switch (suffix) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    case 't':
    case 'T':
        return 40;
    default:
        return 0;
    }
}

bool parse_size(const char *text, uint64_t *value)
{
    uint64_t number = 0;
    const char *end = text != NULL ? parse_number(text, &number) : NULL;
    if (end == NULL) {
        return false;
    }
    unsigned shift = suffix_shift(*end);
    if (shift > 0) {
        end++;
    }
    if (*end != '\0' || (number << shift) >> shift != number) {
        return false;
    }
    *value = number << shift;
    return true;
}
