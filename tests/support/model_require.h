/* model_require.h — what every model test says when reality and the model differ: at which operation, and what.
 * Included by one source of a program. */
#ifndef NEOMEM_TESTS_MODEL_REQUIRE_H
#define NEOMEM_TESTS_MODEL_REQUIRE_H

#include "tests/unit/test_random_source.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t operation;

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "operation %llu: %s\n", (unsigned long long)operation, what);
        abort();
    }
}

static bool chance(unsigned percent)
{
    return test_random_below(100) < percent;
}

#endif
