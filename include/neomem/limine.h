/* limine.h — the Limine boot protocol's memory map, the only description of memory that the kernel knows.
 *
 * Source: Limine protocol, PROTOCOL.md, "Memory Map Feature". Guarantees that consumers rely on and
 * that memmap_check() verifies: entries ascend by base; USABLE and BOOTLOADER_RECLAIMABLE entries have
 * a base and a length that are multiples of 4096 and overlap no other entry. Other types carry no
 * alignment guarantee and may overlap each other. Holes between entries are normal; their number has no limit.
 *
 * Depends on: types.h. Used by: efi/, kernel/. */
#ifndef NEOMEM_LIMINE_H
#define NEOMEM_LIMINE_H

#include <neomem/types.h>

enum limine_memmap_type {
    LIMINE_MEMMAP_USABLE = 0,
    LIMINE_MEMMAP_RESERVED = 1,
    LIMINE_MEMMAP_ACPI_RECLAIMABLE = 2,
    LIMINE_MEMMAP_ACPI_NVS = 3,
    LIMINE_MEMMAP_BAD_MEMORY = 4,
    LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE = 5,
    LIMINE_MEMMAP_EXECUTABLE_AND_MODULES = 6,
    LIMINE_MEMMAP_FRAMEBUFFER = 7,
    LIMINE_MEMMAP_TYPE_COUNT = 8,
};

struct limine_memmap_entry {
    uint64_t base;   /* physical, bytes */
    uint64_t length; /* bytes */
    uint64_t type;   /* enum limine_memmap_type */
};

/* How strict a type is, 0 (the kernel may hand it out) to 8: what wins where two claim the same byte, and what
 * "a stricter type" means when a map is audited. The ladder is who may touch the memory:
 *   USABLE               anybody
 *   BOOTLOADER_RECLAIMABLE  anybody, once the loader's data is copied
 *   ACPI_RECLAIMABLE     anybody, once the tables are read
 *   ACPI_NVS             nobody writes; ACPI code reads and writes
 *   8 (reserved, mapped) firmware's runtime services, in their own address space
 *   RESERVED             nobody
 *   BAD_MEMORY           nobody, and it is known to be broken
 *   FRAMEBUFFER, EXECUTABLE_AND_MODULES  exactly one owner, known by name
 * Any other number counts as RESERVED. */
static inline unsigned limine_memmap_strictness(uint64_t type)
{
    static const uint8_t ladder[9] = {0, 5, 2, 3, 6, 1, 8, 7, 4};
    return type < 9 ? ladder[type] : 5;
}

#endif
