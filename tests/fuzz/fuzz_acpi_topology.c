/* fuzz_acpi_topology.c — four tables of any content: the result keeps its shape, follows the SRAT's entries in their
 * order, and nothing is leaked or read that is not there.
 *
 * Input: three 16-bit lengths (of MADT, SRAT, SLIT; the rest is the HMAT; 0: absent), a byte whose bits 0 to 6 say
 * after how many allocations memory ends (127: never), then the tables. */
#include "acpi_topology.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_HEADER 7u
#define NEVER 127u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heap {
    size_t live, allocations, fail_at;
    size_t warnings;
};

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void *allocate(void *context, size_t nbytes)
{
    struct heap *heap = context;
    if (heap->allocations++ >= heap->fail_at) {
        return NULL;
    }
    require(nbytes > 0 && nbytes < 16u << 20, "an allocation out of proportion");
    heap->live++;
    return malloc(nbytes);
}

static void release(void *context, void *block)
{
    ((struct heap *)context)->live--;
    free(block);
}

static void warn(void *context, const char *text)
{
    ((struct heap *)context)->warnings++;
    for (; *text != '\0'; text++) {
        require(*text >= 0x20 && *text < 0x7f, "a warning that is not printable");
    }
}

/* The SRAT read in the most direct way. Return: domain of the first sound entry over address; UINT64_MAX: none. */
static uint64_t domain_of(const struct topology_table *srat, phys_addr_t address)
{
    uint32_t mask = srat->nbytes > 8 && srat->bytes[8] < 2 ? 0xff : UINT32_MAX;
    for (size_t at = 48; at + 2 <= srat->nbytes; at += srat->bytes[at + 1]) {
        const uint8_t *entry = srat->bytes + at;
        if (entry[1] < 2 || entry[1] > srat->nbytes - at) {
            break;
        }
        if (entry[0] != 1 || entry[1] < 40 || (entry[28] & 5) != 1) {
            continue;
        }
        uint64_t base = acpi_u64(entry + 8);
        uint64_t nbytes = acpi_u64(entry + 16);
        bool is_sound = base < PHYS_ADDR_LIMIT && nbytes <= PHYS_ADDR_LIMIT - base;
        if (is_sound && address >= base && address - base < nbytes) {
            return acpi_u32(entry + 2) & mask;
        }
    }
    return UINT64_MAX;
}

static void check_ranges(const struct topology *topology, const struct topology_table *srat)
{
    uint64_t end = 0;
    for (uint64_t i = 0; i < topology->range_count; i++) {
        const struct topology_range *range = &topology->ranges[i];
        require(range->nbytes > 0 && range->base >= end && range->node < topology->nodes, "ranges");
        require(is_aligned(range->base | range->nbytes, PAGE_SIZE), "whole frames");
        if (i < 200) {
            require(domain_of(srat, range->base) == topology->domains[range->node], "owner of the first frame");
            require(domain_of(srat, range->base + range->nbytes - PAGE_SIZE) == topology->domains[range->node],
                    "owner of the last frame");
            uint64_t before = range->base > end ? domain_of(srat, range->base - PAGE_SIZE) : UINT64_MAX;
            require(before == UINT64_MAX || topology->nodes == TOPOLOGY_NODES_MAX, "memory before a range was lost");
        }
        end = range->base + range->nbytes;
    }
    require(end <= PHYS_ADDR_LIMIT, "limit");
}

static void check(const struct topology *topology, const struct topology_input *input)
{
    require(topology->nodes >= 1 && topology->nodes <= TOPOLOGY_NODES_MAX && topology->cpus >= 1, "counts");
    require(topology->cpus <= input->madt.nbytes / 8 + 1, "more CPUs than entries");
    for (unsigned node = 1; node < topology->nodes; node++) {
        require(topology->domains[node - 1] < topology->domains[node], "domains");
    }
    require(topology->cpu_apic_id[0] == input->boot_apic_id, "the boot CPU");
    for (unsigned cpu = 0; cpu < topology->cpus; cpu++) {
        require(topology->cpu_node[cpu] < topology->nodes, "node of a CPU");
        require(cpu == 0 || topology->cpu_apic_id[cpu] != input->boot_apic_id, "the boot CPU twice");
    }
    for (unsigned i = 0; i < topology->nodes * topology->nodes; i++) {
        bool is_diagonal = i % (topology->nodes + 1) == 0;
        require(is_diagonal ? topology->distance[i] == 10 : topology->distance[i] >= 10, "distance");
    }
    check_ranges(topology, &input->srat);
}

/* A block of exactly this length. */
static struct topology_table take(const uint8_t **data, size_t *size, size_t nbytes)
{
    struct topology_table table = {NULL, nbytes < *size ? nbytes : *size};
    if (table.nbytes > 0) {
        uint8_t *copy = malloc(table.nbytes);
        require(copy != NULL, "malloc");
        memcpy(copy, *data, table.nbytes);
        table.bytes = copy;
        *data += table.nbytes;
        *size -= table.nbytes;
    }
    return table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < INPUT_HEADER) {
        return 0;
    }
    const uint8_t *header = data;
    struct heap heap = {.fail_at = (header[6] & NEVER) == NEVER ? SIZE_MAX : header[6] & NEVER};
    const struct acpi_source host = {.context = &heap, .allocate = allocate, .release = release, .warn = warn};
    struct topology topology;
    struct topology_input input = {.boot_apic_id = header[6] >> 7};
    data += INPUT_HEADER;
    size -= INPUT_HEADER;
    input.madt = take(&data, &size, acpi_u16(header));
    input.srat = take(&data, &size, acpi_u16(header + 2));
    input.slit = take(&data, &size, acpi_u16(header + 4));
    input.hmat = take(&data, &size, size);
    if (topology_parse(&host, &input, &topology) == NEO_OK) {
        check(&topology, &input);
        topology_release(&host, &topology);
    } else {
        require(topology.ranges == NULL && topology.nodes == 0, "no result, but something in it");
    }
    require(heap.live == 0, "ownership");
    require(heap.warnings <= TOPOLOGY_WARNINGS_MAX + 1, "warnings without end");
    free((void *)(uintptr_t)input.madt.bytes);
    free((void *)(uintptr_t)input.srat.bytes);
    free((void *)(uintptr_t)input.slit.bytes);
    free((void *)(uintptr_t)input.hmat.bytes);
    return 0;
}
