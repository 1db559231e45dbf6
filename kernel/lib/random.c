/* random.c — ChaCha20 in counter mode as the kernel's random generator.
 *
 * Draw n is words 0 and 1 of key-stream block n. RFC 8439 splits the 16-byte block number into a 32-bit counter and a
 * nonce; here the low half of the 64-bit draw number is the counter and the high half the first nonce word, so no block
 * repeats within 2^64 draws. Throwing away the rest of each block costs time and buys a generator without shared state
 * but one atomic counter: an interrupt or another CPU in the middle of a draw cannot see or disturb it.
 *
 * Source: RFC 8439, sections 2.1 to 2.3. */
#include <neomem/panic.h>
#include <neomem/random.h>

static struct {
    uint32_t key[8];
    bool seeded;
    uint64_t draws; /* atomic */
} generator;

static inline uint32_t rotate_left(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

static inline void quarter_round(uint32_t state[16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    state[a] += state[b];
    state[d] = rotate_left(state[d] ^ state[a], 16);
    state[c] += state[d];
    state[b] = rotate_left(state[b] ^ state[c], 12);
    state[a] += state[b];
    state[d] = rotate_left(state[d] ^ state[a], 8);
    state[c] += state[d];
    state[b] = rotate_left(state[b] ^ state[c], 7);
}

void random_chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t block[16])
{
    /* "expand 32-byte k", little-endian words */
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0],  key[1],   key[2],   key[3],
                          key[4],     key[5],     key[6],     key[7],     counter, nonce[0], nonce[1], nonce[2]};
    for (unsigned i = 0; i < 16; i++) {
        block[i] = start[i];
    }
    for (unsigned round = 0; round < 20; round += 2) {
        quarter_round(block, 0, 4, 8, 12);
        quarter_round(block, 1, 5, 9, 13);
        quarter_round(block, 2, 6, 10, 14);
        quarter_round(block, 3, 7, 11, 15);
        quarter_round(block, 0, 5, 10, 15);
        quarter_round(block, 1, 6, 11, 12);
        quarter_round(block, 2, 7, 8, 13);
        quarter_round(block, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < 16; i++) {
        block[i] += start[i];
    }
}

void random_init(const uint8_t seed[RANDOM_SEED_BYTES])
{
    for (size_t i = 0; i < 8; i++) {
        const uint8_t *bytes = seed + 4 * i;
        generator.key[i] =
            (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    }
    __atomic_store_n(&generator.draws, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&generator.seeded, true, __ATOMIC_RELEASE);
}

void random_init_number(uint64_t seed)
{
    uint8_t bytes[RANDOM_SEED_BYTES] = {0};
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(seed >> (8 * i));
    }
    random_init(bytes);
}

uint64_t random_u64(void)
{
    BUG_ON(!__atomic_load_n(&generator.seeded, __ATOMIC_ACQUIRE));
    uint64_t draw = __atomic_fetch_add(&generator.draws, 1, __ATOMIC_RELAXED);
    const uint32_t nonce[3] = {(uint32_t)(draw >> 32), 0, 0};
    uint32_t block[16];
    random_chacha20_block(generator.key, (uint32_t)draw, nonce, block);
    return (uint64_t)block[1] << 32 | block[0];
}

uint64_t random_below(uint64_t bound)
{
    if (bound == 0) {
        return 0;
    }
    /* 2^64 mod bound values too many: draws below that are thrown away, the rest divides evenly. */
    uint64_t surplus = (0 - bound) % bound;
    uint64_t value = random_u64();
    while (value < surplus) {
        value = random_u64();
    }
    return value % bound;
}
