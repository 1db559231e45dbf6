/* vmm_machine.h — one simulated machine with memory of every kind, for tests of the kernel's address space.
 * Depends on: mm_fixture.h, vmm.h. Used by: tests/unit. */
#ifndef NEOMEM_TEST_VMM_MACHINE_H
#define NEOMEM_TEST_VMM_MACHINE_H

#include <neomem/memory_map.h>
#include <neomem/vmm.h>

#define VMM_MACHINE_PHYS_BITS 40u
#define VMM_MACHINE_IMAGE 0xffffffff80123000ull
#define VMM_MACHINE_SEGMENTS 3u

extern struct memory_map vmm_machine_map;
extern const struct vmm_segment vmm_machine_segments[VMM_MACHINE_SEGMENTS];

/* Arena, memory map (published), frames; features of the CPU. The kernel's tables are not built yet. There is no page pool: where
 * the allocator has no memory, tables have none. */
void vmm_machine_start(void);
/* What vmm_init wants. */
struct vmm_boot vmm_machine_boot(void);
/* Frames in use by callers of the frame allocator. */
uint64_t vmm_machine_frames(void);

/* Figures, checked against the tables themselves and the frames in use. */
struct vmm_stats vmm_machine_stats(void);

virt_addr_t vmm_machine_va(const void *pointer);
bool vmm_machine_is_mapped(virt_addr_t va);

/* What the direct map must say about a physical page. */
enum vmm_machine_expectation { VMM_MACHINE_ABSENT, VMM_MACHINE_READ, VMM_MACHINE_READ_WRITE };
enum vmm_machine_expectation vmm_machine_expect(phys_addr_t page);
#define VMM_MACHINE_END (GIB(3) + MIB(1))

#endif
