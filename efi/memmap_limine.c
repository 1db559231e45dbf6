/* memmap_limine.c — entry point and first stage of the conversion: descriptors become typed spans.
 *
 * The type table is the Limine protocol's; beyond it:
 *   - boot-services and conventional memory counts as RAM only if it can be cached write-back and is neither
 *     persistent nor set aside for a special purpose; otherwise it is RESERVED (trim POLICY). Loader memory
 *     is exempt: the hand-over itself lives in it, so it works as memory, whatever its attributes say;
 *   - a length that wraps 2^64 is no length: the descriptor is dropped whole (trim OVERFLOW). What a sane
 *     length reaches beyond 2^52 or beyond this CPU is cut off (OVERFLOW, BEYOND_CPU), of any type.
 *
 * Source: UEFI 2.10 7.2.3; Limine PROTOCOL.md, "Memory Map Feature". */
#include "memmap_limine_internal.h"

/* As the firmware lays it out; read byte-aligned, because the stride may be any number. */
struct NEO_PACKED raw_descriptor {
    uint32_t type;
    uint32_t padding;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attribute;
};
_Static_assert(sizeof(struct raw_descriptor) == MEMMAP_LIMINE_DESCRIPTOR_BYTES, "UEFI 2.10 7.2.3");

enum {
    RAW_RESERVED = 0,
    RAW_LOADER_CODE = 1,
    RAW_LOADER_DATA = 2,
    RAW_BOOT_SERVICES_CODE = 3,
    RAW_BOOT_SERVICES_DATA = 4,
    RAW_CONVENTIONAL = 7,
    RAW_UNUSABLE = 8,
    RAW_ACPI_RECLAIM = 9,
    RAW_ACPI_NVS = 10,
    RAW_MMIO = 11,
    RAW_MMIO_PORT = 12,
};

#define RAW_ATTRIBUTE_WB 0x8ull
#define RAW_ATTRIBUTE_NV 0x8000ull
#define RAW_ATTRIBUTE_SP 0x40000ull

static uint8_t table_type(uint32_t efi_type, bool report_bad_memory)
{
    switch (efi_type) {
    case RAW_LOADER_CODE:
    case RAW_LOADER_DATA:
    case RAW_BOOT_SERVICES_CODE:
    case RAW_BOOT_SERVICES_DATA:
        return LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
    case RAW_CONVENTIONAL:
        return LIMINE_MEMMAP_USABLE;
    case RAW_UNUSABLE:
        return report_bad_memory ? LIMINE_MEMMAP_BAD_MEMORY : LIMINE_MEMMAP_RESERVED;
    case RAW_ACPI_RECLAIM:
        return LIMINE_MEMMAP_ACPI_RECLAIMABLE;
    case RAW_ACPI_NVS:
        return LIMINE_MEMMAP_ACPI_NVS;
    default:
        return LIMINE_MEMMAP_RESERVED;
    }
}

static uint8_t policy_type(uint32_t efi_type, uint64_t attribute, uint8_t type)
{
    bool wants_to_be_ram =
        efi_type == RAW_CONVENTIONAL || efi_type == RAW_BOOT_SERVICES_CODE || efi_type == RAW_BOOT_SERVICES_DATA;
    bool is_ram = (attribute & RAW_ATTRIBUTE_WB) != 0 && (attribute & (RAW_ATTRIBUTE_NV | RAW_ATTRIBUTE_SP)) == 0;
    return wants_to_be_ram && !is_ram ? (uint8_t)LIMINE_MEMMAP_RESERVED : type;
}

/* Where a framebuffer can really be: a PCI window, carved out of RAM, or in a driver's own memory. */
static bool is_drawable(uint32_t efi_type)
{
    return efi_type == RAW_RESERVED || efi_type == RAW_BOOT_SERVICES_CODE || efi_type == RAW_BOOT_SERVICES_DATA ||
           efi_type == RAW_CONVENTIONAL || efi_type == RAW_MMIO || efi_type == RAW_MMIO_PORT;
}

void memmap_add_trim(struct memmap_job *job, uint64_t base, uint64_t length, uint32_t efi_type,
                     enum boot_trim_reason reason)
{
    job->output->trims[job->output->trim_count++] =
        (struct boot_trim){.base = base, .length = length, .efi_type = efi_type, .reason = (uint32_t)reason};
}

/* Cut [base, last] to what the CPU can address. Return: false when nothing is left. */
static bool cut_to_cpu(struct memmap_job *job, uint32_t efi_type, uint64_t base, uint64_t last, uint64_t *end)
{
    uint64_t cpu_limit = 1ull << job->input->phys_bits;
    if (last >= PHYS_ADDR_LIMIT) {
        uint64_t from = max_u64(base, PHYS_ADDR_LIMIT);
        memmap_add_trim(job, from, last - from + 1, efi_type, BOOT_TRIM_OVERFLOW);
        last = PHYS_ADDR_LIMIT - 1;
    }
    if (base <= last && last >= cpu_limit) {
        uint64_t from = max_u64(base, cpu_limit);
        memmap_add_trim(job, from, last - from + 1, efi_type, BOOT_TRIM_BEYOND_CPU);
        last = cpu_limit - 1;
    }
    *end = last + 1;
    return base <= last;
}

static void read_descriptor(struct memmap_job *job, const struct raw_descriptor *raw)
{
    uint64_t base = raw->physical_start;
    if (raw->pages == 0) {
        memmap_add_trim(job, base, 0, raw->type, BOOT_TRIM_ZERO_LENGTH);
        return;
    }
    if (raw->pages > UINT64_MAX >> PAGE_SHIFT) {
        memmap_add_trim(job, base, 0, raw->type, BOOT_TRIM_OVERFLOW);
        return;
    }
    uint64_t last;
    if (__builtin_add_overflow(base, (raw->pages << PAGE_SHIFT) - 1, &last)) {
        memmap_add_trim(job, base, 0 - base, raw->type, BOOT_TRIM_OVERFLOW);
        return;
    }
    uint64_t end;
    if (!cut_to_cpu(job, raw->type, base, last, &end)) {
        return;
    }
    uint8_t by_table = table_type(raw->type, job->input->report_bad_memory);
    uint8_t type = policy_type(raw->type, raw->attribute, by_table);
    job->spans[job->descriptors++] = (struct memmap_span){.base = base,
                                                          .end = end,
                                                          .efi_type = raw->type,
                                                          .table_type = by_table,
                                                          .type = type,
                                                          .strictness = (uint8_t)limine_memmap_strictness(type),
                                                          .guarded = !is_drawable(raw->type)};
}

static void read_claim(struct memmap_job *job, const struct memmap_claim *claim)
{
    uint64_t limit = 1ull << job->input->phys_bits;
    struct memmap_span *span = &job->spans[job->descriptors + job->claims];
    *span = (struct memmap_span){.type = (uint8_t)claim->type};
    if (claim->base >= limit || claim->length > limit - claim->base) {
        job->output->refused_claims |= 1ull << job->claims;
    } else if (claim->length != 0) {
        span->base = align_down(claim->base, PAGE_SIZE);
        span->end = align_up(claim->base + claim->length, PAGE_SIZE);
    }
    job->claims++;
}

static bool is_claim_type(uint64_t type)
{
    return type == LIMINE_MEMMAP_RESERVED || type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE ||
           type == LIMINE_MEMMAP_EXECUTABLE_AND_MODULES || type == LIMINE_MEMMAP_FRAMEBUFFER;
}

/* Every span has two ends, the cut at the end of frame 0 is one more point: at most 2n + 1 points, and
 * between two of them one segment, which becomes at most one entry. */
uint64_t memmap_limine_entries_needed(uint64_t descriptors, uint64_t claims)
{
    if (descriptors > MEMMAP_LIMINE_DESCRIPTORS_MAX || claims > MEMMAP_LIMINE_CLAIMS_MAX) {
        return UINT64_MAX;
    }
    return 2 * (descriptors + claims);
}

/* A descriptor: at most 2 when it is read; lost to a stricter one once for each of at most 2n changes of the
 * strictest, and once at its end. A segment: its two ends (UNALIGNED) or once as a whole. */
uint64_t memmap_limine_trims_needed(uint64_t descriptors, uint64_t claims)
{
    if (descriptors > MEMMAP_LIMINE_DESCRIPTORS_MAX || claims > MEMMAP_LIMINE_CLAIMS_MAX) {
        return UINT64_MAX;
    }
    return 5 * descriptors + 4 * (descriptors + claims);
}

uint64_t memmap_limine_scratch_bytes(uint64_t descriptors, uint64_t claims)
{
    if (descriptors > MEMMAP_LIMINE_DESCRIPTORS_MAX || claims > MEMMAP_LIMINE_CLAIMS_MAX) {
        return UINT64_MAX;
    }
    uint64_t spans = descriptors + claims;
    return spans * sizeof(struct memmap_span) + (2 * spans + 1) * sizeof(struct memmap_event) +
           2 * spans * sizeof(struct memmap_segment) + align_up(descriptors * sizeof(uint32_t), 8);
}

static void lay_out_scratch(struct memmap_job *job, uint64_t descriptors, uint64_t claims)
{
    uint64_t spans = descriptors + claims;
    job->spans = job->input->scratch;
    job->events = (struct memmap_event *)(void *)(job->spans + spans);
    job->segments = (struct memmap_segment *)(void *)(job->events + 2 * spans + 1);
    job->queue = (uint32_t *)(void *)(job->segments + 2 * spans);
}

static enum memmap_limine_status check_arguments(const struct memmap_limine_input *input, uint64_t count,
                                                 const struct memmap_limine_output *output)
{
    if (count > MEMMAP_LIMINE_DESCRIPTORS_MAX || input->claim_count > MEMMAP_LIMINE_CLAIMS_MAX) {
        return MEMMAP_LIMINE_TOO_MANY;
    }
    if ((input->descriptors == NULL && count != 0) || (input->claims == NULL && input->claim_count != 0) ||
        input->scratch == NULL || !is_aligned((uintptr_t)input->scratch, 8) || output->entries == NULL ||
        output->trims == NULL || input->phys_bits < 32 || input->phys_bits > PHYS_ADDR_BITS_MAX) {
        return MEMMAP_LIMINE_BAD_ARGUMENT;
    }
    for (uint64_t i = 0; i < input->claim_count; i++) {
        if (!is_claim_type(input->claims[i].type)) {
            return MEMMAP_LIMINE_BAD_ARGUMENT;
        }
    }
    if (input->scratch_bytes < memmap_limine_scratch_bytes(count, input->claim_count) ||
        output->entry_capacity < memmap_limine_entries_needed(count, input->claim_count) ||
        output->trim_capacity < memmap_limine_trims_needed(count, input->claim_count)) {
        return MEMMAP_LIMINE_NO_CAPACITY;
    }
    return MEMMAP_LIMINE_OK;
}

enum memmap_limine_status memmap_limine_convert(const struct memmap_limine_input *input,
                                                struct memmap_limine_output *output)
{
    output->entry_count = 0;
    output->trim_count = 0;
    output->descriptor_count = 0;
    output->trailing_bytes = 0;
    output->refused_claims = 0;
    output->comparisons = 0;
    if (input->stride < MEMMAP_LIMINE_DESCRIPTOR_BYTES) {
        return MEMMAP_LIMINE_BAD_STRIDE;
    }
    uint64_t count = input->bytes / input->stride;
    enum memmap_limine_status status = check_arguments(input, count, output);
    if (status != MEMMAP_LIMINE_OK) {
        return status;
    }
    output->descriptor_count = count;
    output->trailing_bytes = input->bytes % input->stride;

    struct memmap_job job = {.input = input, .output = output};
    lay_out_scratch(&job, count, input->claim_count);
    const uint8_t *bytes = input->descriptors;
    for (uint64_t i = 0; i < count; i++) {
        read_descriptor(&job, (const struct raw_descriptor *)(const void *)(bytes + i * input->stride));
    }
    for (uint64_t i = 0; i < input->claim_count; i++) {
        read_claim(&job, &input->claims[i]);
    }
    memmap_sweep(&job);
    memmap_emit(&job);
    return MEMMAP_LIMINE_OK;
}

const char *memmap_limine_status_text(enum memmap_limine_status status)
{
    switch (status) {
    case MEMMAP_LIMINE_OK:
        return "ok";
    case MEMMAP_LIMINE_BAD_ARGUMENT:
        return "bad argument";
    case MEMMAP_LIMINE_BAD_STRIDE:
        return "descriptor size below 40 bytes";
    case MEMMAP_LIMINE_TOO_MANY:
        return "too many descriptors";
    case MEMMAP_LIMINE_NO_CAPACITY:
        return "buffers too small for the memory map";
    case MEMMAP_LIMINE_NO_MEMORY:
        return "no usable run that long";
    }
    return "unknown status";
}
