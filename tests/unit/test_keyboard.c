/* test_keyboard.c — scan codes to bytes, and the driver against a model of the 8042 and of a keyboard behind it. */
#include "keyboard_decode.h"
#include "tests/support/fake_io.h"

#include <neomem/compiler.h>
#include <neomem/keyboard.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- the decoder ---- */

static struct keyboard_decoder decoder;
static char typed[64];
static size_t typed_count;

static void feed(const uint8_t *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char bytes[KEYBOARD_BYTES_MAX];
        size_t n = keyboard_decode(&decoder, codes[i], bytes);
        assert_true(n <= KEYBOARD_BYTES_MAX);
        assert_true(typed_count + n < sizeof(typed));
        memcpy(typed + typed_count, bytes, n);
        typed_count += n;
    }
    typed[typed_count] = '\0';
}

#define ASSERT_TYPES(expected, ...) \
    do { \
        static const uint8_t codes[] = {__VA_ARGS__}; \
        typed_count = 0; \
        feed(codes, sizeof(codes)); \
        assert_string_equal(typed, expected); \
    } while (0)

static int reset(void **state)
{
    (void)state;
    memset(&decoder, 0, sizeof(decoder));
    return 0;
}

static void letters_digits_and_releases(void **state)
{
    (void)state;
    /* "help 42", each key pressed and released */
    ASSERT_TYPES("help 42", 0x23, 0xa3, 0x12, 0x92, 0x26, 0xa6, 0x19, 0x99, 0x39, 0xb9, 0x05, 0x85, 0x03, 0x83);
    ASSERT_TYPES("qp\\`/'", 0x10, 0x19, 0x2b, 0x29, 0x35, 0x28);
    ASSERT_TYPES("\r\t\x7f\x1b", 0x1c, 0x0f, 0x0e, 0x01);
    ASSERT_TYPES("", 0x3b, 0x44, 0x57, 0x58, 0x38, 0xb8, 0x46, 0x00, 0xff, 0xfa, 0xfe, 0xee);
}

static void shift_and_caps_lock(void **state)
{
    (void)state;
    ASSERT_TYPES("Aa", 0x2a, 0x1e, 0xaa, 0x1e);
    ASSERT_TYPES("!_\":?|~", 0x36, 0x02, 0x0c, 0x28, 0x27, 0x35, 0x2b, 0x29, 0xb6);
    ASSERT_TYPES("A1a", 0x3a, 0xba, 0x1e, 0x02, 0x2a, 0x1e, 0xaa); /* caps: letters only, shift inverts */
    ASSERT_TYPES("a", 0x3a, 0xba, 0x1e);
    ASSERT_TYPES("AA", 0x2a, 0x36, 0xaa, 0x1e, 0xb6, 0x2a, 0x1e, 0xaa); /* one of two shifts released */
    ASSERT_TYPES("\\|", 0x56, 0x2a, 0x56, 0xaa);
}

static void control_makes_control_codes(void **state)
{
    (void)state;
    ASSERT_TYPES("\x03\x01\x1a", 0x1d, 0x2e, 0x1e, 0x2c, 0x9d);
    ASSERT_TYPES("\x0c"
                 "l",
                 0xe0, 0x1d, 0x26, 0xe0, 0x9d, 0x26);
    ASSERT_TYPES("\x1b\x1c\x1d", 0x1d, 0x1a, 0x2b, 0x1b, 0x9d);
    ASSERT_TYPES("\x1e\x1f", 0x1d, 0x2a, 0x07, 0x0c, 0xaa, 0x9d);
    ASSERT_TYPES("", 0x1d, 0x02, 0x39, 0x33, 0x9d); /* no code of its own: nothing, not even a NUL */
    ASSERT_TYPES("\r", 0x1d, 0x1c, 0x9d);
}

static void editing_keys_are_sequences(void **state)
{
    (void)state;
    ASSERT_TYPES("\x1b[A", 0xe0, 0x48, 0xe0, 0xc8);
    ASSERT_TYPES("\x1b[B\x1b[C\x1b[D", 0xe0, 0x50, 0xe0, 0x4d, 0xe0, 0x4b);
    ASSERT_TYPES("\x1b[H\x1b[F\x1b[3~\x1b[2~\x1b[5~\x1b[6~", 0xe0, 0x47, 0xe0, 0x4f, 0xe0, 0x53, 0xe0, 0x52, 0xe0, 0x49,
                 0xe0, 0x51);
    /* the fake shifts around them do not stick */
    ASSERT_TYPES("\x1b[D"
                 "a",
                 0xe0, 0x2a, 0xe0, 0x4b, 0xe0, 0xcb, 0xe0, 0xaa, 0x1e);
    ASSERT_TYPES("a", 0xe0, 0x2a, 0x1e, 0xe0, 0xaa);
}

static void keypad(void **state)
{
    (void)state;
    ASSERT_TYPES("0123456789.-+*", 0x52, 0x4f, 0x50, 0x51, 0x4b, 0x4c, 0x4d, 0x47, 0x48, 0x49, 0x53, 0x4a, 0x4e, 0x37);
    ASSERT_TYPES("/\r", 0xe0, 0x35, 0xe0, 0x1c);
    ASSERT_TYPES("/", 0x2a, 0xe0, 0x35, 0xaa);                                             /* not '?' */
    ASSERT_TYPES("\x1b[H\x1b[A-+\x1b[3~", 0x45, 0xc5, 0x47, 0x48, 0x4c, 0x4a, 0x4e, 0x53); /* Num Lock off; 5 is dead */
    ASSERT_TYPES("7", 0x45, 0xc5, 0x47);
    ASSERT_TYPES("", 0xe0, 0x4a, 0xe0, 0x4e, 0xe0, 0x4c, 0xe0, 0x5b, 0xe0, 0x37);
}

static void pause_is_swallowed(void **state)
{
    (void)state;
    ASSERT_TYPES("x", 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x2d);
    ASSERT_TYPES("7", 0x47); /* the 0x45 inside was no Num Lock */
}

static void any_bytes_are_safe(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (unsigned i = 0; i < 200000; i++) {
        char bytes[KEYBOARD_BYTES_MAX];
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        size_t n = keyboard_decode(&decoder, (uint8_t)(seed >> 40), bytes);
        assert_true(n <= KEYBOARD_BYTES_MAX);
        for (size_t j = 0; j < n; j++) {
            assert_true(bytes[j] != 0 && (uint8_t)bytes[j] < 0x80);
        }
    }
}

/* ---- a controller ---- */

static struct {
    bool keyboard_plugged;
    bool input_stuck;   /* never takes a byte */
    bool never_answers; /* takes commands, returns nothing */
    uint8_t config;
    uint8_t command; /* waiting for its data byte; 0: none */
    uint8_t keyboard_command;
    bool keyboard_disabled;
    bool scanning;
    uint8_t scan_set;
    struct {
        uint8_t byte;
        bool mouse;
    } output[64];
    unsigned output_count;
} model;

static void output(uint8_t byte, bool mouse)
{
    assert_true(model.output_count < ARRAY_COUNT(model.output));
    model.output[model.output_count].byte = byte;
    model.output[model.output_count].mouse = mouse;
    model.output_count++;
}

static uint32_t model_read(uint16_t port, unsigned bits)
{
    assert_int_equal(bits, 8);
    if (port == 0x64) {
        uint32_t status = model.input_stuck ? 2 : 0;
        if (model.output_count > 0) {
            status |= model.output[0].mouse ? 0x21u : 0x01u;
        }
        return status | 0x14;
    }
    assert_int_equal(port, 0x60);
    uint8_t byte = model.output[0].byte;
    if (model.output_count > 0) {
        memmove(&model.output[0], &model.output[1], sizeof(model.output[0]) * --model.output_count);
    }
    return byte;
}

static void keyboard_takes(uint8_t byte)
{
    if (!model.keyboard_plugged) {
        return;
    }
    if (model.keyboard_command == 0xf0) {
        model.scan_set = byte;
        model.keyboard_command = 0;
    } else if (byte == 0xf0) {
        model.keyboard_command = byte;
    } else if (byte == 0xf4) {
        model.scanning = true;
    } else if (byte == 0xf5) {
        model.scanning = false;
    } else {
        fail_msg("unknown keyboard command %02x", byte);
    }
    output(0xfa, false);
}

static void model_write(uint16_t port, unsigned bits, uint32_t value)
{
    assert_int_equal(bits, 8);
    if (port == 0x60) {
        if (model.command == 0x60) {
            model.config = (uint8_t)value;
            model.command = 0;
        } else {
            keyboard_takes((uint8_t)value);
        }
        return;
    }
    assert_int_equal(port, 0x64);
    switch (value) {
    case 0x20:
        if (!model.never_answers) {
            output(model.config, false);
        }
        break;
    case 0x60:
        model.command = 0x60;
        break;
    case 0xa7:
        break;
    case 0xad:
    case 0xae:
        model.keyboard_disabled = value == 0xad;
        break;
    default:
        fail_msg("unknown controller command %02x", value);
    }
}

static void plug_in(void)
{
    memset(&model, 0, sizeof(model));
    memset(&fake_io, 0, sizeof(fake_io));
    fake_io.read = model_read;
    fake_io.write = model_write;
    model.config = 0x23; /* interrupts on, mouse clock off, no translation: what firmware may leave */
    model.scan_set = 1;
    model.keyboard_plugged = true;
    model.scanning = true;
}

/* One driver state for the whole program: the tests that leave no controller come first. */
static void absent_controller_costs_nothing(void **state)
{
    (void)state;
    memset(&fake_io, 0, sizeof(fake_io)); /* reads all ones */
    assert_false(keyboard_init());
    assert_int_equal(fake_io.accesses, 1);
    assert_int_equal(fake_io.microseconds, 0);
    assert_int_equal(keyboard_read_byte(), -1);
    assert_int_equal(fake_io.accesses, 1);
}

static void dead_controllers_end(void **state)
{
    (void)state;
    plug_in();
    model.input_stuck = true;
    assert_false(keyboard_init());
    assert_true(fake_io.microseconds <= 500000);
    plug_in();
    model.never_answers = true;
    model.keyboard_plugged = false;
    assert_false(keyboard_init());
    assert_true(fake_io.microseconds > 10000 && fake_io.microseconds <= 500000);
    assert_int_equal(keyboard_read_byte(), -1);
}

static void set_up_without_keyboard(void **state)
{
    (void)state;
    plug_in();
    model.keyboard_plugged = false;
    assert_true(keyboard_init());
    assert_true(fake_io.microseconds <= 500000);
    assert_false(model.keyboard_disabled);
}

static void set_up_and_typing(void **state)
{
    (void)state;
    plug_in();
    output(0x1e, false); /* a key stroke from before, and mouse movement */
    output(0x08, true);
    assert_true(keyboard_init());
    assert_int_equal(model.config & 0x03, 0);    /* polled */
    assert_int_equal(model.config & 0x40, 0x40); /* translated */
    assert_int_equal(model.config & 0x10, 0);
    assert_int_equal(model.scan_set, 2);
    assert_true(model.scanning);
    assert_false(model.keyboard_disabled);
    assert_int_equal(keyboard_read_byte(), -1);

    output(0x23, false);
    output(0x1e, true); /* the mouse types nothing, whatever its bytes mean on a keyboard */
    output(0xa3, false);
    output(0xe0, false);
    output(0x53, false);
    static const char expected[] = "h\x1b[3~";
    for (size_t i = 0; i < strlen(expected); i++) {
        assert_int_equal(keyboard_read_byte(), expected[i]);
    }
    assert_int_equal(keyboard_read_byte(), -1);
}

static uint32_t endless_mouse(uint16_t port, unsigned bits)
{
    (void)bits;
    return port == 0x64 ? 0x21 : 0x00;
}

static void endless_output_does_not_hang(void **state)
{
    (void)state;
    fake_io.read = endless_mouse;
    uint64_t before = fake_io.accesses;
    assert_int_equal(keyboard_read_byte(), -1);
    assert_true(fake_io.accesses - before < 1000);
    fake_io.read = NULL; /* unplugged: all ones */
    before = fake_io.accesses;
    assert_int_equal(keyboard_read_byte(), -1);
    assert_int_equal(fake_io.accesses - before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(letters_digits_and_releases, reset),
        cmocka_unit_test_setup(shift_and_caps_lock, reset),
        cmocka_unit_test_setup(control_makes_control_codes, reset),
        cmocka_unit_test_setup(editing_keys_are_sequences, reset),
        cmocka_unit_test_setup(keypad, reset),
        cmocka_unit_test_setup(pause_is_swallowed, reset),
        cmocka_unit_test_setup(any_bytes_are_safe, reset),
        cmocka_unit_test(absent_controller_costs_nothing),
        cmocka_unit_test(dead_controllers_end),
        cmocka_unit_test(set_up_without_keyboard),
        cmocka_unit_test(set_up_and_typing),
        cmocka_unit_test(endless_output_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
