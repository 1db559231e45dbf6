/* early.c — the direct map's base and the bump allocator for the memory manager's own metadata.
 *
 *      region.base                     cursor                 region end
 *          |  free, goes to frames later  |#####################|
 *                                         ^ grows downwards
 *
 * Invariants: base <= cursor <= end; everything in [cursor, end) was handed out or is alignment padding.
 * Locking: none, see early.h. Cost: O(1) besides the zeroing. */

#include <neomem/early.h>
#include <neomem/memory.h>
#include <neomem/string.h>

static struct {
    virt_addr_t hhdm_base;
    phys_addr_t base;
    phys_addr_t cursor;
    phys_addr_t end;
    uint64_t requested;
    bool active;
} early;

void early_set_hhdm(virt_addr_t base)
{
    early.hhdm_base = base;
}

uint64_t getHHDM(void)
{
    return early.hhdm_base;
}

void *phys_to_virt(phys_addr_t address)
{
    return (void *)(uintptr_t)(early.hhdm_base + address);
}

phys_addr_t virt_to_phys(const void *pointer)
{
    return (virt_addr_t)(uintptr_t)pointer - early.hhdm_base;
}

enum neo_status early_init(const struct limine_memmap_entry *regions, uint64_t count)
{
    const struct limine_memmap_entry *best = NULL;
    for (uint64_t i = 0; i < count; i++) {
        const struct limine_memmap_entry *region = &regions[i];
        if (region->type != LIMINE_MEMMAP_USABLE || region->length < PAGE_SIZE) {
            continue;
        }
        if (best == NULL || region->length > best->length ||
            (region->length == best->length && region->base > best->base)) {
            best = region;
        }
    }
    if (best == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    early.base = best->base;
    early.end = best->base + best->length;
    early.cursor = early.end;
    early.requested = 0;
    early.active = true;
    return NEO_OK;
}

bool early_is_active(void)
{
    return early.active;
}

void *early_take(uint64_t nbytes, uint64_t align)
{
    bool is_power_of_two = align != 0 && (align & (align - 1)) == 0;
    if (!early.active || nbytes == 0 || !is_power_of_two || nbytes > early.cursor - early.base) {
        return NULL;
    }
    phys_addr_t start = align_down(early.cursor - nbytes, align);
    if (start < early.base) {
        return NULL;
    }
    early.cursor = start;
    early.requested += nbytes;
    return phys_to_virt(start);
}

void *early_alloc(uint64_t nbytes, uint64_t align)
{
    void *memory = early_take(nbytes, align);
    if (memory != NULL) {
        neo_memset(memory, 0, nbytes);
    }
    return memory;
}

struct early_usage early_usage(void)
{
    phys_addr_t first = align_down(early.cursor, PAGE_SIZE);
    return (struct early_usage){.base = first, .nbytes = early.end - first, .requested = early.requested};
}

struct early_usage early_retire(void)
{
    early.active = false;
    return early_usage();
}
