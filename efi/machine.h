/* machine.h — what CPUID and the control registers say about this CPU, and how fast its time stamp counter runs.
 * Depends on: boot_info.h, cpu.h. Used by: entry.c, entropy.c, takeover.c. */
#ifndef EFI_MACHINE_H
#define EFI_MACHINE_H

#include <neomem/boot_info.h>
#include <neomem/types.h>

struct machine {
    struct boot_cpu_state entry; /* all but the task priority level */
    unsigned entry_levels;       /* page-table levels firmware uses: 4 or 5 */
    unsigned phys_bits;          /* MAXPHYADDR, 32 … 52 */
    bool is_amd;                 /* AMD or Hygon: has the HyperTransport hole */
    bool has_no_execute, has_pages_1g;
    bool has_rdrand, has_rdseed;
};

/* First of all: record the state, find out what the CPU can do. Turns a no-execute bit on again that firmware hid. */
void machine_describe(struct machine *machine);

/* Ticks of the time stamp counter in a second, 0 when there is no way to tell. Takes up to 2 ms of boot services. */
uint64_t machine_tsc_hz(void);

#endif
