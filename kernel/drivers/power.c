/* power.c — the ways out of a running machine.
 *
 * Order of the reset attempts and the traps behind it: the FADT's register first (some boards know nothing else; it must be
 * claimed by its flag and lie inside the table), then 0xCF9 as chip sets have it, the keyboard controller (dead on many
 * UEFI boards, hence bounded), and a triple fault, which no x86 CPU survives.
 * Source: ACPI 6.5, 4.8.3 (PM1 registers, SLEEP_CONTROL_REG), 4.8.3.6 (reset register), 16.1.4 (entering S5). */
#include <neomem/acpi.h>
#include <neomem/console.h>
#include <neomem/cpu.h>
#include <neomem/io.h>
#include <neomem/power.h>
#include <neomem/vmm.h>

#define PM1_SCI_ENABLED 0x0001u
#define PM1_SLEEP_TYPE_SHIFT 10u
#define PM1_SLEEP_TYPE_MASK (7u << PM1_SLEEP_TYPE_SHIFT)
#define PM1_SLEEP_ENABLE 0x2000u
#define PM1_WAKE_STATUS 0x8000u
#define SLEEP_CONTROL_TYPE_SHIFT 2u
#define SLEEP_CONTROL_ENABLE 0x20u

#define PORT_PCI_ADDRESS 0xcf8u
#define PORT_RESET_CONTROL 0xcf9u
#define PORT_PCI_DATA 0xcfcu
#define PORT_KEYBOARD 0x64u
#define PORT_QEMU_EXIT 0xf4u

#define RESET_CONTROL_HARD 0x02u
#define RESET_CONTROL_GO 0x04u
#define KEYBOARD_INPUT_FULL 0x02u
#define KEYBOARD_PULSE_RESET 0xfeu

#define MILLISECOND 1000u
#define ACPI_MODE_WAIT_MS 3000u
#define EFFECT_WAIT_MS 250u
#define SLEEP_WAIT_MS 1000u

/* A register of the tables, ready to use. */
struct power_register {
    enum { POWER_NONE, POWER_IO, POWER_MEMORY, POWER_PCI } kind;
    uint16_t port;            /* POWER_IO */
    uint32_t pci_address;     /* POWER_PCI: what goes to 0xCF8 */
    uint16_t pci_data_port;   /* POWER_PCI */
    volatile uint8_t *memory; /* POWER_MEMORY */
};

static struct {
    bool has_s5;
    uint8_t type_a, type_b; /* SLP_TYP of S5 */
    bool hardware_reduced;
    uint16_t smi_command_port;
    uint8_t acpi_enable;
    uint8_t reset_value;
    struct power_register pm1a_status, pm1b_status, pm1a_control, pm1b_control;
    struct power_register sleep_control, reset;
} state;

static struct power_register bind(const struct acpi_register *from, unsigned nbytes)
{
    struct power_register to = {.kind = POWER_NONE};
    if (from->address == 0) {
        return to;
    }
    if (from->space == ACPI_SPACE_IO && from->address <= 0x10000 - nbytes) {
        to.kind = POWER_IO;
        to.port = (uint16_t)from->address;
    } else if (from->space == ACPI_SPACE_MEMORY && is_aligned(from->address, nbytes)) {
        to.memory = vmm_map_phys(from->address, nbytes, VM_READ_WRITE, VM_UNCACHED);
        to.kind = to.memory != NULL ? POWER_MEMORY : POWER_NONE;
    } else if (from->space == ACPI_SPACE_PCI) {
        uint32_t device = (uint32_t)(from->address >> 32) & 0x1f;
        uint32_t function = (uint32_t)(from->address >> 16) & 0x7;
        uint32_t offset = (uint32_t)from->address & 0xff;
        to.kind = POWER_PCI;
        to.pci_address = 0x80000000u | device << 11 | function << 8 | (offset & ~3u);
        to.pci_data_port = (uint16_t)(PORT_PCI_DATA + (offset & 3u));
    }
    return to;
}

static void write8(const struct power_register *to, uint8_t value)
{
    switch (to->kind) {
    case POWER_NONE:
        break;
    case POWER_IO:
        arch_out8(to->port, value);
        break;
    case POWER_MEMORY:
        *to->memory = value;
        break;
    case POWER_PCI:
        arch_out32(PORT_PCI_ADDRESS, to->pci_address);
        arch_out8(to->pci_data_port, value);
        break;
    }
}

/* PM1 blocks are 16-bit registers in I/O or memory space; elsewhere they count as absent. */
static void write16(const struct power_register *to, unsigned value)
{
    if (to->kind == POWER_IO) {
        arch_out16(to->port, (uint16_t)value);
    } else if (to->kind == POWER_MEMORY) {
        *(volatile uint16_t *)(volatile void *)to->memory = (uint16_t)value;
    }
}

static unsigned read16(const struct power_register *from)
{
    if (from->kind == POWER_IO) {
        return arch_in16(from->port);
    }
    return from->kind == POWER_MEMORY ? *(volatile uint16_t *)(volatile void *)from->memory : 0u;
}

static void wait_ms(unsigned milliseconds)
{
    for (unsigned i = 0; i < milliseconds; i++) {
        arch_delay_us(MILLISECOND);
    }
}

void power_init(void)
{
    struct acpi_fixed fixed;
    state.has_s5 = acpi_sleep_types_s5(&state.type_a, &state.type_b);
    if (!acpi_fixed_hardware(&fixed)) {
        return;
    }
    state.hardware_reduced = fixed.hardware_reduced;
    state.smi_command_port = fixed.smi_command_port;
    state.acpi_enable = fixed.acpi_enable;
    state.reset_value = fixed.reset_value;
    if (fixed.reset_supported) {
        state.reset = bind(&fixed.reset, 1);
    }
    if (fixed.hardware_reduced) {
        state.sleep_control = bind(&fixed.sleep_control, 1);
        return;
    }
    state.pm1a_status = bind(&fixed.pm1a_status, 2);
    state.pm1b_status = bind(&fixed.pm1b_status, 2);
    state.pm1a_control = bind(&fixed.pm1a_control, 2);
    state.pm1b_control = bind(&fixed.pm1b_control, 2);
}

static bool in_acpi_mode(void)
{
    return ((read16(&state.pm1a_control) | read16(&state.pm1b_control)) & PM1_SCI_ENABLED) != 0;
}

/* In legacy mode SMM owns the PM1 registers. Firmware that never answers is tried as it is. */
static void enter_acpi_mode(void)
{
    if (in_acpi_mode() || state.smi_command_port == 0 || state.acpi_enable == 0) {
        return;
    }
    arch_out8(state.smi_command_port, state.acpi_enable);
    for (unsigned waited = 0; waited < ACPI_MODE_WAIT_MS && !in_acpi_mode(); waited++) {
        wait_ms(1);
    }
}

static void enter_s5(void)
{
    if (state.hardware_reduced) {
        write8(&state.sleep_control,
               (uint8_t)((unsigned)state.type_a << SLEEP_CONTROL_TYPE_SHIFT | SLEEP_CONTROL_ENABLE));
        wait_ms(SLEEP_WAIT_MS);
        return;
    }
    enter_acpi_mode();
    write16(&state.pm1a_status, PM1_WAKE_STATUS); /* a left-over wake event would wake it at once */
    write16(&state.pm1b_status, PM1_WAKE_STATUS);
    unsigned keep = ~(PM1_SLEEP_TYPE_MASK | PM1_SLEEP_ENABLE);
    unsigned a = (read16(&state.pm1a_control) & keep) | (unsigned)state.type_a << PM1_SLEEP_TYPE_SHIFT;
    unsigned b = (read16(&state.pm1b_control) & keep) | (unsigned)state.type_b << PM1_SLEEP_TYPE_SHIFT;
    /* Type first, then type and enable: some chip sets latch the type with the first write. */
    write16(&state.pm1a_control, a);
    write16(&state.pm1b_control, b);
    write16(&state.pm1a_control, a | PM1_SLEEP_ENABLE);
    write16(&state.pm1b_control, b | PM1_SLEEP_ENABLE);
    wait_ms(SLEEP_WAIT_MS);
}

void power_off(void)
{
    kprintf("power: switching off\n");
    if (state.has_s5) {
        enter_s5();
    }
    kprintf("power: this machine cannot be switched off by software; please do it by hand\n");
    power_halt();
}

void power_reset(void)
{
    kprintf("power: restarting\n");
    if (state.reset.kind != POWER_NONE) {
        write8(&state.reset, state.reset_value);
        wait_ms(EFFECT_WAIT_MS);
    }
    arch_out8(PORT_RESET_CONTROL, RESET_CONTROL_HARD);
    wait_ms(1);
    arch_out8(PORT_RESET_CONTROL, RESET_CONTROL_HARD | RESET_CONTROL_GO);
    wait_ms(EFFECT_WAIT_MS);
    for (unsigned i = 0; i < 50 && (arch_in8(PORT_KEYBOARD) & KEYBOARD_INPUT_FULL) != 0; i++) {
        wait_ms(1);
    }
    arch_out8(PORT_KEYBOARD, KEYBOARD_PULSE_RESET);
    wait_ms(EFFECT_WAIT_MS);
    cpu_triple_fault();
}

void qemu_exit(uint8_t code)
{
    arch_out8(PORT_QEMU_EXIT, code);
    kprintf("power: no QEMU exit device (status 0x%x)\n", code);
    power_halt();
}

void power_halt(void)
{
    kprintf("power: halted\n");
    cpu_halt();
}
