/* printf.h — formatted text without libc.
 *
 * Conversions: %d %i %u %x %X %o %c %s %p %%; length hh h l ll z j t; flags - 0 + space #; width and
 * precision as numbers or '*' (negative: as C says). %s of NULL is "(null)", %p is 0x and lower-case digits,
 * also for NULL. Widths, and precisions of numbers, above FORMAT_FIELD_MAX count as FORMAT_FIELD_MAX.
 * %n, floating point, wide characters and anything unknown: that conversion and the rest of the format come out as
 * they stand, because the arguments behind it can no longer be found.
 *
 * Context: any; no state, no locks, no allocation; below 400 bytes of stack.
 * Depends on: compiler.h, types.h. Used by: console, record, panic, options, shell. */
#ifndef NEOMEM_PRINTF_H
#define NEOMEM_PRINTF_H

#include <neomem/compiler.h>
#include <neomem/types.h>
#include <stdarg.h>

/* C17 7.21.6.1 asks for at least this many characters from one conversion. */
#define FORMAT_FIELD_MAX 4095

/* Write at most capacity - 1 characters and a NUL (capacity 0: nothing is written, buffer may be NULL).
 * Return: the length that the whole text has, without its NUL; INT_MAX when it is longer than that. */
int neo_snprintf(char *buffer, size_t capacity, const char *format, ...) NEO_PRINTF(3, 4);
int neo_vsnprintf(char *buffer, size_t capacity, const char *format, va_list arguments) NEO_PRINTF(3, 0);

/* Receives the text piece by piece; nbytes >= 1, not NUL-terminated. */
typedef void (*neo_format_write_fn)(void *context, const char *text, size_t nbytes);

/* As neo_vsnprintf, into a function instead of a buffer. */
int neo_vformat(neo_format_write_fn write, void *context, const char *format, va_list arguments) NEO_PRINTF(3, 0);

#endif
