/* page_table_walk.c — reading trees of 4-level page tables: one address, every leaf, the number of tables.
 *
 * Rights are those that the CPU applies (Intel SDM vol. 3A 4.6): writable and user when every level says so, executable
 * when no level forbids it. Works on any tree that phys_to_virt reaches, also the loader's.
 * Recursion is bounded by the four levels. Locking: the caller's. */

#include <neomem/page_table.h>

#include <neomem/memory.h>

/* Bits of all entries on the way down, combined. */
struct path {
    uint64_t all_of; /* W and U count when set everywhere */
    uint64_t any_of; /* NX counts when set anywhere */
};

static const pte_t *table_at(phys_addr_t pa)
{
    return phys_to_virt(pa);
}

static struct path path_down(struct path path, pte_t entry)
{
    return (struct path){path.all_of & entry.v, path.any_of | entry.v};
}

static struct vm_mapping describe(pte_t leaf, unsigned level, virt_addr_t va, struct path path)
{
    unsigned pat_index = pte_leaf_pat_index(leaf, level);
    return (struct vm_mapping){
        .va = align_down(va, pte_level_bytes(level)),
        .pa = pte_leaf_address(leaf, level),
        .nbytes = pte_level_bytes(level),
        .writable = (path.all_of & PTE_WRITE) != 0,
        .executable = (path.any_of & PTE_NO_EXECUTE) == 0,
        .user = (path.all_of & PTE_USER) != 0,
        .global = (leaf.v & PTE_GLOBAL) != 0,
        .type = pte_memory_type(pat_index),
        .pat_index = (uint8_t)pat_index,
    };
}

bool page_query(phys_addr_t root, virt_addr_t va, struct vm_mapping *out)
{
    if (!pte_va_is_canonical(va)) {
        return false;
    }
    struct path path = {.all_of = ~0ull};
    phys_addr_t table = root;
    for (unsigned level = PTE_LEVEL_512G;; level--) {
        pte_t entry = table_at(table)[pte_index(va, level)];
        if (!pte_is_present(entry)) {
            return false;
        }
        path = path_down(path, entry);
        if (pte_is_leaf(entry, level)) {
            *out = describe(entry, level, va, path);
            return true;
        }
        table = pte_table_address(entry);
    }
}

static bool walk(phys_addr_t table, unsigned level, virt_addr_t va, struct path path, page_visit_fn visit,
                 void *context)
{
    for (unsigned i = 0; i < PTE_ENTRIES; i++) {
        pte_t entry = table_at(table)[i];
        if (!pte_is_present(entry)) {
            continue;
        }
        virt_addr_t here = va + i * pte_level_bytes(level);
        if (level == PTE_LEVEL_512G && i >= PTE_ENTRIES / 2) {
            here |= ~0ull << PTE_VA_BITS;
        }
        struct path below = path_down(path, entry);
        if (pte_is_leaf(entry, level)) {
            struct vm_mapping mapping = describe(entry, level, here, below);
            if (!visit(context, &mapping)) {
                return false;
            }
        } else if (!walk(pte_table_address(entry), level - 1, here, below, visit, context)) {
            return false;
        }
    }
    return true;
}

bool page_for_each(phys_addr_t root, page_visit_fn visit, void *context)
{
    return walk(root, PTE_LEVEL_512G, 0, (struct path){.all_of = ~0ull}, visit, context);
}

static uint64_t count_tables(phys_addr_t table, unsigned level)
{
    uint64_t count = 1;
    for (unsigned i = 0; level > PTE_LEVEL_4K && i < PTE_ENTRIES; i++) {
        pte_t entry = table_at(table)[i];
        if (pte_is_present(entry) && !pte_is_leaf(entry, level)) {
            count += count_tables(pte_table_address(entry), level - 1);
        }
    }
    return count;
}

uint64_t page_count_tables(phys_addr_t root)
{
    return count_tables(root, PTE_LEVEL_512G);
}
