/* selftest_memory.c — the map against the protocol, memory against the map, and the page tables against the rules:
 * nothing writable and executable, nothing of the kernel for user mode, the direct map what it says it is,
 * the image exactly as linked, an empty lower half. */

#include "selftest_internal.h"

#include <neomem/arch.h>
#include <neomem/boot_facts.h>
#include <neomem/cpu.h>
#include <neomem/efi_memmap.h>
#include <neomem/frames.h>
#include <neomem/kernel_image.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>
#include <neomem/pte.h>
#include <neomem/vmm.h>

static const char *audit_text(enum efi_audit_rule rule)
{
    switch (rule) {
    case EFI_AUDIT_LOST:
        return "a byte of a firmware descriptor was lost";
    case EFI_AUDIT_WEAKER:
        return "a byte became less restricted than firmware said";
    case EFI_AUDIT_MADE_UP:
        return "memory that firmware does not know";
    case EFI_AUDIT_OK:
        break;
    }
    return "no finding";
}

enum selftest_result selftest_memory_map(struct selftest_report *report)
{
    const struct boot_info *info = boot_facts();
    struct memmap_violation violation;

    if (!memmap_check(info->memmap, info->memmap_count, &violation)) {
        return selftest_fail(report, "entry %llu: %s", (unsigned long long)violation.index, violation.text);
    }
    if (!memmap_check(availableMemoryRegions, availableMemoryRegionsCount, &violation)) {
        return selftest_fail(report, "usable region %llu: %s", (unsigned long long)violation.index, violation.text);
    }
    const struct efi_memmap firmware = {info->efi_memmap, info->efi_memmap_bytes, info->efi_descriptor_bytes};
    struct efi_audit audit;
    if (!efi_memmap_audit(&firmware, info->memmap, info->memmap_count, info->trims, info->trim_count, &audit)) {
        return selftest_fail(report, "%s at 0x%llx (index %llu)", audit_text(audit.rule),
                             (unsigned long long)audit.address, (unsigned long long)audit.index);
    }
    return selftest_pass(
        report, "%llu entries keep the protocol's guarantees and all bytes of the firmware's map; %llu usable regions",
        (unsigned long long)info->memmap_count, (unsigned long long)availableMemoryRegionsCount);
}

enum edge_state { EDGE_BACKED, EDGE_IN_USE, EDGE_NOT_BACKED };

/* The line is flushed after each pattern so that memory answers and not the cache. */
static bool word_is_backed(volatile uint64_t *word)
{
    uint64_t address = (uint64_t)(uintptr_t)word;
    const uint64_t patterns[] = {address, ~address, 0, UINT64_MAX};

    for (size_t i = 0; i < ARRAY_COUNT(patterns); i++) {
        *word = patterns[i];
        cpu_flush_line((const void *)(uintptr_t)address);
        if (*word != patterns[i]) {
            return false;
        }
    }
    return true;
}

/* Only a frame that nobody holds is written to, and it is held meanwhile: one in use may be a page table, which the CPU
 * reads whenever it likes. A frame in use shows by its use that it is backed. */
static enum edge_state test_edge(phys_addr_t frame_pa, uint64_t offset)
{
    if (frames_alloc(1, 1, frame_pa, frame_pa + PAGE_SIZE) == FRAMES_NONE) {
        return EDGE_IN_USE;
    }
    uint8_t *frame = phys_to_virt(frame_pa);
    bool backed = word_is_backed((volatile uint64_t *)(void *)(frame + offset));
    frames_free(frame_pa, 1);
    return backed ? EDGE_BACKED : EDGE_NOT_BACKED;
}

enum selftest_result selftest_memory_backed(struct selftest_report *report)
{
    uint64_t counts[] = {[EDGE_BACKED] = 0, [EDGE_IN_USE] = 0, [EDGE_NOT_BACKED] = 0};

    for (uint64_t i = 0; i < availableMemoryRegionsCount; i++) {
        const struct limine_memmap_entry *region = &availableMemoryRegions[i];
        phys_addr_t last_frame = region->base + region->length - PAGE_SIZE;
        counts[test_edge(region->base, 0)]++;
        counts[test_edge(last_frame, PAGE_SIZE - sizeof(uint64_t))]++;
        if (counts[EDGE_NOT_BACKED] != 0) {
            return selftest_fail(report, "region 0x%llx + 0x%llx does not hold what is written",
                                 (unsigned long long)region->base, (unsigned long long)region->length);
        }
    }
    if (counts[EDGE_BACKED] == 0) {
        return selftest_fail(report, "no first or last frame of a region is free to be tested");
    }
    return selftest_pass(report, "first and last bytes of %llu regions: %llu hold, %llu are in use",
                         (unsigned long long)availableMemoryRegionsCount, (unsigned long long)counts[EDGE_BACKED],
                         (unsigned long long)counts[EDGE_IN_USE]);
}

struct rights_walk {
    const char *problem;
    struct vm_mapping where;
    uint64_t leaves[4]; /* by size: other, 4 KiB, 2 MiB, 1 GiB */
    uint64_t writable, executable;
};

static const char *rights_problem(const struct vm_mapping *m)
{
    if (m->writable && m->executable && cpu_protection().no_execute) {
        return "writable and executable";
    }
    if (m->user) {
        return "accessible from user mode";
    }
    if (m->va < 0xFFFF800000000000ull) {
        return "a mapping in the lower half";
    }
    if (m->nbytes == PAGE_SIZE_1G && !arch_paging_features()->pages_1g) {
        return "a 1 GiB leaf on a CPU without them";
    }
    if (m->va >= getHHDM() && m->va < VMM_WINDOW_BASE) {
        if (m->executable && cpu_protection().no_execute) {
            return "executable direct map";
        }
        if (m->va - getHHDM() != m->pa) {
            return "a direct-map page that shows another frame";
        }
    }
    return NULL;
}

static bool visit_rights(void *context, const struct vm_mapping *m)
{
    struct rights_walk *walk = context;
    walk->leaves[m->nbytes == PAGE_SIZE ? 1 : m->nbytes == PAGE_SIZE_2M ? 2 : m->nbytes == PAGE_SIZE_1G ? 3 : 0]++;
    walk->writable += m->writable;
    walk->executable += m->executable;
    walk->problem = rights_problem(m);
    walk->where = *m;
    return walk->problem == NULL;
}

enum selftest_result selftest_page_rights(struct selftest_report *report)
{
    struct rights_walk walk = {0};
    if (!vmm_for_each_mapping(visit_rights, &walk)) {
        return selftest_fail(report, "%s at 0x%llx", walk.problem, (unsigned long long)walk.where.va);
    }
    if (walk.executable == 0 || walk.leaves[0] != 0) {
        return selftest_fail(report, "the walk saw %llu executable leaves", (unsigned long long)walk.executable);
    }
    return selftest_pass(report, "%llu of 4 KiB, %llu of 2 MiB, %llu of 1 GiB: none W+X, none for user mode",
                         (unsigned long long)walk.leaves[1], (unsigned long long)walk.leaves[2],
                         (unsigned long long)walk.leaves[3]);
}

static const char *page_problem(const struct vmm_segment *segment, virt_addr_t va)
{
    bool has_nx = cpu_protection().no_execute;
    struct vm_mapping mapping;
    if (!vmm_query(va, &mapping)) {
        return "not mapped";
    }
    if (mapping.pa + (va - mapping.va) != segment->pa + (va - segment->va)) {
        return "mapped to another frame";
    }
    if (mapping.writable != (segment->rights == VM_READ_WRITE)) {
        return "wrong write permission";
    }
    if (has_nx && mapping.executable != (segment->rights == VM_READ_EXECUTE)) {
        return "wrong execute permission";
    }
    struct vm_mapping alias;
    virt_addr_t alias_va = getHHDM() + mapping.pa + (va - mapping.va);
    if (vmm_query(alias_va, &alias) && (alias.writable || (has_nx && alias.executable))) {
        return "a direct-map alias with more than read permission";
    }
    return NULL;
}

enum selftest_result selftest_image_rights(struct selftest_report *report)
{
    struct vmm_segment segments[KERNEL_SEGMENT_COUNT];
    uint64_t pages = 0;

    kernel_image_segments(boot_facts()->kernel_phys_base, segments);
    for (size_t i = 0; i < KERNEL_SEGMENT_COUNT; i++) {
        for (uint64_t offset = 0; offset < segments[i].nbytes; offset += PAGE_SIZE) {
            const char *problem = page_problem(&segments[i], segments[i].va + offset);
            if (problem != NULL) {
                return selftest_fail(report, "%s at 0x%llx: %s", segments[i].name,
                                     (unsigned long long)(segments[i].va + offset), problem);
            }
            pages++;
        }
    }
    return selftest_pass(report, "%llu pages mapped exactly as linked", (unsigned long long)pages);
}

enum selftest_result selftest_lower_half(struct selftest_report *report)
{
    const pte_t *root = phys_to_virt(arch_page_root());
    if (arch_page_root() != vmm_root()) {
        return selftest_fail(report, "CR3 is not the kernel's own table");
    }
    for (unsigned i = 0; i < PTE_ENTRIES / 2; i++) {
        if (root[i].v != 0) {
            return selftest_fail(report, "top-level entry %u is 0x%llx", i, (unsigned long long)root[i].v);
        }
    }
    return selftest_pass(report, "256 top-level entries are zero");
}
