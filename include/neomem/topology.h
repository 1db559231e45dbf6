/* topology.h — which memory and which CPU belong to which node, and how far the nodes are from each other, as ACPI
 * tells.
 *
 * A node is what ACPI calls a proximity domain: memory and CPUs that are equally near to each other. Domains have
 * any 32-bit number; nodes are dense, ascending with their domains. A node may be without CPUs or without memory.
 * CPU numbers are arch_cpu_id's: the boot CPU is 0, the others follow in the order in which the MADT lists them.
 * Nothing in the tables is trusted: a structure that contradicts itself is left out with a warning.
 * Source: ACPI 6.5, 5.2.12 (MADT), 5.2.16 (SRAT), 5.2.17 (SLIT), 5.2.28 (HMAT).
 *
 * Depends on: types.h. Used by: kernel/main.c, kernel/drivers, kernel/shell. */
#ifndef NEOMEM_TOPOLOGY_H
#define NEOMEM_TOPOLOGY_H

#include <neomem/types.h>

#define TOPOLOGY_NODES_MAX 256u /* a node's number fits into a byte, as frames_set_nodes wants it */
#define TOPOLOGY_LOCAL 10u      /* distance of a node to itself */
#define TOPOLOGY_REMOTE 20u     /* distance to every other one where firmware does not tell */
#define TOPOLOGY_UNREACHABLE 255u

/* Addresses that belong to a node; whether memory is there, only the memory map says. */
struct topology_range {
    phys_addr_t base; /* whole frames; a frame belongs where its first byte does */
    uint64_t nbytes;  /* > 0 */
    unsigned node;
    bool is_hot_pluggable;
};

enum topology_distance_source {
    TOPOLOGY_DISTANCE_DEFAULT, /* neither table tells: 10 and 20 */
    TOPOLOGY_DISTANCE_SLIT,
    TOPOLOGY_DISTANCE_HMAT, /* latencies, local ones scaled to 10 */
};

struct topology {
    unsigned nodes;                /* 1 … TOPOLOGY_NODES_MAX */
    unsigned cpus;                 /* >= 1 */
    uint32_t *domains;             /* of each node, ascending */
    uint32_t *cpu_apic_id;         /* of each CPU number */
    uint8_t *cpu_node;             /* of each CPU number */
    uint8_t *distance;             /* nodes * nodes, row = from; 10 on the diagonal, never less */
    struct topology_range *ranges; /* ascending, disjoint */
    uint64_t range_count;
    enum topology_distance_source distance_source;
};

/* Read the tables and tell the frame allocator (frames_set_nodes, frames_set_cpus). Needs acpi_init, heap and
 * frames; called once, while one CPU runs. Whatever is missing or wrong costs a warning at most: then one node, or
 * one CPU, remains. */
void topology_init(void);

/* NULL before topology_init and where there was no memory for it. Valid for ever. */
const struct topology *topology_get(void);

/* One line and one `numa` record for each node, with the memory it has now. Context: task level. */
void topology_report(void);

#endif
