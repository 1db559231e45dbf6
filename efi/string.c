/* string.c — the memory functions of bytes.h. Whole words where both sides are aligned, because the loader zeroes
 * and copies hundreds of KiB and firmware may have left caches cold; otherwise byte by byte.
 *
 * Must be compiled with -fno-builtin and without loop idiom recognition: the compiler would turn the loops into calls
 * of the very function they are in. */
#include "bytes.h"

#define WORD_BYTES sizeof(uint64_t)

static bool is_word_aligned(const void *left, const void *right)
{
    return (((uintptr_t)left | (uintptr_t)right) & (WORD_BYTES - 1)) == 0;
}

void *memcpy(void *restrict destination, const void *restrict source, size_t nbytes)
{
    uint8_t *to = destination;
    const uint8_t *from = source;

    if (is_word_aligned(to, from)) {
        for (; nbytes >= WORD_BYTES; nbytes -= WORD_BYTES) {
            *(uint64_t *)(void *)to = *(const uint64_t *)(const void *)from;
            to += WORD_BYTES;
            from += WORD_BYTES;
        }
    }
    while (nbytes-- > 0) {
        *to++ = *from++;
    }
    return destination;
}

void *memmove(void *destination, const void *source, size_t nbytes)
{
    uint8_t *to = destination;
    const uint8_t *from = source;

    if ((uintptr_t)to - (uintptr_t)from >= nbytes) {
        /* Also when `to` is below `from`: the difference wraps. Ascending order never overtakes itself then. */
        for (size_t i = 0; i < nbytes; i++) {
            to[i] = from[i];
        }
    } else {
        for (size_t i = nbytes; i > 0; i--) {
            to[i - 1] = from[i - 1];
        }
    }
    return destination;
}

void *memset(void *destination, int value, size_t nbytes)
{
    uint8_t *to = destination;
    uint64_t pattern = (uint8_t)value * 0x0101010101010101ull;

    if (is_word_aligned(to, to)) {
        for (; nbytes >= WORD_BYTES; nbytes -= WORD_BYTES) {
            *(uint64_t *)(void *)to = pattern;
            to += WORD_BYTES;
        }
    }
    while (nbytes-- > 0) {
        *to++ = (uint8_t)value;
    }
    return destination;
}

int memcmp(const void *left, const void *right, size_t nbytes)
{
    const uint8_t *a = left;
    const uint8_t *b = right;

    for (size_t i = 0; i < nbytes; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}
