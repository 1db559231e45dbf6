/* hosted_init.c — the kernel's start-up order, for a Linux process: map, frames, heap on one usable region.
 *
 *      0        1 MiB                                  1 MiB + bytes_of_memory
 *      | reserved |  usable                                | nothing             as on a PC, low memory is left alone */

#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>

#define MEMORY_BASE MIB(1)
/* Room for a program that claims ranges of the map of its own. */
#define MAP_CHANGES 16u

static struct memory_map memory_map;

static enum neo_status start_map(const struct limine_memmap_entry *entries, uint64_t count)
{
    uint64_t nbytes = align_up(memory_map_storage_bytes(count, MAP_CHANGES), PAGE_SIZE);
    phys_addr_t storage;
    if (!memory_map_find_storage(entries, count, nbytes, 0, &storage)) {
        return NEO_ERR_NO_MEMORY;
    }
    enum neo_status status =
        memory_map_init(&memory_map, entries, count, MEMORY_MAP_LOW_LIMIT, phys_to_virt(storage), nbytes);
    if (status == NEO_OK) {
        status = memory_map_claim(&memory_map, storage, nbytes, MEMORY_USABLE, MEMORY_MANAGER);
    }
    if (status == NEO_OK) {
        memory_map_publish(&memory_map);
    }
    return status;
}

enum neo_status neomem_hosted_init(uint64_t bytes_of_memory)
{
    if (memory_map_kernel() != NULL) {
        return NEO_ERR_EXISTS;
    }
    if (bytes_of_memory < HOSTED_MEMORY_MIN || bytes_of_memory > HOSTED_ARENA_BYTES - MEMORY_BASE) {
        return NEO_ERR_RANGE;
    }
    const struct limine_memmap_entry entries[] = {
        {.base = 0, .length = MEMORY_BASE, .type = LIMINE_MEMMAP_RESERVED},
        {.base = MEMORY_BASE, .length = align_down(bytes_of_memory, PAGE_SIZE), .type = LIMINE_MEMMAP_USABLE},
    };
    enum neo_status status = hosted_arena_reset();
    if (status == NEO_OK) {
        status = hosted_arena_open(entries[1].base, entries[1].length);
    }
    if (status == NEO_OK) {
        hosted_console_init();
        status = start_map(entries, ARRAY_COUNT(entries));
    }
    if (status != NEO_OK) {
        return status;
    }
    initialize_page_allocator();
    heapInit();
    return NEO_OK;
}
