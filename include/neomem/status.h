/* status.h — the result of every fallible function that does not return a pointer.
 * Depends on: compiler.h. Used by: kernel/. */
#ifndef NEOMEM_STATUS_H
#define NEOMEM_STATUS_H

#include <neomem/compiler.h>

enum neo_status {
    NEO_OK = 0,
    NEO_ERR_NO_MEMORY = -1,   /* out of frames, heap or table space; no partial effect */
    NEO_ERR_INVALID = -2,     /* an argument breaks the contract */
    NEO_ERR_EXISTS = -3,      /* would replace something that is there */
    NEO_ERR_NOT_FOUND = -4,   /* names something that is not there */
    NEO_ERR_RANGE = -5,       /* a number is outside its legal range, or arithmetic would wrap */
    NEO_ERR_CORRUPT = -6,     /* data contradicts itself (a damaged table, ELF, checksum) */
    NEO_ERR_UNSUPPORTED = -7, /* this machine cannot do it */
    NEO_ERR_TIMEOUT = -8,     /* a bounded wait ran out */
    NEO_ERR_LIMIT = -9,       /* a fixed, documented capacity is exhausted */
};

/* Return: a short lower-case word for messages ("no memory"); "unknown status" for other values. */
const char *neo_status_name(enum neo_status status);

#endif
