/* expect_panic.h — run a statement that must panic, and come back. Each test program that includes it has its own state.
 * Depends on: panic.h, console.h, cmocka. Used by: tests/unit. */
#ifndef NEOMEM_TEST_EXPECT_PANIC_H
#define NEOMEM_TEST_EXPECT_PANIC_H

#include <neomem/console.h>
#include <neomem/panic.h>
#include <setjmp.h>

static jmp_buf expect_panic_return;

static inline void expect_panic_stop(void)
{
    longjmp(expect_panic_return, 1);
}

/* The statement must not change local variables of the function around it. */
#define EXPECT_PANIC(statement) \
    do { \
        static const struct panic_hooks expect_panic_hooks = {.backtrace = NULL, .stop = expect_panic_stop}; \
        panic_reset(); \
        panic_set_hooks(&expect_panic_hooks); \
        if (setjmp(expect_panic_return) == 0) { \
            statement; \
            panic_reset(); \
            fail_msg("no panic: %s", #statement); \
        } \
        panic_reset(); \
        console_reset(); \
    } while (0)

#endif
