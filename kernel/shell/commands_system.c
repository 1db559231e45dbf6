/* commands_system.c — the machine, the program, and leaving. */
#include "commands.h"

#include <config.h>
#include <neomem/acpi.h>
#include <neomem/arch.h>
#include <neomem/boot_facts.h>
#include <neomem/console.h>
#include <neomem/cpu.h>
#include <neomem/frames_pool.h>
#include <neomem/io.h>
#include <neomem/kernel_image.h>
#include <neomem/options.h>
#include <neomem/panic.h>
#include <neomem/power.h>
#include <neomem/record.h>
#include <neomem/selftest.h>
#include <neomem/string.h>

#define OPTION_LINE_BYTES 512u
#define OPTION_NAME_BYTES 32u

bool command_selftest(unsigned argc, char *const *argv)
{
    if (argc > 2) {
        return shell_usage(argv[0]);
    }
    return selftest_run(argc == 2 ? argv[1] : NULL);
}

/* ---- options ---- */

static void warn_of_option(void *context, const char *text)
{
    (void)context;
    kprintf("options: %s\n", text);
}

static bool apply_frame_options(void)
{
    struct frames_pool *pool = frames_page_pool();
    uint64_t level = option_number(OPTION_FRAMES_CHECK);
    enum neo_status status = level != frames_hardening() ? frames_set_hardening((unsigned)level) : NEO_OK;
    if (status != NEO_OK) {
        kprintf("options: frames-check: %s, level %u stays\n", neo_status_name(status), frames_hardening());
        return false;
    }
    /* Nobody's wish: the pool may be smaller than the default, on a small machine. */
    if (pool == NULL || option_source(OPTION_PAGE_POOL) == OPTION_SOURCE_DEFAULT) {
        return true;
    }
    status = frames_pool_set_limit(pool, option_number(OPTION_PAGE_POOL));
    if (status != NEO_OK) {
        kprintf("options: page-pool: %s, the limit stays\n", neo_status_name(status));
    }
    return status == NEO_OK;
}

/* What can still change after start-up changes at once. Return: whether it could. */
static bool apply_options(void)
{
    static const struct {
        const char *sink;
        unsigned word;
    } sinks[] = {{"serial", OPTION_CONSOLE_SERIAL}, {"screen", OPTION_CONSOLE_SCREEN}};
    record_enable(option_flag(OPTION_RECORDS));
    for (size_t i = 0; i < ARRAY_COUNT(sinks); i++) {
        struct console_sink *sink = console_find(sinks[i].sink);
        if (sink != NULL) {
            sink->enabled = option_has_word(OPTION_CONSOLE, sinks[i].word);
        }
    }
    return apply_frame_options();
}

static bool set_option(const char *word)
{
    char name[OPTION_NAME_BYTES];
    const char *equals = neo_strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : 0;
    if (length == 0 || length >= sizeof(name)) {
        return shell_usage("options");
    }
    neo_memcpy(name, word, length);
    name[length] = '\0';
    if (!options_set(name, equals + 1, warn_of_option, NULL)) {
        return false;
    }
    return apply_options();
}

bool command_options(unsigned argc, char *const *argv)
{
    if (argc > 2) {
        return shell_usage(argv[0]);
    }
    if (argc == 2) {
        return set_option(argv[1]);
    }
    char line[OPTION_LINE_BYTES];
    for (size_t i = 0; i < options_count(); i++) {
        options_format(i, line, sizeof(line));
        kprintf("  %s\n", line);
    }
    return true;
}

/* ---- boot, cpu, acpi ---- */

static void print_address(const char *label, uint64_t address)
{
    kprintf("  %-24s 0x%llx\n", label, (unsigned long long)address);
}

static void print_entropy(const struct boot_info *info)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } sources[] = {
        {BOOT_ENTROPY_EFI_RNG, "EFI_RNG"}, {BOOT_ENTROPY_RDSEED, "RDSEED"}, {BOOT_ENTROPY_RDRAND, "RDRAND"},
        {BOOT_ENTROPY_TIMING, "timing"},   {BOOT_ENTROPY_OPTION, "option"},
    };
    kprintf("  %-24s %u bits from", "randomness", info->entropy_bits);
    for (size_t i = 0; i < ARRAY_COUNT(sources); i++) {
        if ((info->entropy_sources & sources[i].bit) != 0) {
            kprintf(" %s", sources[i].name);
        }
    }
    kprintf("\n");
}

static void print_framebuffer(const struct boot_info *info)
{
    const struct boot_framebuffer *fb = &info->framebuffer;
    if (fb->phys_base == 0) {
        kprintf("  %-24s none (%u outputs, %u of them unusable)\n", "screen", info->gop_handles, info->gop_unusable);
    } else {
        kprintf("  %-24s %ux%u, %u bytes a line, at 0x%llx\n", "screen", fb->width, fb->height, fb->pitch_bytes,
                (unsigned long long)fb->phys_base);
    }
}

bool command_boot(unsigned argc, char *const *argv)
{
    const struct boot_info *info = boot_facts();
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    kprintf("  %-24s %s, revision 0x%x\n", "firmware", info->firmware_vendor, info->firmware_revision);
    /* UEFI 2.10, 4.2: the lower half counts tenths of a minor version: 2.70 is 2.7, 2.31 is 2.3.1. */
    unsigned minor = info->uefi_revision & 0xffff;
    kprintf("  %-24s %u.%u.%u\n", "UEFI", info->uefi_revision >> 16, minor / 10, minor % 10);
    kprintf("  %-24s %s\n", "Secure Boot", info->secure_boot == 1 ? "on" : "off or unknown");
    kprintf("  %-24s %u at entry, CR0 0x%llx CR4 0x%llx EFER 0x%llx\n", "page-table levels", info->entry_levels,
            (unsigned long long)info->entry_state.cr0, (unsigned long long)info->entry_state.cr4,
            (unsigned long long)info->entry_state.efer);
    kprintf("  %-24s %u\n", "ExitBootServices calls", info->exit_attempts);
    print_address("kernel, virtual", kernel_image_base());
    print_address("kernel, physical", info->kernel_phys_base);
    print_address("direct map", info->hhdm_base);
    print_address("ACPI RSDP", info->rsdp_phys);
    print_address("SMBIOS", info->smbios_phys);
    print_framebuffer(info);
    print_entropy(info);
    return true;
}

bool command_cpu(unsigned argc, char *const *argv)
{
    char vendor[13];
    char brand[49];
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    cpu_identify(vendor, brand);
    struct cpu_protection on = cpu_protection();
    const struct arch_paging_features *paging = arch_paging_features();
    const struct {
        const char *name;
        bool has;
    } features[] = {
        {"write-protect", on.write_protect},
        {"no-execute", on.no_execute},
        {"SMEP", on.smep},
        {"SMAP", on.smap},
        {"UMIP", on.umip},
        {"global-pages", on.global_pages},
        {"machine-check", on.machine_check},
        {"1-GiB-pages", paging->pages_1g},
        {"write-combining", paging->write_combining},
    };
    kprintf("  %-24s %s %s\n", "processor", vendor, brand);
    kprintf("  %-24s %u enabled\n", "CPUs in the MADT", acpi_cpu_count());
    kprintf("  %-24s %u bits\n", "physical addresses", paging->phys_bits);
    kprintf("  %-24s %llu.%03llu MHz\n", "time stamp counter", (unsigned long long)(arch_tsc_hz() / 1000000),
            (unsigned long long)(arch_tsc_hz() / 1000 % 1000));
    kprintf("  %-24s", "in use");
    for (size_t i = 0; i < ARRAY_COUNT(features); i++) {
        kprintf("%s%s", features[i].has ? " " : "", features[i].has ? features[i].name : "");
    }
    kprintf("\n");
    return true;
}

/* A signature or name field of a table: printable characters only. */
static const char *printable(const uint8_t *bytes, size_t nbytes, char *buffer)
{
    for (size_t i = 0; i < nbytes; i++) {
        buffer[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    }
    buffer[nbytes] = '\0';
    return buffer;
}

bool command_acpi(unsigned argc, char *const *argv)
{
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    if (acpi_table_count() == 0) {
        kprintf("There are no ACPI tables.\n");
    }
    for (size_t i = 0; i < acpi_table_count(); i++) {
        size_t nbytes;
        const uint8_t *table = acpi_table_at(i, &nbytes);
        char signature[5];
        char oem[7];
        char name[9];
        /* Header fields: revision at 8, OEM id at 10, OEM table id at 16. */
        kprintf("  %s  revision %3u  %8zu bytes  %s %s\n", printable(table, 4, signature), table[8], nbytes,
                printable(table + 10, 6, oem), printable(table + 16, 8, name));
    }
    return true;
}

/* ---- small ones ---- */

bool command_version(unsigned argc, char *const *argv)
{
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    kprintf("neomem %s, build %s\n", NEOMEM_VERSION, boot_build_id());
    return true;
}

bool command_echo(unsigned argc, char *const *argv)
{
    for (unsigned i = 1; i < argc; i++) {
        kprintf("%s%s", i > 1 ? " " : "", argv[i]);
    }
    kprintf("\n");
    return true;
}

bool command_clear(unsigned argc, char *const *argv)
{
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    kprintf("\x1b[H\x1b[2J");
    return true;
}

bool command_panic(unsigned argc, char *const *argv)
{
    if (argc > 2) {
        return shell_usage(argv[0]);
    }
    panic("%s", argc == 2 ? argv[1] : "asked for in the shell");
}

bool command_reboot(unsigned argc, char *const *argv)
{
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    power_reset();
}

bool command_poweroff(unsigned argc, char *const *argv)
{
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    power_off();
}

bool command_halt(unsigned argc, char *const *argv)
{
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    power_halt();
}
