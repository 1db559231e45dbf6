/* page_table.h — map, unmap, protect and look up ranges in one tree of page tables.
 *
 * Every change is all or nothing: a first walk finds what forbids it and counts the tables it needs, all of them are
 * taken, and only then is the first entry written. Leaves are as large as alignment, size and CPU allow; a partial
 * unmap or protect splits what it cuts; tables that become empty are freed, after the flush.
 * Rules and cost at the head of page_table.c.
 *
 * Ranges: va, pa and nbytes are whole 4 KiB pages, nbytes > 0. Tables are reached through phys_to_virt.
 * Locking: the caller's, one lock per space. Context: any. Flushes go through arch.h to the executing CPU.
 * Depends on: pte.h, status.h. Used by: vmm.c, kernel/diag. */
#ifndef NEOMEM_PAGE_TABLE_H
#define NEOMEM_PAGE_TABLE_H

#include <neomem/compiler.h>
#include <neomem/pte.h>
#include <neomem/status.h>
#include <neomem/types.h>

/* Where tables come from: one frame each, contents undefined. alloc returns FRAMES_NONE (UINT64_MAX) when there is none. */
struct page_table_source {
    phys_addr_t (*alloc)(void *context);
    void (*free)(void *context, phys_addr_t table);
    void *context;
};

struct page_space {
    phys_addr_t root;
    uint64_t tables; /* frames used, the root included */
    const struct page_table_source *source;
};

/* An empty space. source: stays valid as long as the space. Return: NEO_ERR_NO_MEMORY. */
enum neo_status page_space_init(struct page_space *space, const struct page_table_source *source) NEO_NODISCARD;

/* Free every table. The space must not be in use by a CPU. What its leaves mapped is not touched. */
void page_space_destroy(struct page_space *space);

/* Return: NEO_ERR_INVALID (alignment, size 0), NEO_ERR_RANGE (wraps, not canonical, crosses the hole between the halves,
 * physical end beyond the CPU), NEO_ERR_EXISTS (a page of the range is mapped), NEO_ERR_NO_MEMORY; nothing changed then. */
enum neo_status page_map(struct page_space *space, virt_addr_t va, phys_addr_t pa, uint64_t nbytes,
                         enum vm_rights rights, enum vm_memory_type type) NEO_NODISCARD;

/* Return: as page_map, and NEO_ERR_NOT_FOUND when a page of the range is not mapped. Needs memory only where it cuts a
 * large leaf. When it returns NEO_OK no CPU translation of the range is left on this CPU. */
enum neo_status page_unmap(struct page_space *space, virt_addr_t va, uint64_t nbytes) NEO_NODISCARD;

/* Change the rights of a range that is mapped; memory types stay. Return: as page_unmap. */
enum neo_status page_protect(struct page_space *space, virt_addr_t va, uint64_t nbytes,
                             enum vm_rights rights) NEO_NODISCARD;

/* One leaf, with rights as the CPU applies them: over all levels. */
struct vm_mapping {
    virt_addr_t va;  /* where the leaf starts */
    phys_addr_t pa;  /* what it maps there */
    uint64_t nbytes; /* 4 KiB, 2 MiB or 1 GiB */
    bool writable;
    bool executable; /* true for everything where the CPU has no NX */
    bool user;
    bool global;
    enum vm_memory_type type;
    uint8_t pat_index; /* the exact one; type is its nearest name */
};

/* The leaf that translates va, in any tree of 4-level tables. Return: false when va is not canonical or not mapped. */
bool page_query(phys_addr_t root, virt_addr_t va, struct vm_mapping *out);

/* Call visit for every leaf, ascending by address from 0; stops when visit returns false.
 * Return: false when it was stopped. Cost: O(tables * 512). */
typedef bool (*page_visit_fn)(void *context, const struct vm_mapping *mapping);
bool page_for_each(phys_addr_t root, page_visit_fn visit, void *context);

/* Number of table frames of a tree, the root included, found by walking. Cost: O(tables * 512). */
uint64_t page_count_tables(phys_addr_t root);

#endif
