/* machine.c — CPU facts; see machine.h. Source: Intel SDM vol. 2 CPUID, vol. 3A 2.5, vol. 4; AMD APM vol. 2 3.1.7. */
#include "machine.h"

#include "bytes.h"
#include "cpu.h"
#include "firmware.h"

#define CR4_LA57 (1ull << 12)
#define MISC_ENABLE_XD_DISABLE (1ull << 34)

#define CPUID_1_ECX_RDRAND (1u << 30)
#define CPUID_1_EDX_MTRR (1u << 12)
#define CPUID_1_EDX_APIC (1u << 9)
#define CPUID_1_EDX_PAT (1u << 16)
#define CPUID_7_EBX_RDSEED (1u << 18)
#define CPUID_EXT1_EDX_NX (1u << 20)
#define CPUID_EXT1_EDX_PAGE1G (1u << 26)

#define TSC_HZ_MIN 10000000ull /* below and above these a measurement is nonsense */
#define TSC_HZ_MAX 20000000000ull
#define STALL_MICROSECONDS 1000u
#define STALL_ROUNDS 2u

static uint32_t basic_leaves(struct cpu_cpuid *leaf0)
{
    cpu_cpuid(0, 0, leaf0);
    return leaf0->eax;
}

static bool is_vendor(const struct cpu_cpuid *leaf0, const char name[12])
{
    char text[12];

    memcpy(text, &leaf0->ebx, 4);
    memcpy(text + 4, &leaf0->edx, 4);
    memcpy(text + 8, &leaf0->ecx, 4);
    return memcmp(text, name, sizeof text) == 0;
}

static void record_entry_state(struct machine *machine, const struct cpu_cpuid *leaf1)
{
    struct boot_cpu_state *state = &machine->entry;

    state->cr0 = cpu_read_cr0();
    state->cr3 = cpu_read_cr3();
    state->cr4 = cpu_read_cr4();
    state->rflags = cpu_read_flags();
    state->efer = cpu_read_msr(CPU_MSR_EFER);
    state->pat = (leaf1->edx & CPUID_1_EDX_PAT) != 0 ? cpu_read_msr(CPU_MSR_PAT) : 0;
    state->apic_base = (leaf1->edx & CPUID_1_EDX_APIC) != 0 ? cpu_read_msr(CPU_MSR_APIC_BASE) : 0;
    state->mtrr_def_type = (leaf1->edx & CPUID_1_EDX_MTRR) != 0 ? cpu_read_msr(CPU_MSR_MTRR_DEF_TYPE) : 0;
    machine->entry_levels = (state->cr4 & CR4_LA57) != 0 ? 5 : 4;
}

/* Some firmware set-ups hide the no-execute bit of Intel CPUs behind an MSR (docs/takeover.md E6). */
static bool unhide_no_execute(const struct cpu_cpuid *leaf0)
{
    struct cpu_cpuid ext1;
    uint64_t misc;

    if (!is_vendor(leaf0, "GenuineIntel")) {
        return false;
    }
    misc = cpu_read_msr(CPU_MSR_MISC_ENABLE);
    if ((misc & MISC_ENABLE_XD_DISABLE) == 0) {
        return false;
    }
    cpu_write_msr(CPU_MSR_MISC_ENABLE, misc & ~MISC_ENABLE_XD_DISABLE);
    cpu_cpuid(0x80000001, 0, &ext1);
    return (ext1.edx & CPUID_EXT1_EDX_NX) != 0;
}

void machine_describe(struct machine *machine)
{
    struct cpu_cpuid leaf0;
    struct cpu_cpuid leaf;
    uint32_t last = basic_leaves(&leaf0);
    uint32_t last_extended;

    machine->is_amd = is_vendor(&leaf0, "AuthenticAMD") || is_vendor(&leaf0, "HygonGenuine");
    cpu_cpuid(1, 0, &leaf);
    record_entry_state(machine, &leaf);
    machine->has_rdrand = (leaf.ecx & CPUID_1_ECX_RDRAND) != 0;
    machine->has_rdseed = false;
    if (last >= 7) {
        cpu_cpuid(7, 0, &leaf);
        machine->has_rdseed = (leaf.ebx & CPUID_7_EBX_RDSEED) != 0;
    }
    cpu_cpuid(0x80000000, 0, &leaf);
    last_extended = leaf.eax;
    cpu_cpuid(0x80000001, 0, &leaf);
    machine->has_no_execute = (leaf.edx & CPUID_EXT1_EDX_NX) != 0 || unhide_no_execute(&leaf0);
    machine->has_pages_1g = (leaf.edx & CPUID_EXT1_EDX_PAGE1G) != 0;
    machine->phys_bits = 36; /* SDM vol. 3A 4.1.4: without the leaf, but with PAE */
    if (last_extended >= 0x80000008) {
        cpu_cpuid(0x80000008, 0, &leaf);
        machine->phys_bits = leaf.eax & 0xFF;
    }
    if (machine->phys_bits < 32) {
        machine->phys_bits = 32;
    } else if (machine->phys_bits > PHYS_ADDR_BITS_MAX) {
        machine->phys_bits = PHYS_ADDR_BITS_MAX;
    }
}

/* The rate as the CPU states it (CPUID 15h, 16h), or 0. */
static uint64_t stated_hz(void)
{
    struct cpu_cpuid leaf;
    uint32_t last = basic_leaves(&leaf);
    struct cpu_cpuid ratio = {0};

    if (last >= 0x15) {
        cpu_cpuid(0x15, 0, &ratio);
        if (ratio.eax != 0 && ratio.ebx != 0 && ratio.ecx != 0) {
            return (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
        }
    }
    if (last >= 0x16 && ratio.eax != 0 && ratio.ebx != 0) {
        /* Crystal clock not stated: the TSC runs at the base frequency then. */
        cpu_cpuid(0x16, 0, &leaf);
        return (uint64_t)(leaf.eax & 0xFFFF) * 1000000u;
    }
    return 0;
}

static uint64_t plausible(uint64_t hz)
{
    return hz >= TSC_HZ_MIN && hz <= TSC_HZ_MAX ? hz : 0;
}

uint64_t machine_tsc_hz(void)
{
    uint64_t hz = plausible(stated_hz());
    uint64_t least = UINT64_MAX;

    if (hz != 0) {
        return hz;
    }
    /* Stall waits at least as long as asked: the shortest of several is the nearest to the truth. */
    for (unsigned round = 0; round < STALL_ROUNDS; round++) {
        uint64_t start = cpu_tsc();
        if (!firmware_stall(STALL_MICROSECONDS)) {
            return 0;
        }
        least = min_u64(least, cpu_tsc() - start);
    }
    if (__builtin_mul_overflow(least, 1000000u / STALL_MICROSECONDS, &hz)) {
        return 0;
    }
    return plausible(hz);
}
