/* x86.h — the inline assembly of the kernel, in one place, and the names of control bits.
 * Private to kernel/arch/x86_64. Source: Intel SDM vol. 3A chapters 2, 4, 6, 11; vol. 4 for MSR numbers. */
#ifndef NEOMEM_ARCH_X86_H
#define NEOMEM_ARCH_X86_H

#include <neomem/compiler.h>
#include <neomem/types.h>

#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)

#define CR4_PGE (1ull << 7)
#define CR4_MCE (1ull << 6)
#define CR4_UMIP (1ull << 11)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)

#define MSR_APIC_BASE 0x1Bu
#define MSR_MCG_STATUS 0x17Au
#define MSR_PAT 0x277u
#define MSR_EFER 0xC0000080u
#define EFER_NXE (1ull << 11)
#define APIC_BASE_ENABLE (1ull << 11)
#define APIC_BASE_X2APIC (1ull << 10)

#define SELECTOR_KERNEL_CODE 0x08u
#define SELECTOR_KERNEL_DATA 0x10u
#define SELECTOR_TSS 0x18u

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_result x86_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t x86_rdmsr(uint32_t msr)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return ((uint64_t)high << 32) | low;
}

static inline void x86_wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

#define X86_CONTROL_REGISTER(n) \
    static inline uint64_t x86_read_cr##n(void) \
    { \
        uint64_t value; \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory"); \
        return value; \
    } \
    static inline void x86_write_cr##n(uint64_t value) \
    { \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory"); \
    }
X86_CONTROL_REGISTER(0)
X86_CONTROL_REGISTER(2)
X86_CONTROL_REGISTER(3)
X86_CONTROL_REGISTER(4)

static inline void x86_invlpg(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline uint64_t x86_read_flags(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return flags;
}

static inline void x86_disable_interrupts(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void x86_enable_interrupts(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void x86_halt(void)
{
    __asm__ volatile("hlt" : : : "memory");
}

static inline void x86_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline uint64_t x86_rdtsc(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return ((uint64_t)high << 32) | low;
}

static inline void x86_store_fence(void)
{
    __asm__ volatile("sfence" : : : "memory");
}

struct NEO_PACKED descriptor_pointer {
    uint16_t limit;
    uint64_t base;
};

static inline void x86_lidt(const struct descriptor_pointer *pointer)
{
    __asm__ volatile("lidt %0" : : "m"(*pointer) : "memory");
}

static inline void x86_lgdt(const struct descriptor_pointer *pointer)
{
    __asm__ volatile("lgdt %0" : : "m"(*pointer) : "memory");
}

static inline void x86_lldt(uint16_t selector)
{
    __asm__ volatile("lldt %0" : : "r"(selector) : "memory");
}

static inline void x86_ltr(uint16_t selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

static inline void x86_breakpoint(void)
{
    __asm__ volatile("int3" : : : "memory");
}

static inline uint64_t x86_frame_pointer(void)
{
    return (uint64_t)(uintptr_t)__builtin_frame_address(0);
}

#endif
