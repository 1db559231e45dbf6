/* memmap_limine.h — from the firmware's raw memory descriptors to a Limine memory map, as a pure function.
 *
 * What it promises (each promise has a test):
 *   - the result keeps every guarantee of the protocol (see limine.h), is disjoint throughout, and merged:
 *     two neighbours never touch and have the same type;
 *   - bytes are conserved: every byte of every descriptor lies in an entry of the type that the protocol's
 *     table gives the descriptor, in an entry of a stricter type (limine_memmap_strictness), or in a trim
 *     that names the descriptor's type and the reason;
 *   - the accounting is exact: what a descriptor holds is what it won as its own type plus its trims;
 *   - descriptors may come in any order, overlap, nest, repeat, be empty, wrap or have unknown types;
 *   - usable and reclaimable ranges shrink to whole frames, all other types stay exact to the byte;
 *   - cost O((n + claims) log(n + claims)) comparisons, counted in the result; no allocation, no state, no firmware.
 *
 * Claims are what the loader knows better than the firmware's map:
 *   type EXECUTABLE_AND_MODULES  the kernel image: wins over everything;
 *   type BOOTLOADER_RECLAIMABLE  memory the hand-over lives in, whatever else the map says about it: wins over
 *                                everything. Where it won over more than RAM, an OVERLAY trim says so: the
 *                                kernel must not turn these bytes into usable memory;
 *   type RESERVED                ranges that are never RAM on this machine (the AMD HyperTransport hole): wins;
 *   type FRAMEBUFFER             wins over conventional, boot-services, reserved and MMIO descriptors and over
 *                                nothing else: a graphics driver that points into runtime services, ACPI or
 *                                the loader's own memory is wrong, and the claim is refused there.
 * Claims grow to whole frames, so nothing usable or reserved shares a frame with a framebuffer. Where two
 * claims overlap the one that comes first in the array wins; a framebuffer always loses.
 *
 * Source: UEFI 2.10 7.2.3 (descriptors, types, attributes); Limine PROTOCOL.md, "Memory Map Feature".
 * Depends on: boot_info.h, limine.h, types.h. Used by: efi/, host tests. */
#ifndef NEOMEM_EFI_MEMMAP_LIMINE_H
#define NEOMEM_EFI_MEMMAP_LIMINE_H

#include <neomem/boot_info.h>
#include <neomem/compiler.h>
#include <neomem/limine.h>
#include <neomem/types.h>

/* Bytes of the descriptor that UEFI defines; a firmware's stride is at least this. */
#define MEMMAP_LIMINE_DESCRIPTOR_BYTES 40u
/* One bit each in memmap_limine_output.refused_claims. */
#define MEMMAP_LIMINE_CLAIMS_MAX 64u
/* More than any firmware; keeps every index in 32 bits. */
#define MEMMAP_LIMINE_DESCRIPTORS_MAX (1u << 20)

enum memmap_limine_status {
    MEMMAP_LIMINE_OK = 0,
    MEMMAP_LIMINE_BAD_ARGUMENT = 1, /* a missing pointer, phys_bits, a claim's type, misaligned scratch */
    MEMMAP_LIMINE_BAD_STRIDE = 2,   /* stride < MEMMAP_LIMINE_DESCRIPTOR_BYTES */
    MEMMAP_LIMINE_TOO_MANY = 3,     /* more descriptors or claims than the limits above */
    MEMMAP_LIMINE_NO_CAPACITY = 4,  /* scratch, entries or trims smaller than the functions below ask for */
    MEMMAP_LIMINE_NO_MEMORY = 5,    /* memmap_limine_carve only: no usable entry is that large */
};

struct memmap_claim {
    phys_addr_t base;
    uint64_t length; /* bytes; 0: no claim */
    uint64_t type;   /* enum limine_memmap_type: 1, 5, 6 or 7 */
};

struct memmap_limine_input {
    const void *descriptors; /* as GetMemoryMap wrote them, any alignment */
    uint64_t bytes;          /* as GetMemoryMap returned them; a last incomplete descriptor is ignored */
    uint64_t stride;         /* DescriptorSize of the same call */
    unsigned phys_bits;      /* MAXPHYADDR of this CPU, 32 … 52 */
    bool
        report_bad_memory; /* EfiUnusableMemory: BAD_MEMORY (4) when set, RESERVED (1) as the protocol's table when not */
    bool reserve_page_zero; /* frame 0 never usable nor reclaimable (the protocol's rule up to base revision 2) */
    const struct memmap_claim *claims;
    uint64_t claim_count;
    void *scratch; /* 8-aligned, contents undefined before and after */
    uint64_t scratch_bytes;
};

struct memmap_limine_output {
    struct limine_memmap_entry *entries; /* caller's array … */
    uint64_t entry_capacity;             /* … of so many */
    uint64_t entry_count;                /* result; ascending by base */
    struct boot_trim *trims;
    uint64_t trim_capacity;
    uint64_t trim_count;       /* result; ascending by base */
    uint64_t descriptor_count; /* how many were looked at */
    uint64_t trailing_bytes;   /* of an incomplete last descriptor */
    uint64_t refused_claims; /* bit i: claims[i] did not get all its bytes (see above); do not use what it describes */
    uint64_t comparisons;    /* of keys, in sorting and in the priority queue */
};

/* Capacities that suffice for any map of so many descriptors and claims. A buffer of b bytes holds at most
 * b / MEMMAP_LIMINE_DESCRIPTOR_BYTES descriptors, whatever stride a later GetMemoryMap comes with. */
uint64_t memmap_limine_entries_needed(uint64_t descriptors, uint64_t claims);
uint64_t memmap_limine_trims_needed(uint64_t descriptors, uint64_t claims);
uint64_t memmap_limine_scratch_bytes(uint64_t descriptors, uint64_t claims);

/* Convert. Capacities are compared with the needs of the descriptors really there, before anything is
 * written. Return: MEMMAP_LIMINE_OK with counts set; otherwise the reason, counts 0 and arrays untouched.
 * Context: any, also after ExitBootServices. */
enum memmap_limine_status memmap_limine_convert(const struct memmap_limine_input *input,
                                                struct memmap_limine_output *output) NEO_NODISCARD;

/* Take npages whole frames from the top of the usable memory between 1 MiB and limit (exclusive) that has the
 * longest run, and make them BOOTLOADER_RECLAIMABLE. The map stays sorted, disjoint and merged; it grows
 * by at most two entries (one unless the run continues above limit).
 * entries, count, capacity: a map that memmap_limine_convert made. npages: at least 1.
 * Return: MEMMAP_LIMINE_OK and *base; NO_MEMORY, NO_CAPACITY or BAD_ARGUMENT with nothing changed. */
enum memmap_limine_status memmap_limine_carve(struct limine_memmap_entry *entries, uint64_t *count, uint64_t capacity,
                                              uint64_t npages, phys_addr_t limit, phys_addr_t *base) NEO_NODISCARD;

/* Short lower-case words for messages. */
const char *memmap_limine_status_text(enum memmap_limine_status status);

#endif
