/* fuzz_record.c — a program of record calls made of arbitrary bytes; what comes out must be one line of valid JSON. */
#include <neomem/record.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

struct input {
    const uint8_t *data;
    size_t nbytes;
};

static uint64_t take_number(struct input *input, size_t width)
{
    uint64_t value = 0;
    for (; width > 0 && input->nbytes > 0; width--) {
        value = value << 8 | *input->data++;
        input->nbytes--;
    }
    return value;
}

/* Up to 255 bytes of the input as a string in its own allocation. */
static char *take_text(struct input *input)
{
    size_t length = take_number(input, 1);
    length = length < input->nbytes ? length : input->nbytes;
    char *text = malloc(length + 1);
    memcpy(text, input->data, length);
    text[length] = '\0';
    input->data += length;
    input->nbytes -= length;
    return text;
}

static void one_call(struct record *r, struct input *input)
{
    uint64_t numbers[16];
    unsigned what = (unsigned)take_number(input, 1);
    char *key = take_text(input);
    switch (what % 9) {
    case 0: {
        char *value = take_text(input);
        record_text(r, key, value);
        free(value);
        break;
    }
    case 1:
        record_hex(r, key, take_number(input, 8));
        break;
    case 2:
        record_number(r, key, take_number(input, 8));
        break;
    case 3:
        record_signed(r, key, (int64_t)take_number(input, 8));
        break;
    case 4:
        record_bool(r, key, take_number(input, 1) != 0);
        break;
    case 5:
        record_null(r, key);
        break;
    case 6:
        record_textf(r, key, "%s|%llu", key, (unsigned long long)take_number(input, 8));
        break;
    case 7:
        for (size_t i = 0; i < 16; i++) {
            numbers[i] = take_number(input, 2) << (4 * i);
        }
        record_hex_array(r, key, numbers, what / 9 % 17);
        break;
    default:
        record_text_bytes(r, key, (const char *)input->data, input->nbytes < 40 ? input->nbytes : 40);
        break;
    }
    free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
    struct input input = {data, nbytes};
    size_t capacity = RECORD_BYTES_MIN + take_number(&input, 2) % 4096;
    char *buffer = malloc(capacity);
    char *kind = take_text(&input);
    struct record r;
    record_begin_in(&r, kind, buffer, capacity);
    while (input.nbytes > 0) {
        one_call(&r, &input);
    }
    size_t length;
    const char *line = record_finish(&r, &length);
    if (length >= capacity || strlen(line) != length || !json_is_object(line, length) || strchr(line, '\n') != NULL ||
        memcmp(line, "{\"neomem\":\"", 11) != 0) {
        abort();
    }
    free(kind);
    free(buffer);
    return 0;
}
