/* text.c — bounded text building; see text.h. */
#include "text.h"

#include "bytes.h"

void text_init(struct text *text, char *buffer, size_t capacity)
{
    text->bytes = buffer;
    text->capacity = capacity;
    text->used = 0;
    buffer[0] = '\0';
}

static void add_char(struct text *text, char c)
{
    if (text->used + 1 < text->capacity) {
        text->bytes[text->used++] = c;
        text->bytes[text->used] = '\0';
    }
}

void text_add(struct text *text, const char *addition)
{
    while (*addition != '\0') {
        add_char(text, *addition++);
    }
}

static void add_number(struct text *text, uint64_t value, unsigned base)
{
    char digits[20]; /* 2^64 - 1 has 20 decimal digits */
    size_t count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0) {
        add_char(text, digits[--count]);
    }
}

void text_add_decimal(struct text *text, uint64_t value)
{
    add_number(text, value, 10);
}

void text_add_hex(struct text *text, uint64_t value)
{
    text_add(text, "0x");
    add_number(text, value, 16);
}

void text_add_printable(struct text *text, const char *bytes, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        add_char(text, bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?');
    }
}

size_t text_length(const char *string)
{
    size_t length = 0;
    while (string[length] != '\0') {
        length++;
    }
    return length;
}

bool text_equal(const char *left, const char *right)
{
    size_t length = text_length(left);
    return length == text_length(right) && memcmp(left, right, length) == 0;
}

void notes_init(struct notes *notes, char *buffer, size_t capacity)
{
    notes->bytes = buffer;
    notes->capacity = capacity;
    notes->used = 0;
    notes->full = false;
}

void notes_add(struct notes *notes, const char *line)
{
    static const char overflow[] = "more notes did not fit";
    size_t length = text_length(line);

    if (length > NOTE_BYTES - 1) {
        length = NOTE_BYTES - 1;
    }
    if (notes->full) {
        return;
    }
    /* Room for the overflow line is kept back, so that it always fits. */
    if (notes->capacity - notes->used < length + 1 + sizeof overflow) {
        notes->full = true;
        line = overflow;
        length = sizeof overflow - 1;
    }
    memcpy(notes->bytes + notes->used, line, length);
    notes->bytes[notes->used + length] = '\0';
    notes->used += length + 1;
}

void notes_add_decimal(struct notes *notes, const char *before, uint64_t value, const char *after)
{
    char line[NOTE_BYTES];
    struct text text;

    text_init(&text, line, sizeof line);
    text_add(&text, before);
    text_add_decimal(&text, value);
    text_add(&text, after);
    notes_add(notes, line);
}

void notes_add_hex(struct notes *notes, const char *before, uint64_t value, const char *after)
{
    char line[NOTE_BYTES];
    struct text text;

    text_init(&text, line, sizeof line);
    text_add(&text, before);
    text_add_hex(&text, value);
    text_add(&text, after);
    notes_add(notes, line);
}
