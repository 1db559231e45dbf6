/* boot_report.c — what the machine and its firmware turned out to be, for people and for programs. */

#include "boot_report.h"

#include <config.h>
#include <neomem/boot_facts.h>
#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/cpu.h>
#include <neomem/efi_memmap.h>
#include <neomem/io.h>
#include <neomem/kernel_image.h>
#include <neomem/memory.h>
#include <neomem/record.h>
#include <neomem/selftest.h>
#include <neomem/stats_record.h>

#define KERNEL_PAGE_LEVELS 4u

static const char *yes_no(bool value)
{
    return value ? "on" : "off";
}

void boot_report_banner(void)
{
    const struct boot_info *info = boot_facts();
    struct cpu_protection p = cpu_protection();
    char vendor[13];
    char brand[49];

    cpu_identify(vendor, brand);
    kprintf("firmware   %s, revision 0x%x, UEFI %u.%u, Secure Boot %s\n", info->firmware_vendor,
            info->firmware_revision, info->uefi_revision >> 16, (info->uefi_revision & 0xFFFFu) / 10,
            yes_no(info->secure_boot == 1));
    kprintf("processor  %s %s, %u physical address bits, TSC %llu MHz\n", vendor, brand,
            arch_paging_features()->phys_bits, (unsigned long long)(arch_tsc_hz() / 1000000));
    kprintf("protection WP %s, NX %s, SMEP %s, SMAP %s, UMIP %s\n", yes_no(p.write_protect), yes_no(p.no_execute),
            yes_no(p.smep), yes_no(p.smap), yes_no(p.umip));
    kprintf("kernel     0x%016llx, %llu KiB; direct map 0x%016llx; %u bits of entropy\n",
            (unsigned long long)kernel_image_base(), (unsigned long long)(kernel_image_bytes() >> 10),
            (unsigned long long)getHHDM(), info->entropy_bits);
}

static void efi_memory_records(const struct boot_info *info)
{
    const struct efi_memmap map = {info->efi_memmap, info->efi_memmap_bytes, info->efi_descriptor_bytes};
    uint64_t count = efi_memmap_count(&map);

    for (uint64_t i = 0; i < count; i++) {
        struct efi_descriptor descriptor;
        struct record r;
        if (!efi_memmap_get(&map, i, &descriptor)) {
            break;
        }
        record_begin(&r, "efi_memory");
        record_number(&r, "index", i);
        record_number(&r, "type", descriptor.type);
        record_text(&r, "type_name", efi_type_name(descriptor.type));
        record_hex(&r, "phys", descriptor.phys);
        record_number(&r, "pages", descriptor.pages);
        record_hex(&r, "attribute", descriptor.attribute);
        record_end(&r);
    }
}

static void memmap_records(const struct boot_info *info)
{
    for (uint64_t i = 0; i < info->memmap_count; i++) {
        struct record r;
        record_begin(&r, "memmap");
        record_hex(&r, "base", info->memmap[i].base);
        record_number(&r, "length", info->memmap[i].length);
        record_number(&r, "type", info->memmap[i].type);
        record_text(&r, "type_name", memory_kind_name(info->memmap[i].type));
        record_end(&r);
    }
}

/* Trims by our own policy are no finding about the firmware; contradictions in its map are. */
static bool is_finding(uint32_t reason)
{
    return reason != BOOT_TRIM_OVERLAY && reason != BOOT_TRIM_POLICY;
}

static void lint_records(const struct boot_info *info)
{
    uint64_t findings = 0;
    for (uint64_t i = 0; i < info->trim_count; i++) {
        const struct boot_trim *trim = &info->trims[i];
        if (!is_finding(trim->reason)) {
            continue;
        }
        findings++;
        struct record r;
        record_begin(&r, "lint");
        record_text(&r, "rule", boot_trim_reason_name(trim->reason));
        record_text(&r, "severity", "warning");
        record_textf(&r, "text", "bytes of an %s descriptor were not taken over", efi_type_name(trim->efi_type));
        record_hex(&r, "base", trim->base);
        record_number(&r, "length", trim->length);
        record_end(&r);
    }
    if (findings != 0) {
        kprintf("firmware   %llu contradictions in its memory map (`map efi` shows it)\n",
                (unsigned long long)findings);
    }
}

void boot_report_memory_records(void)
{
    const struct boot_info *info = boot_facts();
    efi_memory_records(info);
    memmap_records(info);
    lint_records(info);
}

void boot_report_boot_record(unsigned cpus)
{
    const struct boot_info *info = boot_facts();
    struct record r;

    record_begin(&r, "boot");
    record_text(&r, "version", NEOMEM_VERSION);
    record_text(&r, "build_id", boot_build_id());
    record_text(&r, "firmware_vendor", info->firmware_vendor);
    record_number(&r, "firmware_revision", info->firmware_revision);
    record_number(&r, "uefi_revision", info->uefi_revision);
    record_bool(&r, "secure_boot", info->secure_boot == 1);
    record_number(&r, "cpus", cpus != 0 ? cpus : 1);
    record_hex(&r, "kernel_base", kernel_image_base());
    record_hex(&r, "hhdm_base", getHHDM());
    record_number(&r, "page_levels", KERNEL_PAGE_LEVELS);
    record_number(&r, "tsc_hz", info->tsc_hz);
    record_number(&r, "tsc_efi_main", info->tsc_efi_main);
    record_number(&r, "tsc_exit_boot_services", info->tsc_exit_boot_services);
    record_number(&r, "tsc_kernel_main", boot_milestones()->kernel_main);
    record_number(&r, "tsc_ready", boot_milestones()->ready);
    record_number(&r, "entry_page_levels", info->entry_levels);
    record_hex(&r, "kernel_phys", info->kernel_phys_base);
    record_number(&r, "kernel_bytes", info->kernel_bytes);
    record_number(&r, "exit_attempts", info->exit_attempts);
    record_hex(&r, "entropy_sources", info->entropy_sources);
    record_number(&r, "entropy_bits", info->entropy_bits);
    record_hex(&r, "rsdp", info->rsdp_phys);
    record_hex(&r, "smbios", info->smbios_phys);
    record_number(&r, "efi_descriptor_bytes", info->efi_descriptor_bytes);
    record_number(&r, "gop_handles", info->gop_handles);
    record_number(&r, "framebuffer_width", info->framebuffer.width);
    record_number(&r, "framebuffer_height", info->framebuffer.height);
    record_end(&r);
}

void boot_report_reclaim(const struct memory_reclaim_report *report)
{
    uint64_t ram_before = report->before[MEMORY_USABLE] + report->before[MEMORY_BOOTLOADER_RECLAIMABLE] +
                          report->before[MEMORY_LOW] + report->before[MEMORY_MANAGER];
    uint64_t usable_after = report->after[MEMORY_USABLE];

    kprintf("reclaim    usable %llu KiB before, %llu KiB after; %llu KiB of loader and boot-services memory\n",
            (unsigned long long)(report->before[MEMORY_USABLE] >> 10), (unsigned long long)(usable_after >> 10),
            (unsigned long long)(report->to_usable >> 10));
    kprintf("           withheld: %llu KiB below 1 MiB, %llu KiB memory manager, %llu KiB still in use\n",
            (unsigned long long)(report->after[MEMORY_LOW] >> 10),
            (unsigned long long)(report->after[MEMORY_MANAGER] >> 10), (unsigned long long)(report->excluded >> 10));

    struct record r;
    record_begin(&r, "reclaim");
    record_number(&r, "usable_before", report->before[MEMORY_USABLE]);
    record_number(&r, "usable_after", usable_after);
    record_number(&r, "reclaimed", report->to_usable);
    record_number(&r, "withheld_low", report->after[MEMORY_LOW]);
    record_number(&r, "withheld_manager", report->after[MEMORY_MANAGER]);
    record_number(&r, "withheld_in_use", report->excluded);
    record_number(&r, "ram", ram_before);
    record_end(&r);
}

void boot_report_stats(void)
{
    struct memory_stats s;
    memory_get_stats(&s);
    kprintf("memory     %llu MiB, %llu MiB free; %llu KiB of metadata and page tables\n",
            (unsigned long long)(s.total_physical >> 20), (unsigned long long)(s.available_physical >> 20),
            (unsigned long long)((s.metadata_bytes + s.page_tables * PAGE_SIZE) >> 10));
    stats_record(&s);
}

void boot_report_end(bool ok)
{
    struct selftest_totals totals = selftest_totals();
    struct record r;

    record_begin(&r, "end");
    record_text(&r, "status", ok ? "pass" : "fail");
    record_number(&r, "tests_passed", totals.passed);
    record_number(&r, "tests_failed", totals.failed);
    record_number(&r, "faults", 0);
    record_end(&r);
}
