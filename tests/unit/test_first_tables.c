/* test_first_tables.c — the kernel's first page tables, walked by an independent reader and compared with a naive model:
 * every byte that shall be mapped is, with the right rights and type, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "efi/first_tables.h"
#include "tests/unit/test_random_source.h"

#define ROOT 0x7000ull
#define POOL 0x123450000ull
#define HHDM (0xFFFF800000000000ull + GIB(77))
#define KERNEL_PHYS 0x5555000ull
#define KERNEL_VIRT 0xFFFFFFFF80123000ull
#define CODE 0x90000ull
#define DATA 0x3FFFF000ull
#define WC_PTE 0x88u /* PAT and PWT: PAT entry 5 */

/* Table memory at invented physical addresses. */
struct arena {
    uint64_t root[512];
    uint64_t *pool;
    uint64_t pool_count;
};

static uint64_t *arena_access(void *context, phys_addr_t table)
{
    struct arena *arena = context;

    if (table == ROOT) {
        return arena->root;
    }
    assert_true(table >= POOL && is_aligned(table, PAGE_SIZE));
    assert_true((table - POOL) >> PAGE_SHIFT < arena->pool_count);
    return arena->pool + (table - POOL) / 8;
}

/* What one walk of the whole tree finds. */
struct leaf {
    virt_addr_t va;
    phys_addr_t pa;
    uint64_t nbytes;
    uint64_t flags; /* everything of the entry but the address */
};
struct walk {
    struct leaf *leaves;
    size_t count, capacity;
    uint64_t tables;
};

static void add_leaf(struct walk *walk, virt_addr_t va, uint64_t entry, unsigned level)
{
    uint64_t nbytes = 1ull << (12 + 9 * (level - 1));
    uint64_t pa = entry & 0x000FFFFFFFFFF000ull & ~(nbytes - 1);

    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity * 2 + 64;
        walk->leaves = realloc(walk->leaves, walk->capacity * sizeof *walk->leaves);
    }
    walk->leaves[walk->count++] = (struct leaf){va, pa, nbytes, entry ^ pa};
}

static void walk_table(struct walk *walk, struct arena *arena, phys_addr_t table, unsigned level, virt_addr_t base)
{
    const uint64_t *entries = arena_access(arena, table);

    for (uint64_t i = 0; i < 512; i++) {
        virt_addr_t va = base | i << (12 + 9 * (level - 1));
        if ((entries[i] & 1) == 0) {
            assert_true(entries[i] == 0);
            continue;
        }
        if (level == 4 && i >= 256) {
            va |= 0xFFFF000000000000ull;
        }
        if (level == 1 || (level < 4 && (entries[i] & 0x80) != 0)) {
            add_leaf(walk, va, entries[i], level);
        } else {
            walk->tables++;
            walk_table(walk, arena, entries[i] & 0x000FFFFFFFFFF000ull, level - 1, va);
        }
    }
}

static struct kernel_image kernel = {
    .memory_bytes = 0x203000,
    .segments = {{.offset = 0, .memory_bytes = 0x2000, .is_executable = true},
                 {.offset = 0x2000, .memory_bytes = 0x1000},
                 {.offset = 0x4000, .memory_bytes = 0x1FF000, .is_writable = true}},
    .segment_count = 3,
};

static struct first_tables_plan plan_for(const struct limine_memmap_entry *entries, uint64_t count)
{
    return (struct first_tables_plan){.has_no_execute = true,
                                      .has_pages_1g = true,
                                      .hhdm_base = HHDM,
                                      .entries = entries,
                                      .entry_count = count,
                                      .kernel = &kernel,
                                      .kernel_phys_base = KERNEL_PHYS,
                                      .kernel_virt_base = KERNEL_VIRT,
                                      .identity_code = CODE,
                                      .identity_data = DATA};
}

/* Build with exactly as many tables as were counted, check that one less fails, and walk. */
static struct walk build_and_walk(const struct first_tables_plan *plan)
{
    static struct arena arena;
    uint64_t count = first_tables_count(plan);
    struct first_tables_pool pool = {.base = POOL, .count = count - 1};
    struct walk walk = {0};

    arena.pool_count = count;
    arena.pool = calloc(count, PAGE_SIZE);
    memset(arena.root, 0, sizeof arena.root);
    assert_false(first_tables_build(plan, ROOT, &pool, arena_access, &arena));
    memset(arena.pool, 0, count * PAGE_SIZE);
    memset(arena.root, 0, sizeof arena.root);
    pool = (struct first_tables_pool){.base = POOL, .count = count};
    assert_true(first_tables_build(plan, ROOT, &pool, arena_access, &arena));
    assert_int_equal(pool.used, count);
    walk_table(&walk, &arena, ROOT, 4, 0);
    assert_int_equal(walk.tables, count);
    free(arena.pool);
    return walk;
}

/* Flags of a leaf, with the large bit and the PAT bit brought to where a 4 KiB page has them. */
static uint64_t plain_flags(const struct leaf *leaf)
{
    uint64_t flags = leaf->flags;

    if (leaf->nbytes != PAGE_SIZE) {
        assert_true((flags & 0x80) != 0);
        flags &= ~0x80ull;
        flags = (flags & ~0x1000ull) | (flags & 0x1000) >> 5;
    }
    return flags;
}

#define READ_ONLY 0x21u  /* present, accessed */
#define READ_WRITE 0x63u /* and writable, dirty */
#define NO_EXECUTE (1ull << 63)

static bool is_mapped(uint64_t type)
{
    return type != LIMINE_MEMMAP_RESERVED && type != LIMINE_MEMMAP_BAD_MEMORY && type < LIMINE_MEMMAP_TYPE_COUNT;
}

static uint64_t expected_flags(uint64_t type)
{
    return NO_EXECUTE | (type == LIMINE_MEMMAP_EXECUTABLE_AND_MODULES ? READ_ONLY : READ_WRITE) |
           (type == LIMINE_MEMMAP_FRAMEBUFFER ? WC_PTE : 0);
}

/* The model: the first entry in order that touches the page and is of a mapped type decides it. */
static const struct limine_memmap_entry *entry_of_page(const struct first_tables_plan *plan, phys_addr_t page)
{
    for (uint64_t i = 0; i < plan->entry_count; i++) {
        const struct limine_memmap_entry *entry = &plan->entries[i];
        if (is_mapped(entry->type) && entry->length > 0 && entry->base < page + PAGE_SIZE &&
            entry->base + entry->length > page) {
            return entry;
        }
    }
    return NULL;
}

static void check_hhdm_leaf(const struct first_tables_plan *plan, const struct leaf *leaf)
{
    /* Rights can only change where an entry begins or ends: checking there and at the ends checks every page. */
    phys_addr_t page = leaf->pa;

    assert_true(leaf->va - plan->hhdm_base == leaf->pa);
    while (page < leaf->pa + leaf->nbytes) {
        const struct limine_memmap_entry *entry = entry_of_page(plan, page);
        phys_addr_t end;
        assert_non_null(entry);
        assert_true(plain_flags(leaf) == expected_flags(entry->type));
        if (entry->type == LIMINE_MEMMAP_FRAMEBUFFER) {
            assert_int_equal(leaf->nbytes, PAGE_SIZE);
        }
        end = align_down(entry->base + entry->length, PAGE_SIZE);
        page = end > page ? end : page + PAGE_SIZE;
    }
}

static uint64_t expected_hhdm_bytes(const struct first_tables_plan *plan)
{
    uint64_t total = 0;
    phys_addr_t covered = 0;

    for (uint64_t i = 0; i < plan->entry_count; i++) {
        const struct limine_memmap_entry *entry = &plan->entries[i];
        phys_addr_t from = max_u64(align_down(entry->base, PAGE_SIZE), covered);
        phys_addr_t end = align_up(entry->base + entry->length, PAGE_SIZE);
        if (is_mapped(entry->type) && end > from) {
            total += end - from;
            covered = end;
        }
    }
    return total;
}

static void check_kernel_leaf(const struct leaf *leaf)
{
    uint64_t offset = leaf->va - KERNEL_VIRT;

    assert_int_equal(leaf->nbytes, PAGE_SIZE);
    assert_true(leaf->pa == KERNEL_PHYS + offset);
    if (offset < 0x2000) {
        assert_true(leaf->flags == READ_ONLY);
    } else if (offset < 0x3000) {
        assert_true(leaf->flags == (READ_ONLY | NO_EXECUTE));
    } else {
        assert_true(offset >= 0x4000 && offset < 0x203000);
        assert_true(leaf->flags == (READ_WRITE | NO_EXECUTE));
    }
}

static void check_all(const struct first_tables_plan *plan)
{
    struct walk walk = build_and_walk(plan);
    uint64_t hhdm = 0;
    uint64_t kernel_bytes = 0;
    unsigned identity = 0;

    for (size_t i = 0; i < walk.count; i++) {
        const struct leaf *leaf = &walk.leaves[i];
        if (leaf->va >= 0xFFFFFFFF80000000ull) {
            check_kernel_leaf(leaf);
            kernel_bytes += leaf->nbytes;
        } else if (leaf->va >= 0xFFFF800000000000ull) {
            check_hhdm_leaf(plan, leaf);
            hhdm += leaf->nbytes;
        } else {
            assert_true(leaf->va == leaf->pa && leaf->nbytes == PAGE_SIZE);
            assert_true((leaf->pa == plan->identity_code && leaf->flags == READ_ONLY) ||
                        (leaf->pa == plan->identity_data && leaf->flags == (READ_ONLY | NO_EXECUTE)));
            identity++;
        }
    }
    assert_int_equal(identity, 2);
    assert_int_equal(kernel_bytes, 0x202000);
    assert_true(hhdm == expected_hhdm_bytes(plan));
    free(walk.leaves);
}

static size_t leaves_of_size(const struct first_tables_plan *plan, uint64_t nbytes)
{
    struct walk walk = build_and_walk(plan);
    size_t count = 0;

    for (size_t i = 0; i < walk.count; i++) {
        bool is_hhdm = walk.leaves[i].va >= HHDM && walk.leaves[i].va < 0xFFFFC00000000000ull;
        count += is_hhdm && walk.leaves[i].nbytes == nbytes;
    }
    free(walk.leaves);
    return count;
}

static void test_every_type(void **state)
{
    (void)state;
    struct limine_memmap_entry entries[LIMINE_MEMMAP_TYPE_COUNT + 1];

    for (uint64_t type = 0; type <= LIMINE_MEMMAP_TYPE_COUNT; type++) {
        entries[type] = (struct limine_memmap_entry){type * 0x10000, 0x3000, type};
    }
    struct first_tables_plan plan = plan_for(entries, LIMINE_MEMMAP_TYPE_COUNT + 1);
    check_all(&plan);
}

static void test_empty_map(void **state)
{
    (void)state;
    struct first_tables_plan plan = plan_for(NULL, 0);
    check_all(&plan);
}

static void test_largest_pages(void **state)
{
    (void)state;
    /* 4 KiB up to 2 MiB, 2 MiB up to 1 GiB, one of 1 GiB, and down again. */
    struct limine_memmap_entry entry = {PAGE_SIZE_1G - PAGE_SIZE_2M - PAGE_SIZE,
                                        PAGE_SIZE + PAGE_SIZE_2M + PAGE_SIZE_1G + 2 * PAGE_SIZE_2M + 3 * PAGE_SIZE,
                                        LIMINE_MEMMAP_USABLE};
    struct first_tables_plan plan = plan_for(&entry, 1);

    check_all(&plan);
    assert_int_equal(leaves_of_size(&plan, PAGE_SIZE), 4);
    assert_int_equal(leaves_of_size(&plan, PAGE_SIZE_2M), 3);
    assert_int_equal(leaves_of_size(&plan, PAGE_SIZE_1G), 1);
    plan.has_pages_1g = false;
    check_all(&plan);
    assert_int_equal(leaves_of_size(&plan, PAGE_SIZE_2M), 3 + 512);
    assert_int_equal(leaves_of_size(&plan, PAGE_SIZE_1G), 0);
}

/* Neighbours with equal rights are one range: pages grow across the border, and carving changes nothing. */
static void test_neighbours_are_merged(void **state)
{
    (void)state;
    struct limine_memmap_entry whole[] = {{0, PAGE_SIZE_1G, LIMINE_MEMMAP_USABLE}};
    struct limine_memmap_entry carved[] = {{0, 0x5000, LIMINE_MEMMAP_USABLE},
                                           {0x5000, 0x7000, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE},
                                           {0xC000, PAGE_SIZE_1G - 0xC000, LIMINE_MEMMAP_ACPI_NVS}};
    struct first_tables_plan plan = plan_for(whole, 1);
    uint64_t count = first_tables_count(&plan);

    plan = plan_for(carved, 3);
    check_all(&plan);
    assert_int_equal(first_tables_count(&plan), count);
    assert_int_equal(leaves_of_size(&plan, PAGE_SIZE_1G), 1);
}

static void test_entries_that_share_a_page(void **state)
{
    (void)state;
    struct limine_memmap_entry entries[] = {{0x10000, 0x1010, LIMINE_MEMMAP_ACPI_NVS},
                                            {0x11010, 0x20, LIMINE_MEMMAP_RESERVED},
                                            {0x11030, 0x5000, LIMINE_MEMMAP_FRAMEBUFFER},
                                            {0x16030, 0x10, LIMINE_MEMMAP_EXECUTABLE_AND_MODULES},
                                            {0x16050, 0x10, LIMINE_MEMMAP_ACPI_RECLAIMABLE}};
    struct first_tables_plan plan = plan_for(entries, 5);
    check_all(&plan);
}

/* Types other than usable and reclaimable may overlap by the protocol. */
static void test_entries_that_overlap(void **state)
{
    (void)state;
    struct limine_memmap_entry entries[] = {{0x10000, 0x8000, LIMINE_MEMMAP_ACPI_NVS},
                                            {0x12000, 0x2000, LIMINE_MEMMAP_FRAMEBUFFER},
                                            {0x14000, 0x8000, LIMINE_MEMMAP_EXECUTABLE_AND_MODULES}};
    struct first_tables_plan plan = plan_for(entries, 3);
    check_all(&plan);
}

static void test_without_no_execute(void **state)
{
    (void)state;
    struct limine_memmap_entry entry = {0, 0x2000, LIMINE_MEMMAP_USABLE};
    struct first_tables_plan plan = plan_for(&entry, 1);
    struct walk walk;

    plan.has_no_execute = false; /* the bit is reserved then: set, every access would fault */
    walk = build_and_walk(&plan);
    for (size_t i = 0; i < walk.count; i++) {
        assert_true((walk.leaves[i].flags & NO_EXECUTE) == 0);
    }
    free(walk.leaves);
}

static void test_identity_pages_in_any_order(void **state)
{
    (void)state;
    static const phys_addr_t pairs[][2] = {
        {0x1000, 0x2000}, {0x2000, 0x1000}, {0xFFFFF000, 0}, {0, 0xFFFFF000}, {0x40000000, 0x3FFFF000},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct first_tables_plan plan = plan_for(NULL, 0);
        plan.identity_code = pairs[i][0];
        plan.identity_data = pairs[i][1];
        check_all(&plan);
    }
}

static void test_top(void **state)
{
    (void)state;
    struct limine_memmap_entry entries[] = {{0, 0x5000, LIMINE_MEMMAP_USABLE},
                                            {0x9000, 0x10, LIMINE_MEMMAP_ACPI_NVS},
                                            {GIB(100), GIB(1), LIMINE_MEMMAP_RESERVED},
                                            {GIB(200), GIB(1), LIMINE_MEMMAP_BAD_MEMORY}};
    assert_true(first_tables_top(entries, 4) == 0xA000);
    assert_true(first_tables_top(entries, 0) == 0);
    entries[3].type = LIMINE_MEMMAP_FRAMEBUFFER;
    assert_true(first_tables_top(entries, 4) == GIB(201));
}

/* Ascending, disjoint entries of random types and sizes; usable and reclaimable ones on whole pages. */
static uint64_t random_map(struct limine_memmap_entry *entries, uint64_t count)
{
    static const uint64_t scales[] = {0x10, PAGE_SIZE, 16 * PAGE_SIZE, PAGE_SIZE_2M, 16 * PAGE_SIZE_2M, PAGE_SIZE_1G};
    phys_addr_t at = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t type = test_random_below(LIMINE_MEMMAP_TYPE_COUNT);
        uint64_t length = 1 + test_random_below(scales[test_random_below(type == LIMINE_MEMMAP_FRAMEBUFFER ? 4 : 6)]);

        if (test_random_below(3) == 0) {
            at += test_random_below(scales[test_random_below(6)]);
        }
        if (type == LIMINE_MEMMAP_USABLE || type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE) {
            at = align_up(at, PAGE_SIZE);
            length = align_up(length, PAGE_SIZE);
        }
        if (test_random_below(4) == 0) {
            at = align_up(at, scales[3]);
            length = align_up(length, scales[3]);
        }
        entries[i] = (struct limine_memmap_entry){at, length, type};
        at += length;
    }
    return count;
}

static void test_random_maps(void **state)
{
    (void)state;
    struct limine_memmap_entry entries[40];

    for (unsigned round = 0; round < 300; round++) {
        struct first_tables_plan plan = plan_for(entries, random_map(entries, 1 + test_random_below(40)));
        plan.has_pages_1g = round % 3 != 0;
        plan.hhdm_base = 0xFFFF800000000000ull + GIB(test_random_below(1000));
        check_all(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_empty_map),
        cmocka_unit_test(test_largest_pages),
        cmocka_unit_test(test_neighbours_are_merged),
        cmocka_unit_test(test_entries_that_share_a_page),
        cmocka_unit_test(test_entries_that_overlap),
        cmocka_unit_test(test_without_no_execute),
        cmocka_unit_test(test_identity_pages_in_any_order),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_random_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
