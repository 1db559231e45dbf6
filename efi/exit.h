/* exit.h — reading the firmware's memory map, and leaving boot services.
 * Depends on: types.h. Used by: reserve.c, takeover.c. */
#ifndef EFI_EXIT_H
#define EFI_EXIT_H

#include <neomem/types.h>

/* A buffer and what the last successful GetMemoryMap wrote into it, verbatim. */
struct memory_map {
    uint8_t *bytes;
    uint64_t capacity;
    uint64_t used;
    uint64_t stride; /* DescriptorSize of the same call */
    uint32_t version;
};

enum exit_result {
    EXIT_DONE,          /* boot services are gone; the map is the final one */
    EXIT_MAP_TOO_SMALL, /* before the first ExitBootServices only: nothing happened, come back with a larger buffer */
    EXIT_MAP_UNUSABLE,  /* before the first ExitBootServices only: firmware has no believable map */
    EXIT_REFUSED,       /* ExitBootServices failed every time: firmware is neither here nor gone */
};

/* Read the map while boot services live. Return: EXIT_DONE, EXIT_MAP_TOO_SMALL with *wanted in bytes, or
 * EXIT_MAP_UNUSABLE. */
enum exit_result exit_read_map(struct memory_map *map, uint64_t *wanted);

/* Buffer size with room for what may come: twice what firmware wants, 32 descriptors more, at least 1024 descriptors
 * (docs/takeover.md G: 312 entries are seen in the field; D3: the buffer cannot grow later). */
uint64_t exit_map_capacity(uint64_t wanted, uint64_t stride);

/* Leave boot services. Between the first GetMemoryMap and the return nothing else of firmware is called, nothing is
 * printed, nothing waits. *attempts counts the calls of ExitBootServices. When the result is EXIT_REFUSED, map->used is
 * 0 unless the last map read is a good one. *tsc: when the successful call returned. */
enum exit_result exit_boot_services(struct memory_map *map, uint64_t *wanted, uint32_t *attempts, uint64_t *tsc);

#endif
