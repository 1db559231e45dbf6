/* cpu.h — instructions that C cannot express, as functions (cpu.S).
 *
 * Context: ring 0, any mode of 64-bit paging. Reading an MSR that the CPU does not have faults: callers ask CPUID first.
 * Depends on: types.h, compiler.h. Used by: machine.c, entropy.c, exit.c, takeover.c, emergency.c. */
#ifndef EFI_CPU_H
#define EFI_CPU_H

#include <neomem/compiler.h>
#include <neomem/types.h>

struct cpu_cpuid {
    uint32_t eax, ebx, ecx, edx;
};
void cpu_cpuid(uint32_t leaf, uint32_t subleaf, struct cpu_cpuid *result);

/* Time stamp counter, after every earlier instruction. */
uint64_t cpu_tsc(void);

#define CPU_MSR_APIC_BASE 0x1Bu
#define CPU_MSR_MISC_ENABLE 0x1A0u
#define CPU_MSR_PAT 0x277u
#define CPU_MSR_MTRR_DEF_TYPE 0x2FFu
#define CPU_MSR_EFER 0xC0000080u
uint64_t cpu_read_msr(uint32_t msr);
void cpu_write_msr(uint32_t msr, uint64_t value);

uint64_t cpu_read_cr0(void);
uint64_t cpu_read_cr3(void);
uint64_t cpu_read_cr4(void);
uint64_t cpu_read_flags(void);

/* Return: false when the generator had no number ready; *value is untouched then. */
bool cpu_rdrand(uint64_t *value);
bool cpu_rdseed(uint64_t *value);

uint8_t cpu_in8(uint16_t port);
void cpu_out8(uint16_t port, uint8_t value);
void cpu_out32(uint16_t port, uint32_t value);

void cpu_pause(void);
/* IF = 0, DF = 0. */
void cpu_interrupts_off(void);
/* Interrupts off, halted, forever. */
void cpu_stop(void) NEO_NORETURN;

#endif
