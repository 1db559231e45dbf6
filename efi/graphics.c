/* graphics.c — choosing and checking a graphics output (docs/takeover.md B3, B4). Source: UEFI 2.10 12.9.
 *
 * A console splitter offers one more output than there are cards; the real one carries the console-out marker. What
 * its mode says is checked against itself; whether the memory it names is memory of something else is found out when
 * the memory map is converted. */
#include "graphics.h"

#include "firmware.h"

#define BYTES_PER_PIXEL 4u
#define LINES_MIN 64u   /* less is no console */
#define SIDE_MAX 32768u /* pixels; keeps every product far from 64 bits */

/* Shift and width of a colour in a pixel. Return: false when the mask is not one run of 1 … 8 bits. */
static bool decode_mask(uint32_t mask, uint8_t *shift, uint8_t *bits)
{
    unsigned low = 0;
    unsigned width = 0;

    if (mask == 0) {
        return false;
    }
    while ((mask >> low & 1) == 0) {
        low++;
    }
    while (low + width < 32 && (mask >> (low + width) & 1) != 0) {
        width++;
    }
    *shift = (uint8_t)low;
    *bits = (uint8_t)width;
    return width <= 8 && mask >> low == (1u << width) - 1;
}

static bool decode_pixels(const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode, struct boot_framebuffer *framebuffer)
{
    const EFI_PIXEL_BITMASK *mask = &mode->PixelInformation;

    framebuffer->red_bits = framebuffer->green_bits = framebuffer->blue_bits = 8;
    framebuffer->green_shift = 8;
    if (mode->PixelFormat == PixelRedGreenBlueReserved8BitPerColor) {
        framebuffer->blue_shift = 16;
        return true;
    }
    if (mode->PixelFormat == PixelBlueGreenRedReserved8BitPerColor) {
        framebuffer->red_shift = 16;
        return true;
    }
    if (mode->PixelFormat != PixelBitMask) {
        return false; /* BltOnly, and what later specifications may add */
    }
    /* The pixel ends with the byte of its highest mask bit: only 32-bit pixels are for us. */
    if (((mask->RedMask | mask->GreenMask | mask->BlueMask | mask->ReservedMask) & 0xFF000000u) == 0 ||
        (mask->RedMask & mask->GreenMask) != 0 || (mask->GreenMask & mask->BlueMask) != 0 ||
        (mask->RedMask & mask->BlueMask) != 0) {
        return false;
    }
    return decode_mask(mask->RedMask, &framebuffer->red_shift, &framebuffer->red_bits) &&
           decode_mask(mask->GreenMask, &framebuffer->green_shift, &framebuffer->green_bits) &&
           decode_mask(mask->BlueMask, &framebuffer->blue_shift, &framebuffer->blue_bits);
}

/* Return: false when the numbers contradict each other; lines that do not fit the stated size are cut off. */
static bool describe(EFI_GRAPHICS_OUTPUT_PROTOCOL *output, phys_addr_t phys_limit, struct boot_framebuffer *framebuffer)
{
    const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *state = output == NULL ? NULL : output->Mode;
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode = state == NULL ? NULL : state->Info;
    uint64_t size;

    if (mode == NULL || state->FrameBufferBase == 0 || state->FrameBufferSize == 0 ||
        !decode_pixels(mode, framebuffer)) {
        return false;
    }
    if (mode->HorizontalResolution == 0 || mode->HorizontalResolution > SIDE_MAX || mode->VerticalResolution == 0 ||
        mode->VerticalResolution > SIDE_MAX || mode->PixelsPerScanLine < mode->HorizontalResolution ||
        mode->PixelsPerScanLine > SIDE_MAX || !is_aligned(state->FrameBufferBase, BYTES_PER_PIXEL)) {
        return false;
    }
    framebuffer->phys_base = state->FrameBufferBase;
    framebuffer->width = mode->HorizontalResolution;
    framebuffer->height = mode->VerticalResolution;
    framebuffer->pitch_bytes = mode->PixelsPerScanLine * BYTES_PER_PIXEL;
    size = (uint64_t)framebuffer->pitch_bytes * framebuffer->height;
    if (size > state->FrameBufferSize) {
        framebuffer->height = (uint32_t)(state->FrameBufferSize / framebuffer->pitch_bytes);
        size = (uint64_t)framebuffer->pitch_bytes * framebuffer->height;
    }
    framebuffer->size_bytes = size;
    return framebuffer->height >= LINES_MIN && framebuffer->phys_base < phys_limit &&
           size <= phys_limit - framebuffer->phys_base;
}

void graphics_find(struct boot_info *info, phys_addr_t phys_limit, struct notes *notes)
{
    static EFI_GUID output_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    /* Marks the handles of real console devices (MdeModulePkg, gEfiConsoleOutDeviceGuid). */
    static EFI_GUID console_guid = {0xd3b36f2c, 0xd551, 0x11d4, {0x9a, 0x46, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
    EFI_HANDLE *handles;
    uint64_t count = firmware_handles(&output_guid, &handles);
    bool has_marked = false;

    info->gop_handles = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        EFI_GRAPHICS_OUTPUT_PROTOCOL *output = firmware_protocol(handles[i], &output_guid);
        struct boot_framebuffer framebuffer = {0};
        bool is_marked;

        if (!describe(output, phys_limit, &framebuffer)) {
            info->gop_unusable++;
            continue;
        }
        is_marked = firmware_has_protocol(handles[i], &console_guid);
        if (info->framebuffer.phys_base == 0 || (is_marked && !has_marked)) {
            info->framebuffer = framebuffer;
            has_marked = is_marked;
        }
    }
    firmware_free_pool(handles);
    if (count > 0 && info->framebuffer.phys_base == 0) {
        notes_add_decimal(notes, "no usable framebuffer among ", count, " graphics outputs");
    }
}
