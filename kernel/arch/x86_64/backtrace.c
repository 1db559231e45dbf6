/* backtrace.c — return addresses from the chain of frame pointers, without ever faulting.
 *
 * A frame is [saved RBP][return address]. Before it is read, its page is looked up in the live page tables
 * through the HHDM: a corrupt chain ends the walk instead of the machine. Frames must ascend. */

#include "x86.h"

#include <neomem/cpu.h>
#include <neomem/pte.h>

#define FRAME_BYTES 16u

static virt_addr_t hhdm;

void cpu_set_hhdm(virt_addr_t hhdm_base)
{
    hhdm = hhdm_base;
}

static bool is_mapped(virt_addr_t va)
{
    if (hhdm == 0) {
        return false;
    }
    phys_addr_t table = arch_page_root();
    for (unsigned level = PTE_LEVEL_512G;; level--) {
        const pte_t *entries = (const pte_t *)(uintptr_t)(hhdm + table);
        pte_t entry = entries[pte_index(va, level)];
        if (!pte_is_present(entry)) {
            return false;
        }
        if (level == PTE_LEVEL_4K || pte_is_leaf(entry, level)) {
            return true;
        }
        table = pte_table_address(entry);
    }
}

static bool is_canonical_kernel(virt_addr_t va)
{
    return va >= 0xFFFF800000000000ull && va <= UINT64_MAX - FRAME_BYTES;
}

static bool frame_is_readable(virt_addr_t frame)
{
    return is_aligned(frame, 8) && is_canonical_kernel(frame) && is_mapped(frame) && is_mapped(frame + FRAME_BYTES - 1);
}

size_t cpu_backtrace(uint64_t frame_pointer, uint64_t *addresses, size_t capacity)
{
    virt_addr_t frame = frame_pointer != 0 ? frame_pointer : x86_frame_pointer();
    size_t count = 0;

    while (count < capacity && frame_is_readable(frame)) {
        const uint64_t *words = (const uint64_t *)(uintptr_t)frame;
        if (words[1] == 0) {
            break;
        }
        addresses[count++] = words[1];
        if (words[0] <= frame) {
            break;
        }
        frame = words[0];
    }
    return count;
}
