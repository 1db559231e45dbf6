/* fuzz_kernel_image.c — arbitrary bytes as the embedded ELF: refused, or loaded without leaving its memory. */
#include <stdlib.h>
#include <string.h>

#include "efi/kernel_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_segments(const struct kernel_image *image)
{
    uint64_t end = 0;
    bool has_entry = false;

    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct kernel_segment *segment = &image->segments[i];
        check(segment->offset % PAGE_SIZE == 0 && segment->memory_bytes % PAGE_SIZE == 0);
        check(segment->offset >= end && segment->memory_bytes > 0);
        check(!(segment->is_writable && segment->is_executable));
        check(segment->file_bytes <= segment->memory_bytes);
        end = segment->offset + segment->memory_bytes;
        has_entry = has_entry ||
                    (segment->is_executable && image->entry_offset >= segment->offset && image->entry_offset < end);
    }
    check(end == image->memory_bytes && has_entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
    struct kernel_image image;
    const virt_addr_t base = 0xFFFFFFFF80000000ull;
    uint8_t *memory;

    if (kernel_image_check(&image, data, nbytes) != NULL) {
        return 0;
    }
    check_segments(&image);
    memory = malloc(image.memory_bytes);
    check(memory != NULL);
    kernel_image_load(&image, memory, base);
    /* Text is what the file says, whatever was relocated. */
    for (unsigned i = 0; i < image.segment_count; i++) {
        const struct kernel_segment *segment = &image.segments[i];
        if (segment->is_executable) {
            check(memcmp(memory + segment->offset, data + segment->file_offset, segment->file_bytes) == 0);
        }
    }
    free(memory);
    return 0;
}
