/* input.c — serial lines first, then the keyboard: a paste on serial must not overrun a 16-byte FIFO. */
#include <neomem/input.h>
#include <neomem/keyboard.h>
#include <neomem/serial.h>

int input_read_byte(void)
{
    int byte = serial_read_byte();
    return byte >= 0 ? byte : keyboard_read_byte();
}
