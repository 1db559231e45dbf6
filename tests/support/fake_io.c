/* fake_io.c — io.h without a machine. */
#include "tests/support/fake_io.h"

#include <neomem/io.h>

struct fake_io fake_io;

static uint32_t read_port(uint16_t port, unsigned bits)
{
    fake_io.accesses++;
    uint32_t value = fake_io.read != NULL ? fake_io.read(port, bits) : UINT32_MAX;
    return bits == 32 ? value : value & ((1u << bits) - 1);
}

static void write_port(uint16_t port, unsigned bits, uint32_t value)
{
    fake_io.accesses++;
    if (fake_io.write != NULL) {
        fake_io.write(port, bits, value);
    }
}

uint8_t arch_in8(uint16_t port)
{
    return (uint8_t)read_port(port, 8);
}

uint16_t arch_in16(uint16_t port)
{
    return (uint16_t)read_port(port, 16);
}

uint32_t arch_in32(uint16_t port)
{
    return read_port(port, 32);
}

void arch_out8(uint16_t port, uint8_t value)
{
    write_port(port, 8, value);
}

void arch_out16(uint16_t port, uint16_t value)
{
    write_port(port, 16, value);
}

void arch_out32(uint16_t port, uint32_t value)
{
    write_port(port, 32, value);
}

uint64_t arch_tsc_hz(void)
{
    return 1000000000;
}

void arch_set_tsc_hz(uint64_t hz)
{
    (void)hz;
}

void arch_delay_us(unsigned microseconds)
{
    fake_io.microseconds += microseconds;
}

void arch_store_fence(void)
{
    fake_io.fences++;
}
