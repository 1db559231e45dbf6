/* keyboard_decode.h — scan codes to terminal bytes; pure. Private to kernel/drivers. */
#ifndef NEOMEM_DRIVERS_KEYBOARD_DECODE_H
#define NEOMEM_DRIVERS_KEYBOARD_DECODE_H

#include <neomem/types.h>

#define KEYBOARD_BYTES_MAX 4u /* longest result: ESC [ 3 ~ */

struct keyboard_decoder {
    bool extended; /* the last byte was 0xE0 */
    uint8_t skip;  /* bytes of a Pause sequence still to come */
    bool left_shift, right_shift, left_control, right_control;
    bool caps_lock, num_off; /* Num Lock counts as on at start: keypads are for digits */
};

/* Take one byte of scan code set 1. Return: how many bytes it types, in bytes. A zeroed decoder is ready. */
size_t keyboard_decode(struct keyboard_decoder *decoder, uint8_t code, char bytes[KEYBOARD_BYTES_MAX]);

#endif
