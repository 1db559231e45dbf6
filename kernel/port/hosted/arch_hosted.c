/* arch_hosted.c — arch.h for a Linux process: every thread is a CPU; flushes and root switches are written down.
 *
 * Locking: the records belong to tests, which run the page-table code on one thread; counters are atomic where any thread
 * may touch them (CPU numbers, random draws). */

#include <neomem/arch.h>
#include <neomem/hosted.h>
#include <neomem/panic.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic unsigned cpus_seen;
static _Thread_local unsigned cpu_number_plus_1;
static _Thread_local bool interrupts_disabled;

static const struct arch_paging_features all_features = {
    .no_execute = true, .pages_1g = true, .global = true, .write_combining = true, .phys_bits = PHYS_ADDR_BITS_MAX};

static struct {
    struct arch_paging_features features;
    bool has_features;
    phys_addr_t root;
    struct hosted_tlb_record tlb;
    void (*tlb_observer)(void);
} machine;

static _Atomic uint64_t random_state;

/* A panic before neomem_hosted_init (say, of an allocator without memory) must end the process, too. */
__attribute__((constructor)) static void end_panics(void)
{
    static const struct panic_hooks abort_hooks = {.stop = abort};
    panic_set_hooks(&abort_hooks);
}

unsigned arch_cpu_id(void)
{
    if (cpu_number_plus_1 == 0) {
        cpu_number_plus_1 = atomic_fetch_add(&cpus_seen, 1) + 1;
    }
    return cpu_number_plus_1 - 1;
}

void hosted_set_cpu(unsigned number)
{
    unsigned seen = atomic_load(&cpus_seen);
    while (seen <= number && !atomic_compare_exchange_weak(&cpus_seen, &seen, number + 1)) {
    }
    cpu_number_plus_1 = number + 1;
}

arch_irq_state_t arch_irq_save(void)
{
    arch_irq_state_t state = interrupts_disabled ? 0 : 1;
    interrupts_disabled = true;
    return state;
}

void arch_irq_restore(arch_irq_state_t state)
{
    interrupts_disabled = state == 0;
}

bool hosted_interrupts_enabled(void)
{
    return !interrupts_disabled;
}

void arch_cpu_relax(void)
{
    /* Threads outnumber cores here: spinning for a holder that is not running would waste its time slice. */
    (void)sched_yield();
}

uint64_t arch_cycles(void)
{
    return __builtin_ia32_rdtsc();
}

const struct arch_paging_features *arch_paging_features(void)
{
    return machine.has_features ? &machine.features : &all_features;
}

void hosted_set_paging_features(const struct arch_paging_features *features)
{
    machine.features = *features;
    machine.has_features = true;
}

void arch_tlb_flush_page(virt_addr_t va)
{
    if (machine.tlb_observer != NULL) {
        machine.tlb_observer();
    }
    if (machine.tlb.page_flushes < HOSTED_TLB_PAGES) {
        machine.tlb.pages[machine.tlb.page_flushes] = va;
    }
    machine.tlb.page_flushes++;
}

void arch_tlb_flush_all(void)
{
    if (machine.tlb_observer != NULL) {
        machine.tlb_observer();
    }
    machine.tlb.full_flushes++;
}

phys_addr_t arch_page_root(void)
{
    return machine.root;
}

void arch_set_page_root(phys_addr_t root)
{
    machine.root = root;
    machine.tlb.root_switches++;
}

void hosted_tlb_clear(void)
{
    memset(&machine.tlb, 0, sizeof(machine.tlb));
}

const struct hosted_tlb_record *hosted_tlb(void)
{
    return &machine.tlb;
}

void hosted_tlb_set_observer(void (*observer)(void))
{
    machine.tlb_observer = observer;
}

void hosted_seed_random(uint64_t seed)
{
    atomic_store(&random_state, seed);
}

uint64_t arch_random(void)
{
    /* SplitMix64 (Steele, Lea, Flood 2014): any number of threads may draw, a seed repeats the sequence. */
    uint64_t z = atomic_fetch_add(&random_state, 0x9e3779b97f4a7c15ull) + 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
