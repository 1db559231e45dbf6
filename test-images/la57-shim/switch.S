/* switch.S: turn 5-level paging on under a running UEFI firmware.
 *
 * CR4.LA57 cannot change in long mode (Intel SDM vol. 3A, 4.10.2 and 9.8.5): leave it through a 32-bit code segment,
 * with paging off, and come back. While paging is off the code must run at its physical address below 4 GiB, so the
 * caller copies [la57_begin, la57_end) to such a page and calls the copy; everything here is position-independent.
 *
 *   void la57_begin(uint64_t pml5);     pml5: below 4 GiB; its entry 0 points to the PML4 in use
 *
 * Firmware's GDT, segments, IDT, flags and stack are as before on return; interrupts are off in between.
 */
    .text
    .globl la57_begin, la57_end

    .balign 16
la57_begin:
    pushfq
    cli
    /* The upper halves of all registers are undefined after 32-bit code: what must survive goes to memory. */
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, saved_rsp(%rip)
    sgdt saved_gdt(%rip)
    movw %cs, saved_cs(%rip)
    movl %edi, %ebx                 /* the PML5 */
    leaq gdt(%rip), %rax
    movq %rax, gdt_pointer+2(%rip)
    leaq long_mode(%rip), %rax
    movl %eax, far_target(%rip)
    leaq far_target(%rip), %rsi
    lgdt gdt_pointer(%rip)
    leaq protected_mode(%rip), %rax
    pushq $0x08
    pushq %rax
    lretq

    .code32
protected_mode:
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0                 /* paging off: EFER.LMA clears, LME stays */
    movl %cr4, %eax
    orl $0x1000, %eax
    movl %eax, %cr4                 /* LA57 */
    movl %ebx, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmp *(%esi)

    .code64
long_mode:
    movq saved_rsp(%rip), %rsp
    lgdt saved_gdt(%rip)
    movzwl saved_cs(%rip), %eax
    leaq firmware_cs(%rip), %rdx
    pushq %rax
    pushq %rdx
    lretq
firmware_cs:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popfq
    ret

    .balign 16
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff        /* 0x08: 32-bit code */
    .quad 0x00af9a000000ffff        /* 0x10: 64-bit code */
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .quad 0
far_target:
    .long 0
    .word 0x10
saved_gdt:
    .skip 10
saved_cs:
    .skip 2
    .balign 8
saved_rsp:
    .quad 0
la57_end:

    .globl cpu_has_la57, cpu_cr3, cpu_cr4
/* uint64_t cpu_has_la57(void): CPUID.(7,0):ECX[16]. */
cpu_has_la57:
    pushq %rbx
    xorl %eax, %eax
    cpuid
    cmpl $7, %eax
    movl $0, %eax
    jb 1f
    movl $7, %eax
    xorl %ecx, %ecx
    cpuid
    movl %ecx, %eax
    shrl $16, %eax
    andl $1, %eax
1:  popq %rbx
    ret

cpu_cr3:
    movq %cr3, %rax
    ret

cpu_cr4:
    movq %cr4, %rax
    ret

    .section .note.GNU-stack, "", @progbits
