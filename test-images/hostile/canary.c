/* canary.c: memory that must not change. Each aligned 8-byte word holds its physical address times a constant, so
 * that a write, a move and a swap are all seen. The test runner knows the same formula. */

#include "hostile.h"

#include "report.h"
#include <neomem/compiler.h>

#define MULTIPLIER 0x9e3779b97f4a7c15ull
#define BELOW_1M 0x9ffffull
#define BELOW_64M 0x3ffffffull
#define ANYWHERE (~0ull)

void canary_fill(EFI_PHYSICAL_ADDRESS base, UINT64 nbytes)
{
    volatile UINT64 *words = (volatile UINT64 *)base;

    for (UINT64 i = 0; i < nbytes / sizeof(*words); i++) {
        words[i] = (base + i * sizeof(*words)) * MULTIPLIER;
    }
}

void canary_announce(EFI_PHYSICAL_ADDRESS base, UINT64 nbytes, UINT64 step, UINT64 count, UINT32 type)
{
    report_text("hostile: canary base=");
    report_hex(base);
    report_text(" bytes=");
    report_number(nbytes);
    report_text(" step=");
    report_number(step);
    report_text(" count=");
    report_number(count);
    report_text(" type=");
    report_number(type);
    report_text("\n");
}

static void plant(UINT32 type, UINT64 npages, EFI_PHYSICAL_ADDRESS limit)
{
    const UINT64 nbytes = npages * HOSTILE_PAGE;
    EFI_PHYSICAL_ADDRESS base = hostile_pages((EFI_MEMORY_TYPE)type, npages, limit);

    canary_fill(base, nbytes);
    canary_announce(base, nbytes, nbytes, 1, type);
}

void canary_plant_everywhere(void)
{
    /* Every type that AllocatePages gives and that is not the loader's, boot services' or free memory. */
    static const UINT32 types[] = {
        EfiReservedMemoryType,
        EfiRuntimeServicesCode,
        EfiRuntimeServicesData,
        EfiUnusableMemory,
        EfiACPIReclaimMemory,
        EfiACPIMemoryNVS,
        EfiPalCode,
        0x70000001u,
        0x80000001u,
    };

    for (UINTN i = 0; i < ARRAY_COUNT(types); i++) {
        plant(types[i], 1, BELOW_1M);
        plant(types[i], 3, BELOW_64M);
        plant(types[i], 16, ANYWHERE);
    }
}
