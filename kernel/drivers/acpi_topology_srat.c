/* acpi_topology_srat.c — the System Resource Affinity Table, entry by entry.
 *
 * Two passes over the table: how many entries of each kind, then the entries. Left out without a word: entries that
 * are not enabled, those of no length, non-volatile memory (no memory of ours), and types that are no CPU and no
 * memory.
 * Source: ACPI 6.5, 5.2.16. Entries: type, length, …; domains have 8 bits in table revision 1, 32 bits from 2 on. */
#include "acpi_topology.h"

#define SRAT_ENTRIES 48u
#define SRAT_REVISION 8u

#define SRAT_APIC 0u
#define SRAT_APIC_BYTES 16u
#define SRAT_MEMORY 1u
#define SRAT_MEMORY_BYTES 40u
#define SRAT_X2APIC 2u
#define SRAT_X2APIC_BYTES 24u

#define AFFINITY_ENABLED (1u << 0)
#define MEMORY_HOT_PLUGGABLE (1u << 1)
#define MEMORY_NON_VOLATILE (1u << 2)

struct srat_cursor {
    const struct topology_table *srat;
    size_t next;
};

/* The next entry, whole. Return: NULL at the end, also where the rest makes no sense; *is_damaged then says which. */
static const uint8_t *next_entry(struct srat_cursor *cursor, bool *is_damaged)
{
    const struct topology_table *srat = cursor->srat;
    *is_damaged = false;
    if (cursor->next >= srat->nbytes) {
        return NULL;
    }
    const uint8_t *entry = srat->bytes + cursor->next;
    size_t left = srat->nbytes - cursor->next;
    if (left < 2 || entry[1] < 2 || entry[1] > left) {
        *is_damaged = true;
        return NULL;
    }
    cursor->next += entry[1];
    return entry;
}

static bool is_cpu(const uint8_t *entry)
{
    return entry[0] == SRAT_APIC || entry[0] == SRAT_X2APIC;
}

/* Length that an entry of this type has at least; 0: not a type for us. */
static size_t least_bytes(uint8_t type)
{
    switch (type) {
    case SRAT_APIC:
        return SRAT_APIC_BYTES;
    case SRAT_MEMORY:
        return SRAT_MEMORY_BYTES;
    case SRAT_X2APIC:
        return SRAT_X2APIC_BYTES;
    default:
        return 0;
    }
}

static void read_cpu(const uint8_t *entry, uint32_t domain_mask, struct srat_facts *facts)
{
    bool is_x2apic = entry[0] == SRAT_X2APIC;
    if ((acpi_u32(entry + (is_x2apic ? 12 : 4)) & AFFINITY_ENABLED) == 0) {
        return;
    }
    uint32_t split_domain = entry[2] | (uint32_t)entry[9] << 8 | (uint32_t)acpi_u16(entry + 10) << 16;
    facts->cpus[facts->cpu_count] = (struct srat_cpu){
        .apic_id = is_x2apic ? acpi_u32(entry + 8) : entry[3],
        .domain = is_x2apic ? acpi_u32(entry + 4) : split_domain & domain_mask,
        .order = facts->cpu_count,
    };
    facts->cpu_count++;
}

static void read_memory(struct topology_job *job, const uint8_t *entry, uint32_t domain_mask, struct srat_facts *facts)
{
    uint32_t flags = acpi_u32(entry + 28);
    uint32_t domain = acpi_u32(entry + 2) & domain_mask;
    phys_addr_t base = acpi_u64(entry + 8);
    uint64_t nbytes = acpi_u64(entry + 16);
    if ((flags & AFFINITY_ENABLED) == 0 || (flags & MEMORY_NON_VOLATILE) != 0 || nbytes == 0) {
        return;
    }
    if (base >= PHYS_ADDR_LIMIT || nbytes > PHYS_ADDR_LIMIT - base) {
        topology_warn(job, "acpi: SRAT: memory of domain %u at 0x%llx left out: it ends beyond every physical address",
                      domain, (unsigned long long)base);
        return;
    }
    /* Both ends upwards: neighbours that meet inside a frame stay neighbours. */
    phys_addr_t first = align_up(base, PAGE_SIZE);
    phys_addr_t end = align_up(base + nbytes, PAGE_SIZE);
    if (first == end) {
        return;
    }
    facts->memory[facts->memory_count] = (struct srat_memory){
        .base = first,
        .end = end,
        .domain = domain,
        .order = facts->memory_count,
        .is_hot_pluggable = (flags & MEMORY_HOT_PLUGGABLE) != 0,
    };
    facts->memory_count++;
}

static enum neo_status make_room(struct topology_job *job, struct srat_facts *facts)
{
    struct srat_cursor cursor = {&job->input->srat, SRAT_ENTRIES};
    uint64_t cpus = 0;
    uint64_t memory = 0;
    bool is_damaged;
    for (const uint8_t *entry = next_entry(&cursor, &is_damaged); entry != NULL;
         entry = next_entry(&cursor, &is_damaged)) {
        cpus += is_cpu(entry);
        memory += entry[0] == SRAT_MEMORY;
    }
    facts->cpus = topology_allocate(job, cpus, sizeof(*facts->cpus));
    facts->memory = topology_allocate(job, memory, sizeof(*facts->memory));
    return facts->cpus == NULL || facts->memory == NULL ? NEO_ERR_NO_MEMORY : NEO_OK;
}

enum neo_status srat_read(struct topology_job *job, struct srat_facts *facts)
{
    const struct topology_table *srat = &job->input->srat;
    *facts = (struct srat_facts){0};
    if (srat->bytes == NULL) {
        return NEO_OK;
    }
    if (srat->nbytes < SRAT_ENTRIES) {
        topology_warn(job, "acpi: SRAT left out: shorter than its header");
        return NEO_OK;
    }
    if (make_room(job, facts) != NEO_OK) {
        return NEO_ERR_NO_MEMORY;
    }
    uint32_t domain_mask = srat->bytes[SRAT_REVISION] < 2 ? 0xffu : UINT32_MAX;
    struct srat_cursor cursor = {srat, SRAT_ENTRIES};
    bool is_damaged;
    for (const uint8_t *entry = next_entry(&cursor, &is_damaged); entry != NULL;
         entry = next_entry(&cursor, &is_damaged)) {
        size_t least = least_bytes(entry[0]);
        if (entry[1] < least) {
            topology_warn(job, "acpi: SRAT: entry of type %u at byte %zu left out: %u bytes are too few", entry[0],
                          (size_t)(entry - srat->bytes), entry[1]);
        } else if (is_cpu(entry)) {
            read_cpu(entry, domain_mask, facts);
        } else if (entry[0] == SRAT_MEMORY) {
            read_memory(job, entry, domain_mask, facts);
        }
    }
    if (is_damaged) {
        topology_warn(job, "acpi: SRAT: no sound entry at byte %zu, the rest is left out", cursor.next);
    }
    return NEO_OK;
}
