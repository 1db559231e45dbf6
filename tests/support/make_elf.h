/* make_elf.h — a small, correct static-PIE ELF for tests of the loader, as a struct whose fields tests can spoil.
 * Depends on: libc. Used by: tests/unit/test_kernel_image.c, tests/fuzz/fuzz_kernel_image.c. */
#ifndef NEOMEM_TEST_MAKE_ELF_H
#define NEOMEM_TEST_MAKE_ELF_H

#include <stdint.h>

#define MAKE_ELF_BASE 0xFFFFFFFF80000000ull
#define MAKE_ELF_RELAS 3u
#define MAKE_ELF_PROGRAMS 6u
#define MAKE_ELF_DYNAMICS 6u

struct make_elf_program {
    uint32_t type, flags;
    uint64_t file_offset, virt, phys, file_bytes, memory_bytes, align;
};
struct make_elf_rela {
    uint64_t offset, info, addend;
};
struct make_elf_dynamic {
    uint64_t tag, value;
};

/* The file, byte for byte. Image: text at +0, rodata (with the relocation table) at +0x1000, relro (with the dynamic
 * section) at +0x2000, data at +0x3000, 0x2100 bytes of which 0x100 are in the file. */
struct make_elf {
    struct {
        uint8_t ident[16];
        uint16_t type, machine;
        uint32_t version;
        uint64_t entry, program_offset, section_offset;
        uint32_t flags;
        uint16_t header_bytes, program_entry_bytes, program_count, section_entry_bytes, section_count, names_index;
    } header;
    struct make_elf_program programs[MAKE_ELF_PROGRAMS]; /* text, rodata, relro, data, dynamic, note */
    uint8_t text[256];
    struct make_elf_rela relas[MAKE_ELF_RELAS];
    struct make_elf_dynamic dynamics[MAKE_ELF_DYNAMICS];
    uint8_t data[256];
};

void make_elf(struct make_elf *elf);

#endif
