/* test_memmap_machines.c — frames carved out of a finished map, and the maps of whole machines, recorded and made up. */
#include "tests/support/memmap_expect.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- carving -------------------------------------------------------------------------------------- */

struct carved {
    struct limine_memmap_entry entries[8];
    uint64_t count, base;
    enum memmap_limine_status status;
};

static struct carved carve(const struct limine_memmap_entry *entries, size_t count, uint64_t capacity, uint64_t npages,
                           uint64_t limit)
{
    struct carved got = {.count = count, .base = 0xdead};
    memcpy(got.entries, entries, count * sizeof(*entries));
    got.status = memmap_limine_carve(got.entries, &got.count, capacity, npages, limit, &got.base);
    return got;
}

static void expect_carved(struct carved got, uint64_t base, const struct limine_memmap_entry *want, size_t count)
{
    assert_int_equal(got.status, MEMMAP_LIMINE_OK);
    assert_int_equal(got.base, base);
    assert_int_equal(got.count, count);
    assert_memory_equal(got.entries, want, count * sizeof(*want));
}

static void expect_not_carved(struct carved got, enum memmap_limine_status status,
                              const struct limine_memmap_entry *before, size_t count)
{
    assert_int_equal(got.status, status);
    assert_int_equal(got.base, 0xdead);
    assert_int_equal(got.count, count);
    assert_memory_equal(got.entries, before, count * sizeof(*before));
}

/*   000000 1 0000    →   000055 1 0000       the top of the longest run */
static void carving_takes_the_top_of_the_longest_run(void **unused)
{
    (void)unused;
    expect_carved(carve(ENTRIES({0x100000, 0x6000, 0}, {0x106000, 0x1000, 1}, {0x107000, 0x4000, 0}), 8, 2, UINT64_MAX),
                  0x104000,
                  ENTRIES({0x100000, 0x4000, 0}, {0x104000, 0x2000, 5}, {0x106000, 0x1000, 1}, {0x107000, 0x4000, 0}));
}

/*   0000|0000    →   0055|0000      limit in the middle of the run: one more piece */
static void carving_stays_below_the_limit(void **unused)
{
    (void)unused;
    expect_carved(carve(ENTRIES({0x100000, 0x8000, 0}), 8, 2, 0x104fff), 0x102000,
                  ENTRIES({0x100000, 0x2000, 0}, {0x102000, 0x2000, 5}, {0x104000, 0x4000, 0}));
    expect_carved(carve(ENTRIES({0x100000, 0x8000, 0}), 8, 4, 0x104000), 0x100000,
                  ENTRIES({0x100000, 0x4000, 5}, {0x104000, 0x4000, 0}));
    const struct limine_memmap_entry map[] = {{0x100000, 0x8000, 0}};
    expect_not_carved(carve(map, 1, 8, 5, 0x104000), MEMMAP_LIMINE_NO_MEMORY, map, 1);
    expect_not_carved(carve(map, 1, 8, 1, 0), MEMMAP_LIMINE_NO_MEMORY, map, 1);
}

/* The first MiB is not carved, not even where one run reaches into it. */
static void carving_leaves_low_memory_alone(void **unused)
{
    (void)unused;
    const struct limine_memmap_entry low[] = {{0x1000, 0x9f000, 0}};
    expect_not_carved(carve(low, 1, 8, 1, UINT64_MAX), MEMMAP_LIMINE_NO_MEMORY, low, 1);
    const struct limine_memmap_entry across[] = {{0xff000, 0x3000, 0}};
    expect_not_carved(carve(across, 1, 8, 3, UINT64_MAX), MEMMAP_LIMINE_NO_MEMORY, across, 1);
    expect_carved(carve(across, 1, 8, 2, UINT64_MAX), 0x100000, ENTRIES({0xff000, 0x1000, 0}, {0x100000, 0x2000, 5}));
}

/*   5 00 5   →  5555        what touches and is equal is merged */
static void carving_keeps_the_map_merged(void **unused)
{
    (void)unused;
    expect_carved(carve(ENTRIES({0x100000, 0x1000, 5}, {0x101000, 0x2000, 0}, {0x103000, 0x1000, 5}), 3, 2, UINT64_MAX),
                  0x101000, ENTRIES({0x100000, 0x4000, 5}));
    expect_carved(
        carve(ENTRIES({0x100000, 0x1000, 0}, {0x101000, 0x2000, 0}, {0x103000, 0x1000, 5}, {0x105000, 0x800, 1}), 4, 2,
              UINT64_MAX),
        0x101000, ENTRIES({0x100000, 0x1000, 0}, {0x101000, 0x3000, 5}, {0x105000, 0x800, 1}));
    expect_carved(carve(ENTRIES({0x100000, 0x1000, 5}, {0x101000, 0x2000, 0}, {0x103000, 0x1000, 5}), 4, 1, UINT64_MAX),
                  0x102000, ENTRIES({0x100000, 0x1000, 5}, {0x101000, 0x1000, 0}, {0x102000, 0x2000, 5}));
    expect_carved(carve(ENTRIES({0x100000, 0x1000, 1}, {0x101000, 0x2000, 0}, {0x104000, 0x1000, 5}), 3, 2, UINT64_MAX),
                  0x101000, ENTRIES({0x100000, 0x1000, 1}, {0x101000, 0x2000, 5}, {0x104000, 0x1000, 5}));
}

static void carving_refuses_without_a_trace(void **unused)
{
    (void)unused;
    const struct limine_memmap_entry map[] = {{0x100000, 0x8000, 0}, {0x108000, 0x1000, 3}};
    expect_not_carved(carve(map, 2, 8, 9, UINT64_MAX), MEMMAP_LIMINE_NO_MEMORY, map, 2);
    expect_not_carved(carve(map, 2, 8, UINT64_MAX, UINT64_MAX), MEMMAP_LIMINE_NO_MEMORY, map, 2);
    expect_not_carved(carve(map, 2, 2, 1, UINT64_MAX), MEMMAP_LIMINE_NO_CAPACITY, map, 2);
    expect_not_carved(carve(map, 2, 3, 1, 0x104000), MEMMAP_LIMINE_NO_CAPACITY, map, 2);
    expect_not_carved(carve(map, 2, 1, 1, UINT64_MAX), MEMMAP_LIMINE_BAD_ARGUMENT, map, 2);
    expect_not_carved(carve(map, 2, 8, 0, UINT64_MAX), MEMMAP_LIMINE_BAD_ARGUMENT, map, 2);
    uint64_t count = 0;
    uint64_t base;
    struct limine_memmap_entry none[1];
    assert_int_equal(memmap_limine_carve(NULL, &count, 1, 1, 0, &base), MEMMAP_LIMINE_BAD_ARGUMENT);
    assert_int_equal(memmap_limine_carve(none, NULL, 1, 1, 0, &base), MEMMAP_LIMINE_BAD_ARGUMENT);
    assert_int_equal(memmap_limine_carve(none, &count, 1, 1, 0, NULL), MEMMAP_LIMINE_BAD_ARGUMENT);
    assert_int_equal(memmap_limine_carve(none, &count, 1, 1, UINT64_MAX, &base), MEMMAP_LIMINE_NO_MEMORY);
}

/* ---- recorded and made-up machines ---------------------------------------------------------------- */

static void replay(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "tests/data/memmaps/%s.txt", name);
    struct map_file file;
    assert_true(map_file_read(path, &file));
    struct conversion c = {.input = {.phys_bits = file.phys_bits,
                                     .report_bad_memory = true,
                                     .claims = file.claims,
                                     .claim_count = file.claim_count}};
    conversion_run(&c, &file.map);
    check_sane(&c);
    for (uint64_t type = 0; type < MAP_FILE_TYPES; type++) {
        if (conversion_total(&c, type) != file.totals[type]) {
            conversion_print(&c);
            fail_msg("%s: type %" PRIu64 " holds %#" PRIx64 ", not %#" PRIx64, name, type, conversion_total(&c, type),
                     file.totals[type]);
        }
    }
    for (uint32_t reason = 0; reason < MAP_FILE_REASONS; reason++) {
        assert_int_equal(conversion_trimmed(&c, reason), file.trimmed[reason]);
    }
    conversion_free(&c);
    raw_map_free(&file.map);
}

static void machines_convert_to_their_totals(void **unused)
{
    (void)unused;
    static const char *const names[] = {"ovmf_q35_256m",   "ovmf_q35_4g",      "ovmf_pc_64m",  "ovmf_q35_ramfb",
                                        "ovmf_q35_1t_amd", "desktop_312",      "server_mixed", "laptop_nested",
                                        "amd_hole",        "low_boot_services"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        replay(names[i]);
    }
}

/* The screen of QEMU's ramfb lies inside the RAM that OVMF reports as reserved. */
static void ramfb_is_a_framebuffer(void **unused)
{
    (void)unused;
    struct map_file file;
    assert_true(map_file_read("tests/data/memmaps/ovmf_q35_ramfb.txt", &file));
    const struct memmap_claim screen = {0xe500000, 800 * 600 * 4, 7};
    struct conversion c = {.input = {.phys_bits = 40, .reserve_page_zero = true, .claims = &screen, .claim_count = 1}};
    conversion_run(&c, &file.map);
    check_sane(&c);
    assert_int_equal(c.output.refused_claims, 0);
    assert_int_equal(conversion_total(&c, 7), align_up(800 * 600 * 4, PAGE_SIZE));
    assert_int_equal(conversion_type_at(&c, 0xe500000), 7);
    assert_int_equal(conversion_type_at(&c, 0xe500000 + align_up(800 * 600 * 4, PAGE_SIZE)), 1);
    assert_int_equal(conversion_type_at(&c, 0), 1);
    assert_int_equal(conversion_type_at(&c, 0x1000), 0);
    assert_int_equal(conversion_type_at(&c, 0xa0000), UINT64_MAX);
    conversion_free(&c);
    raw_map_free(&file.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carving_takes_the_top_of_the_longest_run),
        cmocka_unit_test(carving_stays_below_the_limit),
        cmocka_unit_test(carving_leaves_low_memory_alone),
        cmocka_unit_test(carving_keeps_the_map_merged),
        cmocka_unit_test(carving_refuses_without_a_trace),
        cmocka_unit_test(machines_convert_to_their_totals),
        cmocka_unit_test(ramfb_is_a_framebuffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
