/* parse.h — numbers from text, with every overflow caught.
 *
 * Accepted: decimal, or hexadecimal behind 0x or 0X. No sign, no white space, nothing behind the number; no octal
 * (a leading 0 is a decimal digit).
 * Return of each: true and *value; false, *value untouched, for NULL, empty or malformed text and for overflow.
 *
 * Context: any. Depends on: compiler.h, types.h. Used by: options, shell. */
#ifndef NEOMEM_PARSE_H
#define NEOMEM_PARSE_H

#include <neomem/compiler.h>
#include <neomem/types.h>

bool parse_u64(const char *text, uint64_t *value) NEO_NODISCARD;

/* As parse_u64, then one optional suffix K, M, G or T (either case): times 2^10, 2^20, 2^30, 2^40. */
bool parse_size(const char *text, uint64_t *value) NEO_NODISCARD;

/* Hexadecimal digits with or without 0x (addresses typed by people). */
bool parse_hex(const char *text, uint64_t *value) NEO_NODISCARD;

#endif
