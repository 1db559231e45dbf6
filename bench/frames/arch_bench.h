/* arch_bench.h — what the benchmark's machine needs to be told. Depends on: types.h. Used by: bench/frames. */
#ifndef BENCH_FRAMES_ARCH_BENCH_H
#define BENCH_FRAMES_ARCH_BENCH_H

#include <neomem/types.h>

/* arch_cpu_id() of the calling thread from now on; 0 before the first call. */
void arch_bench_set_cpu(unsigned cpu);

/* Simulated physical memory [ARENA_BASE, ARENA_BASE + nbytes): readable, writable, mapped by the host only where touched.
 * Above 4 GiB, so that nothing is kept back for devices. Ends the program when the host refuses. */
#define ARENA_BASE GIB(4)
void arch_bench_reserve(uint64_t nbytes);

/* Fill [base, base + nbytes) of it with garbage, as RAM is at boot: from then on the host has it mapped. */
void arch_bench_dirty(phys_addr_t base, uint64_t nbytes);

#endif
