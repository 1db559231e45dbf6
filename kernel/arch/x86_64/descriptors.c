/* descriptors.c — GDT, TSS and IDT of the boot CPU.
 *
 * #DF, NMI and #MC run on stacks of their own (IST), because each can strike when RSP is worthless. Until
 * memory management is up these are small stacks in .bss; cpu_set_exception_stacks replaces them by
 * guarded ones. All gates are interrupt gates, DPL 0. Source: Intel SDM vol. 3A 3.4, 6.14, 7.7. */

#include "exceptions.h"
#include "x86.h"

#include <neomem/compiler.h>
#include <neomem/cpu.h>

struct NEO_PACKED task_state_segment {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
};

struct idt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

#define IDT_GATES 256u
#define GATE_INTERRUPT_PRESENT 0x8Eu
#define BOOT_EXCEPTION_STACK_BYTES 4096u

#define GDT_CODE64 0x00AF9B000000FFFFull
#define GDT_DATA 0x00CF93000000FFFFull
#define GDT_TSS_AVAILABLE 0x89ull

static struct {
    uint64_t gdt[5]; /* null, code, data, TSS (two slots) */
    struct task_state_segment tss;
    struct idt_gate idt[IDT_GATES] NEO_ALIGNED(16);
    uint8_t stacks[3][BOOT_EXCEPTION_STACK_BYTES] NEO_ALIGNED(16);
} tables;

static void load_code_and_data_selectors(void)
{
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %1, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs\n\t"
                     :
                     : "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA)
                     : "rax", "memory");
}

static void init_gdt(void)
{
    uint64_t tss = (uint64_t)(uintptr_t)&tables.tss;
    uint64_t limit = sizeof(tables.tss) - 1;

    tables.gdt[1] = GDT_CODE64;
    tables.gdt[2] = GDT_DATA;
    tables.gdt[3] = limit | ((tss & 0xFFFFFFull) << 16) | (GDT_TSS_AVAILABLE << 40) | (((tss >> 24) & 0xFFull) << 56);
    tables.gdt[4] = tss >> 32;
    tables.tss.io_map_base = sizeof(tables.tss);

    struct descriptor_pointer pointer = {sizeof(tables.gdt) - 1, (uint64_t)(uintptr_t)tables.gdt};
    x86_lgdt(&pointer);
    load_code_and_data_selectors();
    x86_lldt(0);
    x86_ltr(SELECTOR_TSS);
}

static uint8_t ist_of(uint64_t vector)
{
    switch (vector) {
    case EXCEPTION_DOUBLE_FAULT:
        return IST_DOUBLE_FAULT;
    case EXCEPTION_NMI:
        return IST_NMI;
    case EXCEPTION_MACHINE_CHECK:
        return IST_MACHINE_CHECK;
    default:
        return 0;
    }
}

static void init_idt(void)
{
    for (uint64_t vector = 0; vector < IDT_GATES; vector++) {
        uint64_t entry = exception_entries[vector < EXCEPTION_COUNT ? vector : EXCEPTION_ENTRY_COUNT - 1];
        tables.idt[vector] = (struct idt_gate){
            .offset_low = (uint16_t)entry,
            .selector = SELECTOR_KERNEL_CODE,
            .ist = ist_of(vector),
            .type = GATE_INTERRUPT_PRESENT,
            .offset_middle = (uint16_t)(entry >> 16),
            .offset_high = (uint32_t)(entry >> 32),
        };
    }
    struct descriptor_pointer pointer = {sizeof(tables.idt) - 1, (uint64_t)(uintptr_t)tables.idt};
    x86_lidt(&pointer);
}

void descriptors_init(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(tables.stacks); i++) {
        tables.tss.ist[i] = (uint64_t)(uintptr_t)(tables.stacks[i] + BOOT_EXCEPTION_STACK_BYTES);
    }
    init_gdt();
    init_idt();
}

void cpu_set_exception_stacks(virt_addr_t double_fault, virt_addr_t nmi, virt_addr_t machine_check)
{
    tables.tss.ist[IST_DOUBLE_FAULT - 1] = double_fault;
    tables.tss.ist[IST_NMI - 1] = nmi;
    tables.tss.ist[IST_MACHINE_CHECK - 1] = machine_check;
}

void cpu_triple_fault(void)
{
    struct descriptor_pointer nothing = {0, 0};
    x86_lidt(&nothing);
    for (;;) {
        x86_breakpoint();
    }
}
