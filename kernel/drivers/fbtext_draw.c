/* fbtext_draw.c — geometry, colours and painting of the framebuffer terminal.
 *
 * Pixels are only ever stored to. Reading an uncached framebuffer costs about a microsecond a word, and a
 * write-combining one is little better: what is on the screen is known from the cells. */
#include "fbtext_internal.h"

#include <neomem/compiler.h>

/* Up to here the 8×16 font is legible; above, 16×32. */
#define SMALL_FONT_WIDTH_MAX 1920u
#define SMALL_FONT_HEIGHT_MAX 1200u
#define SCALE_MAX 8u
#define COLUMNS_MIN 8u
#define ROWS_MIN 2u

/* 0xRRGGBB: the eight ANSI colours, then their bright versions. */
static const uint32_t ansi_colours[16] = {
    0x000000, 0xcc3333, 0x33aa33, 0xbb8822, 0x4466dd, 0xaa44aa, 0x22aaaa, 0xc0c0c0,
    0x707070, 0xff5555, 0x55ff55, 0xffff55, 0x7799ff, 0xff77ff, 0x55ffff, 0xffffff,
};

static const uint32_t picture_colours[FBTEXT_PICTURE_COLOURS] = {
    0x000000, 0x1c1f24,                                         /* none, faint */
    0x1d5c4b, 0x2f8558, 0x5a9d52, 0x8bb04b, 0xb9bb45, 0xdcb53e, /* the scale */
    0xe89f38, 0xec8531, 0xee6a2c,                               /* … to its end */
    0x3f8fe8, 0xa66be0, 0xff2d55, 0xf0f0f0, 0x808080,
};

static uint32_t channel(uint32_t value, unsigned bits, unsigned shift)
{
    if (bits == 0) {
        return 0;
    }
    uint32_t scaled = bits <= 8 ? value >> (8 - bits) : value << (bits - 8);
    return scaled << shift;
}

static bool channel_fits(unsigned bits, unsigned shift)
{
    return bits <= 16 && shift < 32 && bits + shift <= 32;
}

static uint32_t pixel_of(uint32_t rgb, const struct boot_framebuffer *fb)
{
    return channel(rgb >> 16 & 0xff, fb->red_bits, fb->red_shift) |
           channel(rgb >> 8 & 0xff, fb->green_bits, fb->green_shift) |
           channel(rgb & 0xff, fb->blue_bits, fb->blue_shift);
}

static void fill_palettes(struct fbtext *terminal, const struct boot_framebuffer *fb)
{
    for (unsigned i = 0; i < ARRAY_COUNT(ansi_colours); i++) {
        terminal->palette[i] = pixel_of(ansi_colours[i], fb);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(picture_colours); i++) {
        terminal->picture_palette[i] = pixel_of(picture_colours[i], fb);
    }
}

/* Whole lines of width pixels that size_bytes covers. */
static uint32_t lines_covered(const struct boot_framebuffer *fb)
{
    uint64_t line = (uint64_t)fb->width * 4;
    if (fb->size_bytes < line) {
        return 0;
    }
    uint64_t lines = (fb->size_bytes - line) / fb->pitch_bytes + 1;
    return (uint32_t)min_u64(lines, fb->height);
}

static void choose_font(struct fbtext *terminal)
{
    bool small = terminal->width <= SMALL_FONT_WIDTH_MAX && terminal->height <= SMALL_FONT_HEIGHT_MAX;
    terminal->font = small ? &font_8x16 : &font_16x32;
    for (terminal->scale = 1; terminal->scale <= SCALE_MAX; terminal->scale++) {
        terminal->columns = terminal->width / (terminal->font->width * terminal->scale);
        terminal->rows = terminal->height / (terminal->font->height * terminal->scale);
        if (terminal->columns <= FBTEXT_COLUMNS_MAX && terminal->rows <= FBTEXT_ROWS_MAX) {
            return;
        }
    }
    terminal->scale = SCALE_MAX;
    terminal->columns = (unsigned)min_u64(terminal->columns, FBTEXT_COLUMNS_MAX);
    terminal->rows = (unsigned)min_u64(terminal->rows, FBTEXT_ROWS_MAX);
}

static void paint_background(const struct fbtext *terminal)
{
    for (uint32_t y = 0; y < terminal->height; y++) {
        uint32_t *line = terminal->pixels + (size_t)y * terminal->pitch_pixels;
        for (uint32_t x = 0; x < terminal->width; x++) {
            line[x] = terminal->palette[0];
        }
    }
}

enum neo_status fbtext_setup(struct fbtext *terminal, const struct boot_framebuffer *framebuffer, void *base)
{
    const struct boot_framebuffer *fb = framebuffer;
    if (fb->phys_base == 0 || base == NULL) {
        return NEO_ERR_NOT_FOUND;
    }
    if (fb->width == 0 || fb->height == 0 || fb->pitch_bytes % 4 != 0 || fb->pitch_bytes / 4 < fb->width ||
        (uintptr_t)base % 4 != 0) {
        return NEO_ERR_INVALID;
    }
    if (!channel_fits(fb->red_bits, fb->red_shift) || !channel_fits(fb->green_bits, fb->green_shift) ||
        !channel_fits(fb->blue_bits, fb->blue_shift)) {
        return NEO_ERR_INVALID;
    }
    terminal->pixels = base;
    terminal->pitch_pixels = fb->pitch_bytes / 4;
    terminal->width = fb->width;
    terminal->height = lines_covered(fb);
    choose_font(terminal);
    if (terminal->columns < COLUMNS_MIN || terminal->rows < ROWS_MIN) {
        return NEO_ERR_INVALID;
    }
    fill_palettes(terminal, fb);
    terminal->foreground = 7;
    terminal->cursor_shown = true;
    uint16_t blank = fbtext_glyph(terminal->font, ' ');
    for (unsigned i = 0; i < ARRAY_COUNT(terminal->cells); i++) {
        terminal->cells[i] = (struct fbtext_cell){.glyph = blank, .colours = terminal->foreground};
    }
    paint_background(terminal);
    return NEO_OK;
}

uint16_t fbtext_glyph(const struct font *font, uint32_t code_point)
{
    unsigned low = 0;
    unsigned high = font->code_point_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (font->code_points[middle] < code_point) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < font->code_point_count && font->code_points[low] == code_point) {
        return font->glyph_of[low];
    }
    /* U+FFFD is the largest code point that psf2c.py keeps, and always kept. */
    return font->glyph_of[font->code_point_count - 1];
}

/* One row of a glyph, as bits from 31 downwards. */
static uint32_t glyph_row_bits(const struct font *font, const uint8_t *row)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < font->row_bytes; i++) {
        bits |= (uint32_t)row[i] << (24 - 8 * i);
    }
    return bits;
}

static void paint_row(const struct fbtext *terminal, uint32_t *pixel, uint32_t bits, uint32_t ink, uint32_t paper)
{
    for (unsigned x = 0; x < terminal->font->width; x++, bits <<= 1) {
        uint32_t colour = (bits & 0x80000000u) != 0 ? ink : paper;
        for (unsigned copy = 0; copy < terminal->scale; copy++) {
            *pixel++ = colour;
        }
    }
}

/* Colour of a picture at a pixel of the font's grid; gap is the width of what keeps squares apart. */
static uint32_t picture_pixel(const struct fbtext *terminal, const struct fbtext_cell *cell, unsigned x, unsigned y,
                              uint32_t gap_colour)
{
    unsigned width = terminal->font->width;
    unsigned height = terminal->font->height;
    unsigned gap = width / 8;
    unsigned half = cell->glyph == FBTEXT_GLYPH_HALVES ? height / 2 : height;
    bool in_gap = y % half >= half - gap || (cell->glyph != FBTEXT_GLYPH_LEFT && x >= width - gap);
    return in_gap ? gap_colour : terminal->picture_palette[y < half ? cell->colours >> 4 : cell->colours & 15];
}

static void paint_picture(const struct fbtext *terminal, const struct fbtext_cell *cell, uint32_t *line, bool inverted)
{
    unsigned scale = terminal->scale;
    uint32_t gap_colour = terminal->palette[inverted ? 7 : 0]; /* the cursor frames the squares */
    for (unsigned y = 0; y < terminal->font->height * scale; y++, line += terminal->pitch_pixels) {
        for (unsigned x = 0; x < terminal->font->width * scale; x++) {
            line[x] = picture_pixel(terminal, cell, x / scale, y / scale, gap_colour);
        }
    }
}

static void paint_cell(struct fbtext *terminal, unsigned row, unsigned column, bool inverted)
{
    const struct font *font = terminal->font;
    const struct fbtext_cell *cell = fbtext_cell_at(terminal, row, column);
    uint32_t ink = terminal->palette[cell->colours & 15];
    uint32_t paper = terminal->palette[cell->colours >> 4];
    if (inverted) {
        uint32_t swap = ink;
        ink = paper;
        paper = swap;
    }
    size_t x = (size_t)column * font->width * terminal->scale;
    size_t y = (size_t)row * font->height * terminal->scale;
    uint32_t *line = terminal->pixels + y * terminal->pitch_pixels + x;
    if (cell->glyph >= FBTEXT_GLYPH_HALVES) {
        paint_picture(terminal, cell, line, inverted);
        return;
    }
    const uint8_t *bitmap = font->bitmaps + (size_t)cell->glyph * font->height * font->row_bytes;
    for (unsigned glyph_y = 0; glyph_y < font->height; glyph_y++, bitmap += font->row_bytes) {
        uint32_t bits = glyph_row_bits(font, bitmap);
        for (unsigned copy = 0; copy < terminal->scale; copy++, line += terminal->pitch_pixels) {
            paint_row(terminal, line, bits, ink, paper);
        }
    }
}

static void mark(struct fbtext *terminal, unsigned row, unsigned column)
{
    fbtext_cell_at(terminal, row, column)->dirty = true;
    terminal->row_dirty[row] = true;
}

void fbtext_flush(struct fbtext *terminal)
{
    unsigned cursor_row = terminal->row;
    unsigned cursor_column = terminal->column;
    bool same_place = terminal->painted_row == cursor_row && terminal->painted_column == cursor_column;
    if (terminal->cursor_painted && !(terminal->cursor_shown && same_place)) {
        mark(terminal, terminal->painted_row, terminal->painted_column);
    }
    if (terminal->cursor_shown && !(terminal->cursor_painted && same_place)) {
        mark(terminal, cursor_row, cursor_column);
    }
    for (unsigned row = 0; row < terminal->rows; row++) {
        if (!terminal->row_dirty[row]) {
            continue;
        }
        terminal->row_dirty[row] = false;
        for (unsigned column = 0; column < terminal->columns; column++) {
            struct fbtext_cell *cell = fbtext_cell_at(terminal, row, column);
            if (cell->dirty) {
                cell->dirty = false;
                paint_cell(terminal, row, column,
                           terminal->cursor_shown && row == cursor_row && column == cursor_column);
            }
        }
    }
    terminal->cursor_painted = terminal->cursor_shown;
    terminal->painted_row = cursor_row;
    terminal->painted_column = cursor_column;
}
