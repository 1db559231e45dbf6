/* arch_bench.c — arch.h and physical memory for the benchmark: the thinnest machine that kernel/mm runs on.
 *
 * The harness numbers the CPUs, since its threads are new ones for each repetition. The functions cost what they cost in the
 * kernel: a load from thread-local memory for the CPU number, nothing that enters the host.
 * Locking: the arena is reserved by one thread, before others start. */

#include "arch_bench.h"

#include <neomem/arch.h>
#include <neomem/early.h>
#include <neomem/memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GARBAGE 0xa5

static const struct arch_paging_features features = {
    .no_execute = true, .pages_1g = true, .global = true, .write_combining = true, .phys_bits = PHYS_ADDR_BITS_MAX};

static _Thread_local struct {
    unsigned cpu;
    bool interrupts_disabled;
    uint64_t random_state;
} machine;

static uint64_t reserved_bytes;

void arch_bench_set_cpu(unsigned cpu)
{
    machine.cpu = cpu;
}

void arch_bench_reserve(uint64_t nbytes)
{
    if (nbytes <= reserved_bytes) {
        return;
    }
    /* An outgrown reservation costs addresses only; it is left behind. */
    void *memory =
        mmap(NULL, nbytes + PAGE_SIZE_1G, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("arena");
        exit(EXIT_FAILURE);
    }
    (void)madvise(memory, nbytes + PAGE_SIZE_1G, MADV_HUGEPAGE);
    early_set_hhdm(align_up((virt_addr_t)(uintptr_t)memory, PAGE_SIZE_1G) - ARENA_BASE);
    reserved_bytes = nbytes;
}

void arch_bench_dirty(phys_addr_t base, uint64_t nbytes)
{
    memset(phys_to_virt(base), GARBAGE, nbytes);
}

unsigned arch_cpu_id(void)
{
    return machine.cpu;
}

arch_irq_state_t arch_irq_save(void)
{
    arch_irq_state_t state = machine.interrupts_disabled ? 0 : 1;
    machine.interrupts_disabled = true;
    return state;
}

void arch_irq_restore(arch_irq_state_t state)
{
    machine.interrupts_disabled = state == 0;
}

void arch_cpu_relax(void)
{
    __builtin_ia32_pause();
}

uint64_t arch_cycles(void)
{
    return __builtin_ia32_rdtsc();
}

const struct arch_paging_features *arch_paging_features(void)
{
    return &features;
}

/* No page tables here: nothing to flush. */
void arch_tlb_flush_page(virt_addr_t va)
{
    (void)va;
}

void arch_tlb_flush_all(void)
{
}

phys_addr_t arch_page_root(void)
{
    return 0;
}

void arch_set_page_root(phys_addr_t root)
{
    (void)root;
}

uint64_t arch_random(void)
{
    machine.random_state += 0x9e3779b97f4a7c15ull;
    uint64_t z = machine.random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    return z ^ (z >> 27);
}
