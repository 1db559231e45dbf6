/* input.h — one stream of bytes from everything one can type on.
 * Depends on: nothing. Used by: kernel/shell. */
#ifndef NEOMEM_INPUT_H
#define NEOMEM_INPUT_H

/* Return: the next byte 0…255 from the serial line or the keyboard, or -1 when there is none now. Never waits. */
int input_read_byte(void);

#endif
