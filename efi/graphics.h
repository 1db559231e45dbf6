/* graphics.h — the linear framebuffer that firmware set up, if there is one that can be believed.
 * Depends on: boot_info.h, text.h. Used by: entry.c. */
#ifndef EFI_GRAPHICS_H
#define EFI_GRAPHICS_H

#include "text.h"
#include <neomem/boot_info.h>

/* Fill info->framebuffer, gop_handles and gop_unusable. The mode is not changed: panels that are mounted rotated, and
 * firmware that resets on a mode change, are real (docs/takeover.md B5). phys_limit: end of what the CPU can address. */
void graphics_find(struct boot_info *info, phys_addr_t phys_limit, struct notes *notes);

#endif
