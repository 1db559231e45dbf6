/* mmio_trap.h — memory-mapped registers for host tests: every access to the window reaches a device model.
 *
 * The window is inaccessible memory. An access faults, the handler asks the model (reads) or notes the place (writes), opens the
 * page for exactly one instruction with the trap flag, and closes it again. x86-64 Linux, one thread, one window.
 * Depends on: types.h. Used by: tests/unit. */
#ifndef NEOMEM_TEST_MMIO_TRAP_H
#define NEOMEM_TEST_MMIO_TRAP_H

#include <neomem/types.h>

struct mmio_model {
    uint64_t (*read)(size_t offset);
    /* width: bytes, found from what the instruction changed: exact when the value's upper bytes are zero. */
    void (*write)(size_t offset, unsigned width, uint64_t value);
};

/* Return: a window of one page. Called once in a program. */
volatile uint8_t *mmio_trap_open(const struct mmio_model *model);

/* Install the handlers: at the start of every test that touches the window, because cmocka puts its own there first. */
void mmio_trap_arm(void);

#endif
