/* string.h — the freestanding part of the C library's memory and string functions.
 *
 * Every function exists as neo_<name>. A freestanding build (kernel) also has the standard names, as aliases of
 * these; a hosted build keeps libc's, so that the sanitizers see them, and tests the neo_ names.
 * memcpy, memset_8 and memset_64 are declared in memory.h (public API) and implemented beside these.
 *
 * Context: any; no state, no locks. Cost: O(bytes looked at); copies and fills run 64 bytes a round when they are long.
 * Depends on: memory.h, types.h. Used by: everything in kernel/. */
#ifndef NEOMEM_STRING_H
#define NEOMEM_STRING_H

#include <neomem/compiler.h>
#include <neomem/memory.h>
#include <neomem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Contracts are those of C17 7.24. Where the byte count is 0, pointers may be NULL. */
void *neo_memcpy(void *destination, const void *source, size_t nbytes);
void *neo_memmove(void *destination, const void *source, size_t nbytes);
void *neo_memset(void *destination, int value, size_t nbytes);
int neo_memcmp(const void *left, const void *right, size_t nbytes);
size_t neo_strlen(const char *text);
/* Length, but never looks beyond capacity bytes; capacity when there is no NUL in them. */
size_t neo_strnlen(const char *text, size_t capacity);
int neo_strcmp(const char *left, const char *right);
int neo_strncmp(const char *left, const char *right, size_t nbytes);
/* Return: the first occurrence; NULL when there is none. character 0 finds the terminator. */
char *neo_strchr(const char *text, int character);

/* Copy as much of source as fits and always terminate (capacity 0: writes nothing).
 * Return: the length of source; >= capacity when it was cut. */
size_t neo_strlcpy(char *destination, const char *source, size_t capacity);

/* Return: true when text begins with prefix. */
bool neo_starts_with(const char *text, const char *prefix);

#if !__STDC_HOSTED__
void *memmove(void *destination, const void *source, size_t nbytes);
void *memset(void *destination, int value, size_t nbytes);
int memcmp(const void *left, const void *right, size_t nbytes);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t capacity);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t nbytes);
char *strchr(const char *text, int character);
#endif

#ifdef __cplusplus
}
#endif

#endif
