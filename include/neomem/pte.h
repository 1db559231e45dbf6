/* pte.h — the x86-64 page-table entry, 4-level paging, as pure functions.
 *
 *   63 62  59 58 52 51                    12 11 9  8   7    6   5   4    3    2   1   0
 *  +--+------+-----+------------------------+----+---+----+---+---+----+----+---+---+---+
 *  |NX| PKEY |avail| physical address       | av | G |PS/ | D | A |PCD |PWT |U/S|R/W| P |
 *  |  |      |     |                        |    |   |PAT |   |   |    |    |   |   |   |
 *  +--+------+-----+------------------------+----+---+----+---+---+----+----+---+---+---+
 * Bit 7 is PAT in a 4 KiB leaf and PS (1: leaf) at the levels above, where a leaf keeps PAT in bit 12.
 *
 * Memory types go through the PAT in the Limine layout: 0 WB, 1 WT, 2 UC-, 3 UC, 4 WP, 5 WC; index = PAT:PCD:PWT.
 * An entry that points to a table carries write and never NX: the leaf decides. NX is only set where the CPU has it
 * (else it is a reserved bit). Kernel leaves are made with A, and D where writable, so the CPU need not write them.
 * Source: Intel SDM vol. 3A 4.5 (tables 4-15 to 4-20), 4.9.2, 11.12.
 *
 * Depends on: types.h. Used by: page_table.c, kernel/diag (walkers); host tests. */
#ifndef NEOMEM_PTE_H
#define NEOMEM_PTE_H

#include <neomem/types.h>

typedef struct {
    uint64_t v;
} pte_t;

/* Level of a table; its entries map pte_level_bytes each. */
enum pte_level {
    PTE_LEVEL_4K = 1,
    PTE_LEVEL_2M = 2,
    PTE_LEVEL_1G = 3,
    PTE_LEVEL_512G = 4, /* the top; no leaves */
};

/* What may be asked for; writable and executable together has no value. */
enum vm_rights {
    VM_READ,
    VM_READ_WRITE,
    VM_READ_EXECUTE,
};

enum vm_memory_type {
    VM_WRITE_BACK,
    VM_WRITE_COMBINING,
    VM_UNCACHED,
    VM_WRITE_THROUGH,
};

#define PTE_ENTRIES 512u
#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE (1ull << 1)
#define PTE_USER (1ull << 2)
#define PTE_PWT (1ull << 3)
#define PTE_PCD (1ull << 4)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY (1ull << 6)
#define PTE_PAGE_SIZE (1ull << 7) /* levels 2 and 3 */
#define PTE_PAT_4K (1ull << 7)    /* level 1 */
#define PTE_GLOBAL (1ull << 8)
#define PTE_PAT_LARGE (1ull << 12) /* leaves of levels 2 and 3 */
#define PTE_NO_EXECUTE (1ull << 63)
#define PTE_ADDRESS_MASK 0x000ffffffffff000ull

#define PTE_VA_BITS 48u /* 4 levels: addresses are sign-extended from bit 47 */

/* What this machine's entries can express; the part of arch_paging_features that shapes them. */
struct pte_features {
    bool no_execute;
    bool global;
    bool write_combining;
};

static inline unsigned pte_level_shift(unsigned level)
{
    return PAGE_SHIFT + 9u * (level - 1u);
}

/* Bytes that one entry of a table of this level maps. */
static inline uint64_t pte_level_bytes(unsigned level)
{
    return 1ull << pte_level_shift(level);
}

/* Index of va's entry in a table of this level. */
static inline unsigned pte_index(virt_addr_t va, unsigned level)
{
    return (unsigned)(va >> pte_level_shift(level)) & (PTE_ENTRIES - 1u);
}

static inline bool pte_va_is_canonical(virt_addr_t va)
{
    return (((va >> (PTE_VA_BITS - 1)) + 1u) & 0x1ffffu) <= 1u;
}

static inline bool pte_is_present(pte_t entry)
{
    return (entry.v & PTE_PRESENT) != 0;
}

/* entry: present. */
static inline bool pte_is_leaf(pte_t entry, unsigned level)
{
    return level == PTE_LEVEL_4K || (level != PTE_LEVEL_512G && (entry.v & PTE_PAGE_SIZE) != 0);
}

/* Address bits of a leaf of this level: bits 12 … are not address above 4 KiB (bit 12 is PAT, the rest reserved). */
static inline uint64_t pte_leaf_address_mask(unsigned level)
{
    return PTE_ADDRESS_MASK & ~(pte_level_bytes(level) - 1);
}

static inline phys_addr_t pte_leaf_address(pte_t entry, unsigned level)
{
    return entry.v & pte_leaf_address_mask(level);
}

static inline phys_addr_t pte_table_address(pte_t entry)
{
    return entry.v & PTE_ADDRESS_MASK;
}

/* ---- memory types ------------------------------------------------------------------------------- */

/* PAT index for a type. Without WC the strong uncached type stands in: correct, slower. */
static inline unsigned pte_pat_index(enum vm_memory_type type, struct pte_features features)
{
    static const uint8_t index[] = {
        [VM_WRITE_BACK] = 0, [VM_WRITE_THROUGH] = 1, [VM_UNCACHED] = 3, [VM_WRITE_COMBINING] = 5};
    return type == VM_WRITE_COMBINING && !features.write_combining ? 3u : index[type];
}

static inline uint64_t pte_pat_bits(unsigned index, unsigned level)
{
    return ((index & 1u) ? PTE_PWT : 0) | ((index & 2u) ? PTE_PCD : 0) |
           ((index & 4u) ? (level == PTE_LEVEL_4K ? PTE_PAT_4K : PTE_PAT_LARGE) : 0);
}

static inline unsigned pte_leaf_pat_index(pte_t entry, unsigned level)
{
    uint64_t pat = level == PTE_LEVEL_4K ? PTE_PAT_4K : PTE_PAT_LARGE;
    return ((entry.v & PTE_PWT) ? 1u : 0u) | ((entry.v & PTE_PCD) ? 2u : 0u) | ((entry.v & pat) ? 4u : 0u);
}

/* Type behind a PAT index. UC- reads as uncached; WP, which nothing here maps, as write-through (its reads). */
static inline enum vm_memory_type pte_memory_type(unsigned pat_index)
{
    switch (pat_index & 7u) {
    case 0:
        return VM_WRITE_BACK;
    case 1:
    case 4:
        return VM_WRITE_THROUGH;
    case 5:
        return VM_WRITE_COMBINING;
    default:
        return VM_UNCACHED;
    }
}

/* ---- making entries ------------------------------------------------------------------------------ */

/* The bits of a leaf that rights decide. */
#define PTE_RIGHTS_MASK (PTE_WRITE | PTE_DIRTY | PTE_NO_EXECUTE)

static inline uint64_t pte_rights_bits(enum vm_rights rights, struct pte_features features)
{
    uint64_t bits = rights == VM_READ_WRITE ? PTE_WRITE | PTE_DIRTY : 0;
    return bits | (rights != VM_READ_EXECUTE && features.no_execute ? PTE_NO_EXECUTE : 0);
}

/* pa: a multiple of pte_level_bytes(level). */
static inline pte_t pte_make_leaf(phys_addr_t pa, unsigned level, enum vm_rights rights, enum vm_memory_type type,
                                  struct pte_features features)
{
    uint64_t bits = PTE_PRESENT | PTE_ACCESSED | (level > PTE_LEVEL_4K ? PTE_PAGE_SIZE : 0) |
                    (features.global ? PTE_GLOBAL : 0) | pte_rights_bits(rights, features) |
                    pte_pat_bits(pte_pat_index(type, features), level);
    return (pte_t){pa | bits};
}

static inline pte_t pte_make_table(phys_addr_t table_pa)
{
    return (pte_t){table_pa | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED};
}

/* The same leaf with other rights. D goes with write: a read-only page has nothing to write back from here on. */
static inline pte_t pte_with_rights(pte_t leaf, enum vm_rights rights, struct pte_features features)
{
    return (pte_t){(leaf.v & ~PTE_RIGHTS_MASK) | pte_rights_bits(rights, features)};
}

/* Entry `index` of the table that replaces a leaf of `level` (2 or 3): same frame, rights, type, A, D, G. */
static inline pte_t pte_split_child(pte_t leaf, unsigned level, unsigned index)
{
    unsigned below = level - 1u;
    uint64_t flags = leaf.v & ~pte_leaf_address_mask(level) & ~(PTE_PAGE_SIZE | PTE_PAT_LARGE);
    flags |= pte_pat_bits(pte_leaf_pat_index(leaf, level), below) | (below > PTE_LEVEL_4K ? PTE_PAGE_SIZE : 0);
    return (pte_t){(pte_leaf_address(leaf, level) + index * pte_level_bytes(below)) | flags};
}

#endif
