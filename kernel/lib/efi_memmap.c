/* efi_memmap.c — reading and naming the firmware's memory descriptors.
 *
 * The type table here is deliberately a second one, written apart from efi/memmap_limine.c: the audit
 * (efi_memmap_audit.c) compares what the one did with what the other says.
 *
 * Source: UEFI 2.10 7.2.1 (types), 7.2.3 (descriptor, attributes); Limine PROTOCOL.md, "Memory Map Feature". */
#include <neomem/efi_memmap.h>

struct NEO_PACKED firmware_descriptor {
    uint32_t type;
    uint32_t padding;
    uint64_t phys;
    uint64_t virt;
    uint64_t pages;
    uint64_t attribute;
};

uint64_t efi_memmap_count(const struct efi_memmap *map)
{
    if (map->data == NULL || map->stride < sizeof(struct firmware_descriptor)) {
        return 0;
    }
    return map->bytes / map->stride;
}

bool efi_memmap_get(const struct efi_memmap *map, uint64_t index, struct efi_descriptor *descriptor)
{
    if (index >= efi_memmap_count(map)) {
        return false;
    }
    const uint8_t *bytes = map->data;
    const struct firmware_descriptor *raw = (const void *)(bytes + index * map->stride);
    *descriptor = (struct efi_descriptor){
        .type = raw->type, .phys = raw->phys, .virt = raw->virt, .pages = raw->pages, .attribute = raw->attribute};
    return true;
}

const char *efi_type_name(uint32_t type)
{
    static const char *const names[EFI_TYPE_KNOWN_COUNT] = {
        [EFI_TYPE_RESERVED] = "EfiReservedMemoryType",
        [EFI_TYPE_LOADER_CODE] = "EfiLoaderCode",
        [EFI_TYPE_LOADER_DATA] = "EfiLoaderData",
        [EFI_TYPE_BOOT_SERVICES_CODE] = "EfiBootServicesCode",
        [EFI_TYPE_BOOT_SERVICES_DATA] = "EfiBootServicesData",
        [EFI_TYPE_RUNTIME_SERVICES_CODE] = "EfiRuntimeServicesCode",
        [EFI_TYPE_RUNTIME_SERVICES_DATA] = "EfiRuntimeServicesData",
        [EFI_TYPE_CONVENTIONAL] = "EfiConventionalMemory",
        [EFI_TYPE_UNUSABLE] = "EfiUnusableMemory",
        [EFI_TYPE_ACPI_RECLAIM] = "EfiACPIReclaimMemory",
        [EFI_TYPE_ACPI_NVS] = "EfiACPIMemoryNVS",
        [EFI_TYPE_MMIO] = "EfiMemoryMappedIO",
        [EFI_TYPE_MMIO_PORT] = "EfiMemoryMappedIOPortSpace",
        [EFI_TYPE_PAL_CODE] = "EfiPalCode",
        [EFI_TYPE_PERSISTENT] = "EfiPersistentMemory",
        [EFI_TYPE_UNACCEPTED] = "EfiUnacceptedMemoryType",
    };
    if (type < EFI_TYPE_KNOWN_COUNT) {
        return names[type];
    }
    if (type >= 0x80000000u) {
        return "OS loader";
    }
    return type >= 0x70000000u ? "OEM" : "unknown";
}

struct text {
    char *buffer;
    size_t capacity;
    size_t length;
};

static void add_text(struct text *text, const char *word)
{
    for (; *word != '\0' && text->length + 1 < text->capacity; word++) {
        text->buffer[text->length++] = *word;
    }
}

static void add_word(struct text *text, const char *word)
{
    if (text->length > 0) {
        add_text(text, "|");
    }
    add_text(text, word);
}

const char *efi_attribute_text(uint64_t attribute, char *buffer, size_t capacity)
{
    static const struct {
        uint64_t bit;
        char name[16];
    } words[] = {
        {EFI_ATTRIBUTE_UC, "UC"},
        {EFI_ATTRIBUTE_WC, "WC"},
        {EFI_ATTRIBUTE_WT, "WT"},
        {EFI_ATTRIBUTE_WB, "WB"},
        {EFI_ATTRIBUTE_UCE, "UCE"},
        {EFI_ATTRIBUTE_WP, "WP"},
        {EFI_ATTRIBUTE_RP, "RP"},
        {EFI_ATTRIBUTE_XP, "XP"},
        {EFI_ATTRIBUTE_NV, "NV"},
        {EFI_ATTRIBUTE_MORE_RELIABLE, "MORE_RELIABLE"},
        {EFI_ATTRIBUTE_RO, "RO"},
        {EFI_ATTRIBUTE_SP, "SP"},
        {EFI_ATTRIBUTE_CPU_CRYPTO, "CPU_CRYPTO"},
        {EFI_ATTRIBUTE_HOT_PLUGGABLE, "HOT_PLUGGABLE"},
        {EFI_ATTRIBUTE_ISA_VALID, "ISA_VALID"},
        {EFI_ATTRIBUTE_RUNTIME, "RUNTIME"},
    };
    struct text text = {.buffer = buffer, .capacity = capacity};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if ((attribute & words[i].bit) != 0) {
            add_word(&text, words[i].name);
            attribute &= ~words[i].bit;
        }
    }
    if (attribute != 0) {
        char digits[2 + 16 + 1] = "0x";
        size_t length = 2;
        for (int shift = 60; shift >= 0; shift -= 4) {
            if (attribute >> shift != 0) {
                digits[length++] = "0123456789abcdef"[attribute >> shift & 0xf];
            }
        }
        add_word(&text, digits);
    }
    if (text.length == 0) {
        add_text(&text, "-");
    }
    buffer[text.length] = '\0';
    return buffer;
}

enum limine_memmap_type efi_type_to_limine(uint32_t type)
{
    static const uint8_t table[EFI_TYPE_ACPI_NVS + 1] = {
        [EFI_TYPE_RESERVED] = LIMINE_MEMMAP_RESERVED,
        [EFI_TYPE_LOADER_CODE] = LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
        [EFI_TYPE_LOADER_DATA] = LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
        [EFI_TYPE_BOOT_SERVICES_CODE] = LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
        [EFI_TYPE_BOOT_SERVICES_DATA] = LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
        [EFI_TYPE_RUNTIME_SERVICES_CODE] = LIMINE_MEMMAP_RESERVED,
        [EFI_TYPE_RUNTIME_SERVICES_DATA] = LIMINE_MEMMAP_RESERVED,
        [EFI_TYPE_CONVENTIONAL] = LIMINE_MEMMAP_USABLE,
        [EFI_TYPE_UNUSABLE] = LIMINE_MEMMAP_RESERVED,
        [EFI_TYPE_ACPI_RECLAIM] = LIMINE_MEMMAP_ACPI_RECLAIMABLE,
        [EFI_TYPE_ACPI_NVS] = LIMINE_MEMMAP_ACPI_NVS,
    };
    return type < ARRAY_COUNT(table) ? (enum limine_memmap_type)table[type] : LIMINE_MEMMAP_RESERVED;
}

bool efi_descriptor_range(const struct efi_descriptor *descriptor, uint64_t *length)
{
    uint64_t last;
    if (descriptor->pages == 0 || descriptor->pages > UINT64_MAX >> PAGE_SHIFT ||
        __builtin_add_overflow(descriptor->phys, (descriptor->pages << PAGE_SHIFT) - 1, &last)) {
        return false;
    }
    *length = descriptor->pages << PAGE_SHIFT;
    return true;
}

const char *boot_trim_reason_name(uint32_t reason)
{
    switch (reason) {
    case BOOT_TRIM_ZERO_LENGTH:
        return "no pages";
    case BOOT_TRIM_OVERFLOW:
        return "beyond any address";
    case BOOT_TRIM_UNALIGNED:
        return "part of a frame";
    case BOOT_TRIM_OVERLAP:
        return "claimed by a stricter or equal descriptor";
    case BOOT_TRIM_BEYOND_CPU:
        return "beyond this CPU's addresses";
    case BOOT_TRIM_OVERLAY:
        return "kernel, loader or framebuffer lies there";
    case BOOT_TRIM_POLICY:
        return "not ordinary memory";
    default:
        return "unknown reason";
    }
}
