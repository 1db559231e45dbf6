/* firmware_tables.h — who the firmware is, and the tables it points to.
 * Depends on: boot_info.h, text.h. Used by: entry.c. */
#ifndef EFI_FIRMWARE_TABLES_H
#define EFI_FIRMWARE_TABLES_H

#include "text.h"
#include <neomem/boot_info.h>

/* Fill the identity members, secure_boot, rsdp_phys, smbios_phys, and the copies of SMBIOS and of the memory attributes
 * table, which may lie in boot-services memory. Pointers are left as identity-mapped ones. Tables that contradict
 * themselves count as absent, with a note. */
void firmware_tables_collect(struct boot_info *info, struct notes *notes);

#endif
