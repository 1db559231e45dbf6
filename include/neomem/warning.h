/* warning.h — the world's faults that neomem goes on after: one line of text and one `warning` record each.
 * Context: any; never allocates. Depends on: console.h, record.h. Used by: kernel/drivers, kernel/main.c, kernel/shell. */
#ifndef NEOMEM_WARNING_H
#define NEOMEM_WARNING_H

#include <neomem/compiler.h>

/* At most 255 bytes of text; the conversions of printf.h. */
void warning(const char *format, ...) NEO_PRINTF(1, 2);

#endif
