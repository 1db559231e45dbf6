/* acpi_topology.c — the machine's side of the topology: its tables in, the frame allocator told, the result kept.
 *
 * The frame allocator counts only memory that it manages, so ranges that the SRAT calls hot-pluggable, or that it
 * makes up, mean nothing until the memory map has something there. */
#include "acpi_topology.h"

#include <neomem/acpi.h>
#include <neomem/cpu.h>
#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/warning.h>

static struct {
    struct topology topology;
    bool is_known;
} state;

static void *allocate(void *context, size_t nbytes)
{
    (void)context;
    return kmalloc(nbytes);
}

static void release(void *context, void *block)
{
    (void)context;
    kfree(block);
}

static void warn(void *context, const char *text)
{
    (void)context;
    warning("%s", text);
}

static struct topology_table table(const char signature[4])
{
    struct topology_table found = {NULL, 0};
    found.bytes = acpi_table(signature, &found.nbytes);
    return found;
}

static enum neo_status tell_nodes(const struct topology *topology)
{
    if (topology->nodes == 1) {
        return NEO_OK; /* as the allocator starts */
    }
    struct frames_node_range *ranges = kcalloc(topology->range_count + 1, sizeof(*ranges));
    if (ranges == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    for (uint64_t i = 0; i < topology->range_count; i++) {
        const struct topology_range *range = &topology->ranges[i];
        ranges[i] = (struct frames_node_range){.base = range->base, .nbytes = range->nbytes, .node = range->node};
    }
    enum neo_status status = frames_set_nodes(ranges, topology->range_count, topology->nodes, topology->distance,
                                              topology->cpu_node, topology->cpus);
    kfree(ranges);
    return status;
}

void topology_init(void)
{
    const struct acpi_source host = {.allocate = allocate, .release = release, .warn = warn};
    const struct topology_input input = {
        .madt = table("APIC"),
        .srat = table("SRAT"),
        .slit = table("SLIT"),
        .hmat = table("HMAT"),
        .boot_apic_id = cpu_apic_id(),
    };
    enum neo_status status = topology_parse(&host, &input, &state.topology);
    if (status != NEO_OK) {
        warning("the NUMA topology is not used: %s", neo_status_name(status));
        return;
    }
    status = tell_nodes(&state.topology);
    if (status != NEO_OK) {
        warning("the NUMA topology is not used: %s", neo_status_name(status));
    }
    /* After the nodes: each CPU's caches can then lie in its own memory. */
    status = frames_set_cpus(state.topology.cpus);
    if (status != NEO_OK) {
        warning("page frames are not cached for %u CPUs: %s", state.topology.cpus, neo_status_name(status));
    }
    state.is_known = true;
}

const struct topology *topology_get(void)
{
    return state.is_known ? &state.topology : NULL;
}
