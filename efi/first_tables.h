/* first_tables.h — the page tables that the kernel starts on (boot_info.h promises what they hold).
 *
 *   HHDM       entries of Limine types 0, 2, 3, 5 and 7 writable, type 6 read-only; never executable; type 7
 *              write-combining and in 4 KiB pages, the rest write-back in the largest pages that fit. Types 1 and 4 and
 *              holes stay unmapped, so nothing is ever fetched speculatively from what is not memory.
 *   kernel     each segment in 4 KiB pages with its own rights; no page is writable and executable.
 *   identity   the trampoline's two pages, for the few instructions on either side of the switch.
 *
 * Entries that do not start or end on a page grow to whole pages (only types that firmware keeps do that); where two
 * meet in one page the lower one decides. Neighbours with the same rights are mapped as one range, so carving table
 * memory out of a usable entry does not change how many tables are needed.
 *
 * Counting and building are one code path: what first_tables_count says is exactly what first_tables_build uses.
 * Pure: tables are reached through the caller's function. Cost: O(entries + leaves).
 * Depends on: limine.h, kernel_image.h. Used by: takeover.c, host tests. */
#ifndef EFI_FIRST_TABLES_H
#define EFI_FIRST_TABLES_H

#include "kernel_image.h"
#include <neomem/limine.h>
#include <neomem/types.h>

struct first_tables_plan {
    bool has_no_execute, has_pages_1g;
    virt_addr_t hhdm_base;                     /* multiple of 1 GiB */
    const struct limine_memmap_entry *entries; /* ascending by base */
    uint64_t entry_count;
    const struct kernel_image *kernel;
    phys_addr_t kernel_phys_base; /* whole pages */
    virt_addr_t kernel_virt_base;
    phys_addr_t identity_code; /* one page, read and execute */
    phys_addr_t identity_data; /* one page, read only */
};

/* Zeroed frames for tables other than the root. */
struct first_tables_pool {
    phys_addr_t base;
    uint64_t count, used;
};

/* Where a frame of tables is reached, root or pool. */
typedef uint64_t *(*first_tables_access)(void *context, phys_addr_t table);

/* Tables that the plan needs, without the root. */
uint64_t first_tables_count(const struct first_tables_plan *plan);

/* Fill root (a zeroed frame) and frames of the pool. Return: false when the pool is too small; the tables are of no
 * use then. */
bool first_tables_build(const struct first_tables_plan *plan, phys_addr_t root, struct first_tables_pool *pool,
                        first_tables_access access, void *context);

/* End of the highest physical byte that the HHDM maps, whole pages; 0 when there is none. */
phys_addr_t first_tables_top(const struct limine_memmap_entry *entries, uint64_t count);

#endif
