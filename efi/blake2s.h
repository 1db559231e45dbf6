/* blake2s.h — BLAKE2s (RFC 7693) with 32-byte digests: checksum of the embedded kernel and extractor of randomness.
 *
 * Chosen because it is small, needs only 32-bit arithmetic (no SSE before the kernel runs) and is keyed by design.
 * Pure. Depends on: types.h. Used by: kernel_image.c, entropy.c, host tests. */
#ifndef EFI_BLAKE2S_H
#define EFI_BLAKE2S_H

#include <neomem/types.h>

#define BLAKE2S_DIGEST_BYTES 32u
#define BLAKE2S_BLOCK_BYTES 64u

struct blake2s {
    uint32_t state[8];
    uint64_t total; /* bytes already compressed */
    uint8_t block[BLAKE2S_BLOCK_BYTES];
    size_t filled;
};

/* key: up to 32 bytes, or NULL with key_bytes 0. */
void blake2s_init(struct blake2s *hash, const void *key, size_t key_bytes);
void blake2s_add(struct blake2s *hash, const void *data, size_t nbytes);
/* Writes the digest and wipes *hash. */
void blake2s_finish(struct blake2s *hash, uint8_t digest[BLAKE2S_DIGEST_BYTES]);

#endif
