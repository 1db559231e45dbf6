/* port.h: port I/O for the test programs; implemented in port.S. */
#ifndef TEST_IMAGES_PORT_H
#define TEST_IMAGES_PORT_H

#include <neomem/compiler.h>
#include <stdint.h>

void port_out8(uint16_t port, uint8_t value);
uint8_t port_in8(uint16_t port);
void cpu_stop(void) NEO_NORETURN;

#endif
