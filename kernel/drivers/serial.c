/* serial.c — which UARTs there are, and the console sink "serial" over all of them. */
#include "uart.h"

#include <neomem/acpi.h>
#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/options.h>
#include <neomem/panic.h>
#include <neomem/serial.h>
#include <neomem/vmm.h>

#define COM1_PORT 0x3f8u
#define BAUD 115200u
#define UARTS_MAX 2u /* COM1 and the SPCR one */

/* SPCR interface types that are a 16550 (Microsoft, "Serial Port Console Redirection Table", table 3 of DBG2). */
#define INTERFACE_16550 0x00u
#define INTERFACE_16450 0x01u
#define INTERFACE_16550_GAS 0x12u

static struct {
    struct console_sink sink;
    unsigned count;
    struct uart uarts[UARTS_MAX];
} state;

static void write_serial(struct console_sink *sink, const char *text, size_t nbytes)
{
    (void)sink;
    for (size_t i = 0; i < nbytes; i++) {
        for (unsigned u = 0; u < state.count; u++) {
            if (text[i] == '\n') {
                uart_write(&state.uarts[u], '\r');
            }
            uart_write(&state.uarts[u], (uint8_t)text[i]);
        }
    }
}

static void add_uart(const struct uart *uart, uint16_t divisor)
{
    state.uarts[state.count] = *uart;
    uart_configure(&state.uarts[state.count], divisor);
    state.count++;
    if (state.count == 1) {
        state.sink =
            (struct console_sink){.name = "serial", .write = write_serial, .takes_records = true, .enabled = true};
        console_add(&state.sink);
    }
}

bool serial_early_init(void)
{
    struct uart uart = {.port = COM1_PORT, .stride = 1, .width = 1};
    if (!uart_probe(&uart)) {
        return false;
    }
    add_uart(&uart, UART_STANDARD_CLOCK_HZ / 16 / BAUD);
    return true;
}

/* Register distance and access width from a generic address. Some tables give only one of the two. */
static bool describe_registers(const struct acpi_register *base, struct uart *uart)
{
    unsigned stride = base->bit_width / 8u;
    unsigned width = base->access_size == 0 ? 1 : 1u << (base->access_size - 1);
    if (base->access_size > 3 || stride > 8 || (stride & (stride - 1)) != 0) {
        return false;
    }
    uart->stride = stride > width ? stride : width;
    uart->width = width;
    if (base->space == ACPI_SPACE_IO) {
        uart->port = (uint16_t)base->address;
        uart->width = 1; /* a UART behind I/O ports is a byte device */
        return base->address <= 0x10000 - (uint64_t)UART_REGISTERS * uart->stride;
    }
    uart->in_memory = true;
    return base->space == ACPI_SPACE_MEMORY && is_aligned(base->address, width);
}

/* Return: 0, which keeps the speed that firmware set, unless both clock and wish are known. */
static uint16_t divisor_for(const struct acpi_serial_port *port, bool in_memory)
{
    uint32_t clock = port->clock_hz;
    if (clock == 0 && !in_memory) {
        clock = UART_STANDARD_CLOCK_HZ;
    }
    if (clock == 0 || port->baud == 0) {
        return 0;
    }
    uint64_t per_bit = (uint64_t)port->baud * 16;
    uint64_t divisor = (clock + per_bit / 2) / per_bit;
    return divisor <= UINT16_MAX ? (uint16_t)divisor : 0;
}

static bool already_in_use(const struct uart *uart)
{
    for (unsigned u = 0; u < state.count; u++) {
        if (!uart->in_memory && !state.uarts[u].in_memory && state.uarts[u].port == uart->port) {
            return true;
        }
    }
    return false;
}

enum neo_status serial_bind_spcr(void)
{
    struct acpi_serial_port port;
    struct uart uart = {0};
    if (!acpi_serial_port(&port)) {
        return NEO_ERR_NOT_FOUND;
    }
    bool is_16550 = port.interface_type == INTERFACE_16550 || port.interface_type == INTERFACE_16450 ||
                    port.interface_type == INTERFACE_16550_GAS;
    if (!is_16550 || !describe_registers(&port.base, &uart)) {
        return NEO_ERR_UNSUPPORTED;
    }
    if (already_in_use(&uart)) {
        return NEO_OK;
    }
    BUG_ON(state.count == UARTS_MAX); /* called twice */
    if (uart.in_memory) {
        uint64_t nbytes = (uint64_t)UART_REGISTERS * uart.stride;
        uart.registers = vmm_map_phys(port.base.address, nbytes, VM_READ_WRITE, VM_UNCACHED);
        if (uart.registers == NULL) {
            return NEO_ERR_NO_MEMORY;
        }
    }
    if (!uart_probe(&uart)) {
        vmm_unmap_phys((void *)(uintptr_t)uart.registers);
        return NEO_ERR_TIMEOUT;
    }
    add_uart(&uart, divisor_for(&port, uart.in_memory));
    if (state.count == 1) { /* a sink that appears after the options were applied */
        state.sink.enabled = option_has_word(OPTION_CONSOLE, OPTION_CONSOLE_SERIAL);
    }
    return NEO_OK;
}

bool serial_present(void)
{
    return state.count > 0;
}

int serial_read_byte(void)
{
    for (unsigned u = 0; u < state.count; u++) {
        int byte = uart_read(&state.uarts[u]);
        if (byte >= 0) {
            return byte;
        }
    }
    return -1;
}
