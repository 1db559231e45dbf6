/* random.h — the generator behind every random choice after start-up (placements, tests).
 *
 * ChaCha20 (RFC 8439) in counter mode: draw n is the first 64 bits of key-stream block n under the 32-byte seed. The
 * only mutable state after seeding is the counter, advanced atomically, so any CPU may draw at any interrupt level
 * without a lock, and a fixed seed gives the same sequence of draws again. The seed stays in memory: this is for placement,
 * not for secrets that outlive the boot.
 *
 * Cost: one ChaCha20 block (a few hundred cycles) per draw.
 * Depends on: compiler.h, types.h. Used by: arch (arch_random), mm through it, diag. */
#ifndef NEOMEM_RANDOM_H
#define NEOMEM_RANDOM_H

#include <neomem/compiler.h>
#include <neomem/types.h>

#define RANDOM_SEED_BYTES 32u

/* Seed and restart. Context: not concurrently with draws. */
void random_init(const uint8_t seed[RANDOM_SEED_BYTES]);
/* The same from the `seed` option's number: equal numbers give equal sequences. */
void random_init_number(uint64_t seed);

/* 64 random bits. Panics when nothing has seeded the generator. */
uint64_t random_u64(void);

/* Evenly distributed over [0, bound), without bias; bound 0 gives 0. */
uint64_t random_below(uint64_t bound);

/* The block function itself (RFC 8439 section 2.3), for tests: words in host order. */
void random_chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t block[16]);

#endif
