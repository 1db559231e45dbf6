/* options_text.h — the seam between values and their presentation; private to kernel/lib.
 * Depends on: types.h. Used by: options.c, options_text.c. index is always below OPTION_COUNT. */
#ifndef NEOMEM_OPTIONS_TEXT_H
#define NEOMEM_OPTIONS_TEXT_H

#include <neomem/types.h>

/* What values an option takes, for people: "on, off", "number, 1 to 1024", … Return: as neo_snprintf. */
int options_text_values(size_t index, char *buffer, size_t capacity);

/* The value as it is kept. The text one only for options that are OPTION_TEXT. */
uint64_t options_raw_number(size_t index);
const char *options_raw_text(size_t index);

#endif
