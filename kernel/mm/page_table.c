/* page_table.c — editing one tree of 4-level page tables, all or nothing.
 *
 * Every edit has two walks over the same entries. The plan writes nothing: it finds what forbids the edit and counts the
 * tables that are missing (map) or that cutting large leaves needs (unmap, protect). Then that many tables are taken, and
 * the commit, which cannot fail, uses up exactly those.
 *
 *   unmap [a, b) of a 1 GiB leaf:     |------------------- 1 GiB -------------------|
 *                                     |2M|2M|..|4K 4K|    gone    |4K..4K|2M|....|2M|   3 tables: 1 + one each end
 *
 * Invariants: no table below the root is empty; an entry that points to a table has write and no NX, so that leaves
 * decide; a leaf at level 3 only where the CPU has 1 GiB pages.
 * Order that the CPU needs: a cut leaf is replaced by an equal table in one store and flushed before any of its pages
 * changes (never two sizes with different rights); a cleared entry is flushed before the tables that led to it are freed.
 * A dead table's first word links to the next one meanwhile: a frame address, so its present bit is 0.
 * Source: Intel SDM vol. 3A 4.10.2 to 4.10.4 (what INVLPG removes, when stale entries are harmless).
 *
 * Recursion is bounded by the four levels. Locking: the caller's. Cost: O(entries in the range); unmap looks for the first
 * live entry of a table it emptied in part. */

#include <neomem/page_table.h>

#include <neomem/arch.h>
#include <neomem/memory.h>
#include <neomem/string.h>

#define NO_TABLE UINT64_MAX

/* More single flushes than this cost more than flushing everything. */
#define FLUSH_PAGES_MAX 32u

struct edit {
    struct page_space *space;
    struct pte_features features;
    unsigned max_leaf_level;
    enum vm_rights rights;
    enum vm_memory_type type;
    bool unmaps;       /* cut: clear the leaves instead of changing their rights */
    phys_addr_t spare; /* tables taken for this edit, linked through their first word */
    phys_addr_t dead;  /* tables to free after the flush, linked the same way */
    unsigned flush_count;
    virt_addr_t flush[FLUSH_PAGES_MAX];
};

static pte_t *table_at(phys_addr_t pa)
{
    return phys_to_virt(pa);
}

static void write_entry(pte_t *slot, pte_t entry)
{
    /* Release: the table that an entry points to is filled in before the CPU can walk to it. */
    __atomic_store_n(&slot->v, entry.v, __ATOMIC_RELEASE);
}

/* ---- spare and dead tables -------------------------------------------------------------------------- */

static void push_table(phys_addr_t *list, phys_addr_t table)
{
    write_entry(table_at(table), (pte_t){*list == NO_TABLE ? 0 : *list | PTE_PAGE_SIZE});
    *list = table;
}

static phys_addr_t pop_table(phys_addr_t *list)
{
    phys_addr_t table = *list;
    uint64_t link = table_at(table)->v;
    *list = link == 0 ? NO_TABLE : link & PTE_ADDRESS_MASK;
    return table;
}

static void free_tables(struct page_space *space, phys_addr_t list)
{
    while (list != NO_TABLE) {
        space->source->free(space->source->context, pop_table(&list));
        space->tables--;
    }
}

static enum neo_status take_tables(struct edit *edit, uint64_t count)
{
    struct page_space *space = edit->space;
    for (uint64_t i = 0; i < count; i++) {
        phys_addr_t table = space->source->alloc(space->source->context);
        if (table == NO_TABLE) {
            free_tables(space, edit->spare);
            return NEO_ERR_NO_MEMORY;
        }
        space->tables++;
        push_table(&edit->spare, table);
    }
    return NEO_OK;
}

static struct edit edit_begin(struct page_space *space)
{
    const struct arch_paging_features *cpu = arch_paging_features();
    return (struct edit){
        .space = space,
        .features = {cpu->no_execute, cpu->global, cpu->write_combining},
        .max_leaf_level = cpu->pages_1g ? PTE_LEVEL_1G : PTE_LEVEL_2M,
        .spare = NO_TABLE,
        .dead = NO_TABLE,
    };
}

/* ---- flushing ---------------------------------------------------------------------------------------- */

static void flush_later(struct edit *edit, virt_addr_t va)
{
    if (edit->flush_count < FLUSH_PAGES_MAX) {
        edit->flush[edit->flush_count] = va;
    }
    edit->flush_count++;
}

static void edit_finish(struct edit *edit)
{
    if (edit->flush_count > FLUSH_PAGES_MAX) {
        arch_tlb_flush_all();
    } else {
        for (unsigned i = 0; i < edit->flush_count; i++) {
            arch_tlb_flush_page(edit->flush[i]);
        }
    }
    free_tables(edit->space, edit->dead);
}

/* ---- ranges ------------------------------------------------------------------------------------------ */

static enum neo_status check_range(virt_addr_t va, uint64_t nbytes)
{
    if (nbytes == 0 || !is_aligned(va | nbytes, PAGE_SIZE)) {
        return NEO_ERR_INVALID;
    }
    virt_addr_t last;
    if (__builtin_add_overflow(va, nbytes - 1, &last) || !pte_va_is_canonical(va) || !pte_va_is_canonical(last) ||
        (va ^ last) >> 63 != 0) {
        return NEO_ERR_RANGE;
    }
    return NEO_OK;
}

static enum neo_status check_physical(phys_addr_t pa, uint64_t nbytes)
{
    uint64_t limit = 1ull << arch_paging_features()->phys_bits;
    if (!is_aligned(pa, PAGE_SIZE)) {
        return NEO_ERR_INVALID;
    }
    return pa >= limit || nbytes > limit - pa ? NEO_ERR_RANGE : NEO_OK;
}

/* Last byte of [va, last] that the entry for va of a table of this level maps. */
static virt_addr_t entry_end(virt_addr_t va, virt_addr_t last, unsigned level)
{
    return min_u64(last, va | (pte_level_bytes(level) - 1));
}

static bool covers_entry(virt_addr_t va, virt_addr_t last, unsigned level)
{
    uint64_t mask = pte_level_bytes(level) - 1;
    return (va & mask) == 0 && (last & mask) == mask;
}

/* ---- map --------------------------------------------------------------------------------------------- */

static bool fits_leaf(const struct edit *edit, unsigned level, virt_addr_t va, virt_addr_t last, phys_addr_t pa)
{
    return level <= edit->max_leaf_level && covers_entry(va, last, level) && is_aligned(pa, pte_level_bytes(level));
}

/* table: NULL for one that the commit will add. */
static enum neo_status plan_map(const struct edit *edit, unsigned level, const pte_t *table, virt_addr_t va,
                                virt_addr_t last, phys_addr_t pa, uint64_t *tables)
{
    for (;;) {
        virt_addr_t end = entry_end(va, last, level);
        pte_t entry = {0};
        if (table != NULL) {
            entry = table[pte_index(va, level)];
        }
        bool becomes_leaf = fits_leaf(edit, level, va, end, pa);
        if (pte_is_present(entry) && (becomes_leaf || pte_is_leaf(entry, level))) {
            return NEO_ERR_EXISTS;
        }
        if (!becomes_leaf) {
            const pte_t *child = pte_is_present(entry) ? table_at(pte_table_address(entry)) : NULL;
            *tables += child == NULL;
            /* A new table of 4 KiB leaves needs no others. */
            if (child != NULL || level - 1 > PTE_LEVEL_4K) {
                enum neo_status status = plan_map(edit, level - 1, child, va, end, pa, tables);
                if (status != NEO_OK) {
                    return status;
                }
            }
        }
        if (end == last) {
            return NEO_OK;
        }
        pa += end - va + 1;
        va = end + 1;
    }
}

static void commit_map(struct edit *edit, unsigned level, pte_t *table, virt_addr_t va, virt_addr_t last,
                       phys_addr_t pa)
{
    for (;;) {
        virt_addr_t end = entry_end(va, last, level);
        pte_t *slot = &table[pte_index(va, level)];
        if (fits_leaf(edit, level, va, end, pa)) {
            write_entry(slot, pte_make_leaf(pa, level, edit->rights, edit->type, edit->features));
        } else {
            if (!pte_is_present(*slot)) {
                phys_addr_t child = pop_table(&edit->spare);
                neo_memset(table_at(child), 0, PAGE_SIZE);
                write_entry(slot, pte_make_table(child));
            }
            commit_map(edit, level - 1, table_at(pte_table_address(*slot)), va, end, pa);
        }
        if (end == last) {
            return;
        }
        pa += end - va + 1;
        va = end + 1;
    }
}

enum neo_status page_map(struct page_space *space, virt_addr_t va, phys_addr_t pa, uint64_t nbytes,
                         enum vm_rights rights, enum vm_memory_type type)
{
    enum neo_status status = check_range(va, nbytes);
    if (status == NEO_OK) {
        status = check_physical(pa, nbytes);
    }
    if (status != NEO_OK) {
        return status;
    }
    struct edit edit = edit_begin(space);
    edit.rights = rights;
    edit.type = type;
    uint64_t tables = 0;
    virt_addr_t last = va + nbytes - 1;
    status = plan_map(&edit, PTE_LEVEL_512G, table_at(space->root), va, last, pa, &tables);
    if (status == NEO_OK) {
        status = take_tables(&edit, tables);
    }
    if (status == NEO_OK) {
        /* No flush: the CPU does not remember that something was not present. */
        commit_map(&edit, PTE_LEVEL_512G, table_at(space->root), va, last, pa);
    }
    return status;
}

/* ---- unmap and protect: cut a range out of what is mapped ---------------------------------------------- */

/* Tables needed so that [va, last], inside one leaf of this level, consists of whole leaves. */
static uint64_t cut_cost(unsigned level, virt_addr_t va, virt_addr_t last)
{
    if (covers_entry(va, last, level)) {
        return 0;
    }
    unsigned below = level - 1;
    virt_addr_t end = entry_end(va, last, below);
    uint64_t cost = 1 + cut_cost(below, va, end);
    return end == last ? cost : cost + cut_cost(below, align_down(last, pte_level_bytes(below)), last);
}

static enum neo_status plan_cut(unsigned level, const pte_t *table, virt_addr_t va, virt_addr_t last, uint64_t *tables)
{
    for (;;) {
        virt_addr_t end = entry_end(va, last, level);
        pte_t entry = table[pte_index(va, level)];
        enum neo_status status = NEO_OK;
        if (!pte_is_present(entry)) {
            status = NEO_ERR_NOT_FOUND;
        } else if (pte_is_leaf(entry, level)) {
            *tables += cut_cost(level, va, end);
        } else {
            status = plan_cut(level - 1, table_at(pte_table_address(entry)), va, end, tables);
        }
        if (status != NEO_OK || end == last) {
            return status;
        }
        va = end + 1;
    }
}

static void split_leaf(struct edit *edit, pte_t *slot, unsigned level, virt_addr_t va)
{
    pte_t leaf = *slot;
    phys_addr_t child = pop_table(&edit->spare);
    pte_t *entries = table_at(child);
    for (unsigned i = 0; i < PTE_ENTRIES; i++) {
        entries[i] = pte_split_child(leaf, level, i);
    }
    write_entry(slot, (pte_t){pte_make_table(child).v | (leaf.v & PTE_USER)});
    arch_tlb_flush_page(va);
}

static bool table_is_empty(const pte_t *table)
{
    unsigned i = 0;
    while (i < PTE_ENTRIES && !pte_is_present(table[i])) {
        i++;
    }
    return i == PTE_ENTRIES;
}

static void commit_cut(struct edit *edit, unsigned level, pte_t *table, virt_addr_t va, virt_addr_t last)
{
    for (;;) {
        virt_addr_t end = entry_end(va, last, level);
        pte_t *slot = &table[pte_index(va, level)];
        if (pte_is_leaf(*slot, level) && !covers_entry(va, end, level)) {
            split_leaf(edit, slot, level, va);
        }
        if (pte_is_leaf(*slot, level)) {
            pte_t changed = pte_with_rights(*slot, edit->rights, edit->features);
            write_entry(slot, (pte_t){edit->unmaps ? 0 : changed.v});
            flush_later(edit, va);
        } else {
            phys_addr_t child = pte_table_address(*slot);
            commit_cut(edit, level - 1, table_at(child), va, end);
            if (edit->unmaps && (covers_entry(va, end, level) || table_is_empty(table_at(child)))) {
                write_entry(slot, (pte_t){0});
                push_table(&edit->dead, child);
            }
        }
        if (end == last) {
            return;
        }
        va = end + 1;
    }
}

static enum neo_status cut(struct edit *edit, virt_addr_t va, uint64_t nbytes)
{
    enum neo_status status = check_range(va, nbytes);
    if (status != NEO_OK) {
        return status;
    }
    uint64_t tables = 0;
    virt_addr_t last = va + nbytes - 1;
    pte_t *root = table_at(edit->space->root);
    status = plan_cut(PTE_LEVEL_512G, root, va, last, &tables);
    if (status == NEO_OK) {
        status = take_tables(edit, tables);
    }
    if (status == NEO_OK) {
        commit_cut(edit, PTE_LEVEL_512G, root, va, last);
        edit_finish(edit);
    }
    return status;
}

enum neo_status page_unmap(struct page_space *space, virt_addr_t va, uint64_t nbytes)
{
    struct edit edit = edit_begin(space);
    edit.unmaps = true;
    return cut(&edit, va, nbytes);
}

enum neo_status page_protect(struct page_space *space, virt_addr_t va, uint64_t nbytes, enum vm_rights rights)
{
    struct edit edit = edit_begin(space);
    edit.rights = rights;
    return cut(&edit, va, nbytes);
}

/* ---- spaces ------------------------------------------------------------------------------------------ */

enum neo_status page_space_init(struct page_space *space, const struct page_table_source *source)
{
    phys_addr_t root = source->alloc(source->context);
    if (root == NO_TABLE) {
        return NEO_ERR_NO_MEMORY;
    }
    neo_memset(table_at(root), 0, PAGE_SIZE);
    *space = (struct page_space){.root = root, .tables = 1, .source = source};
    return NEO_OK;
}

static void collect_tables(phys_addr_t *list, unsigned level, phys_addr_t table)
{
    for (unsigned i = 0; level > PTE_LEVEL_4K && i < PTE_ENTRIES; i++) {
        pte_t entry = table_at(table)[i];
        if (pte_is_present(entry) && !pte_is_leaf(entry, level)) {
            collect_tables(list, level - 1, pte_table_address(entry));
        }
    }
    push_table(list, table);
}

void page_space_destroy(struct page_space *space)
{
    phys_addr_t list = NO_TABLE;
    collect_tables(&list, PTE_LEVEL_512G, space->root);
    free_tables(space, list);
    space->root = 0;
}
