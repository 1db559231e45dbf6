/* json_check.c — recursive descent over RFC 8259; every function returns the place behind what it accepted, NULL when
 * it is malformed. */
#include "json_check.h"

#include <stdint.h>
#include <string.h>

#define DEPTH_MAX 16

static const char *value_at(const char *at, const char *end, int depth);

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* One character of UTF-8 above ASCII: decode by the bit pattern, then reject by value. */
static const char *multibyte_at(const char *at, const char *end)
{
    unsigned first = (unsigned char)*at;
    int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC0 || first > 0xF7 || end - at <= more) {
        return NULL;
    }
    uint32_t code = first & (0x3Fu >> more);
    for (int i = 1; i <= more; i++) {
        unsigned next = (unsigned char)at[i];
        if (next >> 6 != 2) {
            return NULL;
        }
        code = code << 6 | (next & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return NULL;
    }
    return at + more + 1;
}

static const char *string_at(const char *at, const char *end)
{
    if (at >= end || *at != '"') {
        return NULL;
    }
    at++;
    while (at != NULL && at < end && *at != '"') {
        if ((unsigned char)*at < 0x20) {
            return NULL;
        }
        if (*at == '\\') {
            if (end - at < 2) {
                return NULL;
            }
            if (at[1] == 'u') {
                if (end - at < 6 || !is_hex(at[2]) || !is_hex(at[3]) || !is_hex(at[4]) || !is_hex(at[5])) {
                    return NULL;
                }
                at += 6;
            } else if (at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL) {
                at += 2;
            } else {
                return NULL;
            }
        } else if ((unsigned char)*at >= 0x80) {
            at = multibyte_at(at, end);
        } else {
            at++;
        }
    }
    return at != NULL && at < end ? at + 1 : NULL;
}

static const char *digits_at(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at > start ? at : NULL;
}

static const char *number_at(const char *at, const char *end)
{
    if (at < end && *at == '-') {
        at++;
    }
    if (at < end && *at == '0') {
        at++;
    } else {
        at = digits_at(at, end);
    }
    if (at != NULL && at < end && *at == '.') {
        at = digits_at(at + 1, end);
    }
    if (at != NULL && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        at = digits_at(at, end);
    }
    return at;
}

static const char *word_at(const char *at, const char *end, const char *word)
{
    size_t length = strlen(word);
    return (size_t)(end - at) >= length && memcmp(at, word, length) == 0 ? at + length : NULL;
}

/* Elements of an array, or members of an object, behind the opening bracket. */
static const char *list_at(const char *at, const char *end, int depth, char close)
{
    at = skip_blanks(at, end);
    if (at < end && *at == close) {
        return at + 1;
    }
    for (;;) {
        at = skip_blanks(at, end);
        if (close == '}') {
            at = string_at(at, end);
            if (at == NULL) {
                return NULL;
            }
            at = skip_blanks(at, end);
            if (at >= end || *at != ':') {
                return NULL;
            }
            at++;
        }
        at = value_at(skip_blanks(at, end), end, depth + 1);
        if (at == NULL) {
            return NULL;
        }
        at = skip_blanks(at, end);
        if (at >= end || (*at != ',' && *at != close)) {
            return NULL;
        }
        if (*at++ == close) {
            return at;
        }
    }
}

static const char *value_at(const char *at, const char *end, int depth)
{
    if (at >= end || depth > DEPTH_MAX) {
        return NULL;
    }
    switch (*at) {
    case '{':
        return list_at(at + 1, end, depth, '}');
    case '[':
        return list_at(at + 1, end, depth, ']');
    case '"':
        return string_at(at, end);
    case 't':
        return word_at(at, end, "true");
    case 'f':
        return word_at(at, end, "false");
    case 'n':
        return word_at(at, end, "null");
    default:
        return number_at(at, end);
    }
}

bool json_is_object(const char *text, size_t nbytes)
{
    const char *end = text + nbytes;
    const char *at = value_at(text, end, 0);
    return at == end && nbytes > 0 && text[0] == '{';
}

bool json_member(const char *text, size_t nbytes, const char *key, char *value, size_t capacity)
{
    const char *end = text + nbytes;
    const char *at = skip_blanks(text + 1, end);
    while (at < end && *at == '"') {
        const char *key_end = string_at(at, end);
        bool hit = (size_t)(key_end - at) == strlen(key) + 2 && memcmp(at + 1, key, strlen(key)) == 0;
        at = skip_blanks(skip_blanks(key_end, end) + 1, end);
        const char *value_end = value_at(at, end, 1);
        size_t length = (size_t)(value_end - at);
        if (hit && length < capacity) {
            memcpy(value, at, length);
            value[length] = '\0';
            return true;
        }
        at = skip_blanks(skip_blanks(value_end, end) + 1, end);
    }
    return false;
}

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* A \u escape outside the surrogates as UTF-8. Return: how many bytes. */
static size_t put_utf8(unsigned code, char out[3])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

size_t json_unescape(const char *value, char *out, size_t capacity)
{
    static const char letters[] = "bfnrt\"\\/";
    static const char meanings[] = "\b\f\n\r\t\"\\/";
    size_t used = 0;
    if (*value++ != '"') {
        return (size_t)-1;
    }
    while (*value != '"') {
        char bytes[3] = {*value};
        size_t count = 1;
        if (*value == '\\' && value[1] == 'u') {
            unsigned code =
                hex_digit(value[2]) << 12 | hex_digit(value[3]) << 8 | hex_digit(value[4]) << 4 | hex_digit(value[5]);
            count = put_utf8(code, bytes);
            value += 6;
        } else if (*value == '\\') {
            bytes[0] = meanings[strchr(letters, value[1]) - letters];
            value += 2;
        } else {
            value++;
        }
        if (used + count > capacity) {
            return (size_t)-1;
        }
        memcpy(out + used, bytes, count);
        used += count;
    }
    return used;
}
