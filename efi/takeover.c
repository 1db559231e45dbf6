/* takeover.c — the last steps: leave firmware, build the final tables, complete boot_info, jump.
 *
 * Until ExitBootServices is called for the first time, everything that goes wrong returns to firmware with a reason.
 * After that there is no way back: the reason goes into boot_info.refusal and the kernel is entered on the last map
 * that made sense; if even that is not possible, emergency() has the last word. */
#include "bytes.h"
#include "cpu.h"
#include "emergency.h"
#include "firmware.h"
#include "hand_over.h"
#include "options.h"

#define GROWTHS_MAX 6u

/* PG WP NE ET MP PE (boot_info.h, docs/takeover.md E6). */
#define CR0_KERNEL 0x80010033u
#define CR4_PAE (1u << 5)
#define CR4_MCE (1u << 6) /* as found; the kernel turns it on once it has a handler */
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define EFER_LME (1u << 8)
#define EFER_NXE (1u << 11)
/* Entries 0 … 3 as after reset, 4 WP, 5 WC, 6 and 7 as after reset (docs/takeover.md E7). */
#define PAT_LOW 0x00070406u
#define PAT_HIGH 0x00070105u

#define GDT_CODE32 0x00CF9B000000FFFFull /* flat, accessed already: the CPU need not write to the table */
#define GDT_DATA 0x00CF93000000FFFFull
#define GDT_CODE64 0x00AF9B000000FFFFull

#define CHECK_OFFSET(member, offset) \
    _Static_assert(offsetof(struct trampoline_args, member) == (offset), "trampoline.S reads " #member " elsewhere")
CHECK_OFFSET(cr0, TRAMPOLINE_CR0);
CHECK_OFFSET(cr3, TRAMPOLINE_CR3);
CHECK_OFFSET(cr4, TRAMPOLINE_CR4);
CHECK_OFFSET(efer, TRAMPOLINE_EFER);
CHECK_OFFSET(pat_low, TRAMPOLINE_PAT_LOW);
CHECK_OFFSET(pat_high, TRAMPOLINE_PAT_HIGH);
CHECK_OFFSET(far64_offset, TRAMPOLINE_FAR64);
CHECK_OFFSET(far64_selector, TRAMPOLINE_FAR64 + 4);
CHECK_OFFSET(gdtr_limit, TRAMPOLINE_GDTR);
CHECK_OFFSET(gdtr_base_low, TRAMPOLINE_GDTR + 2);
CHECK_OFFSET(idtr_limit, TRAMPOLINE_IDTR);
CHECK_OFFSET(entry, TRAMPOLINE_ENTRY);
CHECK_OFFSET(stack, TRAMPOLINE_STACK);
CHECK_OFFSET(info, TRAMPOLINE_INFO);
CHECK_OFFSET(gdt, TRAMPOLINE_GDT);

/* ---- pointers for the kernel ------------------------------------------------------------------------------- */

/* What is identity-mapped now, as the kernel will see it. NULL stays NULL. */
static void *to_hhdm(const struct hand_over *hand_over, const void *pointer)
{
    return pointer == NULL ? NULL : (void *)(uintptr_t)(hand_over->hhdm_base + (uintptr_t)pointer);
}

static void complete_info(struct hand_over *hand_over, const struct memory_map *map)
{
    struct boot_info *info = hand_over->info;

    info->magic = BOOT_INFO_MAGIC;
    info->version = BOOT_INFO_VERSION;
    info->size = sizeof *info;
    info->refusal = hand_over->block->refusal[0] == '\0' ? NULL : to_hhdm(hand_over, hand_over->block->refusal);
    info->hhdm_base = hand_over->hhdm_base;
    info->kernel_phys_base = (uintptr_t)hand_over->kernel_memory;
    info->kernel_virt_base = hand_over->kernel_virt_base;
    info->kernel_bytes = hand_over->kernel.memory_bytes;
    info->memmap = to_hhdm(hand_over, hand_over->entries);
    info->memmap_count = hand_over->entry_count;
    info->trims = to_hhdm(hand_over, hand_over->trims);
    info->trim_count = hand_over->trim_count;
    info->efi_memmap = to_hhdm(hand_over, map->bytes);
    info->efi_memmap_bytes = map->used;
    info->efi_descriptor_bytes = map->stride;
    info->efi_descriptor_version = map->version;
    info->smbios = to_hhdm(hand_over, info->smbios);
    info->mat = to_hhdm(hand_over, info->mat);
    info->config_words = to_hhdm(hand_over, hand_over->file_words->bytes);
    info->config_words_bytes = hand_over->file_words->used;
    info->command_words = to_hhdm(hand_over, hand_over->command_words->bytes);
    info->command_words_bytes = hand_over->command_words->used;
    info->notes = to_hhdm(hand_over, hand_over->notes.bytes);
    info->notes_bytes = hand_over->notes.used;
}

/* ---- tables ---------------------------------------------------------------------------------------------- */

static uint64_t *identity_access(void *context, phys_addr_t table)
{
    (void)context;
    return (uint64_t *)(uintptr_t)table;
}

/* Convert map and build the tables for it. Return: NULL, or why that is not possible; nothing is half-valid then but
 * the tables, which the next attempt overwrites. */
static const char *adopt_map(struct hand_over *hand_over, const struct memory_map *map)
{
    const char *fault = conversion_run(hand_over, map);
    struct first_tables_plan plan;
    struct first_tables_pool pool = hand_over->tables;
    uint64_t needed;

    if (fault != NULL) {
        return fault;
    }
    plan = conversion_plan(hand_over);
    if (first_tables_top(plan.entries, plan.entry_count) > HHDM_WINDOW_BASE + HHDM_WINDOW_BYTES - plan.hhdm_base) {
        return "memory has grown beyond the direct map";
    }
    needed = first_tables_count(&plan);
    if (needed > pool.count) {
        /* The final map has many more edges than the survey had. Below 4 GiB first: not all firmware maps what lies
         * above (docs/takeover.md G). */
        if (memmap_limine_carve(hand_over->entries, &hand_over->entry_count, hand_over->entry_capacity, needed,
                                FIRMWARE_BELOW_4G + 1, &pool.base) != MEMMAP_LIMINE_OK &&
            memmap_limine_carve(hand_over->entries, &hand_over->entry_count, hand_over->entry_capacity, needed,
                                FIRMWARE_ANYWHERE + 1, &pool.base) != MEMMAP_LIMINE_OK) {
            return "not enough memory for page tables";
        }
        pool.count = needed;
        plan = conversion_plan(hand_over);
    }
    pool.used = 0;
    memset((void *)(uintptr_t)pool.base, 0, pool.count << PAGE_SHIFT);
    memset(hand_over->root, 0, PAGE_SIZE);
    return first_tables_build(&plan, (uintptr_t)hand_over->root, &pool, identity_access, NULL)
               ? NULL
               : "page tables did not fit where they were counted to fit";
}

/* ---- the jump -------------------------------------------------------------------------------------------- */

/* Everything that can be written before the exit; CR3 and all addresses are known by then. */
static void prepare_trampoline(struct hand_over *hand_over)
{
    struct trampoline_args *args = hand_over->trampoline_args;
    uint32_t code = (uint32_t)(uintptr_t)hand_over->trampoline_code;
    uint32_t gdt = (uint32_t)(uintptr_t)args->gdt;

    memcpy(hand_over->trampoline_code, trampoline_begin, (size_t)(trampoline_end - trampoline_begin));
    args->cr0 = CR0_KERNEL;
    args->cr3 = (uint32_t)(uintptr_t)hand_over->root;
    args->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | ((uint32_t)hand_over->machine.entry.cr4 & CR4_MCE);
    args->efer = EFER_LME | (hand_over->machine.has_no_execute ? EFER_NXE : 0);
    args->pat_low = PAT_LOW;
    args->pat_high = PAT_HIGH;
    args->far64_offset = code + (uint32_t)(trampoline_enter64 - trampoline_begin);
    args->far64_selector = TRAMPOLINE_CODE64;
    args->gdt[TRAMPOLINE_CODE32 / 8] = GDT_CODE32;
    args->gdt[TRAMPOLINE_DATA / 8] = GDT_DATA;
    args->gdt[TRAMPOLINE_CODE64 / 8] = GDT_CODE64;
    args->gdtr_limit = sizeof args->gdt - 1;
    args->gdtr_base_low = gdt;
    args->entry = hand_over->kernel_virt_base + hand_over->kernel.entry_offset;
    args->stack = (uint64_t)(uintptr_t)to_hhdm(hand_over, hand_over->stack + BOOT_STACK_BYTES);
    args->info = (uint64_t)(uintptr_t)to_hhdm(hand_over, hand_over->info);
    firmware_make_executable(hand_over->trampoline_code, PAGE_SIZE);
}

static void refuse_in_kernel(struct hand_over *hand_over, const char *what, const char *why)
{
    struct text text;

    text_init(&text, hand_over->block->refusal, sizeof hand_over->block->refusal);
    text_add(&text, what);
    text_add(&text, why);
}

static void enter_kernel(struct hand_over *hand_over, bool has_exited) NEO_NORETURN;

static void enter_kernel(struct hand_over *hand_over, bool has_exited)
{
    const struct memory_map *map = hand_over->final.used != 0 ? &hand_over->final : &hand_over->survey;
    const char *fault = adopt_map(hand_over, map);

    if (fault != NULL) {
        /* The survey was good enough before the exit, and is for showing a line of text. */
        refuse_in_kernel(hand_over, "the firmware's last memory map is unusable: ", fault);
        map = &hand_over->survey;
        if (adopt_map(hand_over, map) != NULL) {
            emergency(hand_over->block->refusal, hand_over->wants_qemu_exit);
        }
    } else if (!has_exited) {
        refuse_in_kernel(hand_over, "firmware does not let go: ", "ExitBootServices failed every time");
    }
    complete_info(hand_over, map);
    trampoline_jump((uintptr_t)hand_over->trampoline_code, (uintptr_t)hand_over->trampoline_args);
}

const char *takeover(struct hand_over *hand_over)
{
    struct boot_info *info = hand_over->info;
    enum exit_result result = EXIT_MAP_TOO_SMALL;
    uint64_t wanted = 0;

    prepare_trampoline(hand_over);
    for (unsigned growth = 0; growth < GROWTHS_MAX && result == EXIT_MAP_TOO_SMALL; growth++) {
        if (growth > 0 && !reserve_larger_map(hand_over, max_u64(wanted, 2 * hand_over->final.capacity))) {
            firmware_make_writable(hand_over->trampoline_code, PAGE_SIZE);
            return "not enough memory for the memory map";
        }
        result = exit_boot_services(&hand_over->final, &wanted, &info->exit_attempts, &info->tsc_exit_boot_services);
    }
    if (result == EXIT_DONE || result == EXIT_REFUSED) {
        enter_kernel(hand_over, result == EXIT_DONE);
    }
    firmware_make_writable(hand_over->trampoline_code, PAGE_SIZE);
    return result == EXIT_MAP_TOO_SMALL ? "the firmware's memory map keeps growing"
                                        : "the firmware's memory map is unusable";
}
