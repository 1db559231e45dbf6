/* efi_memmap_audit.c — is the loader's Limine map an honest conversion of the firmware's map?
 *
 * Two directions, both by walking address by address from one change to the next:
 *   1. each descriptor, from its first byte to its last: in an entry at least as strict, or explained by a trim;
 *   2. each usable or reclaimable entry: all of it backed by a descriptor that may become that type.
 * The firmware's order is arbitrary and nothing can be allocated, so direction 2 searches the descriptors
 * from where the last search ended: linear for a sorted map, quadratic at worst.
 *
 * Nothing is shared with the conversion but the strictness ladder of limine.h. */
#include <neomem/efi_memmap.h>

struct audit {
    const struct efi_memmap *map;
    const struct limine_memmap_entry *entries;
    uint64_t entry_count;
    const struct boot_trim *trims;
    uint64_t trim_count;
    struct efi_audit *result;
};

#define ANY_TYPE UINT64_MAX

static uint64_t entry_last(const struct limine_memmap_entry *entry)
{
    return entry->base + (entry->length - 1);
}

static bool fail(const struct audit *audit, enum efi_audit_rule rule, uint64_t address, uint64_t index)
{
    *audit->result = (struct efi_audit){.rule = rule, .address = address, .index = index};
    return false;
}

/* First entry that ends at or behind address; entry_count when there is none. */
static uint64_t entry_at(const struct audit *audit, uint64_t address)
{
    uint64_t low = 0;
    uint64_t high = audit->entry_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (entry_last(&audit->entries[middle]) < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* First trim that begins at or behind base. */
static uint64_t trim_from(const struct audit *audit, uint64_t base)
{
    uint64_t low = 0;
    uint64_t high = audit->trim_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (audit->trims[middle].base < base) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Is address in a trim of this type and reason (ANY_TYPE, 0: any)? *last: the trim's last byte, at most as before. */
static bool is_trimmed(const struct audit *audit, uint64_t first, uint64_t address, uint64_t efi_type, uint32_t reason,
                       uint64_t *last)
{
    for (uint64_t i = first; i < audit->trim_count && audit->trims[i].base <= address; i++) {
        const struct boot_trim *trim = &audit->trims[i];
        if (address - trim->base < trim->length && (efi_type == ANY_TYPE || trim->efi_type == efi_type) &&
            (reason == 0 || trim->reason == reason)) {
            *last = min_u64(*last, trim->base + (trim->length - 1));
            return true;
        }
    }
    return false;
}

/* The loader may know better than the firmware what lies at an address, but it never makes memory usable. */
static bool is_overlay(const struct audit *audit, uint64_t entry_type, uint64_t address, uint64_t *last)
{
    return entry_type != LIMINE_MEMMAP_USABLE && is_trimmed(audit, 0, address, ANY_TYPE, BOOT_TRIM_OVERLAY, last);
}

static bool audit_descriptor(const struct audit *audit, const struct efi_descriptor *descriptor, uint64_t index)
{
    uint64_t length;
    if (!efi_descriptor_range(descriptor, &length)) {
        return true;
    }
    uint64_t end = descriptor->phys + (length - 1);
    unsigned own = limine_memmap_strictness(efi_type_to_limine(descriptor->type));
    uint64_t own_trims = trim_from(audit, descriptor->phys);
    uint64_t address = descriptor->phys;
    uint64_t at = entry_at(audit, address);
    for (;;) {
        uint64_t last = end;
        while (at < audit->entry_count && entry_last(&audit->entries[at]) < address) {
            at++;
        }
        if (at < audit->entry_count && audit->entries[at].base <= address) {
            last = min_u64(last, entry_last(&audit->entries[at]));
            if (limine_memmap_strictness(audit->entries[at].type) < own &&
                !is_overlay(audit, audit->entries[at].type, address, &last)) {
                return fail(audit, EFI_AUDIT_WEAKER, address, index);
            }
        } else {
            last = at < audit->entry_count ? min_u64(last, audit->entries[at].base - 1) : last;
            if (!is_trimmed(audit, own_trims, address, descriptor->type, 0, &last)) {
                return fail(audit, EFI_AUDIT_LOST, address, index);
            }
        }
        if (last == end) {
            return true;
        }
        address = last + 1;
    }
}

/* May bytes of this descriptor become entries of this type (USABLE or BOOTLOADER_RECLAIMABLE)? */
static bool may_become(const struct efi_descriptor *descriptor, uint64_t type)
{
    bool is_loader = descriptor->type == EFI_TYPE_LOADER_CODE || descriptor->type == EFI_TYPE_LOADER_DATA;
    bool is_boot = descriptor->type == EFI_TYPE_BOOT_SERVICES_CODE || descriptor->type == EFI_TYPE_BOOT_SERVICES_DATA;
    bool is_ordinary = (descriptor->attribute & EFI_ATTRIBUTE_WB) != 0 &&
                       (descriptor->attribute & (EFI_ATTRIBUTE_NV | EFI_ATTRIBUTE_SP)) == 0;
    if (type == LIMINE_MEMMAP_USABLE) {
        return descriptor->type == EFI_TYPE_CONVENTIONAL && is_ordinary;
    }
    return is_loader || ((is_boot || descriptor->type == EFI_TYPE_CONVENTIONAL) && is_ordinary);
}

/* Find a descriptor that may become the type and holds address; *last: how far it reaches, at most as before.
 * *cursor: where to begin and, afterwards, where it was found. */
static bool is_backed(const struct audit *audit, uint64_t address, uint64_t type, uint64_t *cursor, uint64_t *last)
{
    uint64_t count = efi_memmap_count(audit->map);
    for (uint64_t tried = 0; tried < count; tried++) {
        uint64_t index = *cursor + tried < count ? *cursor + tried : *cursor + tried - count;
        struct efi_descriptor descriptor;
        uint64_t length;
        if (!efi_memmap_get(audit->map, index, &descriptor) || !efi_descriptor_range(&descriptor, &length) ||
            address - descriptor.phys >= length || !may_become(&descriptor, type)) {
            continue;
        }
        *last = min_u64(*last, descriptor.phys + (length - 1));
        *cursor = index;
        return true;
    }
    return false;
}

static bool audit_entry(const struct audit *audit, uint64_t index, uint64_t *cursor)
{
    const struct limine_memmap_entry *entry = &audit->entries[index];
    uint64_t end = entry_last(entry);
    uint64_t address = entry->base;
    for (;;) {
        uint64_t last = end;
        if (!is_backed(audit, address, entry->type, cursor, &last) && !is_overlay(audit, entry->type, address, &last)) {
            return fail(audit, EFI_AUDIT_MADE_UP, address, index);
        }
        if (last == end) {
            return true;
        }
        address = last + 1;
    }
}

bool efi_memmap_audit(const struct efi_memmap *map, const struct limine_memmap_entry *entries, uint64_t entry_count,
                      const struct boot_trim *trims, uint64_t trim_count, struct efi_audit *result)
{
    struct efi_audit unread = {0};
    const struct audit audit = {.map = map,
                                .entries = entries,
                                .entry_count = entry_count,
                                .trims = trims,
                                .trim_count = trim_count,
                                .result = result != NULL ? result : &unread};
    *audit.result = (struct efi_audit){.rule = EFI_AUDIT_OK};
    uint64_t count = efi_memmap_count(map);
    for (uint64_t i = 0; i < count; i++) {
        struct efi_descriptor descriptor;
        if (efi_memmap_get(map, i, &descriptor) && !audit_descriptor(&audit, &descriptor, i)) {
            return false;
        }
    }
    uint64_t cursor = 0;
    for (uint64_t i = 0; i < entry_count; i++) {
        bool must_be_ram =
            entries[i].type == LIMINE_MEMMAP_USABLE || entries[i].type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
        if (must_be_ram && !audit_entry(&audit, i, &cursor)) {
            return false;
        }
    }
    return true;
}
