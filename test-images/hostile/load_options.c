/* load_options.c: what firmware hands to neomem besides memory: LoadOptions and configuration tables. */

#include "hostile.h"

#include "chain.h"

#define HUGE_BYTES (1u << 20)

static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID acpi_guid = ACPI_20_TABLE_GUID;
static EFI_GUID smbios_guid = SMBIOS_TABLE_GUID;
static EFI_GUID smbios3_guid = SMBIOS3_TABLE_GUID;

static void fill_random(UINT8 *bytes, UINTN nbytes)
{
    UINT32 random = 1;

    for (UINTN i = 0; i < nbytes; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (UINT8)(random >> 24);
    }
}

void load_options_lie(EFI_HANDLE neomem)
{
    static CHAR16 mark[] = L"\xfeffrecords=on  kaslr=off";
    EFI_LOADED_IMAGE *image = NULL;

    if (chain_word(hostile.config, "load-options") == NULL) {
        return;
    }
    if (EFI_ERROR(hostile.real.HandleProtocol(neomem, &loaded_image_guid, (void **)&image))) {
        hostile_give_up("neomem has no LoadedImage protocol");
    }
    UINT8 *bytes = (UINT8 *)hostile_pages(EfiBootServicesData, HUGE_BYTES / HOSTILE_PAGE, ~0ull);
    image->LoadOptions = bytes;
    if (chain_has(hostile.config, "load-options", "binary")) {
        fill_random(bytes, HOSTILE_PAGE);
        image->LoadOptionsSize = HOSTILE_PAGE;
    } else if (chain_has(hostile.config, "load-options", "odd")) {
        fill_random(bytes, HOSTILE_PAGE);
        image->LoadOptionsSize = 33;
    } else if (chain_has(hostile.config, "load-options", "huge")) {
        for (UINTN i = 0; i < HUGE_BYTES / 2; i++) {
            ((CHAR16 *)(void *)bytes)[i] = i % 12 == 11 ? L' ' : L'a';
        }
        image->LoadOptionsSize = HUGE_BYTES;
    } else if (chain_has(hostile.config, "load-options", "unterminated")) {
        static const char text[] = "kaslr=off";
        image->LoadOptionsSize = 2 * (sizeof(text) - 1);
        image->LoadOptions = bytes + HOSTILE_PAGE - image->LoadOptionsSize;
        fill_random(bytes, 2 * HOSTILE_PAGE);
        for (UINTN i = 0; i < sizeof(text) - 1; i++) {
            ((CHAR16 *)image->LoadOptions)[i] = (CHAR16)text[i];
        }
    } else if (chain_has(hostile.config, "load-options", "null")) {
        image->LoadOptions = NULL;
        image->LoadOptionsSize = 100;
    } else if (chain_has(hostile.config, "load-options", "bom")) {
        image->LoadOptions = mark;
        image->LoadOptionsSize = sizeof(mark);
    } else {
        hostile_give_up("unknown word after load-options=");
    }
}

static BOOLEAN is_guid(const EFI_GUID *a, const EFI_GUID *b)
{
    const UINT8 *x = (const UINT8 *)a, *y = (const UINT8 *)b;

    for (UINTN i = 0; i < sizeof(*a); i++) {
        if (x[i] != y[i]) {
            return FALSE;
        }
    }
    return TRUE;
}

void tables_lie(void)
{
    if (!chain_has(hostile.config, "tables", "bad")) {
        return;
    }
    UINT8 *garbage = (UINT8 *)hostile_pages(EfiRuntimeServicesData, 4, ~0ull);
    fill_random(garbage, 4 * HOSTILE_PAGE);
    /* The signatures are right, the rest is not. The array is changed in place: InstallConfigurationTable would tell
     * firmware's own drivers, which believe what they read. */
    EFI_CONFIGURATION_TABLE *table = hostile.system->ConfigurationTable;
    for (UINTN i = 0; i < hostile.system->NumberOfTableEntries; i++) {
        UINT8 *page = garbage;
        const char *signature = NULL;
        if (is_guid(&table[i].VendorGuid, &acpi_guid)) {
            signature = "RSD PTR ";
        } else if (is_guid(&table[i].VendorGuid, &smbios_guid)) {
            page = garbage + HOSTILE_PAGE;
            signature = "_SM_";
        } else if (is_guid(&table[i].VendorGuid, &smbios3_guid)) {
            page = garbage + 2 * HOSTILE_PAGE;
            signature = "_SM3_";
        }
        for (UINTN j = 0; signature != NULL && signature[j] != '\0'; j++) {
            page[j] = (UINT8)signature[j];
            table[i].VendorTable = page;
        }
    }
}
