/* boot_report.h — the boot's facts as text and as records.
 * Depends on: boot_facts.h, memory_map.h. Used by: kernel/main.c. */
#ifndef NEOMEM_DIAG_BOOT_REPORT_H
#define NEOMEM_DIAG_BOOT_REPORT_H

#include <neomem/memory_map.h>
#include <neomem/types.h>

/* One line each: version, firmware, CPU, what protects the kernel, where it lies. */
void boot_report_banner(void);

/* One `efi_memory` record for each descriptor, one `memmap` for each entry, one `lint` for each trim that is a finding. */
void boot_report_memory_records(void);

/* The `boot` record. cpus: as ACPI counts them; 0 when it does not say (then 1 is reported). */
void boot_report_boot_record(unsigned cpus);

/* What loader and boot services gave back. */
void boot_report_reclaim(const struct memory_reclaim_report *report);

/* The `stats` record and a two-line summary. */
void boot_report_stats(void);

/* The `end` record. ok: nothing failed. */
void boot_report_end(bool ok);

#endif
