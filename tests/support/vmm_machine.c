/* vmm_machine.c — see vmm_machine.h. */
#include "vmm_machine.h"

#include <neomem/early.h>
#include <neomem/frames_pool.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <stdio.h>
#include <stdlib.h>

#include "mm_fixture.h"

struct memory_map vmm_machine_map;
static struct memory_region storage[64];

const struct vmm_segment vmm_machine_segments[VMM_MACHINE_SEGMENTS] = {
    {".text", VMM_MACHINE_IMAGE, MIB(68), 16 * PAGE_SIZE, VM_READ_EXECUTE},
    {".rodata", VMM_MACHINE_IMAGE + 16 * PAGE_SIZE, MIB(68) + 16 * PAGE_SIZE, 4 * PAGE_SIZE, VM_READ},
    {".data", VMM_MACHINE_IMAGE + 20 * PAGE_SIZE, MIB(68) + 20 * PAGE_SIZE, 8 * PAGE_SIZE, VM_READ_WRITE},
};

/*   0    1M       64M   65M   66M        68M    70M    71M    80M     96M   104M        1G      2G     3G
 *   |low |usable  |loader|use|ACPI, odd | kernel |NVS |resvd| |bad|    | fb |    hole   |usable |       |use */
static const struct limine_memmap_entry machine[] = {
    {0, MIB(64), LIMINE_MEMMAP_USABLE},
    {MIB(64), MIB(1), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE},
    {MIB(65), MIB(1), LIMINE_MEMMAP_USABLE},
    {MIB(66) + 0x234, 0x1000, LIMINE_MEMMAP_ACPI_RECLAIMABLE},
    {MIB(66) + 0x1334, 0x100, LIMINE_MEMMAP_ACPI_NVS},
    {MIB(68), MIB(1), LIMINE_MEMMAP_EXECUTABLE_AND_MODULES},
    {MIB(70), MIB(1), LIMINE_MEMMAP_ACPI_NVS},
    {MIB(71), MIB(1), LIMINE_MEMMAP_RESERVED},
    {MIB(80), MIB(1), LIMINE_MEMMAP_BAD_MEMORY},
    {MIB(96), MIB(8), LIMINE_MEMMAP_FRAMEBUFFER},
    {GIB(1), GIB(1), LIMINE_MEMMAP_USABLE},
    {GIB(3), MIB(1), LIMINE_MEMMAP_USABLE},
    {1ull << VMM_MACHINE_PHYS_BITS, MIB(1), LIMINE_MEMMAP_ACPI_NVS},
};

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "machine: %s\n", what);
        abort();
    }
}

void vmm_machine_start(void)
{
    static const struct arch_paging_features features = {true, true, true, true, VMM_MACHINE_PHYS_BITS};
    hosted_set_paging_features(&features);
    mm_fixture_arena(machine, ARRAY_COUNT(machine));
    require(memory_map_init(&vmm_machine_map, machine, ARRAY_COUNT(machine), MEMORY_MAP_LOW_LIMIT, storage,
                            sizeof(storage)) == NEO_OK,
            "memory_map_init");
    memory_map_publish(&vmm_machine_map);
    initialize_page_allocator();
    (void)frames_pool_destroy(frames_page_pool());
    hosted_seed_random(42);
}

struct vmm_boot vmm_machine_boot(void)
{
    return (struct vmm_boot){vmm_machine_segments, VMM_MACHINE_SEGMENTS, &vmm_machine_map, getHHDM()};
}

uint64_t vmm_machine_frames(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    return stats.allocated;
}

struct vmm_stats vmm_machine_stats(void)
{
    struct vmm_stats stats;
    vmm_get_stats(&stats);
    if (vmm_root() != 0) {
        require(page_count_tables(vmm_root()) == stats.table_frames, "table frames");
        require(vmm_machine_frames() == stats.table_frames + stats.record_frames + stats.area_frames, "frames in use");
    }
    return stats;
}

virt_addr_t vmm_machine_va(const void *pointer)
{
    return (virt_addr_t)(uintptr_t)pointer;
}

bool vmm_machine_is_mapped(virt_addr_t va)
{
    struct vm_mapping mapping;
    return vmm_query(va, &mapping);
}

enum vmm_machine_expectation vmm_machine_expect(phys_addr_t page)
{
    bool is_ram = page < MIB(66) || (page >= GIB(1) && page < GIB(2)) || (page >= GIB(3) && page < VMM_MACHINE_END);
    bool is_read_only = (page >= MIB(66) && page < MIB(66) + 2 * PAGE_SIZE) || (page >= MIB(68) && page < MIB(69)) ||
                        (page >= MIB(70) && page < MIB(71));
    return is_ram ? VMM_MACHINE_READ_WRITE : is_read_only ? VMM_MACHINE_READ : VMM_MACHINE_ABSENT;
}
