/* model_page_table.c — random map, unmap and protect against a sorted list of ranges.
 *
 *     model_page_table [operations [seed]]
 *
 * Checked after every operation: the status, translations at and around both ends and in the middle, the size of the first
 * leaf of a new mapping, the number of tables. A small translation cache is filled before and has to be right
 * after what was flushed is removed from it: a missing flush is a stale entry. Now and then the whole tree is
 * walked: exactly the ranges, no empty table. Tables are refused at random; refused operations must change nothing. Tables
 * come filled with garbage and are garbage once freed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <neomem/page_table.h>

#include "tests/support/mm_fixture.h"
#include "tests/support/model_require.h"

#define RANGES_MAX 400u
#define TABLES_MAX 6000u
#define TABLES_BASE MIB(16)
#define PHYS_BITS 46u
#define CACHED 12u

struct range {
    virt_addr_t va;
    uint64_t nbytes;
    phys_addr_t pa;
    enum vm_rights rights;
    enum vm_memory_type type;
};

static struct {
    struct range ranges[RANGES_MAX]; /* ascending, disjoint */
    unsigned count;
} model;

/* Where things are mapped: low, around 2^47 from below, start of the upper half, its end. 12 GiB each. */
#define WINDOW_BYTES GIB(12)
static const virt_addr_t windows[] = {0, (1ull << 47) - GIB(12), ~0ull << 47, 0ull - GIB(12)};

static struct page_space space;
static struct arch_paging_features features;
/* ---- tables that can be refused ----------------------------------------------------------------------------------- */

static struct {
    phys_addr_t free[TABLES_MAX];
    unsigned free_count;
    unsigned refuse_after; /* UINT_MAX: never */
    bool refuse_for_ever;
    bool refused;
    unsigned freed_before_flush; /* of this operation */
} source;

static phys_addr_t alloc_table(void *context)
{
    (void)context;
    if (source.refuse_after == 0 || source.free_count == 0) {
        source.refuse_after = source.refuse_for_ever ? 0 : UINT32_MAX;
        source.refused = true;
        return UINT64_MAX;
    }
    source.refuse_after -= source.refuse_after != UINT32_MAX;
    phys_addr_t table = source.free[--source.free_count];
    memset(phys_to_virt(table), 0xa5, PAGE_SIZE);
    return table;
}

static void free_table(void *context, phys_addr_t table)
{
    (void)context;
    require(is_aligned(table, PAGE_SIZE) && table - TABLES_BASE < TABLES_MAX * PAGE_SIZE, "a table freed that is none");
    memset(phys_to_virt(table), 0x5b, PAGE_SIZE);
    require(source.free_count < TABLES_MAX, "tables freed twice");
    source.free[source.free_count++] = table;
    source.freed_before_flush += hosted_tlb()->page_flushes + hosted_tlb()->full_flushes == 0;
}

static const struct page_table_source table_source = {.alloc = alloc_table, .free = free_table};

static void source_reset(void)
{
    source.free_count = 0;
    for (uint64_t i = 0; i < TABLES_MAX; i++) {
        source.free[source.free_count++] = TABLES_BASE + i * PAGE_SIZE;
    }
    source.refuse_after = UINT32_MAX;
}

/* ---- the reference ------------------------------------------------------------------------------------------------ */

static const struct range *model_find(virt_addr_t va)
{
    unsigned low = 0;
    unsigned high = model.count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (model.ranges[middle].va <= va) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct range *range = low == 0 ? NULL : &model.ranges[low - 1];
    return range != NULL && va - range->va < range->nbytes ? range : NULL;
}

static bool model_overlaps(virt_addr_t va, uint64_t nbytes)
{
    for (unsigned i = 0; i < model.count; i++) {
        const struct range *range = &model.ranges[i];
        if (range->va <= va + (nbytes - 1) && va <= range->va + (range->nbytes - 1)) {
            return true;
        }
    }
    return false;
}

static bool model_covers(virt_addr_t va, uint64_t nbytes)
{
    while (nbytes != 0) {
        const struct range *range = model_find(va);
        if (range == NULL) {
            return false;
        }
        uint64_t step = min_u64(nbytes, range->nbytes - (va - range->va));
        va += step;
        nbytes -= step;
    }
    return true;
}

static void model_insert(struct range range)
{
    unsigned at = 0;
    while (at < model.count && model.ranges[at].va < range.va) {
        at++;
    }
    memmove(&model.ranges[at + 1], &model.ranges[at], (model.count - at) * sizeof(range));
    model.ranges[at] = range;
    model.count++;
}

/* Make va a border between ranges. */
static void model_cut(virt_addr_t va)
{
    for (unsigned i = 0; i < model.count; i++) {
        struct range *range = &model.ranges[i];
        uint64_t head = va - range->va;
        if (head != 0 && head < range->nbytes) {
            struct range tail = *range;
            range->nbytes = head;
            tail.va += head;
            tail.pa += head;
            tail.nbytes -= head;
            model_insert(tail);
            return;
        }
    }
}

static void model_change(virt_addr_t va, uint64_t nbytes, bool removes, enum vm_rights rights)
{
    model_cut(va);
    model_cut(va + nbytes);
    unsigned kept = 0;
    for (unsigned i = 0; i < model.count; i++) {
        struct range range = model.ranges[i];
        bool is_inside = range.va - va < nbytes;
        if (is_inside) {
            range.rights = rights;
        }
        if (!is_inside || !removes) {
            model.ranges[kept++] = range;
        }
    }
    model.count = kept;
}

/* ---- comparing ----------------------------------------------------------------------------------------------------- */

static bool matches(const struct vm_mapping *mapping, const struct range *range, virt_addr_t va)
{
    enum vm_memory_type type = range->type;
    if (type == VM_WRITE_COMBINING && !features.write_combining) {
        type = VM_UNCACHED;
    }
    return mapping->pa + (va - mapping->va) == range->pa + (va - range->va) &&
           mapping->writable == (range->rights == VM_READ_WRITE) &&
           mapping->executable == (range->rights == VM_READ_EXECUTE || !features.no_execute) && !mapping->user &&
           mapping->type == type && mapping->global == features.global;
}

static void compare_at(virt_addr_t va)
{
    struct vm_mapping mapping;
    const struct range *range = model_find(va);
    bool is_mapped = page_query(space.root, va, &mapping);
    require(is_mapped == (range != NULL), "page_query: mapped or not");
    require(range == NULL || matches(&mapping, range, va), "page_query: what is mapped");
}

struct walk {
    uint64_t nbytes;
    virt_addr_t next;
    bool any;
};

static bool compare_leaf(void *context, const struct vm_mapping *mapping)
{
    struct walk *walk = context;
    require(!walk->any || mapping->va >= walk->next, "page_for_each: order");
    require(mapping->nbytes != PAGE_SIZE_1G || features.pages_1g, "a 1 GiB leaf that the CPU does not have");
    const struct range *first = model_find(mapping->va);
    const struct range *last = model_find(mapping->va + (mapping->nbytes - 1));
    require(first != NULL && matches(mapping, first, mapping->va), "page_for_each: first byte");
    require(last != NULL && matches(mapping, last, mapping->va + (mapping->nbytes - 1)), "page_for_each: last byte");
    walk->any = true;
    walk->next = mapping->va + mapping->nbytes;
    walk->nbytes += mapping->nbytes;
    return true;
}

static void require_no_empty_table(phys_addr_t table, unsigned level)
{
    unsigned live = 0;
    for (unsigned i = 0; i < PTE_ENTRIES; i++) {
        pte_t entry = ((const pte_t *)phys_to_virt(table))[i];
        live += pte_is_present(entry);
        if (pte_is_present(entry) && !pte_is_leaf(entry, level)) {
            require_no_empty_table(pte_table_address(entry), level - 1);
        }
    }
    require(live != 0 || level == PTE_LEVEL_512G, "an empty table");
}

static void compare_tree(void)
{
    struct walk walk = {0};
    require(page_for_each(space.root, compare_leaf, &walk), "page_for_each stopped");
    uint64_t nbytes = 0;
    for (unsigned i = 0; i < model.count; i++) {
        nbytes += model.ranges[i].nbytes;
    }
    require(walk.nbytes == nbytes, "bytes mapped");
    require(page_count_tables(space.root) == space.tables, "tables in the tree");
    require_no_empty_table(space.root, PTE_LEVEL_512G);
}

/* ---- a translation cache that only forgets what is flushed ------------------------------------------------------------ */

static struct {
    struct vm_mapping entries[CACHED];
    unsigned count;
} cache;

static void cache_fill(virt_addr_t va, uint64_t nbytes)
{
    cache.count = 0;
    for (unsigned i = 0; i < CACHED; i++) {
        virt_addr_t at = i == 0 ? va : i == 1 ? va + (nbytes - 1) : va - nbytes + test_random_below(3 * nbytes);
        struct vm_mapping mapping;
        if (page_query(space.root, at, &mapping)) {
            cache.entries[cache.count++] = mapping;
        }
    }
    hosted_tlb_clear();
    source.freed_before_flush = 0;
    source.refused = false;
}

static bool is_same(const struct vm_mapping *a, const struct vm_mapping *b)
{
    return a->va == b->va && a->pa == b->pa && a->nbytes == b->nbytes && a->writable == b->writable &&
           a->executable == b->executable && a->user == b->user && a->pat_index == b->pat_index;
}

static void cache_compare(enum neo_status status)
{
    const struct hosted_tlb_record *record = hosted_tlb();
    require(record->page_flushes <= HOSTED_TLB_PAGES, "more single flushes than sensible");
    require(status != NEO_OK || source.freed_before_flush == 0, "a table was freed before the flush");
    for (unsigned i = 0; i < cache.count && record->full_flushes == 0; i++) {
        const struct vm_mapping *cached = &cache.entries[i];
        bool is_flushed = false;
        for (uint64_t flush = 0; flush < record->page_flushes; flush++) {
            is_flushed = is_flushed || record->pages[flush] - cached->va < cached->nbytes;
        }
        struct vm_mapping now;
        bool is_stale = !page_query(space.root, cached->va, &now) || !is_same(&now, cached);
        require(is_flushed || !is_stale, "a stale translation was not flushed");
    }
}

/* ---- operations -------------------------------------------------------------------------------------------------------- */

static void pick_range(virt_addr_t *va, uint64_t *nbytes)
{
    virt_addr_t window = windows[test_random_below(4)];
    uint64_t unit = chance(55) ? PAGE_SIZE : chance(75) ? PAGE_SIZE_2M : PAGE_SIZE_1G;
    uint64_t count = unit == PAGE_SIZE ? 1 + test_random_below(40) : 1 + test_random_below(3);
    uint64_t offset = test_random_below(WINDOW_BYTES / unit) * unit;
    *nbytes = count * unit;
    if (model.count != 0 && chance(60)) {
        /* Near, in or across what is there. */
        const struct range *near = &model.ranges[test_random_below(model.count)];
        offset = near->va - window + test_random_below(near->nbytes / PAGE_SIZE + 1) * (chance(30) ? 0 : PAGE_SIZE);
        window = near->va - (near->va - window);
        *nbytes = chance(30) ? near->nbytes : *nbytes;
    }
    if (chance(20)) {
        *nbytes += test_random_below(5) * PAGE_SIZE;
    }
    *va = window + offset;
}

/* A range that page_map and its relatives refuse before they look at the tables. */
static bool is_refused(virt_addr_t va, uint64_t nbytes)
{
    virt_addr_t last = va + (nbytes - 1);
    return last < va || !pte_va_is_canonical(va) || !pte_va_is_canonical(last) || (va ^ last) >> 63 != 0;
}

static uint64_t expected_leaf(virt_addr_t va, phys_addr_t pa, uint64_t nbytes)
{
    uint64_t size = features.pages_1g ? PAGE_SIZE_1G : PAGE_SIZE_2M;
    while (!is_aligned(va | pa, size) || nbytes < size) {
        size /= 512;
    }
    return size;
}

static void do_map(virt_addr_t va, uint64_t nbytes)
{
    uint64_t congruence = nbytes > 4 * PAGE_SIZE_2M || chance(60) ? PAGE_SIZE_1G
                          : chance(50)                            ? PAGE_SIZE_2M
                                                                  : PAGE_SIZE;
    phys_addr_t pa = test_random_below((1ull << PHYS_BITS) / congruence - 8) * congruence + va % congruence;
    enum vm_rights rights = (enum vm_rights)test_random_below(3);
    enum vm_memory_type type = (enum vm_memory_type)test_random_below(4);
    cache_fill(va, nbytes);
    enum neo_status status = page_map(&space, va, pa, nbytes, rights, type);
    cache_compare(status);
    if (is_refused(va, nbytes)) {
        require(status == NEO_ERR_RANGE, "page_map: a range that cannot be");
    } else if (model_overlaps(va, nbytes)) {
        require(status == NEO_ERR_EXISTS, "page_map over something");
    } else if (status != NEO_OK) {
        require(status == NEO_ERR_NO_MEMORY && source.refused, "page_map");
    } else {
        struct vm_mapping first;
        require(page_query(space.root, va, &first) && first.va == va, "page_map: first leaf");
        require(first.nbytes == expected_leaf(va, pa, nbytes), "page_map: leaf size");
        model_insert((struct range){va, nbytes, pa, rights, type});
    }
}

static void do_change(virt_addr_t va, uint64_t nbytes, bool removes)
{
    enum vm_rights rights = (enum vm_rights)test_random_below(3);
    cache_fill(va, nbytes);
    enum neo_status status = removes ? page_unmap(&space, va, nbytes) : page_protect(&space, va, nbytes, rights);
    cache_compare(status);
    if (is_refused(va, nbytes)) {
        require(status == NEO_ERR_RANGE, "a range that cannot be");
    } else if (!model_covers(va, nbytes)) {
        require(status == NEO_ERR_NOT_FOUND, "something that is not mapped");
    } else if (status != NEO_OK) {
        require(status == NEO_ERR_NO_MEMORY && source.refused, "page_unmap or page_protect");
    } else {
        model_change(va, nbytes, removes, rights);
    }
}

static void one_operation(void)
{
    virt_addr_t va;
    uint64_t nbytes;
    pick_range(&va, &nbytes);
    source.refuse_after = chance(10) ? (unsigned)test_random_below(4) : UINT32_MAX;
    source.refuse_for_ever = chance(50);
    unsigned what = (unsigned)test_random_below(100);
    /* A cut adds two ranges at most. */
    bool has_room = model.count + 4 < RANGES_MAX && (operation / 3000) % 2 == 0;
    if (what < (has_room ? 55u : 20u) && model.count + 4 < RANGES_MAX) {
        do_map(va, nbytes);
    } else if (what < 75 && model.count + 4 < RANGES_MAX) {
        do_change(va, nbytes, false);
    } else {
        if (model.count + 4 >= RANGES_MAX) {
            va = model.ranges[what].va;
            nbytes = model.ranges[what].nbytes;
        }
        do_change(va, nbytes, true);
    }
    source.refuse_after = UINT32_MAX;
    compare_at(va);
    compare_at(va - 1);
    compare_at(va + nbytes / 2);
    compare_at(va + nbytes - 1);
    compare_at(va + nbytes);
    require(space.tables + source.free_count == TABLES_MAX, "tables leaked or lost");
}

static void start_machine(void)
{
    features = (struct arch_paging_features){chance(80), chance(70), chance(80), chance(80), PHYS_BITS};
    hosted_set_paging_features(&features);
    model.count = 0;
    source_reset();
    require(page_space_init(&space, &table_source) == NEO_OK, "page_space_init");
}

int main(int argc, char **argv)
{
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    test_random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    printf("model_page_table: %llu operations, seed %llu\n", (unsigned long long)operations, (unsigned long long)seed);
    struct limine_memmap_entry tables = USABLE(TABLES_BASE, TABLES_MAX * PAGE_SIZE);
    mm_fixture_arena(&tables, 1);
    start_machine();
    for (operation = 0; operation < operations; operation++) {
        one_operation();
        if (operation % 2000 == 0) {
            compare_tree();
        }
        if (operation % 30000 == 29999) {
            compare_tree();
            page_space_destroy(&space);
            require(source.free_count == TABLES_MAX, "page_space_destroy left tables");
            start_machine();
        }
    }
    compare_tree();
    printf("ok\n");
    return 0;
}
