/* memmap_limine_emit.c — third stage: segments become entries; what is not kept as its own type becomes a trim.
 *
 * Neighbours of equal type are one run, whoever owned them. Usable and reclaimable runs shrink to whole
 * frames only after they are joined: two descriptors that meet in the middle of a frame lose nothing there.
 * All other types stay exact to the byte; the rest of the frame they begin or end in is lost to the usable
 * or reclaimable neighbour (trim UNALIGNED), which is how reserved memory grows outwards. */
#include "memmap_limine_internal.h"

static uint8_t segment_type(const struct memmap_job *job, const struct memmap_segment *segment)
{
    if (segment->claim != MEMMAP_NONE) {
        return job->spans[segment->claim].type;
    }
    uint8_t type = job->spans[segment->owner].type;
    bool may_be_handed_out = type == LIMINE_MEMMAP_USABLE || type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
    if (may_be_handed_out && job->input->reserve_page_zero && segment->base < PAGE_SIZE) {
        return LIMINE_MEMMAP_RESERVED;
    }
    return type;
}

/* Account for one segment of a run that is kept as [keep_base, keep_end). */
static void trim_segment(struct memmap_job *job, const struct memmap_segment *segment, uint8_t type, uint64_t keep_base,
                         uint64_t keep_end)
{
    if (segment->owner == MEMMAP_NONE) {
        return;
    }
    const struct memmap_span *owner = &job->spans[segment->owner];
    bool is_overlaid = segment->claim != MEMMAP_NONE && type != owner->type;
    if (is_overlaid || type != owner->table_type) {
        memmap_add_trim(job, segment->base, segment->end - segment->base, owner->efi_type,
                        is_overlaid ? BOOT_TRIM_OVERLAY : BOOT_TRIM_POLICY);
        return;
    }
    uint64_t front_end = min_u64(segment->end, keep_base);
    if (segment->base < front_end) {
        memmap_add_trim(job, segment->base, front_end - segment->base, owner->efi_type, BOOT_TRIM_UNALIGNED);
    }
    uint64_t back_base = max_u64(max_u64(segment->base, keep_end), front_end);
    if (back_base < segment->end) {
        memmap_add_trim(job, back_base, segment->end - back_base, owner->efi_type, BOOT_TRIM_UNALIGNED);
    }
}

static bool trim_less(const void *left, const void *right)
{
    const struct boot_trim *a = left;
    const struct boot_trim *b = right;
    if (a->base != b->base) {
        return a->base < b->base;
    }
    if (a->length != b->length) {
        return a->length < b->length;
    }
    return a->efi_type != b->efi_type ? a->efi_type < b->efi_type : a->reason < b->reason;
}

void memmap_emit(struct memmap_job *job)
{
    struct memmap_limine_output *output = job->output;
    uint32_t first = 0;
    while (first < job->segment_count) {
        uint8_t type = segment_type(job, &job->segments[first]);
        uint32_t after = first + 1;
        while (after < job->segment_count && job->segments[after].base == job->segments[after - 1].end &&
               segment_type(job, &job->segments[after]) == type) {
            after++;
        }
        uint64_t base = job->segments[first].base;
        uint64_t end = job->segments[after - 1].end;
        if (type == LIMINE_MEMMAP_USABLE || type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE) {
            base = align_up(base, PAGE_SIZE);
            end = align_down(end, PAGE_SIZE);
        }
        for (; first < after; first++) {
            trim_segment(job, &job->segments[first], type, base, end);
        }
        if (base < end) {
            output->entries[output->entry_count++] =
                (struct limine_memmap_entry){.base = base, .length = end - base, .type = type};
        }
    }
    memmap_sort(output->trims, output->trim_count, sizeof(struct boot_trim), trim_less, &output->comparisons);
}
