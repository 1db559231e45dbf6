/* acpi_parse.c — what the kernel needs from single tables: FADT, the \_S5 package, MADT, SPCR.
 *
 * AML is not interpreted. \_S5 is a Name with a Package of constants on every known machine, so its byte pattern is searched:
 *
 *   08 [5C] "_S5_" 12 <PkgLength> <count> <integer> <integer> …
 *
 * Source: ACPI 6.5, 5.2.9 (FADT), 5.2.12 (MADT), 7.4.2 (\_Sx), 20.2 (AML encoding); Microsoft SPCR, revisions 1 to 4. */
#include "acpi_tables.h"

#include <neomem/string.h>

uint16_t acpi_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

uint32_t acpi_u32(const uint8_t *bytes)
{
    return acpi_u16(bytes) | (uint32_t)acpi_u16(bytes + 2) << 16;
}

uint64_t acpi_u64(const uint8_t *bytes)
{
    return acpi_u32(bytes) | (uint64_t)acpi_u32(bytes + 4) << 32;
}

#define GAS_BYTES 12u

static struct acpi_register generic_address(const uint8_t *bytes)
{
    return (struct acpi_register){
        .space = bytes[0],
        .bit_width = bytes[1],
        .bit_offset = bytes[2],
        .access_size = bytes[3],
        .address = acpi_u64(bytes + 4),
    };
}

/* ---- FADT ---- */

enum fadt_offset {
    FADT_DSDT = 40,
    FADT_SMI_COMMAND = 48,
    FADT_ACPI_ENABLE = 52,
    FADT_PM1A_EVENT = 56,
    FADT_PM1B_EVENT = 60,
    FADT_PM1A_CONTROL = 64,
    FADT_PM1B_CONTROL = 68,
    FADT_FLAGS = 112,
    FADT_RESET_REGISTER = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_EVENT = 148,
    FADT_X_PM1B_EVENT = 160,
    FADT_X_PM1A_CONTROL = 172,
    FADT_X_PM1B_CONTROL = 184,
    FADT_SLEEP_CONTROL = 244,
};

#define FADT_V1_BYTES 116u
#define FADT_FLAG_RESET_SUPPORTED (1u << 10)
#define FADT_FLAG_HARDWARE_REDUCED (1u << 20)

phys_addr_t acpi_fadt_dsdt(const uint8_t *fadt, size_t nbytes)
{
    if (nbytes >= FADT_X_DSDT + 8 && acpi_u64(fadt + FADT_X_DSDT) != 0) {
        return acpi_u64(fadt + FADT_X_DSDT);
    }
    return nbytes >= FADT_DSDT + 4 ? acpi_u32(fadt + FADT_DSDT) : 0;
}

/* A register block: the generic address if the table is long enough to have it and it is set, else the I/O port. */
static struct acpi_register fadt_block(const uint8_t *fadt, size_t nbytes, size_t extended, size_t port)
{
    if (nbytes >= extended + GAS_BYTES) {
        struct acpi_register block = generic_address(fadt + extended);
        if (block.address != 0) {
            return block;
        }
    }
    return (struct acpi_register){.space = ACPI_SPACE_IO, .bit_width = 16, .address = acpi_u32(fadt + port)};
}

bool acpi_parse_fadt(const uint8_t *fadt, size_t nbytes, struct acpi_fixed *fixed)
{
    if (nbytes < FADT_V1_BYTES) {
        return false;
    }
    uint32_t flags = acpi_u32(fadt + FADT_FLAGS);
    uint32_t smi_command = acpi_u32(fadt + FADT_SMI_COMMAND);
    *fixed = (struct acpi_fixed){
        .smi_command_port = smi_command <= UINT16_MAX ? (uint16_t)smi_command : 0,
        .acpi_enable = fadt[FADT_ACPI_ENABLE],
        .hardware_reduced = (flags & FADT_FLAG_HARDWARE_REDUCED) != 0,
        .pm1a_status = fadt_block(fadt, nbytes, FADT_X_PM1A_EVENT, FADT_PM1A_EVENT),
        .pm1b_status = fadt_block(fadt, nbytes, FADT_X_PM1B_EVENT, FADT_PM1B_EVENT),
        .pm1a_control = fadt_block(fadt, nbytes, FADT_X_PM1A_CONTROL, FADT_PM1A_CONTROL),
        .pm1b_control = fadt_block(fadt, nbytes, FADT_X_PM1B_CONTROL, FADT_PM1B_CONTROL),
    };
    /* Tables exist that claim the reset register and end before it. */
    if (nbytes > FADT_RESET_VALUE && (flags & FADT_FLAG_RESET_SUPPORTED) != 0) {
        fixed->reset_supported = true;
        fixed->reset = generic_address(fadt + FADT_RESET_REGISTER);
        fixed->reset_value = fadt[FADT_RESET_VALUE];
    }
    if (nbytes >= FADT_SLEEP_CONTROL + GAS_BYTES) {
        fixed->sleep_control = generic_address(fadt + FADT_SLEEP_CONTROL);
    }
    return true;
}

/* ---- \_S5 ---- */

#define AML_NAME_OP 0x08u
#define AML_PACKAGE_OP 0x12u
#define AML_ROOT_CHARACTER 0x5cu

struct aml_cursor {
    const uint8_t *bytes;
    size_t next, end;
};

static bool aml_byte(struct aml_cursor *cursor, uint8_t *byte)
{
    if (cursor->next >= cursor->end) {
        return false;
    }
    *byte = cursor->bytes[cursor->next++];
    return true;
}

static bool aml_integer(struct aml_cursor *cursor, uint64_t *value)
{
    uint8_t op;
    if (!aml_byte(cursor, &op)) {
        return false;
    }
    unsigned nbytes;
    switch (op) {
    case 0x00: /* ZeroOp */
    case 0x01: /* OneOp */
        *value = op;
        return true;
    case 0x0a: /* BytePrefix */
        nbytes = 1;
        break;
    case 0x0b: /* WordPrefix */
        nbytes = 2;
        break;
    case 0x0c: /* DWordPrefix */
        nbytes = 4;
        break;
    case 0x0e: /* QWordPrefix */
        nbytes = 8;
        break;
    default:
        return false;
    }
    *value = 0;
    for (unsigned i = 0; i < nbytes; i++) {
        uint8_t byte;
        if (!aml_byte(cursor, &byte)) {
            return false;
        }
        *value |= (uint64_t)byte << (8 * i);
    }
    return true;
}

/* PackageOp PkgLength count; narrows the cursor to the package. */
static bool aml_package(struct aml_cursor *cursor, uint8_t *count)
{
    uint8_t op;
    uint8_t lead;
    if (!aml_byte(cursor, &op) || op != AML_PACKAGE_OP) {
        return false;
    }
    size_t start = cursor->next; /* PkgLength counts its own bytes */
    if (!aml_byte(cursor, &lead)) {
        return false;
    }
    unsigned more = lead >> 6;
    size_t length = more == 0 ? lead & 0x3fu : lead & 0x0fu;
    for (unsigned i = 0; i < more; i++) {
        uint8_t byte;
        if (!aml_byte(cursor, &byte)) {
            return false;
        }
        length |= (size_t)byte << (4 + 8 * i);
    }
    if (length > cursor->end - start) {
        return false;
    }
    cursor->end = start + length;
    return aml_byte(cursor, count);
}

static bool s5_value(const uint8_t *aml, size_t nbytes, size_t behind_name, uint8_t *type_a, uint8_t *type_b)
{
    struct aml_cursor cursor = {.bytes = aml, .next = behind_name, .end = nbytes};
    uint8_t count;
    uint64_t first;
    uint64_t second;
    if (!aml_package(&cursor, &count) || count == 0 || !aml_integer(&cursor, &first)) {
        return false;
    }
    if (count == 1) { /* both packed into one integer */
        second = first >> 8;
    } else if (!aml_integer(&cursor, &second)) {
        return false;
    }
    *type_a = first & 7;
    *type_b = second & 7;
    return true;
}

bool acpi_parse_s5(const uint8_t *aml, size_t nbytes, uint8_t *type_a, uint8_t *type_b)
{
    for (size_t i = ACPI_HEADER_BYTES + 1; i + 4 < nbytes; i++) {
        if (neo_memcmp(aml + i, "_S5_", 4) != 0) {
            continue;
        }
        bool named = aml[i - 1] == AML_NAME_OP || (aml[i - 1] == AML_ROOT_CHARACTER && aml[i - 2] == AML_NAME_OP);
        if (named && s5_value(aml, nbytes, i + 4, type_a, type_b)) {
            return true;
        }
    }
    return false;
}

/* ---- MADT ---- */

#define MADT_ENTRIES 44u
#define MADT_LOCAL_APIC 0u
#define MADT_LOCAL_APIC_BYTES 8u
#define MADT_X2APIC 9u
#define MADT_X2APIC_BYTES 16u
#define MADT_ENABLED 1u

/* Return: whether id was not there yet. Larger ids are not remembered: only x2APIC entries have them. */
static bool add_id(struct acpi_madt_cursor *cursor, uint32_t id)
{
    if (id > 255) {
        return true;
    }
    uint64_t bit = 1ull << (id % 64);
    bool is_new = (cursor->seen[id / 64] & bit) == 0;
    cursor->seen[id / 64] |= bit;
    return is_new;
}

/* Whether the entry is an enabled CPU; *apic_id: which. */
static bool enabled_cpu(const uint8_t *entry, uint32_t *apic_id)
{
    if (entry[0] == MADT_LOCAL_APIC && entry[1] >= MADT_LOCAL_APIC_BYTES) {
        *apic_id = entry[3];
        return (acpi_u32(entry + 4) & MADT_ENABLED) != 0;
    }
    if (entry[0] == MADT_X2APIC && entry[1] >= MADT_X2APIC_BYTES) {
        *apic_id = acpi_u32(entry + 4);
        return (acpi_u32(entry + 8) & MADT_ENABLED) != 0;
    }
    return false;
}

bool acpi_madt_next_cpu(const uint8_t *madt, size_t nbytes, struct acpi_madt_cursor *cursor, uint32_t *apic_id)
{
    size_t at = cursor->next != 0 ? cursor->next : MADT_ENTRIES;
    while (at < nbytes && nbytes - at >= 2) {
        const uint8_t *entry = madt + at;
        if (entry[1] < 2 || entry[1] > nbytes - at) {
            break;
        }
        at += entry[1];
        if (enabled_cpu(entry, apic_id) && add_id(cursor, *apic_id)) {
            cursor->next = at;
            return true;
        }
    }
    cursor->next = nbytes > MADT_ENTRIES ? nbytes : MADT_ENTRIES;
    return false;
}

unsigned acpi_parse_madt(const uint8_t *madt, size_t nbytes)
{
    struct acpi_madt_cursor cursor = {0};
    uint32_t apic_id;
    unsigned enabled = 0;
    while (acpi_madt_next_cpu(madt, nbytes, &cursor, &apic_id)) {
        enabled++;
    }
    return enabled;
}

/* ---- SPCR ---- */

enum spcr_offset {
    SPCR_INTERFACE = 36,
    SPCR_BASE = 40,
    SPCR_BAUD = 58,
    SPCR_CLOCK = 76,
    SPCR_PRECISE_BAUD = 80,
};

#define SPCR_V1_BYTES 80u
#define HEADER_REVISION 8u

static uint32_t spcr_baud(uint8_t code)
{
    switch (code) {
    case 3:
        return 9600;
    case 4:
        return 19200;
    case 6:
        return 57600;
    case 7:
        return 115200;
    default:
        return 0;
    }
}

bool acpi_parse_spcr(const uint8_t *spcr, size_t nbytes, struct acpi_serial_port *port)
{
    if (nbytes < SPCR_V1_BYTES) {
        return false;
    }
    uint8_t revision = spcr[HEADER_REVISION];
    *port = (struct acpi_serial_port){
        .base = generic_address(spcr + SPCR_BASE),
        .interface_type = spcr[SPCR_INTERFACE],
        .baud = spcr_baud(spcr[SPCR_BAUD]),
    };
    if (revision >= 3) { /* reserved before */
        port->clock_hz = acpi_u32(spcr + SPCR_CLOCK);
    }
    if (revision >= 4 && nbytes >= SPCR_PRECISE_BAUD + 4 && acpi_u32(spcr + SPCR_PRECISE_BAUD) != 0) {
        port->baud = acpi_u32(spcr + SPCR_PRECISE_BAUD);
    }
    return port->base.address != 0;
}
