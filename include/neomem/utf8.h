/* utf8.h — UTF-8 in and out (RFC 3629; ill-formed input as Unicode 15, section 3.9, table 3-7).
 *
 * Each maximal ill-formed piece becomes one U+FFFD: overlong forms, surrogates, above U+10FFFF, cut-off sequences and
 * stray continuation bytes never pass as characters.
 *
 * Context: any; no state but the caller's. Depends on: types.h. Used by: record, screen text, shell. */
#ifndef NEOMEM_UTF8_H
#define NEOMEM_UTF8_H

#include <neomem/types.h>

#define UTF8_REPLACEMENT 0xFFFDu
#define UTF8_BYTES_MAX 4u

/* First character of text[0 … nbytes). Return: bytes it takes (1 to 4), 0 only when nbytes is 0.
 * *code_point: the character, or UTF8_REPLACEMENT; *valid (may be NULL) tells an ill-formed piece from a real U+FFFD. */
size_t utf8_decode(const char *text, size_t nbytes, uint32_t *code_point, bool *valid);

/* Write code_point to bytes, not terminated. Return: 1 to 4; what is no Unicode scalar value is written as U+FFFD. */
size_t utf8_encode(uint32_t code_point, char bytes[UTF8_BYTES_MAX]);

/* Decoder for text that arrives in arbitrary pieces. Zeroed: ready for a first byte. */
struct utf8_decoder {
    uint32_t value;
    uint8_t missing;   /* continuation bytes still to come */
    uint8_t low, high; /* legal range of the next one */
};

/* Take one byte. Return: how many characters that completed (0, 1 or 2), in code_points; 2 when the byte ends an
 * ill-formed piece (U+FFFD) and is a character, or another such piece, itself. */
size_t utf8_decoder_feed(struct utf8_decoder *decoder, uint8_t byte, uint32_t code_points[2]);

#endif
