/* report.c: lines on COM1 (16550 at 0x3F8, as firmware left it) and QEMU's isa-debug-exit at 0xF4. */

#include "report.h"

#include "port.h"

#define COM1 0x3f8u
#define COM1_LINE_STATUS (COM1 + 5u)
#define LINE_STATUS_EMPTY 0x20u
#define WAIT_POLLS 100000u
#define EXIT_DEVICE 0xf4u

static void put(char c)
{
    for (unsigned i = 0; i < WAIT_POLLS && (port_in8(COM1_LINE_STATUS) & LINE_STATUS_EMPTY) == 0; i++) {
    }
    port_out8(COM1, (uint8_t)c);
}

void report_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            put('\r');
        }
        put(*text);
    }
}

static void report_digits(uint64_t value, unsigned base)
{
    char digits[24];
    unsigned n = sizeof(digits);

    digits[--n] = '\0';
    do {
        digits[--n] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    report_text(&digits[n]);
}

void report_hex(uint64_t value)
{
    report_text("0x");
    report_digits(value, 16);
}

void report_number(uint64_t value)
{
    report_digits(value, 10);
}

void report_end(enum report_exit code)
{
    port_out8(EXIT_DEVICE, (uint8_t)code);
    cpu_stop();
}
