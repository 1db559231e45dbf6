/* report.h: lines on COM1 and the end of the run, without any help from firmware (whose services we hook).
 *
 * Depends on: port.h. Used by: the test programs. */
#ifndef TEST_IMAGES_REPORT_H
#define TEST_IMAGES_REPORT_H

#include <neomem/compiler.h>
#include <stdint.h>

/* Codes for the exit device; QEMU exits with 2 * code + 1. 0x10 to 0x12 are neomem's own. */
enum report_exit {
    REPORT_EXIT_SETUP = 0x18,       /* 49: the test program could not do its part */
    REPORT_EXIT_RETURNED = 0x19,    /* 51: neomem came back with an error status, as a refusal should */
    REPORT_EXIT_RETURNED_OK = 0x1a, /* 53: neomem came back and calls it success */
    REPORT_EXIT_VIOLATION = 0x1b,   /* 55: neomem called what it must not call any more */
};

/* Every wait is bounded: without a UART the text is lost, nothing hangs. '\n' becomes CR LF. */
void report_text(const char *text);
void report_hex(uint64_t value);
void report_number(uint64_t value);

/* End the run: exit device, then halt where there is none. */
void report_end(enum report_exit code) NEO_NORETURN;

#endif
