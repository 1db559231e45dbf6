/* kernel_image.c — the kernel's own image as the linker laid it out (kernel.ld), at the address it runs at. */

#include <neomem/compiler.h>
#include <neomem/kernel_image.h>
#include <neomem/string.h>

extern const char kernel_image_start[], kernel_image_end[];
extern const char kernel_text_start[], kernel_text_end[];
extern const char kernel_rodata_start[], kernel_rodata_end[];
extern const char kernel_relro_start[], kernel_relro_end[];
extern const char kernel_data_start[], kernel_data_end[];
extern const char kernel_build_id_note[];

static virt_addr_t address_of(const char *symbol)
{
    return (virt_addr_t)(uintptr_t)symbol;
}

void kernel_image_segments(phys_addr_t image_pa, struct vmm_segment segments[KERNEL_SEGMENT_COUNT])
{
    const struct {
        const char *name, *start, *end;
        enum vm_rights rights;
    } parts[KERNEL_SEGMENT_COUNT] = {
        {"text", kernel_text_start, kernel_text_end, VM_READ_EXECUTE},
        {"rodata", kernel_rodata_start, kernel_rodata_end, VM_READ},
        {"relro", kernel_relro_start, kernel_relro_end, VM_READ},
        {"data", kernel_data_start, kernel_data_end, VM_READ_WRITE},
    };
    for (size_t i = 0; i < KERNEL_SEGMENT_COUNT; i++) {
        segments[i] = (struct vmm_segment){
            .name = parts[i].name,
            .va = address_of(parts[i].start),
            .pa = image_pa + (uint64_t)(parts[i].start - kernel_image_start),
            .nbytes = (uint64_t)(parts[i].end - parts[i].start),
            .rights = parts[i].rights,
        };
    }
}

virt_addr_t kernel_image_base(void)
{
    return address_of(kernel_image_start);
}

uint64_t kernel_image_bytes(void)
{
    return (uint64_t)(kernel_image_end - kernel_image_start);
}

/* ELF note: namesz, descsz, type, "GNU\0", then the identifier (System V ABI, "Note Section"). */
const uint8_t *kernel_image_build_id(size_t *nbytes)
{
    uint32_t header[3];
    memcpy(header, kernel_build_id_note, sizeof(header));
    *nbytes = header[1];
    return (const uint8_t *)kernel_build_id_note + sizeof(header) + align_up(header[0], 4);
}
