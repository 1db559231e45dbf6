/* fbtext_internal.h — the parts of the framebuffer terminal and what they share.
 *
 *   bytes ──► fbtext_terminal.c ──► cells ──► fbtext_draw.c ──► pixels
 *             (UTF-8, controls,     (this      (only dirty ones;
 *              ANSI sequences)       struct)    writes, never reads)
 *
 * Invariants: 1 <= columns <= FBTEXT_COLUMNS_MAX, same for rows; column < columns and row < rows at all
 * times, also inside an update that a panic interrupts; every glyph is below font->glyph_count or a picture; every pixel
 * that is painted lies within width × height, which size_bytes covers. */
#ifndef NEOMEM_DRIVERS_FBTEXT_INTERNAL_H
#define NEOMEM_DRIVERS_FBTEXT_INTERNAL_H

#include <neomem/fbtext.h>
#include <neomem/font.h>
#include <neomem/utf8.h>

#define FBTEXT_PARAMETERS_MAX 8u

/* Glyphs of pictures are these and not the font's. Their colours are of the picture palette: upper or only one << 4 | lower. */
enum fbtext_picture_glyph {
    FBTEXT_GLYPH_HALVES = 0x8000,
    FBTEXT_GLYPH_LEFT,
    FBTEXT_GLYPH_RIGHT,
};

struct fbtext_cell {
    uint16_t glyph;
    uint8_t colours; /* background << 4 | foreground, indices into the palette */
    bool dirty;      /* differs from what was painted */
};

enum fbtext_state {
    FBTEXT_GROUND,
    FBTEXT_ESCAPE,  /* after ESC */
    FBTEXT_CONTROL, /* after ESC [ */
};

struct fbtext {
    /* the screen: constant after fbtext_setup, but for pixels (fbtext_rebind) */
    uint32_t *pixels;
    uint32_t pitch_pixels;
    uint32_t width, height; /* pixels that may be written */
    unsigned columns, rows;
    const struct font *font;
    unsigned scale; /* screen pixels per font pixel, both ways */
    uint32_t palette[16];
    uint32_t picture_palette[FBTEXT_PICTURE_COLOURS];

    /* the terminal */
    unsigned column, row;
    bool wrap_pending; /* the last column has just been written: the next character starts a new line */
    bool cursor_shown;
    uint8_t foreground, background;
    bool bold, reverse;

    /* the decoder */
    struct utf8_decoder decoder;
    enum fbtext_state state;
    unsigned parameters[FBTEXT_PARAMETERS_MAX];
    unsigned parameter_count;
    bool private_sequence; /* ESC [ ? */
    bool ignored_sequence; /* has intermediate bytes: to be skipped to its end */

    /* what is painted */
    bool cursor_painted;
    unsigned painted_column, painted_row;
    bool row_dirty[FBTEXT_ROWS_MAX];
    struct fbtext_cell cells[FBTEXT_ROWS_MAX * FBTEXT_COLUMNS_MAX];
};

/* ---- fbtext_draw.c ---- */

/* Check the description, choose font and scale, fill palette and empty cells, paint the background.
 * Return: as fbtext_init. */
enum neo_status fbtext_setup(struct fbtext *terminal, const struct boot_framebuffer *framebuffer, void *base);

/* Paint dirty cells and the cursor. Cost: what changed. */
void fbtext_flush(struct fbtext *terminal);

/* Glyph index for a code point; that of U+FFFD when the font lacks it. Cost: O(log glyphs). */
uint16_t fbtext_glyph(const struct font *font, uint32_t code_point);

/* ---- fbtext_terminal.c ---- */

/* Take text into the cells; nothing is painted. */
void fbtext_feed(struct fbtext *terminal, const char *text, size_t nbytes);

static inline struct fbtext_cell *fbtext_cell_at(struct fbtext *terminal, unsigned row, unsigned column)
{
    return &terminal->cells[row * FBTEXT_COLUMNS_MAX + column];
}

#endif
