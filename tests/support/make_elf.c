/* make_elf.c — see make_elf.h. */
#include "make_elf.h"

#include <stddef.h>
#include <string.h>

static struct make_elf_program load(uint32_t flags, uint64_t offset, uint64_t virt, uint64_t in_file,
                                    uint64_t in_memory)
{
    return (struct make_elf_program){.type = 1,
                                     .flags = flags,
                                     .file_offset = offset,
                                     .virt = virt,
                                     .phys = virt,
                                     .file_bytes = in_file,
                                     .memory_bytes = in_memory,
                                     .align = 4096};
}

void make_elf(struct make_elf *elf)
{
    static const uint8_t ident[7] = {0x7F, 'E', 'L', 'F', 2, 1, 1};

    memset(elf, 0, sizeof *elf);
    memcpy(elf->header.ident, ident, sizeof ident);
    elf->header.type = 3;
    elf->header.machine = 62;
    elf->header.version = 1;
    elf->header.entry = MAKE_ELF_BASE + 0x10;
    elf->header.program_offset = offsetof(struct make_elf, programs);
    elf->header.header_bytes = 64;
    elf->header.program_entry_bytes = 56;
    elf->header.program_count = MAKE_ELF_PROGRAMS;

    elf->programs[0] = load(5, offsetof(struct make_elf, text), MAKE_ELF_BASE, sizeof elf->text, sizeof elf->text);
    elf->programs[1] =
        load(4, offsetof(struct make_elf, relas), MAKE_ELF_BASE + 0x1000, sizeof elf->relas, sizeof elf->relas);
    elf->programs[2] = load(4, offsetof(struct make_elf, dynamics), MAKE_ELF_BASE + 0x2000, sizeof elf->dynamics,
                            sizeof elf->dynamics + 64);
    elf->programs[3] = load(6, offsetof(struct make_elf, data), MAKE_ELF_BASE + 0x3000, sizeof elf->data, 0x2100);
    elf->programs[4] = elf->programs[2];
    elf->programs[4].type = 2;
    elf->programs[5] = elf->programs[1];
    elf->programs[5].type = 4;

    memset(elf->text, 0xCC, sizeof elf->text);
    memset(elf->data, 0xDA, sizeof elf->data);
    /* One in relro, one in data, one in .bss; the last points one past the image. */
    elf->relas[0] = (struct make_elf_rela){MAKE_ELF_BASE + 0x2060, 8, MAKE_ELF_BASE + 0x20};
    elf->relas[1] = (struct make_elf_rela){MAKE_ELF_BASE + 0x3008, 8, MAKE_ELF_BASE + 0x3000};
    elf->relas[2] = (struct make_elf_rela){MAKE_ELF_BASE + 0x4FF8, 8, MAKE_ELF_BASE + 0x6000};
    elf->dynamics[0] = (struct make_elf_dynamic){7, MAKE_ELF_BASE + 0x1000};
    elf->dynamics[1] = (struct make_elf_dynamic){8, sizeof elf->relas};
    elf->dynamics[2] = (struct make_elf_dynamic){9, sizeof elf->relas[0]};
    elf->dynamics[3] = (struct make_elf_dynamic){0x6FFFFFFB, 0x08000000}; /* DT_FLAGS_1: PIE */
}
