/* vmm.h — the kernel's address space: its own tables, the direct map, and areas with guard pages.
 *
 *   0xffff8000'00000000 + slide   HHDM: RAM that is ours or the loader's RW-; ACPI tables, NVS, kernel's frames R--
 *   0xffffc000'00000000 …         window of kernel areas, up to 0xffffe000'00000000; starts at a random page
 *   0xffffffff'80000000 + slide   kernel image, by segment
 * Nothing else is mapped; the lower half is empty. No mapping is writable and executable, none is for user mode.
 *
 * Areas: [guard page][pages …][guard page]. Guards are never mapped. Addresses of freed areas are not used again
 * before the window has been walked through once, so a late access faults.
 *
 * Locking: one lock inside, IRQ-safe, first in the order of kernel/mm. Context: any; where a function may print or call
 * back, it says so. Depends on: page_table.h, memory_map.h. Used by: kernel/main.c, arch, drivers, diag. */
#ifndef NEOMEM_VMM_H
#define NEOMEM_VMM_H

#include <neomem/compiler.h>
#include <neomem/memory_map.h>
#include <neomem/page_table.h>
#include <neomem/status.h>
#include <neomem/types.h>

#define VMM_WINDOW_BASE 0xffffc00000000000ull
#define VMM_WINDOW_END 0xffffe00000000000ull

/* A piece of the kernel image; whole pages. name is kept (".text"), so it lies in the image. */
struct vmm_segment {
    const char *name;
    virt_addr_t va;
    phys_addr_t pa;
    uint64_t nbytes;
    enum vm_rights rights;
};
#define VMM_SEGMENTS_MAX 16u

struct vmm_boot {
    const struct vmm_segment *segments; /* ascending by va, disjoint, at most VMM_SEGMENTS_MAX; copied */
    size_t segment_count;
    const struct memory_map *map; /* what becomes the HHDM; only read during the call */
    virt_addr_t hhdm_base;        /* as the loader built it: the frame allocator already lives there */
};

/* Build the kernel's own tables and switch to them. The running code, its stack and every pointer in use must lie in what
 * boot describes. Called once, after the frame allocator has started. Return: NEO_ERR_NO_MEMORY, NEO_ERR_INVALID,
 * NEO_ERR_RANGE, NEO_ERR_EXISTS (two pieces overlap): the loader's tables are then still in use and nothing is held.
 * Cost: O(leaves of the HHDM). */
enum neo_status vmm_init(const struct vmm_boot *boot) NEO_NODISCARD;

/* ---- areas --------------------------------------------------------------------------------------- */

/* nbytes, rounded up to pages, backed by frames (which need not be contiguous), with an unmapped guard page on both sides.
 * Contents undefined. Return: the first byte; NULL when nbytes is 0 or there is no memory. Owner: the caller, until
 * vmm_free. Cost: O(pages). */
void *vmm_alloc(uint64_t nbytes, enum vm_rights rights) NEO_NODISCARD;
/* area: from vmm_alloc. NULL is legal. Anything else panics, naming it and the caller. */
void vmm_free(void *area);

/* A window to physical memory that is not ours to allocate: device registers, a framebuffer, a firmware table. Any byte
 * range; the pages that contain it are mapped. Return: pointer to the byte at pa; NULL when nbytes is 0, the
 * range is beyond the CPU's addresses, out of memory, or when type is not write-back and a page of the range
 * is also in the HHDM (two memory types for one frame). Owner: the caller, until vmm_unmap_phys. */
void *vmm_map_phys(phys_addr_t pa, uint64_t nbytes, enum vm_rights rights, enum vm_memory_type type) NEO_NODISCARD;
/* window: from vmm_map_phys. NULL is legal. Anything else panics. */
void vmm_unmap_phys(void *window);

/* Text that reports show for an area ("stack of CPU 2"); name must outlive it. area: from vmm_alloc or vmm_map_phys. */
void vmm_name_area(const void *area, const char *name);

/* Rights of whole pages that are mapped, in an area or in the image. Return: as page_protect. */
enum neo_status vmm_protect(void *start, uint64_t nbytes, enum vm_rights rights) NEO_NODISCARD;

/* ---- looking ------------------------------------------------------------------------------------- */

/* What translates va in the kernel's tables. Return: false when nothing does. */
bool vmm_query(virt_addr_t va, struct vm_mapping *out);

/* Every leaf of the kernel's tables, ascending, with effective rights. The lock is held: visit must not call vmm.
 * Return: false when visit stopped it. */
bool vmm_for_each_mapping(page_visit_fn visit, void *context);

enum vmm_place {
    VMM_PLACE_LOWER_HALF, /* address 0 to the hole: nothing of the kernel */
    VMM_PLACE_NONCANONICAL,
    VMM_PLACE_IMAGE,  /* name: the segment's */
    VMM_PLACE_HHDM,   /* address of the direct map, mapped or hole */
    VMM_PLACE_AREA,   /* inside an area */
    VMM_PLACE_GUARD,  /* a guard page; base, nbytes and name are those of the area it guards */
    VMM_PLACE_WINDOW, /* where areas may be, but none is (now) */
    VMM_PLACE_NOTHING,
    VMM_PLACE_UNKNOWN, /* the lock was taken: only possible in a report of a fault inside the memory manager */
};

struct vmm_place_info {
    enum vmm_place place;
    virt_addr_t base; /* of the segment, HHDM, area or window; 0 where there is none */
    uint64_t nbytes;
    const char *name; /* NULL: none */
};

/* What va belongs to, for fault reports: waits for nothing, may be called by an exception handler. */
struct vmm_place_info vmm_find_area(virt_addr_t va);

struct vmm_stats {
    uint64_t table_frames;  /* page tables, the root included */
    uint64_t record_frames; /* area records; never given back, bounded by the peak number of areas */
    uint64_t areas;
    uint64_t area_frames; /* frames behind vmm_alloc */
    uint64_t window_base; /* where this boot's areas start */
};
void vmm_get_stats(struct vmm_stats *stats);

/* Physical address of the kernel's own top-level table; 0 before vmm_init. */
phys_addr_t vmm_root(void);

#endif
