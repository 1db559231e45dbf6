/* graphics.c: every graphics output claims a mode that contradicts itself. The framebuffer is a piece of our own RAM
 * with canaries behind it, so that a write past what firmware promised shows. */

#include "hostile.h"

#include "chain.h"

#define WIDTH 640u
#define HEIGHT 480u
#define PIXEL_BYTES 4u
#define LINE_BYTES (WIDTH * PIXEL_BYTES)
#define FULL_BYTES ((UINT64)LINE_BYTES * HEIGHT)
#define SHORT_LINES 384u /* whole pages: 384 * 2560 = 240 * 4096 */
#define SHORT_BYTES ((UINT64)LINE_BYTES * SHORT_LINES)
#define GUARD_PAGES 16u

static EFI_GUID gop_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

static EFI_GRAPHICS_OUTPUT_MODE_INFORMATION info = {
    .HorizontalResolution = WIDTH,
    .VerticalResolution = HEIGHT,
    .PixelFormat = PixelBlueGreenRedReserved8BitPerColor,
    .PixelsPerScanLine = WIDTH,
};
static EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE mode = {
    .MaxMode = 1,
    .Info = &info,
    .SizeOfInfo = sizeof(info),
    .FrameBufferSize = FULL_BYTES,
};

void graphics_lie(void)
{
    EFI_HANDLE *handles = NULL;
    UINTN count = 0;
    BOOLEAN no_mode = chain_has(hostile.config, "gop", "no-mode");

    if (chain_word(hostile.config, "gop") == NULL) {
        return;
    }
    UINT64 promised = FULL_BYTES;
    if (chain_has(hostile.config, "gop", "short-pitch")) {
        info.PixelsPerScanLine = WIDTH / 2;
    } else if (chain_has(hostile.config, "gop", "huge-pitch")) {
        info.PixelsPerScanLine = 0x40000000; /* times 4 it is 0 in 32 bits */
    } else if (chain_has(hostile.config, "gop", "small-size")) {
        promised = SHORT_BYTES;
    } else if (chain_has(hostile.config, "gop", "zero-size")) {
        info.HorizontalResolution = 0;
    } else if (!no_mode) {
        hostile_give_up("unknown word after gop=");
    }
    const UINT64 guard = GUARD_PAGES * HOSTILE_PAGE;
    const UINT64 npages = FULL_BYTES / HOSTILE_PAGE + 2 * GUARD_PAGES;
    EFI_PHYSICAL_ADDRESS base = hostile_pages(EfiReservedMemoryType, npages, ~0ull);
    canary_fill(base, npages * HOSTILE_PAGE);
    canary_announce(base, guard, guard, 1, EfiReservedMemoryType);
    UINT64 behind = npages * HOSTILE_PAGE - guard - promised;
    canary_announce(base + guard + promised, behind, behind, 1, EfiReservedMemoryType);
    mode.FrameBufferBase = base + guard;
    mode.FrameBufferSize = promised;

    if (EFI_ERROR(hostile.real.LocateHandleBuffer(ByProtocol, &gop_guid, NULL, &count, &handles)) || count == 0) {
        hostile_give_up("there is no graphics output to lie about");
    }
    for (UINTN i = 0; i < count; i++) {
        EFI_GRAPHICS_OUTPUT_PROTOCOL *gop = NULL;
        if (!EFI_ERROR(hostile.real.HandleProtocol(handles[i], &gop_guid, (void **)&gop))) {
            gop->Mode = no_mode ? NULL : &mode;
        }
    }
}
