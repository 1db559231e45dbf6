/* step.h — read before every source of the allocator that the interleaving checker runs (compiler option -include):
 * makes each atomic access of kernel/mm/frames_atomic.h a place where another CPU may come in between, and says which
 * address is accessed and whether it is written.
 *
 * The accessors of frames_atomic.h name their pointer word, byte or count; the constants below stand in where there is
 * no such name (frames_book.c), and all such steps count as accesses to one and the same word. What only reads has
 * _load or _read in its name; anything else counts as a write. Both err towards more interleavings. Depends on: the
 * compiler's freestanding headers. Used by: the Makefile's ilv objects. */
#ifndef NEOMEM_TESTS_ILV_STEP_H
#define NEOMEM_TESTS_ILV_STEP_H

#include <stdint.h>

struct ilv_nothing;
static const struct ilv_nothing *const word __attribute__((unused)) = 0;
static const struct ilv_nothing *const byte __attribute__((unused)) = 0;
static const struct ilv_nothing *const count __attribute__((unused)) = 0;

/* address NULL: the nameless word. function: name of the accessor. Defined in schedule.c. */
void ilv_step(const volatile void *address, const char *function);

#define ILV_ADDRESS(name) \
    _Generic((name), const _Atomic uint64_t * \
             : (const volatile void *)(uintptr_t)(name), _Atomic uint64_t * \
             : (const volatile void *)(uintptr_t)(name), const _Atomic uint16_t * \
             : (const volatile void *)(uintptr_t)(name), _Atomic uint16_t * \
             : (const volatile void *)(uintptr_t)(name), const _Atomic uint8_t * \
             : (const volatile void *)(uintptr_t)(name), _Atomic uint8_t * \
             : (const volatile void *)(uintptr_t)(name), default \
             : (const volatile void *)0)
#define ILV_EITHER(first, second) ((first) != 0 ? (first) : (second))

#define FRAMES_STEP() \
    ilv_step(ILV_EITHER(ILV_ADDRESS(word), ILV_EITHER(ILV_ADDRESS(byte), ILV_ADDRESS(count))), __func__)

#endif
