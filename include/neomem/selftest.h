/* selftest.h — the tests the kernel runs on itself, on the machine it booted on.
 * Depends on: nothing. Used by: kernel/main.c, kernel/shell; implemented by kernel/diag. */
#ifndef NEOMEM_SELFTEST_H
#define NEOMEM_SELFTEST_H

#include <neomem/types.h>

struct selftest_totals {
    uint64_t passed, failed, skipped;
};

/* Run all of them (or those whose name starts with prefix, when it is not NULL). One line and one `test`
 * record each. Return: true when none failed. Context: task level, once at a time. Memory is as before. */
bool selftest_run(const char *prefix);

/* Sums since boot; the `end` record's figures. */
struct selftest_totals selftest_totals(void);

#endif
