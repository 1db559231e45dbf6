/* power.h — leaving: power off, reset, QEMU's exit device, halt.
 *
 * Each tries every way the machine offers, in an order that suits real boards, each with a bounded wait,
 * and halts with a message when none works. Usable in a panic: nothing here allocates or takes a lock once
 * power_init() has run; before it (or without ACPI) the ways that need tables are left out.
 *
 * Depends on: compiler.h, types.h. Used by: kernel/main.c, kernel/shell, panic hooks. */
#ifndef NEOMEM_POWER_H
#define NEOMEM_POWER_H

#include <neomem/compiler.h>
#include <neomem/types.h>

/* docs/interfaces.md: values of the isa-debug-exit device; QEMU's own status is (value << 1) | 1. */
#define QEMU_EXIT_SUCCESS 0x10u
#define QEMU_EXIT_CHECK_FAILED 0x11u
#define QEMU_EXIT_PANIC 0x12u

/* Take from the tables what power_off and power_reset need, and map memory-mapped registers. After acpi_init(); called once. */
void power_init(void);

/* ACPI S5. At most about 4 s, then halt. */
void power_off(void) NEO_NORETURN;

/* ACPI reset register, 0xCF9, keyboard controller, triple fault. At most about 1 s. */
void power_reset(void) NEO_NORETURN;

/* Write code to port 0xF4; where that device is absent, say so and halt. */
void qemu_exit(uint8_t code) NEO_NORETURN;

/* Say so and stop this CPU for good. */
void power_halt(void) NEO_NORETURN;

#endif
