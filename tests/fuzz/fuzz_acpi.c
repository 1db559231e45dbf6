/* fuzz_acpi.c — a physical memory made of the input: whatever it holds, discovery ends, owns what it keeps, and the parsers
 * stay inside what they are given.
 *
 * Input: byte 0 chooses. Even: the rest is physical memory from BASE on, the RSDP at its start; a table's wrong checksum is
 * forgiven by correcting it on every read (else no mutation would ever get past it). Odd: the rest is one table for each parser. */
#include "acpi_tables.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
    const uint8_t *bytes;
    size_t nbytes;
    size_t live;
    size_t reads;
};

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static uint8_t sum(const uint8_t *bytes, size_t nbytes)
{
    uint8_t total = 0;
    for (size_t i = 0; i < nbytes; i++) {
        total = (uint8_t)(total + bytes[i]);
    }
    return total;
}

static bool read_memory(void *context, phys_addr_t address, void *buffer, size_t nbytes)
{
    struct memory *memory = context;
    uint8_t *to = buffer;
    memory->reads++;
    if (address < BASE || address - BASE > memory->nbytes || nbytes > memory->nbytes - (address - BASE)) {
        return false;
    }
    memcpy(to, memory->bytes + (address - BASE), nbytes);
    if (address == BASE && nbytes >= 20) {
        to[8] = (uint8_t)(to[8] - sum(to, 20));
        if (nbytes > 32) {
            to[32] = (uint8_t)(to[32] - sum(to, nbytes));
        }
    } else if (nbytes >= ACPI_HEADER_BYTES && acpi_u32(to + 4) == nbytes) {
        to[9] = (uint8_t)(to[9] - sum(to, nbytes));
    }
    return true;
}

static void *allocate(void *context, size_t nbytes)
{
    ((struct memory *)context)->live++;
    return malloc(nbytes);
}

static void release(void *context, void *block)
{
    ((struct memory *)context)->live--;
    free(block);
}

static void warn(void *context, const char *text)
{
    (void)context;
    for (; *text != '\0'; text++) {
        require(*text >= 0x20 && *text < 0x7f, "a warning that is not printable");
    }
}

static void parse_all(const uint8_t *table, size_t nbytes)
{
    uint8_t a = 0;
    uint8_t b = 0;
    struct acpi_fixed fixed;
    struct acpi_serial_port port;
    (void)acpi_fadt_dsdt(table, nbytes);
    (void)acpi_parse_fadt(table, nbytes, &fixed);
    require(acpi_parse_madt(table, nbytes) <= nbytes / 8, "more CPUs than entries");
    (void)acpi_parse_spcr(table, nbytes, &port);
    if (acpi_parse_s5(table, nbytes, &a, &b)) {
        require(a < 8 && b < 8, "sleep type");
    }
}

static void discover(const uint8_t *data, size_t size)
{
    struct memory memory = {.bytes = data, .nbytes = size};
    const struct acpi_source source = {
        .context = &memory, .read = read_memory, .allocate = allocate, .release = release, .warn = warn};
    static struct acpi_tables tables;
    memset(&tables, 0, sizeof(tables));
    enum neo_status status = acpi_discover(&source, BASE, &tables);
    require(status == NEO_OK || tables.count == 0, "tables without a root");
    require(memory.live == tables.count && tables.count <= ACPI_TABLES_MAX, "ownership");
    require(memory.reads <= 4 + 2 * (2 + 2 * 512), "too many reads");
    uint64_t total = 0;
    for (size_t i = 0; i < tables.count; i++) {
        const struct acpi_table_entry *entry = &tables.entries[i];
        require(entry->nbytes >= ACPI_HEADER_BYTES && acpi_u32(entry->bytes + 4) == entry->nbytes, "length");
        require(sum(entry->bytes, entry->nbytes) == 0, "checksum");
        total += entry->nbytes;
        parse_all(entry->bytes, entry->nbytes);
        free((void *)(uintptr_t)entry->bytes);
    }
    require(total == tables.total_bytes && total <= ACPI_BYTES_MAX, "total");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        discover(data + 1, size - 1);
        return 0;
    }
    uint8_t *table = malloc(size); /* at least one byte; exactly as long as the parser is told */
    if (table != NULL) {
        uint8_t *end = table + size - (size - 1);
        memcpy(end, data + 1, size - 1);
        parse_all(end, size - 1);
        free(table);
    }
    return 0;
}
