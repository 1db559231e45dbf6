/* arena.c: two blocks that firmware holds as reserved memory, so that nobody else uses them, and that the hooked map
 * describes in every way that a map can be wrong. Whatever does not come out as usable holds canaries.
 *
 * Positions are in pages (and bytes) from the start of the block. The list of free pages is written out by hand: it is
 * the expectation, and must not be computed the way the code under test computes it. */

#include "hostile.h"

#include "chain.h"
#include "report.h"
#include <neomem/compiler.h>

#define ARENA_PAGES 128u
#define RAM (EFI_MEMORY_UC | EFI_MEMORY_WC | EFI_MEMORY_WT | EFI_MEMORY_WB)
#define ATTRIBUTE_NV 0x8000ull
#define ATTRIBUTE_SP 0x40000ull
#define FIXED (~0u) /* page: the descriptor is not in the arena, `byte` is its address */

struct arena_descriptor {
    const char *word; /* of the arena option */
    UINT32 page;
    UINT64 byte;
    UINT32 type;
    UINT64 npages;
    UINT64 attribute;
};

static const struct arena_descriptor descriptors[] = {
    /* A reserved range inside a free one. */
    {"nested", 0, 0, EfiConventionalMemory, 16, RAM},
    {"nested", 4, 0, EfiReservedMemoryType, 4, RAM},
    /* A free range whose end runtime services claim; NVS and ACPI tables that share two pages. */
    {"overlap", 16, 0, EfiConventionalMemory, 12, RAM},
    {"overlap", 24, 0, EfiRuntimeServicesData, 8, RAM | EFI_MEMORY_RUNTIME},
    {"overlap", 32, 0, EfiACPIMemoryNVS, 4, RAM},
    {"overlap", 34, 0, EfiACPIReclaimMemory, 4, RAM},
    /* The same range twice with one type, thrice with two. */
    {"duplicate", 38, 0, EfiACPIMemoryNVS, 4, RAM},
    {"duplicate", 38, 0, EfiConventionalMemory, 4, RAM},
    {"duplicate", 38, 0, EfiACPIMemoryNVS, 4, RAM},
    {"duplicate", 42, 0, EfiConventionalMemory, 4, RAM},
    {"duplicate", 42, 0, EfiConventionalMemory, 4, RAM},
    /* Reserved grows to whole pages [48, 51), free shrinks to [53, 56). */
    {"unaligned", 48, 0x800, EfiReservedMemoryType, 2, RAM},
    {"unaligned", 52, 0x200, EfiConventionalMemory, 4, RAM},
    /* Types that UEFI gave a meaning that forbids use, or none. */
    {"unknown", 60, 0, 14, 1, RAM},
    {"unknown", 61, 0, 15, 1, RAM},
    {"unknown", 62, 0, 16, 1, RAM},
    {"unknown", 63, 0, 0x1234, 1, RAM},
    {"unknown", 64, 0, 0x6fffffff, 1, RAM},
    {"unknown", 65, 0, 0x70000001, 1, RAM},
    {"unknown", 66, 0, 0x80000001, 1, RAM},
    {"unknown", 67, 0, 0xffffffff, 1, RAM},
    /* Free, but not plain RAM: persistent, special purpose, uncached only. */
    {"attributes", 68, 0, EfiConventionalMemory, 2, RAM | ATTRIBUTE_NV},
    {"attributes", 70, 0, EfiConventionalMemory, 2, RAM | ATTRIBUTE_SP},
    {"attributes", 72, 0, EfiConventionalMemory, 2, EFI_MEMORY_UC},
    /* No pages at all. */
    {"zero", 75, 0, EfiConventionalMemory, 0, RAM},
    {"zero", 12, 0, EfiReservedMemoryType, 0, RAM},
    {"zero", FIXED, 0, EfiConventionalMemory, 0, RAM},
    /* Ends that are no physical addresses, or beyond this CPU's. */
    {"overflow", 77, 0, EfiConventionalMemory, 1ull << 52, RAM},
    {"overflow", 79, 0, EfiConventionalMemory, ~0ull, RAM},
    {"overflow", FIXED, 0xfffffffffffff000ull, EfiConventionalMemory, 16, RAM},
    {"overflow", FIXED, 0xfffffffffffff000ull, EfiReservedMemoryType, 2, 0},
    {"overflow", FIXED, 1ull << 51, EfiConventionalMemory, 16, RAM},
};

/* Pages [first, first + count) that come out usable when their word is on. */
static const struct {
    const char *word;
    UINT32 first, count;
} usable[] = {
    {"nested", 0, 4}, {"nested", 8, 8}, {"overlap", 16, 8}, {"duplicate", 42, 4}, {"unaligned", 53, 3},
};

static struct {
    struct arena_view views[2];
    UINTN count;
    EFI_PHYSICAL_ADDRESS block, extra; /* 0: absent */
    UINT64 extra_pages;
} arena;

static BOOLEAN is_on(const char *word)
{
    return chain_has(hostile.config, "arena", word) || chain_has(hostile.config, "arena", "all");
}

static BOOLEAN is_usable(UINT32 page)
{
    for (UINTN i = 0; i < ARRAY_COUNT(usable); i++) {
        if (is_on(usable[i].word) && page >= usable[i].first && page < usable[i].first + usable[i].count) {
            return TRUE;
        }
    }
    return FALSE;
}

static void announce_block(void)
{
    UINT32 first = 0;

    for (UINT32 page = 0; page <= ARENA_PAGES; page++) {
        if (page == ARENA_PAGES || is_usable(page)) {
            if (page > first) {
                UINT64 nbytes = (page - first) * HOSTILE_PAGE;
                canary_announce(arena.block + first * HOSTILE_PAGE, nbytes, nbytes, 1, EfiReservedMemoryType);
            }
            first = page + 1;
        }
    }
}

static EFI_PHYSICAL_ADDRESS make_block(UINT64 npages)
{
    EFI_PHYSICAL_ADDRESS base = hostile_pages(EfiReservedMemoryType, npages, ~0ull);

    canary_fill(base, npages * HOSTILE_PAGE);
    arena.views[arena.count].base = base;
    arena.views[arena.count++].npages = npages;
    return base;
}

void arena_make(void)
{
    UINT64 extra = chain_number(hostile.config, "extra", 0);

    if (chain_word(hostile.config, "arena") != NULL) {
        arena.block = make_block(ARENA_PAGES);
        announce_block();
    }
    if (extra != 0) {
        arena.extra_pages = extra;
        arena.extra = make_block(extra);
        canary_announce(arena.extra, HOSTILE_PAGE, 2 * HOSTILE_PAGE, (extra + 1) / 2, EfiReservedMemoryType);
    }
}

UINTN arena_blocks(const struct arena_view **views)
{
    *views = arena.views;
    return arena.count;
}

static void set(EFI_MEMORY_DESCRIPTOR *d, EFI_PHYSICAL_ADDRESS base, UINT32 type, UINT64 npages, UINT64 attribute)
{
    d->Type = type;
    d->Pad = 0;
    d->PhysicalStart = base;
    d->VirtualStart = 0;
    d->NumberOfPages = npages;
    d->Attribute = attribute;
}

UINTN arena_describe(EFI_MEMORY_DESCRIPTOR *list, UINTN count, UINTN capacity)
{
    for (UINTN i = 0; arena.block != 0 && i < ARRAY_COUNT(descriptors) && count < capacity; i++) {
        const struct arena_descriptor *d = &descriptors[i];
        if (is_on(d->word)) {
            EFI_PHYSICAL_ADDRESS base = d->page == FIXED ? d->byte : arena.block + d->page * HOSTILE_PAGE + d->byte;
            set(&list[count++], base, d->type, d->npages, d->attribute);
        }
    }
    for (UINT64 i = 0; i < arena.extra_pages && count < capacity; i++) {
        UINT32 type = i % 2 == 0 ? EfiReservedMemoryType : EfiConventionalMemory;
        set(&list[count++], arena.extra + i * HOSTILE_PAGE, type, 1, RAM);
    }
    return count;
}
