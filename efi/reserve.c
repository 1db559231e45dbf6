/* reserve.c — all memory of the hand-over, allocated while firmware still gives some (docs/takeover.md C), and the
 * choice of the address space. Plain loader types only: some firmware crashes on custom memory types (C2). */
#include "bytes.h"
#include "firmware.h"
#include "hand_over.h"

#define MAP_GROWTHS_MAX 8u
/* The final map may differ from the survey: room for so many more tables, and for a quarter more. */
#define TABLES_SLACK 64u

/* ---- maps ------------------------------------------------------------------------------------------------ */

/* Read the map into a buffer that is made as large as it must be. Return: NULL or why not. */
static const char *read_survey(struct hand_over *hand_over)
{
    struct memory_map *survey = &hand_over->survey;
    uint64_t wanted = 0;

    if (survey->bytes == NULL) {
        survey->capacity = align_up(exit_map_capacity(0, 0), PAGE_SIZE);
        survey->bytes = firmware_allocate(survey->capacity, FIRMWARE_ANYWHERE, EfiLoaderData);
    }
    for (unsigned growth = 0; growth < MAP_GROWTHS_MAX && survey->bytes != NULL; growth++) {
        enum exit_result result = exit_read_map(survey, &wanted);
        if (result == EXIT_DONE) {
            return NULL;
        }
        if (result != EXIT_MAP_TOO_SMALL) {
            return "the firmware's memory map is unusable";
        }
        firmware_release(survey->bytes);
        survey->capacity = align_up(max_u64(exit_map_capacity(wanted, 0), 2 * survey->capacity), PAGE_SIZE);
        survey->bytes = firmware_allocate(survey->capacity, FIRMWARE_ANYWHERE, EfiLoaderData);
    }
    return survey->bytes == NULL ? "not enough memory for the memory map" : "the firmware's memory map keeps growing";
}

static void release_map(struct hand_over *hand_over)
{
    firmware_release(hand_over->final.bytes);
    firmware_release(hand_over->entries);
    firmware_release(hand_over->trims);
    firmware_release(hand_over->scratch);
    hand_over->final.bytes = NULL;
    hand_over->entries = NULL;
    hand_over->trims = NULL;
    hand_over->scratch = NULL;
}

bool reserve_larger_map(struct hand_over *hand_over, uint64_t wanted)
{
    /* Whatever stride comes, no more descriptors than this fit into the buffer (nor into the survey's). */
    uint64_t capacity = align_up(max_u64(exit_map_capacity(wanted, hand_over->survey.stride),
                                         max_u64(hand_over->survey.capacity, hand_over->final.capacity)),
                                 PAGE_SIZE);
    uint64_t descriptors = capacity / MEMMAP_LIMINE_DESCRIPTOR_BYTES;
    uint64_t claims = FIRMWARE_ALLOCATIONS_MAX + 3;

    release_map(hand_over);
    hand_over->final.capacity = capacity;
    hand_over->entry_capacity = memmap_limine_entries_needed(descriptors, claims) + 2; /* 2: carving */
    hand_over->trim_capacity = memmap_limine_trims_needed(descriptors, claims);
    hand_over->scratch_bytes = memmap_limine_scratch_bytes(descriptors, claims);
    if (hand_over->entry_capacity < descriptors || hand_over->scratch_bytes == UINT64_MAX) {
        return false; /* the adapter does not take so many */
    }
    hand_over->final.bytes = firmware_allocate(capacity, FIRMWARE_ANYWHERE, EfiLoaderData);
    hand_over->entries =
        firmware_allocate(hand_over->entry_capacity * sizeof *hand_over->entries, FIRMWARE_ANYWHERE, EfiLoaderData);
    hand_over->trims =
        firmware_allocate(hand_over->trim_capacity * sizeof *hand_over->trims, FIRMWARE_ANYWHERE, EfiLoaderData);
    hand_over->scratch = firmware_allocate(hand_over->scratch_bytes, FIRMWARE_ANYWHERE, EfiLoaderData);
    return hand_over->final.bytes != NULL && hand_over->entries != NULL && hand_over->trims != NULL &&
           hand_over->scratch != NULL;
}

/* ---- the parts -------------------------------------------------------------------------------------------- */

static const char *reserve_parts(struct hand_over *hand_over)
{
    hand_over->kernel_memory = firmware_allocate(hand_over->kernel.memory_bytes, FIRMWARE_ANYWHERE, EfiLoaderData);
    hand_over->stack = firmware_allocate(BOOT_STACK_BYTES, FIRMWARE_ANYWHERE, EfiLoaderData);
    if (hand_over->kernel_memory == NULL || hand_over->stack == NULL) {
        return "not enough memory for the kernel image";
    }
    /* CR3 is loaded, and code runs, with 32-bit addresses there (C1). */
    hand_over->trampoline_code = firmware_allocate(PAGE_SIZE, FIRMWARE_BELOW_4G, EfiLoaderCode);
    hand_over->trampoline_args = firmware_allocate(PAGE_SIZE, FIRMWARE_BELOW_4G, EfiLoaderData);
    hand_over->root = firmware_allocate(PAGE_SIZE, FIRMWARE_BELOW_4G, EfiLoaderData);
    if (hand_over->trampoline_code == NULL || hand_over->trampoline_args == NULL || hand_over->root == NULL) {
        return "firmware gives no memory below 4 GiB";
    }
    return NULL;
}

/* ---- the address space -------------------------------------------------------------------------------------- */

/* Image: 4 KiB steps in 1 GiB, 18 bits less what the image itself takes. HHDM: 1 GiB steps, as many as leave the
 * highest mapped byte inside the window: at least 2^14 up to 48 TiB. */
static const char *choose_addresses(struct hand_over *hand_over)
{
    uint64_t kernel_slots = (KERNEL_WINDOW_BYTES - hand_over->kernel.memory_bytes) / PAGE_SIZE + 1;
    phys_addr_t top = first_tables_top(hand_over->entries, hand_over->entry_count);
    uint64_t hhdm_slots;

    hand_over->kernel_virt_base = KERNEL_WINDOW_BASE;
    hand_over->hhdm_base = HHDM_WINDOW_BASE;
    if (top > HHDM_WINDOW_BYTES) {
        return "memory reaches beyond 64 TiB";
    }
    hhdm_slots = (HHDM_WINDOW_BYTES - align_up(top, GIB(1))) / GIB(1) + 1;
    if (hand_over->has_kaslr) {
        hand_over->kernel_virt_base +=
            entropy_draw(&hand_over->entropy, "neomem image slide", kernel_slots) * PAGE_SIZE;
        hand_over->hhdm_base += entropy_draw(&hand_over->entropy, "neomem hhdm slide", hhdm_slots) * GIB(1);
        if (hhdm_slots < 1u << 14) {
            notes_add_hex(&hand_over->notes, "kaslr: memory up to ", top, " leaves the HHDM less than 14 bits");
        }
    }
    return NULL;
}

static const char *reserve_tables(struct hand_over *hand_over)
{
    struct first_tables_plan plan = conversion_plan(hand_over);
    uint64_t count = first_tables_count(&plan);
    void *tables;

    count += count / 4 + TABLES_SLACK;
    tables = firmware_allocate(count << PAGE_SHIFT, FIRMWARE_ANYWHERE, EfiLoaderData);
    if (tables == NULL) {
        return "not enough memory for page tables";
    }
    hand_over->tables = (struct first_tables_pool){.base = (uintptr_t)tables, .count = count};
    return NULL;
}

const char *reserve_memory(struct hand_over *hand_over)
{
    const char *fault = reserve_parts(hand_over);

    if (fault == NULL) {
        fault = read_survey(hand_over);
    }
    if (fault == NULL && !reserve_larger_map(hand_over, hand_over->survey.used)) {
        fault = "not enough memory for the memory map";
    }
    /* Once more, now that our own allocations are in it. */
    if (fault == NULL) {
        fault = read_survey(hand_over);
    }
    if (fault == NULL && hand_over->survey.capacity > hand_over->final.capacity &&
        !reserve_larger_map(hand_over, hand_over->survey.used)) {
        fault = "not enough memory for the memory map";
    }
    if (fault == NULL) {
        fault = conversion_run(hand_over, &hand_over->survey);
    }
    if (fault == NULL) {
        fault = choose_addresses(hand_over);
    }
    if (fault == NULL) {
        fault = reserve_tables(hand_over);
    }
    return fault;
}
