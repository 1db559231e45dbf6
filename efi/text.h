/* text.h — building short texts in fixed buffers, and the list of notes that the kernel prints later.
 *
 * A text is always NUL-terminated; what does not fit is left out, never written. Pure: no firmware, no allocation.
 * Depends on: types.h. Used by: all of efi/. */
#ifndef EFI_TEXT_H
#define EFI_TEXT_H

#include <neomem/types.h>

struct text {
    char *bytes;
    size_t capacity; /* including the final NUL; at least 1 */
    size_t used;     /* excluding the final NUL */
};

/* The buffer stays the caller's. capacity >= 1. */
void text_init(struct text *text, char *buffer, size_t capacity);
void text_add(struct text *text, const char *addition);
void text_add_decimal(struct text *text, uint64_t value);
/* "0x" and lower-case digits without leading zeros. */
void text_add_hex(struct text *text, uint64_t value);
/* Bytes that are not printable ASCII become '?'. */
void text_add_printable(struct text *text, const char *bytes, size_t nbytes);

size_t text_length(const char *string);
bool text_equal(const char *left, const char *right);

/* NUL-terminated lines, one after the other (boot_info.notes). */
#define NOTE_BYTES 160u /* longest line, with its NUL */
struct notes {
    char *bytes;
    size_t capacity;
    size_t used;
    bool full; /* at least one line was left out; the last line says so */
};

/* capacity >= NOTE_BYTES. */
void notes_init(struct notes *notes, char *buffer, size_t capacity);
void notes_add(struct notes *notes, const char *line);
/* before, value, after as one line. */
void notes_add_decimal(struct notes *notes, const char *before, uint64_t value, const char *after);
void notes_add_hex(struct notes *notes, const char *before, uint64_t value, const char *after);

#endif
