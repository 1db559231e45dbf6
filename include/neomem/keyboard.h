/* keyboard.h — PS/2 keyboard behind an 8042 controller, US layout, polled.
 *
 * Keys arrive as the bytes a serial terminal would send: Enter is \r, Backspace 0x7F, arrows and Home,
 * End, Insert, Delete, Page keys are ANSI escape sequences, Ctrl makes control codes, other characters
 * are ASCII. Every wait is bounded; where the controller is absent (status reads 0xFF) nothing is polled.
 *
 * Depends on: types.h. Used by: kernel/main.c, input.c. */
#ifndef NEOMEM_KEYBOARD_H
#define NEOMEM_KEYBOARD_H

#include <neomem/types.h>

/* Find the controller, switch its interrupts off and translation to scan code set 1 on, enable the keyboard.
 * Return: whether there is a controller (a keyboard may be plugged in later). Needs arch_delay_us; called once. Cost: at most 0.5 s. */
bool keyboard_init(void);

/* Return: the next byte 0…255, or -1 when there is none now. Never waits. */
int keyboard_read_byte(void);

#endif
