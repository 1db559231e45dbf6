/* bytes.h — the four memory functions that a C compiler may call on its own; efi/ has no libc.
 * Contracts as in C17 7.24. Depends on: types.h. Used by: everything in efi/; implemented by string.c, or by libc in
 * host tests. */
#ifndef EFI_BYTES_H
#define EFI_BYTES_H

#include <neomem/types.h>

void *memcpy(void *restrict destination, const void *restrict source, size_t nbytes);
void *memmove(void *destination, const void *source, size_t nbytes);
void *memset(void *destination, int value, size_t nbytes);
int memcmp(const void *left, const void *right, size_t nbytes);

#endif
