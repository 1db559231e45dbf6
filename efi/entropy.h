/* entropy.h — randomness from everything this machine has, gathered while firmware still answers.
 * Depends on: entropy_mix.h, machine.h. Used by: entry.c. */
#ifndef EFI_ENTROPY_H
#define EFI_ENTROPY_H

#include "entropy_mix.h"
#include "machine.h"
#include <neomem/boot_info.h>

/* Ask EFI_RNG_PROTOCOL, RDSEED, RDRAND and the clocks. Fills info->entropy_sources and entropy_bits. */
void entropy_collect(const struct machine *machine, struct entropy_root *root, struct boot_info *info);

/* info->seed: from the root, or, with has_fixed_seed, from fixed_seed alone (the `seed` option). */
void entropy_seed(const struct entropy_root *root, bool has_fixed_seed, uint64_t fixed_seed, struct boot_info *info);

#endif
