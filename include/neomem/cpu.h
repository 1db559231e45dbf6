/* cpu.h — the processor beyond what kernel/mm needs: start-up, faults that are expected, the way down.
 * Depends on: arch.h, boot_info.h, panic.h. Used by: kernel/main.c, kernel/diag, kernel/drivers, kernel/shell. */
#ifndef NEOMEM_CPU_H
#define NEOMEM_CPU_H

#include <neomem/arch.h>
#include <neomem/boot_info.h>
#include <neomem/compiler.h>
#include <neomem/types.h>

/* First call of the kernel: own GDT, TSS with IST stacks, IDT, control registers; needs no memory management.
 * Masks both 8259s; cpu_silence_lapic and cpu_mask_ioapic follow once their registers can be mapped. */
void cpu_init(void);

/* Replace the boot-time IST stacks of #DF, NMI and #MC by guarded ones (tops, 16-aligned). */
void cpu_set_exception_stacks(virt_addr_t double_fault, virt_addr_t nmi, virt_addr_t machine_check);
#define CPU_EXCEPTION_STACK_BYTES 8192u

/* Continue in function on another stack; the old one is never returned to. */
void cpu_switch_stack(virt_addr_t stack_top, void (*function)(void)) NEO_NORETURN;

/* A fault that was asked for. */
struct cpu_fault {
    uint64_t vector, error_code, rip, cr2;
};

/* Call function(argument). Return: false when it returned; true when an exception ended it, with *fault
 * filled in. Only for probes: nothing that function held (locks, …) is released. Not reentrant on one CPU. */
bool cpu_try(void (*function)(void *argument), void *argument, struct cpu_fault *fault);

/* Name of an exception vector ("#PF page fault"). */
const char *cpu_exception_name(uint64_t vector);

/* What a page-fault error code says, in words. Return: buffer. */
const char *cpu_describe_page_fault(uint64_t error_code, uint64_t cr2, char *buffer, size_t capacity);

/* Return addresses from a chain of frame pointers, innermost first; stops at the first frame that is not
 * readable memory. frame_pointer 0: start at the caller. Return: how many. */
size_t cpu_backtrace(uint64_t frame_pointer, uint64_t *addresses, size_t capacity);

/* Protections this CPU has and the kernel turned on. */
struct cpu_protection {
    bool write_protect, no_execute, smep, smap, umip, global_pages, machine_check;
};
struct cpu_protection cpu_protection(void);

/* CPUID vendor (12 characters) and brand (up to 48), NUL-terminated. */
void cpu_identify(char vendor[13], char brand[49]);

/* Write the cache line that holds pointer back and drop it, so that the next read asks memory. */
void cpu_flush_line(const void *pointer);

void cpu_halt(void) NEO_NORETURN;         /* interrupts off, forever */
void cpu_triple_fault(void) NEO_NORETURN; /* the last resort of a reset */

/* ---- interrupt controllers (all must be quiet before firmware's memory is reused) -------------------- */

enum cpu_lapic_mode { CPU_LAPIC_ABSENT, CPU_LAPIC_MMIO, CPU_LAPIC_X2APIC };
/* How firmware left the local APIC; *registers: its page in MMIO mode, else 0. */
enum cpu_lapic_mode cpu_lapic_mode(phys_addr_t *registers);

/* This CPU's number in ACPI's tables, from CPUID: the x2APIC id, or the 8-bit one where there is no other. */
uint32_t cpu_apic_id(void);

/* registers: an uncached mapping of the local APIC's page, or NULL in x2APIC mode. */
void cpu_silence_lapic(volatile uint32_t *registers);
/* Send INIT to every other CPU. Return: false when this CPU is not the one to do it; nothing was sent. */
bool cpu_park_others(volatile uint32_t *registers);

/* registers: an uncached mapping of an I/O APIC. Masks every redirection entry but those that deliver an SMI. */
void cpu_mask_ioapic(volatile uint32_t *registers);

/* Virtual base of the HHDM for the page walk that the backtrace uses to stay clear of unmapped memory. */
void cpu_set_hhdm(virt_addr_t hhdm_base);

#endif
