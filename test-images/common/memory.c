/* memory.c: the functions that compilers call by themselves. Compiled so that the loops are not turned into
 * calls of themselves (see programs.mk). */

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t nbytes);
void *memset(void *to, int value, size_t nbytes);

void *memcpy(void *to, const void *from, size_t nbytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    for (size_t i = 0; i < nbytes; i++) {
        t[i] = f[i];
    }
    return to;
}

void *memset(void *to, int value, size_t nbytes)
{
    unsigned char *t = to;

    for (size_t i = 0; i < nbytes; i++) {
        t[i] = (unsigned char)value;
    }
    return to;
}
