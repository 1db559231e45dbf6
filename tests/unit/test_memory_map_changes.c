/* test_memory_map_changes.c — claims, publishing and the reclaim of loader memory. Pictures as in test_memory_map.c. */
#include "tests/support/map_fixture.h"

#include <neomem/memory.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_split_and_join),
        cmocka_unit_test(wrong_claims_change_nothing),
        cmocka_unit_test(publishing_shows_usable_memory),
        cmocka_unit_test(reclaiming_makes_loader_memory_usable),
        cmocka_unit_test(reclaimed_low_memory_is_withheld),
        cmocka_unit_test(memory_in_use_is_left_out),
        cmocka_unit_test(refused_runs_stay_reclaimable),
        cmocka_unit_test(impossible_reclaims_change_nothing),
        cmocka_unit_test(reclaiming_fills_the_storage_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
