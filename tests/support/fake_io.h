/* fake_io.h — io.h for host tests: port accesses go to a device model, delays only advance a clock.
 * Depends on: types.h. Used by: tests/unit. */
#ifndef NEOMEM_TEST_FAKE_IO_H
#define NEOMEM_TEST_FAKE_IO_H

#include <neomem/types.h>

struct fake_io {
    /* The device. bits: 8, 16 or 32. NULL: nothing answers, reads are all ones. */
    uint32_t (*read)(uint16_t port, unsigned bits);
    void (*write)(uint16_t port, unsigned bits, uint32_t value);
    uint64_t accesses;     /* reads and writes so far */
    uint64_t microseconds; /* sum of all delays */
    uint64_t fences;
};

extern struct fake_io fake_io;

#endif
