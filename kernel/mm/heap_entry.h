/* heap_entry.h — the heap's two entry points below the public functions, for C and C++: they take the caller to name in
 * reports. Private to kernel/mm. Locking: they take the heap's lock. */
#ifndef NEOMEM_HEAP_ENTRY_H
#define NEOMEM_HEAP_ENTRY_H

#include <neomem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* size >= 1, align a power of two up to HEAP_ALIGN_MAX. Return: NULL when there is no memory. */
void *heap_allocate(size_t size, size_t align, const void *caller);

/* block: not NULL. what: the function that a panic names. */
void heap_release(void *block, const void *caller, const char *what);

#ifdef __cplusplus
}
#endif

#endif
