/* map_fixture.h — a kernel memory map on exactly the storage it asks for, and its comparison with a table.
 * Depends on: memory_map.h, cmocka. Used by: tests/unit/test_memory_map*.c. */
#ifndef NEOMEM_TESTS_SUPPORT_MAP_FIXTURE_H
#define NEOMEM_TESTS_SUPPORT_MAP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <neomem/memory_map.h>

#define ENTRIES(...) \
    (const struct limine_memmap_entry[]){__VA_ARGS__}, \
        sizeof((const struct limine_memmap_entry[]){__VA_ARGS__}) / sizeof(struct limine_memmap_entry)
#define REGIONS(...) \
    (const struct memory_region[]){__VA_ARGS__}, \
        sizeof((const struct memory_region[]){__VA_ARGS__}) / sizeof(struct memory_region)

struct fixture {
    struct memory_map map;
    void *storage;
};

static inline struct fixture make_with(const struct limine_memmap_entry *entries, size_t count, uint64_t changes,
                                       phys_addr_t low_limit)
{
    struct fixture f;
    uint64_t nbytes = memory_map_storage_bytes(count, changes);
    f.storage = malloc(nbytes);
    memset(f.storage, 0xa5, nbytes);
    assert_int_equal(memory_map_init(&f.map, entries, count, low_limit, f.storage, nbytes), NEO_OK);
    assert_true(memory_map_verify(&f.map));
    return f;
}

static inline void expect_regions(const struct memory_map *map, const struct memory_region *want, size_t count)
{
    assert_true(memory_map_verify(map));
    bool same = map->count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = memcmp(&map->regions[i], &want[i], sizeof(want[i])) == 0;
    }
    for (uint64_t i = 0; !same && i < map->count; i++) {
        print_error("  %#14llx + %#12llx %s\n", (unsigned long long)map->regions[i].base,
                    (unsigned long long)map->regions[i].length, memory_kind_name(map->regions[i].kind));
    }
    assert_true(same);
}

#endif
