/* text_terminal.c — a terminal of one row. */
#include "tests/support/text_terminal.h"

#include <neomem/utf8.h>
#include <string.h>

static void blank(struct text_terminal *terminal, unsigned from)
{
    for (unsigned i = from; i < TEXT_TERMINAL_COLUMNS_MAX; i++) {
        terminal->row[i] = ' ';
    }
}

void text_terminal_init(struct text_terminal *terminal, unsigned columns)
{
    memset(terminal, 0, sizeof(*terminal));
    terminal->columns = columns;
    blank(terminal, 0);
}

const char *text_terminal_row(const struct text_terminal *terminal, char *buffer, size_t capacity)
{
    size_t used = 0;
    unsigned end = TEXT_TERMINAL_COLUMNS_MAX;
    while (end > 0 && terminal->row[end - 1] == ' ') {
        end--;
    }
    for (unsigned i = 0; i < end && used + 5 < capacity; i++) {
        used += utf8_encode(terminal->row[i], buffer + used);
    }
    buffer[used] = '\0';
    return buffer;
}

static void finish_line(struct text_terminal *terminal)
{
    char line[TEXT_TERMINAL_COLUMNS_MAX * 4 + 8];
    size_t nbytes = strlen(text_terminal_row(terminal, line, sizeof(line)));
    if (terminal->output_count + nbytes + 2 < sizeof(terminal->output)) {
        memcpy(terminal->output + terminal->output_count, line, nbytes);
        terminal->output_count += nbytes;
        terminal->output[terminal->output_count++] = '\n';
        terminal->output[terminal->output_count] = '\0';
    }
    terminal->lines++;
    terminal->column = 0;
    blank(terminal, 0);
}

static void put(struct text_terminal *terminal, uint32_t code_point)
{
    if (terminal->column + 1 >= terminal->columns) {
        terminal->broken = "writes into the last column";
        return;
    }
    terminal->row[terminal->column++] = code_point;
}

static void sequence(struct text_terminal *terminal, uint32_t final)
{
    if (final == 'C') {
        terminal->column += terminal->parameter == 0 ? 1 : terminal->parameter;
        if (terminal->column >= terminal->columns) {
            terminal->broken = "moves past the edge";
            terminal->column = 0;
        }
    } else if (final == 'K' && terminal->parameter == 0) {
        blank(terminal, terminal->column);
    } else if (final == 'H' && terminal->parameter == 0) {
        terminal->column = 0;
    } else if (final == 'J' && terminal->parameter == 2) {
        blank(terminal, 0);
        terminal->clears++;
    } else {
        terminal->broken = "an unexpected control sequence";
    }
}

static void take(struct text_terminal *terminal, uint32_t c)
{
    if (terminal->escape == 1) {
        terminal->escape = c == '[' ? 2 : 0;
        terminal->parameter = 0;
        if (c != '[') {
            terminal->broken = "an escape that starts no sequence";
        }
    } else if (terminal->escape == 2 && c >= '0' && c <= '9') {
        terminal->parameter = terminal->parameter * 10 + (c - '0');
    } else if (terminal->escape == 2) {
        terminal->escape = 0;
        sequence(terminal, c);
    } else if (c == 0x1b) {
        terminal->escape = 1;
    } else if (c == '\r') {
        terminal->column = 0;
    } else if (c == '\n') {
        finish_line(terminal);
    } else if (c == '\b' && terminal->column > 0) {
        terminal->column--;
    } else if (c < 0x20 || c == 0x7f || c == UTF8_REPLACEMENT) {
        terminal->broken = "an unexpected control character";
    } else {
        put(terminal, c);
    }
}

void text_terminal_write(void *context, const char *text, size_t nbytes)
{
    struct text_terminal *terminal = context;
    for (size_t i = 0; i < nbytes;) {
        uint32_t code_point;
        bool valid;
        i += utf8_decode(text + i, nbytes - i, &code_point, &valid);
        if (!valid) {
            terminal->broken = "writes that are not whole UTF-8 characters";
        } else {
            take(terminal, code_point);
        }
    }
}
