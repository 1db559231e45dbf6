/* pages.c: the hooked AllocatePages, which has nothing below alloc-min. */

#include "hostile.h"

#include "chain.h"

#define MAP_BYTES (64u * 1024u)

static UINT64 alloc_min;

/* The highest free range of npages between alloc_min and limit. Return: false when there is none. */
static BOOLEAN find_above(UINT64 npages, EFI_PHYSICAL_ADDRESS limit, EFI_PHYSICAL_ADDRESS *found)
{
    static UINT8 bytes[MAP_BYTES] __attribute__((aligned(8)));
    UINTN size = sizeof(bytes), key, stride;
    UINT32 version;
    BOOLEAN any = FALSE;

    if (EFI_ERROR(hostile.real.GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)(void *)bytes, &key, &stride, &version))) {
        return FALSE;
    }
    for (UINTN offset = 0; offset < size; offset += stride) {
        const EFI_MEMORY_DESCRIPTOR *d = (const EFI_MEMORY_DESCRIPTOR *)(const void *)(bytes + offset);
        EFI_PHYSICAL_ADDRESS end = d->PhysicalStart + d->NumberOfPages * HOSTILE_PAGE;
        if (limit != ~0ull && end > limit + 1) {
            end = (limit + 1) & ~(HOSTILE_PAGE - 1);
        }
        if (d->Type != EfiConventionalMemory || end < npages * HOSTILE_PAGE) {
            continue;
        }
        EFI_PHYSICAL_ADDRESS base = end - npages * HOSTILE_PAGE;
        if (base >= d->PhysicalStart && base >= alloc_min && (!any || base > *found)) {
            *found = base;
            any = TRUE;
        }
    }
    return any;
}

static EFI_STATUS EFIAPI allocate_pages(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, UINTN npages,
                                        EFI_PHYSICAL_ADDRESS *base)
{
    EFI_PHYSICAL_ADDRESS found = 0;
    EFI_PHYSICAL_ADDRESS limit = how == AllocateMaxAddress ? *base : ~0ull;

    if (how == AllocateAddress) {
        return *base < alloc_min ? EFI_NOT_FOUND : hostile.real.AllocatePages(how, type, npages, base);
    }
    if (!find_above(npages, limit, &found)) {
        return EFI_OUT_OF_RESOURCES;
    }
    *base = found;
    return hostile.real.AllocatePages(AllocateAddress, type, npages, base);
}

void pages_hook(void)
{
    alloc_min = chain_number(hostile.config, "alloc-min", 0);
    if (alloc_min != 0) {
        hostile.services->AllocatePages = allocate_pages;
    }
}
