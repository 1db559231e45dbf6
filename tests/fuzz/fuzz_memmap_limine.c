/* fuzz_memmap_limine.c — any bytes as a firmware memory map: the adapter must stay inside its buffers, keep the
 * protocol's rules and lose no byte, and the kernel's own map must accept what comes out.
 *
 * Input: byte 0 flags (1 report bad memory, 2 reserve page zero, 4 compact descriptors, 8 and 16 stride),
 *        byte 1 MAXPHYADDR - 32, byte 2 number of claims, byte 3 unused,
 *        claims of 12 bytes (type, 3 unused, base >> 4 and length as 32 bits),
 *        descriptors: raw ones of 40, 48, 56 or 64 bytes, or compact ones of 4 bytes (type, start in KiB, pages,
 *        attribute bits WB, SP, NV), which collide more often. */
#include "tests/support/memmaps.h"

#include <neomem/memory_map.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 4u
#define CLAIM_BYTES 12u
#define CLAIMS_MAX 7u
#define DESCRIPTORS_MAX 600u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t read_32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint64_t read_64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static void add_compact(struct raw_map *map, const uint8_t *bytes)
{
    uint64_t attribute = (bytes[3] & 1 ? 0 : RAW_WB) | (bytes[3] & 2 ? 0x40000 : 0) | (bytes[3] & 4 ? 0x8000 : 0);
    raw_map_add(map, bytes[0] % 20u, (uint64_t)bytes[1] << 10, bytes[2] % 40u, attribute);
}

static void add_descriptors(struct raw_map *map, const uint8_t *data, size_t size, uint8_t flags)
{
    size_t step = flags & 4 ? 4 : map->stride;
    for (; size >= step && map->count < DESCRIPTORS_MAX; data += step, size -= step) {
        if (flags & 4) {
            add_compact(map, data);
        } else {
            raw_map_add(map, read_32(data), read_64(data + 8), read_64(data + 24), read_64(data + 32));
        }
    }
}

static void check(bool right)
{
    if (!right) {
        abort();
    }
}

/* What the kernel does with it at boot. */
static void take_over_as_the_kernel_does(const struct memmap_limine_output *output)
{
    uint64_t nbytes = memory_map_storage_bytes(output->entry_count, 2);
    void *storage = malloc(nbytes);
    struct memory_map map;
    check(memory_map_init(&map, output->entries, output->entry_count, MEMORY_MAP_LOW_LIMIT, storage, nbytes) == NEO_OK);
    check(memory_map_verify(&map));
    phys_addr_t base;
    if (memory_map_find_storage(output->entries, output->entry_count, nbytes, 0, &base)) {
        check(memory_map_claim(&map, base, align_up(nbytes, PAGE_SIZE), MEMORY_USABLE, MEMORY_MANAGER) == NEO_OK);
        check(memory_map_verify(&map));
    }
    const struct memory_range in_use = {0x103000, 0x2800};
    struct memory_reclaim_report report;
    check(memory_map_reclaim(&map, &in_use, 1, NULL, NULL, &report) == NEO_OK);
    check(memory_map_verify(&map));
    uint64_t before = 0;
    uint64_t after = 0;
    for (unsigned kind = 0; kind < MEMORY_KIND_COUNT; kind++) {
        before += report.before[kind];
        after += report.after[kind];
    }
    check(before == after);
    free(storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEADER_BYTES) {
        return 0;
    }
    uint8_t flags = data[0];
    struct memmap_claim claims[CLAIMS_MAX];
    struct conversion conversion = {.input = {.phys_bits = 32u + data[1] % 21u,
                                              .report_bad_memory = (flags & 1) != 0,
                                              .reserve_page_zero = (flags & 2) != 0,
                                              .claims = claims}};
    uint64_t claim_count = data[2] % (CLAIMS_MAX + 1);
    data += HEADER_BYTES;
    size -= HEADER_BYTES;
    for (; conversion.input.claim_count < claim_count && size >= CLAIM_BYTES;
         data += CLAIM_BYTES, size -= CLAIM_BYTES) {
        static const uint64_t types[] = {1, 5, 6, 7};
        claims[conversion.input.claim_count++] = (struct memmap_claim){
            .type = types[data[0] % 4], .base = (uint64_t)read_32(data + 4) << 4, .length = read_32(data + 8)};
    }
    struct raw_map map;
    raw_map_init(&map, 40 + (flags >> 3 & 3) * 8);
    add_descriptors(&map, data, size, flags);
    conversion_run(&conversion, &map);
    const char *complaint = conversion_complaint(&conversion);
    if (complaint != NULL) {
        conversion_print(&conversion);
        abort();
    }
    take_over_as_the_kernel_does(&conversion.output);
    conversion_free(&conversion);
    raw_map_free(&map);
    return 0;
}
