/* main.c — the order in which the kernel comes up. Every line of kernel_main and after_switch is one step;
 * a comment stands wherever the order matters. */

#include "diag/boot_report.h"

#include <config.h>
#include <neomem/acpi.h>
#include <neomem/boot_facts.h>
#include <neomem/boot_info.h>
#include <neomem/console.h>
#include <neomem/cpu.h>
#include <neomem/early.h>
#include <neomem/fbtext.h>
#include <neomem/frames_pool.h>
#include <neomem/heap.h>
#include <neomem/io.h>
#include <neomem/kernel_image.h>
#include <neomem/keyboard.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>
#include <neomem/options.h>
#include <neomem/panic.h>
#include <neomem/power.h>
#include <neomem/printf.h>
#include <neomem/random.h>
#include <neomem/record.h>
#include <neomem/selftest.h>
#include <neomem/serial.h>
#include <neomem/shell.h>
#include <neomem/string.h>
#include <neomem/topology.h>
#include <neomem/vmm.h>
#include <neomem/warning.h>

#define KERNEL_STACK_BYTES (64u << 10)
/* Claims and exclusions after the map is built: its own storage, and what reclaim must leave alone. */
#define MEMORY_MAP_CHANGES 64u

static const struct boot_info *boot; /* the loader's; not used any more once boot_facts holds the copy */
static struct memory_map kernel_map;

void kernel_main(const struct boot_info *info) NEO_NORETURN;
static void after_switch(void);

/* ---- ways to end ---------------------------------------------------------------------------------- */

/* A panic leaves through QEMU's exit device when tests asked for it; otherwise the machine stays readable. */
static void stop_after_panic(void)
{
    if (option_choice(OPTION_ON_END) == OPTION_ON_END_QEMU_EXIT) {
        qemu_exit(QEMU_EXIT_PANIC);
    }
    cpu_halt();
}

/* The world is such that neomem cannot run on it: no bug of ours, so no backtrace, but the same record and exit. */
static NEO_NORETURN void refuse(const char *text)
{
    struct record r;
    kprintf("\nneomem: cannot run here: %s\n", text);
    record_begin(&r, "panic");
    record_text(&r, "text", text);
    record_null(&r, "vector");
    record_null(&r, "error_code");
    record_null(&r, "rip");
    record_null(&r, "cr2");
    record_bool(&r, "refusal", true);
    record_hex_array(&r, "backtrace", NULL, 0);
    record_end(&r);
    stop_after_panic();
    cpu_halt();
}

static NEO_NORETURN void finish(bool ok)
{
    boot_report_end(ok);
    switch ((enum option_on_end)option_choice(OPTION_ON_END)) {
    case OPTION_ON_END_POWEROFF:
        power_off();
    case OPTION_ON_END_REBOOT:
        power_reset();
    case OPTION_ON_END_HALT:
        power_halt();
    case OPTION_ON_END_QEMU_EXIT:
        qemu_exit(ok ? QEMU_EXIT_SUCCESS : QEMU_EXIT_CHECK_FAILED);
    case OPTION_ON_END_SHELL:
    default:
        shell_interactive();
    }
}

/* ---- first light: consoles, options, randomness ------------------------------------------------------ */

static void warn_of_option(void *context, const char *text)
{
    (void)context;
    warning("%s", text);
}

static void start_consoles(const struct boot_info *info)
{
    static const struct panic_hooks hooks = {cpu_backtrace, stop_after_panic};
    static const struct console_lock_hooks lock_hooks = {arch_irq_save, arch_irq_restore, arch_cpu_relax};
    console_set_lock_hooks(&lock_hooks);
    serial_early_init();
    panic_set_hooks(&hooks);
    const struct boot_framebuffer *fb = &info->framebuffer;
    if (fb->phys_base != 0 && fbtext_init(fb, (void *)(uintptr_t)(info->hhdm_base + fb->phys_base)) != NEO_OK) {
        warning("the framebuffer at 0x%llx contradicts itself and is not used", (unsigned long long)fb->phys_base);
    }
}

static void apply_words(const struct boot_info *info, options_warn_fn warn)
{
    options_apply_words_from(OPTION_SOURCE_CONFIG, info->config_words, info->config_words_bytes, warn, NULL);
    options_apply_words_from(OPTION_SOURCE_COMMAND, info->command_words, info->command_words_bytes, warn, NULL);
}

static void apply_options(const struct boot_info *info)
{
    /* Twice: where text goes and whether there are records must be known before the first warning of a bad word. */
    apply_words(info, NULL);
    record_enable(option_flag(OPTION_RECORDS));

    const struct {
        const char *sink;
        unsigned word;
    } sinks[] = {{"serial", OPTION_CONSOLE_SERIAL}, {"screen", OPTION_CONSOLE_SCREEN}};
    for (size_t i = 0; i < ARRAY_COUNT(sinks); i++) {
        struct console_sink *sink = console_find(sinks[i].sink);
        if (sink != NULL) {
            sink->enabled = option_has_word(OPTION_CONSOLE, sinks[i].word);
        }
    }
    kprintf("neomem %s\n", NEOMEM_VERSION);
    options_init();
    apply_words(info, warn_of_option);

    const char *note = info->notes;
    for (uint64_t used = 0; note != NULL && used < info->notes_bytes; used += strlen(note + used) + 1) {
        warning("%s", note + used);
    }
}

static void show_options(void)
{
    char text[128];
    for (size_t i = 0; i < options_count(); i++) {
        if (option_source((enum option_id)i) != OPTION_SOURCE_DEFAULT) {
            options_format(i, text, sizeof(text));
            kprintf("option     %s\n", text);
        }
    }
}

static void start_randomness(const struct boot_info *info)
{
    if (option_is_set(OPTION_SEED)) {
        random_init_number(option_number(OPTION_SEED));
    } else {
        random_init(info->seed);
    }
}

/* ---- memory ---------------------------------------------------------------------------------------- */

static void start_memory_map(const struct boot_info *info)
{
    struct memmap_violation violation;
    phys_addr_t storage;
    uint64_t storage_bytes = align_up(memory_map_storage_bytes(info->memmap_count, MEMORY_MAP_CHANGES), PAGE_SIZE);
    phys_addr_t low_limit = option_flag(OPTION_LOW_MEMORY) ? 0 : MEMORY_MAP_LOW_LIMIT;

    if (!memmap_check(info->memmap, info->memmap_count, &violation)) {
        char text[160];
        neo_snprintf(text, sizeof(text), "the loader's memory map is not sane: entry %llu, %s",
                     (unsigned long long)violation.index, violation.text);
        refuse(text);
    }
    if (!memory_map_find_storage(info->memmap, info->memmap_count, storage_bytes, 0, &storage)) {
        refuse("no usable memory");
    }
    if (memory_map_init(&kernel_map, info->memmap, info->memmap_count, low_limit, phys_to_virt(storage),
                        storage_bytes) != NEO_OK ||
        memory_map_claim(&kernel_map, storage, storage_bytes, MEMORY_USABLE, MEMORY_MANAGER) != NEO_OK) {
        refuse("the memory map does not fit its storage");
    }
    memory_map_publish(&kernel_map);
}

static void log_frames(const char *text)
{
    kprintf("frames     %s\n", text);
}

/* Not initialize_page_allocator: too small a machine is the world's fault and no panic. */
static void start_frames(const struct boot_info *info)
{
    if (early_init(availableMemoryRegions, availableMemoryRegionsCount) != NEO_OK ||
        frames_init_expecting(availableMemoryRegions, availableMemoryRegionsCount, info->memmap, info->memmap_count) !=
            NEO_OK) {
        refuse("not enough memory for the frame bitmap");
    }
    (void)frames_set_log(log_frames);
    /* Before the first frame is handed out: level 3 does not watch frames that are older than itself. */
    enum neo_status status = frames_set_hardening((unsigned)option_number(OPTION_FRAMES_CHECK));
    if (status != NEO_OK) {
        warning("frames-check=%llu: %s; level %u stays", (unsigned long long)option_number(OPTION_FRAMES_CHECK),
                neo_status_name(status), frames_hardening());
    }
    /* Before the page tables, which are what the pool is for. */
    if (frames_page_pool_init() != NEO_OK) {
        refuse("not enough memory for the page pool");
    }
    bool is_asked_for = option_source(OPTION_PAGE_POOL) != OPTION_SOURCE_DEFAULT;
    if (is_asked_for && frames_pool_set_limit(frames_page_pool(), option_number(OPTION_PAGE_POOL)) != NEO_OK) {
        warning("not enough memory for page-pool=%llu", (unsigned long long)option_number(OPTION_PAGE_POOL));
    }
}

static void start_page_tables(const struct boot_info *info)
{
    struct vmm_segment segments[KERNEL_SEGMENT_COUNT];
    kernel_image_segments(info->kernel_phys_base, segments);
    const struct vmm_boot description = {segments, KERNEL_SEGMENT_COUNT, &kernel_map, info->hhdm_base};

    /* The loader's mapping of the framebuffer ends with the switch: no text may reach the screen until the own one is there. */
    struct console_sink *screen = console_find("screen");
    bool was_enabled = screen != NULL && screen->enabled;
    if (screen != NULL) {
        screen->enabled = false;
    }
    enum neo_status status = vmm_init(&description);
    if (status != NEO_OK) {
        if (screen != NULL) {
            screen->enabled = was_enabled; /* the loader's tables are still in use */
        }
        refuse(status == NEO_ERR_NO_MEMORY ? "not enough memory for the page tables"
                                           : "the page tables cannot be built");
    }
    if (screen != NULL) {
        void *base =
            vmm_map_phys(info->framebuffer.phys_base, info->framebuffer.size_bytes, VM_READ_WRITE, VM_WRITE_COMBINING);
        if (base != NULL) {
            vmm_name_area(base, "framebuffer");
            fbtext_rebind(base);
            screen->enabled = was_enabled;
        } else {
            console_remove(screen);
            warning("the framebuffer cannot be mapped: no text on the screen");
        }
    }
}

static virt_addr_t guarded_stack(uint64_t nbytes, const char *name)
{
    uint8_t *stack = vmm_alloc(nbytes, VM_READ_WRITE);
    if (stack == NULL) {
        refuse("not enough memory for the kernel's stacks");
    }
    vmm_name_area(stack, name);
    return (virt_addr_t)(uintptr_t)(stack + nbytes);
}

/* ---- leaving nothing of firmware running --------------------------------------------------------------- */

static void silence_ioapics(void)
{
    /* ACPI 6.5, 5.2.12.3: MADT entries of type 1; entries start at byte 44. */
    size_t nbytes;
    const uint8_t *madt = acpi_table("APIC", &nbytes);
    if (madt == NULL) {
        return;
    }
    for (size_t at = 44; at + 2 <= nbytes && madt[at + 1] >= 2; at += madt[at + 1]) {
        uint32_t address;
        if (madt[at] != 1 || at + 12 > nbytes) {
            continue;
        }
        memcpy(&address, madt + at + 4, sizeof(address));
        void *registers = vmm_map_phys(address, 32, VM_READ_WRITE, VM_UNCACHED);
        if (registers != NULL) {
            cpu_mask_ioapic(registers);
            vmm_unmap_phys(registers);
        }
    }
}

/* Return: whether the other CPUs are known not to run firmware's code any more. */
static bool silence_machine(void)
{
    phys_addr_t lapic_pa;
    enum cpu_lapic_mode mode = cpu_lapic_mode(&lapic_pa);
    volatile uint32_t *lapic = NULL;

    silence_ioapics();
    if (mode == CPU_LAPIC_ABSENT) {
        return true; /* without a local APIC there is no second CPU */
    }
    if (mode == CPU_LAPIC_MMIO) {
        lapic = vmm_map_phys(lapic_pa, PAGE_SIZE, VM_READ_WRITE, VM_UNCACHED);
        if (lapic == NULL) {
            return false;
        }
    }
    cpu_silence_lapic(lapic);
    bool parked = cpu_park_others(lapic);
    vmm_unmap_phys((void *)(uintptr_t)lapic);
    return parked;
}

/* The runs that the map gives back, collected so that the frame allocator takes all of them in one step. */
struct reclaimed_runs {
    struct limine_memmap_entry *entries;
    uint64_t count, capacity;
};

static bool collect_run(void *context, phys_addr_t base, uint64_t length)
{
    struct reclaimed_runs *runs = context;
    if (runs->count == runs->capacity) {
        return false;
    }
    runs->entries[runs->count++] = (struct limine_memmap_entry){base, length, LIMINE_MEMMAP_USABLE};
    return true;
}

/* Where the loader's claim won over more than RAM, the bytes must not be handed out.
 * Return: how many ranges; more than capacity when they do not fit. */
static size_t ranges_to_keep(const struct boot_info *info, struct memory_range *ranges, size_t capacity)
{
    size_t count = 0;
    for (uint64_t i = 0; i < info->trim_count; i++) {
        const struct boot_trim *trim = &info->trims[i];
        const struct memory_region *region = memory_map_find(&kernel_map, trim->base);
        if (trim->reason == BOOT_TRIM_OVERLAY && region != NULL && region->kind == MEMORY_BOOTLOADER_RECLAIMABLE) {
            if (count < capacity) {
                ranges[count] = (struct memory_range){trim->base, trim->length};
            }
            count++;
        }
    }
    return count;
}

/* The frame allocator cannot take the runs: the map must not call them usable either. */
static void give_back(const struct reclaimed_runs *runs)
{
    for (uint64_t i = 0; i < runs->count; i++) {
        if (memory_map_claim(&kernel_map, runs->entries[i].base, runs->entries[i].length, MEMORY_USABLE,
                             MEMORY_BOOTLOADER_RECLAIMABLE) != NEO_OK) {
            panic("reclaim: the memory map lost the run at 0x%llx", (unsigned long long)runs->entries[i].base);
        }
    }
    memory_map_publish(&kernel_map);
}

static void reclaim_loader_memory(bool others_parked, bool facts_are_complete)
{
    struct memory_range kept[MEMORY_MAP_CHANGES];
    size_t kept_count = ranges_to_keep(boot_facts(), kept, ARRAY_COUNT(kept));
    struct reclaimed_runs runs = {NULL, 0, kernel_map.count + MEMORY_MAP_CHANGES};
    struct memory_reclaim_report report;

    if (!others_parked) {
        warning("other CPUs may still run firmware's code: loader and boot-services memory is not reclaimed");
        return;
    }
    runs.entries = kcalloc(runs.capacity, sizeof(*runs.entries));
    if (!facts_are_complete || kept_count > ARRAY_COUNT(kept) || runs.entries == NULL ||
        memory_map_reclaim(&kernel_map, kept, kept_count, collect_run, &runs, &report) != NEO_OK) {
        warning("loader and boot-services memory is not reclaimed: no room for the bookkeeping");
        kfree(runs.entries);
        return;
    }
    enum neo_status status = frames_add(runs.entries, runs.count);
    if (status == NEO_OK) {
        boot_report_reclaim(&report);
    } else {
        give_back(&runs);
        warning("loader and boot-services memory is not reclaimed: %s", neo_status_name(status));
    }
    kfree(runs.entries);
}

/* ---- the order -------------------------------------------------------------------------------------- */

void kernel_main(const struct boot_info *info)
{
    boot_milestones()->kernel_main = arch_cycles();
    cpu_init();
    options_init();
    if (info->magic != BOOT_INFO_MAGIC || info->version != BOOT_INFO_VERSION || info->size != sizeof(*info)) {
        serial_early_init();
        refuse("the loader speaks another version of the hand-over");
    }
    boot = info;
    early_set_hhdm(info->hhdm_base);
    cpu_set_hhdm(info->hhdm_base);
    arch_set_tsc_hz(info->tsc_hz);
    start_consoles(info);
    apply_options(info);
    if (info->refusal != NULL) {
        refuse(info->refusal);
    }
    start_randomness(info);

    start_memory_map(info);
    start_frames(info);
    start_page_tables(info);
    cpu_set_exception_stacks(guarded_stack(CPU_EXCEPTION_STACK_BYTES, "double-fault stack"),
                             guarded_stack(CPU_EXCEPTION_STACK_BYTES, "NMI stack"),
                             guarded_stack(CPU_EXCEPTION_STACK_BYTES, "machine-check stack"));
    cpu_switch_stack(guarded_stack(KERNEL_STACK_BYTES, "kernel stack"), after_switch);
}

static void after_switch(void)
{
    heapInit();
    if (option_number(OPTION_HEAP_MB) > HEAP_SIZE_MB &&
        heap_reserve(MIB(option_number(OPTION_HEAP_MB) - HEAP_SIZE_MB)) != 0) {
        warning("not enough memory for heap-mb=%llu", (unsigned long long)option_number(OPTION_HEAP_MB));
    }
    /* From here on nothing reads the loader's memory: boot_facts has it all. */
    bool facts_are_complete = boot_facts_keep(boot);
    if (!facts_are_complete) {
        warning("not enough memory to keep all that the loader told");
    }
    boot = NULL;
    show_options();
    boot_report_banner();

    acpi_init(boot_facts()->rsdp_phys); /* copies the tables: they may lie in memory that is reclaimed below */
    topology_init();                    /* before more memory arrives, which then belongs to its node at once */
    power_init();
    enum neo_status spcr = serial_bind_spcr();
    if (spcr != NEO_OK && spcr != NEO_ERR_NOT_FOUND) {
        warning("the serial port that ACPI names cannot be used: %s", neo_status_name(spcr));
    }
    keyboard_init();
    bool others_parked = silence_machine();
    reclaim_loader_memory(others_parked, facts_are_complete);

    boot_milestones()->ready = arch_cycles();
    boot_report_boot_record(acpi_cpu_count());
    boot_report_memory_records();
    topology_report();
    boot_report_stats();

    bool ok = shell_run_list(option_text(OPTION_RUN));
    finish(ok && selftest_totals().failed == 0);
}
