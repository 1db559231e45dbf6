/* test_power.c — every way out, against machines on which it works and machines on which it does not. */
#include "tests/support/fake_io.h"
#include "tests/support/mmio_trap.h"

#include <neomem/acpi.h>
#include <neomem/console.h>
#include <neomem/cpu.h>
#include <neomem/power.h>
#include <neomem/vmm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- a machine ---- */

#define LOG_BYTES 2048u

static struct {
    char log[LOG_BYTES]; /* "o8:cf9=2 " for each access that writes */
    uint16_t pm1a, pm1b;
    bool acpi_mode_works; /* the SMI command sets SCI_EN */
    unsigned sci_delay;   /* reads until it shows */
    bool keyboard_busy;
    /* which write ends it all */
    uint16_t fatal_port;
    uint32_t fatal_value;
    phys_addr_t fatal_memory;
} machine;

static struct acpi_fixed fixed;
static bool has_fixed;
static bool has_s5;
static jmp_buf gone;

enum { GONE_BY_DEVICE = 1, GONE_BY_HALT, GONE_BY_TRIPLE_FAULT };

static void note(const char *format, ...) NEO_PRINTF(1, 2);
static void note(const char *format, ...)
{
    size_t used = strlen(machine.log);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(machine.log + used, LOG_BYTES - used, format, arguments);
    va_end(arguments);
}

static uint32_t machine_read(uint16_t port, unsigned bits)
{
    if (port == 0x604 && bits == 16) {
        if (machine.sci_delay > 0 && --machine.sci_delay == 0) {
            machine.pm1a |= 1;
        }
        return machine.pm1a;
    }
    if (port == 0x704 && bits == 16) {
        return machine.pm1b;
    }
    return port == 0x64 ? (machine.keyboard_busy ? 2 : 0) : 0xffffffff;
}

static void machine_write(uint16_t port, unsigned bits, uint32_t value)
{
    note("o%u:%x=%x ", bits, port, value);
    if (port == 0xb2 && machine.acpi_mode_works) {
        machine.sci_delay = 20;
    }
    if (port == 0x604) {
        machine.pm1a = (uint16_t)value;
    }
    if (port == machine.fatal_port && value == machine.fatal_value) {
        longjmp(gone, GONE_BY_DEVICE);
    }
}

static phys_addr_t mapped;
static volatile uint8_t *window;
static unsigned mappings;

void *vmm_map_phys(phys_addr_t pa, uint64_t nbytes, enum vm_rights rights, enum vm_memory_type type)
{
    assert_true(nbytes == 1 || nbytes == 2);
    assert_int_equal(rights, VM_READ_WRITE);
    assert_int_equal(type, VM_UNCACHED);
    mapped = pa;
    mappings++;
    return pa < 0x100000000 ? (void *)(uintptr_t)(window + pa % 0x800) : NULL;
}

static uint64_t memory_read(size_t offset)
{
    note("r:%zx ", offset);
    return machine.pm1a;
}

static void memory_write(size_t offset, unsigned width, uint64_t value)
{
    note("w%u:%zx=%llx ", width * 8, offset, (unsigned long long)value);
}

bool acpi_fixed_hardware(struct acpi_fixed *to)
{
    *to = fixed;
    return has_fixed;
}

bool acpi_sleep_types_s5(uint8_t *type_a, uint8_t *type_b)
{
    *type_a = 5;
    *type_b = 6;
    return has_s5;
}

void cpu_halt(void)
{
    longjmp(gone, GONE_BY_HALT);
}

void cpu_triple_fault(void)
{
    longjmp(gone, GONE_BY_TRIPLE_FAULT);
}

static char said[1024];

static void hear(struct console_sink *sink, const char *text, size_t nbytes)
{
    (void)sink;
    strncat(said, text, nbytes);
}

static struct console_sink ear = {.name = "ear", .write = hear, .enabled = true};

static int setup(void **state)
{
    (void)state;
    memset(&machine, 0, sizeof(machine));
    memset(&fixed, 0, sizeof(fixed));
    memset(&fake_io, 0, sizeof(fake_io));
    has_fixed = has_s5 = true;
    mappings = 0;
    said[0] = '\0';
    fake_io.read = machine_read;
    fake_io.write = machine_write;
    console_reset();
    console_add(&ear);
    return 0;
}

static struct acpi_register io_register(uint16_t port)
{
    return (struct acpi_register){.space = ACPI_SPACE_IO, .bit_width = 16, .address = port};
}

/* Return: how it ended. */
static int leave(void (*way)(void))
{
    mmio_trap_arm();
    power_init();
    int how = setjmp(gone);
    if (how == 0) {
        way();
        fail_msg("it came back");
    }
    return how;
}

/* ---- power off ---- */

static void ordinary_pc(void)
{
    fixed.pm1a_status = io_register(0x600);
    fixed.pm1a_control = io_register(0x604);
    machine.pm1a = 0x0001; /* ACPI mode */
}

static void s5_with_one_block(void **state)
{
    (void)state;
    ordinary_pc();
    machine.fatal_port = 0x604;
    machine.fatal_value = 0x3401;
    assert_int_equal(leave(power_off), GONE_BY_DEVICE);
    assert_string_equal(machine.log, "o16:600=8000 o16:604=1401 o16:604=3401 ");
}

static void s5_with_two_blocks_keeps_other_bits(void **state)
{
    (void)state;
    ordinary_pc();
    fixed.pm1b_status = io_register(0x700);
    fixed.pm1b_control = io_register(0x704);
    machine.pm1a = 0x1c03; /* an old sleep type, BM_RLD */
    machine.pm1b = 0x2004; /* an old sleep enable, GBL_RLS */
    machine.fatal_port = 0x704;
    machine.fatal_value = 0x3804;
    assert_int_equal(leave(power_off), GONE_BY_DEVICE);
    assert_string_equal(machine.log, "o16:600=8000 o16:700=8000 o16:604=1403 o16:704=1804 o16:604=3403 o16:704=3804 ");
}

static void legacy_mode_is_left_first(void **state)
{
    (void)state;
    ordinary_pc();
    machine.pm1a = 0;
    machine.acpi_mode_works = true;
    fixed.smi_command_port = 0xb2;
    fixed.acpi_enable = 0xf0;
    machine.fatal_port = 0x604;
    machine.fatal_value = 0x3401;
    assert_int_equal(leave(power_off), GONE_BY_DEVICE);
    assert_string_equal(machine.log, "o8:b2=f0 o16:600=8000 o16:604=1401 o16:604=3401 ");
    assert_true(fake_io.microseconds < 100000);
}

static void firmware_that_never_answers_is_tried_anyway(void **state)
{
    (void)state;
    ordinary_pc();
    machine.pm1a = 0;
    fixed.smi_command_port = 0xb2;
    fixed.acpi_enable = 0xf0;
    assert_int_equal(leave(power_off), GONE_BY_HALT);
    assert_string_equal(machine.log, "o8:b2=f0 o16:600=8000 o16:604=1400 o16:604=3400 ");
    assert_in_range(fake_io.microseconds, 3900000, 4500000);
    assert_non_null(strstr(said, "by hand"));
    assert_non_null(strstr(said, "halted"));
}

static void s5_through_memory(void **state)
{
    (void)state;
    fixed.pm1a_status = (struct acpi_register){.space = ACPI_SPACE_MEMORY, .address = 0xfed80000};
    fixed.pm1a_control = (struct acpi_register){.space = ACPI_SPACE_MEMORY, .address = 0xfed80004};
    machine.pm1a = 1;
    assert_int_equal(leave(power_off), GONE_BY_HALT);
    assert_non_null(strstr(machine.log, "w16:0=8000 "));
    assert_non_null(strstr(machine.log, "w16:4=1401 w16:4=3401 "));
    assert_int_equal(mappings, 2);
}

static void reduced_hardware_has_its_own_register(void **state)
{
    (void)state;
    ordinary_pc(); /* what such a table says here is not used */
    fixed.hardware_reduced = true;
    fixed.sleep_control = (struct acpi_register){.space = ACPI_SPACE_MEMORY, .address = 0xfed90010};
    assert_int_equal(leave(power_off), GONE_BY_HALT);
    assert_string_equal(machine.log, "w8:10=34 ");
}

static void without_tables_it_halts_at_once(void **state)
{
    (void)state;
    has_fixed = has_s5 = false;
    assert_int_equal(leave(power_off), GONE_BY_HALT);
    assert_string_equal(machine.log, "");
    assert_int_equal(fake_io.microseconds, 0);
    has_fixed = true; /* a FADT, but no \_S5 */
    ordinary_pc();
    assert_int_equal(leave(power_off), GONE_BY_HALT);
    assert_string_equal(machine.log, "");
}

/* ---- reset ---- */

#define FALL_BACKS "o8:cf9=2 o8:cf9=6 o8:64=fe "

static void reset_register_in_each_space(void **state)
{
    (void)state;
    static const struct {
        struct acpi_register reset;
        const char *log;
    } cases[] = {
        {{.space = ACPI_SPACE_IO, .address = 0xcf9}, "o8:cf9=e " FALL_BACKS},
        {{.space = ACPI_SPACE_IO, .address = 0x10000}, FALL_BACKS},
        {{.space = ACPI_SPACE_IO, .address = UINT64_MAX}, FALL_BACKS},
        {{.space = ACPI_SPACE_MEMORY, .address = 0xfed80033}, "w8:33=e " FALL_BACKS},
        {{.space = ACPI_SPACE_MEMORY, .address = 0x1000000000}, FALL_BACKS}, /* cannot be mapped */
        {{.space = ACPI_SPACE_PCI, .address = 0x1f000000b2 + (0x5ull << 16)},
         "o32:cf8=8000fdb0 o8:cfe=e " FALL_BACKS}, /* 00:1f.5 offset 0xb2 */
        {{.space = 7, .address = 0xcf9}, FALL_BACKS},
        {{.space = ACPI_SPACE_IO, .address = 0}, FALL_BACKS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        setup(NULL);
        fixed.reset_supported = true;
        fixed.reset_value = 0x0e;
        fixed.reset = cases[i].reset;
        assert_int_equal(leave(power_reset), GONE_BY_TRIPLE_FAULT);
        assert_string_equal(machine.log, cases[i].log);
        assert_in_range(fake_io.microseconds, 500000, 1500000);
    }
}

static void an_unclaimed_reset_register_is_left_alone(void **state)
{
    (void)state;
    fixed.reset_supported = false;
    fixed.reset_value = 0x0e;
    fixed.reset = (struct acpi_register){.space = ACPI_SPACE_IO, .address = 0xcf9};
    assert_int_equal(leave(power_reset), GONE_BY_TRIPLE_FAULT);
    assert_string_equal(machine.log, FALL_BACKS);
}

static void reset_stops_where_it_works(void **state)
{
    (void)state;
    machine.fatal_port = 0xcf9;
    machine.fatal_value = 6;
    assert_int_equal(leave(power_reset), GONE_BY_DEVICE);
    assert_string_equal(machine.log, "o8:cf9=2 o8:cf9=6 ");
}

static void a_busy_keyboard_controller_is_not_waited_for(void **state)
{
    (void)state;
    machine.keyboard_busy = true;
    assert_int_equal(leave(power_reset), GONE_BY_TRIPLE_FAULT);
    assert_string_equal(machine.log, FALL_BACKS);
    assert_true(fake_io.microseconds < 1500000);
}

/* ---- the rest ---- */

static void exit_with_17(void)
{
    qemu_exit(QEMU_EXIT_CHECK_FAILED);
}

static void qemu_exit_device(void **state)
{
    (void)state;
    machine.fatal_port = 0xf4;
    machine.fatal_value = 0x11;
    assert_int_equal(leave(exit_with_17), GONE_BY_DEVICE);
    machine.fatal_port = 0;
    assert_int_equal(leave(exit_with_17), GONE_BY_HALT);
    assert_non_null(strstr(said, "no QEMU exit device"));
}

static void halt_says_so(void **state)
{
    (void)state;
    assert_int_equal(leave(power_halt), GONE_BY_HALT);
    assert_string_equal(said, "power: halted\n");
}

int main(void)
{
    static const struct mmio_model model = {.read = memory_read, .write = memory_write};
    window = mmio_trap_open(&model);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(s5_with_one_block, setup),
        cmocka_unit_test_setup(s5_with_two_blocks_keeps_other_bits, setup),
        cmocka_unit_test_setup(legacy_mode_is_left_first, setup),
        cmocka_unit_test_setup(firmware_that_never_answers_is_tried_anyway, setup),
        cmocka_unit_test_setup(s5_through_memory, setup),
        cmocka_unit_test_setup(reduced_hardware_has_its_own_register, setup),
        cmocka_unit_test_setup(without_tables_it_halts_at_once, setup),
        cmocka_unit_test_setup(reset_register_in_each_space, setup),
        cmocka_unit_test_setup(an_unclaimed_reset_register_is_left_alone, setup),
        cmocka_unit_test_setup(reset_stops_where_it_works, setup),
        cmocka_unit_test_setup(a_busy_keyboard_controller_is_not_waited_for, setup),
        cmocka_unit_test_setup(qemu_exit_device, setup),
        cmocka_unit_test_setup(halt_says_so, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
