/* emergency.h — the last words when neither firmware nor the kernel can speak.
 * Depends on: cpu.h. Used by: takeover.c, entry.c. */
#ifndef EFI_EMERGENCY_H
#define EFI_EMERGENCY_H

#include <neomem/compiler.h>
#include <neomem/types.h>

/* Write one line to COM1, if there is one (every wait is bounded), and stop the machine: through QEMU's exit device
 * when asked for, else halted. Calls no firmware. */
void emergency(const char *line, bool wants_qemu_exit) NEO_NORETURN;

/* QEMU's isa-debug-exit with the code that means "panic"; returns where there is no such device. */
void emergency_qemu_exit(void);

#endif
