/* pages.c — the public page functions of memory.h: HHDM pointers on top of frames.h. */

#include <neomem/early.h>
#include <neomem/frames_pool.h>
#include <neomem/memory.h>
#include <neomem/panic.h>

void initialize_page_allocator(void)
{
    enum neo_status status = NEO_OK;
    if (!early_is_active()) {
        status = early_init(availableMemoryRegions, availableMemoryRegionsCount);
    }
    if (status == NEO_OK) {
        status = frames_init(availableMemoryRegions, availableMemoryRegionsCount);
    }
    if (status == NEO_OK) {
        status = frames_page_pool_init();
    }
    if (status != NEO_OK) {
        panic("page allocator cannot start on %llu usable regions: %s", (unsigned long long)availableMemoryRegionsCount,
              neo_status_name(status));
    }
}

void *allocate_pages(uint64_t count)
{
    phys_addr_t pa = frames_alloc(count, 1, 0, FRAMES_ANYWHERE);
    return pa == FRAMES_NONE ? NULL : phys_to_virt(pa);
}

void *allocate_page(void)
{
    return allocate_pages(1);
}

NEO_NOINLINE void free_pages(void *pages, uint64_t count)
{
    if (pages != NULL) {
        frames_free_for(virt_to_phys(pages), count, __builtin_return_address(0));
    }
}

NEO_NOINLINE void free_page(void *page)
{
    if (page != NULL) {
        frames_free_for(virt_to_phys(page), 1, __builtin_return_address(0));
    }
}
