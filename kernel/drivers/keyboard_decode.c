/* keyboard_decode.c — scan code set 1, US layout, as a terminal would send it.
 * Source: IBM PS/2 keyboard technical reference, set 1 make and break codes; xterm's sequences for the editing keys. */
#include "keyboard_decode.h"

#include <neomem/compiler.h>

#define RELEASE 0x80u
#define PREFIX_EXTENDED 0xe0u
#define PREFIX_PAUSE 0xe1u
#define PAUSE_BYTES_LEFT 5u /* E1 1D 45 E1 9D C5 */

enum key_code {
    KEY_ENTER = 0x1c,
    KEY_CONTROL = 0x1d,
    KEY_LEFT_SHIFT = 0x2a,
    KEY_SLASH = 0x35,
    KEY_RIGHT_SHIFT = 0x36,
    KEY_CAPS_LOCK = 0x3a,
    KEY_NUM_LOCK = 0x45,
    KEYPAD_FIRST = 0x47,
    KEYPAD_LAST = 0x53,
    KEY_ISO = 0x56, /* between left Shift and Z on European boards */
};

#define LAYOUT_KEYS 0x3au

/* By scan code; 0: types nothing of its own. */
static const char plain[LAYOUT_KEYS] = {
    0,    0x1b, '1', '2',  '3', '4', '5', '6', '7',  '8', '9', '0', '-', '=', 0x7f, '\t', 'q', 'w', 'e', 'r',
    't',  'y',  'u', 'i',  'o', 'p', '[', ']', '\r', 0,   'a', 's', 'd', 'f', 'g',  'h',  'j', 'k', 'l', ';',
    '\'', '`',  0,   '\\', 'z', 'x', 'c', 'v', 'b',  'n', 'm', ',', '.', '/', 0,    '*',  0,   ' ',
};
static const char shifted[LAYOUT_KEYS] = {
    0,   0x1b, '!', '@', '#', '$', '%', '^', '&',  '*', '(', ')', '_', '+', 0x7f, '\t', 'Q', 'W', 'E', 'R',
    'T', 'Y',  'U', 'I', 'O', 'P', '{', '}', '\r', 0,   'A', 'S', 'D', 'F', 'G',  'H',  'J', 'K', 'L', ':',
    '"', '~',  0,   '|', 'Z', 'X', 'C', 'V', 'B',  'N', 'M', '<', '>', '?', 0,    '*',  0,   ' ',
};

/* The keypad, from scan code 0x47: digits, and the final part of each key's escape sequence ("" types nothing). */
static const char keypad_digits[] = "789-456+1230.";
static const char *const keypad_sequences[] = {"H", "A", "5~", "-", "D", "", "C", "+", "F", "B", "6~", "2~", "3~"};

static size_t type_sequence(const char *final, char *bytes)
{
    size_t length = 0;
    bytes[length++] = 0x1b;
    bytes[length++] = '[';
    for (; *final != '\0'; final++) {
        bytes[length++] = *final;
    }
    return length;
}

static size_t type_keypad(const struct keyboard_decoder *decoder, uint8_t code, bool extended, char *bytes)
{
    unsigned index = code - (unsigned)KEYPAD_FIRST;
    const char *sequence = keypad_sequences[index];
    bool operator_key = sequence[0] == '-' || sequence[0] == '+';
    if (!extended && (operator_key || !decoder->num_off)) {
        bytes[0] = keypad_digits[index];
        return 1;
    }
    if (operator_key || sequence[0] == '\0') {
        return 0;
    }
    return type_sequence(sequence, bytes);
}

static size_t type_character(const struct keyboard_decoder *decoder, uint8_t code, char *bytes)
{
    bool shift = decoder->left_shift || decoder->right_shift;
    char lower = plain[code];
    bool letter = lower >= 'a' && lower <= 'z';
    char character = (letter && decoder->caps_lock ? !shift : shift) ? shifted[code] : lower;
    if (decoder->left_control || decoder->right_control) {
        if (letter || lower == '[' || lower == '\\' || lower == ']') {
            character = (char)(lower & 0x1f);
        } else if (character == '^' || character == '_') {
            character = (char)(character & 0x1f);
        } else if (lower >= ' ' && lower < 0x7f) {
            return 0;
        }
    }
    bytes[0] = character;
    return character != 0;
}

/* Shift and Control, pressed or released. Return: whether it was one of them. */
static bool take_modifier(struct keyboard_decoder *decoder, uint8_t key, bool extended, bool pressed)
{
    if (key == KEY_CONTROL) {
        *(extended ? &decoder->right_control : &decoder->left_control) = pressed;
        return true;
    }
    if (key == KEY_LEFT_SHIFT || key == KEY_RIGHT_SHIFT) {
        /* With the prefix they are the fake shifts that surround the editing keys. */
        if (!extended) {
            *(key == KEY_LEFT_SHIFT ? &decoder->left_shift : &decoder->right_shift) = pressed;
        }
        return true;
    }
    return false;
}

static size_t press(struct keyboard_decoder *decoder, uint8_t key, bool extended, char *bytes)
{
    if (key >= KEYPAD_FIRST && key <= KEYPAD_LAST) {
        return type_keypad(decoder, key, extended, bytes);
    }
    if (extended) { /* the keypad's own Enter and slash; all others type nothing */
        bytes[0] = key == KEY_ENTER ? '\r' : '/';
        return key == KEY_ENTER || key == KEY_SLASH;
    }
    if (key == KEY_CAPS_LOCK) {
        decoder->caps_lock = !decoder->caps_lock;
    } else if (key == KEY_NUM_LOCK) {
        decoder->num_off = !decoder->num_off;
    } else if (key == KEY_ISO) {
        return type_character(decoder, 0x2b, bytes);
    } else if (key < LAYOUT_KEYS) {
        return type_character(decoder, key, bytes);
    }
    return 0;
}

size_t keyboard_decode(struct keyboard_decoder *decoder, uint8_t code, char bytes[KEYBOARD_BYTES_MAX])
{
    if (decoder->skip > 0) {
        decoder->skip--;
        return 0;
    }
    if (code == PREFIX_EXTENDED) {
        decoder->extended = true;
        return 0;
    }
    bool extended = decoder->extended;
    decoder->extended = false;
    if (code == PREFIX_PAUSE) {
        decoder->skip = PAUSE_BYTES_LEFT;
        return 0;
    }
    uint8_t key = code & (uint8_t)~RELEASE;
    bool pressed = (code & RELEASE) == 0;
    if (take_modifier(decoder, key, extended, pressed) || !pressed) {
        return 0;
    }
    return press(decoder, key, extended, bytes);
}
