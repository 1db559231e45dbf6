/* firmware_tables.c — configuration tables (docs/takeover.md B1, B2). Source: UEFI 2.10 4.6; ACPI 6.5 5.2.5; DSP0134 3.7
 * section 5.2 (SMBIOS entry points). */
#include "firmware_tables.h"

#include "bytes.h"
#include "firmware.h"

#define CONFIGURATION_TABLES_MAX 256u
#define SMBIOS_TABLE_BYTES_MAX MIB(1) /* servers with thousands of structures have some 100 KiB */
#define MAT_BYTES_MAX MIB(1)

#define RSDP_BYTES_1_0 20u
#define RSDP_BYTES_2_0 36u
#define SMBIOS2_ENTRY_BYTES_MIN 0x1Eu /* 2.1 documented 1Eh by mistake; implementations use 1Fh */
#define SMBIOS2_ENTRY_BYTES_MAX 0x20u
#define SMBIOS3_ENTRY_BYTES_MIN 0x18u
#define SMBIOS3_ENTRY_BYTES_MAX 0x20u

/* EFI_MEMORY_ATTRIBUTES_TABLE's header (UEFI 2.10 4.6.4). */
struct mat_header {
    uint32_t version, count, descriptor_bytes, flags;
};

static uint32_t load32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static bool sums_to_zero(const uint8_t *bytes, size_t nbytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < nbytes; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

static const uint8_t *find_table(const EFI_GUID *guid)
{
    const EFI_SYSTEM_TABLE *system = firmware_table();

    if (system->ConfigurationTable == NULL) {
        return NULL;
    }
    for (UINTN i = 0; i < system->NumberOfTableEntries && i < CONFIGURATION_TABLES_MAX; i++) {
        if (memcmp(&system->ConfigurationTable[i].VendorGuid, guid, sizeof *guid) == 0) {
            return system->ConfigurationTable[i].VendorTable;
        }
    }
    return NULL;
}

static bool is_rsdp(const uint8_t *rsdp)
{
    if (memcmp(rsdp, "RSD PTR ", 8) != 0 || !sums_to_zero(rsdp, RSDP_BYTES_1_0)) {
        return false;
    }
    return rsdp[15] < 2 || sums_to_zero(rsdp, RSDP_BYTES_2_0);
}

static void find_acpi(struct boot_info *info, struct notes *notes)
{
    static const EFI_GUID guids[2] = {ACPI_20_TABLE_GUID, ACPI_TABLE_GUID};

    for (unsigned i = 0; i < 2 && info->rsdp_phys == 0; i++) {
        const uint8_t *rsdp = find_table(&guids[i]);
        if (rsdp != NULL && is_rsdp(rsdp)) {
            info->rsdp_phys = (uintptr_t)rsdp;
        } else if (rsdp != NULL) {
            notes_add(notes, i == 0 ? "ACPI 2.0 root pointer is damaged" : "ACPI 1.0 root pointer is damaged");
        }
    }
}

/* Copy entry point and structure table into one allocation. */
static void copy_smbios(struct boot_info *info, struct notes *notes, const uint8_t *entry, size_t entry_bytes,
                        uint64_t table, uint64_t table_bytes)
{
    uint64_t offset = align_up(entry_bytes, 8);
    uint8_t *copy;

    info->smbios_phys = (uintptr_t)entry;
    if (table == 0 || table_bytes == 0 || table_bytes > SMBIOS_TABLE_BYTES_MAX || table + table_bytes < table) {
        notes_add_decimal(notes, "SMBIOS structure table of ", table_bytes, " bytes is not copied");
        return;
    }
    copy = firmware_allocate(offset + table_bytes, FIRMWARE_ANYWHERE, EfiLoaderData);
    if (copy == NULL) {
        notes_add(notes, "no memory for a copy of the SMBIOS tables");
        return;
    }
    memcpy(copy, entry, entry_bytes);
    memcpy(copy + offset, (const void *)(uintptr_t)table, table_bytes);
    info->smbios = copy;
    info->smbios_bytes = offset + table_bytes;
    info->smbios_table_offset = offset;
}

static void find_smbios(struct boot_info *info, struct notes *notes)
{
    static const EFI_GUID guid3 = SMBIOS3_TABLE_GUID;
    static const EFI_GUID guid2 = SMBIOS_TABLE_GUID;
    const uint8_t *entry = find_table(&guid3);

    if (entry != NULL) {
        size_t nbytes = entry[6];
        if (memcmp(entry, "_SM3_", 5) == 0 && nbytes >= SMBIOS3_ENTRY_BYTES_MIN && nbytes <= SMBIOS3_ENTRY_BYTES_MAX &&
            sums_to_zero(entry, nbytes)) {
            uint64_t table;
            memcpy(&table, entry + 16, sizeof table);
            copy_smbios(info, notes, entry, nbytes, table, load32(entry + 12));
            return;
        }
        notes_add(notes, "SMBIOS 3 entry point is damaged");
    }
    entry = find_table(&guid2);
    if (entry != NULL) {
        size_t nbytes = entry[5];
        if (memcmp(entry, "_SM_", 4) == 0 && nbytes >= SMBIOS2_ENTRY_BYTES_MIN && nbytes <= SMBIOS2_ENTRY_BYTES_MAX &&
            sums_to_zero(entry, nbytes)) {
            copy_smbios(info, notes, entry, nbytes, load32(entry + 0x18), load32(entry + 0x16) & 0xFFFF);
            return;
        }
        notes_add(notes, "SMBIOS 2 entry point is damaged");
    }
}

static void copy_mat(struct boot_info *info, struct notes *notes)
{
    static const EFI_GUID guid = {0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
    const uint8_t *table = find_table(&guid);
    struct mat_header header;
    uint64_t nbytes;
    void *copy;

    if (table == NULL) {
        return;
    }
    memcpy(&header, table, sizeof header);
    nbytes = sizeof header + (uint64_t)header.count * header.descriptor_bytes;
    if (header.version == 0 || header.descriptor_bytes < sizeof(EFI_MEMORY_DESCRIPTOR) || nbytes > MAT_BYTES_MAX) {
        notes_add(notes, "memory attributes table is damaged");
        return;
    }
    copy = firmware_allocate(nbytes, FIRMWARE_ANYWHERE, EfiLoaderData);
    if (copy == NULL) {
        notes_add(notes, "no memory for a copy of the memory attributes table");
        return;
    }
    memcpy(copy, table, nbytes);
    info->mat = copy;
    info->mat_bytes = nbytes;
}

static void describe_firmware(struct boot_info *info)
{
    const EFI_SYSTEM_TABLE *system = firmware_table();
    size_t length = 0;

    if (system->FirmwareVendor != NULL) {
        for (; length < BOOT_TEXT_BYTES - 1 && system->FirmwareVendor[length] != 0; length++) {
            unsigned c = system->FirmwareVendor[length];
            info->firmware_vendor[length] = c >= ' ' && c <= '~' ? (char)c : '?';
        }
    }
    info->firmware_vendor[length] = '\0';
    info->firmware_revision = system->FirmwareRevision;
    info->uefi_revision = system->Hdr.Revision;
    info->efi_system_table_phys = (uintptr_t)system;
    info->efi_runtime_services_phys = (uintptr_t)system->RuntimeServices;
    /* Enforcing means on and not in set-up mode (UEFI 2.10 32.3). */
    info->secure_boot = firmware_variable_byte("SecureBoot", 0) == 1 && firmware_variable_byte("SetupMode", 1) == 0;
}

void firmware_tables_collect(struct boot_info *info, struct notes *notes)
{
    describe_firmware(info);
    find_acpi(info, notes);
    find_smbios(info, notes);
    copy_mat(info, notes);
}
