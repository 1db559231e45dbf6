/* string.c — memory and string functions in plain C.
 *
 * Long copies and fills align the destination to 8 bytes and move 64 bytes a round through eight registers; the source
 * may stay misaligned, which x86 reads at almost full speed. Nothing outside the given bytes is ever read or written.
 *
 * A compiler that recognises such a loop as "memcpy" or "memset" would make the function call itself. The pragma below
 * (gcc) and -ffreestanding or -fno-builtin (clang, on the command line) forbid that; the build adds the flag as well.
 *
 * Source: C17 7.24. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#include <neomem/string.h>

/* Eight bytes that may alias anything, at an aligned and at any address. */
typedef uint64_t __attribute__((may_alias)) word_t;
typedef uint64_t __attribute__((may_alias, aligned(1))) unaligned_word_t;

#define WORD sizeof(word_t)
#define BLOCK (8 * WORD)

/* Below this the set-up of the word loops costs more than it saves. */
#define SHORT_BYTES 16u

static inline size_t bytes_to_alignment(const void *address)
{
    return (size_t)(-(uintptr_t)address & (WORD - 1));
}

static inline void copy_words_up(word_t *to, const unaligned_word_t *from, size_t count)
{
    for (; count >= 8; count -= 8, to += 8, from += 8) {
        uint64_t w0 = from[0], w1 = from[1], w2 = from[2], w3 = from[3];
        uint64_t w4 = from[4], w5 = from[5], w6 = from[6], w7 = from[7];
        to[0] = w0;
        to[1] = w1;
        to[2] = w2;
        to[3] = w3;
        to[4] = w4;
        to[5] = w5;
        to[6] = w6;
        to[7] = w7;
    }
    for (; count > 0; count--) {
        *to++ = *from++;
    }
}

/* to and from point behind the last word. */
static inline void copy_words_down(word_t *to, const unaligned_word_t *from, size_t count)
{
    for (; count >= 8; count -= 8) {
        to -= 8;
        from -= 8;
        uint64_t w0 = from[0], w1 = from[1], w2 = from[2], w3 = from[3];
        uint64_t w4 = from[4], w5 = from[5], w6 = from[6], w7 = from[7];
        to[7] = w7;
        to[6] = w6;
        to[5] = w5;
        to[4] = w4;
        to[3] = w3;
        to[2] = w2;
        to[1] = w1;
        to[0] = w0;
    }
    for (; count > 0; count--) {
        *--to = *--from;
    }
}

/* Ascending copy: right for disjoint ranges and for a destination below the source. */
static void *copy_up(void *destination, const void *source, size_t nbytes)
{
    unsigned char *to = destination;
    const unsigned char *from = source;
    if (nbytes >= SHORT_BYTES) {
        for (size_t head = bytes_to_alignment(to); head > 0; head--, nbytes--) {
            *to++ = *from++;
        }
        size_t words = nbytes / WORD;
        copy_words_up((word_t *)(void *)to, (const unaligned_word_t *)(const void *)from, words);
        to += words * WORD;
        from += words * WORD;
        nbytes %= WORD;
    }
    for (; nbytes > 0; nbytes--) {
        *to++ = *from++;
    }
    return destination;
}

static void *copy_down(void *destination, const void *source, size_t nbytes)
{
    unsigned char *to = (unsigned char *)destination + nbytes;
    const unsigned char *from = (const unsigned char *)source + nbytes;
    if (nbytes >= SHORT_BYTES) {
        for (size_t tail = (uintptr_t)to & (WORD - 1); tail > 0; tail--, nbytes--) {
            *--to = *--from;
        }
        size_t words = nbytes / WORD;
        copy_words_down((word_t *)(void *)to, (const unaligned_word_t *)(const void *)from, words);
        to -= words * WORD;
        from -= words * WORD;
        nbytes %= WORD;
    }
    for (; nbytes > 0; nbytes--) {
        *--to = *--from;
    }
    return destination;
}

void *neo_memcpy(void *destination, const void *source, size_t nbytes)
{
    return copy_up(destination, source, nbytes);
}

void *neo_memmove(void *destination, const void *source, size_t nbytes)
{
    /* As a number: one comparison decides, also for ranges that have nothing to do with each other. */
    if ((uintptr_t)destination - (uintptr_t)source >= nbytes) {
        return copy_up(destination, source, nbytes);
    }
    return copy_down(destination, source, nbytes);
}

static void fill_words(word_t *to, uint64_t value, uint64_t count)
{
    for (; count >= 8; count -= 8, to += 8) {
        to[0] = value;
        to[1] = value;
        to[2] = value;
        to[3] = value;
        to[4] = value;
        to[5] = value;
        to[6] = value;
        to[7] = value;
    }
    for (; count > 0; count--) {
        *to++ = value;
    }
}

static void fill_bytes(void *destination, uint8_t value, uint64_t nbytes)
{
    unsigned char *to = destination;
    if (nbytes >= SHORT_BYTES) {
        for (size_t head = bytes_to_alignment(to); head > 0; head--, nbytes--) {
            *to++ = value;
        }
        uint64_t words = nbytes / WORD;
        fill_words((word_t *)(void *)to, value * 0x0101010101010101ull, words);
        to += words * WORD;
        nbytes %= WORD;
    }
    for (; nbytes > 0; nbytes--) {
        *to++ = value;
    }
}

void *neo_memset(void *destination, int value, size_t nbytes)
{
    fill_bytes(destination, (uint8_t)value, nbytes);
    return destination;
}

void memset_8(void *addr, uint64_t num, uint8_t value)
{
    fill_bytes(addr, value, num);
}

void memset_64(void *addr, uint64_t num, uint64_t value)
{
    fill_words(addr, value, num);
}

int neo_memcmp(const void *left, const void *right, size_t nbytes)
{
    const unsigned char *a = left;
    const unsigned char *b = right;
    /* Skip equal words; the differing one is then looked at byte by byte. */
    while (nbytes >= WORD && *(const unaligned_word_t *)(const void *)a == *(const unaligned_word_t *)(const void *)b) {
        a += WORD;
        b += WORD;
        nbytes -= WORD;
    }
    for (; nbytes > 0; nbytes--, a++, b++) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}

size_t neo_strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

size_t neo_strnlen(const char *text, size_t capacity)
{
    size_t length = 0;
    while (length < capacity && text[length] != '\0') {
        length++;
    }
    return length;
}

int neo_strncmp(const char *left, const char *right, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        unsigned char a = (unsigned char)left[i];
        unsigned char b = (unsigned char)right[i];
        if (a != b) {
            return a < b ? -1 : 1;
        }
        if (a == '\0') {
            break;
        }
    }
    return 0;
}

int neo_strcmp(const char *left, const char *right)
{
    return neo_strncmp(left, right, SIZE_MAX);
}

char *neo_strchr(const char *text, int character)
{
    for (; *text != (char)character; text++) {
        if (*text == '\0') {
            return NULL;
        }
    }
    /* C's own signature drops the const of what it was given. */
    return (char *)(uintptr_t)text;
}

size_t neo_strlcpy(char *destination, const char *source, size_t capacity)
{
    size_t length = neo_strlen(source);
    if (capacity > 0) {
        size_t copied = length < capacity ? length : capacity - 1;
        neo_memcpy(destination, source, copied);
        destination[copied] = '\0';
    }
    return length;
}

bool neo_starts_with(const char *text, const char *prefix)
{
    return neo_strncmp(text, prefix, neo_strlen(prefix)) == 0;
}

#if !__STDC_HOSTED__
/* The names that compilers call on their own and that the rest of the kernel uses. */
#define STANDARD_NAME(name) __attribute__((alias("neo_" #name)))
void *memcpy(void *destination, const void *source, size_t nbytes) STANDARD_NAME(memcpy);
void *memmove(void *destination, const void *source, size_t nbytes) STANDARD_NAME(memmove);
void *memset(void *destination, int value, size_t nbytes) STANDARD_NAME(memset);
int memcmp(const void *left, const void *right, size_t nbytes) STANDARD_NAME(memcmp);
size_t strlen(const char *text) STANDARD_NAME(strlen);
size_t strnlen(const char *text, size_t capacity) STANDARD_NAME(strnlen);
int strcmp(const char *left, const char *right) STANDARD_NAME(strcmp);
int strncmp(const char *left, const char *right, size_t nbytes) STANDARD_NAME(strncmp);
char *strchr(const char *text, int character) STANDARD_NAME(strchr);
#endif
