/* memmaps.c — see memmaps.h. */
#include "tests/support/memmaps.h"

#include <inttypes.h>
#include <neomem/efi_memmap.h>
#include <neomem/memory_map.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct NEO_PACKED raw_fields {
    uint32_t type, padding;
    uint64_t phys, virt, pages, attribute;
};

static void *allocate(uint64_t nbytes)
{
    void *block = malloc(nbytes);
    if (block == NULL) {
        abort();
    }
    memset(block, 0xa5, nbytes);
    return block;
}

void raw_map_init(struct raw_map *map, uint64_t stride)
{
    *map = (struct raw_map){.stride = stride, .capacity = 1};
    map->block = allocate(1 + stride);
}

void raw_map_add(struct raw_map *map, uint32_t type, uint64_t phys, uint64_t pages, uint64_t attribute)
{
    if (map->count == map->capacity) {
        map->capacity *= 2;
        uint8_t *larger = allocate(1 + map->capacity * map->stride);
        memcpy(larger, map->block, 1 + map->count * map->stride);
        free(map->block);
        map->block = larger;
    }
    struct raw_fields fields = {
        .type = type, .padding = 0xa5a5a5a5u, .phys = phys, .virt = 0, .pages = pages, .attribute = attribute};
    memcpy(map->block + 1 + map->count * map->stride, &fields, sizeof(fields));
    map->count++;
}

uint64_t raw_map_bytes(const struct raw_map *map)
{
    return map->count * map->stride;
}

void raw_map_free(struct raw_map *map)
{
    free(map->block);
    *map = (struct raw_map){0};
}

uint64_t test_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void conversion_run(struct conversion *conversion, const struct raw_map *map)
{
    struct memmap_limine_input *input = &conversion->input;
    struct memmap_limine_output *output = &conversion->output;
    conversion->block = allocate(1 + raw_map_bytes(map));
    memcpy(conversion->block + 1, map->block + 1, raw_map_bytes(map));
    input->descriptors = conversion->block + 1;
    input->bytes = raw_map_bytes(map);
    input->stride = map->stride;
    input->scratch_bytes = memmap_limine_scratch_bytes(map->count, input->claim_count);
    input->scratch = allocate(input->scratch_bytes);
    output->entry_capacity = memmap_limine_entries_needed(map->count, input->claim_count);
    output->entries = allocate(output->entry_capacity * sizeof(*output->entries));
    output->trim_capacity = memmap_limine_trims_needed(map->count, input->claim_count);
    output->trims = allocate(output->trim_capacity * sizeof(*output->trims));
    enum memmap_limine_status status = memmap_limine_convert(input, output);
    if (status != MEMMAP_LIMINE_OK) {
        fprintf(stderr, "memmap_limine_convert: %s\n", memmap_limine_status_text(status));
        abort();
    }
}

void conversion_free(struct conversion *conversion)
{
    free(conversion->block);
    free(conversion->input.scratch);
    free(conversion->output.entries);
    free(conversion->output.trims);
}

static const char *shape_complaint(const struct memmap_limine_output *output)
{
    for (uint64_t i = 0; i < output->entry_count; i++) {
        const struct limine_memmap_entry *entry = &output->entries[i];
        if (entry->length == 0) {
            return "empty entry";
        }
        if (i > 0 && entry->base < entry[-1].base + entry[-1].length) {
            return "entries are not disjoint";
        }
        if (i > 0 && entry->base == entry[-1].base + entry[-1].length && entry->type == entry[-1].type) {
            return "equal neighbours are not merged";
        }
    }
    for (uint64_t i = 1; i < output->trim_count; i++) {
        if (output->trims[i].base < output->trims[i - 1].base) {
            return "trims are not sorted";
        }
    }
    return NULL;
}

/* Without claims: what the descriptors hold is what the entries hold, plus what was trimmed; POLICY bytes are in
 * both. Sums may exceed 64 bits; they wrap on both sides alike. */
static const char *sum_complaint(const struct conversion *conversion)
{
    const struct efi_memmap map = {conversion->input.descriptors, conversion->input.bytes, conversion->input.stride};
    uint64_t held = 0;
    struct efi_descriptor descriptor;
    for (uint64_t i = 0; efi_memmap_get(&map, i, &descriptor); i++) {
        uint64_t length;
        if (efi_descriptor_range(&descriptor, &length)) {
            held += length;
        } else if (descriptor.pages != 0 && descriptor.pages <= UINT64_MAX >> PAGE_SHIFT) {
            held += 0 - descriptor.phys; /* wraps: dropped up to 2^64 */
        }
    }
    uint64_t found = 0;
    for (uint64_t i = 0; i < conversion->output.entry_count; i++) {
        found += conversion->output.entries[i].length;
    }
    for (uint64_t i = 0; i < conversion->output.trim_count; i++) {
        const struct boot_trim *trim = &conversion->output.trims[i];
        found += trim->reason != BOOT_TRIM_POLICY ? trim->length : 0;
    }
    return held == found ? NULL : "bytes do not add up";
}

const char *conversion_complaint(const struct conversion *conversion)
{
    const struct memmap_limine_input *input = &conversion->input;
    const struct memmap_limine_output *output = &conversion->output;
    struct memmap_violation violation;
    if (!memmap_check(output->entries, output->entry_count, &violation)) {
        return violation.text;
    }
    const char *complaint = shape_complaint(output);
    if (complaint != NULL) {
        return complaint;
    }
    const struct efi_memmap map = {input->descriptors, input->bytes, input->stride};
    struct efi_audit audit;
    bool honest =
        efi_memmap_audit(&map, output->entries, output->entry_count, output->trims, output->trim_count, &audit);
    /* A claim of loader memory in a hole of the firmware's map is the loader's word against nothing. */
    if (!honest && !(audit.rule == EFI_AUDIT_MADE_UP && input->claim_count != 0)) {
        return audit.rule == EFI_AUDIT_LOST     ? "audit: bytes lost"
               : audit.rule == EFI_AUDIT_WEAKER ? "audit: bytes weakened"
                                                : "audit: bytes made up";
    }
    return input->claim_count == 0 ? sum_complaint(conversion) : NULL;
}

uint64_t conversion_total(const struct conversion *conversion, uint64_t type)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < conversion->output.entry_count; i++) {
        total += conversion->output.entries[i].type == type ? conversion->output.entries[i].length : 0;
    }
    return total;
}

uint64_t conversion_trimmed(const struct conversion *conversion, uint32_t reason)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < conversion->output.trim_count; i++) {
        total += conversion->output.trims[i].reason == reason ? conversion->output.trims[i].length : 0;
    }
    return total;
}

uint64_t conversion_type_at(const struct conversion *conversion, uint64_t address)
{
    for (uint64_t i = 0; i < conversion->output.entry_count; i++) {
        const struct limine_memmap_entry *entry = &conversion->output.entries[i];
        if (address - entry->base < entry->length) {
            return entry->type;
        }
    }
    return UINT64_MAX;
}

void conversion_print(const struct conversion *conversion)
{
    for (uint64_t i = 0; i < conversion->output.entry_count; i++) {
        const struct limine_memmap_entry *entry = &conversion->output.entries[i];
        fprintf(stderr, "  entry %#14" PRIx64 " + %#12" PRIx64 " type %" PRIu64 "\n", entry->base, entry->length,
                entry->type);
    }
    for (uint64_t i = 0; i < conversion->output.trim_count; i++) {
        const struct boot_trim *trim = &conversion->output.trims[i];
        fprintf(stderr, "  trim  %#14" PRIx64 " + %#12" PRIx64 " of type %" PRIu32 ": %s\n", trim->base, trim->length,
                trim->efi_type, boot_trim_reason_name(trim->reason));
    }
}

/* Read up to capacity numbers; false when something that is no number follows. */
static bool numbers(const char *text, uint64_t *values, size_t wanted)
{
    for (size_t i = 0; i < wanted; i++) {
        char *end;
        values[i] = strtoull(text, &end, 0);
        if (end == text) {
            return false;
        }
        text = end;
    }
    return text[strspn(text, " \t\r\n")] == '\0';
}

static bool read_line(struct map_file *file, const char *line)
{
    uint64_t v[4];
    if (strncmp(line, "stride ", 7) == 0) {
        bool ok = numbers(line + 7, v, 1) && v[0] >= MEMMAP_LIMINE_DESCRIPTOR_BYTES && file->map.count == 0;
        if (ok) {
            raw_map_free(&file->map);
            raw_map_init(&file->map, v[0]);
        }
        return ok;
    }
    if (strncmp(line, "phys_bits ", 10) == 0) {
        file->phys_bits = numbers(line + 10, v, 1) ? (unsigned)v[0] : 0;
        return file->phys_bits != 0;
    }
    if (strncmp(line, "claim ", 6) == 0) {
        if (!numbers(line + 6, v, 3) || file->claim_count == MAP_FILE_CLAIMS) {
            return false;
        }
        file->claims[file->claim_count++] = (struct memmap_claim){.type = v[0], .base = v[1], .length = v[2]};
        return true;
    }
    if (strncmp(line, "total ", 6) == 0) {
        bool ok = numbers(line + 6, v, 2) && v[0] < MAP_FILE_TYPES;
        if (ok) {
            file->totals[v[0]] = v[1];
        }
        return ok;
    }
    if (strncmp(line, "trimmed ", 8) == 0) {
        bool ok = numbers(line + 8, v, 2) && v[0] < MAP_FILE_REASONS;
        if (ok) {
            file->trimmed[v[0]] = v[1];
        }
        return ok;
    }
    if (!numbers(line, v, 4)) {
        return false;
    }
    raw_map_add(&file->map, (uint32_t)v[0], v[1], v[2], v[3]);
    return true;
}

bool map_file_read(const char *path, struct map_file *file)
{
    FILE *stream = fopen(path, "r");
    if (stream == NULL) {
        fprintf(stderr, "%s: cannot open\n", path);
        return false;
    }
    *file = (struct map_file){.phys_bits = PHYS_ADDR_BITS_MAX};
    raw_map_init(&file->map, 48);
    char line[256];
    bool ok = true;
    while (ok && fgets(line, sizeof(line), stream) != NULL) {
        line[strcspn(line, "#")] = '\0';
        if (line[strspn(line, " \t\r\n")] != '\0' && !read_line(file, line)) {
            fprintf(stderr, "%s: cannot read: %s\n", path, line);
            ok = false;
        }
    }
    fclose(stream);
    return ok;
}
