/* cpu.S — the functions of cpu.h; System V ABI. Source: Intel SDM vol. 2. */

    .macro FUNCTION name
    .globl \name
    .hidden \name
    .type \name, @function
    .balign 16
\name:
    .endm

    .macro END name
    .size \name, . - \name
    .endm

    .text

FUNCTION cpu_cpuid
    push %rbx
    mov %rdx, %r8
    mov %edi, %eax
    mov %esi, %ecx
    cpuid
    mov %eax, (%r8)
    mov %ebx, 4(%r8)
    mov %ecx, 8(%r8)
    mov %edx, 12(%r8)
    pop %rbx
    ret
END cpu_cpuid

FUNCTION cpu_tsc
    /* RDTSC alone may run ahead of loads before it; LFENCE waits for them (SDM: RDTSC). */
    lfence
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    ret
END cpu_tsc

FUNCTION cpu_read_msr
    mov %edi, %ecx
    rdmsr
    shl $32, %rdx
    or %rdx, %rax
    ret
END cpu_read_msr

FUNCTION cpu_write_msr
    mov %edi, %ecx
    mov %esi, %eax
    mov %rsi, %rdx
    shr $32, %rdx
    wrmsr
    ret
END cpu_write_msr

FUNCTION cpu_read_cr0
    mov %cr0, %rax
    ret
END cpu_read_cr0

FUNCTION cpu_read_cr3
    mov %cr3, %rax
    ret
END cpu_read_cr3

FUNCTION cpu_read_cr4
    mov %cr4, %rax
    ret
END cpu_read_cr4

FUNCTION cpu_read_flags
    pushfq
    pop %rax
    ret
END cpu_read_flags

FUNCTION cpu_rdrand
    rdrand %rax
    jnc 1f
    mov %rax, (%rdi)
    mov $1, %eax
    ret
1:  xor %eax, %eax
    ret
END cpu_rdrand

FUNCTION cpu_rdseed
    rdseed %rax
    jnc 1f
    mov %rax, (%rdi)
    mov $1, %eax
    ret
1:  xor %eax, %eax
    ret
END cpu_rdseed

FUNCTION cpu_in8
    mov %edi, %edx
    xor %eax, %eax
    in %dx, %al
    ret
END cpu_in8

FUNCTION cpu_out8
    mov %edi, %edx
    mov %esi, %eax
    out %al, %dx
    ret
END cpu_out8

FUNCTION cpu_out32
    mov %edi, %edx
    mov %esi, %eax
    out %eax, %dx
    ret
END cpu_out32

FUNCTION cpu_pause
    pause
    ret
END cpu_pause

FUNCTION cpu_interrupts_off
    cli
    cld
    ret
END cpu_interrupts_off

FUNCTION cpu_stop
    cli
1:  hlt
    jmp 1b
END cpu_stop

    .section .note.GNU-stack, "", @progbits
