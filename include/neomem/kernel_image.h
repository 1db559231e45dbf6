/* kernel_image.h — where the running kernel's segments are and what rights each must have.
 * Context: any. Depends on: vmm.h. Used by: kernel/main.c, kernel/diag; implemented by kernel/diag. */
#ifndef NEOMEM_KERNEL_IMAGE_H
#define NEOMEM_KERNEL_IMAGE_H

#include <neomem/types.h>
#include <neomem/vmm.h>

#define KERNEL_SEGMENT_COUNT 4u

/* The segments in ascending order. image_pa: physical address of the image's first byte. */
void kernel_image_segments(phys_addr_t image_pa, struct vmm_segment segments[KERNEL_SEGMENT_COUNT]);

/* First byte of the image, and its length in whole pages' bytes. */
virt_addr_t kernel_image_base(void);
uint64_t kernel_image_bytes(void);

/* Build id of kernel.elf; *nbytes its length (20 for SHA-1). */
const uint8_t *kernel_image_build_id(size_t *nbytes);

#endif
