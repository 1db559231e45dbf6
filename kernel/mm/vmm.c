/* vmm.c — the kernel's own page tables: image by segment, direct map from the memory map; looking things up.
 *
 * The direct map keeps the base that the loader chose, since pointers into it are everywhere by now. Regions of equal
 * rights that touch are mapped as one, so that islands of loader memory do not keep leaves small. Holes and device memory
 * are never in it. ACPI tables, NVS and the frames of the kernel image are in it read-only.
 *
 * Locking: vmm.lock, first in the order of mm_internal.h. */

#include "vmm_internal.h"

#include <neomem/arch.h>
#include <neomem/frames_pool.h>
#include <neomem/memory.h>
#include <neomem/panic.h>
#include <neomem/string.h>

#define READ_ONLY_KINDS \
    (MEMORY_KIND_BIT(MEMORY_ACPI_RECLAIMABLE) | MEMORY_KIND_BIT(MEMORY_ACPI_NVS) | \
     MEMORY_KIND_BIT(MEMORY_KERNEL_AND_MODULES))

static struct vmm vmm;

/* ---- tables come from frames, and may come out of the page pool ------------------------------------------ */

static phys_addr_t alloc_table(void *context)
{
    (void)context;
    return frames_alloc_reserved();
}

static void free_table(void *context, phys_addr_t table)
{
    (void)context;
    frames_free_reserved(table);
}

static const struct page_table_source table_source = {.alloc = alloc_table, .free = free_table};

/* ---- building ------------------------------------------------------------------------------------------ */

static enum neo_status map_image(struct page_space *space, const struct vmm_boot *boot)
{
    enum neo_status status = NEO_OK;
    for (size_t i = 0; i < boot->segment_count && status == NEO_OK; i++) {
        const struct vmm_segment *segment = &boot->segments[i];
        status = page_map(space, segment->va, segment->pa, segment->nbytes, segment->rights, VM_WRITE_BACK);
    }
    return status;
}

/* A stretch of the direct map that is being collected. */
struct extent {
    phys_addr_t base;
    phys_addr_t end; /* equal to base: nothing yet */
    enum vm_rights rights;
};

static enum neo_status map_extent(struct page_space *space, virt_addr_t hhdm_base, const struct extent *extent)
{
    if (extent->base == extent->end) {
        return NEO_OK;
    }
    return page_map(space, hhdm_base + extent->base, extent->base, extent->end - extent->base, extent->rights,
                    VM_WRITE_BACK);
}

/* *end: first physical address above the direct map. */
static enum neo_status map_hhdm(struct page_space *space, const struct vmm_boot *boot, phys_addr_t *end)
{
    phys_addr_t limit = 1ull << arch_paging_features()->phys_bits;
    struct extent extent = {0};
    const struct memory_region *region = NULL;
    while ((region = memory_map_next(boot->map, MEMORY_KINDS_RAM | READ_ONLY_KINDS, region)) != NULL) {
        /* Firmware tables need not be whole pages: their pages are mapped; RAM regions are whole frames and share none.
         * Two tables may share one page, which is mapped once. */
        bool is_ram = (MEMORY_KIND_BIT(region->kind) & MEMORY_KINDS_RAM) != 0;
        enum vm_rights rights = is_ram ? VM_READ_WRITE : VM_READ;
        phys_addr_t base = max_u64(align_down(region->base, PAGE_SIZE), extent.end);
        phys_addr_t last = min_u64(region->base + (region->length - 1), limit - 1) | (PAGE_SIZE - 1);
        if (base > last) {
            continue;
        }
        if (base != extent.end || rights != extent.rights) {
            enum neo_status status = map_extent(space, boot->hhdm_base, &extent);
            if (status != NEO_OK) {
                return status;
            }
            extent = (struct extent){.base = base, .rights = rights};
        }
        extent.end = last + 1;
    }
    *end = extent.end;
    return map_extent(space, boot->hhdm_base, &extent);
}

static enum neo_status check_boot(const struct vmm_boot *boot)
{
    if (boot->segment_count > VMM_SEGMENTS_MAX || boot->hhdm_base != getHHDM() || vmm.space.root != 0) {
        return NEO_ERR_INVALID;
    }
    for (size_t i = 1; i < boot->segment_count; i++) {
        const struct vmm_segment *before = &boot->segments[i - 1];
        if (boot->segments[i].va < before->va || boot->segments[i].va - before->va < before->nbytes) {
            return NEO_ERR_INVALID;
        }
    }
    return NEO_OK;
}

/* Does [base, base + nbytes) reach into the window of areas? */
static bool meets_window(virt_addr_t base, uint64_t nbytes)
{
    return nbytes != 0 && base < VMM_WINDOW_END && base + (nbytes - 1) >= VMM_WINDOW_BASE;
}

static enum neo_status build(struct page_space *space, const struct vmm_boot *boot, phys_addr_t *hhdm_end)
{
    enum neo_status status = map_image(space, boot);
    if (status == NEO_OK) {
        status = map_hhdm(space, boot, hhdm_end);
    }
    for (size_t i = 0; i < boot->segment_count && status == NEO_OK; i++) {
        status = meets_window(boot->segments[i].va, boot->segments[i].nbytes) ? NEO_ERR_RANGE : NEO_OK;
    }
    if (status == NEO_OK && meets_window(boot->hhdm_base, *hhdm_end)) {
        status = NEO_ERR_RANGE;
    }
    return status;
}

enum neo_status vmm_init(const struct vmm_boot *boot)
{
    enum neo_status status = check_boot(boot);
    if (status != NEO_OK) {
        return status;
    }
    struct page_space space;
    status = page_space_init(&space, &table_source);
    if (status != NEO_OK) {
        return status;
    }
    phys_addr_t hhdm_end = 0;
    status = build(&space, boot, &hhdm_end);
    if (status != NEO_OK) {
        page_space_destroy(&space);
        return status;
    }
    /* 32 random bits in pages: the lower 16 TiB of the window; the rest leaves room above. */
    uint64_t slide = (arch_random() >> 32) << PAGE_SHIFT;
    arch_irq_state_t state = spin_lock(&vmm.lock);
    vmm.space = space;
    vmm.hhdm_base = boot->hhdm_base;
    vmm.hhdm_bytes = hhdm_end;
    neo_memcpy(vmm.segments, boot->segments, boot->segment_count * sizeof(boot->segments[0]));
    vmm.segment_count = boot->segment_count;
    vmm.window_base = VMM_WINDOW_BASE + slide;
    vmm.cursor = vmm.window_base;
    arch_set_page_root(space.root);
    /* The loader's leaves may be global, and those outlive a change of the root. */
    arch_tlb_flush_all();
    spin_unlock(&vmm.lock, state);
    return NEO_OK;
}

/* ---- areas ------------------------------------------------------------------------------------------------ */

void *vmm_alloc(uint64_t nbytes, enum vm_rights rights)
{
    uint64_t rounded;
    if (nbytes == 0 || !align_up_checked(nbytes, PAGE_SIZE, &rounded)) {
        return NULL;
    }
    arch_irq_state_t state = spin_lock(&vmm.lock);
    const struct vm_area *area = vm_area_create(&vmm, rounded, rights);
    void *result = area == NULL ? NULL : (void *)(uintptr_t)area->handle;
    spin_unlock(&vmm.lock, state);
    return result;
}

/* Whether some page of the range, which is whole pages, has a mapping in the HHDM, which is write-back. */
static bool is_in_hhdm(phys_addr_t pa, uint64_t nbytes)
{
    const struct memory_map *map = memory_map_kernel();
    const struct memory_region *region = NULL;
    const unsigned outside = MEMORY_KIND_BIT(MEMORY_RESERVED) | MEMORY_KIND_BIT(MEMORY_BAD) |
                             MEMORY_KIND_BIT(MEMORY_FRAMEBUFFER) | MEMORY_KIND_BIT(MEMORY_RESERVED_MAPPED);
    while (map != NULL && (region = memory_map_next(map, MEMORY_KINDS_ALL & ~outside, region)) != NULL) {
        if (region->base <= pa + (nbytes - 1) && pa <= region->base + (region->length - 1)) {
            return true;
        }
    }
    return false;
}

void *vmm_map_phys(phys_addr_t pa, uint64_t nbytes, enum vm_rights rights, enum vm_memory_type type)
{
    uint64_t offset = pa & (PAGE_SIZE - 1);
    uint64_t span;
    if (nbytes == 0 || __builtin_add_overflow(nbytes, offset, &span) || !align_up_checked(span, PAGE_SIZE, &span) ||
        pa - offset > UINT64_MAX - (span - 1)) {
        return NULL;
    }
    if (type != VM_WRITE_BACK && is_in_hhdm(pa - offset, span)) {
        return NULL;
    }
    void *result = NULL;
    arch_irq_state_t state = spin_lock(&vmm.lock);
    struct vm_area *area = vm_area_create_phys(&vmm, pa - offset, span, rights, type);
    if (area != NULL) {
        area->handle = area->base + offset;
        result = (void *)(uintptr_t)area->handle;
    }
    spin_unlock(&vmm.lock, state);
    return result;
}

/* The area that was handed out as pointer; NULL when none was. */
static struct vm_area *area_of_handle_locked(const void *pointer)
{
    virt_addr_t handle = (virt_addr_t)(uintptr_t)pointer;
    struct vm_area *area = vm_area_around(&vmm, handle);
    return area != NULL && area->handle == handle ? area : NULL;
}

static void release(const void *pointer, enum vm_area_kind kind, const char *what, const void *caller)
{
    arch_irq_state_t state = spin_lock(&vmm.lock);
    struct vm_area *area = area_of_handle_locked(pointer);
    bool is_valid = area != NULL && area->kind == kind;
    if (is_valid) {
        vm_area_destroy(&vmm, area);
    }
    spin_unlock(&vmm.lock, state);
    if (!is_valid) {
        panic("%s of %p by %p: not what it returned, or free already", what, pointer, caller);
    }
}

NEO_NOINLINE void vmm_free(void *area)
{
    if (area != NULL) {
        release(area, VM_AREA_FRAMES, "vmm_free", __builtin_return_address(0));
    }
}

NEO_NOINLINE void vmm_unmap_phys(void *window)
{
    if (window != NULL) {
        release(window, VM_AREA_PHYS, "vmm_unmap_phys", __builtin_return_address(0));
    }
}

void vmm_name_area(const void *area, const char *name)
{
    arch_irq_state_t state = spin_lock(&vmm.lock);
    struct vm_area *found = area_of_handle_locked(area);
    if (found != NULL) {
        found->name = name;
    }
    spin_unlock(&vmm.lock, state);
}

/* ---- rights and looking ---------------------------------------------------------------------------------- */

enum neo_status vmm_protect(void *start, uint64_t nbytes, enum vm_rights rights)
{
    arch_irq_state_t state = spin_lock(&vmm.lock);
    enum neo_status status = NEO_ERR_NOT_FOUND;
    if (vmm.space.root != 0) {
        status = page_protect(&vmm.space, (virt_addr_t)(uintptr_t)start, nbytes, rights);
    }
    spin_unlock(&vmm.lock, state);
    return status;
}

bool vmm_query(virt_addr_t va, struct vm_mapping *out)
{
    arch_irq_state_t state = spin_lock(&vmm.lock);
    bool found = vmm.space.root != 0 && page_query(vmm.space.root, va, out);
    spin_unlock(&vmm.lock, state);
    return found;
}

bool vmm_for_each_mapping(page_visit_fn visit, void *context)
{
    arch_irq_state_t state = spin_lock(&vmm.lock);
    bool completed = vmm.space.root == 0 || page_for_each(vmm.space.root, visit, context);
    spin_unlock(&vmm.lock, state);
    return completed;
}

static struct vmm_place_info find_in_window(virt_addr_t va)
{
    struct vmm_place_info info = {.place = VMM_PLACE_UNKNOWN};
    arch_irq_state_t state;
    if (!spin_try_lock(&vmm.lock, &state)) {
        return info;
    }
    const struct vm_area *area = vm_area_around(&vmm, va);
    if (area == NULL) {
        info = (struct vmm_place_info){VMM_PLACE_WINDOW, VMM_WINDOW_BASE, VMM_WINDOW_END - VMM_WINDOW_BASE, NULL};
    } else {
        bool is_inside = va - area->base < area->nbytes;
        info =
            (struct vmm_place_info){is_inside ? VMM_PLACE_AREA : VMM_PLACE_GUARD, area->base, area->nbytes, area->name};
    }
    spin_unlock(&vmm.lock, state);
    return info;
}

struct vmm_place_info vmm_find_area(virt_addr_t va)
{
    struct vmm_place_info info = {.place = VMM_PLACE_NOTHING};
    for (size_t i = 0; i < vmm.segment_count; i++) {
        const struct vmm_segment *segment = &vmm.segments[i];
        if (va - segment->va < segment->nbytes) {
            return (struct vmm_place_info){VMM_PLACE_IMAGE, segment->va, segment->nbytes, segment->name};
        }
    }
    if (va - vmm.hhdm_base < vmm.hhdm_bytes) {
        return (struct vmm_place_info){VMM_PLACE_HHDM, vmm.hhdm_base, vmm.hhdm_bytes, NULL};
    }
    if (!pte_va_is_canonical(va)) {
        info.place = VMM_PLACE_NONCANONICAL;
    } else if (va >> 63 == 0) {
        info.place = VMM_PLACE_LOWER_HALF;
    } else if (va >= VMM_WINDOW_BASE && va < VMM_WINDOW_END) {
        return find_in_window(va);
    }
    return info;
}

phys_addr_t vmm_root(void)
{
    return vmm.space.root;
}

void vmm_get_stats(struct vmm_stats *stats)
{
    arch_irq_state_t state = spin_lock(&vmm.lock);
    *stats = (struct vmm_stats){
        .table_frames = vmm.space.tables,
        .record_frames = vmm.record_frames,
        .areas = vmm.area_count,
        .area_frames = vmm.area_frames,
        .window_base = vmm.window_base,
    };
    spin_unlock(&vmm.lock, state);
}
