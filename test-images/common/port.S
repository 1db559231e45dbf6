/* port.S: port I/O and the end of the run, for the small test programs. System V ABI.
 *
 *   void port_out8(uint16_t port, uint8_t value);
 *   uint8_t port_in8(uint16_t port);
 *   void cpu_stop(void);    does not return
 */
    .text
    .globl port_out8, port_in8, cpu_stop

port_out8:
    movl %edi, %edx
    movl %esi, %eax
    outb %al, %dx
    ret

port_in8:
    movl %edi, %edx
    xorl %eax, %eax
    inb %dx, %al
    ret

cpu_stop:
    cli
1:  hlt
    jmp 1b

    .section .note.GNU-stack, "", @progbits
