/* utf8.c — UTF-8 in and out.
 *
 * The legal range of the second byte depends on the first; that alone rules out overlong forms, surrogates and what lies
 * above U+10FFFF (Unicode 15, table 3-7). An ill-formed piece ends before the first byte that cannot continue it. */
#include <neomem/utf8.h>

static void expect(struct utf8_decoder *decoder, uint32_t value, uint8_t missing, uint8_t low, uint8_t high)
{
    decoder->value = value;
    decoder->missing = missing;
    decoder->low = low;
    decoder->high = high;
}

/* A byte that does not continue anything. Return: 1 and the character, 0 when it starts a longer one. */
static size_t start(struct utf8_decoder *decoder, uint8_t byte, uint32_t *code_point)
{
    decoder->missing = 0;
    if (byte < 0x80) {
        *code_point = byte;
        return 1;
    }
    if (byte >= 0xC2 && byte <= 0xDF) {
        expect(decoder, byte & 0x1Fu, 1, 0x80, 0xBF);
    } else if (byte >= 0xE0 && byte <= 0xEF) {
        uint8_t low = byte == 0xE0 ? 0xA0 : 0x80;
        uint8_t high = byte == 0xED ? 0x9F : 0xBF;
        expect(decoder, byte & 0x0Fu, 2, low, high);
    } else if (byte >= 0xF0 && byte <= 0xF4) {
        uint8_t low = byte == 0xF0 ? 0x90 : 0x80;
        uint8_t high = byte == 0xF4 ? 0x8F : 0xBF;
        expect(decoder, byte & 0x07u, 3, low, high);
    } else {
        *code_point = UTF8_REPLACEMENT;
        return 1;
    }
    return 0;
}

size_t utf8_decoder_feed(struct utf8_decoder *decoder, uint8_t byte, uint32_t code_points[2])
{
    if (decoder->missing == 0) {
        return start(decoder, byte, &code_points[0]);
    }
    if (byte < decoder->low || byte > decoder->high) {
        code_points[0] = UTF8_REPLACEMENT;
        return 1 + start(decoder, byte, &code_points[1]);
    }
    expect(decoder, decoder->value << 6 | (byte & 0x3Fu), (uint8_t)(decoder->missing - 1), 0x80, 0xBF);
    if (decoder->missing > 0) {
        return 0;
    }
    code_points[0] = decoder->value;
    return 1;
}

size_t utf8_decode(const char *text, size_t nbytes, uint32_t *code_point, bool *valid)
{
    struct utf8_decoder decoder = {0};
    uint32_t completed[2] = {UTF8_REPLACEMENT, 0};
    size_t taken = 0;
    size_t count = 0;
    bool well_formed = false;
    while (taken < nbytes && count == 0) {
        uint8_t byte = (uint8_t)text[taken];
        bool continues = decoder.missing > 0 && byte >= decoder.low && byte <= decoder.high;
        if (taken > 0 && !continues) {
            break; /* cut off: this byte belongs to the next character */
        }
        count = utf8_decoder_feed(&decoder, byte, completed);
        taken++;
        well_formed = count == 1 && (taken > 1 || byte < 0x80);
    }
    *code_point = completed[0];
    if (valid != NULL) {
        *valid = well_formed;
    }
    return taken;
}

size_t utf8_encode(uint32_t code_point, char bytes[UTF8_BYTES_MAX])
{
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) {
        code_point = UTF8_REPLACEMENT;
    }
    if (code_point < 0x80) {
        bytes[0] = (char)code_point;
        return 1;
    }
    size_t count = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = count - 1; i > 0; i--) {
        bytes[i] = (char)(0x80u | (code_point & 0x3Fu));
        code_point >>= 6;
    }
    /* The first byte has as many leading ones as there are bytes. */
    bytes[0] = (char)((0xF00u >> count & 0xFFu) | code_point);
    return count;
}
