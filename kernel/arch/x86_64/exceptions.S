/* exceptions.S — one entry point for each of the 32 exception vectors, and one for everything else.
 *
 * Each brings the stack into one shape, struct exception_frame of exceptions.h, lowest address first:
 *   r15 … rax, vector, error code (0 where the CPU pushes none), rip, cs, rflags, rsp, ss
 * and calls exception_handler(frame). What the handler changed in the frame takes effect at iretq. */

    .macro exception_entry vector, has_error_code
    .balign 16
exception_entry_\vector:
    .if \has_error_code == 0
    push $0
    .endif
    push $\vector
    jmp exception_common
    .endm

    .text
    .balign 16
exception_common:
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    /* The handler's frame pointer chain starts afresh: the dump walks from the interrupted RBP. */
    mov %rsp, %rbx
    and $-16, %rsp
    call exception_handler
    mov %rbx, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq

    /* Intel SDM vol. 3A table 6-1: 8, 10-14, 17, 21, 29 and 30 push an error code. */
    .irp vector, 0,1,2,3,4,5,6,7,9,15,16,18,19,20,22,23,24,25,26,27,28,31,32
    exception_entry \vector, 0
    .endr
    .irp vector, 8,10,11,12,13,14,17,21,29,30
    exception_entry \vector, 1
    .endr

    .section .data.rel.ro, "aw", @progbits
    .balign 8
    .globl exception_entries
    .hidden exception_entries
exception_entries:
    .irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32
    .quad exception_entry_\vector
    .endr

    .section .note.GNU-stack, "", @progbits
