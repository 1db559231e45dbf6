/* topology_tables.h — MADT, SRAT, SLIT and HMAT written byte by byte, and a heap that counts, for tests of the
 * topology. Each table is parsed from a block of exactly its size, so ASan sees each byte too far. */
#ifndef NEOMEM_TEST_TOPOLOGY_TABLES_H
#define NEOMEM_TEST_TOPOLOGY_TABLES_H

#include "acpi_topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_BYTES_MAX (256u << 10)

struct table {
    uint8_t bytes[TABLE_BYTES_MAX];
    size_t nbytes;
};

static struct table madt, srat, slit, hmat;

static struct {
    size_t live, allocations, fail_at;
    size_t warnings;
    char first_warning[256], last_warning[256];
} host_state;

static inline void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, value);
    put16(at + 2, value >> 16);
}

static inline void put64(uint8_t *at, uint64_t value)
{
    put32(at, (uint32_t)value);
    put32(at + 4, (uint32_t)(value >> 32));
}

/* nbytes of zeros at the end. */
static inline uint8_t *grow(struct table *table, size_t nbytes)
{
    uint8_t *at = table->bytes + table->nbytes;
    if (nbytes > TABLE_BYTES_MAX - table->nbytes) {
        abort();
    }
    memset(at, 0, nbytes);
    table->nbytes += nbytes;
    return at;
}

static inline void begin(struct table *table, const char *signature, uint8_t revision, size_t header_bytes)
{
    table->nbytes = 0;
    memcpy(grow(table, header_bytes), signature, 4);
    table->bytes[8] = revision;
}

static inline void begin_all(void)
{
    begin(&madt, "APIC", 3, 44);
    begin(&srat, "SRAT", 3, 48);
    slit.nbytes = hmat.nbytes = 0; /* absent */
}

static inline void madt_cpu(uint8_t apic_id)
{
    uint8_t *entry = grow(&madt, 8);
    entry[1] = 8;
    entry[3] = apic_id;
    entry[4] = 1;
}

static inline void madt_x2apic(uint32_t apic_id)
{
    uint8_t *entry = grow(&madt, 16);
    entry[0] = 9;
    entry[1] = 16;
    put32(entry + 4, apic_id);
    entry[8] = 1;
}

static inline uint8_t *srat_cpu(uint8_t apic_id, uint32_t domain)
{
    uint8_t *entry = grow(&srat, 16);
    entry[1] = 16;
    entry[2] = (uint8_t)domain;
    entry[3] = apic_id;
    entry[4] = 1;
    entry[9] = (uint8_t)(domain >> 8);
    put16(entry + 10, domain >> 16);
    return entry;
}

static inline uint8_t *srat_x2apic(uint32_t apic_id, uint32_t domain)
{
    uint8_t *entry = grow(&srat, 24);
    entry[0] = 2;
    entry[1] = 24;
    put32(entry + 4, domain);
    put32(entry + 8, apic_id);
    entry[12] = 1;
    return entry;
}

#define ENABLED 1u
#define HOT_PLUGGABLE 2u
#define NON_VOLATILE 4u

static inline uint8_t *srat_memory(uint32_t domain, uint64_t base, uint64_t nbytes, uint32_t flags)
{
    uint8_t *entry = grow(&srat, 40);
    entry[0] = 1;
    entry[1] = 40;
    put32(entry + 2, domain);
    put64(entry + 8, base);
    put64(entry + 16, nbytes);
    put32(entry + 28, flags);
    return entry;
}

static inline void make_slit(uint64_t domains, const uint8_t *matrix)
{
    begin(&slit, "SLIT", 1, 44);
    put64(slit.bytes + 36, domains);
    memcpy(grow(&slit, (size_t)(domains * domains)), matrix, (size_t)(domains * domains));
}

/* One structure of latencies; begins the table when there is none. */
static inline uint8_t *hmat_latencies(uint8_t data_type, uint64_t unit, uint32_t initiators, const uint32_t *from,
                                      uint32_t targets, const uint32_t *to, const uint16_t *entries)
{
    if (hmat.nbytes == 0) {
        begin(&hmat, "HMAT", 2, 40);
    }
    size_t nbytes = 32 + 4 * ((size_t)initiators + targets) + 2 * (size_t)initiators * targets;
    uint8_t *s = grow(&hmat, nbytes);
    uint8_t *next = s + 32;
    s[0] = 1;
    put32(s + 4, (uint32_t)nbytes);
    s[9] = data_type;
    put32(s + 12, initiators);
    put32(s + 16, targets);
    put64(s + 24, unit);
    for (uint32_t i = 0; i < initiators; i++, next += 4) {
        put32(next, from[i]);
    }
    for (uint32_t i = 0; i < targets; i++, next += 4) {
        put32(next, to[i]);
    }
    for (uint32_t i = 0; i < initiators * targets; i++, next += 2) {
        put16(next, entries[i]);
    }
    return s;
}

/* ---- the host ---- */

static inline void *host_allocate(void *context, size_t nbytes)
{
    (void)context;
    if (host_state.allocations++ >= host_state.fail_at) {
        return NULL;
    }
    host_state.live++;
    return malloc(nbytes);
}

static inline void host_release(void *context, void *block)
{
    (void)context;
    host_state.live--;
    free(block);
}

static inline void host_warn(void *context, const char *text)
{
    (void)context;
    if (host_state.warnings++ == 0) {
        snprintf(host_state.first_warning, sizeof(host_state.first_warning), "%s", text);
    }
    snprintf(host_state.last_warning, sizeof(host_state.last_warning), "%s", text);
}

static const struct acpi_source host = {.allocate = host_allocate, .release = host_release, .warn = host_warn};

static inline struct topology_table exactly(const struct table *table)
{
    struct topology_table result = {NULL, table->nbytes};
    if (table->nbytes > 0) {
        uint8_t *copy = malloc(table->nbytes);
        if (copy == NULL) {
            abort();
        }
        memcpy(copy, table->bytes, table->nbytes);
        result.bytes = copy;
    }
    return result;
}

static inline enum neo_status parse_tables(uint32_t boot_apic_id, struct topology *topology)
{
    struct topology_input input = {exactly(&madt), exactly(&srat), exactly(&slit), exactly(&hmat), boot_apic_id};
    host_state.live = host_state.allocations = host_state.warnings = 0;
    host_state.first_warning[0] = host_state.last_warning[0] = '\0';
    enum neo_status status = topology_parse(&host, &input, topology);
    free((void *)(uintptr_t)input.madt.bytes);
    free((void *)(uintptr_t)input.srat.bytes);
    free((void *)(uintptr_t)input.slit.bytes);
    free((void *)(uintptr_t)input.hmat.bytes);
    return status;
}

#endif
