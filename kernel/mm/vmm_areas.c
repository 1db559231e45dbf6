/* vmm_areas.c — kernel areas: placing them in the window, backing them, guard pages.
 *
 * Placement is next fit: the search goes on where the last one ended, a few random pages further, and starts over at the
 * bottom when the window is used up. An address is therefore not used again before 16 TiB or more have passed, and a
 * late access to a freed area faults. Neighbours in time are neighbours in space, so they share page tables.
 *
 * Frames behind an area are found again through the page tables; there is no second list that could disagree. Records
 * of areas are carved from frames that are kept: their number is bounded by the peak of live areas.
 *
 * Locking: vmm.lock, held by the callers in vmm.c. Cost: O(log areas + pages); O(areas) for a placement after the window has been walked through. */

#include "vmm_internal.h"

#include <neomem/arch.h>
#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/panic.h>

/* Frames taken in one piece for an area: as many as one 2 MiB leaf holds. */
#define CHUNK_FRAMES_MAX (PAGE_SIZE_2M / PAGE_SIZE)
#define RANDOM_GAP_PAGES 16u

/* ---- the tree of areas ----------------------------------------------------------------------------------- */

static struct vm_area *area_of(const struct rb_node *node)
{
    return (struct vm_area *)((uintptr_t)node - offsetof(struct vm_area, node));
}

static int compare_areas(const struct rb_node *left, const struct rb_node *right)
{
    virt_addr_t a = area_of(left)->base;
    virt_addr_t b = area_of(right)->base;
    return (a > b) - (a < b);
}

/* An area comes before an address when all of it, with its guards, lies below. */
static int compare_with_address(const struct rb_node *node, const void *key)
{
    const struct vm_area *area = area_of(node);
    virt_addr_t va = *(const virt_addr_t *)key;
    if (area->base + area->nbytes + PAGE_SIZE <= va) {
        return -1;
    }
    return area->base - PAGE_SIZE <= va ? 0 : 1;
}

struct vm_area *vm_area_around(const struct vmm *vmm, virt_addr_t va)
{
    struct rb_node *node = rb_find(&vmm->areas, compare_with_address, &va);
    return node == NULL ? NULL : area_of(node);
}

/* ---- records --------------------------------------------------------------------------------------------- */

static struct vm_area *take_record(struct vmm *vmm)
{
    if (vmm->free_records == NULL) {
        phys_addr_t frame = frames_alloc(1, 1, 0, FRAMES_ANYWHERE);
        if (frame == FRAMES_NONE) {
            return NULL;
        }
        vmm->record_frames++;
        struct vm_area *records = phys_to_virt(frame);
        for (size_t i = 0; i < PAGE_SIZE / sizeof(struct vm_area); i++) {
            records[i] = (struct vm_area){.next_free = vmm->free_records};
            vmm->free_records = &records[i];
        }
    }
    struct vm_area *area = vmm->free_records;
    vmm->free_records = area->next_free;
    return area;
}

static void give_record(struct vmm *vmm, struct vm_area *area)
{
    *area = (struct vm_area){.next_free = vmm->free_records};
    vmm->free_records = area;
}

/* ---- placement ------------------------------------------------------------------------------------------- */

/* First base in [low, VMM_WINDOW_END) with room for the pages and both guards, congruent to phase modulo align. */
static bool find_gap(const struct vmm *vmm, virt_addr_t low, uint64_t nbytes, uint64_t align, uint64_t phase,
                     virt_addr_t *base)
{
    struct rb_node *node = rb_lower_bound(&vmm->areas, compare_with_address, &low);
    for (;;) {
        virt_addr_t first = align_up(low + PAGE_SIZE - phase, align) + phase;
        virt_addr_t end = node == NULL ? VMM_WINDOW_END : area_of(node)->base - PAGE_SIZE;
        if (first < end && nbytes + PAGE_SIZE <= end - first) {
            *base = first;
            return true;
        }
        if (node == NULL) {
            return false;
        }
        low = area_of(node)->base + area_of(node)->nbytes + PAGE_SIZE;
        node = rb_next(node);
    }
}

/* A record for a new area, in the tree; pa decides how large leaves can be (0 where the frames are not chosen yet). */
static struct vm_area *place(struct vmm *vmm, uint64_t nbytes, phys_addr_t pa, enum vm_area_kind kind)
{
    if (vmm->space.root == 0 || nbytes == 0 || nbytes > VMM_WINDOW_END - VMM_WINDOW_BASE) {
        return NULL;
    }
    struct vm_area *area = take_record(vmm);
    if (area == NULL) {
        return NULL;
    }
    uint64_t align = nbytes >= PAGE_SIZE_2M ? PAGE_SIZE_2M : PAGE_SIZE;
    uint64_t phase = pa & (align - 1);
    virt_addr_t base;
    if (!find_gap(vmm, vmm->cursor, nbytes, align, phase, &base) &&
        !find_gap(vmm, VMM_WINDOW_BASE, nbytes, align, phase, &base)) {
        give_record(vmm, area);
        return NULL;
    }
    *area = (struct vm_area){.base = base, .nbytes = nbytes, .handle = base, .kind = kind};
    rb_insert(&vmm->areas, &area->node, compare_areas);
    vmm->area_count++;
    vmm->cursor = base + nbytes + PAGE_SIZE + (arch_random() % RANDOM_GAP_PAGES) * PAGE_SIZE;
    return area;
}

static void forget(struct vmm *vmm, struct vm_area *area)
{
    rb_erase(&vmm->areas, &area->node);
    vmm->area_count--;
    give_record(vmm, area);
}

/* ---- backing --------------------------------------------------------------------------------------------- */

/* Unmap the first nbytes of an area and give their frames back, leaf by leaf. No leaf reaches beyond the area, since
 * its guard pages are not mapped, so nothing is split and nothing can fail. */
static void release_frames(struct vmm *vmm, const struct vm_area *area, uint64_t nbytes)
{
    for (uint64_t done = 0; done < nbytes;) {
        struct vm_mapping leaf;
        BUG_ON(!page_query(vmm->space.root, area->base + done, &leaf));
        BUG_ON(page_unmap(&vmm->space, leaf.va, leaf.nbytes) != NEO_OK);
        frames_free(leaf.pa, leaf.nbytes >> PAGE_SHIFT);
        vmm->area_frames -= leaf.nbytes >> PAGE_SHIFT;
        done += leaf.nbytes;
    }
}

/* One piece for the pages at done: a 2 MiB frame where one fits, else a single one. Nothing between: it would be mapped page by
 * page and given back so, and only whole allocations may go back at hardening level 3. */
static bool back_piece(struct vmm *vmm, const struct vm_area *area, uint64_t done, enum vm_rights rights,
                       uint64_t *nbytes)
{
    uint64_t count = CHUNK_FRAMES_MAX;
    bool fits = count <= (area->nbytes - done) >> PAGE_SHIFT && is_aligned(area->base + done, PAGE_SIZE_2M);
    phys_addr_t pa = fits ? frames_alloc(count, count, 0, FRAMES_ANYWHERE) : FRAMES_NONE;
    if (pa == FRAMES_NONE) {
        count = 1;
        pa = frames_alloc_one();
    }
    if (pa == FRAMES_NONE) {
        return false;
    }
    *nbytes = count << PAGE_SHIFT;
    if (page_map(&vmm->space, area->base + done, pa, *nbytes, rights, VM_WRITE_BACK) != NEO_OK) {
        frames_free(pa, count);
        return false;
    }
    vmm->area_frames += count;
    return true;
}

struct vm_area *vm_area_create(struct vmm *vmm, uint64_t nbytes, enum vm_rights rights)
{
    struct vm_area *area = place(vmm, nbytes, 0, VM_AREA_FRAMES);
    uint64_t done = 0;
    uint64_t piece = 0;
    while (area != NULL && done < nbytes) {
        if (back_piece(vmm, area, done, rights, &piece)) {
            done += piece;
        } else {
            release_frames(vmm, area, done);
            forget(vmm, area);
            area = NULL;
        }
    }
    return area;
}

struct vm_area *vm_area_create_phys(struct vmm *vmm, phys_addr_t pa, uint64_t nbytes, enum vm_rights rights,
                                    enum vm_memory_type type)
{
    struct vm_area *area = place(vmm, nbytes, pa, VM_AREA_PHYS);
    if (area != NULL && page_map(&vmm->space, area->base, pa, nbytes, rights, type) != NEO_OK) {
        forget(vmm, area);
        area = NULL;
    }
    return area;
}

void vm_area_destroy(struct vmm *vmm, struct vm_area *area)
{
    if (area->kind == VM_AREA_FRAMES) {
        release_frames(vmm, area, area->nbytes);
    } else {
        BUG_ON(page_unmap(&vmm->space, area->base, area->nbytes) != NEO_OK);
    }
    forget(vmm, area);
}
