/* entry.S — where the loader enters (boot_info.h describes the state), and the two ways to leave a stack.
 * The boot stack is in .bss: it is the kernel's own, so the loader's memory holds nothing that runs. */

    .text
    .globl kernel_entry
    .hidden kernel_entry
    .type kernel_entry, @function
kernel_entry:
    cli
    cld
    lea boot_stack_top(%rip), %rsp
    /* A zero return address and frame pointer end every backtrace. */
    xor %ebp, %ebp
    push %rbp
    push %rbp
    mov %rsp, %rbp
    call kernel_main
1:  cli
    hlt
    jmp 1b
    .size kernel_entry, . - kernel_entry

/* void cpu_switch_stack(virt_addr_t stack_top, void (*function)(void)) */
    .globl cpu_switch_stack
    .hidden cpu_switch_stack
    .type cpu_switch_stack, @function
cpu_switch_stack:
    mov %rdi, %rsp
    xor %ebp, %ebp
    push %rbp
    push %rbp
    mov %rsp, %rbp
    call *%rsi
1:  cli
    hlt
    jmp 1b
    .size cpu_switch_stack, . - cpu_switch_stack

/* bool cpu_try_call(void (*function)(void *), void *argument, uint64_t *saved_rsp)
 * Saves what the ABI preserves on the stack, publishes RSP in *saved_rsp, and calls. An exception handler
 * that finds the try active returns to cpu_try_recover with RSP = *saved_rsp. */
    .globl cpu_try_call
    .hidden cpu_try_call
    .type cpu_try_call, @function
cpu_try_call:
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    mov %rsp, (%rdx)
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    xor %eax, %eax
    jmp 1f
    .globl cpu_try_recover
    .hidden cpu_try_recover
cpu_try_recover:
    mov $1, %eax
1:  add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size cpu_try_call, . - cpu_try_call

    .bss
    .balign 4096
boot_stack:
    .skip 32768
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
