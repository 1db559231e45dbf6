/* entropy_mix.h — many weak inputs to few strong outputs: an extract-and-expand construction (the shape of RFC 5869)
 * on BLAKE2s.
 *
 *   root        = BLAKE2s(every input, framed by its source and length)
 *   output(tag) = BLAKE2s(key = root, tag)
 *
 * One good input makes every output good, whatever the others are: inputs only ever add. Knowing one output tells
 * nothing about the root or about other outputs, so the kernel may know its seed without knowing the KASLR draws of
 * another boot, and leaking an address does not leak the seed.
 *
 * Pure. Depends on: blake2s.h, boot_info.h (source bits). Used by: entropy.c, host tests. */
#ifndef EFI_ENTROPY_MIX_H
#define EFI_ENTROPY_MIX_H

#include "blake2s.h"
#include <neomem/types.h>

#define ENTROPY_BITS_MAX 256u

struct entropy_pool {
    struct blake2s hash;
    uint32_t sources; /* enum boot_entropy_source bits of what counted */
    uint32_t bits;    /* sum of the estimates, at most ENTROPY_BITS_MAX */
};

struct entropy_root {
    uint8_t key[BLAKE2S_DIGEST_BYTES];
};

void entropy_pool_init(struct entropy_pool *pool);
/* source: one enum boot_entropy_source bit, or 0 for data that is mixed in without being counted on.
 * bits: how much of it an observer cannot know, at most. */
void entropy_pool_add(struct entropy_pool *pool, uint32_t source, const void *data, size_t nbytes, uint32_t bits);
/* The pool is wiped. */
void entropy_pool_close(struct entropy_pool *pool, struct entropy_root *root);

/* 32 bytes that belong to tag. */
void entropy_derive(const struct entropy_root *root, const char *tag, uint8_t output[BLAKE2S_DIGEST_BYTES]);
/* A number in [0, count), uniform but for a bias below count / 2^64. count >= 1. */
uint64_t entropy_draw(const struct entropy_root *root, const char *tag, uint64_t count);

/* Conservative estimate for `count` time differences: one bit for every 16 that differ from the one before, so that a
 * machine without jitter gives nothing; at most 64 bits. */
uint32_t entropy_timing_bits(const uint64_t *deltas, size_t count);

#endif
