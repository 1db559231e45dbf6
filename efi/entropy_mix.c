/* entropy_mix.c — extract and expand; see entropy_mix.h. */
#include "entropy_mix.h"

#include "bytes.h"
#include "text.h"

#define TIMING_DELTAS_PER_BIT 16u
#define TIMING_BITS_MAX 64u

void entropy_pool_init(struct entropy_pool *pool)
{
    blake2s_init(&pool->hash, "neomem entropy", 14);
    pool->sources = 0;
    pool->bits = 0;
}

void entropy_pool_add(struct entropy_pool *pool, uint32_t source, const void *data, size_t nbytes, uint32_t bits)
{
    uint64_t frame[2] = {source, nbytes};

    blake2s_add(&pool->hash, frame, sizeof frame);
    blake2s_add(&pool->hash, data, nbytes);
    if (bits > 0) {
        pool->sources |= source;
        pool->bits = bits > ENTROPY_BITS_MAX - pool->bits ? ENTROPY_BITS_MAX : pool->bits + bits;
    }
}

void entropy_pool_close(struct entropy_pool *pool, struct entropy_root *root)
{
    blake2s_finish(&pool->hash, root->key);
}

void entropy_derive(const struct entropy_root *root, const char *tag, uint8_t output[BLAKE2S_DIGEST_BYTES])
{
    struct blake2s hash;

    blake2s_init(&hash, root->key, sizeof root->key);
    blake2s_add(&hash, tag, text_length(tag));
    blake2s_finish(&hash, output);
}

/* High 64 bits of a 128-bit product, without the compiler's 128-bit type, which ISO C does not have. */
static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    uint64_t a_low = (uint32_t)a;
    uint64_t a_high = a >> 32;
    uint64_t b_low = (uint32_t)b;
    uint64_t b_high = b >> 32;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    uint64_t cross = a_low * b_high + (uint32_t)middle;

    return a_high * b_high + (middle >> 32) + (cross >> 32);
}

uint64_t entropy_draw(const struct entropy_root *root, const char *tag, uint64_t count)
{
    uint8_t output[BLAKE2S_DIGEST_BYTES];
    uint64_t word;

    entropy_derive(root, tag, output);
    memcpy(&word, output, sizeof word);
    memset(output, 0, sizeof output);
    return multiply_high(word, count);
}

uint32_t entropy_timing_bits(const uint64_t *deltas, size_t count)
{
    size_t changes = 0;
    uint64_t bits;

    for (size_t i = 1; i < count; i++) {
        changes += deltas[i] != deltas[i - 1] ? 1 : 0;
    }
    bits = changes / TIMING_DELTAS_PER_BIT;
    return bits > TIMING_BITS_MAX ? TIMING_BITS_MAX : (uint32_t)bits;
}
