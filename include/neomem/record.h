/* record.h — JSON records, one to a line, for machines that read the serial port.
 *
 * A record is an object whose first member is "neomem": its kind. Whatever the caller passes, what reaches the
 * console is one complete, valid JSON object on one line: text is escaped, bytes that are not UTF-8 become U+FFFD,
 * a member that does not fit is left out as a whole, and then the last member is "truncated":true.
 *
 * Use: record_begin, any number of members, record_end; nothing is written before record_end, so records of several
 * CPUs do not mix. A struct record is about 1.1 KiB: fine as a local variable. It points into itself: do not copy it.
 * Calls out of order (a member before begin or after end, two ends) do nothing.
 *
 * Context: any, also panic; no allocation, no lock of its own.
 * Depends on: compiler.h, types.h. Used by: panic, diag, main, shell. */
#ifndef NEOMEM_RECORD_H
#define NEOMEM_RECORD_H

#include <neomem/compiler.h>
#include <neomem/types.h>

#define RECORD_BYTES 1024u    /* longest line, without its newline, of a record that has no buffer of its own */
#define RECORD_BYTES_MIN 256u /* least capacity for record_begin_in */

struct record {
    char *buffer; /* all fields are private to record.c */
    size_t capacity;
    size_t length;
    uint32_t state;
    bool truncated; /* a member was left out */
    bool overflow;  /* the member being written does not fit */
    char storage[RECORD_BYTES];
};

/* Off: records are built by nobody and written to nobody (the `records` option). Initially on. */
void record_enable(bool on);
bool record_is_enabled(void);

/* Start a record in r's own RECORD_BYTES. kind: one of docs/interfaces.md's, short (it is cut to 32 bytes). */
void record_begin(struct record *r, const char *kind);
/* The same in the caller's buffer, for long ones. capacity >= RECORD_BYTES_MIN, else r's own storage is used.
 * buffer must live until record_end. */
void record_begin_in(struct record *r, const char *kind, char *buffer, size_t capacity);

/* Members, in the order of the calls. key: NULL counts as "". */
void record_text(struct record *r, const char *key, const char *value); /* NULL: null */
/* Text of at most nbytes that need not be terminated; ends at the first NUL. */
void record_text_bytes(struct record *r, const char *key, const char *value, size_t nbytes);
/* Formatted text, at most 255 bytes of it; the conversions of printf.h. */
void record_textf(struct record *r, const char *key, const char *format, ...) NEO_PRINTF(3, 4);
void record_hex(struct record *r, const char *key, uint64_t value); /* "0x1f": addresses, 64-bit masks */
void record_number(struct record *r, const char *key, uint64_t value);
void record_signed(struct record *r, const char *key, int64_t value);
void record_bool(struct record *r, const char *key, bool value);
void record_null(struct record *r, const char *key);
/* An array of "0x…" strings. All of it or nothing; count 0 gives []. */
void record_hex_array(struct record *r, const char *key, const uint64_t *values, size_t count);

/* Close the object and hand the line to console_write_record. */
void record_end(struct record *r);

/* For tests and for other outputs than the console: close the object and return the line, NUL-terminated, in r's buffer;
 * "" when records are off. *nbytes (may be NULL): its length. */
const char *record_finish(struct record *r, size_t *nbytes);

#endif
