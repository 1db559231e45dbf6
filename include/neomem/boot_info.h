/* boot_info.h — the hand-over contract: everything the kernel is told by whoever started it.
 *
 * efi/ is the one producer in this tree; any other loader that fills this struct can start kernel.elf.
 *
 * State of the machine at the kernel's entry point (`void kernel_entry(struct boot_info *)`, System V
 * ABI, argument in RDI):
 *   - long mode, 4-level paging, CR0.{PG,PE,WP,NE,ET,MP} set, CR4.PAE set, EFER.{LME,LMA,NXE} set where
 *     the CPU has NX; IF = DF = 0; PAT has the Limine layout (0 WB, 1 WT, 2 UC-, 3 UC, 4 WP, 5 WC);
 *   - the kernel's PT_LOAD segments are mapped at kernel_virt_base with exactly their rights and 4 KiB
 *     pages, and all R_X86_64_RELATIVE relocations are applied for that base;
 *   - the HHDM maps physical memory of Limine types 0, 2, 3, 5, 6 (6: read-only) and 7 (WC) at
 *     hhdm_base + physical, no execute; nothing else is promised in the lower half or elsewhere;
 *   - RSP is valid, 16-aligned before the call, with at least 64 KiB below it in type-5 memory; no GDT, IDT or TSS is promised.
 *
 * Every pointer in here is an HHDM pointer into type-5 memory (BOOTLOADER_RECLAIMABLE), or NULL: the
 * kernel copies what it keeps before it reclaims that memory. Every *_phys member is a physical address
 * as firmware gave it, zero when absent, and may lie in memory of any type.
 *
 * Depends on: types.h, limine.h. Used by: efi/ (writes), kernel/ (reads). */
#ifndef NEOMEM_BOOT_INFO_H
#define NEOMEM_BOOT_INFO_H

#include <neomem/limine.h>
#include <neomem/types.h>

#define BOOT_INFO_MAGIC 0x4f464e494d4f454eull /* "NEOMINFO" in memory order */
#define BOOT_INFO_VERSION 1u

/* Linear framebuffer, 32 bits a pixel. Absent when phys_base is 0. */
struct boot_framebuffer {
    phys_addr_t phys_base;
    uint64_t size_bytes;  /* what may be written, already clamped to what firmware and mode agree on */
    uint32_t width;       /* pixels */
    uint32_t height;      /* pixels */
    uint32_t pitch_bytes; /* distance of two lines; may exceed width * 4 */
    uint8_t red_shift, green_shift, blue_shift;
    uint8_t red_bits, green_bits, blue_bits;
};

/* Bytes of the firmware map that did not become an entry of their own type, and why. */
enum boot_trim_reason {
    BOOT_TRIM_ZERO_LENGTH = 1, /* NumberOfPages == 0 */
    BOOT_TRIM_OVERFLOW = 2,    /* base + length exceeds 2^64 or the physical address limit */
    BOOT_TRIM_UNALIGNED = 3,   /* bytes lost by shrinking a usable or reclaimable range to whole frames */
    BOOT_TRIM_OVERLAP = 4,     /* claimed by a more restrictive (or an equal, duplicate) descriptor */
    BOOT_TRIM_BEYOND_CPU = 5,  /* above the CPU's MAXPHYADDR */
    BOOT_TRIM_OVERLAY = 6,     /* taken by the kernel image or the framebuffer */
    BOOT_TRIM_POLICY = 7,      /* a stricter type by policy: persistent, special purpose, not write-back capable */
};

struct boot_trim {
    phys_addr_t base;
    uint64_t length;   /* bytes; 0 where the descriptor had no bytes or its length is not a number of bytes */
    uint32_t efi_type; /* type of the descriptor that lost them */
    uint32_t reason;   /* enum boot_trim_reason */
};

/* Where the random seed came from; bits of boot_info.entropy_sources. */
enum boot_entropy_source {
    BOOT_ENTROPY_EFI_RNG = 1u << 0,
    BOOT_ENTROPY_RDSEED = 1u << 1,
    BOOT_ENTROPY_RDRAND = 1u << 2,
    BOOT_ENTROPY_TIMING = 1u << 3,
    BOOT_ENTROPY_OPTION = 1u << 4, /* the `seed` option fixed later choices */
};

/* How the CPU was found at efi_main, before anything changed it. */
struct boot_cpu_state {
    uint64_t cr0, cr3, cr4, efer, pat, apic_base, mtrr_def_type, rflags;
    uint64_t tpl; /* UEFI task priority level at entry */
};

#define BOOT_TEXT_BYTES 64u
#define BOOT_SEED_BYTES 32u

struct boot_info {
    uint64_t magic;   /* BOOT_INFO_MAGIC */
    uint32_t version; /* BOOT_INFO_VERSION */
    uint32_t size;    /* sizeof(struct boot_info) */

    /* Why the kernel must not go on (NULL: go on). It shows this text on every console, records a panic and stops. */
    const char *refusal;

    /* Address space. */
    virt_addr_t hhdm_base;
    phys_addr_t kernel_phys_base;
    virt_addr_t kernel_virt_base;
    uint64_t kernel_bytes; /* whole frames, from the first segment to the end of the last */

    /* Memory. */
    const struct limine_memmap_entry *memmap;
    uint64_t memmap_count;
    const struct boot_trim *trims;
    uint64_t trim_count;
    const void *efi_memmap; /* verbatim copy of what GetMemoryMap returned for the successful exit */
    uint64_t efi_memmap_bytes;
    uint64_t efi_descriptor_bytes; /* stride */
    uint32_t efi_descriptor_version;
    uint32_t exit_attempts; /* calls of ExitBootServices, 1 when the first succeeded */

    struct boot_framebuffer framebuffer;
    uint32_t gop_handles;  /* how many graphics outputs firmware offered */
    uint32_t gop_unusable; /* of these: BltOnly, without address or with contradictory numbers */

    /* Firmware tables. Blobs that lay in boot-services memory are copied and pointed to. */
    phys_addr_t rsdp_phys;   /* ACPI 2.0 RSDP if there is one, else 1.0 */
    phys_addr_t smbios_phys; /* entry point structure as firmware placed it */
    const void *smbios;      /* copy: entry point, immediately followed (8-aligned) by the structure table */
    uint64_t smbios_bytes;
    uint64_t smbios_table_offset; /* of the structure table in the copy */
    const void *mat;              /* copy of EFI_MEMORY_ATTRIBUTES_TABLE */
    uint64_t mat_bytes;
    phys_addr_t efi_system_table_phys;
    phys_addr_t efi_runtime_services_phys;

    /* Options: words "name=value", each NUL-terminated, already split, unquoted and free of comments. */
    const char *config_words; /* from neomem.cfg */
    uint64_t config_words_bytes;
    const char *command_words; /* from LoadOptions; these win */
    uint64_t command_words_bytes;
    const char *notes; /* NUL-terminated lines, one after the other: what the loader warns of */
    uint64_t notes_bytes;

    /* Identity and timing. */
    char firmware_vendor[BOOT_TEXT_BYTES]; /* ASCII, NUL-terminated */
    uint32_t firmware_revision;
    uint32_t uefi_revision; /* major << 16 | minor */
    uint32_t secure_boot;   /* 1 on, 0 off or unknown */
    uint32_t entry_levels;  /* page-table levels that firmware used: 4 or 5 */
    struct boot_cpu_state entry_state;
    uint64_t tsc_efi_main;
    uint64_t tsc_exit_boot_services; /* when the successful call returned */
    uint64_t tsc_hz;                 /* 0 when unknown */

    /* Randomness. */
    uint8_t seed[BOOT_SEED_BYTES]; /* for choices after the hand-over; the KASLR draws are not derivable from it */
    uint32_t entropy_sources;      /* enum boot_entropy_source bits */
    uint32_t entropy_bits;         /* conservative estimate */
};

#endif
