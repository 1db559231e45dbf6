/* uart.c — probing, set-up and polled transfer of a 16550. */
#include "uart.h"

#include <neomem/io.h>

enum uart_register {
    UART_DATA = 0, /* RBR and THR; DLL while LCR_DLAB is set */
    UART_IER = 1,  /* DLM while LCR_DLAB is set */
    UART_FCR = 2,  /* write; IIR when read */
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCRATCH = 7,
};

#define FCR_ENABLE_AND_CLEAR 0x07u
#define IIR_FIFO_WORKS 0xc0u
#define LCR_8N1 0x03u
#define LCR_DLAB 0x80u
#define MCR_DTR 0x01u
#define MCR_RTS 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define LSR_DATA_READY 0x01u
#define LSR_RECEIVE_ERRORS 0x1eu /* overrun, parity, framing, break */
#define LSR_OVERRUN 0x02u
#define LSR_THR_EMPTY 0x20u
#define LSR_ALL_SENT 0x40u
#define MSR_LINES 0xf0u
#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_RI 0x40u
#define MSR_DCD 0x80u

#define ABSENT 0xffu
#define FIFO_BYTES 16u

/* 16 bytes at 1200 baud take 0.13 s; a register read takes from 0.2 to 2 microseconds. */
#define WAIT_READS_MAX 200000u
/* After that, a receiver that has paused (a busy emulator, a slow terminal server) gets 3 s more. */
#define PATIENCE_SLICES 3000u
#define PATIENCE_SLICE_US 1000u

static uint8_t read_register(const struct uart *uart, enum uart_register number)
{
    if (!uart->in_memory) {
        return arch_in8((uint16_t)(uart->port + number * uart->stride));
    }
    volatile void *address = uart->registers + (size_t)number * uart->stride;
    switch (uart->width) {
    case 4:
        return (uint8_t) * (volatile uint32_t *)address;
    case 2:
        return (uint8_t) * (volatile uint16_t *)address;
    default:
        return *(volatile uint8_t *)address;
    }
}

static void write_register(const struct uart *uart, enum uart_register number, uint8_t value)
{
    if (!uart->in_memory) {
        arch_out8((uint16_t)(uart->port + number * uart->stride), value);
        return;
    }
    volatile void *address = uart->registers + (size_t)number * uart->stride;
    switch (uart->width) {
    case 4:
        *(volatile uint32_t *)address = value;
        break;
    case 2:
        *(volatile uint16_t *)address = value;
        break;
    default:
        *(volatile uint8_t *)address = value;
        break;
    }
}

/* Two patterns, each with another register read in between: a floating bus echoes the last byte for a while. */
static bool scratch_holds(const struct uart *uart, uint8_t pattern)
{
    write_register(uart, UART_SCRATCH, pattern);
    (void)read_register(uart, UART_LSR);
    return read_register(uart, UART_SCRATCH) == pattern;
}

/* In loop-back mode the modem inputs follow the outputs: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
static bool loop_back_follows(const struct uart *uart, unsigned outputs, unsigned inputs)
{
    write_register(uart, UART_MCR, (uint8_t)(MCR_LOOP | outputs));
    return (read_register(uart, UART_MSR) & MSR_LINES) == inputs;
}

bool uart_probe(const struct uart *uart)
{
    if (read_register(uart, UART_LSR) == ABSENT) {
        return false;
    }
    uint8_t scratch = read_register(uart, UART_SCRATCH);
    bool holds = scratch_holds(uart, 0x5a) && scratch_holds(uart, 0xa5);
    write_register(uart, UART_SCRATCH, scratch);
    if (!holds) {
        return false;
    }
    uint8_t modem = read_register(uart, UART_MCR);
    bool follows = loop_back_follows(uart, MCR_RTS | MCR_OUT2, MSR_CTS | MSR_DCD) &&
                   loop_back_follows(uart, MCR_DTR | MCR_OUT1, MSR_DSR | MSR_RI);
    write_register(uart, UART_MCR, modem);
    return follows;
}

static bool wait_for(const struct uart *uart, uint8_t bit)
{
    for (unsigned reads = 0; reads < WAIT_READS_MAX; reads++) {
        if ((read_register(uart, UART_LSR) & bit) != 0) {
            return true;
        }
    }
    for (unsigned slice = 0; slice < PATIENCE_SLICES; slice++) {
        arch_delay_us(PATIENCE_SLICE_US);
        if ((read_register(uart, UART_LSR) & bit) != 0) {
            return true;
        }
    }
    return false;
}

void uart_configure(struct uart *uart, uint16_t divisor)
{
    /* Firmware's last line may still be on its way; clearing the FIFO or changing the speed would garble it. */
    (void)wait_for(uart, LSR_ALL_SENT);
    write_register(uart, UART_LCR, LCR_8N1);
    write_register(uart, UART_IER, 0);
    if (divisor != 0) {
        write_register(uart, UART_LCR, LCR_8N1 | LCR_DLAB);
        write_register(uart, UART_DATA, (uint8_t)divisor);
        write_register(uart, UART_IER, (uint8_t)(divisor >> 8));
        write_register(uart, UART_LCR, LCR_8N1);
    }
    write_register(uart, UART_FCR, FCR_ENABLE_AND_CLEAR);
    bool fifo = (read_register(uart, UART_FCR) & IIR_FIFO_WORKS) == IIR_FIFO_WORKS;
    write_register(uart, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
    uart->fifo_bytes = fifo ? FIFO_BYTES : 1;
    uart->room = 0;
    uart->stalled = false;
    uart->in_cut_line = false;
}

void uart_write(struct uart *uart, uint8_t byte)
{
    /* What follows a gap must not look like the end of what came before it: go on with the next line. */
    if (uart->in_cut_line && byte != '\n') {
        return;
    }
    if (uart->room == 0) {
        if (uart->stalled) {
            uart->stalled = (read_register(uart, UART_LSR) & LSR_THR_EMPTY) == 0;
        } else {
            uart->stalled = !wait_for(uart, LSR_THR_EMPTY);
        }
        if (uart->stalled) {
            uart->in_cut_line = true;
            return;
        }
        uart->room = uart->fifo_bytes;
    }
    uart->in_cut_line = false;
    uart->room--;
    write_register(uart, UART_DATA, byte);
}

int uart_read(const struct uart *uart)
{
    uint8_t status = read_register(uart, UART_LSR);
    if (status == ABSENT || (status & LSR_DATA_READY) == 0) {
        return -1;
    }
    uint8_t byte = read_register(uart, UART_DATA);
    /* An overrun lost an earlier byte, but this one is good. */
    return (status & (LSR_RECEIVE_ERRORS & ~LSR_OVERRUN)) == 0 ? byte : -1;
}
