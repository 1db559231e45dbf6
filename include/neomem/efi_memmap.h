/* efi_memmap.h — reading the verbatim UEFI memory map of boot_info, without anything of UEFI.
 *
 * The kernel keeps the firmware's descriptors only as evidence: to show them (`map`, `efi_memory` records)
 * and to audit the loader's conversion. Descriptors are stepped through with the firmware's own stride and
 * read byte-aligned.
 *
 * Source: UEFI 2.10 7.2.3 GetMemoryMap; Limine PROTOCOL.md, "Memory Map Feature" (type table).
 * Context: any; pure, no state. Depends on: boot_info.h, limine.h, types.h.
 * Used by: kernel/shell, kernel/diag, kernel/main.c, host tests. */
#ifndef NEOMEM_EFI_MEMMAP_H
#define NEOMEM_EFI_MEMMAP_H

#include <neomem/boot_info.h>
#include <neomem/compiler.h>
#include <neomem/limine.h>
#include <neomem/types.h>

/* EFI_MEMORY_TYPE; firmware may use any other number, so never index an array with it unchecked. */
enum efi_type {
    EFI_TYPE_RESERVED = 0,
    EFI_TYPE_LOADER_CODE = 1,
    EFI_TYPE_LOADER_DATA = 2,
    EFI_TYPE_BOOT_SERVICES_CODE = 3,
    EFI_TYPE_BOOT_SERVICES_DATA = 4,
    EFI_TYPE_RUNTIME_SERVICES_CODE = 5,
    EFI_TYPE_RUNTIME_SERVICES_DATA = 6,
    EFI_TYPE_CONVENTIONAL = 7,
    EFI_TYPE_UNUSABLE = 8,
    EFI_TYPE_ACPI_RECLAIM = 9,
    EFI_TYPE_ACPI_NVS = 10,
    EFI_TYPE_MMIO = 11,
    EFI_TYPE_MMIO_PORT = 12,
    EFI_TYPE_PAL_CODE = 13,
    EFI_TYPE_PERSISTENT = 14,
    EFI_TYPE_UNACCEPTED = 15,
    EFI_TYPE_KNOWN_COUNT = 16,
};

/* Capabilities and state bits of a descriptor. */
#define EFI_ATTRIBUTE_UC 0x1ull
#define EFI_ATTRIBUTE_WC 0x2ull
#define EFI_ATTRIBUTE_WT 0x4ull
#define EFI_ATTRIBUTE_WB 0x8ull
#define EFI_ATTRIBUTE_UCE 0x10ull
#define EFI_ATTRIBUTE_WP 0x1000ull
#define EFI_ATTRIBUTE_RP 0x2000ull
#define EFI_ATTRIBUTE_XP 0x4000ull
#define EFI_ATTRIBUTE_NV 0x8000ull
#define EFI_ATTRIBUTE_MORE_RELIABLE 0x10000ull
#define EFI_ATTRIBUTE_RO 0x20000ull
#define EFI_ATTRIBUTE_SP 0x40000ull
#define EFI_ATTRIBUTE_CPU_CRYPTO 0x80000ull
#define EFI_ATTRIBUTE_HOT_PLUGGABLE 0x100000ull
#define EFI_ATTRIBUTE_ISA_VALID (1ull << 62)
#define EFI_ATTRIBUTE_RUNTIME (1ull << 63)

struct efi_memmap {
    const void *data; /* boot_info.efi_memmap */
    uint64_t bytes;   /* boot_info.efi_memmap_bytes */
    uint64_t stride;  /* boot_info.efi_descriptor_bytes */
};

struct efi_descriptor {
    uint32_t type; /* enum efi_type, or anything */
    phys_addr_t phys;
    virt_addr_t virt;
    uint64_t pages; /* of 4096 bytes, whatever the number says: may overflow as bytes */
    uint64_t attribute;
};

/* How many whole descriptors there are; 0 when data is NULL or the stride is below 40. */
uint64_t efi_memmap_count(const struct efi_memmap *map);

/* Return: true and *descriptor; false when index is not below efi_memmap_count. Cost: O(1). */
bool efi_memmap_get(const struct efi_memmap *map, uint64_t index, struct efi_descriptor *descriptor);

/* The specification's name ("EfiConventionalMemory"); "OEM", "OS loader" or "unknown" for other numbers. */
const char *efi_type_name(uint32_t type);

/* Attribute bits as words ("WB|XP|RUNTIME"), unknown bits as one hexadecimal number, "-" for none.
 * Return: buffer, always NUL-terminated, cut when capacity (at least 1) is short. */
const char *efi_attribute_text(uint64_t attribute, char *buffer, size_t capacity);

/* Type that the protocol's table gives (EfiUnusableMemory counts as RESERVED, the table's answer). */
enum limine_memmap_type efi_type_to_limine(uint32_t type);

/* Bytes that a descriptor really describes: [phys, phys + *length). False when it has none: empty, or a
 * length that wraps 64 bits. */
bool efi_descriptor_range(const struct efi_descriptor *descriptor, uint64_t *length);

/* "beyond the CPU's addresses" and so on, for enum boot_trim_reason. */
const char *boot_trim_reason_name(uint32_t reason);

/* ---- the audit ------------------------------------------------------------------------------------ */

enum efi_audit_rule {
    EFI_AUDIT_OK = 0,
    EFI_AUDIT_LOST,    /* a byte of a descriptor is in no entry and in no trim of its type */
    EFI_AUDIT_WEAKER,  /* a byte of a descriptor is in an entry less strict than its type, and no overlay explains it */
    EFI_AUDIT_MADE_UP, /* a usable byte that no conventional, or a reclaimable one that no RAM descriptor has */
};

struct efi_audit {
    enum efi_audit_rule rule;
    phys_addr_t address; /* the first byte found */
    uint64_t index;      /* LOST, WEAKER: of the descriptor. MADE_UP: of the entry */
};

/* Prove that a Limine map is an honest conversion of a UEFI map: nothing lost, nothing weakened, nothing
 * made up. entries: pass memmap_check, disjoint, none empty; trims: ascending by base. result may be NULL.
 * Return: true when it is. Cost: O(n * (entries + trims)) at worst, O((n + e + t) log) for a sane map. */
bool efi_memmap_audit(const struct efi_memmap *map, const struct limine_memmap_entry *entries, uint64_t entry_count,
                      const struct boot_trim *trims, uint64_t trim_count, struct efi_audit *result);

#endif
