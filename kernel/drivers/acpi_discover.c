/* acpi_discover.c — from the RSDP to checked copies of all tables.
 *
 * Bounds that hold for any memory contents: at most 2 + 2 * ENTRIES_MAX tables are looked at, each read at most twice, at most
 * ACPI_BYTES_MAX bytes are kept, no table leads to another but root → table and FADT → DSDT, so nothing recurses.
 * Source: ACPI 6.5, 5.2.5 (RSDP), 5.2.6 (header), 5.2.7 and 5.2.8 (RSDT, XSDT), 5.2.9 (FADT). */
#include "acpi_tables.h"

#include <neomem/printf.h>
#include <neomem/string.h>

#define RSDP_V1_BYTES 20u
#define RSDP_V2_BYTES 36u
#define RSDP_BYTES_MAX 256u
#define ENTRIES_MAX 512u
#define WARNING_BYTES 120u

static bool sum_is_zero(const uint8_t *bytes, size_t nbytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < nbytes; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

/* signature may hold anything; the console gets printable text. */
static void warn(const struct acpi_source *source, phys_addr_t address, const uint8_t *signature, const char *reason)
{
    char name[5] = "????";
    for (unsigned i = 0; i < 4 && signature != NULL; i++) {
        name[i] = signature[i] >= 0x20 && signature[i] < 0x7f ? (char)signature[i] : '?';
    }
    char text[WARNING_BYTES];
    neo_snprintf(text, sizeof(text), "acpi: table %s at 0x%llx left out: %s", name, (unsigned long long)address,
                 reason);
    source->warn(source->context, text);
}

static bool already_there(const struct acpi_tables *tables, phys_addr_t address)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (tables->entries[i].address == address) {
            return true;
        }
    }
    return false;
}

/* Why a table of this length cannot be taken; NULL when it can. */
static const char *refuse_length(const struct acpi_tables *tables, uint32_t nbytes)
{
    if (nbytes < ACPI_HEADER_BYTES) {
        return "shorter than its header";
    }
    if (tables->count == ACPI_TABLES_MAX) {
        return "too many tables";
    }
    if (nbytes > ACPI_BYTES_MAX - tables->total_bytes) {
        return "too large";
    }
    return NULL;
}

/* Copy the table at address and append it. Return: the new entry; NULL after a warning. */
static const struct acpi_table_entry *take_table(const struct acpi_source *source, phys_addr_t address,
                                                 struct acpi_tables *tables)
{
    uint8_t header[ACPI_HEADER_BYTES];
    if (!source->read(source->context, address, header, sizeof(header))) {
        warn(source, address, NULL, "not readable");
        return NULL;
    }
    uint32_t nbytes = acpi_u32(header + 4);
    const char *reason = refuse_length(tables, nbytes);
    if (reason != NULL) {
        warn(source, address, header, reason);
        return NULL;
    }
    uint8_t *copy = source->allocate(source->context, nbytes);
    if (copy == NULL) {
        warn(source, address, header, "no memory");
        return NULL;
    }
    if (!source->read(source->context, address, copy, nbytes)) {
        reason = "not readable to its end";
    } else if (acpi_u32(copy + 4) != nbytes) {
        reason = "changes while it is read";
    } else if (!sum_is_zero(copy, nbytes)) {
        reason = "wrong checksum";
    }
    if (reason != NULL) {
        warn(source, address, header, reason);
        source->release(source->context, copy);
        return NULL;
    }
    struct acpi_table_entry *entry = &tables->entries[tables->count++];
    *entry = (struct acpi_table_entry){.address = address, .bytes = copy, .nbytes = nbytes};
    tables->total_bytes += nbytes;
    return entry;
}

static void forget_last(const struct acpi_source *source, struct acpi_tables *tables)
{
    struct acpi_table_entry *entry = &tables->entries[--tables->count];
    tables->total_bytes -= entry->nbytes;
    source->release(source->context, (void *)(uintptr_t)entry->bytes);
    *entry = (struct acpi_table_entry){0};
}

/* The root table, if it is there and has the right signature. */
static const struct acpi_table_entry *take_root(const struct acpi_source *source, phys_addr_t address,
                                                const char signature[4], struct acpi_tables *tables)
{
    if (address == 0) {
        return NULL;
    }
    const struct acpi_table_entry *root = take_table(source, address, tables);
    if (root != NULL && neo_memcmp(root->bytes, signature, 4) != 0) {
        warn(source, address, root->bytes, "not the root table that the RSDP promises");
        forget_last(source, tables);
        return NULL;
    }
    return root;
}

static void take_listed(const struct acpi_source *source, phys_addr_t address, struct acpi_tables *tables)
{
    if (address == 0 || already_there(tables, address)) {
        return;
    }
    const struct acpi_table_entry *entry = take_table(source, address, tables);
    if (entry == NULL || neo_memcmp(entry->bytes, "FACP", 4) != 0) {
        return;
    }
    phys_addr_t dsdt = acpi_fadt_dsdt(entry->bytes, entry->nbytes);
    if (dsdt != 0 && !already_there(tables, dsdt)) {
        (void)take_table(source, dsdt, tables);
    }
}

/* Read and check the RSDP. Return: false when it is none. xsdt is 0 in version 1, or when only the first 20 bytes are sound. */
static bool read_rsdp(const struct acpi_source *source, phys_addr_t address, phys_addr_t *rsdt, phys_addr_t *xsdt)
{
    uint8_t bytes[RSDP_BYTES_MAX];
    *xsdt = 0;
    if (!source->read(source->context, address, bytes, RSDP_V1_BYTES) || neo_memcmp(bytes, "RSD PTR ", 8) != 0 ||
        !sum_is_zero(bytes, RSDP_V1_BYTES)) {
        return false;
    }
    *rsdt = acpi_u32(bytes + 16);
    uint8_t revision = bytes[15];
    if (revision < 2 || !source->read(source->context, address, bytes, RSDP_V2_BYTES)) {
        return true;
    }
    uint32_t nbytes = acpi_u32(bytes + 20);
    if (nbytes >= RSDP_V2_BYTES && nbytes <= RSDP_BYTES_MAX && source->read(source->context, address, bytes, nbytes) &&
        sum_is_zero(bytes, nbytes)) {
        *xsdt = acpi_u64(bytes + 24);
    } else {
        source->warn(source->context, "acpi: extended part of the RSDP is damaged, using the RSDT");
    }
    return true;
}

enum neo_status acpi_discover(const struct acpi_source *source, phys_addr_t rsdp, struct acpi_tables *tables)
{
    phys_addr_t rsdt_address;
    phys_addr_t xsdt_address;
    if (rsdp == 0) {
        return NEO_ERR_NOT_FOUND;
    }
    if (!read_rsdp(source, rsdp, &rsdt_address, &xsdt_address)) {
        source->warn(source->context, "acpi: no valid RSDP where firmware says");
        return NEO_ERR_CORRUPT;
    }
    size_t address_bytes = 8;
    const struct acpi_table_entry *root = take_root(source, xsdt_address, "XSDT", tables);
    if (root == NULL) {
        address_bytes = 4;
        root = take_root(source, rsdt_address, "RSDT", tables);
    }
    if (root == NULL) {
        source->warn(source->context, "acpi: neither XSDT nor RSDT is usable");
        return NEO_ERR_CORRUPT;
    }
    size_t listed = (root->nbytes - ACPI_HEADER_BYTES) / address_bytes;
    if (listed > ENTRIES_MAX) {
        source->warn(source->context, "acpi: root table lists too many tables, the rest is left out");
        listed = ENTRIES_MAX;
    }
    for (size_t i = 0; i < listed; i++) {
        const uint8_t *address = root->bytes + ACPI_HEADER_BYTES + i * address_bytes;
        take_listed(source, address_bytes == 8 ? acpi_u64(address) : acpi_u32(address), tables);
    }
    return NEO_OK;
}

size_t acpi_find(const struct acpi_tables *tables, const char signature[4], size_t from)
{
    size_t i = from;
    while (i < tables->count && neo_memcmp(tables->entries[i].bytes, signature, 4) != 0) {
        i++;
    }
    return i;
}
