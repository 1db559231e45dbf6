/* uart.h — one 16550-compatible UART, wherever its registers are. Private to kernel/drivers.
 *
 * Every wait counts register reads (each takes about a microsecond on real buses), so a device that is
 * absent or dead cannot hang its user and no clock is needed.
 * Source: the 16550D data sheet; register numbers and bits keep its names. */
#ifndef NEOMEM_DRIVERS_UART_H
#define NEOMEM_DRIVERS_UART_H

#include <neomem/types.h>

#define UART_REGISTERS 8u
#define UART_STANDARD_CLOCK_HZ 1843200u

struct uart {
    bool in_memory; /* registers at `registers`; otherwise at `port` */
    uint16_t port;  /* I/O address of register 0 */
    volatile uint8_t *registers;
    unsigned stride;     /* bytes from one register to the next */
    unsigned width;      /* bytes of one access: 1, 2 or 4; I/O ports: 1 */
    unsigned fifo_bytes; /* what fits when the transmitter is empty; set by uart_configure */
    unsigned room;       /* of that, what is certainly still free */
    bool stalled;        /* a wait ran out: drop bytes until the transmitter moves again */
    bool in_cut_line;    /* bytes were dropped: drop the rest of their line, too */
};

/* Does a 16550 answer? Leaves its settings as they were. */
bool uart_probe(const struct uart *uart);

/* 8N1, FIFO on, interrupts off, DTR and RTS on. divisor: clock / (16 * baud); 0 keeps the speed that is set. */
void uart_configure(struct uart *uart, uint16_t divisor);

/* Send one byte, or drop it, and the rest of its line, after the bounded wait (about 3 s, once). */
void uart_write(struct uart *uart, uint8_t byte);

/* Return: the next byte received without an error, or -1 when there is none now. */
int uart_read(const struct uart *uart);

#endif
