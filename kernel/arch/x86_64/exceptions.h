/* exceptions.h — private to kernel/arch/x86_64: the frame that exceptions.S builds, and who handles it. */
#ifndef NEOMEM_ARCH_EXCEPTIONS_H
#define NEOMEM_ARCH_EXCEPTIONS_H

#include <neomem/types.h>

#define EXCEPTION_COUNT 32u
#define EXCEPTION_ENTRY_COUNT 33u /* the last one serves vectors 32..255, which nobody has enabled */

enum exception_vector {
    EXCEPTION_NMI = 2,
    EXCEPTION_DOUBLE_FAULT = 8,
    EXCEPTION_PAGE_FAULT = 14,
    EXCEPTION_MACHINE_CHECK = 18,
};

/* Interrupt stack table slots of the TSS, 1-based as the IDT wants them. */
enum exception_stack {
    IST_DOUBLE_FAULT = 1,
    IST_NMI = 2,
    IST_MACHINE_CHECK = 3,
};

struct exception_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

extern const uint64_t exception_entries[EXCEPTION_ENTRY_COUNT];

void exception_handler(struct exception_frame *frame);

/* descriptors.c */
void descriptors_init(void);

/* cpu_try's state on this CPU: whether a fault is expected. entry.S defines the two functions. */
bool cpu_try_call(void (*function)(void *argument), void *argument, uint64_t *saved_rsp);
void cpu_try_recover(void);

#endif
