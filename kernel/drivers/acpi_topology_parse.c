/* acpi_topology_parse.c — the parts put together: domains to nodes, CPU numbers to nodes.
 *
 * Order: CPUs of the MADT, entries of the SRAT, nodes, ranges, node of each CPU, distances. Each step only needs
 * those before, and each leaves something sound when its table is missing: one CPU, one node, no ranges, distances
 * 10 and 20. */
#include "acpi_topology.h"

#include <neomem/printf.h>
#include <neomem/sort.h>
#include <neomem/string.h>

#define WARNING_BYTES 200u

/* ---- what all parts use ---- */

void topology_warn(struct topology_job *job, const char *format, ...)
{
    char text[WARNING_BYTES];
    if (++job->warnings > TOPOLOGY_WARNINGS_MAX) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    neo_vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    job->host->warn(job->host->context, text);
}

static void warn_of_silence(const struct topology_job *job)
{
    if (job->warnings > TOPOLOGY_WARNINGS_MAX) {
        char text[WARNING_BYTES];
        neo_snprintf(text, sizeof(text), "acpi: %llu more faults in the tables of the NUMA topology",
                     (unsigned long long)(job->warnings - TOPOLOGY_WARNINGS_MAX));
        job->host->warn(job->host->context, text);
    }
}

void *topology_allocate(struct topology_job *job, uint64_t count, size_t element_bytes)
{
    /* Tables are at most some MiB long: no product of a count and a size overflows. */
    size_t nbytes = count > 0 ? (size_t)count * element_bytes : 1;
    void *block = job->host->allocate(job->host->context, nbytes);
    if (block != NULL) {
        neo_memset(block, 0, nbytes);
    }
    return block;
}

void topology_free(struct topology_job *job, void *block)
{
    if (block != NULL) {
        job->host->release(job->host->context, block);
    }
}

unsigned topology_node_of(const struct topology *topology, uint32_t domain)
{
    unsigned low = 0;
    unsigned high = topology->nodes;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (topology->domains[middle] == domain) {
            return middle;
        }
        if (topology->domains[middle] < domain) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return TOPOLOGY_NODES_MAX;
}

/* ---- CPUs ---- */

static enum neo_status number_cpus(struct topology_job *job)
{
    const struct topology_input *input = job->input;
    struct topology *topology = job->topology;
    struct acpi_madt_cursor cursor = {0};
    uint32_t apic_id;
    unsigned listed = 0;
    bool has_boot_cpu = false;
    if (input->madt.bytes != NULL) {
        for (; acpi_madt_next_cpu(input->madt.bytes, input->madt.nbytes, &cursor, &apic_id); listed++) {
            has_boot_cpu = has_boot_cpu || apic_id == input->boot_apic_id;
        }
    }
    if (listed > 0 && !has_boot_cpu) {
        topology_warn(job, "acpi: the MADT does not list the CPU that runs, APIC id %u", input->boot_apic_id);
    }
    topology->cpu_apic_id = topology_allocate(job, listed + 1ull, sizeof(*topology->cpu_apic_id));
    if (topology->cpu_apic_id == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    topology->cpu_apic_id[topology->cpus++] = input->boot_apic_id;
    cursor = (struct acpi_madt_cursor){0};
    for (unsigned i = 0; i < listed && acpi_madt_next_cpu(input->madt.bytes, input->madt.nbytes, &cursor, &apic_id);
         i++) {
        if (apic_id != input->boot_apic_id) {
            topology->cpu_apic_id[topology->cpus++] = apic_id;
        }
    }
    return NEO_OK;
}

static int compare_cpus(const void *left, const void *right)
{
    const struct srat_cpu *a = left;
    const struct srat_cpu *b = right;
    if (a->apic_id != b->apic_id) {
        return a->apic_id < b->apic_id ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static void check_cpu_entries(struct topology_job *job, const struct srat_facts *facts)
{
    for (uint32_t i = 1; i < facts->cpu_count; i++) {
        const struct srat_cpu *before = &facts->cpus[i - 1];
        const struct srat_cpu *entry = &facts->cpus[i];
        if (entry->apic_id == before->apic_id && entry->domain != before->domain) {
            topology_warn(job, "acpi: SRAT: the CPU with APIC id %u is in domains %u and %u: the first entry counts",
                          entry->apic_id, before->domain, entry->domain);
        }
    }
}

/* cpus: sorted. Return: the first entry for this APIC id; NULL when there is none. */
static const struct srat_cpu *find_cpu(const struct srat_facts *facts, uint32_t apic_id)
{
    uint32_t low = 0;
    uint32_t high = facts->cpu_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (facts->cpus[middle].apic_id < apic_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < facts->cpu_count && facts->cpus[low].apic_id == apic_id ? &facts->cpus[low] : NULL;
}

static enum neo_status place_cpus(struct topology_job *job, struct srat_facts *facts)
{
    struct topology *topology = job->topology;
    unsigned homeless = 0;
    topology->cpu_node = topology_allocate(job, topology->cpus, sizeof(*topology->cpu_node));
    if (topology->cpu_node == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    if (facts->cpu_count == 0) {
        return NEO_OK;
    }
    neo_sort(facts->cpus, facts->cpu_count, sizeof(*facts->cpus), compare_cpus);
    check_cpu_entries(job, facts);
    for (unsigned cpu = 0; cpu < topology->cpus; cpu++) {
        const struct srat_cpu *entry = find_cpu(facts, topology->cpu_apic_id[cpu]);
        unsigned node = entry != NULL ? topology_node_of(topology, entry->domain) : TOPOLOGY_NODES_MAX;
        homeless += node == TOPOLOGY_NODES_MAX;
        topology->cpu_node[cpu] = node == TOPOLOGY_NODES_MAX ? 0 : (uint8_t)node;
    }
    if (homeless > 0) {
        topology_warn(job, "acpi: SRAT: %u CPUs have no domain and count as node 0's", homeless);
    }
    return NEO_OK;
}

/* ---- nodes ---- */

static int compare_domains(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Every domain with memory or a CPU is a node; without any, there is the one that everything belongs to. */
static enum neo_status number_nodes(struct topology_job *job, const struct srat_facts *facts)
{
    struct topology *topology = job->topology;
    uint64_t total = 0;
    uint64_t distinct = 0;
    topology->domains = topology_allocate(job, TOPOLOGY_NODES_MAX, sizeof(*topology->domains));
    uint32_t *named = topology_allocate(job, (uint64_t)facts->cpu_count + facts->memory_count, sizeof(*named));
    if (topology->domains == NULL || named == NULL) {
        topology_free(job, named);
        return NEO_ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < facts->cpu_count; i++) {
        named[total++] = facts->cpus[i].domain;
    }
    for (uint32_t i = 0; i < facts->memory_count; i++) {
        named[total++] = facts->memory[i].domain;
    }
    neo_sort(named, total, sizeof(*named), compare_domains);
    for (uint64_t i = 0; i < total; i++) {
        if (i > 0 && named[i] == named[i - 1]) {
            continue;
        }
        if (distinct < TOPOLOGY_NODES_MAX) {
            topology->domains[distinct] = named[i];
        }
        distinct++;
    }
    topology_free(job, named);
    if (distinct > TOPOLOGY_NODES_MAX) {
        topology_warn(job, "acpi: SRAT: %llu proximity domains, only the first %u are nodes",
                      (unsigned long long)distinct, TOPOLOGY_NODES_MAX);
    }
    topology->nodes = distinct == 0 ? 1 : (unsigned)min_u64(distinct, TOPOLOGY_NODES_MAX);
    return NEO_OK;
}

/* ---- all of it ---- */

static enum neo_status build(struct topology_job *job, struct srat_facts *facts)
{
    enum neo_status status = number_cpus(job);
    if (status == NEO_OK) {
        status = srat_read(job, facts);
    }
    if (status == NEO_OK) {
        status = number_nodes(job, facts);
    }
    if (status == NEO_OK) {
        status = topology_resolve_ranges(job, facts->memory, facts->memory_count);
    }
    if (status == NEO_OK) {
        status = place_cpus(job, facts);
    }
    if (status == NEO_OK) {
        status = topology_measure(job);
    }
    return status;
}

enum neo_status topology_parse(const struct acpi_source *host, const struct topology_input *input,
                               struct topology *topology)
{
    struct topology_job job = {.host = host, .input = input, .topology = topology};
    struct srat_facts facts = {0};
    *topology = (struct topology){0};
    enum neo_status status = build(&job, &facts);
    topology_free(&job, facts.cpus);
    topology_free(&job, facts.memory);
    warn_of_silence(&job);
    if (status != NEO_OK) {
        topology_release(host, topology);
    }
    return status;
}

void topology_release(const struct acpi_source *host, struct topology *topology)
{
    struct topology_job job = {.host = host};
    topology_free(&job, topology->domains);
    topology_free(&job, topology->cpu_apic_id);
    topology_free(&job, topology->cpu_node);
    topology_free(&job, topology->distance);
    topology_free(&job, topology->ranges);
    *topology = (struct topology){0};
}
