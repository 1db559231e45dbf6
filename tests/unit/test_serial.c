/* test_serial.c — the UART code against a model of a 16550 behind I/O ports and behind memory, and against all the
 * things that are no 16550: nothing must ever wait without end. */
#include "tests/support/fake_io.h"
#include "tests/support/mmio_trap.h"
#include "uart.h"

#include <neomem/acpi.h>
#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/options.h>
#include <neomem/panic.h>
#include <neomem/serial.h>
#include <neomem/vmm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- a 16550 ---- */

struct chip {
    uint8_t ier, lcr, mcr, scratch;
    uint16_t divisor;
    bool fifo_enabled;
    char sent[512];
    size_t sent_count;
    unsigned in_fifo; /* written since the transmitter was last seen empty */
    uint8_t received[64];
    uint8_t errors[64]; /* LSR bits that come with it */
    size_t received_count, received_next;
    uint64_t reads;
    /* faults */
    bool plain_16450; /* no FIFO */
    bool transmitter_dead;
    bool no_loop_back;
    bool no_scratch;
};

static struct chip chip;

static uint8_t chip_status(void)
{
    bool has_data = chip.received_next < chip.received_count;
    uint8_t status = has_data ? (uint8_t)(1 | chip.errors[chip.received_next]) : 0;
    if (!chip.transmitter_dead) {
        chip.in_fifo = 0;
        status |= 0x60;
    }
    return status;
}

static uint8_t chip_modem_status(void)
{
    if ((chip.mcr & 0x10) == 0 || chip.no_loop_back) {
        return 0xb0;
    }
    unsigned mcr = chip.mcr;
    return (uint8_t)((mcr & 2) << 3 | (mcr & 1) << 5 | (mcr & 4) << 4 | (mcr & 8) << 4);
}

static uint8_t chip_read(unsigned number)
{
    chip.reads++;
    bool latch = (chip.lcr & 0x80) != 0;
    switch (number) {
    case 0:
        if (latch) {
            return (uint8_t)chip.divisor;
        }
        return chip.received_next < chip.received_count ? chip.received[chip.received_next++] : 0;
    case 1:
        return latch ? (uint8_t)(chip.divisor >> 8) : chip.ier;
    case 2:
        return chip.fifo_enabled && !chip.plain_16450 ? 0xc1 : 0x01;
    case 3:
        return chip.lcr;
    case 4:
        return chip.mcr;
    case 5:
        return chip_status();
    case 6:
        return chip_modem_status();
    default:
        return chip.no_scratch ? 0 : chip.scratch;
    }
}

static void chip_write(unsigned number, uint8_t value)
{
    bool latch = (chip.lcr & 0x80) != 0;
    switch (number) {
    case 0:
        if (latch) {
            chip.divisor = (uint16_t)((chip.divisor & 0xff00) | value);
            break;
        }
        chip.in_fifo++;
        assert_true(chip.in_fifo <= (chip.fifo_enabled && !chip.plain_16450 ? 16 : 1)); /* nothing is overrun */
        assert_int_equal(chip.mcr & 0x10, 0);
        assert_true(chip.sent_count < sizeof(chip.sent) - 1);
        chip.sent[chip.sent_count++] = (char)value;
        break;
    case 1:
        if (latch) {
            chip.divisor = (uint16_t)((chip.divisor & 0xff) | value << 8);
        } else {
            chip.ier = value;
        }
        break;
    case 2:
        chip.fifo_enabled = (value & 1) != 0;
        break;
    case 3:
        chip.lcr = value;
        break;
    case 4:
        chip.mcr = value;
        break;
    case 7:
        chip.scratch = value;
        break;
    default:
        break;
    }
}

static uint32_t port_read(uint16_t port, unsigned bits)
{
    assert_int_equal(bits, 8);
    return port >= 0x3f8 && port <= 0x3ff ? chip_read(port - 0x3f8u) : 0xff;
}

static void port_write(uint16_t port, unsigned bits, uint32_t value)
{
    assert_int_equal(bits, 8);
    if (port >= 0x3f8 && port <= 0x3ff) {
        chip_write(port - 0x3f8u, (uint8_t)value);
    }
}

static void power_up(void)
{
    memset(&chip, 0, sizeof(chip));
    memset(&fake_io, 0, sizeof(fake_io));
    fake_io.read = port_read;
    fake_io.write = port_write;
    chip.divisor = 12;
    chip.mcr = 0x03;
    chip.scratch = 0x77;
    chip.ier = 0x0f;
}

static struct uart com1(void)
{
    return (struct uart){.port = 0x3f8, .stride = 1, .width = 1};
}

static void receive(uint8_t byte, uint8_t errors)
{
    chip.received[chip.received_count] = byte;
    chip.errors[chip.received_count] = errors;
    chip.received_count++;
}

/* ---- uart.c ---- */

static void probe_finds_and_leaves_alone(void **state)
{
    (void)state;
    power_up();
    struct uart uart = com1();
    assert_true(uart_probe(&uart));
    assert_int_equal(chip.scratch, 0x77);
    assert_int_equal(chip.mcr, 0x03);
    assert_int_equal(chip.divisor, 12);
    assert_int_equal(chip.sent_count, 0);
}

static uint8_t last_on_bus; /* is read back once, then the bus has forgotten it */
static bool wrote_mcr;

static uint32_t echo_read(uint16_t port, unsigned bits)
{
    (void)port;
    (void)bits;
    uint8_t echo = last_on_bus;
    last_on_bus = 0xf7;
    return echo;
}

static void echo_write(uint16_t port, unsigned bits, uint32_t value)
{
    (void)bits;
    last_on_bus = (uint8_t)value;
    wrote_mcr = wrote_mcr || port == 0x3fc;
}

static void probe_refuses_what_is_no_uart(void **state)
{
    (void)state;
    struct uart uart = com1();
    memset(&fake_io, 0, sizeof(fake_io));
    assert_false(uart_probe(&uart)); /* all ones: given up after one read */
    assert_int_equal(fake_io.accesses, 1);
    power_up();
    chip.no_scratch = true;
    assert_false(uart_probe(&uart));
    assert_int_equal(chip.mcr, 0x03);
    power_up();
    chip.no_loop_back = true;
    assert_false(uart_probe(&uart));
    assert_int_equal(chip.scratch, 0x77);
    power_up();
    fake_io.read = echo_read; /* a floating bus that remembers */
    fake_io.write = echo_write;
    assert_false(uart_probe(&uart));
    assert_false(wrote_mcr); /* already the scratch register gave it away */
    assert_int_equal(fake_io.microseconds, 0);
}

static void configure_sets_8n1(void **state)
{
    (void)state;
    power_up();
    struct uart uart = com1();
    uart_configure(&uart, 1);
    assert_int_equal(chip.divisor, 1);
    assert_int_equal(chip.lcr, 0x03);
    assert_int_equal(chip.ier, 0);
    assert_int_equal(chip.mcr & 0x03, 0x03);
    assert_true(chip.fifo_enabled);
    assert_int_equal(uart.fifo_bytes, 16);
    power_up();
    chip.lcr = 0x80; /* firmware left the latch open */
    chip.plain_16450 = true;
    uart_configure(&uart, 0);
    assert_int_equal(chip.divisor, 12); /* kept */
    assert_int_equal(chip.lcr, 0x03);
    assert_int_equal(uart.fifo_bytes, 1);
    power_up();
    uart_configure(&uart, 0x1234);
    assert_int_equal(chip.divisor, 0x1234);
}

static void every_byte_is_sent_in_order(void **state)
{
    (void)state;
    for (unsigned old = 0; old < 2; old++) {
        power_up();
        chip.plain_16450 = old != 0;
        struct uart uart = com1();
        uart_configure(&uart, 1);
        for (unsigned i = 0; i < 200; i++) {
            uart_write(&uart, (uint8_t)i);
        }
        assert_int_equal(chip.sent_count, 200);
        for (unsigned i = 0; i < 200; i++) {
            assert_int_equal((uint8_t)chip.sent[i], i);
        }
    }
}

static void a_dead_transmitter_costs_one_wait(void **state)
{
    (void)state;
    power_up();
    struct uart uart = com1();
    uart_configure(&uart, 1);
    for (unsigned i = 0; i < 16; i++) {
        uart_write(&uart, 'x');
        chip.transmitter_dead = true; /* with the first of 16 on its way */
    }
    assert_int_equal(chip.sent_count, 16);
    uint64_t before = chip.reads;
    uart_write(&uart, 'y');
    uint64_t one_wait = chip.reads - before;
    assert_in_range(one_wait, 10000, 1000000);
    before = chip.reads;
    for (unsigned i = 0; i < 1000; i++) {
        uart_write(&uart, 'z');
        uart_write(&uart, '\n');
    }
    assert_int_equal(chip.reads - before, 1000); /* one look a line */
}

static void text_goes_on_with_a_whole_line(void **state)
{
    (void)state;
    power_up();
    struct uart uart = com1();
    uart_configure(&uart, 1);
    for (unsigned i = 0; i < 16; i++) {
        uart_write(&uart, 'x');
        chip.transmitter_dead = true;
    }
    uart_write(&uart, 'y');
    chip.transmitter_dead = false;
    chip.sent_count = 0;
    for (const char *text = "rest of y's line\nok"; *text != '\0'; text++) {
        uart_write(&uart, (uint8_t)*text);
    }
    assert_int_equal(chip.sent_count, 3);
    assert_memory_equal(chip.sent, "\nok", 3);
}

static void reading(void **state)
{
    (void)state;
    power_up();
    struct uart uart = com1();
    uart_configure(&uart, 1);
    assert_int_equal(uart_read(&uart), -1);
    receive('a', 0);
    receive(0x00, 0x10); /* break */
    receive(0xf0, 0x08); /* framing error */
    receive('b', 0x02);  /* overrun: this byte is good */
    receive(0xff, 0);
    assert_int_equal(uart_read(&uart), 'a');
    assert_int_equal(uart_read(&uart), -1);
    assert_int_equal(uart_read(&uart), -1);
    assert_int_equal(uart_read(&uart), 'b');
    assert_int_equal(uart_read(&uart), 0xff);
    assert_int_equal(uart_read(&uart), -1);
    fake_io.read = NULL; /* pulled out */
    assert_int_equal(uart_read(&uart), -1);
}

/* ---- what serial.c needs of others ---- */

static struct acpi_serial_port spcr;
static bool has_spcr;
static bool option_says_serial = true;
static volatile uint8_t *window;
static bool mapping_fails;
static unsigned windows_open;
static phys_addr_t mapped_address;
static uint64_t mapped_bytes;
static unsigned mmio_stride;
static unsigned mmio_width;

bool acpi_serial_port(struct acpi_serial_port *port)
{
    *port = spcr;
    return has_spcr;
}

bool option_has_word(enum option_id id, unsigned word_index)
{
    assert_int_equal(id, OPTION_CONSOLE);
    assert_int_equal(word_index, OPTION_CONSOLE_SERIAL);
    return option_says_serial;
}

void *vmm_map_phys(phys_addr_t pa, uint64_t nbytes, enum vm_rights rights, enum vm_memory_type type)
{
    assert_int_equal(rights, VM_READ_WRITE);
    assert_int_equal(type, VM_UNCACHED);
    mapped_address = pa;
    mapped_bytes = nbytes;
    windows_open += !mapping_fails;
    return mapping_fails ? NULL : (void *)(uintptr_t)window;
}

void vmm_unmap_phys(void *area)
{
    windows_open -= area != NULL;
}

void panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    __builtin_unreachable();
}

static uint64_t mmio_read(size_t offset)
{
    assert_int_equal(offset % mmio_stride, 0);
    return chip_read((unsigned)(offset / mmio_stride));
}

static void mmio_write(size_t offset, unsigned width, uint64_t value)
{
    assert_int_equal(offset % mmio_stride, 0);
    assert_int_equal(width, mmio_width);
    chip_write((unsigned)(offset / mmio_stride), (uint8_t)value);
}

static void mmio_chip_with_every_width(void **state)
{
    (void)state;
    mmio_trap_arm();
    static const unsigned shapes[][2] = {{1, 1}, {2, 2}, {4, 4}, {4, 1}, {8, 4}}; /* stride, width */
    for (unsigned i = 0; i < ARRAY_COUNT(shapes); i++) {
        power_up();
        mmio_stride = shapes[i][0];
        mmio_width = shapes[i][1];
        struct uart uart = {.in_memory = true, .registers = window, .stride = mmio_stride, .width = mmio_width};
        assert_true(uart_probe(&uart));
        uart_configure(&uart, 3);
        assert_int_equal(chip.divisor, 3);
        uart_write(&uart, 'm');
        assert_int_equal(chip.sent[0], 'm');
        receive('r', 0);
        assert_int_equal(uart_read(&uart), 'r');
        assert_int_equal(fake_io.accesses, 0);
    }
}

/* ---- serial.c: one state for the whole program, so the order below matters ---- */

static void name_port(uint8_t space, uint64_t address, uint8_t bits, uint8_t access_size)
{
    has_spcr = true;
    spcr = (struct acpi_serial_port){
        .base = {.space = space, .address = address, .bit_width = bits, .access_size = access_size}};
}

static void no_com1(void **state)
{
    (void)state;
    console_reset();
    memset(&fake_io, 0, sizeof(fake_io));
    assert_false(serial_early_init());
    assert_false(serial_present());
    assert_null(console_find("serial"));
    assert_int_equal(serial_read_byte(), -1);
}

static void spcr_that_cannot_be_used(void **state)
{
    (void)state;
    mmio_trap_arm();
    power_up();
    has_spcr = false;
    assert_int_equal(serial_bind_spcr(), NEO_ERR_NOT_FOUND);
    static const struct {
        uint8_t space;
        uint64_t address;
        uint8_t bits, access, type;
        enum neo_status status;
    } cases[] = {
        {ACPI_SPACE_IO, 0x3f8, 8, 1, 3, NEO_ERR_UNSUPPORTED},  /* an ARM PL011 */
        {ACPI_SPACE_PCI, 0x3f8, 8, 1, 0, NEO_ERR_UNSUPPORTED}, /* no place for a UART */
        {ACPI_SPACE_IO, 0xfffc, 8, 1, 0, NEO_ERR_UNSUPPORTED}, /* runs over the last port */
        {ACPI_SPACE_IO, 0xfffffffffffffff8, 8, 1, 0, NEO_ERR_UNSUPPORTED},
        {ACPI_SPACE_MEMORY, 0xfe001002, 32, 3, 0, NEO_ERR_UNSUPPORTED}, /* not aligned to its width */
        {ACPI_SPACE_MEMORY, 0xfe001000, 24, 1, 0, NEO_ERR_UNSUPPORTED}, /* stride 3 */
        {ACPI_SPACE_MEMORY, 0xfe001000, 128, 1, 0, NEO_ERR_UNSUPPORTED},
        {ACPI_SPACE_MEMORY, 0xfe001000, 64, 4, 0, NEO_ERR_UNSUPPORTED}, /* 64-bit accesses */
        {ACPI_SPACE_IO, 0x2f8, 8, 1, 0, NEO_ERR_TIMEOUT},               /* nothing there */
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        name_port(cases[i].space, cases[i].address, cases[i].bits, cases[i].access);
        spcr.interface_type = cases[i].type;
        assert_int_equal(serial_bind_spcr(), cases[i].status);
        assert_false(serial_present());
    }
    name_port(ACPI_SPACE_MEMORY, 0xfe001000, 32, 3);
    mapping_fails = true;
    assert_int_equal(serial_bind_spcr(), NEO_ERR_NO_MEMORY);
    mapping_fails = false;
    mmio_stride = mmio_width = 4;
    chip.no_loop_back = true;
    assert_int_equal(serial_bind_spcr(), NEO_ERR_TIMEOUT);
    assert_int_equal(windows_open, 0); /* given back */
}

static void spcr_in_memory(void **state)
{
    (void)state;
    mmio_trap_arm();
    power_up();
    mmio_stride = mmio_width = 4;
    name_port(ACPI_SPACE_MEMORY, 0xfe001000, 8, 3); /* a stride below the access width is a lie */
    spcr.interface_type = 0x12;
    spcr.baud = 115200;
    spcr.clock_hz = 48000000;
    option_says_serial = false;
    assert_int_equal(serial_bind_spcr(), NEO_OK);
    assert_int_equal(windows_open, 1);
    assert_int_equal(mapped_address, 0xfe001000);
    assert_int_equal(mapped_bytes, 32);
    assert_int_equal(chip.divisor, 26); /* 48 MHz / 16 / 115200 = 26.04 */
    assert_true(serial_present());
    struct console_sink *sink = console_find("serial");
    assert_non_null(sink);
    assert_true(sink->takes_records);
    assert_false(sink->enabled); /* the console option */
    sink->enabled = true;
    kprintf("a\nb\n");
    chip.sent[chip.sent_count] = '\0';
    assert_string_equal(chip.sent, "a\r\nb\r\n");
}

static void com1_beside_it(void **state)
{
    (void)state;
    mmio_trap_arm();
    chip.sent_count = 0;
    chip.divisor = 12;
    assert_true(serial_early_init());
    assert_int_equal(chip.divisor, 1);
    kprintf("x");
    assert_memory_equal(chip.sent, "xx", 2); /* one chip plays both */
    receive('k', 0);
    assert_int_equal(serial_read_byte(), 'k');
    assert_int_equal(serial_read_byte(), -1);
    name_port(ACPI_SPACE_IO, 0x3f8, 8, 1);
    assert_int_equal(serial_bind_spcr(), NEO_OK); /* known already */
    kprintf("y");
    assert_memory_equal(chip.sent, "xxyy", 4);
    console_reset();
}

int main(void)
{
    static const struct mmio_model model = {.read = mmio_read, .write = mmio_write};
    window = mmio_trap_open(&model);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_finds_and_leaves_alone),
        cmocka_unit_test(probe_refuses_what_is_no_uart),
        cmocka_unit_test(configure_sets_8n1),
        cmocka_unit_test(every_byte_is_sent_in_order),
        cmocka_unit_test(a_dead_transmitter_costs_one_wait),
        cmocka_unit_test(text_goes_on_with_a_whole_line),
        cmocka_unit_test(reading),
        cmocka_unit_test(mmio_chip_with_every_width),
        cmocka_unit_test(no_com1),
        cmocka_unit_test(spcr_that_cannot_be_used),
        cmocka_unit_test(spcr_in_memory),
        cmocka_unit_test(com1_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
