/* serial.h — 16550 UARTs as the console sink "serial" and as a source of input bytes.
 *
 * COM1 (I/O 0x3F8) is tried before there is memory management; the UART that the ACPI SPCR table names
 * is added later. Both then carry the same text, 115200 8N1, "\n" sent as "\r\n".
 *
 * Every wait is bounded by a number of register reads: an absent UART costs a few microseconds at its
 * probe and nothing afterwards; one that stops sending costs one full wait, after which its text is
 * dropped until it takes bytes again. Interrupts stay off: input is polled.
 * Locking: none of its own; output runs under the console's lock, input is for one reader.
 *
 * Depends on: types.h, status.h. Used by: kernel/main.c, input.c. */
#ifndef NEOMEM_SERIAL_H
#define NEOMEM_SERIAL_H

#include <neomem/status.h>
#include <neomem/types.h>

/* Probe COM1 and, if it answers, set it up and add the sink "serial" (enabled) to the console.
 * Return: whether it answered. Context: needs nothing of the kernel; called once, first of all. */
bool serial_early_init(void);

/* Add the UART of the SPCR table. After acpi_init(); not from interrupts; called once. Adds the sink
 * "serial" if COM1 did not, enabled as the `console` option says.
 * Return: NEO_OK, also when it is COM1 itself; NEO_ERR_NOT_FOUND without such a table;
 * NEO_ERR_UNSUPPORTED when it names something other than a 16550; NEO_ERR_TIMEOUT when nothing answers there;
 * NEO_ERR_NO_MEMORY when its registers cannot be mapped. In all these cases what worked before goes on working. */
enum neo_status serial_bind_spcr(void) NEO_NODISCARD;

/* Is there any UART? */
bool serial_present(void);

/* Return: the next received byte 0…255, or -1 when there is none now. Never waits. */
int serial_read_byte(void);

#endif
