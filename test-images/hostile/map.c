/* map.c: the hooked GetMemoryMap. The real map is read, the arenas' pages are cut out of it and described anew, and the
 * result is grown, thinned, reordered and laid out with another stride. The key is always the real one. */

#include "hostile.h"

#include "chain.h"
#include "report.h"

#define CAPACITY 6144u /* descriptors */
#define REAL_BYTES (CAPACITY * 64u)
#define PADDING_BYTE 0xa5u
#define GROW_MAX 64u

static struct {
    UINT8 *real; /* as firmware wrote it */
    EFI_MEMORY_DESCRIPTOR *list;
    UINTN calls;
} map;

static BOOLEAN is_boot_services(UINT32 type)
{
    return type == EfiBootServicesCode || type == EfiBootServicesData;
}

/* Append d without the arenas' pages; they may split it. */
static UINTN append_cut(UINTN count, EFI_MEMORY_DESCRIPTOR d)
{
    const struct arena_view *views;
    UINTN nviews = arena_blocks(&views);

    for (UINTN i = 0; i < nviews; i++) {
        EFI_PHYSICAL_ADDRESS end = d.PhysicalStart + d.NumberOfPages * HOSTILE_PAGE;
        EFI_PHYSICAL_ADDRESS cut = views[i].base, cut_end = cut + views[i].npages * HOSTILE_PAGE;
        if (cut >= end || cut_end <= d.PhysicalStart) {
            continue;
        }
        if (cut > d.PhysicalStart) {
            EFI_MEMORY_DESCRIPTOR low = d;
            low.NumberOfPages = (cut - d.PhysicalStart) / HOSTILE_PAGE;
            count = append_cut(count, low);
        }
        if (cut_end >= end) {
            return count;
        }
        d.PhysicalStart = cut_end;
        d.NumberOfPages = (end - cut_end) / HOSTILE_PAGE;
    }
    if (count < CAPACITY) {
        map.list[count++] = d;
    }
    return count;
}

/* Split the largest free descriptor into n more, one page each: nothing changes but the number of entries. */
static UINTN grow(UINTN count, UINT64 n)
{
    UINTN largest = count;

    for (UINTN i = 0; i < count; i++) {
        if (map.list[i].Type == EfiConventionalMemory &&
            (largest == count || map.list[i].NumberOfPages > map.list[largest].NumberOfPages) &&
            map.list[i].NumberOfPages < 1ull << 40) {
            largest = i;
        }
    }
    if (largest == count || map.list[largest].NumberOfPages <= n) {
        return count;
    }
    for (UINT64 i = 0; i < n && count < CAPACITY; i++) {
        EFI_MEMORY_DESCRIPTOR *from = &map.list[largest];
        from->NumberOfPages--;
        map.list[count] = *from;
        map.list[count].PhysicalStart += from->NumberOfPages * HOSTILE_PAGE;
        map.list[count++].NumberOfPages = 1;
    }
    return count;
}

/* Keep at most npages free ones; the others, and what boot services hold, become reserved. */
static void thin(UINTN count, UINT64 npages)
{
    for (UINTN i = 0; i < count; i++) {
        EFI_MEMORY_DESCRIPTOR *d = &map.list[i];
        if (is_boot_services(d->Type)) {
            d->Type = EfiReservedMemoryType;
        } else if (d->Type == EfiConventionalMemory) {
            if (d->NumberOfPages <= npages) {
                npages -= d->NumberOfPages;
            } else {
                d->Type = EfiReservedMemoryType;
            }
        }
    }
}

static void swap(UINTN a, UINTN b)
{
    EFI_MEMORY_DESCRIPTOR d = map.list[a];
    map.list[a] = map.list[b];
    map.list[b] = d;
}

static void reorder(UINTN count)
{
    if (chain_has(hostile.config, "order", "reverse")) {
        for (UINTN i = 0; i < count / 2; i++) {
            swap(i, count - 1 - i);
        }
    } else if (chain_has(hostile.config, "order", "shuffle")) {
        UINT32 random = (UINT32)map.calls * 2654435761u + 1; /* another order at every call */
        for (UINTN i = count; i > 1; i--) {
            random = random * 1664525u + 1013904223u;
            swap(i - 1, (random >> 8) % i);
        }
    }
}

/* Build the list. Return: its length. */
static UINTN compose(const UINT8 *real, UINTN nbytes, UINTN real_stride)
{
    UINT64 growth = chain_number(hostile.config, "grow", 0) * map.calls;
    UINT64 growth_max = chain_number(hostile.config, "grow-max", GROW_MAX);
    UINTN count = 0;

    for (UINTN offset = 0; offset < nbytes; offset += real_stride) {
        count = append_cut(count, *(const EFI_MEMORY_DESCRIPTOR *)(const void *)(real + offset));
    }
    if (chain_word(hostile.config, "usable") != NULL) {
        thin(count, chain_number(hostile.config, "usable", 0));
    }
    count = grow(count, growth < growth_max ? growth : growth_max);
    count = arena_describe(map.list, count, CAPACITY);
    reorder(count);
    return count;
}

static EFI_STATUS EFIAPI get_memory_map(UINTN *size, EFI_MEMORY_DESCRIPTOR *buffer, UINTN *key, UINTN *stride,
                                        UINT32 *version)
{
    UINTN real_bytes = REAL_BYTES, real_stride = 0, real_key = 0;
    UINT32 real_version = 0;
    EFI_STATUS status = hostile.real.GetMemoryMap(&real_bytes, (EFI_MEMORY_DESCRIPTOR *)(void *)map.real, &real_key,
                                                  &real_stride, &real_version);

    if (EFI_ERROR(status) || size == NULL) {
        return EFI_ERROR(status) ? status : EFI_INVALID_PARAMETER;
    }
    map.calls++;
    UINTN count = compose(map.real, real_bytes, real_stride);
    UINTN out_stride = chain_number(hostile.config, "stride", real_stride);
    UINTN needed = count * out_stride;
    BOOLEAN fits = *size >= needed && buffer != NULL;
    if (fits || !chain_has(hostile.config, "too-small", "no-stride")) {
        *stride = out_stride;
        *version = real_version;
    }
    *size = needed;
    if (!fits) {
        return EFI_BUFFER_TOO_SMALL;
    }
    UINT8 *out = (UINT8 *)buffer;
    for (UINTN i = 0; i < needed; i++) {
        out[i] = PADDING_BYTE;
    }
    for (UINTN i = 0; i < count; i++) {
        *(EFI_MEMORY_DESCRIPTOR *)(void *)(out + i * out_stride) = map.list[i];
    }
    *key = real_key;
    return EFI_SUCCESS;
}

void map_hook(void)
{
    static const char *const words[] = {"arena", "extra", "grow", "order", "stride", "too-small", "usable"};
    BOOLEAN wanted = FALSE;

    for (UINTN i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        wanted = wanted || chain_word(hostile.config, words[i]) != NULL;
    }
    if (wanted) {
        UINT64 list_pages = CAPACITY * sizeof(EFI_MEMORY_DESCRIPTOR) / HOSTILE_PAGE + 1;
        map.real = (UINT8 *)hostile_pages(EfiLoaderData, REAL_BYTES / HOSTILE_PAGE + 1, ~0ull);
        map.list = (EFI_MEMORY_DESCRIPTOR *)hostile_pages(EfiLoaderData, list_pages, ~0ull);
        hostile.services->GetMemoryMap = get_memory_map;
    }
}
