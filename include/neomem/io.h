/* io.h — port I/O, time and the CPU's own numbers, for drivers.
 * Context: any. Depends on: types.h. Used by: kernel/drivers, kernel/shell, kernel/main.c; implemented by kernel/arch. */
#ifndef NEOMEM_IO_H
#define NEOMEM_IO_H

#include <neomem/types.h>

uint8_t arch_in8(uint16_t port);
uint16_t arch_in16(uint16_t port);
uint32_t arch_in32(uint16_t port);
void arch_out8(uint16_t port, uint8_t value);
void arch_out16(uint16_t port, uint16_t value);
void arch_out32(uint16_t port, uint32_t value);

/* Ticks of arch_cycles() in a second. Never 0: before arch_set_tsc_hz, and where the rate is unknown, it
 * is a deliberately high guess, so that bounded waits last longer than asked rather than shorter. */
uint64_t arch_tsc_hz(void);
void arch_set_tsc_hz(uint64_t hz);

/* Busy-wait at least this long by the TSC; ends in any case after a bounded number of turns. */
void arch_delay_us(unsigned microseconds);

/* Order earlier stores to write-combining memory before later ones. */
void arch_store_fence(void);

#endif
