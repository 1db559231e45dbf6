/* panic.h — stopping loudly: for our own bugs and for corruption, never for the world's faults.
 *
 * panic() prints to every console, writes one `panic` record, and ends as the installed hook decides
 * (exit device, power, halt). It never allocates, takes no lock, waits for no device without a bound,
 * and a panic inside a panic ends at once.
 *
 * Depends on: compiler.h, types.h. Used by: everything. */
#ifndef NEOMEM_PANIC_H
#define NEOMEM_PANIC_H

#include <neomem/compiler.h>
#include <neomem/types.h>
#include <stdarg.h>

#define PANIC_BACKTRACE_MAX 32u

/* What an exception adds to a panic; all zero and has_exception == false for a software panic. */
struct panic_context {
    bool has_exception;
    uint64_t vector, error_code, rip, cr2;
    uint64_t frame_pointer; /* where the backtrace starts; 0: the caller of panic */
};

struct panic_hooks {
    /* Fill addresses (innermost first) from a frame pointer (0: from the caller); must not fault. Return: how many. */
    size_t (*backtrace)(uint64_t frame_pointer, uint64_t *addresses, size_t capacity);
    /* Does not return: exit device, halt, … */
    void (*stop)(void);
};

void panic_set_hooks(const struct panic_hooks *hooks);
bool panic_in_progress(void);

/* Forget the hooks and that a panic was going on: for host tests whose stop hook jumps away. */
void panic_reset(void);

void panic(const char *format, ...) NEO_NORETURN NEO_PRINTF(1, 2);
void panic_with_context(const struct panic_context *context, const char *format, ...) NEO_NORETURN NEO_PRINTF(2, 3);

/* Cheap checks that stay in release builds. */
#define BUG_ON(condition) \
    do { \
        if (NEO_UNLIKELY(condition)) { \
            panic("BUG at %s:%d: %s", __FILE__, __LINE__, #condition); \
        } \
    } while (0)

#endif
