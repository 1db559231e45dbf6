/* kernel_image.c — validation and loading of the embedded ELF; see kernel_image.h for what is accepted.
 *
 * Every structure is copied out of the file before it is used (alignment is not to be trusted), and every sum of two
 * numbers from the file is checked. */
#include "kernel_image.h"

#include "blake2s.h"
#include "bytes.h"

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_offset, section_offset;
    uint32_t flags;
    uint16_t header_bytes, program_entry_bytes, program_count, section_entry_bytes, section_count, names_index;
};

struct elf_program {
    uint32_t type, flags;
    uint64_t file_offset, virt, phys, file_bytes, memory_bytes, align;
};

struct elf_dynamic {
    uint64_t tag, value;
};

struct elf_rela {
    uint64_t offset, info;
    uint64_t addend; /* signed in the format; all arithmetic here is modulo 2^64 anyway */
};

#define ELF_TYPE_DYN 3u
#define ELF_MACHINE_X86_64 62u
#define ELF_PROGRAMS_MAX 32u

#define PT_LOAD 1u
#define PT_DYNAMIC 2u
#define PT_INTERP 3u
#define PT_TLS 7u
#define PF_X 1u
#define PF_W 2u
#define PF_R 4u

#define DT_NULL 0u
#define DT_NEEDED 1u
#define DT_PLTRELSZ 2u
#define DT_RELA 7u
#define DT_RELASZ 8u
#define DT_RELAENT 9u
#define DT_REL 17u
#define DT_TEXTREL 22u
#define DT_JMPREL 23u
#define DT_RELRSZ 35u
#define DT_RELR 36u

#define R_X86_64_RELATIVE 8u

_Static_assert(sizeof(struct elf_header) == 64, "ELF-64 header");
_Static_assert(sizeof(struct elf_program) == 56, "ELF-64 program header");
_Static_assert(sizeof(struct elf_rela) == 24, "ELF-64 relocation");
_Static_assert(KERNEL_DIGEST_BYTES == BLAKE2S_DIGEST_BYTES, "the digest is a BLAKE2s one");

bool kernel_image_is_intact(const void *elf, uint64_t elf_bytes, const uint8_t digest[KERNEL_DIGEST_BYTES])
{
    struct blake2s hash;
    uint8_t actual[BLAKE2S_DIGEST_BYTES];

    blake2s_init(&hash, NULL, 0);
    blake2s_add(&hash, elf, elf_bytes);
    blake2s_finish(&hash, actual);
    return memcmp(actual, digest, sizeof actual) == 0;
}

/* [offset, offset + length) inside [0, limit)? No overflow for any input. */
static bool is_inside(uint64_t offset, uint64_t length, uint64_t limit)
{
    return length <= limit && offset <= limit - length;
}

/* Copy a structure out of the file. Return: false when it does not lie in the file entirely. */
static bool read_at(const struct kernel_image *image, uint64_t offset, void *to, size_t nbytes)
{
    if (!is_inside(offset, nbytes, image->elf_bytes)) {
        return false;
    }
    memcpy(to, image->elf + offset, nbytes);
    return true;
}

static const char *check_header(const struct kernel_image *image, struct elf_header *header)
{
    static const uint8_t ident[7] = {0x7F, 'E', 'L', 'F', 2 /* 64-bit */, 1 /* little-endian */, 1 /* version */};

    if (!read_at(image, 0, header, sizeof *header)) {
        return "shorter than an ELF header";
    }
    if (memcmp(header->ident, ident, sizeof ident) != 0 || header->version != 1) {
        return "not a 64-bit little-endian ELF file";
    }
    if (header->machine != ELF_MACHINE_X86_64) {
        return "not for x86-64";
    }
    if (header->type != ELF_TYPE_DYN) {
        return "not position-independent";
    }
    if (header->program_entry_bytes != sizeof(struct elf_program) || header->program_count == 0 ||
        header->program_count > ELF_PROGRAMS_MAX) {
        return "unusable program headers";
    }
    return NULL;
}

/* Append one PT_LOAD. end: link-time end of the segments before it, whole pages; 0 before the first. */
static const char *add_segment(struct kernel_image *image, const struct elf_program *program, virt_addr_t *end)
{
    struct kernel_segment *segment;
    uint64_t program_end;
    uint64_t page_end;

    if (program->memory_bytes == 0) {
        return program->file_bytes == 0 ? NULL : "segment with more in the file than in memory";
    }
    if (image->segment_count == KERNEL_SEGMENTS_MAX) {
        return "too many segments";
    }
    if (program->file_bytes > program->memory_bytes) {
        return "segment with more in the file than in memory";
    }
    if (!is_inside(program->file_offset, program->file_bytes, image->elf_bytes)) {
        return "segment reaches beyond the end of the file";
    }
    if (!is_aligned(program->virt, PAGE_SIZE)) {
        return "segment does not start on a page boundary";
    }
    if (__builtin_add_overflow(program->virt, program->memory_bytes, &program_end) ||
        !align_up_checked(program_end, PAGE_SIZE, &page_end)) {
        return "segment wraps around the address space";
    }
    if (image->segment_count == 0) {
        image->link_base = program->virt;
    } else if (program->virt < *end) {
        return "segments overlap or are not in order";
    }
    if (page_end - image->link_base > KERNEL_IMAGE_BYTES_MAX) {
        return "image is too large";
    }
    if ((program->flags & PF_R) == 0 || (program->flags & (PF_W | PF_X)) == (PF_W | PF_X)) {
        return "segment is both writable and executable, or not readable";
    }
    segment = &image->segments[image->segment_count++];
    segment->offset = program->virt - image->link_base;
    segment->memory_bytes = page_end - program->virt;
    segment->file_offset = program->file_offset;
    segment->file_bytes = program->file_bytes;
    segment->is_writable = (program->flags & PF_W) != 0;
    segment->is_executable = (program->flags & PF_X) != 0;
    *end = page_end;
    image->memory_bytes = page_end - image->link_base;
    return NULL;
}

static const char *check_programs(struct kernel_image *image, const struct elf_header *header,
                                  struct elf_program *dynamic)
{
    virt_addr_t end = 0;

    for (unsigned i = 0; i < header->program_count; i++) {
        struct elf_program program;
        const char *fault = NULL;
        uint64_t offset;

        if (__builtin_add_overflow(header->program_offset, (uint64_t)i * sizeof program, &offset) ||
            !read_at(image, offset, &program, sizeof program)) {
            return "program headers reach beyond the end of the file";
        }
        if (program.type == PT_LOAD) {
            fault = add_segment(image, &program, &end);
        } else if (program.type == PT_DYNAMIC) {
            *dynamic = program;
        } else if (program.type == PT_INTERP || program.type == PT_TLS) {
            fault = "needs an interpreter or thread-local storage";
        }
        if (fault != NULL) {
            return fault;
        }
    }
    return image->segment_count > 0 ? NULL : "nothing to load";
}

/* The segment whose memory holds [offset, offset + length) from the start of the image, or NULL. */
static const struct kernel_segment *segment_at(const struct kernel_image *image, uint64_t offset, uint64_t length)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct kernel_segment *segment = &image->segments[i];
        if (offset >= segment->offset && is_inside(offset - segment->offset, length, segment->memory_bytes)) {
            return segment;
        }
    }
    return NULL;
}

static const char *check_relocation(const struct kernel_image *image, const struct elf_rela *rela)
{
    const struct kernel_segment *segment;

    if (rela->info != R_X86_64_RELATIVE) { /* type in the low half, symbol (none) in the high half */
        return "relocation of another kind than RELATIVE";
    }
    segment = segment_at(image, rela->offset - image->link_base, sizeof(uint64_t));
    if (segment == NULL || segment->is_executable) {
        return "relocation outside the image's data";
    }
    /* One past the end is a legal address (kernel_image_end). */
    if (rela->addend - image->link_base > image->memory_bytes) {
        return "relocation to an address outside the image";
    }
    return NULL;
}

static const char *check_relocations(struct kernel_image *image, virt_addr_t table, uint64_t table_bytes)
{
    const struct kernel_segment *segment;
    uint64_t offset = table - image->link_base;

    if (table_bytes % sizeof(struct elf_rela) != 0) {
        return "relocation table of a broken size";
    }
    segment = segment_at(image, offset, table_bytes);
    if (segment == NULL || !is_inside(offset - segment->offset, table_bytes, segment->file_bytes)) {
        return "relocation table outside the file";
    }
    image->relocations_file_offset = segment->file_offset + (offset - segment->offset);
    image->relocation_count = table_bytes / sizeof(struct elf_rela);
    for (uint64_t i = 0; i < image->relocation_count; i++) {
        struct elf_rela rela;
        const char *fault;

        if (!read_at(image, image->relocations_file_offset + i * sizeof rela, &rela, sizeof rela)) {
            return "relocation table outside the file";
        }
        fault = check_relocation(image, &rela);
        if (fault != NULL) {
            return fault;
        }
    }
    return NULL;
}

static const char *check_dynamic(struct kernel_image *image, const struct elf_program *dynamic)
{
    uint64_t table = 0;
    uint64_t table_bytes = 0;
    uint64_t entry_bytes = sizeof(struct elf_rela);

    if (!is_inside(dynamic->file_offset, dynamic->file_bytes, image->elf_bytes)) {
        return "dynamic section reaches beyond the end of the file";
    }
    for (uint64_t at = 0; at + sizeof(struct elf_dynamic) <= dynamic->file_bytes; at += sizeof(struct elf_dynamic)) {
        struct elf_dynamic item;

        memcpy(&item, image->elf + dynamic->file_offset + at, sizeof item);
        if (item.tag == DT_NULL) {
            break;
        }
        if (item.tag == DT_RELA) {
            table = item.value;
        } else if (item.tag == DT_RELASZ) {
            table_bytes = item.value;
        } else if (item.tag == DT_RELAENT) {
            entry_bytes = item.value;
        } else if (item.tag == DT_NEEDED || item.tag == DT_TEXTREL || item.tag == DT_REL || item.tag == DT_JMPREL ||
                   item.tag == DT_RELR || item.tag == DT_RELRSZ || (item.tag == DT_PLTRELSZ && item.value != 0)) {
            return "dynamic section asks for more than RELA relocations";
        }
    }
    if (entry_bytes != sizeof(struct elf_rela)) {
        return "relocation entries of a broken size";
    }
    return table_bytes == 0 ? NULL : check_relocations(image, table, table_bytes);
}

const char *kernel_image_check(struct kernel_image *image, const void *elf, uint64_t elf_bytes)
{
    struct elf_header header;
    struct elf_program dynamic = {0};
    const struct kernel_segment *segment;
    const char *fault;

    memset(image, 0, sizeof *image);
    image->elf = elf;
    image->elf_bytes = elf_bytes;
    fault = check_header(image, &header);
    if (fault == NULL) {
        fault = check_programs(image, &header, &dynamic);
    }
    if (fault == NULL) {
        fault = check_dynamic(image, &dynamic);
    }
    if (fault != NULL) {
        return fault;
    }
    image->entry_offset = header.entry - image->link_base;
    segment = segment_at(image, image->entry_offset, 1);
    return segment != NULL && segment->is_executable ? NULL : "entry point outside executable code";
}

void kernel_image_load(const struct kernel_image *image, void *memory, virt_addr_t virt_base)
{
    uint8_t *bytes = memory;

    memset(bytes, 0, image->memory_bytes);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct kernel_segment *segment = &image->segments[i];
        memcpy(bytes + segment->offset, image->elf + segment->file_offset, segment->file_bytes);
    }
    for (uint64_t i = 0; i < image->relocation_count; i++) {
        struct elf_rela rela;
        uint64_t value;

        /* From the file, not from memory: a relocation may not change the table that is being read. RELA keeps the
         * addend apart from the target, so the result does not depend on what was there. */
        memcpy(&rela, image->elf + image->relocations_file_offset + i * sizeof rela, sizeof rela);
        value = rela.addend - image->link_base + virt_base;
        memcpy(bytes + (rela.offset - image->link_base), &value, sizeof value);
    }
}
