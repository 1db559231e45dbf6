/* trampoline.S — 64-bit, paging off, final control registers, 64-bit again, kernel. See trampoline.h.
 *
 * The order is docs/takeover.md E, items 3 to 7. Nothing here is addressed absolutely: the blob runs from a copy.
 * Registers: RBX = args throughout (below 4 GiB). Upper halves of registers are undefined across the mode switch, so
 * every 64-bit value is read from args afterwards. */

#include "trampoline.h"

#define CR0_PG 0x80000000
#define CR0_CD 0x40000000
#define CR0_NW 0x20000000
#define CR4_CET_BIT 23
/* What may stay on until paging is off: PSE, PAE, MCE, OSFXSR, OSXMMEXCPT, and LA57, which cannot go before. */
#define CR4_KEEP 0x1670
#define MSR_U_CET 0x6A0
#define MSR_S_CET 0x6A2
#define MSR_PAT 0x277
#define MSR_EFER 0xC0000080

    .text
    .globl trampoline_jump
    .hidden trampoline_jump
    .type trampoline_jump, @function
trampoline_jump:
    jmp *%rdi
    .size trampoline_jump, . - trampoline_jump

    .section .rodata.trampoline, "a", @progbits
    .balign 16
    .globl trampoline_begin, trampoline_end, trampoline_enter64
    .hidden trampoline_begin, trampoline_end, trampoline_enter64
    .code64
trampoline_begin:
    /* Firmware may have indirect branch tracking on. */
    endbr64
    cli
    cld
    mov %rsi, %rbx
    lea TRAMPOLINE_PAGE_BYTES(%rbx), %rsp

    /* CET before CR4.CET, and CR4.CET before CR0.WP. The MSRs exist because CR4.CET is set. */
    mov %cr4, %rax
    bt $CR4_CET_BIT, %rax
    jnc 1f
    xor %eax, %eax
    xor %edx, %edx
    mov $MSR_S_CET, %ecx
    wrmsr
    mov $MSR_U_CET, %ecx
    wrmsr
    /* PCIDE must be off before paging is; global pages leave the TLB with PGE. */
1:  mov %cr4, %rax
    and $CR4_KEEP, %eax
    mov %rax, %cr4

    /* No IDT: firmware's handlers are gone, and a fault here shall reset the machine at once. */
    lgdt TRAMPOLINE_GDTR(%rbx)
    lidt TRAMPOLINE_IDTR(%rbx)
    lea 2f(%rip), %rax
    push $TRAMPOLINE_CODE32
    push %rax
    lretq

    .code32
2:  mov $TRAMPOLINE_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0

    mov TRAMPOLINE_CR3(%ebx), %eax
    mov %eax, %cr3
    mov TRAMPOLINE_CR4(%ebx), %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    mov TRAMPOLINE_EFER(%ebx), %eax
    xor %edx, %edx
    wrmsr

    /* PAT, by the sequence of SDM vol. 3A 12.11.8: no-fill mode and empty caches around the write. */
    mov %cr0, %eax
    or $CR0_CD, %eax
    and $~CR0_NW, %eax
    mov %eax, %cr0
    wbinvd
    mov $MSR_PAT, %ecx
    mov TRAMPOLINE_PAT_LOW(%ebx), %eax
    mov TRAMPOLINE_PAT_HIGH(%ebx), %edx
    wrmsr
    wbinvd

    mov TRAMPOLINE_CR0(%ebx), %eax
    mov %eax, %cr0
    ljmp *TRAMPOLINE_FAR64(%ebx)

    .code64
trampoline_enter64:
    mov %ebx, %ebx
    mov $TRAMPOLINE_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lldt %ax
    mov TRAMPOLINE_STACK(%rbx), %rsp
    mov TRAMPOLINE_INFO(%rbx), %rdi
    mov TRAMPOLINE_ENTRY(%rbx), %rax
    pushq $2
    popfq
    /* As if called, by nobody: a zero return address and frame pointer end a backtrace. */
    pushq $0
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    jmp *%rax
trampoline_end:

    .section .note.GNU-stack, "", @progbits
