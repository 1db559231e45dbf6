/* acpi.c — the machine's side of the ACPI tables: reading physical memory, the kept copies, the answers.
 *
 * Tables are read through windows that are mapped read-only for the moment of the copy: they may lie in any type of memory, above
 * 4 GiB, and outside the direct map. */
#include "acpi_tables.h"

#include <neomem/acpi.h>
#include <neomem/memory.h>
#include <neomem/string.h>
#include <neomem/vmm.h>
#include <neomem/warning.h>

static struct {
    struct acpi_tables tables;
} state;

static bool read_physical(void *context, phys_addr_t address, void *buffer, size_t nbytes)
{
    (void)context;
    void *window = vmm_map_phys(address, nbytes, VM_READ, VM_WRITE_BACK);
    if (window == NULL) {
        return false;
    }
    neo_memcpy(buffer, window, nbytes);
    vmm_unmap_phys(window);
    return true;
}

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

void acpi_init(phys_addr_t rsdp)
{
    const struct acpi_source source = {.read = read_physical, .allocate = allocate, .release = release, .warn = warn};
    /* Whatever is wrong has been said; every question below then finds nothing. */
    (void)acpi_discover(&source, rsdp, &state.tables);
}

const void *acpi_table(const char signature[4], size_t *nbytes)
{
    return acpi_table_at(acpi_find(&state.tables, signature, 0), nbytes);
}

size_t acpi_table_count(void)
{
    return state.tables.count;
}

const void *acpi_table_at(size_t index, size_t *nbytes)
{
    if (index >= state.tables.count) {
        return NULL;
    }
    if (nbytes != NULL) {
        *nbytes = state.tables.entries[index].nbytes;
    }
    return state.tables.entries[index].bytes;
}

unsigned acpi_cpu_count(void)
{
    size_t nbytes;
    const uint8_t *madt = acpi_table("APIC", &nbytes);
    return madt != NULL ? acpi_parse_madt(madt, nbytes) : 0;
}

bool acpi_fixed_hardware(struct acpi_fixed *fixed)
{
    size_t nbytes;
    const uint8_t *fadt = acpi_table("FACP", &nbytes);
    return fadt != NULL && acpi_parse_fadt(fadt, nbytes, fixed);
}

static bool find_s5(const char signature[4], uint8_t *type_a, uint8_t *type_b)
{
    const struct acpi_tables *tables = &state.tables;
    for (size_t i = acpi_find(tables, signature, 0); i < tables->count; i = acpi_find(tables, signature, i + 1)) {
        if (acpi_parse_s5(tables->entries[i].bytes, tables->entries[i].nbytes, type_a, type_b)) {
            return true;
        }
    }
    return false;
}

bool acpi_sleep_types_s5(uint8_t *type_a, uint8_t *type_b)
{
    return find_s5("DSDT", type_a, type_b) || find_s5("SSDT", type_a, type_b);
}

bool acpi_serial_port(struct acpi_serial_port *port)
{
    size_t nbytes;
    const uint8_t *spcr = acpi_table("SPCR", &nbytes);
    return spcr != NULL && acpi_parse_spcr(spcr, nbytes, port);
}
