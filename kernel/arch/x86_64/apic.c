/* apic.c — silencing interrupt controllers and parking the other CPUs.
 *
 * Firmware may leave timers armed, and its other CPUs in a wait loop inside boot-services memory. Before that
 * memory is reused every other CPU gets INIT: it then waits for a start-up IPI, inside itself, touching no
 * memory (Intel SDM vol. 3A 9.4). The LVT of LINT1 stays open: that is where a platform NMI (often a
 * memory error) arrives, and the kernel has a stack and a report for it. */

#include "x86.h"

#include <neomem/compiler.h>
#include <neomem/cpu.h>
#include <neomem/io.h>

#define LAPIC_VERSION 0x30u
#define LAPIC_LVT_CMCI 0x2F0u
#define LAPIC_ICR_LOW 0x300u
#define LAPIC_ICR_HIGH 0x310u
#define LAPIC_LVT_TIMER 0x320u
#define LAPIC_LVT_THERMAL 0x330u
#define LAPIC_LVT_COUNTER 0x340u
#define LAPIC_LVT_LINT0 0x350u
#define LAPIC_LVT_ERROR 0x370u
#define LVT_MASKED (1u << 16)
#define DELIVERY_SMI 2u
#define ICR_INIT_ALL_BUT_SELF 0x000C4500u /* INIT, assert, edge, shorthand: all excluding self */
#define ICR_PENDING (1u << 12)
#define X2APIC_MSR_BASE 0x800u
#define X2APIC_MSR_ICR 0x830u
#define APIC_BASE_BSP (1ull << 8)
#define CPUID_TOPOLOGY 0x0Bu

#define IOAPIC_SELECT 0u
#define IOAPIC_WINDOW 4u /* in 32-bit words */
#define IOAPIC_VERSION 1u
#define IOAPIC_REDIRECTION 0x10u

enum cpu_lapic_mode cpu_lapic_mode(phys_addr_t *registers)
{
    *registers = 0;
    if ((x86_cpuid(1, 0).edx & (1u << 9)) == 0) {
        return CPU_LAPIC_ABSENT;
    }
    uint64_t base = x86_rdmsr(MSR_APIC_BASE);
    if ((base & APIC_BASE_ENABLE) == 0) {
        return CPU_LAPIC_ABSENT;
    }
    if (base & APIC_BASE_X2APIC) {
        return CPU_LAPIC_X2APIC;
    }
    *registers = base & 0x000FFFFFFFFFF000ull;
    return CPU_LAPIC_MMIO;
}

uint32_t cpu_apic_id(void)
{
    /* Leaf 0Bh counts only when its first level has threads (SDM vol. 2A, CPUID). */
    if (x86_cpuid(0, 0).eax >= CPUID_TOPOLOGY) {
        struct cpuid_result level = x86_cpuid(CPUID_TOPOLOGY, 0);
        if ((level.ebx & 0xFFFFu) != 0) {
            return level.edx;
        }
    }
    return x86_cpuid(1, 0).ebx >> 24;
}

static uint32_t lapic_read(volatile uint32_t *registers, uint32_t offset)
{
    return registers != NULL ? registers[offset / 4] : (uint32_t)x86_rdmsr(X2APIC_MSR_BASE + offset / 16);
}

static void lapic_write(volatile uint32_t *registers, uint32_t offset, uint32_t value)
{
    if (registers != NULL) {
        registers[offset / 4] = value;
    } else {
        x86_wrmsr(X2APIC_MSR_BASE + offset / 16, value);
    }
}

/* System management interrupts belong to firmware for good: thermal control and emulated keyboards live on them. */
static bool delivers_smi(uint32_t entry)
{
    return ((entry >> 8) & 7u) == DELIVERY_SMI;
}

void cpu_silence_lapic(volatile uint32_t *registers)
{
    /* The number of LVT entries says which of these registers exist (SDM vol. 3A 11.4.8). */
    static const struct {
        uint16_t offset;
        uint16_t needs_max_lvt;
    } entries[] = {
        {LAPIC_LVT_TIMER, 0},   {LAPIC_LVT_LINT0, 0},   {LAPIC_LVT_ERROR, 3},
        {LAPIC_LVT_COUNTER, 4}, {LAPIC_LVT_THERMAL, 5}, {LAPIC_LVT_CMCI, 6},
    };
    uint32_t max_lvt = (lapic_read(registers, LAPIC_VERSION) >> 16) & 0xFF;

    for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
        if (entries[i].needs_max_lvt > max_lvt) {
            continue;
        }
        uint32_t value = lapic_read(registers, entries[i].offset);
        if (!delivers_smi(value)) {
            lapic_write(registers, entries[i].offset, value | LVT_MASKED);
        }
    }
}

bool cpu_park_others(volatile uint32_t *registers)
{
    if ((x86_rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP) == 0) {
        return false; /* an INIT from here would reach the CPU that the platform considers its first */
    }
    if (registers == NULL) {
        x86_wrmsr(X2APIC_MSR_ICR, ICR_INIT_ALL_BUT_SELF);
    } else {
        registers[LAPIC_ICR_HIGH / 4] = 0;
        registers[LAPIC_ICR_LOW / 4] = ICR_INIT_ALL_BUT_SELF;
        for (unsigned turn = 0; turn < 1000 && (registers[LAPIC_ICR_LOW / 4] & ICR_PENDING); turn++) {
            arch_delay_us(1);
        }
    }
    arch_delay_us(200);
    return true;
}

void cpu_mask_ioapic(volatile uint32_t *registers)
{
    registers[IOAPIC_SELECT] = IOAPIC_VERSION;
    uint32_t last = (registers[IOAPIC_WINDOW] >> 16) & 0xFF;

    for (uint32_t entry = 0; entry <= last; entry++) {
        registers[IOAPIC_SELECT] = IOAPIC_REDIRECTION + 2 * entry;
        uint32_t value = registers[IOAPIC_WINDOW];
        if (!delivers_smi(value)) {
            registers[IOAPIC_WINDOW] = value | LVT_MASKED;
        }
    }
}
