/* test_early.c — the bump allocator: which region, alignment, exact accounting, refusals; and the direct map's base. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/early.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "tests/support/mm_fixture.h"

/*   |##|   |####|  |#########|   |######|      the largest, whatever lies above or is of another type */
static void test_takes_the_largest_region(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)),
                                        USABLE(MIB(4), MIB(3)),
                                        {MIB(16), MIB(64), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE},
                                        USABLE(MIB(100), MIB(2))};
    mm_fixture_arena(map, 4);
    assert_int_equal(early_init(map, 4), NEO_OK);
    assert_true(early_is_active());
    assert_ptr_equal(early_alloc(PAGE_SIZE, 1), phys_to_virt(MIB(7) - PAGE_SIZE));
    /* The higher one of two equals. */
    map[0].length = MIB(3);
    map[3].length = MIB(3);
    mm_fixture_arena(map, 4);
    assert_int_equal(early_init(map, 4), NEO_OK);
    assert_ptr_equal(early_alloc(PAGE_SIZE, 1), phys_to_virt(MIB(103) - PAGE_SIZE));
}

/*   base …            |pad|  64  |pad|10|  end      grows downwards; padding is counted apart */
static void test_accounting_is_exact(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), 4 * PAGE_SIZE)};
    mm_fixture_arena(map, 1);
    memset(phys_to_virt(MIB(1)), 0xff, 4 * PAGE_SIZE);
    assert_int_equal(early_init(map, 1), NEO_OK);
    phys_addr_t end = MIB(1) + 4 * PAGE_SIZE;
    assert_int_equal(early_usage().nbytes, 0);
    unsigned char *a = early_alloc(10, 1);
    assert_ptr_equal(a, phys_to_virt(end - 10));
    unsigned char *b = early_alloc(64, 256);
    assert_ptr_equal(b, phys_to_virt(end - 256));
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(b[i], 0);
    }
    assert_int_equal(b[64], 0xff);
    assert_int_equal(early_usage().requested, 74);
    assert_int_equal(early_usage().nbytes, PAGE_SIZE);
    assert_int_equal(early_usage().base, end - PAGE_SIZE);
    assert_non_null(early_alloc(PAGE_SIZE, PAGE_SIZE));
    struct early_usage usage = early_retire();
    assert_int_equal(usage.nbytes, 2 * PAGE_SIZE);
    assert_int_equal(usage.requested, 74 + PAGE_SIZE);
    assert_false(early_is_active());
    assert_null(early_alloc(1, 1));
}

static void test_refusals(void **state)
{
    (void)state;
    struct limine_memmap_entry none[] = {{MIB(1), MIB(1), LIMINE_MEMMAP_RESERVED}, USABLE(MIB(4), 0)};
    struct limine_memmap_entry map[] = {USABLE(0, PAGE_SIZE)};
    mm_fixture_arena(map, 1);
    assert_int_equal(early_init(none, 2), NEO_ERR_NO_MEMORY);
    assert_int_equal(early_init(NULL, 0), NEO_ERR_NO_MEMORY);
    assert_int_equal(early_init(map, 1), NEO_OK);
    assert_null(early_alloc(0, 1));
    assert_null(early_alloc(1, 0));
    assert_null(early_alloc(1, 3));
    assert_null(early_alloc(PAGE_SIZE + 1, 1));
    assert_null(early_alloc(UINT64_MAX, 1));
    assert_int_equal(early_usage().requested, 0);
    assert_non_null(early_alloc(PAGE_SIZE - 8, 8));
    /* Eight bytes are left at address 0, which is aligned to anything. */
    assert_null(early_alloc(9, 1));
    assert_non_null(early_alloc(8, 1ull << 40));
    assert_null(early_alloc(1, 1));
    /* Alignment may ask for more than the region has. */
    struct limine_memmap_entry odd[] = {USABLE(MIB(1) + PAGE_SIZE, PAGE_SIZE)};
    mm_fixture_arena(odd, 1);
    assert_int_equal(early_init(odd, 1), NEO_OK);
    assert_null(early_alloc(1, MIB(1)));
    assert_non_null(early_alloc(PAGE_SIZE, PAGE_SIZE));
}

static void test_direct_map(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), PAGE_SIZE)};
    mm_fixture_arena(map, 1);
    assert_int_equal((uintptr_t)phys_to_virt(0x1234), getHHDM() + 0x1234);
    assert_int_equal(virt_to_phys(phys_to_virt(0x1234)), 0x1234);
    assert_true(is_aligned(getHHDM(), PAGE_SIZE_1G));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_the_largest_region),
        cmocka_unit_test(test_accounting_is_exact),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_direct_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
