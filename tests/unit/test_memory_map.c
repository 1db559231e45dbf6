/* test_memory_map.c — the protocol checker and the kernel's own map. In pictures one column is one frame, digits are
 * kinds (0 usable, 1 reserved, 3 NVS, 4 bad, 5 reclaimable, L low, M manager). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>

#define ENTRIES(...) \
    (const struct limine_memmap_entry[]){__VA_ARGS__}, \
        sizeof((const struct limine_memmap_entry[]){__VA_ARGS__}) / sizeof(struct limine_memmap_entry)
#define REGIONS(...) \
    (const struct memory_region[]){__VA_ARGS__}, \
        sizeof((const struct memory_region[]){__VA_ARGS__}) / sizeof(struct memory_region)

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

struct fixture {
    struct memory_map map;
    void *storage;
};

static struct fixture make_with(const struct limine_memmap_entry *entries, size_t count, uint64_t changes,
                                phys_addr_t low_limit)
{
    struct fixture f;
    uint64_t nbytes = memory_map_storage_bytes(count, changes);
    f.storage = malloc(nbytes);
    memset(f.storage, 0xa5, nbytes);
    assert_int_equal(memory_map_init(&f.map, entries, count, low_limit, f.storage, nbytes), NEO_OK);
    assert_true(memory_map_verify(&f.map));
    return f;
}

static void expect_regions(const struct memory_map *map, const struct memory_region *want, size_t count)
{
    assert_true(memory_map_verify(map));
    bool same = map->count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = memcmp(&map->regions[i], &want[i], sizeof(want[i])) == 0;
    }
    for (uint64_t i = 0; !same && i < map->count; i++) {
        print_error("  %#14llx + %#12llx %s\n", (unsigned long long)map->regions[i].base,
                    (unsigned long long)map->regions[i].length, memory_kind_name(map->regions[i].kind));
    }
    assert_true(same);
}

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

/* ---- changing ------------------------------------------------------------------------------------- */

/*   00000000  →  00MM0000        and back together when claimed back */
static void claims_split_and_join(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x100000, 0x8000, 0}, {0x108000, 0x1000, 1}), 2, 0);
    assert_int_equal(memory_map_claim(&f.map, 0x102000, 0x2000, MEMORY_USABLE, MEMORY_MANAGER), NEO_OK);
    expect_regions(&f.map, REGIONS({0x100000, 0x2000, 0}, {0x102000, 0x2000, MEMORY_MANAGER}, {0x104000, 0x4000, 0},
                                   {0x108000, 0x1000, 1}));
    /* At the front and at the end of a region; joined with what touches. */
    assert_int_equal(memory_map_claim(&f.map, 0x104000, 0x1000, MEMORY_USABLE, MEMORY_MANAGER), NEO_OK);
    assert_int_equal(memory_map_claim(&f.map, 0x101000, 0x1000, MEMORY_USABLE, MEMORY_MANAGER), NEO_OK);
    assert_int_equal(memory_map_claim(&f.map, 0x106000, 0x2000, MEMORY_USABLE, MEMORY_RESERVED), NEO_OK);
    expect_regions(&f.map, REGIONS({0x100000, 0x1000, 0}, {0x101000, 0x4000, MEMORY_MANAGER}, {0x105000, 0x1000, 0},
                                   {0x106000, 0x3000, 1}));
    assert_int_equal(memory_map_claim(&f.map, 0x101000, 0x4000, MEMORY_MANAGER, MEMORY_USABLE), NEO_OK);
    expect_regions(&f.map, REGIONS({0x100000, 0x6000, 0}, {0x106000, 0x3000, 1}));
    free(f.storage);
}

static void wrong_claims_change_nothing(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x100000, 0x4000, 0}, {0x104000, 0x4000, 5}), 0, 0);
    struct memory_map *map = &f.map;
    assert_int_equal(memory_map_claim(map, 0x101000, 0, MEMORY_USABLE, MEMORY_MANAGER), NEO_ERR_INVALID);
    assert_int_equal(memory_map_claim(map, 0x101800, 0x1000, MEMORY_USABLE, MEMORY_MANAGER), NEO_ERR_INVALID);
    assert_int_equal(memory_map_claim(map, 0x101000, 0x800, MEMORY_USABLE, MEMORY_MANAGER), NEO_ERR_INVALID);
    assert_int_equal(memory_map_claim(map, 0x101000, 0x1000, MEMORY_USABLE, MEMORY_KIND_COUNT), NEO_ERR_INVALID);
    assert_int_equal(memory_map_claim(map, 0x101000, 0x1000, MEMORY_RESERVED, MEMORY_MANAGER), NEO_ERR_NOT_FOUND);
    assert_int_equal(memory_map_claim(map, 0x103000, 0x2000, MEMORY_USABLE, MEMORY_MANAGER), NEO_ERR_NOT_FOUND);
    assert_int_equal(memory_map_claim(map, 0x101000, ~0xfffull, MEMORY_USABLE, MEMORY_MANAGER), NEO_ERR_NOT_FOUND);
    assert_int_equal(memory_map_claim(map, 0xff000, 0x1000, MEMORY_USABLE, MEMORY_MANAGER), NEO_ERR_NOT_FOUND);
    assert_int_equal(memory_map_claim(map, 0x108000, 0x1000, MEMORY_USABLE, MEMORY_MANAGER), NEO_ERR_NOT_FOUND);
    expect_regions(map, REGIONS({0x100000, 0x4000, 0}, {0x104000, 0x4000, 5}));
    /* Room for 6 regions: the third split is one too many. */
    assert_int_equal(map->capacity, 6);
    assert_int_equal(memory_map_claim(map, 0x101000, 0x1000, MEMORY_USABLE, MEMORY_MANAGER), NEO_OK);
    assert_int_equal(memory_map_claim(map, 0x105000, 0x1000, MEMORY_BOOTLOADER_RECLAIMABLE, MEMORY_MANAGER), NEO_OK);
    assert_int_equal(memory_map_claim(map, 0x102000, 0x1000, MEMORY_USABLE, MEMORY_RESERVED), NEO_ERR_LIMIT);
    expect_regions(map, REGIONS({0x100000, 0x1000, 0}, {0x101000, 0x1000, MEMORY_MANAGER}, {0x102000, 0x2000, 0},
                                {0x104000, 0x1000, 5}, {0x105000, 0x1000, MEMORY_MANAGER}, {0x106000, 0x2000, 5}));
    free(f.storage);
}

static void publishing_shows_usable_memory(void **unused)
{
    (void)unused;
    struct fixture f =
        make_with(ENTRIES({0x1000, 0x1000, 0}, {0x100000, 0x4000, 0}, {0x104000, 0x4000, 5}, {0x200000, 0x1000, 0}), 1,
                  MEMORY_MAP_LOW_LIMIT);
    memory_map_publish(&f.map);
    assert_ptr_equal(memory_map_kernel(), &f.map);
    assert_int_equal(availableMemoryRegionsCount, 2);
    assert_int_equal(availableMemoryRegions[0].base, 0x100000);
    assert_int_equal(availableMemoryRegions[0].length, 0x4000);
    assert_int_equal(availableMemoryRegions[0].type, LIMINE_MEMMAP_USABLE);
    assert_int_equal(availableMemoryRegions[1].base, 0x200000);
    assert_int_equal(memory_map_claim(&f.map, 0x101000, 0x1000, MEMORY_USABLE, MEMORY_MANAGER), NEO_OK);
    memory_map_publish(&f.map);
    assert_int_equal(availableMemoryRegionsCount, 3);
    /* Reclaiming the published map publishes it again. */
    assert_int_equal(memory_map_reclaim(&f.map, NULL, 0, NULL, NULL, NULL), NEO_OK);
    assert_int_equal(availableMemoryRegionsCount, 3);
    assert_int_equal(availableMemoryRegions[1].base, 0x102000);
    assert_int_equal(availableMemoryRegions[1].length, 0x6000);
    free(f.storage);
}

/* ---- reclaiming ----------------------------------------------------------------------------------- */

struct taken {
    struct memory_range runs[8];
    uint64_t count;
    uint64_t refuse_from; /* runs from this number on are refused */
};

static bool take_over(void *context, phys_addr_t base, uint64_t length)
{
    struct taken *taken = context;
    if (taken->count >= taken->refuse_from) {
        return false;
    }
    taken->runs[taken->count++] = (struct memory_range){base, length};
    return true;
}

/*   0 55 5 1 555    →    0000 1 000 */
static void reclaiming_makes_loader_memory_usable(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x100000, 0x1000, 0}, {0x101000, 0x2000, 5}, {0x103000, 0x1000, 5},
                                         {0x104000, 0x1000, 1}, {0x105000, 0x3000, 5}, {0x108000, 0x1000, 6}),
                                 0, MEMORY_MAP_LOW_LIMIT);
    struct taken taken = {.refuse_from = 8};
    struct memory_reclaim_report report;
    assert_int_equal(memory_map_reclaim(&f.map, NULL, 0, take_over, &taken, &report), NEO_OK);
    expect_regions(&f.map,
                   REGIONS({0x100000, 0x4000, 0}, {0x104000, 0x1000, 1}, {0x105000, 0x3000, 0}, {0x108000, 0x1000, 6}));
    assert_int_equal(taken.count, 2);
    assert_int_equal(taken.runs[0].base, 0x101000);
    assert_int_equal(taken.runs[0].length, 0x3000);
    assert_int_equal(taken.runs[1].base, 0x105000);
    assert_int_equal(taken.runs[1].length, 0x3000);
    assert_int_equal(report.before[MEMORY_USABLE], 0x1000);
    assert_int_equal(report.before[MEMORY_BOOTLOADER_RECLAIMABLE], 0x6000);
    assert_int_equal(report.after[MEMORY_USABLE], 0x7000);
    assert_int_equal(report.after[MEMORY_BOOTLOADER_RECLAIMABLE], 0);
    assert_int_equal(report.after[MEMORY_RESERVED], 0x1000);
    assert_int_equal(report.to_usable, 0x6000);
    assert_int_equal(report.to_low | report.excluded | report.refused, 0);
    free(f.storage);
}

/*   5555|5555   →   LLLL|0000       low memory is taken off the loader's account but not handed out */
static void reclaimed_low_memory_is_withheld(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x1000, 0x4000, 5}, {0xfe000, 0x4000, 5}), 0, MEMORY_MAP_LOW_LIMIT);
    struct taken taken = {.refuse_from = 8};
    struct memory_reclaim_report report;
    assert_int_equal(memory_map_reclaim(&f.map, NULL, 0, take_over, &taken, &report), NEO_OK);
    expect_regions(&f.map, REGIONS({0x1000, 0x4000, MEMORY_LOW}, {0xfe000, 0x2000, MEMORY_LOW}, {0x100000, 0x2000, 0}));
    assert_int_equal(taken.count, 1);
    assert_int_equal(report.to_low, 0x6000);
    assert_int_equal(report.to_usable, 0x2000);
    free(f.storage);
}

/*   5555555555   with   ..x..xx...   →   0050055000     any order, overlapping, byte ranges grow to frames */
static void memory_in_use_is_left_out(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x100000, 0xa000, 5}, {0x10a000, 0x1000, 0}), 5, MEMORY_MAP_LOW_LIMIT);
    const struct memory_range in_use[] = {
        {0x105fff, 2}, {0x200000, 0x1000}, {0x102800, 0x10}, {0x106000, 0x800}, {0x103000, 0}};
    struct taken taken = {.refuse_from = 8};
    struct memory_reclaim_report report;
    assert_int_equal(memory_map_reclaim(&f.map, in_use, 5, take_over, &taken, &report), NEO_OK);
    expect_regions(&f.map, REGIONS({0x100000, 0x2000, 0}, {0x102000, 0x1000, 5}, {0x103000, 0x2000, 0},
                                   {0x105000, 0x2000, 5}, {0x107000, 0x4000, 0}));
    assert_int_equal(taken.count, 3);
    assert_int_equal(taken.runs[2].base, 0x107000);
    assert_int_equal(taken.runs[2].length, 0x3000);
    assert_int_equal(report.excluded, 0x3000);
    assert_int_equal(report.to_usable, 0x7000);
    /* Later, when the last user is gone. */
    taken.count = 0;
    assert_int_equal(memory_map_reclaim(&f.map, NULL, 0, take_over, &taken, &report), NEO_OK);
    expect_regions(&f.map, REGIONS({0x100000, 0xb000, 0}));
    assert_int_equal(taken.count, 2);
    assert_int_equal(report.to_usable, 0x3000);
    /* And once more: nothing to do. */
    assert_int_equal(memory_map_reclaim(&f.map, NULL, 0, take_over, &taken, &report), NEO_OK);
    assert_int_equal(report.to_usable, 0);
    free(f.storage);
}

/* What the frame allocator cannot manage stays on the loader's account: the map never claims more than there is. */
static void refused_runs_stay_reclaimable(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x100000, 0x2000, 5}, {0x103000, 0x2000, 5}, {0x106000, 0x1000, 5}), 0, 0);
    struct taken taken = {.refuse_from = 1};
    struct memory_reclaim_report report;
    assert_int_equal(memory_map_reclaim(&f.map, NULL, 0, take_over, &taken, &report), NEO_OK);
    expect_regions(&f.map, REGIONS({0x100000, 0x2000, 0}, {0x103000, 0x2000, 5}, {0x106000, 0x1000, 5}));
    assert_int_equal(report.to_usable, 0x2000);
    assert_int_equal(report.refused, 0x3000);
    assert_int_equal(report.after[MEMORY_BOOTLOADER_RECLAIMABLE], 0x3000);
    free(f.storage);
}

static void impossible_reclaims_change_nothing(void **unused)
{
    (void)unused;
    struct fixture f = make_with(ENTRIES({0x100000, 0xa000, 5}), 0, 0);
    const struct memory_range wraps[] = {{0x101000, 0x1000}, {0xfffffffffffff000, 0x1001}};
    struct memory_reclaim_report report = {.to_usable = 7};
    assert_int_equal(memory_map_reclaim(&f.map, wraps, 2, NULL, NULL, &report), NEO_ERR_INVALID);
    const struct memory_range splits[] = {{0x101000, 1}, {0x103000, 1}};
    struct taken taken = {.refuse_from = 8};
    assert_int_equal(memory_map_reclaim(&f.map, splits, 2, take_over, &taken, &report), NEO_ERR_LIMIT);
    assert_int_equal(taken.count, 0);
    assert_int_equal(report.to_usable, 7);
    expect_regions(&f.map, REGIONS({0x100000, 0xa000, 5}));
    /* The storage of one entry holds four regions: one split fits, two do not. */
    assert_int_equal(f.map.capacity, 4);
    assert_int_equal(memory_map_reclaim(&f.map, splits, 1, take_over, &taken, &report), NEO_OK);
    expect_regions(&f.map, REGIONS({0x100000, 0x1000, 0}, {0x101000, 0x1000, 5}, {0x102000, 0x8000, 0}));
    /* Everything is in use, up to the last byte there is. */
    struct fixture g = make_with(ENTRIES({0xffffffffffffe000, 0x2000, 5}), 1, 0);
    const struct memory_range top[] = {{0xfffffffffffff800, 0x800}};
    assert_int_equal(memory_map_reclaim(&g.map, top, 1, NULL, NULL, &report), NEO_OK);
    expect_regions(&g.map, REGIONS({0xffffffffffffe000, 0x1000, 0}, {0xfffffffffffff000, 0x1000, 5}));
    free(f.storage);
    free(g.storage);
}

/* 1,000 exclusions, each of which splits: the writer never overtakes the reader. */
static void reclaiming_fills_the_storage_exactly(void **unused)
{
    (void)unused;
    enum { ENTRIES_MADE = 500, CUTS = 1000 };
    struct limine_memmap_entry *entries = malloc(ENTRIES_MADE * sizeof(*entries));
    struct memory_range *cuts = malloc(CUTS * sizeof(*cuts));
    for (uint64_t i = 0; i < ENTRIES_MADE; i++) {
        entries[i] = (struct limine_memmap_entry){0x100000 + i * 0x10000, 0x8000, 5};
        cuts[2 * i] = (struct memory_range){0x101000 + i * 0x10000, 0x1000};
        cuts[2 * i + 1] = (struct memory_range){0x103000 + i * 0x10000, 0x1000};
    }
    struct fixture f = make_with(entries, ENTRIES_MADE, CUTS, 0);
    struct memory_reclaim_report report;
    assert_int_equal(memory_map_reclaim(&f.map, cuts, CUTS, NULL, NULL, &report), NEO_OK);
    assert_true(memory_map_verify(&f.map));
    assert_int_equal(f.map.count, 5 * ENTRIES_MADE);
    assert_int_equal(report.to_usable, 6ull * ENTRIES_MADE * 0x1000);
    assert_int_equal(report.excluded, 2ull * ENTRIES_MADE * 0x1000);
    free(entries);
    free(cuts);
    free(f.storage);
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
        cmocka_unit_test(claims_split_and_join),
        cmocka_unit_test(wrong_claims_change_nothing),
        cmocka_unit_test(publishing_shows_usable_memory),
        cmocka_unit_test(reclaiming_makes_loader_memory_usable),
        cmocka_unit_test(reclaimed_low_memory_is_withheld),
        cmocka_unit_test(memory_in_use_is_left_out),
        cmocka_unit_test(refused_runs_stay_reclaimable),
        cmocka_unit_test(impossible_reclaims_change_nothing),
        cmocka_unit_test(reclaiming_fills_the_storage_exactly),
        cmocka_unit_test(look_ups_answer),
        cmocka_unit_test(broken_maps_do_not_verify),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
