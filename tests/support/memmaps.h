/* memmaps.h — raw firmware memory maps for tests: building them, reading them from text files, converting
 * them with exactly the buffers that the adapter asks for, and judging the result.
 *
 * Everything is allocated to the byte, so that AddressSanitizer sees one byte too many. Maps begin at an
 * odd address and the bytes between descriptors are garbage, as no reader may rely on either.
 *
 * Text files: one descriptor a line, `type phys pages attribute` (C numbers), `#` comments, and directives:
 *   stride N | phys_bits N | claim TYPE BASE LENGTH | total LIMINE_TYPE BYTES | trimmed REASON BYTES
 * `total` and `trimmed` are what must come out with page zero allowed and bad memory reported; types and
 * reasons that are not named must not occur.
 * Depends on: efi/memmap_limine.h. Used by: tests of the adapter. */
#ifndef NEOMEM_TESTS_SUPPORT_MEMMAPS_H
#define NEOMEM_TESTS_SUPPORT_MEMMAPS_H

#include "efi/memmap_limine.h"

#define RAW_WB 0xfull /* what firmware reports for RAM: UC, WC, WT and WB are possible */

struct raw_map {
    uint8_t *block; /* allocation, which grows; the map begins one byte into it */
    uint64_t count;
    uint64_t capacity;
    uint64_t stride;
};

void raw_map_init(struct raw_map *map, uint64_t stride);
void raw_map_add(struct raw_map *map, uint32_t type, uint64_t phys, uint64_t pages, uint64_t attribute);
uint64_t raw_map_bytes(const struct raw_map *map);
void raw_map_free(struct raw_map *map);

/* Deterministic random numbers (SplitMix64): the same seed gives the same map everywhere. */
uint64_t test_random(uint64_t *state);

struct conversion {
    struct memmap_limine_input input; /* set phys_bits, flags and claims before; the rest is filled in */
    struct memmap_limine_output output;
    uint8_t *block; /* the map as firmware would leave it: ends with its last byte */
};

/* Allocate and convert. Aborts the test when the status is not OK. Free with conversion_free. */
void conversion_run(struct conversion *conversion, const struct raw_map *map);
void conversion_free(struct conversion *conversion);

/* Judge a result: the protocol's rules, disjoint and merged, trims sorted, nothing lost, weakened or made up
 * (kernel/lib/efi_memmap_audit.c), bytes add up exactly. Return: NULL, or what is wrong. */
const char *conversion_complaint(const struct conversion *conversion);

/* Sum of entry bytes of a type, of trim bytes of a reason. */
uint64_t conversion_total(const struct conversion *conversion, uint64_t type);
uint64_t conversion_trimmed(const struct conversion *conversion, uint32_t reason);
/* Type at an address; UINT64_MAX in a hole. */
uint64_t conversion_type_at(const struct conversion *conversion, uint64_t address);
/* Print entries and trims to stderr. */
void conversion_print(const struct conversion *conversion);

#define MAP_FILE_CLAIMS 8u
#define MAP_FILE_TYPES 9u
#define MAP_FILE_REASONS 8u

struct map_file {
    struct raw_map map;
    unsigned phys_bits;
    struct memmap_claim claims[MAP_FILE_CLAIMS];
    uint64_t claim_count;
    uint64_t totals[MAP_FILE_TYPES];
    uint64_t trimmed[MAP_FILE_REASONS];
};

/* Return: false and a message on stderr when the file is missing or malformed. Free the map with raw_map_free. */
bool map_file_read(const char *path, struct map_file *file);

#endif
