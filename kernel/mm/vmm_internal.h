/* vmm_internal.h — what vmm.c and vmm_areas.c share. Private to them. */
#ifndef NEOMEM_VMM_INTERNAL_H
#define NEOMEM_VMM_INTERNAL_H

#include "mm_internal.h"

#include <neomem/rbtree.h>
#include <neomem/vmm.h>

enum vm_area_kind {
    VM_AREA_FRAMES, /* backed by frames of the area's own */
    VM_AREA_PHYS,   /* a window to physical memory */
};

/*   base - 4096     base                    base + nbytes    + 4096
 *      |   guard     |  pages                    |    guard    |      no two areas share a byte of these */
struct vm_area {
    struct rb_node node;
    virt_addr_t base;
    uint64_t nbytes;
    virt_addr_t handle; /* what the caller was given: base, or a byte of its first page */
    enum vm_area_kind kind;
    const char *name;
    struct vm_area *next_free; /* while the record is unused */
};

struct vmm {
    struct spinlock lock;    /* everything below but what is constant after vmm_init */
    struct page_space space; /* the root is constant after vmm_init */
    struct rb_tree areas;    /* by base */
    struct vm_area *free_records;
    virt_addr_t cursor; /* where the search for a gap starts */
    uint64_t area_count;
    uint64_t area_frames;
    uint64_t record_frames;
    /* constant after vmm_init */
    virt_addr_t window_base;
    virt_addr_t hhdm_base;
    uint64_t hhdm_bytes;
    struct vmm_segment segments[VMM_SEGMENTS_MAX];
    size_t segment_count;
};

/* ---- areas (vmm_areas.c); the lock is held ---------------------------------------------------------- */

/* Area whose pages or guard pages contain va; NULL when there is none. */
struct vm_area *vm_area_around(const struct vmm *vmm, virt_addr_t va);

/* A new area of whole pages, mapped; NULL when there is no room or no memory, with nothing changed. */
struct vm_area *vm_area_create(struct vmm *vmm, uint64_t nbytes, enum vm_rights rights);
struct vm_area *vm_area_create_phys(struct vmm *vmm, phys_addr_t pa, uint64_t nbytes, enum vm_rights rights,
                                    enum vm_memory_type type);
/* Unmap it, give its frames back, forget it. */
void vm_area_destroy(struct vmm *vmm, struct vm_area *area);

#endif
