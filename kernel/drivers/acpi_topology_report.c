/* acpi_topology_report.c — the nodes for people and for programs.
 *
 * What is shown is what the frame allocator has: where it refused the topology, or where there is none, one node. */
#include "acpi_topology.h"

#include <neomem/console.h>
#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/printf.h>
#include <neomem/record.h>

#define NUMBER_BYTES 12u /* of a number in a list, with what separates it */
#define RECORD_REST 512u /* of a record without its two lists */

struct node_text {
    char *cpus;      /* "0-3,8" */
    char *distances; /* "10 20 30" */
    char *record;
    size_t list_bytes;
};

/* Append to a list that has capacity for every number it can hold. */
static size_t append(char *list, size_t capacity, size_t used, const char *before, unsigned number)
{
    return used + (size_t)neo_snprintf(list + used, capacity - used, "%s%u", used > 0 ? before : "", number);
}

static bool is_on(const struct topology *topology, unsigned cpu, unsigned node)
{
    return topology == NULL ? node == 0 : topology->cpu_node[cpu] == node;
}

/* Return: how many. */
static unsigned list_cpus(const struct topology *topology, unsigned node, char *list, size_t capacity)
{
    unsigned cpus = topology != NULL ? topology->cpus : 1;
    unsigned count = 0;
    size_t used = 0;
    list[0] = '\0';
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        if (!is_on(topology, cpu, node)) {
            continue;
        }
        unsigned first = cpu;
        while (cpu + 1 < cpus && is_on(topology, cpu + 1, node)) {
            cpu++;
        }
        used = append(list, capacity, used, ",", first);
        if (cpu > first) {
            used = append(list, capacity, used, "-", cpu);
        }
        count += cpu - first + 1;
    }
    return count;
}

static void list_distances(const struct topology *topology, unsigned node, char *list, size_t capacity)
{
    unsigned nodes = topology != NULL ? topology->nodes : 1;
    size_t used = 0;
    for (unsigned to = 0; to < nodes; to++) {
        unsigned distance = topology != NULL ? topology->distance[(size_t)node * nodes + to] : TOPOLOGY_LOCAL;
        used = append(list, capacity, used, " ", distance);
    }
}

static void report_node(const struct topology *topology, unsigned node, struct node_text *text)
{
    uint64_t total = 0;
    uint64_t free = 0;
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats zone;
        frames_get_zone_stats(node, (enum frames_window)window, &zone);
        total += zone.total;
        free += zone.free;
    }
    unsigned cpus = list_cpus(topology, node, text->cpus, text->list_bytes);
    list_distances(topology, node, text->distances, text->list_bytes);
    kprintf("numa       node %u: %llu MiB, ", node, (unsigned long long)(total * PAGE_SIZE >> 20));
    kprintf("%s%s, ", cpus == 0 ? "no CPU" : cpus == 1 ? "CPU " : "CPUs ", text->cpus);
    kprintf("distances %s\n", text->distances);

    struct record r;
    record_begin_in(&r, "numa", text->record, 2 * text->list_bytes + RECORD_REST);
    record_number(&r, "node", node);
    record_number(&r, "bytes", total * PAGE_SIZE);
    record_number(&r, "free", free * PAGE_SIZE);
    record_text(&r, "cpus", text->cpus);
    record_text(&r, "distances", text->distances);
    record_end(&r);
}

void topology_report(void)
{
    const struct topology *topology = topology_get();
    unsigned nodes = frames_nodes();
    if (topology != NULL && topology->nodes != nodes) {
        topology = NULL; /* the allocator could not take it */
    }
    uint64_t numbers = topology != NULL ? (uint64_t)topology->cpus + topology->nodes : 2;
    struct node_text text = {.list_bytes = numbers * NUMBER_BYTES};
    text.cpus = kmalloc(4 * text.list_bytes + RECORD_REST);
    if (text.cpus == NULL) {
        kprintf("numa       %u nodes\n", nodes);
        return;
    }
    text.distances = text.cpus + text.list_bytes;
    text.record = text.distances + text.list_bytes;
    for (unsigned node = 0; node < nodes; node++) {
        report_node(topology, node, &text);
    }
    kfree(text.cpus);
}
