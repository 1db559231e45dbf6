/* test_cxx_operators.c — C++ new and delete on the kernel heap: every form, no memory, misuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <neomem/heap.h>
#include <neomem/memory.h>

#include "cxx_probe.h"

#include "tests/support/mm_fixture.h"

/* clang's AddressSanitizer poisons the count in front of an array and trusts its own free to undo that; ours does not. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "poison_array_cookie=0";
}

static void test_round_trip(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    heapInit();
    struct heap_stats before;
    struct heap_stats after;
    heap_get_stats(&before);
    const char *problem = cxx_probe_round_trip();
    if (problem != NULL) {
        fail_msg("%s", problem);
    }
    heap_get_stats(&after);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(heap_check(NULL), NEO_OK);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_null(cxx_probe_nothrow_without_memory(GIB(1)));
    assert_null(cxx_probe_nothrow_without_memory(SIZE_MAX));
    for (volatile unsigned form = 0; form < 4; form++) {
        EXPECT_PANIC_TEXT(cxx_probe_plain_without_memory(form, GIB(1)), "operator new of 1073741824 bytes by 0x");
    }
}

static void test_misuse(void **state)
{
    (void)state;
    void *block = kmalloc(50);
    kfree(block);
    EXPECT_PANIC_TEXT(cxx_probe_delete(block), "operator delete of");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
