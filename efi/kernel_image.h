/* kernel_image.h — the kernel inside the .efi: an ELF64 static PIE, checked before one byte of it is believed.
 *
 * What is accepted (ELF-64 Object File Format 1.5; System V ABI AMD64 supplement): ET_DYN for x86-64 without
 * interpreter and thread-local storage; PT_LOAD segments on page boundaries, ascending, apart from each other, none
 * both writable and executable; an entry point in an executable one; and of relocations only R_X86_64_RELATIVE, each
 * of which changes 8 bytes of a segment that is not executable to an address inside the image. Segments without write
 * permission may be relocated (read-only after relocation): the loader writes through the physical alias.
 *
 * Pure: no firmware, no allocation. Depends on: types.h. Used by: entry.c, takeover.c, host tests, fuzz target. */
#ifndef EFI_KERNEL_IMAGE_H
#define EFI_KERNEL_IMAGE_H

#include <neomem/compiler.h>
#include <neomem/types.h>

#define KERNEL_SEGMENTS_MAX 8u
#define KERNEL_IMAGE_BYTES_MAX MIB(64) /* in memory; far above any kernel here, far below the 1 GiB it is slid in */
#define KERNEL_DIGEST_BYTES 32u

struct kernel_segment {
    uint64_t offset;       /* from the start of the image in memory; page-aligned */
    uint64_t memory_bytes; /* whole pages */
    uint64_t file_offset;  /* in the ELF */
    uint64_t file_bytes;
    bool is_writable, is_executable;
};

struct kernel_image {
    const uint8_t *elf;
    uint64_t elf_bytes;
    virt_addr_t link_base; /* address of the image's first byte as linked */
    uint64_t memory_bytes; /* of the whole image, whole pages */
    uint64_t entry_offset; /* of the entry point from the start of the image */
    struct kernel_segment segments[KERNEL_SEGMENTS_MAX];
    unsigned segment_count;
    uint64_t relocations_file_offset; /* of the Elf64_Rela array in the ELF */
    uint64_t relocation_count;
};

/* Is the blob what the build put there? digest: BLAKE2s-256 of its elf_bytes bytes. */
bool kernel_image_is_intact(const void *elf, uint64_t elf_bytes, const uint8_t digest[KERNEL_DIGEST_BYTES]);

/* Check everything above and describe the image. elf: any alignment, not written. Cost: O(relocations).
 * Return: NULL when it is good; otherwise what is wrong with it, in words, and *image is undefined. */
const char *kernel_image_check(struct kernel_image *image, const void *elf, uint64_t elf_bytes) NEO_NODISCARD;

/* Fill memory (image->memory_bytes bytes) with the segments, zeroes between and behind, relocated for virt_base.
 * image: from kernel_image_check. */
void kernel_image_load(const struct kernel_image *image, void *memory, virt_addr_t virt_base);

#endif
