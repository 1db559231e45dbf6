/* json_check.h — a strict JSON reader for tests, written without any of the code under test.
 * Depends on: libc. Used by: tests/unit, tests/fuzz. */
#ifndef NEOMEM_TEST_JSON_CHECK_H
#define NEOMEM_TEST_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Whether text is exactly one JSON value (RFC 8259) in valid UTF-8, without raw control characters, and an object. */
bool json_is_object(const char *text, size_t nbytes);

/* Copy the raw value (still quoted and escaped) of a top-level member whose key, as it stands between its quotes, is
 * `key`. Return: false when there is none. text must have passed json_is_object. */
bool json_member(const char *text, size_t nbytes, const char *key, char *value, size_t capacity);

/* Undo the escapes of a raw string value. Return: bytes written to out (not terminated), or (size_t)-1 when value is no
 * string or out is too small. */
size_t json_unescape(const char *value, char *out, size_t capacity);

#endif
