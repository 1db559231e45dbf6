/* options.h — from the two raw sources of run-time options to words `name=value`.
 *
 * Grammar (docs/interfaces.md): words are separated by white space; double quotes take white space into a word and
 * are removed; in the file, an unquoted '#' starts a comment that ends with the line. There is no escape character.
 * A quote must be closed on its line. What is not a word of printable ASCII is left out with a note: options are never
 * a reason not to boot. The meaning of words is the kernel's business; efi/ itself looks up only the few it needs.
 *
 * Pure: no firmware, no allocation. Cost: O(bytes).
 * Depends on: types.h, text.h. Used by: config_file.c, entry.c, host tests and the fuzz target. */
#ifndef EFI_OPTIONS_H
#define EFI_OPTIONS_H

#include "text.h"
#include <neomem/types.h>

#define OPTIONS_FILE_BYTES_MAX 65536u /* what is read of neomem.cfg */
#define OPTIONS_UNITS_MAX 8192u       /* what is read of LoadOptions, in 16-bit units */
/* Words need one byte a character and one NUL each, and each is followed by a separator or by the end. */
#define OPTIONS_WORDS_BYTES(characters) ((size_t)(characters) + 1)

struct option_words {
    char *bytes; /* NUL-terminated words, one after the other */
    size_t capacity;
    size_t used;
};

/* The buffer stays the caller's; OPTIONS_WORDS_BYTES(characters of the source) always suffice. */
void options_init(struct option_words *words, char *buffer, size_t capacity);

/* Add the words of a configuration file: ASCII, with or without a UTF-8 mark, or UTF-16 with a mark (what Windows
 * tools write). Only the first OPTIONS_FILE_BYTES_MAX bytes count; nbytes above that, or is_cut, says that the file
 * is longer than what is here: then the last, possibly incomplete line is left out. */
void options_from_file(struct option_words *words, const uint8_t *file, size_t nbytes, bool is_cut,
                       struct notes *notes);

/* Add the words of UEFI's LoadOptions: nbytes bytes of UCS-2, possibly with a byte order mark, possibly without a NUL,
 * possibly not text at all (firmware's own boot entries carry binary data there). The name of the program, which the
 * UEFI shell puts first, is left out. */
void options_from_load_options(struct option_words *words, const void *options, size_t nbytes, struct notes *notes);

/* The last word `name=value` whose value is one of `choices` (words separated by one space), looking in `command`
 * before `file`. Return: its index, or -1 when there is none: unusable values are passed over, as the kernel does. */
int options_choice(const struct option_words *file, const struct option_words *command, const char *name,
                   const char *choices);

/* The last word `name=number` (decimal, or hexadecimal after 0x). Return: false when there is none. */
bool options_number(const struct option_words *file, const struct option_words *command, const char *name,
                    uint64_t *value);

#endif
