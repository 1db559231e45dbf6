/* commands_frames_map.c — `frames map`: physical memory as a picture. On the screen squares in colours, everywhere else
 * characters; each with its own number of cells in a row, so the picture is drawn once for each. */
#include "commands.h"
#include "commands_frames.h"

#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/fbtext.h>
#include <neomem/frames_report.h>
#include <neomem/printf.h>
#include <neomem/string.h>

#define LABEL_COLUMNS 16u /* "  0x0123456789  " */
#define LABEL_BYTES 32u
#define LINE_BYTES (LABEL_BYTES + 3 * FRAMES_PICTURE_COLUMNS_MAX + 1)
#define NOTE_BYTES 96u

#define TEXT_COLUMNS 64u
#define TEXT_COLUMNS_SMALL 32u /* where 64 would give a picture of a line or two */
#define TEXT_ROWS_SMALL 8u
#define TEXT_ROWS 24u

/* How a row is written. */
struct style {
    unsigned columns; /* cells in a row */
    unsigned scale;
    bool is_halves; /* screen: two rows of the picture in one line of text */
};

/* Two rows that become one line. */
struct screen_painter {
    const struct style *style;
    struct console_sink *screen;
    bool has_upper;
    phys_addr_t upper_base;
    struct frames_cell upper[FRAMES_PICTURE_COLUMNS_MAX];
};

/* ---- what both share ------------------------------------------------------------------------------------------- */

/* LABEL_COLUMNS wide for every physical address: those from 16 TiB on need the room of the indentation. */
static size_t put_label(char *line, phys_addr_t base)
{
    char address[LABEL_BYTES];
    const char *indentation = base < 1ull << 44 ? "  " : "";
    neo_snprintf(address, sizeof(address), "%s0x%010llx", indentation, (unsigned long long)base);
    return (size_t)neo_snprintf(line, LABEL_BYTES, "%-*s", (int)LABEL_COLUMNS, address);
}

static size_t put_gap(char *line, uint64_t nbytes)
{
    char size[SHELL_SIZE_BYTES];
    return (size_t)neo_snprintf(line, LINE_BYTES, "%*s%s without memory\n", (int)LABEL_COLUMNS, "",
                                shell_format_size(nbytes, size));
}

static size_t put_heading(char *line, const struct style *style)
{
    char cell[SHELL_SIZE_BYTES];
    char row[SHELL_SIZE_BYTES];
    uint64_t cell_bytes = PAGE_SIZE_2M << style->scale;
    return (size_t)neo_snprintf(line, LINE_BYTES, "  physical memory: a cell is %s, a row %s\n",
                                shell_format_size(cell_bytes, cell),
                                shell_format_size(cell_bytes * style->columns, row));
}

/* ---- characters --------------------------------------------------------------------------------------------------- */

static char character_of(const struct frames_cell *cell)
{
    static const char by_level[FRAMES_CELL_LEVELS + 1] = {'.', '1', '2', '3', '4', '5', '6', '7', '#'};
    switch ((enum frames_cell_kind)cell->kind) {
    case FRAMES_CELL_USE:
        return by_level[cell->level];
    case FRAMES_CELL_WHOLE:
        return 'H';
    case FRAMES_CELL_METADATA:
        return 'M';
    case FRAMES_CELL_RETIRED:
        return 'X';
    case FRAMES_CELL_NOTHING:
    default:
        return ' ';
    }
}

static void write_row(void *context, const struct frames_picture_row *row)
{
    const struct style *style = context;
    char line[LINE_BYTES];
    struct console_sink *screen = console_find("screen");
    if (row->skipped_bytes != 0) {
        console_write_except(screen, line, put_gap(line, row->skipped_bytes));
    }
    size_t length = put_label(line, row->base);
    for (unsigned i = 0; i < style->columns; i++) {
        line[length++] = character_of(&row->cells[i]);
    }
    while (line[length - 1] == ' ') {
        length--;
    }
    line[length++] = '\n';
    console_write_except(screen, line, length);
}

static void show_text(void)
{
    static const char legend[] = "  . free  1-7 eighths in use  # in use  H 2 MiB frames  M metadata  X retired\n";
    struct style style = {.columns = TEXT_COLUMNS_SMALL};
    char line[LINE_BYTES];
    struct console_sink *screen = console_find("screen");
    if (frames_picture_scale(style.columns, TEXT_ROWS_SMALL) != 0) {
        style.columns = TEXT_COLUMNS;
        style.scale = frames_picture_scale(style.columns, TEXT_ROWS);
    }
    console_write_except(screen, line, put_heading(line, &style));
    (void)frames_picture_draw(style.columns, style.scale, write_row, &style);
    console_write_except(screen, legend, sizeof(legend) - 1);
}

/* ---- squares ---------------------------------------------------------------------------------------------------- */

static unsigned colour_of(const struct frames_cell *cell)
{
    switch ((enum frames_cell_kind)cell->kind) {
    case FRAMES_CELL_USE:
        return FBTEXT_PICTURE_SCALE + (unsigned)cell->level;
    case FRAMES_CELL_WHOLE:
        return FBTEXT_PICTURE_BLUE;
    case FRAMES_CELL_METADATA:
        return FBTEXT_PICTURE_VIOLET;
    case FRAMES_CELL_RETIRED:
        return FBTEXT_PICTURE_RED;
    case FRAMES_CELL_NOTHING:
    default:
        return FBTEXT_PICTURE_FAINT;
    }
}

/* UTF-8 of a code point of U+0800 … U+FFFF. */
static size_t put_code_point(char *text, unsigned code_point)
{
    text[0] = (char)(0xe0u | code_point >> 12);
    text[1] = (char)(0x80u | (code_point >> 6 & 0x3fu));
    text[2] = (char)(0x80u | (code_point & 0x3fu));
    return 3;
}

static size_t put_square(char *text, unsigned colour)
{
    size_t length = put_code_point(text, FBTEXT_LEFT + (colour << 4));
    return length + put_code_point(text + length, FBTEXT_RIGHT + (colour << 4));
}

/* The rows that wait and, below, lower (NULL: nothing) as one line. */
static void paint_halves(struct screen_painter *painter, const struct frames_cell *lower)
{
    char line[LINE_BYTES];
    size_t length = put_label(line, painter->upper_base);
    for (unsigned i = 0; i < painter->style->columns; i++) {
        unsigned below = lower != NULL ? colour_of(&lower[i]) : (unsigned)FBTEXT_PICTURE_NONE;
        length += put_code_point(line + length, FBTEXT_HALVES + (colour_of(&painter->upper[i]) << 4 | below));
    }
    line[length++] = '\n';
    console_write_to(painter->screen, line, length);
    painter->has_upper = false;
}

static void paint_squares(const struct screen_painter *painter, const struct frames_picture_row *row)
{
    char line[LINE_BYTES];
    size_t length = put_label(line, row->base);
    for (unsigned i = 0; i < painter->style->columns; i++) {
        length += put_square(line + length, colour_of(&row->cells[i]));
    }
    line[length++] = '\n';
    console_write_to(painter->screen, line, length);
}

static void paint_row(void *context, const struct frames_picture_row *row)
{
    struct screen_painter *painter = context;
    if (row->skipped_bytes != 0) {
        char line[LINE_BYTES];
        if (painter->has_upper) {
            paint_halves(painter, NULL);
        }
        console_write_to(painter->screen, line, put_gap(line, row->skipped_bytes));
    }
    if (!painter->style->is_halves) {
        paint_squares(painter, row);
    } else if (painter->has_upper) {
        paint_halves(painter, row->cells);
    } else {
        painter->has_upper = true;
        painter->upper_base = row->base;
        neo_memcpy(painter->upper, row->cells, painter->style->columns * sizeof(row->cells[0]));
    }
}

static void paint_legend(struct console_sink *screen)
{
    static const struct {
        unsigned first, last; /* colours */
        const char *text;
    } entries[] = {
        {FBTEXT_PICTURE_SCALE, FBTEXT_PICTURE_SCALE + FRAMES_CELL_LEVELS, "free to all in use"},
        {FBTEXT_PICTURE_BLUE, FBTEXT_PICTURE_BLUE, "2 MiB frames"},
        {FBTEXT_PICTURE_VIOLET, FBTEXT_PICTURE_VIOLET, "metadata"},
        {FBTEXT_PICTURE_RED, FBTEXT_PICTURE_RED, "retired"},
        {FBTEXT_PICTURE_FAINT, FBTEXT_PICTURE_FAINT, "no memory"},
    };
    char line[LINE_BYTES];
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
        line[length++] = ' ';
        line[length++] = ' ';
        for (unsigned colour = entries[i].first; colour <= entries[i].last; colour++) {
            length += put_square(line + length, colour);
        }
        length += (size_t)neo_snprintf(line + length, NOTE_BYTES, " %s", entries[i].text);
    }
    line[length++] = '\n';
    console_write_to(screen, line, length);
}

/* The largest power of two that is at most value. */
static unsigned power_of_two_below(unsigned value)
{
    unsigned power = 1;
    while (power * 2 <= value) {
        power *= 2;
    }
    return power;
}

/* Large squares while one for each chunk fits on half the screen; else halves, which are four times as many. */
static struct style choose_style(unsigned columns, unsigned rows)
{
    unsigned room = columns > LABEL_COLUMNS + 2 ? columns - LABEL_COLUMNS : 2;
    unsigned large = (unsigned)min_u64(power_of_two_below(room / 2), FRAMES_PICTURE_COLUMNS_MAX / 2);
    unsigned halves = (unsigned)min_u64(power_of_two_below(room), FRAMES_PICTURE_COLUMNS_MAX);
    for (unsigned count = large / 2; count != 0 && count <= large; count *= 2) {
        if (frames_picture_scale(count, rows / 4) == 0) {
            return (struct style){.columns = count};
        }
    }
    return (struct style){halves, frames_picture_scale(halves, rows), true};
}

static void show_screen(unsigned columns, unsigned rows)
{
    static struct screen_painter painter; /* too large for a stack */
    struct style style = choose_style(columns, rows);
    char line[LINE_BYTES];
    painter = (struct screen_painter){.style = &style, .screen = console_find("screen")};
    console_write_to(painter.screen, line, put_heading(line, &style));
    (void)frames_picture_draw(style.columns, style.scale, paint_row, &painter);
    if (painter.has_upper) {
        paint_halves(&painter, NULL);
    }
    paint_legend(painter.screen);
}

bool frames_show_map(void)
{
    unsigned columns;
    unsigned rows;
    show_text();
    fbtext_size(&columns, &rows);
    if (columns != 0) {
        show_screen(columns, rows);
    }
    return true;
}
