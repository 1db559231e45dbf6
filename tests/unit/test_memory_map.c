/* test_memory_map.c — the protocol checker, and building the kernel's own map. In pictures one column is one frame, digits are
 * kinds (0 usable, 1 reserved, 3 NVS, 4 bad, 5 reclaimable, L low, M manager). */
#include "tests/support/map_fixture.h"

/* ---- the checker ---------------------------------------------------------------------------------- */

static void expect_legal(const struct limine_memmap_entry *entries, size_t count)
{
    struct memmap_violation violation = {.rule = MEMMAP_RULE_TYPE};
    assert_true(memmap_check(entries, count, &violation));
    assert_int_equal(violation.rule, MEMMAP_RULE_NONE);
    assert_true(memmap_check(entries, count, NULL));
}

static void expect_violation(enum memmap_rule rule, uint64_t index, uint64_t other,
                             const struct limine_memmap_entry *entries, size_t count)
{
    struct memmap_violation violation = {0};
    assert_false(memmap_check(entries, count, &violation));
    assert_int_equal(violation.rule, rule);
    assert_int_equal(violation.index, index);
    assert_int_equal(violation.other, other);
    assert_true(strlen(violation.text) > 0);
    assert_false(memmap_check(entries, count, NULL));
}

static void legal_maps_pass(void **unused)
{
    (void)unused;
    expect_legal(NULL, 0);
    expect_legal(ENTRIES({0, 0x1000, 0}));
    /* Every type; holes; touching neighbours; unmerged equals. */
    expect_legal(ENTRIES({0, 0x1000, 0}, {0x1000, 0x1000, 0}, {0x2000, 0x1001, 1}, {0x3001, 1, 2}, {0x3003, 1, 3},
                         {0x3004, 1, 4}, {0x4000, 0x1000, 5}, {0x5000, 1, 6}, {0x6000, 1, 7}, {0x6001, 1, 8}));
    /* Types without guarantees may overlap, nest, repeat and be empty, even inside usable memory when empty. */
    expect_legal(ENTRIES({0x1000, 0x4000, 1}, {0x1000, 0x4000, 1}, {0x2000, 0x100, 3}, {0x3000, 0x8000, 4}));
    expect_legal(ENTRIES({0x1000, 0x2000, 0}, {0x2000, 0, 1}, {0x3000, 0x1000, 5}));
    /* A range may end exactly at 2^64. */
    expect_legal(ENTRIES({0xfffffffffffff000, 0x1000, 0}));
    expect_legal(ENTRIES({0x1000, 0xfffffffffffff000, 1}, {0x2000, 0xffffffffffffe000, 3}));
}

static void each_broken_rule_is_found(void **unused)
{
    (void)unused;
    expect_violation(MEMMAP_RULE_MISSING, 0, 0, NULL, 1);
    expect_violation(MEMMAP_RULE_TYPE, 1, 1, ENTRIES({0, 0x1000, 0}, {0x1000, 0x1000, 9}));
    expect_violation(MEMMAP_RULE_TYPE, 0, 0, ENTRIES({0, 0x1000, UINT64_MAX}));
    expect_violation(MEMMAP_RULE_ORDER, 2, 1, ENTRIES({0, 0x1000, 0}, {0x3000, 0x1000, 1}, {0x2fff, 1, 1}));
    expect_violation(MEMMAP_RULE_WRAP, 0, 0, ENTRIES({0xfffffffffffff000, 0x1001, 1}));
    expect_violation(MEMMAP_RULE_WRAP, 0, 0, ENTRIES({0x1000, UINT64_MAX, 1}));
    expect_violation(MEMMAP_RULE_WRAP, 0, 0, ENTRIES({0x1000, 0xfffffffffffffff0, 0}));
    expect_violation(MEMMAP_RULE_EMPTY, 0, 0, ENTRIES({0x1000, 0, 0}));
    expect_violation(MEMMAP_RULE_EMPTY, 1, 1, ENTRIES({0x1000, 0, 1}, {0x1000, 0, 5}));
    expect_violation(MEMMAP_RULE_BASE_ALIGN, 0, 0, ENTRIES({0x1800, 0x1000, 0}));
    expect_violation(MEMMAP_RULE_BASE_ALIGN, 0, 0, ENTRIES({0x1001, 0x1000, 5}));
    expect_violation(MEMMAP_RULE_LENGTH_ALIGN, 0, 0, ENTRIES({0x1000, 0x800, 0}));
    expect_violation(MEMMAP_RULE_LENGTH_ALIGN, 0, 0, ENTRIES({0x1000, 0x1001, 5}));
}

/*   the first reaches far, the second hides it: comparing neighbours only would not find the third
 *   1111111
 *    1
 *      0                                    and the other way round: a reserved entry reaches into a usable one */
static void overlaps_are_found_across_entries(void **unused)
{
    (void)unused;
    expect_violation(MEMMAP_RULE_OVERLAP, 2, 0, ENTRIES({0x1000, 0x6001, 1}, {0x2000, 0x1000, 1}, {0x7000, 0x1000, 0}));
    expect_legal(ENTRIES({0x1000, 0x6000, 1}, {0x2000, 0x1000, 1}, {0x7000, 0x1000, 0}));
    expect_violation(MEMMAP_RULE_OVERLAP, 1, 0, ENTRIES({0x1000, 0x2000, 0}, {0x2fff, 0x10, 3}));
    expect_violation(MEMMAP_RULE_OVERLAP, 1, 0, ENTRIES({0x1000, 0x2000, 5}, {0x2000, 0x2000, 0}));
    expect_violation(MEMMAP_RULE_OVERLAP, 1, 0, ENTRIES({0x1000, 0x1000, 0}, {0x1000, 0x1000, 0}));
    expect_violation(MEMMAP_RULE_OVERLAP, 3, 0,
                     ENTRIES({0x1000, 0x5000, 5}, {0x3000, 0, 1}, {0x4000, 0, 2}, {0x5000, 0x1, 6}));
    expect_violation(MEMMAP_RULE_OVERLAP, 1, 0, ENTRIES({0x1000, 0xfffffffffffff000, 1}, {0x8000, 0x1000, 5}));
}

/* ---- building ------------------------------------------------------------------------------------- */

static void expect_map(phys_addr_t low_limit, const struct limine_memmap_entry *entries, size_t count,
                       const struct memory_region *want, size_t want_count)
{
    struct fixture f = make_with(entries, count, 0, low_limit);
    expect_regions(&f.map, want, want_count);
    free(f.storage);
}

static void entries_become_regions(void **unused)
{
    (void)unused;
    struct fixture empty = make_with(NULL, 0, 0, MEMORY_MAP_LOW_LIMIT);
    assert_int_equal(empty.map.count, 0);
    free(empty.storage);
    /* Merged, holes kept, empty ones dropped, all types. */
    expect_map(0,
               ENTRIES({0x1000, 0x1000, 0}, {0x2000, 0x1000, 0}, {0x3000, 0, 1}, {0x4000, 0x1000, 0}, {0x5000, 1, 1},
                       {0x5001, 2, 1}, {0x6000, 0x1000, 5}, {0x7000, 1, 2}, {0x7001, 1, 3}, {0x7002, 1, 4},
                       {0x7003, 1, 6}, {0x7004, 1, 7}, {0x7005, 1, 8}),
               REGIONS({0x1000, 0x2000, 0}, {0x4000, 0x1000, 0}, {0x5000, 3, 1}, {0x6000, 0x1000, 5}, {0x7000, 1, 2},
                       {0x7001, 1, 3}, {0x7002, 1, 4}, {0x7003, 1, 6}, {0x7004, 1, 7}, {0x7005, 1, 8}));
}

/*   0000|0000   →   LLLL|0000            usable memory below the limit stays on the books */
static void low_memory_is_withheld(void **unused)
{
    (void)unused;
    expect_map(MEMORY_MAP_LOW_LIMIT, ENTRIES({0x1000, 0x9f000, 0}, {0xa0000, 0x1000, 5}, {0xff000, 0x3000, 0}),
               REGIONS({0x1000, 0x9f000, MEMORY_LOW}, {0xa0000, 0x1000, 5}, {0xff000, 0x1000, MEMORY_LOW},
                       {0x100000, 0x2000, 0}));
    expect_map(MEMORY_MAP_LOW_LIMIT, ENTRIES({0xfe000, 0x2000, 0}, {0x100000, 0x1000, 0}),
               REGIONS({0xfe000, 0x2000, MEMORY_LOW}, {0x100000, 0x1000, 0}));
}

/*   1111111111          1111111111
 *     33333333333   →             333      bad over reserved over NVS over ACPI tables; equals join
 *       44                  44              */
static void overlaps_of_reserved_types_are_resolved(void **unused)
{
    (void)unused;
    expect_map(0, ENTRIES({0x1000, 0x1000, 1}, {0x1200, 0x1000, 3}, {0x1400, 0x100, 4}),
               REGIONS({0x1000, 0x400, 1}, {0x1400, 0x100, 4}, {0x1500, 0xb00, 1}, {0x2000, 0x200, 3}));
    expect_map(0, ENTRIES({0x1000, 0x100, 1}, {0x1000, 0x200, 1}, {0x1080, 0x10, 1}, {0x1100, 0x200, 1}),
               REGIONS({0x1000, 0x300, 1}));
    /* A staircase of all of them, then usable right behind it. */
    expect_map(0,
               ENTRIES({0x1000, 0x600, 2}, {0x1000, 0x500, 3}, {0x1000, 0x400, 8}, {0x1000, 0x300, 1},
                       {0x1000, 0x200, 4}, {0x1000, 0x180, 7}, {0x1000, 0x100, 6}, {0x2000, 0x1000, 0}),
               REGIONS({0x1000, 0x100, 6}, {0x1100, 0x80, 7}, {0x1180, 0x80, 4}, {0x1200, 0x100, 1}, {0x1300, 0x100, 8},
                       {0x1400, 0x100, 3}, {0x1500, 0x100, 2}, {0x2000, 0x1000, 0}));
    /* Up to the last byte there is. */
    expect_map(0, ENTRIES({0x1000, 0xfffffffffffff000, 2}, {0xfffffffffffff000, 0x1000, 1}),
               REGIONS({0x1000, 0xffffffffffffe000, 2}, {0xfffffffffffff000, 0x1000, 1}));
}

/* The bound in memory_map_storage_bytes is tight enough to matter: the worst maps fit exactly the storage asked for. */
static void storage_suffices_for_the_worst_maps(void **unused)
{
    (void)unused;
    struct limine_memmap_entry entries[64];
    /* One long weak entry under 63 strict ones: every entry starts and ends a region. */
    entries[0] = (struct limine_memmap_entry){0x1000, 0x100000, 2};
    for (uint64_t i = 1; i < 64; i++) {
        entries[i] = (struct limine_memmap_entry){0x1000 + i * 0x100, 0x10, 1};
    }
    struct fixture f = make_with(entries, 64, 0, 0);
    assert_int_equal(f.map.count, 127);
    assert_true(f.map.count <= f.map.capacity);
    free(f.storage);
}

static void bad_storage_is_refused(void **unused)
{
    (void)unused;
    struct memory_map map;
    uint64_t storage[100];
    const struct limine_memmap_entry entries[] = {{0x100000, 0x1000, 0}};
    uint64_t needed = memory_map_storage_bytes(1, 0);
    assert_true(needed <= sizeof(storage));
    assert_int_equal(memory_map_init(&map, entries, 1, 0, storage, needed - 1), NEO_ERR_LIMIT);
    assert_int_equal(map.count, 0);
    assert_int_equal(memory_map_init(&map, entries, 1, 0, NULL, needed), NEO_ERR_INVALID);
    assert_int_equal(memory_map_init(&map, entries, 1, 0, (uint8_t *)storage + 4, needed), NEO_ERR_INVALID);
    assert_int_equal(memory_map_init(&map, entries, 1, 0x800, storage, needed), NEO_ERR_INVALID);
    const struct limine_memmap_entry wrong[] = {{0x100000, 0x1001, 0}};
    assert_int_equal(memory_map_init(&map, wrong, 1, 0, storage, needed), NEO_ERR_CORRUPT);
    assert_int_equal(map.count, 0);
    assert_true(memory_map_verify(&map));
    assert_int_equal(memory_map_storage_bytes(UINT64_MAX, 0), 0);
    assert_int_equal(memory_map_storage_bytes(UINT64_MAX, 1), 0);
    assert_int_equal(memory_map_storage_bytes(1ull << 62, 0), 0);
}

static void storage_is_found_at_the_top_of_the_largest_run(void **unused)
{
    (void)unused;
    const struct limine_memmap_entry map[] = {
        {0x1000, 0x9f000, 0}, {0x100000, 0x4000, 0}, {0x200000, 0x90000, 5}, {0x300000, 0x8000, 0}};
    uint64_t base = 1;
    assert_true(memory_map_find_storage(map, 4, 0x1001, 0, &base));
    assert_int_equal(base, 0x306000);
    assert_true(memory_map_find_storage(map, 4, 0x8000, 0, &base));
    assert_int_equal(base, 0x300000);
    assert_false(memory_map_find_storage(map, 4, 0x8001, 0, &base));
    assert_false(memory_map_find_storage(map, 4, 0, 0, &base));
    assert_false(memory_map_find_storage(map, 1, 1, 0, &base));
    assert_false(memory_map_find_storage(NULL, 0, 1, 0, &base));
    assert_false(memory_map_find_storage(map, 4, UINT64_MAX, 0, &base));
    /* A limit cuts runs and excludes them. */
    assert_true(memory_map_find_storage(map, 4, 0x1000, 0x303fff, &base));
    assert_int_equal(base, 0x103000);
    assert_true(memory_map_find_storage(map, 4, 0x5000, 0x306000, &base));
    assert_int_equal(base, 0x301000);
    /* A run that reaches into the first MiB counts only above it. */
    const struct limine_memmap_entry across[] = {{0x10000, 0xf2000, 0}};
    assert_true(memory_map_find_storage(across, 1, 0x2000, 0, &base));
    assert_int_equal(base, 0x100000);
    assert_false(memory_map_find_storage(across, 1, 0x2001, 0, &base));
}

/* ---- reading -------------------------------------------------------------------------------------- */

static void look_ups_answer(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x1000, 0x1000, 0}, {0x2000, 0x800, 1}, {0x3000, 0x1000, 5},
                                         {0x4000, 0x1000, 0}, {0xfffffffffffff000, 0x1000, 1}),
                                 0, 0);
    const struct memory_map *map = &f.map;
    assert_null(memory_map_find(map, 0));
    assert_null(memory_map_find(map, 0xfff));
    assert_ptr_equal(memory_map_find(map, 0x1000), &map->regions[0]);
    assert_ptr_equal(memory_map_find(map, 0x1fff), &map->regions[0]);
    assert_ptr_equal(memory_map_find(map, 0x27ff), &map->regions[1]);
    assert_null(memory_map_find(map, 0x2800));
    assert_ptr_equal(memory_map_find(map, UINT64_MAX), &map->regions[4]);
    const unsigned ram = MEMORY_KIND_BIT(MEMORY_USABLE) | MEMORY_KIND_BIT(MEMORY_BOOTLOADER_RECLAIMABLE);
    assert_true(memory_map_covers(map, 0x3000, 0x2000, ram));
    assert_true(memory_map_covers(map, 0x3fff, 2, ram));
    assert_true(memory_map_covers(map, 0x1000, 0x1800, MEMORY_KINDS_ALL));
    assert_true(memory_map_covers(map, UINT64_MAX, 1, MEMORY_KINDS_ALL));
    assert_false(memory_map_covers(map, UINT64_MAX, 2, MEMORY_KINDS_ALL));
    assert_false(memory_map_covers(map, 0x3000, 0, ram));
    assert_false(memory_map_covers(map, 0x3000, 0x2001, ram));
    assert_false(memory_map_covers(map, 0x1000, 0x1001, ram));
    assert_false(memory_map_covers(map, 0x1000, 0x2001, MEMORY_KINDS_ALL));
    assert_false(memory_map_covers(map, 0x800, 0x10, MEMORY_KINDS_ALL));
    assert_int_equal(memory_map_total(map, MEMORY_USABLE), 0x2000);
    assert_int_equal(memory_map_total(map, MEMORY_BAD), 0);
    uint64_t totals[MEMORY_KIND_COUNT];
    memory_map_totals(map, totals);
    assert_int_equal(totals[MEMORY_RESERVED], 0x1800);
    assert_int_equal(totals[MEMORY_LOW], 0);
    assert_int_equal(memory_map_end(map, ram), 0x5000);
    assert_int_equal(memory_map_end(map, MEMORY_KINDS_ALL), UINT64_MAX);
    assert_int_equal(memory_map_end(map, MEMORY_KIND_BIT(MEMORY_BAD)), 0);
    unsigned seen = 0;
    for (const struct memory_region *r = memory_map_next(map, ram, NULL); r != NULL; r = memory_map_next(map, ram, r)) {
        seen = seen * 10 + (unsigned)(r - map->regions);
    }
    assert_int_equal(seen, 23); /* regions 0, 2, 3 */
    assert_null(memory_map_next(map, 0, NULL));
    free(f.storage);
}

static void broken_maps_do_not_verify(void **unused)
{
    (void)unused;
    struct memory_region regions[2];
    struct memory_map map = {.regions = regions, .count = 2, .capacity = 2, .low_limit = MEMORY_MAP_LOW_LIMIT};
    static const struct memory_region sane[2] = {{0x100000, 0x1000, MEMORY_USABLE}, {0x101000, 0x10, MEMORY_RESERVED}};
    static const struct {
        unsigned index;
        struct memory_region region;
    } broken[] = {
        {0, {0x100000, 0, MEMORY_USABLE}},       {0, {0x100000, 0x1800, MEMORY_USABLE}},
        {0, {0x100800, 0x800, MEMORY_LOW}},      {0, {0x100000, 0x1000, MEMORY_KIND_COUNT}},
        {0, {0x100000, 0x2000, MEMORY_USABLE}},  {0, {0xff000, 0x2000, MEMORY_USABLE}},
        {0, {0x102000, 0x1000, MEMORY_USABLE}},  {0, {0x100fff, 1, MEMORY_RESERVED}},
        {1, {0x101000, 0x1000, MEMORY_USABLE}},  {1, {0x101000, UINT64_MAX, MEMORY_RESERVED}},
        {1, {0x102000, 0x1800, MEMORY_MANAGER}},
    };
    memcpy(regions, sane, sizeof(sane));
    assert_true(memory_map_verify(&map));
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        memcpy(regions, sane, sizeof(sane));
        regions[broken[i].index] = broken[i].region;
        assert_false(memory_map_verify(&map));
    }
    memcpy(regions, sane, sizeof(sane));
    map.capacity = 1;
    assert_false(memory_map_verify(&map));
    map.capacity = 2;
    map.published_count = 3;
    assert_false(memory_map_verify(&map));
}

static void kinds_have_names(void **unused)
{
    (void)unused;
    for (uint64_t a = 0; a < MEMORY_KIND_COUNT; a++) {
        for (uint64_t b = 0; b < a; b++) {
            assert_string_not_equal(memory_kind_name(a), memory_kind_name(b));
        }
    }
    assert_string_equal(memory_kind_name(MEMORY_KIND_COUNT), "unknown");
    assert_string_equal(memory_kind_name(UINT64_MAX), "unknown");
    assert_int_equal(limine_memmap_strictness(9), limine_memmap_strictness(LIMINE_MEMMAP_RESERVED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_maps_pass),
        cmocka_unit_test(each_broken_rule_is_found),
        cmocka_unit_test(overlaps_are_found_across_entries),
        cmocka_unit_test(entries_become_regions),
        cmocka_unit_test(low_memory_is_withheld),
        cmocka_unit_test(overlaps_of_reserved_types_are_resolved),
        cmocka_unit_test(storage_suffices_for_the_worst_maps),
        cmocka_unit_test(bad_storage_is_refused),
        cmocka_unit_test(storage_is_found_at_the_top_of_the_largest_run),
        cmocka_unit_test(look_ups_answer),
        cmocka_unit_test(broken_maps_do_not_verify),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
