/* commands_map.c — the three views of memory: what firmware reported, what the adapter made of it, and what the
 * kernel manages. Each ends with the bytes of every type. */
#include "commands.h"

#include <neomem/boot_facts.h>
#include <neomem/console.h>
#include <neomem/efi_memmap.h>
#include <neomem/memory_map.h>
#include <neomem/string.h>

#define ATTRIBUTE_TEXT_BYTES 64u
#define TOTALS_MAX 32u /* different types; more are summed up as "others" */

struct type_total {
    uint64_t type;
    const char *name;
    uint64_t entries;
    uint64_t nbytes;
};

struct type_totals {
    struct type_total rows[TOTALS_MAX];
    size_t count;
};

static void add_total(struct type_totals *totals, uint64_t type, const char *name, uint64_t nbytes)
{
    size_t i = 0;
    while (i < totals->count && totals->rows[i].type != type) {
        i++;
    }
    if (i == TOTALS_MAX) {
        i--;
        totals->rows[i].name = "others";
    } else if (i == totals->count) {
        totals->rows[totals->count++] = (struct type_total){.type = type, .name = name};
    }
    totals->rows[i].entries++;
    totals->rows[i].nbytes += nbytes;
}

static void print_total(const char *name, uint64_t entries, uint64_t nbytes)
{
    char size[SHELL_SIZE_BYTES];
    kprintf("  %-28s %6llu %-7s  %18llu bytes  %s\n", name, (unsigned long long)entries,
            entries == 1 ? "entry" : "entries", (unsigned long long)nbytes, shell_format_size(nbytes, size));
}

static void print_totals(const struct type_totals *totals)
{
    uint64_t entries = 0;
    uint64_t nbytes = 0;
    for (size_t i = 0; i < totals->count; i++) {
        const struct type_total *row = &totals->rows[i];
        print_total(row->name, row->entries, row->nbytes);
        entries += row->entries;
        nbytes += row->nbytes;
    }
    print_total("all", entries, nbytes);
}

static void print_range(uint64_t base, uint64_t length)
{
    char size[SHELL_SIZE_BYTES];
    kprintf("  0x%016llx  +0x%012llx  %-12s", (unsigned long long)base, (unsigned long long)length,
            shell_format_size(length, size));
}

/* ---- firmware's map ---- */

static void print_descriptor(const struct efi_descriptor *descriptor, struct type_totals *totals)
{
    char attributes[ATTRIBUTE_TEXT_BYTES];
    uint64_t length;
    const char *name = efi_type_name(descriptor->type);
    if (efi_descriptor_range(descriptor, &length)) {
        print_range(descriptor->phys, length);
    } else { /* empty, or too long to be bytes: shown as firmware wrote it */
        kprintf("  0x%016llx  0x%llx pages: not a range", (unsigned long long)descriptor->phys,
                (unsigned long long)descriptor->pages);
        length = 0;
    }
    kprintf("  %-26s  type %2u  %s\n", name, descriptor->type,
            efi_attribute_text(descriptor->attribute, attributes, sizeof(attributes)));
    add_total(totals, descriptor->type, name, length);
}

static bool map_efi(void)
{
    const struct boot_info *info = boot_facts();
    const struct efi_memmap map = {
        .data = info->efi_memmap, .bytes = info->efi_memmap_bytes, .stride = info->efi_descriptor_bytes};
    struct type_totals totals = {.count = 0};
    struct efi_descriptor descriptor;
    uint64_t count = efi_memmap_count(&map);
    if (count == 0) {
        kprintf("There is no UEFI memory map.\n");
        return false;
    }
    kprintf("UEFI memory map, %llu descriptors of %llu bytes, in firmware's order:\n", (unsigned long long)count,
            (unsigned long long)map.stride);
    for (uint64_t i = 0; efi_memmap_get(&map, i, &descriptor); i++) {
        print_descriptor(&descriptor, &totals);
    }
    print_totals(&totals);
    return true;
}

/* ---- the adapter's map ---- */

static void print_trims(const struct boot_info *info)
{
    for (uint64_t i = 0; i < info->trim_count; i++) {
        const struct boot_trim *trim = &info->trims[i];
        print_range(trim->base, trim->length);
        kprintf("  %-26s  %s\n", efi_type_name(trim->efi_type), boot_trim_reason_name(trim->reason));
    }
}

static bool map_limine(void)
{
    const struct boot_info *info = boot_facts();
    struct type_totals totals = {.count = 0};
    if (info->memmap_count == 0 || info->memmap == NULL) {
        kprintf("There is no Limine memory map.\n");
        return false;
    }
    kprintf("Limine memory map, %llu entries:\n", (unsigned long long)info->memmap_count);
    for (uint64_t i = 0; i < info->memmap_count; i++) {
        const struct limine_memmap_entry *entry = &info->memmap[i];
        const char *name = memory_kind_name(entry->type);
        print_range(entry->base, entry->length);
        kprintf("  %s\n", name);
        add_total(&totals, entry->type, name, entry->length);
    }
    print_totals(&totals);
    if (info->trim_count != 0 && info->trims != NULL) {
        kprintf("Bytes of descriptors that are not in an entry of their own type, %llu ranges:\n",
                (unsigned long long)info->trim_count);
        print_trims(info);
    }
    return true;
}

/* ---- the kernel's map ---- */

static bool map_kernel(void)
{
    const struct memory_map *map = memory_map_kernel();
    struct type_totals totals = {.count = 0};
    if (map == NULL) {
        kprintf("The kernel has no memory map yet.\n");
        return false;
    }
    kprintf("The kernel's memory map, %llu regions:\n", (unsigned long long)map->count);
    const struct memory_region *region = NULL;
    while ((region = memory_map_next(map, MEMORY_KINDS_ALL, region)) != NULL) {
        const char *name = memory_kind_name(region->kind);
        print_range(region->base, region->length);
        kprintf("  %s\n", name);
        add_total(&totals, region->kind, name, region->length);
    }
    print_totals(&totals);
    return true;
}

bool command_map(unsigned argc, char *const *argv)
{
    if (argc > 2) {
        return shell_usage(argv[0]);
    }
    if (argc == 1) {
        bool efi = map_efi();
        return map_limine() && efi;
    }
    if (neo_strcmp(argv[1], "efi") == 0) {
        return map_efi();
    }
    if (neo_strcmp(argv[1], "limine") == 0) {
        return map_limine();
    }
    return neo_strcmp(argv[1], "kernel") == 0 ? map_kernel() : shell_usage(argv[0]);
}
