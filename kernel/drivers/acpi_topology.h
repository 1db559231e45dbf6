/* acpi_topology.h — from the bytes of MADT, SRAT, SLIT and HMAT to a struct topology; pure. Private to
 * kernel/drivers.
 *
 * Every function takes tables with any content and of any length, reads nothing past their ends, does not recurse,
 * and needs memory and time in proportion to their size (times its logarithm), nodes * nodes apart. */
#ifndef NEOMEM_DRIVERS_ACPI_TOPOLOGY_H
#define NEOMEM_DRIVERS_ACPI_TOPOLOGY_H

#include "acpi_tables.h"

#include <neomem/compiler.h>
#include <neomem/status.h>
#include <neomem/topology.h>

struct topology_table {
    const uint8_t *bytes; /* header included; NULL: the machine has none */
    size_t nbytes;
};

struct topology_input {
    struct topology_table madt, srat, slit, hmat;
    uint32_t boot_apic_id; /* of the CPU that runs */
};

/* host: allocate, release and warn are used. *topology then owns its arrays.
 * Return: NEO_ERR_NO_MEMORY; *topology is zeroed then and owns nothing. */
enum neo_status topology_parse(const struct acpi_source *host, const struct topology_input *input,
                               struct topology *topology) NEO_NODISCARD;
void topology_release(const struct acpi_source *host, struct topology *topology);

/* ---- between the parts of the parser ------------------------------------------------------------------ */

/* So many lines at most: firmware that is wrong a thousand times is wrong. */
#define TOPOLOGY_WARNINGS_MAX 16u

struct topology_job {
    const struct acpi_source *host;
    const struct topology_input *input;
    struct topology *topology;
    uint64_t warnings;
};

void topology_warn(struct topology_job *job, const char *format, ...) NEO_PRINTF(2, 3);
/* count * element_bytes zeroed bytes, at least one. Return: NULL when there is no memory. */
void *topology_allocate(struct topology_job *job, uint64_t count, size_t element_bytes) NEO_NODISCARD;
void topology_free(struct topology_job *job, void *block);

/* What the SRAT says, in its order; only entries that are enabled and sound. */
struct srat_cpu {
    uint32_t apic_id;
    uint32_t domain;
    uint32_t order; /* its place among them: the first of contradicting ones wins */
};

struct srat_memory {
    phys_addr_t base, end; /* whole frames, base < end */
    uint32_t domain;
    uint32_t order;
    bool is_hot_pluggable;
};

struct srat_facts {
    struct srat_cpu *cpus;
    struct srat_memory *memory;
    uint32_t cpu_count, memory_count;
};

/* acpi_topology_srat.c. facts->cpus and ->memory are the caller's to free, also after a failure.
 * Return: NEO_ERR_NO_MEMORY. Without an SRAT both are empty. */
enum neo_status srat_read(struct topology_job *job, struct srat_facts *facts) NEO_NODISCARD;

/* Return: the node of a domain; TOPOLOGY_NODES_MAX when it has none. */
unsigned topology_node_of(const struct topology *topology, uint32_t domain);

/* acpi_topology_ranges.c: job->topology's ranges from memory (which is sorted by it), where entries overlap the
 * first one's.
 * Return: NEO_ERR_NO_MEMORY. */
enum neo_status topology_resolve_ranges(struct topology_job *job, struct srat_memory *memory,
                                        uint32_t count) NEO_NODISCARD;

/* acpi_topology_distance.c: job->topology's distances, once its nodes, CPUs and ranges are there.
 * Return: NEO_ERR_NO_MEMORY. */
enum neo_status topology_measure(struct topology_job *job) NEO_NODISCARD;

#endif
