/* emergency.c — COM1 without firmware; see emergency.h. Source: 16550 data sheet; docs/interfaces.md for the exit code. */
#include "emergency.h"

#include "cpu.h"

#define COM1 0x3F8u
#define COM1_LINE_STATUS (COM1 + 5)
#define COM1_SCRATCH (COM1 + 7)
#define TRANSMIT_EMPTY 0x20u
#define WAIT_TURNS 100000u /* an I/O read takes about 1 µs, a character at 115200 baud 87 µs */

#define QEMU_EXIT_PORT 0xF4u
#define QEMU_EXIT_PANIC 0x12u

static bool has_com1(void)
{
    cpu_out8(COM1_SCRATCH, 0x5A);
    if (cpu_in8(COM1_SCRATCH) != 0x5A) {
        return false;
    }
    cpu_out8(COM1_SCRATCH, 0xA5);
    return cpu_in8(COM1_SCRATCH) == 0xA5;
}

static void write_text(const char *text)
{
    for (; *text != '\0'; text++) {
        for (unsigned turn = 0; turn < WAIT_TURNS && (cpu_in8(COM1_LINE_STATUS) & TRANSMIT_EMPTY) == 0; turn++) {
            cpu_pause();
        }
        cpu_out8(COM1, (uint8_t)*text);
    }
}

void emergency_qemu_exit(void)
{
    cpu_out32(QEMU_EXIT_PORT, QEMU_EXIT_PANIC);
}

void emergency(const char *line, bool wants_qemu_exit)
{
    /* Speed and format are firmware's: whoever reads the console until now reads this line, too. */
    if (has_com1()) {
        write_text("\r\nneomem: ");
        write_text(line);
        write_text("\r\n");
    }
    if (wants_qemu_exit) {
        emergency_qemu_exit();
    }
    cpu_stop();
}
