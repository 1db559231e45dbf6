/* memmap_limine_carve.c — take frames out of a finished map, when nothing can be allocated any more.
 *
 *      before   |------------ usable ------------|         limit somewhere in or above it
 *      after    |---- usable ----|-- taken --|- usable -|  the last part only when the run continues above
 *
 * The top of the longest run is taken, so that the bottom stays one long run and low memory goes last. */
#include "memmap_limine.h"

/* BIOS and SMM code of real machines writes to the first MiB. */
#define CARVE_FLOOR MIB(1)

/* Part of a usable entry inside [CARVE_FLOOR, limit). Return: false when there is none. */
static bool clip(const struct limine_memmap_entry *entry, phys_addr_t limit, uint64_t *base, uint64_t *end)
{
    if (entry->type != LIMINE_MEMMAP_USABLE) {
        return false;
    }
    *base = max_u64(entry->base, CARVE_FLOOR);
    *end = min_u64(entry->base + entry->length, limit);
    return *base < *end;
}

/* Make room for `extra` entries at index. */
static void open_gap(struct limine_memmap_entry *entries, uint64_t *count, uint64_t index, uint64_t extra)
{
    for (uint64_t i = *count; i-- > index;) {
        entries[i + extra] = entries[i];
    }
    *count += extra;
}

static void close_gap(struct limine_memmap_entry *entries, uint64_t *count, uint64_t index)
{
    for (uint64_t i = index; i + 1 < *count; i++) {
        entries[i] = entries[i + 1];
    }
    *count -= 1;
}

/* Join entries[index] with its successor if they touch and are of one type. */
static void join(struct limine_memmap_entry *entries, uint64_t *count, uint64_t index)
{
    struct limine_memmap_entry *left = &entries[index];
    if (index + 1 < *count && left->type == left[1].type && left->base + left->length == left[1].base) {
        left->length += left[1].length;
        close_gap(entries, count, index + 1);
    }
}

enum memmap_limine_status memmap_limine_carve(struct limine_memmap_entry *entries, uint64_t *count, uint64_t capacity,
                                              uint64_t npages, phys_addr_t limit, phys_addr_t *base)
{
    if (entries == NULL || count == NULL || base == NULL || npages == 0 || *count > capacity) {
        return MEMMAP_LIMINE_BAD_ARGUMENT;
    }
    uint64_t best = 0;
    uint64_t best_end = 0;
    uint64_t best_pages = 0;
    for (uint64_t i = 0; i < *count; i++) {
        uint64_t run_base;
        uint64_t run_end;
        if (clip(&entries[i], align_down(limit, PAGE_SIZE), &run_base, &run_end) &&
            (run_end - run_base) >> PAGE_SHIFT > best_pages) {
            best = i;
            best_end = run_end;
            best_pages = (run_end - run_base) >> PAGE_SHIFT;
        }
    }
    if (best_pages < npages) {
        return MEMMAP_LIMINE_NO_MEMORY;
    }
    const struct limine_memmap_entry whole = entries[best];
    uint64_t taken = best_end - (npages << PAGE_SHIFT);
    uint64_t whole_end = whole.base + whole.length;
    uint64_t before = taken > whole.base ? 1 : 0;
    uint64_t after = best_end < whole_end ? 1 : 0;
    if (before + after > capacity - *count) {
        return MEMMAP_LIMINE_NO_CAPACITY;
    }
    open_gap(entries, count, best + 1, before + after);
    struct limine_memmap_entry *entry = &entries[best];
    if (before != 0) {
        *entry++ = (struct limine_memmap_entry){whole.base, taken - whole.base, LIMINE_MEMMAP_USABLE};
    }
    *entry = (struct limine_memmap_entry){taken, best_end - taken, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE};
    if (after != 0) {
        entry[1] = (struct limine_memmap_entry){best_end, whole_end - best_end, LIMINE_MEMMAP_USABLE};
    }
    join(entries, count, best + before);
    if (best + before > 0) {
        join(entries, count, best + before - 1);
    }
    *base = taken;
    return MEMMAP_LIMINE_OK;
}
