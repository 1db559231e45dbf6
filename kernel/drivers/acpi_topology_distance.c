/* acpi_topology_distance.c — how far each node is from each other: SLIT, and HMAT where it knows better.
 *
 * The SLIT is a square of bytes, indexed by proximity domain, 10 on its diagonal. It is taken as a whole or not at
 * all.
 *
 * The HMAT tells latencies from initiators (domains with CPUs) to targets (domains with memory), in structures that
 * may each hold a part. They are gathered in picoseconds: access latency first, read latency where that is missing.
 * If then a node with CPUs knows the latency to every node with memory, and all such nodes do, their rows follow the
 * latencies: local is 10 and the others in proportion, at least 11 (local stays first, even where firmware calls
 * something else faster) and at most 254. Rows of nodes without CPUs stay as they were: nobody runs there who could
 * be nearer to anything.
 *
 * Source: ACPI 6.5, 5.2.17 (SLIT), 5.2.28.4 (System Locality Latency and Bandwidth Information). */
#include "acpi_topology.h"

#include <neomem/string.h>

#define SLIT_COUNT 36u
#define SLIT_MATRIX 44u

#define HMAT_STRUCTURES 40u
#define HMAT_STRUCTURE_BYTES 8u /* type, reserved, length */
#define HMAT_LATENCY_BANDWIDTH 1u
#define HMAT_LATENCY_HEADER 32u
#define HMAT_HIERARCHY_MASK 0xfu /* of the flags; 0: memory itself, others: caches beside it */
#define HMAT_ACCESS_LATENCY 0u
#define HMAT_READ_LATENCY 1u
#define HMAT_NOT_TOLD 0u
#define HMAT_UNREACHABLE 0xffffu

#define LATENCY_UNREACHABLE UINT64_MAX
#define NEAREST_REMOTE (TOPOLOGY_LOCAL + 1u)
#define FARTHEST_REACHABLE (TOPOLOGY_UNREACHABLE - 1u)

static uint8_t *distance_at(const struct topology *topology, unsigned from, unsigned to)
{
    return &topology->distance[(size_t)from * topology->nodes + to];
}

static void set_defaults(struct topology *topology)
{
    for (unsigned from = 0; from < topology->nodes; from++) {
        for (unsigned to = 0; to < topology->nodes; to++) {
            *distance_at(topology, from, to) = from == to ? TOPOLOGY_LOCAL : TOPOLOGY_REMOTE;
        }
    }
    topology->distance_source = TOPOLOGY_DISTANCE_DEFAULT;
}

/* ---- SLIT ---- */

/* Fill in what the SLIT says. Return: false at the first thing that cannot be. */
static bool copy_slit(struct topology_job *job)
{
    const struct topology_table *slit = &job->input->slit;
    const struct topology *topology = job->topology;
    uint64_t domains = slit->nbytes >= SLIT_MATRIX ? acpi_u64(slit->bytes + SLIT_COUNT) : 0;
    if (domains == 0 || domains > (slit->nbytes - SLIT_MATRIX) / domains) {
        topology_warn(job, "acpi: SLIT left out: its matrix does not fit");
        return false;
    }
    uint32_t last_domain = topology->domains[topology->nodes - 1];
    if (last_domain >= domains) {
        topology_warn(job, "acpi: SLIT left out: it ends before domain %u", last_domain);
        return false;
    }
    for (unsigned from = 0; from < topology->nodes; from++) {
        const uint8_t *row = slit->bytes + SLIT_MATRIX + domains * topology->domains[from];
        for (unsigned to = 0; to < topology->nodes; to++) {
            uint8_t distance = row[topology->domains[to]];
            if (from == to ? distance != TOPOLOGY_LOCAL : distance < TOPOLOGY_LOCAL) {
                topology_warn(job, "acpi: SLIT left out: distance %u from domain %u to domain %u", distance,
                              topology->domains[from], topology->domains[to]);
                return false;
            }
            *distance_at(topology, from, to) = distance;
        }
    }
    return true;
}

/* ---- HMAT ---- */

/* One structure of latencies, its lists and matrix known to be inside. */
struct latency_structure {
    const uint8_t *initiators, *targets, *entries;
    uint32_t initiator_count, target_count;
    uint64_t unit; /* picoseconds */
};

static bool open_latencies(struct topology_job *job, const uint8_t *bytes, uint32_t nbytes, struct latency_structure *s)
{
    if (nbytes < HMAT_LATENCY_HEADER) {
        topology_warn(job, "acpi: HMAT: structure at byte %zu left out: %u bytes are too few",
                      (size_t)(bytes - job->input->hmat.bytes), nbytes);
        return false;
    }
    *s = (struct latency_structure){
        .initiators = bytes + HMAT_LATENCY_HEADER,
        .initiator_count = acpi_u32(bytes + 12),
        .target_count = acpi_u32(bytes + 16),
        .unit = acpi_u64(bytes + 24),
    };
    /* Below 2^63 with any two counts: 4 * 2^32 twice, and 2 * (2^32 - 1)^2 compared by division. */
    uint64_t room = nbytes - HMAT_LATENCY_HEADER;
    uint64_t lists = 4ull * s->initiator_count + 4ull * s->target_count;
    uint64_t rows_fit = lists <= room && s->target_count > 0 ? (room - lists) / (2ull * s->target_count) : 0;
    if (lists > room || (s->target_count > 0 && s->initiator_count > rows_fit) ||
        s->unit > UINT64_MAX / HMAT_UNREACHABLE) {
        topology_warn(job, "acpi: HMAT: structure at byte %zu left out: its latencies do not fit",
                      (size_t)(bytes - job->input->hmat.bytes));
        return false;
    }
    s->targets = s->initiators + 4ull * s->initiator_count;
    s->entries = s->targets + 4ull * s->target_count;
    return true;
}

/* latencies: nodes * nodes, 0 where none is known yet; the first that is told stays. */
static void gather(const struct topology *topology, const struct latency_structure *s, uint64_t *latencies)
{
    for (uint32_t i = 0; i < s->initiator_count; i++) {
        unsigned from = topology_node_of(topology, acpi_u32(s->initiators + 4ull * i));
        if (from == TOPOLOGY_NODES_MAX) {
            continue;
        }
        for (uint32_t t = 0; t < s->target_count; t++) {
            unsigned to = topology_node_of(topology, acpi_u32(s->targets + 4ull * t));
            uint16_t entry = acpi_u16(s->entries + 2 * ((uint64_t)i * s->target_count + t));
            if (to == TOPOLOGY_NODES_MAX || entry == HMAT_NOT_TOLD || latencies[from * topology->nodes + to] != 0) {
                continue;
            }
            latencies[from * topology->nodes + to] = entry == HMAT_UNREACHABLE ? LATENCY_UNREACHABLE : entry * s->unit;
        }
    }
}

static void read_structures(struct topology_job *job, uint8_t data_type, uint64_t *latencies)
{
    const struct topology_table *hmat = &job->input->hmat;
    bool is_first_pass = data_type == HMAT_ACCESS_LATENCY; /* nothing is warned of twice */
    size_t at = HMAT_STRUCTURES;
    while (at < hmat->nbytes) {
        const uint8_t *bytes = hmat->bytes + at;
        size_t left = hmat->nbytes - at;
        uint32_t nbytes = left >= HMAT_STRUCTURE_BYTES ? acpi_u32(bytes + 4) : 0;
        if (nbytes < HMAT_STRUCTURE_BYTES || nbytes > left) {
            if (is_first_pass) {
                topology_warn(job, "acpi: HMAT: no sound structure at byte %zu, the rest is left out", at);
            }
            return;
        }
        bool is_latency = acpi_u16(bytes) == HMAT_LATENCY_BANDWIDTH && nbytes >= 10 &&
                          (bytes[8] & HMAT_HIERARCHY_MASK) == 0 && bytes[9] == data_type;
        struct latency_structure s;
        if (is_latency && open_latencies(job, bytes, nbytes, &s)) {
            gather(job->topology, &s, latencies);
        }
        at += nbytes;
    }
}

struct node_use {
    bool has_cpus[TOPOLOGY_NODES_MAX];
    bool has_memory[TOPOLOGY_NODES_MAX];
};

static void find_use(const struct topology *topology, struct node_use *use)
{
    *use = (struct node_use){0};
    for (unsigned cpu = 0; cpu < topology->cpus; cpu++) {
        use->has_cpus[topology->cpu_node[cpu]] = true;
    }
    for (uint64_t i = 0; i < topology->range_count; i++) {
        use->has_memory[topology->ranges[i].node] = true;
    }
}

static bool is_complete(const struct topology *topology, const struct node_use *use, const uint64_t *latencies)
{
    bool has_rows = false;
    for (unsigned from = 0; from < topology->nodes; from++) {
        for (unsigned to = 0; to < topology->nodes; to++) {
            if (!use->has_cpus[from] || !use->has_memory[to]) {
                continue;
            }
            uint64_t latency = latencies[from * topology->nodes + to];
            if (latency == 0 || (from == to && latency == LATENCY_UNREACHABLE)) {
                return false;
            }
            has_rows = true;
        }
    }
    return has_rows;
}

/* The latency that counts as 10: the local one; for a node without memory the shortest. */
static uint64_t local_latency(const struct topology *topology, const struct node_use *use, const uint64_t *row,
                              unsigned from)
{
    uint64_t shortest = LATENCY_UNREACHABLE;
    for (unsigned to = 0; to < topology->nodes; to++) {
        if (use->has_memory[to]) {
            shortest = min_u64(shortest, row[to]);
        }
    }
    return use->has_memory[from] ? row[from] : shortest;
}

static uint8_t scale(uint64_t latency, uint64_t local)
{
    if (latency == LATENCY_UNREACHABLE) {
        return TOPOLOGY_UNREACHABLE;
    }
    /* Far from overflow once both are small; more than 26 times the local latency is FARTHEST_REACHABLE anyway. */
    if (latency / local > FARTHEST_REACHABLE / TOPOLOGY_LOCAL) {
        return FARTHEST_REACHABLE;
    }
    while (latency > UINT32_MAX) {
        latency >>= 1;
        local >>= 1;
    }
    uint64_t distance = (latency * TOPOLOGY_LOCAL + local / 2) / local;
    return (uint8_t)min_u64(max_u64(distance, NEAREST_REMOTE), FARTHEST_REACHABLE);
}

static void use_latencies(struct topology *topology, const struct node_use *use, const uint64_t *latencies)
{
    for (unsigned from = 0; from < topology->nodes; from++) {
        const uint64_t *row = latencies + (size_t)from * topology->nodes;
        uint64_t local = local_latency(topology, use, row, from);
        if (!use->has_cpus[from] || local == LATENCY_UNREACHABLE) {
            continue;
        }
        for (unsigned to = 0; to < topology->nodes; to++) {
            if (from != to && use->has_memory[to]) {
                *distance_at(topology, from, to) = scale(row[to], local);
            }
        }
    }
    topology->distance_source = TOPOLOGY_DISTANCE_HMAT;
}

static enum neo_status apply_hmat(struct topology_job *job)
{
    struct topology *topology = job->topology;
    struct node_use use;
    uint64_t *latencies = topology_allocate(job, (uint64_t)topology->nodes * topology->nodes, sizeof(*latencies));
    if (latencies == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    read_structures(job, HMAT_ACCESS_LATENCY, latencies);
    read_structures(job, HMAT_READ_LATENCY, latencies);
    find_use(topology, &use);
    if (is_complete(topology, &use, latencies)) {
        use_latencies(topology, &use, latencies);
    }
    topology_free(job, latencies);
    return NEO_OK;
}

enum neo_status topology_measure(struct topology_job *job)
{
    struct topology *topology = job->topology;
    topology->distance =
        topology_allocate(job, (uint64_t)topology->nodes * topology->nodes, sizeof(*topology->distance));
    if (topology->distance == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    set_defaults(topology);
    if (topology->nodes == 1) {
        return NEO_OK;
    }
    if (job->input->slit.bytes != NULL) {
        if (copy_slit(job)) {
            topology->distance_source = TOPOLOGY_DISTANCE_SLIT;
        } else {
            set_defaults(topology);
        }
    }
    return job->input->hmat.bytes != NULL ? apply_hmat(job) : NEO_OK;
}
