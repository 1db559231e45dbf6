/* arch.h — everything that kernel/mm may ask of the machine. kernel/arch/x86_64 implements it for real,
 * kernel/port/hosted for a Linux process. Nothing else below kernel/mm knows which of the two it runs on.
 *
 * Context: every function may be called at any interrupt level.
 * Depends on: types.h. Used by: kernel/mm, kernel/diag, kernel/drivers. */
#ifndef NEOMEM_ARCH_H
#define NEOMEM_ARCH_H

#include <neomem/compiler.h>
#include <neomem/types.h>

/* Number of the executing CPU, dense from 0. */
unsigned arch_cpu_id(void);

typedef uint64_t arch_irq_state_t;
/* Disable interrupts on this CPU. Return: the state to give to arch_irq_restore. Nests. */
arch_irq_state_t arch_irq_save(void);
void arch_irq_restore(arch_irq_state_t state);

/* Spin-wait hint. */
void arch_cpu_relax(void);

/* Time stamp counter; monotonic on one CPU. */
uint64_t arch_cycles(void);

/* What this CPU's page tables can express. */
struct arch_paging_features {
    bool no_execute;      /* EFER.NXE is on */
    bool pages_1g;        /* CPUID 8000_0001h EDX[26] */
    bool global;          /* CR4.PGE is on */
    bool write_combining; /* PAT entry 5 is WC */
    unsigned phys_bits;   /* MAXPHYADDR, 32..52 */
};
const struct arch_paging_features *arch_paging_features(void);

/* Forget one page's / every (also global) translation on this CPU. */
void arch_tlb_flush_page(virt_addr_t va);
void arch_tlb_flush_all(void);

/* Physical address of the top-level table in use; switching flushes non-global translations. */
phys_addr_t arch_page_root(void);
void arch_set_page_root(phys_addr_t root);

/* 64 random bits for placement decisions, from a generator seeded at boot (not for secrets that outlive it). */
uint64_t arch_random(void);

#endif
