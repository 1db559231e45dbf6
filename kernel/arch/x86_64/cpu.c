/* cpu.c — control registers, features, time, ports: the processor as arch.h, io.h and cpu.h describe it.
 *
 * The loader hands over with a minimal, known CR0/CR4/EFER; cpu_init turns on every protection that CPUID
 * offers. A CR4 bit is never set without its CPUID bit (on real CPUs that is #GP, some emulators hang). */

#include "exceptions.h"
#include "x86.h"

#include <neomem/arch.h>
#include <neomem/cpu.h>
#include <neomem/io.h>
#include <neomem/random.h>
#include <neomem/string.h>

/* Until the rate is known assume a fast clock, so that bounded waits err on the long side. */
#define TSC_HZ_GUESS 5000000000ull
#define DELAY_TURNS_PER_US 20000ull

static struct {
    struct arch_paging_features paging;
    struct cpu_protection protection;
    uint64_t tsc_hz;
} cpu = {.tsc_hz = TSC_HZ_GUESS};

/* ---- start-up ------------------------------------------------------------------------------------- */

static void enable_protections(void)
{
    uint32_t top = x86_cpuid(0, 0).eax;
    struct cpuid_result basic = x86_cpuid(1, 0);
    struct cpuid_result structured = top >= 7 ? x86_cpuid(7, 0) : (struct cpuid_result){0, 0, 0, 0};
    uint64_t cr4 = x86_read_cr4();
    struct cpu_protection *p = &cpu.protection;

    p->global_pages = (basic.edx & (1u << 13)) != 0;
    p->machine_check = (basic.edx & (1u << 7)) != 0;
    p->smep = (structured.ebx & (1u << 7)) != 0;
    p->smap = (structured.ebx & (1u << 20)) != 0;
    p->umip = (structured.ecx & (1u << 2)) != 0;
    cr4 |= (p->global_pages ? CR4_PGE : 0) | (p->machine_check ? CR4_MCE : 0) | (p->smep ? CR4_SMEP : 0) |
           (p->smap ? CR4_SMAP : 0) | (p->umip ? CR4_UMIP : 0);
    if (p->machine_check && (basic.edx & (1u << 14)) != 0) {
        /* A machine check still marked in progress would turn the next one into a silent shutdown (SDM vol. 3B 16.3.1.2). */
        x86_wrmsr(MSR_MCG_STATUS, 0);
    }
    x86_write_cr4(cr4);

    uint64_t cr0 = x86_read_cr0();
    x86_write_cr0((cr0 | CR0_WP | CR0_NE | CR0_MP) & ~(CR0_AM | CR0_NW | CR0_CD | CR0_EM | CR0_TS));
    p->write_protect = (x86_read_cr0() & CR0_WP) != 0;
    p->no_execute = (x86_rdmsr(MSR_EFER) & EFER_NXE) != 0;
}

static void read_paging_features(void)
{
    struct arch_paging_features *f = &cpu.paging;
    uint32_t top = x86_cpuid(0x80000000u, 0).eax;
    uint32_t extended = top >= 0x80000001u ? x86_cpuid(0x80000001u, 0).edx : 0;

    f->no_execute = cpu.protection.no_execute;
    f->pages_1g = (extended & (1u << 26)) != 0;
    f->global = cpu.protection.global_pages;
    f->write_combining = (x86_cpuid(1, 0).edx & (1u << 16)) != 0 && ((x86_rdmsr(MSR_PAT) >> 40) & 7) == 1;
    f->phys_bits = top >= 0x80000008u ? (x86_cpuid(0x80000008u, 0).eax & 0xFFu) : 36;
    if (f->phys_bits < 32 || f->phys_bits > PHYS_ADDR_BITS_MAX) {
        f->phys_bits = 36;
    }
}

/* Both 8259s: no interrupt may arrive from hardware that firmware had set up. */
static void mask_legacy_interrupts(void)
{
    arch_out8(0x21, 0xFF);
    arch_out8(0xA1, 0xFF);
}

void cpu_init(void)
{
    x86_disable_interrupts();
    descriptors_init();
    enable_protections();
    read_paging_features();
    mask_legacy_interrupts();
}

struct cpu_protection cpu_protection(void)
{
    return cpu.protection;
}

static void store_text(char *out, const uint32_t *registers, size_t count)
{
    memcpy(out, registers, count * sizeof(uint32_t));
    out[count * sizeof(uint32_t)] = '\0';
}

void cpu_identify(char vendor[13], char brand[49])
{
    struct cpuid_result v = x86_cpuid(0, 0);
    store_text(vendor, (const uint32_t[]){v.ebx, v.edx, v.ecx}, 3);
    brand[0] = '\0';
    if (x86_cpuid(0x80000000u, 0).eax < 0x80000004u) {
        return;
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid_result b = x86_cpuid(0x80000002u + i, 0);
        store_text(brand + (size_t)16 * i, (const uint32_t[]){b.eax, b.ebx, b.ecx, b.edx}, 4);
    }
}

/* CLFLUSH is part of every x86-64 CPU with SSE2, that is of every one. */
void cpu_flush_line(const void *pointer)
{
    __asm__ volatile("mfence; clflush (%0); mfence" : : "r"(pointer) : "memory");
}

void cpu_halt(void)
{
    for (;;) {
        x86_disable_interrupts();
        x86_halt();
    }
}

/* ---- arch.h --------------------------------------------------------------------------------------- */

unsigned arch_cpu_id(void)
{
    return 0; /* one CPU runs kernel code: cpu_park_others leaves all others waiting for a start-up IPI */
}

arch_irq_state_t arch_irq_save(void)
{
    arch_irq_state_t state = x86_read_flags() & (1ull << 9);
    x86_disable_interrupts();
    return state;
}

void arch_irq_restore(arch_irq_state_t state)
{
    if (state != 0) {
        x86_enable_interrupts();
    }
}

void arch_cpu_relax(void)
{
    x86_pause();
}

uint64_t arch_cycles(void)
{
    return x86_rdtsc();
}

const struct arch_paging_features *arch_paging_features(void)
{
    return &cpu.paging;
}

void arch_tlb_flush_page(virt_addr_t va)
{
    x86_invlpg(va);
}

/* Reloading CR3 keeps global translations; toggling CR4.PGE drops all (SDM vol. 3A 4.10.4.1). */
void arch_tlb_flush_all(void)
{
    uint64_t cr4 = x86_read_cr4();
    if (cr4 & CR4_PGE) {
        x86_write_cr4(cr4 & ~CR4_PGE);
        x86_write_cr4(cr4);
    } else {
        x86_write_cr3(x86_read_cr3());
    }
}

phys_addr_t arch_page_root(void)
{
    return x86_read_cr3() & 0x000FFFFFFFFFF000ull;
}

void arch_set_page_root(phys_addr_t root)
{
    x86_write_cr3(root);
}

uint64_t arch_random(void)
{
    return random_u64();
}

/* ---- io.h ----------------------------------------------------------------------------------------- */

uint8_t arch_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

uint16_t arch_in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

uint32_t arch_in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

void arch_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

void arch_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

void arch_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

uint64_t arch_tsc_hz(void)
{
    return cpu.tsc_hz;
}

void arch_set_tsc_hz(uint64_t hz)
{
    if (hz != 0) {
        cpu.tsc_hz = hz;
    }
}

void arch_delay_us(unsigned microseconds)
{
    uint64_t start = x86_rdtsc();
    uint64_t ticks = cpu.tsc_hz / 1000000 * microseconds;
    /* The turn limit ends the wait even where the TSC stands still. */
    for (uint64_t turn = 0; turn < DELAY_TURNS_PER_US * microseconds && x86_rdtsc() - start < ticks; turn++) {
        x86_pause();
    }
}

void arch_store_fence(void)
{
    x86_store_fence();
}
