/* acpi_tables.h — finding ACPI tables in physical memory and reading them; pure. Private to kernel/drivers.
 *
 * Nothing here touches the machine: physical memory comes from a function, so that tests and the fuzzer
 * feed byte buffers. Tables are little-endian bytes, never structs: firmware promises neither alignment nor length. */
#ifndef NEOMEM_DRIVERS_ACPI_TABLES_H
#define NEOMEM_DRIVERS_ACPI_TABLES_H

#include <neomem/acpi.h>
#include <neomem/status.h>
#include <neomem/types.h>

#define ACPI_HEADER_BYTES 36u

struct acpi_source {
    void *context;
    /* Copy nbytes of physical memory. Return: false when that memory cannot be read. */
    bool (*read)(void *context, phys_addr_t address, void *buffer, size_t nbytes);
    /* As kmalloc and kfree. */
    void *(*allocate)(void *context, size_t nbytes);
    void (*release)(void *context, void *block);
    /* One line about a table that is left out. */
    void (*warn)(void *context, const char *text);
};

struct acpi_table_entry {
    phys_addr_t address; /* where it came from */
    const uint8_t *bytes;
    size_t nbytes; /* >= ACPI_HEADER_BYTES, and the length that the header says */
};

struct acpi_tables {
    struct acpi_table_entry entries[ACPI_TABLES_MAX];
    size_t count;
    uint64_t total_bytes;
};

/* ---- acpi_discover.c ---- */

/* Copy what the RSDP leads to: XSDT (or RSDT), its tables, and the FADT's DSDT. tables: zeroed; afterwards it owns the copies.
 * Return: NEO_OK (also when single tables were left out); NEO_ERR_NOT_FOUND for address 0; NEO_ERR_CORRUPT
 * when there is no valid RSDP or no valid root table. */
enum neo_status acpi_discover(const struct acpi_source *source, phys_addr_t rsdp, struct acpi_tables *tables);

/* Return: the index of the first table at or after `from` with this signature; tables->count when there is none. */
size_t acpi_find(const struct acpi_tables *tables, const char signature[4], size_t from);

/* ---- acpi_parse.c: one table each, header included, any content ---- */

uint16_t acpi_u16(const uint8_t *bytes);
uint32_t acpi_u32(const uint8_t *bytes);
uint64_t acpi_u64(const uint8_t *bytes);

/* Physical address of the DSDT; 0 when the FADT names none. */
phys_addr_t acpi_fadt_dsdt(const uint8_t *fadt, size_t nbytes);
/* Return: false when the table is too short to be a FADT. */
bool acpi_parse_fadt(const uint8_t *fadt, size_t nbytes, struct acpi_fixed *fixed);
/* Look for the \_S5 package in AML. Return: false when there is none that makes sense. */
bool acpi_parse_s5(const uint8_t *aml, size_t nbytes, uint8_t *type_a, uint8_t *type_b);
/* Walk over the enabled CPUs in the MADT's order: local APICs and x2APICs, an id that is listed as both only once.
 * cursor: zeroed before the first call. Return: false at the end; else *apic_id. */
struct acpi_madt_cursor {
    size_t next;
    uint64_t seen[4]; /* APIC ids 0 … 255 */
};
bool acpi_madt_next_cpu(const uint8_t *madt, size_t nbytes, struct acpi_madt_cursor *cursor, uint32_t *apic_id);
/* How many that are. */
unsigned acpi_parse_madt(const uint8_t *madt, size_t nbytes);
/* Return: false when the table is too short or names no address. */
bool acpi_parse_spcr(const uint8_t *spcr, size_t nbytes, struct acpi_serial_port *port);

#endif
