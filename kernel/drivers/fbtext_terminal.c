/* fbtext_terminal.c — from bytes to cells: UTF-8, control characters, the ANSI subset, scrolling.
 *
 * Source: ECMA-48 for the control sequences; the "pending wrap" at the right edge is what terminals in use
 * do, so that a line of exactly the screen's width does not leave an empty line behind it.
 * A sequence may be split over any number of calls. Malformed UTF-8 shows as U+FFFD. */
#include "fbtext_internal.h"

#define PARAMETER_MAX 9999u
#define TAB_COLUMNS 8u
#define DEFAULT_FOREGROUND 7u
#define DEFAULT_BACKGROUND 0u

static uint8_t current_colours(const struct fbtext *terminal)
{
    unsigned ink = terminal->foreground;
    unsigned paper = terminal->background;
    if (terminal->bold && ink < 8) {
        ink += 8;
    }
    return terminal->reverse ? (uint8_t)(ink << 4 | paper) : (uint8_t)(paper << 4 | ink);
}

static void set_cell(struct fbtext *terminal, unsigned row, unsigned column, uint16_t glyph, uint8_t colours)
{
    struct fbtext_cell *cell = fbtext_cell_at(terminal, row, column);
    if (cell->glyph != glyph || cell->colours != colours) {
        *cell = (struct fbtext_cell){.glyph = glyph, .colours = colours, .dirty = true};
        terminal->row_dirty[row] = true;
    }
}

/* Blank columns [from, to) of a row in the current background. */
static void erase(struct fbtext *terminal, unsigned row, unsigned from, unsigned to)
{
    uint16_t blank = fbtext_glyph(terminal->font, ' ');
    for (unsigned column = from; column < to; column++) {
        set_cell(terminal, row, column, blank, current_colours(terminal));
    }
}

static void scroll(struct fbtext *terminal)
{
    for (unsigned row = 0; row + 1 < terminal->rows; row++) {
        for (unsigned column = 0; column < terminal->columns; column++) {
            const struct fbtext_cell *below = fbtext_cell_at(terminal, row + 1, column);
            set_cell(terminal, row, column, below->glyph, below->colours);
        }
    }
    erase(terminal, terminal->rows - 1, 0, terminal->columns);
}

static void new_line(struct fbtext *terminal)
{
    terminal->wrap_pending = false;
    terminal->column = 0;
    if (terminal->row + 1 < terminal->rows) {
        terminal->row++;
    } else {
        scroll(terminal);
    }
}

static void put_character(struct fbtext *terminal, uint32_t code_point)
{
    if (terminal->wrap_pending) {
        new_line(terminal);
    }
    if (code_point >= FBTEXT_HALVES && code_point < FBTEXT_PICTURE_END) {
        uint16_t glyph = (uint16_t)(FBTEXT_GLYPH_HALVES + (code_point - FBTEXT_HALVES) / 256);
        set_cell(terminal, terminal->row, terminal->column, glyph, (uint8_t)(code_point % 256));
    } else {
        uint16_t glyph = fbtext_glyph(terminal->font, code_point);
        set_cell(terminal, terminal->row, terminal->column, glyph, current_colours(terminal));
    }
    if (terminal->column + 1 < terminal->columns) {
        terminal->column++;
    } else {
        terminal->wrap_pending = true;
    }
}

static void move_to(struct fbtext *terminal, unsigned row, unsigned column)
{
    terminal->wrap_pending = false;
    terminal->row = row < terminal->rows ? row : terminal->rows - 1;
    terminal->column = column < terminal->columns ? column : terminal->columns - 1;
}

static void control_character(struct fbtext *terminal, uint32_t character)
{
    switch (character) {
    case '\n':
        new_line(terminal);
        break;
    case '\r':
        move_to(terminal, terminal->row, 0);
        break;
    case '\t':
        move_to(terminal, terminal->row, (terminal->column / TAB_COLUMNS + 1) * TAB_COLUMNS);
        break;
    case '\b':
        move_to(terminal, terminal->row, terminal->column > 0 ? terminal->column - 1 : 0);
        break;
    case 0x1b:
        terminal->state = FBTEXT_ESCAPE;
        break;
    default: /* bell and the rest have no place on a screen */
        break;
    }
}

/* ---- control sequences ---- */

static unsigned parameter(const struct fbtext *terminal, unsigned index, unsigned when_absent)
{
    if (index >= terminal->parameter_count || terminal->parameters[index] == 0) {
        return when_absent;
    }
    return terminal->parameters[index];
}

static void select_graphics(struct fbtext *terminal, unsigned code)
{
    if (code == 0) {
        terminal->bold = false;
        terminal->reverse = false;
        terminal->foreground = DEFAULT_FOREGROUND;
        terminal->background = DEFAULT_BACKGROUND;
    } else if (code == 1 || code == 22) {
        terminal->bold = code == 1;
    } else if (code == 7 || code == 27) {
        terminal->reverse = code == 7;
    } else if (code >= 30 && code <= 37) {
        terminal->foreground = (uint8_t)(code - 30);
    } else if (code == 39) {
        terminal->foreground = DEFAULT_FOREGROUND;
    } else if (code >= 40 && code <= 47) {
        terminal->background = (uint8_t)(code - 40);
    } else if (code == 49) {
        terminal->background = DEFAULT_BACKGROUND;
    } else if (code >= 90 && code <= 97) {
        terminal->foreground = (uint8_t)(code - 90 + 8);
    } else if (code >= 100 && code <= 107) {
        terminal->background = (uint8_t)(code - 100 + 8);
    }
}

static void erase_in_line(struct fbtext *terminal, unsigned mode)
{
    unsigned from = mode == 0 ? terminal->column : 0;
    unsigned to = mode == 1 ? terminal->column + 1 : terminal->columns;
    if (mode <= 2) {
        erase(terminal, terminal->row, from, to);
    }
}

static void erase_in_screen(struct fbtext *terminal, unsigned mode)
{
    if (mode > 3) {
        return;
    }
    if (mode < 2) {
        erase_in_line(terminal, mode);
    }
    unsigned from = mode == 0 ? terminal->row + 1 : 0;
    unsigned to = mode == 1 ? terminal->row : terminal->rows;
    for (unsigned row = from; row < to; row++) {
        erase(terminal, row, 0, terminal->columns);
    }
}

static void run_sequence(struct fbtext *terminal, uint32_t final)
{
    unsigned count = parameter(terminal, 0, 1);
    unsigned mode = parameter(terminal, 0, 0);
    switch (final) {
    case 'A':
        move_to(terminal, terminal->row > count ? terminal->row - count : 0, terminal->column);
        break;
    case 'B':
        move_to(terminal, terminal->row + count, terminal->column);
        break;
    case 'C':
        move_to(terminal, terminal->row, terminal->column + count);
        break;
    case 'D':
        move_to(terminal, terminal->row, terminal->column > count ? terminal->column - count : 0);
        break;
    case 'G':
        move_to(terminal, terminal->row, count - 1);
        break;
    case 'H':
    case 'f':
        move_to(terminal, count - 1, parameter(terminal, 1, 1) - 1);
        break;
    case 'J':
        erase_in_screen(terminal, mode);
        break;
    case 'K':
        erase_in_line(terminal, mode);
        break;
    case 'm':
        select_graphics(terminal, mode);
        for (unsigned i = 1; i < terminal->parameter_count; i++) {
            select_graphics(terminal, terminal->parameters[i]);
        }
        break;
    default:
        break;
    }
}

static void run_private_sequence(struct fbtext *terminal, uint32_t final)
{
    if (parameter(terminal, 0, 0) == 25 && (final == 'h' || final == 'l')) {
        terminal->cursor_shown = final == 'h';
    }
}

static void start_sequence(struct fbtext *terminal)
{
    terminal->state = FBTEXT_CONTROL;
    terminal->private_sequence = false;
    terminal->ignored_sequence = false;
    terminal->parameter_count = 0;
    for (unsigned i = 0; i < FBTEXT_PARAMETERS_MAX; i++) {
        terminal->parameters[i] = 0;
    }
}

static void feed_sequence(struct fbtext *terminal, uint32_t character)
{
    unsigned last = terminal->parameter_count > 0 ? terminal->parameter_count - 1 : 0;
    if (character >= '0' && character <= '9') {
        unsigned value = terminal->parameters[last] * 10 + (character - '0');
        terminal->parameters[last] = value < PARAMETER_MAX ? value : PARAMETER_MAX;
        terminal->parameter_count = last + 1;
    } else if (character == ';') {
        /* A parameter beyond the last place overwrites it: such sequences are none of ours. */
        terminal->parameter_count = last + 2 <= FBTEXT_PARAMETERS_MAX ? last + 2 : FBTEXT_PARAMETERS_MAX;
        terminal->parameters[terminal->parameter_count - 1] = 0;
    } else if (character == '?') {
        terminal->private_sequence = true;
    } else if (character >= 0x20 && character < 0x40) {
        terminal->ignored_sequence = true;
    } else {
        terminal->state = FBTEXT_GROUND;
        if (character < 0x20) {
            control_character(terminal, character); /* the sequence was cut off */
        } else if (character >= 0x7f) {
            return; /* no sequence ends like that */
        } else if (terminal->private_sequence && !terminal->ignored_sequence) {
            run_private_sequence(terminal, character);
        } else if (!terminal->ignored_sequence) {
            run_sequence(terminal, character);
        }
    }
}

static void feed_character(struct fbtext *terminal, uint32_t character)
{
    switch (terminal->state) {
    case FBTEXT_GROUND:
        if (character < 0x20) {
            control_character(terminal, character);
        } else if (character < 0x7f || character >= 0xa0) { /* between them: DEL and the C1 controls */
            put_character(terminal, character);
        }
        break;
    case FBTEXT_ESCAPE:
        terminal->state = FBTEXT_GROUND;
        if (character == '[') {
            start_sequence(terminal);
        } else if (character < 0x20) {
            control_character(terminal, character);
        }
        break;
    case FBTEXT_CONTROL:
        feed_sequence(terminal, character);
        break;
    }
}

void fbtext_feed(struct fbtext *terminal, const char *text, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        uint32_t characters[2];
        size_t count = utf8_decoder_feed(&terminal->decoder, (uint8_t)text[i], characters);
        for (size_t j = 0; j < count; j++) {
            feed_character(terminal, characters[j]);
        }
    }
}
