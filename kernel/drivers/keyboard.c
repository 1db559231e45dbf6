/* keyboard.c — the 8042 keyboard controller, polled.
 *
 * No self-test is run: on several laptops it resets what firmware's USB emulation has set up. What counts
 * as a controller is one that answers the question for its configuration byte.
 * Source: IBM PS/2 technical reference (keyboard and auxiliary device controller). */
#include "keyboard_decode.h"

#include <neomem/io.h>
#include <neomem/keyboard.h>

#define PORT_DATA 0x60u
#define PORT_STATUS 0x64u /* command port when written */

#define STATUS_OUTPUT_FULL 0x01u
#define STATUS_INPUT_FULL 0x02u
#define STATUS_FROM_MOUSE 0x20u
#define STATUS_ABSENT 0xffu

#define COMMAND_READ_CONFIG 0x20u
#define COMMAND_WRITE_CONFIG 0x60u
#define COMMAND_DISABLE_MOUSE 0xa7u
#define COMMAND_DISABLE_KEYBOARD 0xadu
#define COMMAND_ENABLE_KEYBOARD 0xaeu

#define CONFIG_INTERRUPTS 0x03u
#define CONFIG_KEYBOARD_CLOCK_OFF 0x10u
#define CONFIG_MOUSE_CLOCK_OFF 0x20u
#define CONFIG_TRANSLATE 0x40u

#define KEYBOARD_STOP_SCANNING 0xf5u
#define KEYBOARD_SELECT_SET 0xf0u
#define KEYBOARD_SCAN 0xf4u
#define KEYBOARD_ACKNOWLEDGE 0xfau

/* A keyboard answers a command within 20 ms. */
#define WAIT_STEP_US 20u
#define WAIT_STEPS_MAX 1500u
#define DRAIN_BYTES_MAX 64u

static struct {
    bool present;
    struct keyboard_decoder decoder;
    char pending[KEYBOARD_BYTES_MAX];
    size_t pending_next, pending_count;
} state;

static bool wait_status(uint8_t mask, uint8_t wanted)
{
    for (unsigned step = 0; step < WAIT_STEPS_MAX; step++) {
        uint8_t status = arch_in8(PORT_STATUS);
        if (status == STATUS_ABSENT) {
            return false;
        }
        if ((status & mask) == wanted) {
            return true;
        }
        arch_delay_us(WAIT_STEP_US);
    }
    return false;
}

static bool send_command(uint8_t command)
{
    if (!wait_status(STATUS_INPUT_FULL, 0)) {
        return false;
    }
    arch_out8(PORT_STATUS, command);
    return true;
}

static bool send_data(uint8_t data)
{
    if (!wait_status(STATUS_INPUT_FULL, 0)) {
        return false;
    }
    arch_out8(PORT_DATA, data);
    return true;
}

static void drain(void)
{
    for (unsigned i = 0; i < DRAIN_BYTES_MAX && (arch_in8(PORT_STATUS) & STATUS_OUTPUT_FULL) != 0; i++) {
        (void)arch_in8(PORT_DATA);
    }
}

static bool read_config(uint8_t *config)
{
    if (!send_command(COMMAND_READ_CONFIG) || !wait_status(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL)) {
        return false;
    }
    *config = arch_in8(PORT_DATA);
    return true;
}

/* Send to the keyboard itself. Return: whether it acknowledged; bytes that come before are old key strokes. */
static bool tell_keyboard(uint8_t data)
{
    if (!send_data(data)) {
        return false;
    }
    for (unsigned i = 0; i < DRAIN_BYTES_MAX; i++) {
        if (!wait_status(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL)) {
            return false;
        }
        if (arch_in8(PORT_DATA) == KEYBOARD_ACKNOWLEDGE) {
            return true;
        }
    }
    return false;
}

static bool configure_controller(void)
{
    uint8_t config;
    if (!send_command(COMMAND_DISABLE_MOUSE)) {
        return false;
    }
    drain();
    if (!read_config(&config)) {
        return false;
    }
    config &= (uint8_t) ~(CONFIG_INTERRUPTS | CONFIG_KEYBOARD_CLOCK_OFF);
    config |= CONFIG_TRANSLATE | CONFIG_MOUSE_CLOCK_OFF;
    return send_command(COMMAND_WRITE_CONFIG) && send_data(config);
}

bool keyboard_init(void)
{
    if (arch_in8(PORT_STATUS) == STATUS_ABSENT || !send_command(COMMAND_DISABLE_KEYBOARD)) {
        return false;
    }
    bool configured = configure_controller();
    /* Whatever went wrong meanwhile, the port does not stay switched off. */
    if (!send_command(COMMAND_ENABLE_KEYBOARD) || !configured) {
        return false;
    }
    state.present = true;
    /* Firmware may have left the keyboard in set 1 without translation. Where no keyboard answers, one that is
     * plugged in later starts in set 2, scanning, by itself. */
    if (tell_keyboard(KEYBOARD_STOP_SCANNING)) {
        if (tell_keyboard(KEYBOARD_SELECT_SET)) {
            (void)tell_keyboard(2);
        }
        /* Emulated keyboards may stop scanning and then know nothing of sets. */
        (void)tell_keyboard(KEYBOARD_SCAN);
    }
    return true;
}

int keyboard_read_byte(void)
{
    if (!state.present) {
        return -1;
    }
    for (unsigned i = 0; i < DRAIN_BYTES_MAX; i++) {
        if (state.pending_next < state.pending_count) {
            return (uint8_t)state.pending[state.pending_next++];
        }
        uint8_t status = arch_in8(PORT_STATUS);
        if (status == STATUS_ABSENT || (status & STATUS_OUTPUT_FULL) == 0) {
            return -1;
        }
        uint8_t code = arch_in8(PORT_DATA);
        if ((status & STATUS_FROM_MOUSE) == 0) {
            state.pending_next = 0;
            state.pending_count = keyboard_decode(&state.decoder, code, state.pending);
        }
    }
    return -1;
}
