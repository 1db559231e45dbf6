/* test_fbtext.c — the framebuffer terminal: every pixel against a painter of its own, every framebuffer exactly as large
 * as it says (ASan sees the byte behind it), and proof that nothing is ever read from it. */
#include "fbtext_internal.h"
#include "tests/support/fake_io.h"

#include <neomem/console.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GAP 0xa5a5a5a5u /* what a framebuffer holds before anything is painted */

struct screen {
    struct boot_framebuffer description;
    uint32_t *pixels;
    size_t pixel_count;
};

static struct fbtext terminal; /* the instance under test; the driver's own is tested through the console */
static struct screen screen;

static uint32_t *new_pixels(size_t count, uint32_t value)
{
    uint32_t *pixels = malloc(count * sizeof(*pixels));
    assert_non_null(pixels);
    for (size_t i = 0; i < count; i++) {
        pixels[i] = value;
    }
    return pixels;
}

/* xRGB, the usual one. */
static struct boot_framebuffer describe(uint32_t width, uint32_t height, uint32_t pitch_pixels)
{
    return (struct boot_framebuffer){
        .phys_base = 0xc0000000,
        .size_bytes = ((uint64_t)pitch_pixels * (height - 1) + width) * 4,
        .width = width,
        .height = height,
        .pitch_bytes = pitch_pixels * 4,
        .red_shift = 16,
        .green_shift = 8,
        .blue_shift = 0,
        .red_bits = 8,
        .green_bits = 8,
        .blue_bits = 8,
    };
}

static void close_screen(void)
{
    free(screen.pixels);
    memset(&screen, 0, sizeof(screen));
}

static void open_screen(uint32_t width, uint32_t height, uint32_t pitch_pixels)
{
    close_screen();
    screen.description = describe(width, height, pitch_pixels);
    screen.pixel_count = screen.description.size_bytes / 4;
    screen.pixels = new_pixels(screen.pixel_count, GAP);
    memset(&terminal, 0, sizeof(terminal));
    assert_int_equal(fbtext_setup(&terminal, &screen.description, screen.pixels), NEO_OK);
}

static int teardown(void **state)
{
    (void)state;
    close_screen();
    return 0;
}

static void type(const char *text)
{
    fbtext_feed(&terminal, text, strlen(text));
    fbtext_flush(&terminal);
}

/* ---- a second, naive painter ---- */

static const uint8_t *bitmap_of(const struct font *font, uint32_t code_point)
{
    for (unsigned i = 0; i < font->code_point_count; i++) {
        if (font->code_points[i] == code_point) {
            return font->bitmaps + (size_t)font->glyph_of[i] * font->height * font->row_bytes;
        }
    }
    fail_msg("the font lacks U+%04x", code_point);
    return NULL;
}

static bool ink_at(const struct font *font, const uint8_t *bitmap, unsigned x, unsigned y)
{
    return (bitmap[y * font->row_bytes + x / 8] >> (7 - x % 8) & 1) != 0;
}

static uint32_t pixel_at(unsigned x, unsigned y)
{
    return screen.pixels[(size_t)y * (screen.description.pitch_bytes / 4) + x];
}

/* One character cell of the picture, given what should be in it. */
static void assert_cell(const struct font *font, unsigned scale, unsigned row, unsigned column, uint32_t code_point,
                        uint32_t ink, uint32_t paper)
{
    const uint8_t *bitmap = bitmap_of(font, code_point);
    for (unsigned y = 0; y < font->height * scale; y++) {
        for (unsigned x = 0; x < font->width * scale; x++) {
            uint32_t expected = ink_at(font, bitmap, x / scale, y / scale) ? ink : paper;
            unsigned at_x = column * font->width * scale + x;
            unsigned at_y = row * font->height * scale + y;
            if (pixel_at(at_x, at_y) != expected) {
                fail_msg("cell %u,%u (U+%04x): pixel %u,%u is %08x instead of %08x", row, column, code_point, at_x,
                         at_y, pixel_at(at_x, at_y), expected);
            }
        }
    }
}

#define INK 0xc0c0c0u
#define PAPER 0x000000u

/* The whole picture: rows of text (ASCII, blank where short), the cursor inverted, margins dark, the gap between
 * lines untouched. */
static void assert_picture(const struct font *font, unsigned scale, unsigned columns, unsigned rows,
                           const char *const *text, unsigned text_rows, unsigned cursor_row, unsigned cursor_column)
{
    assert_int_equal(terminal.columns, columns);
    assert_int_equal(terminal.rows, rows);
    for (unsigned row = 0; row < rows; row++) {
        const char *line = row < text_rows ? text[row] : "";
        for (unsigned column = 0; column < columns; column++) {
            uint32_t c = column < strlen(line) ? (uint8_t)line[column] : ' ';
            bool cursor = row == cursor_row && column == cursor_column;
            assert_cell(font, scale, row, column, c, cursor ? PAPER : INK, cursor ? INK : PAPER);
        }
    }
    const struct boot_framebuffer *fb = &screen.description;
    for (unsigned y = 0; y < fb->height; y++) {
        for (unsigned x = 0; x < fb->pitch_bytes / 4; x++) {
            if ((size_t)y * (fb->pitch_bytes / 4) + x >= screen.pixel_count) {
                break;
            }
            bool text_area = x < columns * font->width * scale && y < rows * font->height * scale;
            if (!text_area && pixel_at(x, y) != (x < fb->width ? PAPER : GAP)) {
                fail_msg("pixel %u,%u outside the text is %08x", x, y, pixel_at(x, y));
            }
        }
    }
}

/* ---- golden pictures ---- */

static void one_known_letter(void **state)
{
    (void)state;
    /* Terminus 8x16 'A' and 'g', drawn by hand from the font's specimen. */
    static const char *const letters[16] = {
        "................", "................", "..XXXX..........", ".X....X.........",
        ".X....X.........", ".X....X..XXXXXX.", ".X....X.X.....X.", ".XXXXXX.X.....X.",
        ".X....X.X.....X.", ".X....X.X.....X.", ".X....X.X....XX.", ".X....X..XXXX.X.",
        "..............X.", "..............X.", ".........XXXXX..", "................",
    };
    open_screen(640, 480, 640);
    type("Ag");
    for (unsigned y = 0; y < 16; y++) {
        for (unsigned x = 0; x < 8; x++) {
            assert_int_equal(pixel_at(x, y), letters[y][x] == 'X' ? INK : PAPER);
        }
    }
}

static void picture_640(void **state)
{
    (void)state;
    static const char *const text[] = {"neomem 0.1.0", "  second line", ""};
    open_screen(640, 480, 640);
    type("neomem 0.1.0\n  second line\n");
    assert_picture(&font_8x16, 1, 80, 30, text, 3, 2, 0);
}

static void picture_1366_with_padding(void **state)
{
    (void)state;
    static const char *const text[] = {"padded"};
    open_screen(1366, 768, 1376);
    type("padded");
    assert_picture(&font_8x16, 1, 170, 48, text, 1, 0, 6);
}

static void picture_4k(void **state)
{
    (void)state;
    static const char *const text[] = {"", "large"};
    open_screen(3840, 2160, 3840);
    type("\nlarge");
    assert_picture(&font_16x32, 1, 240, 67, text, 2, 1, 5);
}

static void picture_beyond_4k_is_doubled(void **state)
{
    (void)state;
    static const char *const text[] = {"five"};
    open_screen(5120, 2880, 5120);
    type("five");
    assert_picture(&font_16x32, 2, 160, 45, text, 1, 0, 4);
}

/* ---- pictures in the text ---- */

/* Type one of the code points of fbtext.h. */
static void type_square(unsigned code_point)
{
    const char text[] = {(char)(0xe0 | code_point >> 12), (char)(0x80 | (code_point >> 6 & 63)),
                         (char)(0x80 | (code_point & 63)), '\0'};
    type(text);
}

/* A rectangle of one colour. */
static void assert_area(unsigned x, unsigned y, unsigned width, unsigned height, uint32_t colour)
{
    for (unsigned i = 0; i < width * height; i++) {
        if (pixel_at(x + i % width, y + i / width) != colour) {
            fail_msg("pixel %u,%u is %08x instead of %08x", x + i % width, y + i / width,
                     pixel_at(x + i % width, y + i / width), colour);
        }
    }
}

static void squares(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    const uint32_t *colours_of = terminal.picture_palette;
    type("\x1b[2;4H"); /* cells start at 24, 16 */
    type_square(FBTEXT_HALVES + (FBTEXT_PICTURE_BLUE << 4 | FBTEXT_PICTURE_RED));
    type_square(FBTEXT_LEFT + (FBTEXT_PICTURE_VIOLET << 4));
    type_square(FBTEXT_RIGHT + (FBTEXT_PICTURE_VIOLET << 4));
    assert_area(24, 16, 7, 7, colours_of[FBTEXT_PICTURE_BLUE]);
    assert_area(24, 24, 7, 7, colours_of[FBTEXT_PICTURE_RED]);
    assert_area(24, 23, 8, 1, PAPER);
    assert_area(24, 31, 24, 1, PAPER);
    assert_area(31, 16, 1, 16, PAPER);
    assert_area(32, 16, 15, 15, colours_of[FBTEXT_PICTURE_VIOLET]); /* no gap in the middle */
    assert_area(47, 16, 1, 16, PAPER);
    type("\x1b[2;4H\x1b[m"); /* the cursor frames a square, and leaves nothing behind */
    assert_area(24, 16, 7, 7, colours_of[FBTEXT_PICTURE_BLUE]);
    assert_area(24, 31, 8, 1, INK);
    type("\x1b[1;1H");
    assert_area(24, 31, 8, 1, PAPER);
    type("\x1b[99;1H\n"); /* they scroll as text does */
    assert_area(24, 0, 7, 7, colours_of[FBTEXT_PICTURE_BLUE]);
    assert_area(32, 0, 15, 15, colours_of[FBTEXT_PICTURE_VIOLET]);
    type("\x1b[1;4Hx");
    assert_cell(&font_8x16, 1, 0, 3, 'x', INK, PAPER);
}

static void squares_of_large_fonts(void **state)
{
    (void)state;
    open_screen(5120, 2880, 5120); /* 16x32, doubled */
    const uint32_t *colours_of = terminal.picture_palette;
    type_square(FBTEXT_HALVES + (FBTEXT_PICTURE_SCALE << 4 | FBTEXT_PICTURE_FAINT));
    type_square(FBTEXT_RIGHT + (FBTEXT_PICTURE_WHITE << 4));
    type("\n");
    assert_area(0, 0, 28, 28, colours_of[FBTEXT_PICTURE_SCALE]);
    assert_area(0, 28, 32, 4, PAPER);
    assert_area(0, 32, 28, 28, colours_of[FBTEXT_PICTURE_FAINT]);
    assert_area(32, 0, 28, 60, colours_of[FBTEXT_PICTURE_WHITE]);
    assert_area(60, 0, 4, 64, PAPER);
}

/* Every square that can be typed is painted, in its own colours; those around the blocks are no squares. */
static void every_square(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    for (unsigned code_point = FBTEXT_HALVES; code_point < FBTEXT_PICTURE_END; code_point++) {
        type("\x1b[3;3H");
        type_square(code_point);
        assert_area(16, 32, 7, 7, terminal.picture_palette[code_point >> 4 & 15]);
        bool is_halves = code_point < FBTEXT_LEFT;
        assert_area(16, 40, 7, 7, terminal.picture_palette[is_halves ? code_point & 15 : code_point >> 4 & 15]);
    }
    for (unsigned i = 0; i < FBTEXT_PICTURE_COLOURS; i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(terminal.picture_palette[i], terminal.picture_palette[j]);
        }
    }
    type("\x1b[3;3H");
    type_square(FBTEXT_HALVES - 1);
    assert_cell(&font_8x16, 1, 2, 2, 0xfffd, INK, PAPER);
    type("\x1b[3;3H");
    type_square(FBTEXT_PICTURE_END);
    assert_cell(&font_8x16, 1, 2, 2, 0xfffd, INK, PAPER);
}

static void full_screen_scrolls(void **state)
{
    (void)state;
    char lines[40][81];
    const char *text[30];
    open_screen(640, 480, 640);
    for (unsigned i = 0; i < 40; i++) {
        unsigned length = i * 7 % 80 + 1;
        for (unsigned j = 0; j < length; j++) {
            lines[i][j] = (char)('!' + (i * 13 + j) % 90);
        }
        lines[i][length] = '\0';
        type(lines[i]);
        if (i < 39) {
            type("\n");
        }
    }
    for (unsigned row = 0; row < 30; row++) {
        text[row] = lines[row + 10];
    }
    assert_picture(&font_8x16, 1, 80, 30, text, 30, 29, (unsigned)strlen(lines[39]));
}

static void every_glyph_of_both_fonts(void **state)
{
    (void)state;
    static const uint32_t needed[] = {' ', '~', 0xa0, 0xff, 0x2500, 0x2588, 0x2591, 0x2022, 0x2026, 0xfffd};
    const struct font *const fonts[] = {&font_8x16, &font_16x32};
    for (unsigned f = 0; f < 2; f++) {
        const struct font *font = fonts[f];
        assert_int_equal(font->row_bytes, (font->width + 7) / 8);
        for (unsigned i = 0; i < font->code_point_count; i++) {
            assert_true(font->glyph_of[i] < font->glyph_count);
            assert_true(i == 0 || font->code_points[i] > font->code_points[i - 1]);
            assert_int_equal(fbtext_glyph(font, font->code_points[i]), font->glyph_of[i]);
        }
        for (unsigned i = 0; i < ARRAY_COUNT(needed); i++) {
            assert_non_null(bitmap_of(font, needed[i]));
        }
        assert_int_equal(fbtext_glyph(font, 0x4e2d), fbtext_glyph(font, 0xfffd));
        assert_int_equal(fbtext_glyph(font, 0x10fffd), fbtext_glyph(font, 0xfffd));
        assert_int_equal(fbtext_glyph(font, 1), fbtext_glyph(font, 0xfffd));
    }
}

/* ---- never read ---- */

static uint32_t noise(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*seed >> 32);
}

/* The same text on two framebuffers of different noise: what is written, and where, must not depend on what was there. */
static void nothing_is_read(void **state)
{
    (void)state;
    static struct fbtext twin;
    static const char *const steps[] = {
        "abc\x1b[7mdef\x1b[0m\n",       "\n\n\n",   "\x1b[5;5Hhere\x1b[K", "\x1b[2J",
        "\x1b[99;1H\nscroll\nscroll\n", "\b\b \t|",
    };
    open_screen(640, 480, 640);
    uint32_t *other = new_pixels(screen.pixel_count, 0);
    memset(&twin, 0, sizeof(twin));
    assert_int_equal(fbtext_setup(&twin, &screen.description, other), NEO_OK);
    uint64_t seed = 1;
    for (unsigned step = 0; step < 60; step++) {
        uint64_t seed_a = seed;
        for (size_t i = 0; i < screen.pixel_count; i++) {
            screen.pixels[i] = noise(&seed);
        }
        uint64_t seed_b = seed;
        for (size_t i = 0; i < screen.pixel_count; i++) {
            other[i] = noise(&seed);
        }
        const char *text = steps[step % ARRAY_COUNT(steps)];
        type(text);
        fbtext_feed(&twin, text, strlen(text));
        fbtext_flush(&twin);
        size_t written = 0;
        for (size_t i = 0; i < screen.pixel_count; i++) {
            bool written_a = screen.pixels[i] != noise(&seed_a);
            bool written_b = other[i] != noise(&seed_b);
            assert_int_equal(written_a, written_b);
            assert_true(!written_a || screen.pixels[i] == other[i]);
            written += written_a;
        }
        assert_true(written > 0 || step > 0);
    }
    free(other);
}

static void only_changed_cells_are_painted(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    type("first\nsecond\n");
    for (size_t i = 0; i < screen.pixel_count; i++) {
        screen.pixels[i] = GAP;
    }
    type("x");
    for (unsigned y = 0; y < 480; y++) {
        for (unsigned x = 0; x < 640; x++) {
            bool painted = y / 16 == 2 && x / 8 <= 1; /* the letter, and the cursor behind it */
            assert_int_equal(pixel_at(x, y) != GAP, painted);
        }
    }
    /* Equal text in the same place costs nothing. */
    screen.pixels[0] = GAP;
    type("\x1b[1;1Hfirst\x1b[3;2H");
    type("");
    assert_int_equal(screen.pixels[0], GAP);
}

/* ---- the terminal ---- */

/* Row `row` shows exactly this ASCII text and blanks. */
static void assert_row(unsigned row, const char *text)
{
    for (unsigned column = 0; column < terminal.columns; column++) {
        uint32_t c = column < strlen(text) ? (uint8_t)text[column] : ' ';
        uint16_t glyph = fbtext_cell_at(&terminal, row, column)->glyph;
        if (glyph != fbtext_glyph(terminal.font, c)) {
            fail_msg("row %u column %u is not '%c' of \"%s\"", row, column, (char)c, text);
        }
    }
}

static uint8_t colours_at(unsigned row, unsigned column)
{
    return fbtext_cell_at(&terminal, row, column)->colours;
}

static void assert_cursor(unsigned row, unsigned column)
{
    assert_int_equal(terminal.row, row);
    assert_int_equal(terminal.column, column);
}

static void controls(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    type("abc\rX\n");
    assert_row(0, "Xbc");
    type("a\tb\tc");
    assert_row(1, "a       b       c");
    type("\b\bZ");
    assert_row(1, "a       b      Zc");
    type("\a\x7f\x01"); /* nothing to see */
    assert_row(1, "a       b      Zc");
    type("\r\b\b");
    assert_cursor(1, 0);
    type("\x1b[1;79H\t\t");
    assert_cursor(0, 79);
}

static void wrapping_waits_for_the_next_character(void **state)
{
    (void)state;
    char line[81];
    memset(line, 'w', 80);
    line[80] = '\0';
    open_screen(640, 480, 640);
    type(line);
    assert_cursor(0, 79);
    type("\n");
    assert_cursor(1, 0); /* and not 2 */
    type(line);
    type("!");
    assert_cursor(2, 1);
    assert_row(1, line);
    assert_row(2, "!");
    type("\x1b[2;1H");
    type(line);
    type("\bv");
    line[78] = 'v';
    assert_row(1, line);
    assert_cursor(1, 79);
}

static void cursor_movement_is_clamped(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    type("\x1b[3;4H");
    assert_cursor(2, 3);
    type("\x1b[2A\x1b[2B\x1b[5C\x1b[1D");
    assert_cursor(2, 7);
    type("\x1b[99A\x1b[99D");
    assert_cursor(0, 0);
    type("\x1b[99999999999B\x1b[99999999999C");
    assert_cursor(29, 79);
    type("\x1b[f");
    assert_cursor(0, 0);
    type("\x1b[10G");
    assert_cursor(0, 9);
    type("\x1b[0;0H\x1b[C");
    assert_cursor(0, 1);
    type("\x1b[1;2;3;4;5;6;7;8;9;10;11H");
    assert_cursor(0, 1);
}

static void erasing(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    type("0123456789\n0123456789\n0123456789\x1b[2;5H\x1b[K");
    assert_row(1, "0123");
    type("\x1b[1;5H\x1b[1K");
    assert_row(0, "     56789");
    type("\x1b[2K");
    assert_row(0, "");
    type("\x1b[2;3H\x1b[1J");
    assert_row(1, "   3");
    type("\x1b[3;2H\x1b[J");
    assert_row(2, "0");
    type("x\x1b[2J");
    for (unsigned row = 0; row < 30; row++) {
        assert_row(row, "");
    }
    assert_cursor(2, 2); /* erasing does not move */
    type("ab\x1b[9K\x1b[9J");
    assert_row(2, "  ab");
}

static void colours(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    type("a\x1b[31mb\x1b[1mc\x1b[44md\x1b[22;39me\x1b[7mf\x1b[27;49mg\x1b[93;101mh\x1b[mi\x1b[1;32;4;5j\x1b[mk");
    static const uint8_t expected[] = {0x07, 0x01, 0x09, 0x49, 0x47, 0x74, 0x07, 0x9b, 0x07};
    for (unsigned i = 0; i < sizeof(expected); i++) {
        assert_int_equal(colours_at(0, i), expected[i]);
    }
    /* 'j' ended an unknown sequence; k is the next. */
    assert_row(0, "abcdefghik");
    assert_cell(&font_8x16, 1, 0, 1, 'b', 0xcc3333, 0);
    assert_cell(&font_8x16, 1, 0, 3, 'd', 0xff5555, 0x4466dd);
    type("\x1b[1mW\x1b[m");
    assert_int_equal(colours_at(0, 10), 0x0f); /* bold default is white */
    type("\x1b[44m\x1b[2K");
    assert_int_equal(colours_at(0, 70), 0x47); /* erased in the current background */
}

static void cursor_can_be_hidden(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    type("a");
    assert_cell(&font_8x16, 1, 0, 1, ' ', PAPER, INK);
    type("\x1b[?25l");
    assert_cell(&font_8x16, 1, 0, 1, ' ', INK, PAPER);
    type("\n\n");
    assert_cell(&font_8x16, 1, 2, 0, ' ', INK, PAPER);
    type("\x1b[?25h");
    assert_cell(&font_8x16, 1, 2, 0, ' ', PAPER, INK);
    type("\x1b[?7l\x1b[? 25l"); /* others are ignored */
    assert_cell(&font_8x16, 1, 2, 0, ' ', PAPER, INK);
}

static void sequences_may_be_split_or_broken(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    const char *text = "\x1b[3;4Hx\xc3\xa9\xe2\x94\x80";
    for (size_t i = 0; i < strlen(text); i++) {
        fbtext_feed(&terminal, text + i, 1);
    }
    assert_int_equal(fbtext_cell_at(&terminal, 2, 3)->glyph, fbtext_glyph(terminal.font, 'x'));
    assert_int_equal(fbtext_cell_at(&terminal, 2, 4)->glyph, fbtext_glyph(terminal.font, 0xe9));
    assert_int_equal(fbtext_cell_at(&terminal, 2, 5)->glyph, fbtext_glyph(terminal.font, 0x2500));
    type("\x1b[2J\x1b[H\x1b[12\nab");
    assert_row(1, "ab"); /* the newline cut the sequence off and counts */
    type("\r\x1b\x1b[1;1Hq\x1bZr\x1b[ 5qs\x1b[\xc3\xa9t");
    assert_row(0, "qrst");
}

static void malformed_utf8_shows_replacements(void **state)
{
    (void)state;
    open_screen(640, 480, 640);
    type("a\xff"
         "b\xc3"
         "c\xe2\x94"
         "d\xed\xa0\x80"
         "e\xc2\x85"
         "f");
    uint16_t bad = fbtext_glyph(terminal.font, 0xfffd);
    assert_int_equal(fbtext_cell_at(&terminal, 0, 1)->glyph, bad);
    assert_int_equal(fbtext_cell_at(&terminal, 0, 3)->glyph, bad);
    assert_int_equal(fbtext_cell_at(&terminal, 0, 4)->glyph, fbtext_glyph(terminal.font, 'c'));
    assert_int_equal(fbtext_cell_at(&terminal, 0, 5)->glyph, bad);
    assert_int_equal(fbtext_cell_at(&terminal, 0, 6)->glyph, fbtext_glyph(terminal.font, 'd'));
}

/* After any bytes: all invariants hold and the picture is what the cells say. */
static void random_bytes(void **state)
{
    (void)state;
    static const char alphabet[] = "\x1b\x1b[[[;;??0123456789ABCDGHfJKmmhl\n\n\r\t\babcdefgh\xc3\xa9\xe2\x94\x80\xff";
    open_screen(800, 600, 832);
    uint64_t seed = 42;
    for (unsigned round = 0; round < 300; round++) {
        char bytes[200];
        for (unsigned i = 0; i < sizeof(bytes); i++) {
            bytes[i] = alphabet[noise(&seed) % (sizeof(alphabet) - 1)];
        }
        fbtext_feed(&terminal, bytes, noise(&seed) % sizeof(bytes));
        fbtext_flush(&terminal);
        assert_true(terminal.row < terminal.rows && terminal.column < terminal.columns);
        if (round % 20 != 0) {
            continue;
        }
        for (unsigned row = 0; row < terminal.rows; row++) {
            for (unsigned column = 0; column < terminal.columns; column++) {
                const struct fbtext_cell *cell = fbtext_cell_at(&terminal, row, column);
                bool cursor = terminal.cursor_shown && row == terminal.row && column == terminal.column;
                uint32_t ink = terminal.palette[cursor ? cell->colours >> 4 : cell->colours & 15];
                uint32_t paper = terminal.palette[cursor ? cell->colours & 15 : cell->colours >> 4];
                const uint8_t *bitmap = font_8x16.bitmaps + (size_t)cell->glyph * 16;
                for (unsigned i = 0; i < 128; i++) {
                    uint32_t expected = ink_at(&font_8x16, bitmap, i % 8, i / 8) ? ink : paper;
                    assert_int_equal(pixel_at(column * 8 + i % 8, row * 16 + i / 8), expected);
                }
            }
        }
    }
}

/* ---- what firmware may claim ---- */

static enum neo_status setup_with(const struct boot_framebuffer *fb, void *base)
{
    memset(&terminal, 0, sizeof(terminal));
    return fbtext_setup(&terminal, fb, base);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    uint32_t *pixels = new_pixels(640 * 480, 0);
    const struct boot_framebuffer good = describe(640, 480, 640);
    struct boot_framebuffer fb = good;
    assert_int_equal(setup_with(&fb, pixels), NEO_OK);
    assert_int_equal(setup_with(&fb, NULL), NEO_ERR_NOT_FOUND);
    fb.phys_base = 0;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_NOT_FOUND);
    fb = good;
    fb.pitch_bytes = 639 * 4;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.pitch_bytes += 2;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.width = 0;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.height = 0;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.width = 63; /* no room for 8 characters */
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.size_bytes = 16 * 640 * 4; /* one row of text */
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.size_bytes = 0;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.red_shift = 25;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.green_bits = 200;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    fb = good;
    fb.blue_shift = 32;
    assert_int_equal(setup_with(&fb, pixels), NEO_ERR_INVALID);
    assert_int_equal(setup_with(&good, (uint8_t *)pixels + 2), NEO_ERR_INVALID);
    free(pixels);
}

static void a_short_framebuffer_gets_fewer_rows(void **state)
{
    (void)state;
    close_screen();
    screen.description = describe(640, 480, 640);
    screen.description.size_bytes = 200 * 640 * 4 + 100; /* 200 whole lines */
    screen.pixel_count = screen.description.size_bytes / 4;
    screen.pixels = new_pixels(screen.pixel_count, GAP);
    memset(&terminal, 0, sizeof(terminal));
    assert_int_equal(fbtext_setup(&terminal, &screen.description, screen.pixels), NEO_OK);
    assert_int_equal(terminal.rows, 12);
    for (unsigned i = 0; i < 50; i++) {
        type("text to the very last row\n");
    }
    assert_int_equal(screen.pixels[200 * 640], GAP);
    assert_int_equal(screen.pixels[200 * 640 - 1], PAPER);
}

static void channel_layouts(void **state)
{
    (void)state;
    static const struct {
        uint8_t shift[3], bits[3];
        uint32_t red; /* 0xcc3333 in this layout */
    } layouts[] = {
        {{16, 8, 0}, {8, 8, 8}, 0xcc3333},    {{0, 8, 16}, {8, 8, 8}, 0x3333cc},
        {{11, 5, 0}, {5, 6, 5}, 0xc986},      {{20, 10, 0}, {10, 10, 10}, 0x330u << 20 | 0xccu << 10 | 0xccu},
        {{24, 16, 8}, {8, 8, 8}, 0xcc333300}, {{16, 8, 0}, {8, 0, 8}, 0xcc0033},
    };
    uint32_t *pixels = new_pixels(640 * 480, 0);
    for (unsigned i = 0; i < ARRAY_COUNT(layouts); i++) {
        struct boot_framebuffer fb = describe(640, 480, 640);
        fb.red_shift = layouts[i].shift[0];
        fb.green_shift = layouts[i].shift[1];
        fb.blue_shift = layouts[i].shift[2];
        fb.red_bits = layouts[i].bits[0];
        fb.green_bits = layouts[i].bits[1];
        fb.blue_bits = layouts[i].bits[2];
        assert_int_equal(setup_with(&fb, pixels), NEO_OK);
        assert_int_equal(terminal.palette[1], layouts[i].red);
    }
    free(pixels);
}

/* Sizes alone: the cell buffer is never exceeded. Too large to paint, so height is cut by size_bytes where needed. */
static void geometries(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
        unsigned columns, rows;
    } sizes[] = {
        {640, 480, 80, 30},
        {800, 600, 100, 37},
        {1024, 768, 128, 48},
        {1280, 1024, 160, 64},
        {1920, 1080, 240, 67},
        {1920, 1200, 240, 75},
        {1921, 1080, 120, 33},
        {1080, 1920, 67, 60},
        {2560, 1440, 160, 45},
        {3440, 1440, 215, 45},
        {3840, 2400, 240, 75},
        {4096, 2160, 256, 67},
        {4112, 2160, 128, 33},
        {1440, 3440, 45, 53},
        {7680, 4320, 240, 67},
        {64, 32, 8, 2},
        {200000, 64, 0, 0} /* absurd, but honest: no room at any scale */,
    };
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct boot_framebuffer fb = describe(sizes[i].width, sizes[i].height, sizes[i].width);
        uint32_t *pixels = new_pixels(fb.size_bytes / 4, 0);
        enum neo_status status = setup_with(&fb, pixels);
        assert_int_equal(status, sizes[i].rows == 0 ? NEO_ERR_INVALID : NEO_OK);
        if (status == NEO_OK) {
            assert_int_equal(terminal.columns, sizes[i].columns);
            assert_int_equal(terminal.rows, sizes[i].rows);
            type("\x1b[999;999HX\n");
        }
        free(pixels);
    }
}

/* ---- the driver ---- */

static void sink_paints_and_moves_to_another_mapping(void **state)
{
    (void)state;
    unsigned columns;
    unsigned rows;
    console_reset();
    fbtext_size(&columns, &rows);
    assert_int_equal(columns, 0);
    assert_int_equal(rows, 0);
    fbtext_rebind(&columns); /* nothing to rebind yet */

    close_screen();
    screen.description = describe(640, 480, 640);
    screen.pixel_count = 640 * 480;
    screen.pixels = new_pixels(screen.pixel_count, GAP);
    struct boot_framebuffer bad = screen.description;
    bad.pitch_bytes = 4;
    assert_int_equal(fbtext_init(&bad, screen.pixels), NEO_ERR_INVALID);
    assert_null(console_find("screen"));
    assert_int_equal(fbtext_init(&screen.description, screen.pixels), NEO_OK);
    struct console_sink *sink = console_find("screen");
    assert_non_null(sink);
    assert_true(sink->enabled);
    assert_false(sink->takes_records);
    fbtext_size(&columns, &rows);
    assert_int_equal(columns, 80);
    assert_int_equal(rows, 30);

    uint64_t fences = fake_io.fences;
    kprintf("one");
    assert_int_equal(fake_io.fences, fences + 1);
    assert_cell(&font_8x16, 1, 0, 2, 'e', INK, PAPER);
    uint32_t *old = screen.pixels;
    screen.pixels = new_pixels(screen.pixel_count, GAP);
    fbtext_rebind(screen.pixels);
    fbtext_rebind(NULL); /* ignored */
    free(old);           /* a touch of the old mapping would now be caught */
    kprintf(" two\n");
    assert_cell(&font_8x16, 1, 0, 4, 't', INK, PAPER);
    assert_int_equal(pixel_at(0, 0), GAP); /* what is on the screen stays there unread and unwritten */
    console_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_known_letter),
        cmocka_unit_test(picture_640),
        cmocka_unit_test(picture_1366_with_padding),
        cmocka_unit_test(picture_4k),
        cmocka_unit_test(picture_beyond_4k_is_doubled),
        cmocka_unit_test(full_screen_scrolls),
        cmocka_unit_test(squares),
        cmocka_unit_test(squares_of_large_fonts),
        cmocka_unit_test(every_square),
        cmocka_unit_test(every_glyph_of_both_fonts),
        cmocka_unit_test(nothing_is_read),
        cmocka_unit_test(only_changed_cells_are_painted),
        cmocka_unit_test(controls),
        cmocka_unit_test(wrapping_waits_for_the_next_character),
        cmocka_unit_test(cursor_movement_is_clamped),
        cmocka_unit_test(erasing),
        cmocka_unit_test(colours),
        cmocka_unit_test(cursor_can_be_hidden),
        cmocka_unit_test(sequences_may_be_split_or_broken),
        cmocka_unit_test(malformed_utf8_shows_replacements),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(a_short_framebuffer_gets_fewer_rows),
        cmocka_unit_test(channel_layouts),
        cmocka_unit_test(geometries),
        cmocka_unit_test(sink_paints_and_moves_to_another_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
