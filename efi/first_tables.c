/* first_tables.c — building the kernel's first page tables; see first_tables.h.
 * Source: Intel SDM vol. 3A 4.5 (4-level paging), 12.12 (PAT). */
#include "first_tables.h"

#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE (1ull << 1)
#define PTE_WRITE_THROUGH (1ull << 3)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY (1ull << 6)
#define PTE_LARGE (1ull << 7)  /* in levels 2 and 3 */
#define PTE_PAT_4K (1ull << 7) /* in level 1 */
#define PTE_NO_EXECUTE (1ull << 63)
#define PTE_ADDRESS 0x000FFFFFFFFFF000ull

#define LEVEL_ROOT 4u
#define TABLE_ENTRIES 512u

/* Bytes that one entry of a level maps. */
static uint64_t entry_bytes(unsigned level)
{
    return 1ull << (PAGE_SHIFT + 9 * (level - 1));
}

static unsigned index_in(unsigned level, virt_addr_t va)
{
    return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) % TABLE_ENTRIES;
}

/* Tables under construction, or only counted (access == NULL). */
struct builder {
    const struct first_tables_plan *plan;
    phys_addr_t root;
    struct first_tables_pool *pool;
    first_tables_access access;
    void *context;
    uint64_t counted;
    /* Counting: the last region for which a table of each level was counted, by virtual number; ranges come in
     * ascending order within each part of the address space, so a new number is a new table. */
    uint64_t last_region[LEVEL_ROOT];
    bool is_out_of_tables;
};

#define NO_REGION UINT64_MAX

/* The table of `level` that maps va, below `parent`, made when there is none. */
static phys_addr_t enter_table(struct builder *builder, phys_addr_t parent, unsigned level, virt_addr_t va)
{
    uint64_t *entry;
    phys_addr_t table;

    if (builder->access == NULL) {
        uint64_t region = va / entry_bytes(level + 1);
        if (builder->last_region[level] != region) {
            builder->last_region[level] = region;
            builder->counted++;
        }
        return 0;
    }
    entry = &builder->access(builder->context, parent)[index_in(level + 1, va)];
    if ((*entry & PTE_PRESENT) != 0) {
        return *entry & PTE_ADDRESS;
    }
    if (builder->pool->used == builder->pool->count) {
        builder->is_out_of_tables = true;
        return 0;
    }
    table = builder->pool->base + (builder->pool->used++ << PAGE_SHIFT);
    *entry = table | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED; /* rights are decided by the leaves */
    return table;
}

/* Map one leaf of `leaf_level` and say how many bytes that was. */
static void map_leaf(struct builder *builder, virt_addr_t va, phys_addr_t pa, unsigned leaf_level, uint64_t flags)
{
    phys_addr_t table = builder->root;

    for (unsigned level = LEVEL_ROOT - 1; level >= leaf_level; level--) {
        table = enter_table(builder, table, level, va);
        if (builder->is_out_of_tables) {
            return;
        }
    }
    if (builder->access != NULL) {
        builder->access(builder->context, table)[index_in(leaf_level, va)] =
            pa | flags | (leaf_level > 1 ? PTE_LARGE : 0);
    }
}

/* Largest leaf with which a range may start. */
static unsigned level_that_fits(const struct builder *builder, virt_addr_t va, phys_addr_t pa, uint64_t nbytes,
                                unsigned level_max)
{
    unsigned level = level_max;

    if (level == 3 && !builder->plan->has_pages_1g) {
        level = 2;
    }
    while (level > 1 && (!is_aligned(va | pa, entry_bytes(level)) || nbytes < entry_bytes(level))) {
        level--;
    }
    return level;
}

static void map_range(struct builder *builder, virt_addr_t va, phys_addr_t pa, uint64_t nbytes, uint64_t flags,
                      unsigned level_max)
{
    if (!builder->plan->has_no_execute) {
        flags &= ~PTE_NO_EXECUTE;
    }
    /* Accessed and dirty from the start: the CPU then never writes to these tables by itself. */
    flags |= PTE_PRESENT | PTE_ACCESSED | ((flags & PTE_WRITE) != 0 ? PTE_DIRTY : 0);
    while (nbytes > 0 && !builder->is_out_of_tables) {
        unsigned level = level_that_fits(builder, va, pa, nbytes, level_max);
        map_leaf(builder, va, pa, level, flags);
        va += entry_bytes(level);
        pa += entry_bytes(level);
        nbytes -= entry_bytes(level);
    }
}

/* ---- the three parts ------------------------------------------------------------------------------------- */

/* How the HHDM maps a type. Return: false when it does not. */
static bool hhdm_rights(uint64_t type, uint64_t *flags, unsigned *level_max)
{
    *level_max = 3;
    *flags = PTE_NO_EXECUTE;
    switch (type) {
    case LIMINE_MEMMAP_USABLE:
    case LIMINE_MEMMAP_ACPI_RECLAIMABLE:
    case LIMINE_MEMMAP_ACPI_NVS:
    case LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE:
        *flags |= PTE_WRITE;
        return true;
    case LIMINE_MEMMAP_EXECUTABLE_AND_MODULES:
        return true;
    case LIMINE_MEMMAP_FRAMEBUFFER:
        /* PAT entry 5. Small pages: a large one may straddle MTRRs of different types (SDM vol. 3A 12.11.9). */
        *flags |= PTE_WRITE | PTE_PAT_4K | PTE_WRITE_THROUGH;
        *level_max = 1;
        return true;
    default:
        return false;
    }
}

static uint64_t page_end(const struct limine_memmap_entry *entry)
{
    return align_up(entry->base + entry->length, PAGE_SIZE);
}

/* Whole pages with equal rights. */
struct range {
    phys_addr_t base, end;
    uint64_t flags;
    unsigned level_max;
};

/* The next range, from entry *index on and not below floor. Return: false when there is none. */
static bool next_range(const struct first_tables_plan *plan, uint64_t *index, phys_addr_t floor, struct range *range)
{
    bool has_range = false;

    for (; *index < plan->entry_count; ++*index) {
        const struct limine_memmap_entry *entry = &plan->entries[*index];
        phys_addr_t from = max_u64(align_down(entry->base, PAGE_SIZE), floor);
        uint64_t flags;
        unsigned level_max;

        if (!hhdm_rights(entry->type, &flags, &level_max) || page_end(entry) <= from) {
            continue;
        }
        if (has_range && (from > range->end || flags != range->flags)) {
            break;
        }
        if (!has_range) {
            *range = (struct range){.base = from, .flags = flags, .level_max = level_max};
            has_range = true;
        }
        range->end = page_end(entry);
        floor = range->end;
    }
    return has_range;
}

static void map_hhdm(struct builder *builder)
{
    const struct first_tables_plan *plan = builder->plan;
    struct range range = {0};
    uint64_t index = 0;

    while (!builder->is_out_of_tables && next_range(plan, &index, range.end, &range)) {
        map_range(builder, plan->hhdm_base + range.base, range.base, range.end - range.base, range.flags,
                  range.level_max);
    }
}

static void map_kernel(struct builder *builder)
{
    const struct first_tables_plan *plan = builder->plan;

    for (unsigned i = 0; i < plan->kernel->segment_count; i++) {
        const struct kernel_segment *segment = &plan->kernel->segments[i];
        uint64_t flags = (segment->is_writable ? PTE_WRITE : 0) | (segment->is_executable ? 0 : PTE_NO_EXECUTE);
        map_range(builder, plan->kernel_virt_base + segment->offset, plan->kernel_phys_base + segment->offset,
                  segment->memory_bytes, flags, 1);
    }
}

static void map_identity(struct builder *builder)
{
    phys_addr_t code = builder->plan->identity_code;
    phys_addr_t data = builder->plan->identity_data;

    /* Ascending, as counting needs it. */
    if (code < data) {
        map_range(builder, code, code, PAGE_SIZE, 0, 1);
    }
    map_range(builder, data, data, PAGE_SIZE, PTE_NO_EXECUTE, 1);
    if (code > data) {
        map_range(builder, code, code, PAGE_SIZE, 0, 1);
    }
}

static void map_all(struct builder *builder)
{
    for (unsigned level = 0; level < LEVEL_ROOT; level++) {
        builder->last_region[level] = NO_REGION;
    }
    map_identity(builder);
    map_hhdm(builder);
    map_kernel(builder);
}

uint64_t first_tables_count(const struct first_tables_plan *plan)
{
    struct builder builder = {.plan = plan};

    map_all(&builder);
    return builder.counted;
}

bool first_tables_build(const struct first_tables_plan *plan, phys_addr_t root, struct first_tables_pool *pool,
                        first_tables_access access, void *context)
{
    struct builder builder = {.plan = plan, .root = root, .pool = pool, .access = access, .context = context};

    map_all(&builder);
    return !builder.is_out_of_tables;
}

phys_addr_t first_tables_top(const struct limine_memmap_entry *entries, uint64_t count)
{
    phys_addr_t top = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t flags;
        unsigned level_max;
        if (hhdm_rights(entries[i].type, &flags, &level_max)) {
            top = max_u64(top, page_end(&entries[i]));
        }
    }
    return top;
}
