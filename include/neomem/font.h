/* font.h — what scripts/psf2c.py makes of a PSF console font: bitmaps and the code points they stand for.
 * Depends on: types.h. Used by: the generated font_*.c, kernel/drivers/fbtext*. */
#ifndef NEOMEM_FONT_H
#define NEOMEM_FONT_H

#include <neomem/types.h>

/* code_points[] ascends; glyph_of[] is parallel to it. A glyph is height rows of row_bytes bytes, the most significant
 * bit leftmost. U+FFFD is always there. */
struct font {
    uint8_t width;  /* pixels */
    uint8_t height; /* pixels */
    uint8_t row_bytes;
    uint16_t code_point_count;
    uint16_t glyph_count;
    const uint16_t *code_points;
    const uint16_t *glyph_of;
    const uint8_t *bitmaps;
};

extern const struct font font_8x16;
extern const struct font font_16x32;

#endif
