/* boot_facts.h — the kernel's own copy of boot_info: valid after the loader's memory has been reclaimed.
 * Depends on: boot_info.h. Used by: kernel/shell, kernel/diag; implemented by kernel/diag. */
#ifndef NEOMEM_BOOT_FACTS_H
#define NEOMEM_BOOT_FACTS_H

#include <neomem/boot_info.h>

/* Copy info and everything it points to onto the heap. Called once, before the reclaim. Return: false
 * when there is no memory (the facts then keep what fitted, the rest is NULL and zero). */
bool boot_facts_keep(const struct boot_info *info);

/* Never NULL: before boot_facts_keep everything is zero. */
const struct boot_info *boot_facts(void);

/* Cycle counts of the kernel's own milestones. */
struct boot_milestones {
    uint64_t kernel_main, ready;
};
struct boot_milestones *boot_milestones(void);

/* SHA-1 build id of kernel.elf as 40 hex digits. */
const char *boot_build_id(void);

#endif
