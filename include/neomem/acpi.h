/* acpi.h — the ACPI tables: found, checked and copied once, and the few facts the kernel takes from them.
 *
 * Nothing in the tables is trusted: every length is bounded, every checksum verified, a table that fails
 * is left out with a warning, and at most ACPI_TABLES_MAX tables of ACPI_BYTES_MAX bytes together are kept.
 * Source: ACPI 6.5, chapters 4, 5 and 16; Microsoft's SPCR specification.
 *
 * Depends on: types.h. Used by: kernel/main.c, kernel/drivers, kernel/diag, kernel/shell. */
#ifndef NEOMEM_ACPI_H
#define NEOMEM_ACPI_H

#include <neomem/types.h>

#define ACPI_TABLES_MAX 128u
#define ACPI_BYTES_MAX (16u << 20)

/* Copy every table that the RSDP leads to onto the heap. rsdp: physical, 0 when firmware gave none.
 * Needs heap and vmm; called once, before ACPI-reclaimable memory could ever be handed out. Prints a warning for each
 * table it leaves out; without memory it keeps what it has. Afterwards everything below works (and says "absent" where it is). */
void acpi_init(phys_addr_t rsdp);

/* First table with this signature ("APIC", "FACP", "DSDT", …). nbytes may be NULL.
 * Return: the copy, header included, valid for ever, at least 36 bytes; NULL when absent. */
const void *acpi_table(const char signature[4], size_t *nbytes);

/* All tables, in the order found: index 0 … acpi_table_count() - 1. */
size_t acpi_table_count(void);
const void *acpi_table_at(size_t index, size_t *nbytes);

/* CPUs that the MADT calls enabled; 0 when there is no MADT. */
unsigned acpi_cpu_count(void);

/* A register as the tables describe it (ACPI 6.5, 5.2.3.2). */
enum acpi_space {
    ACPI_SPACE_MEMORY = 0,
    ACPI_SPACE_IO = 1,
    ACPI_SPACE_PCI = 2, /* address: device << 32 | function << 16 | offset, on bus 0 */
};

struct acpi_register {
    uint64_t address; /* 0: there is none */
    uint8_t space;    /* enum acpi_space, or something unknown */
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t access_size; /* 0 unspecified, 1 byte, 2 word, 3 dword, 4 qword */
};

/* What the FADT says about power. */
struct acpi_fixed {
    uint16_t smi_command_port; /* 0: the machine is always in ACPI mode */
    uint8_t acpi_enable;       /* what to write there */
    bool hardware_reduced;
    bool reset_supported;
    uint8_t reset_value;
    struct acpi_register reset;
    struct acpi_register pm1a_status, pm1b_status;
    struct acpi_register pm1a_control, pm1b_control;
    struct acpi_register sleep_control; /* hardware-reduced machines */
};

/* Return: false when there is no usable FADT. */
bool acpi_fixed_hardware(struct acpi_fixed *fixed);

/* The SLP_TYP values of the \_S5 package in DSDT or an SSDT. Return: false when there is none. */
bool acpi_sleep_types_s5(uint8_t *type_a, uint8_t *type_b);

/* The console UART of the SPCR table. */
struct acpi_serial_port {
    struct acpi_register base;
    uint8_t interface_type; /* 0 16550, 1 16450, 0x12 16550 described by base; others are not 16550s */
    uint32_t baud;          /* 0: as firmware left it */
    uint32_t clock_hz;      /* 0: not told */
};

/* Return: false when there is no SPCR table, or it names no address (console redirection off). */
bool acpi_serial_port(struct acpi_serial_port *port);

#endif
