/* conversion.c — what the loader knows better than the firmware's map, and the run of the adapter; see hand_over.h. */
#include "bytes.h"
#include "firmware.h"
#include "hand_over.h"

/* Addresses that AMD's HyperTransport uses for itself: never RAM, whatever the map says (docs/takeover.md G). */
#define AMD_HOLE_BASE 0xFD00000000ull
#define AMD_HOLE_BYTES 0x300000000ull

#define CLAIMS_MAX (FIRMWARE_ALLOCATIONS_MAX + 3u)
_Static_assert(CLAIMS_MAX <= MEMMAP_LIMINE_CLAIMS_MAX, "one bit for each claim");

/* The order decides overlaps: the kernel image is one of the allocations, too. The framebuffer comes last. */
static uint64_t make_claims(const struct hand_over *hand_over, struct memmap_claim claims[CLAIMS_MAX])
{
    const struct boot_framebuffer *framebuffer = &hand_over->info->framebuffer;
    uint64_t count = 0;
    struct memmap_claim allocation = {.type = LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE};

    claims[count++] = (struct memmap_claim){.base = (uintptr_t)hand_over->kernel_memory,
                                            .length = hand_over->kernel.memory_bytes,
                                            .type = LIMINE_MEMMAP_EXECUTABLE_AND_MODULES};
    for (unsigned i = 0; firmware_allocation(i, &allocation.base, &allocation.length); i++) {
        claims[count++] = allocation;
    }
    if (hand_over->machine.is_amd) {
        claims[count++] =
            (struct memmap_claim){.base = AMD_HOLE_BASE, .length = AMD_HOLE_BYTES, .type = LIMINE_MEMMAP_RESERVED};
    }
    if (framebuffer->phys_base != 0) {
        claims[count++] = (struct memmap_claim){
            .base = framebuffer->phys_base, .length = framebuffer->size_bytes, .type = LIMINE_MEMMAP_FRAMEBUFFER};
    }
    return count;
}

/* Return: the adapter's verdict; *is_framebuffer_refused when the framebuffer is somebody else's memory, *is_kernel_refused
 * when the kernel lies beyond what the map can name. */
static enum memmap_limine_status convert(struct hand_over *hand_over, const struct memory_map *map,
                                         bool *is_framebuffer_refused, bool *is_kernel_refused)
{
    static struct memmap_claim claims[CLAIMS_MAX];
    uint64_t claim_count = make_claims(hand_over, claims);
    struct memmap_limine_input input = {
        .descriptors = map->bytes,
        .bytes = map->used,
        .stride = map->stride,
        /* What lies above the HHDM's window cannot be used: the trims say so. */
        .phys_bits = (unsigned)min_u64(hand_over->machine.phys_bits, HHDM_WINDOW_BITS),
        .report_bad_memory = true,
        .claims = claims,
        .claim_count = claim_count,
        .scratch = hand_over->scratch,
        .scratch_bytes = hand_over->scratch_bytes,
    };
    struct memmap_limine_output output = {
        .entries = hand_over->entries,
        .entry_capacity = hand_over->entry_capacity,
        .trims = hand_over->trims,
        .trim_capacity = hand_over->trim_capacity,
    };
    enum memmap_limine_status status = memmap_limine_convert(&input, &output);

    hand_over->entry_count = output.entry_count;
    hand_over->trim_count = output.trim_count;
    *is_kernel_refused = status == MEMMAP_LIMINE_OK && (output.refused_claims & 1) != 0;
    *is_framebuffer_refused = status == MEMMAP_LIMINE_OK && hand_over->info->framebuffer.phys_base != 0 &&
                              (output.refused_claims >> (claim_count - 1) & 1) != 0;
    return status;
}

const char *conversion_run(struct hand_over *hand_over, const struct memory_map *map)
{
    bool is_framebuffer_refused;
    bool is_kernel_refused;
    enum memmap_limine_status status = convert(hand_over, map, &is_framebuffer_refused, &is_kernel_refused);

    if (is_framebuffer_refused) {
        notes_add_hex(&hand_over->notes, "framebuffer at ", hand_over->info->framebuffer.phys_base,
                      " covers memory of others, not used");
        memset(&hand_over->info->framebuffer, 0, sizeof hand_over->info->framebuffer);
        hand_over->info->gop_unusable++;
        status = convert(hand_over, map, &is_framebuffer_refused, &is_kernel_refused);
    }
    if (status == MEMMAP_LIMINE_OK && is_kernel_refused) {
        return "the kernel lies beyond the memory that it could use";
    }
    return status == MEMMAP_LIMINE_OK ? NULL : memmap_limine_status_text(status);
}

struct first_tables_plan conversion_plan(const struct hand_over *hand_over)
{
    return (struct first_tables_plan){
        .has_no_execute = hand_over->machine.has_no_execute,
        .has_pages_1g = hand_over->machine.has_pages_1g,
        .hhdm_base = hand_over->hhdm_base,
        .entries = hand_over->entries,
        .entry_count = hand_over->entry_count,
        .kernel = &hand_over->kernel,
        .kernel_phys_base = (uintptr_t)hand_over->kernel_memory,
        .kernel_virt_base = hand_over->kernel_virt_base,
        .identity_code = (uintptr_t)hand_over->trampoline_code,
        .identity_data = (uintptr_t)hand_over->trampoline_args,
    };
}
