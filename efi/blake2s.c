/* blake2s.c — BLAKE2s after RFC 7693, 32-byte digests only. */
#include "blake2s.h"

#include "bytes.h"

#define ROUNDS 10u

static const uint32_t initial_state[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                          0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

/* RFC 7693 section 2.7: message word order of each round. */
static const uint8_t word_order[ROUNDS][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint32_t rotate_right(uint32_t value, unsigned bits)
{
    return value >> bits | value << (32 - bits);
}

static uint32_t load_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void store_le32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
    bytes[2] = (uint8_t)(value >> 16);
    bytes[3] = (uint8_t)(value >> 24);
}

static void mix(uint32_t *v, unsigned a, unsigned b, unsigned c, unsigned d, uint32_t x, uint32_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotate_right(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 7);
}

static void compress(struct blake2s *hash, bool is_last)
{
    uint32_t v[16];
    uint32_t m[16];

    for (unsigned i = 0; i < 8; i++) {
        v[i] = hash->state[i];
        v[i + 8] = initial_state[i];
    }
    for (unsigned i = 0; i < 16; i++) {
        m[i] = load_le32(hash->block + (size_t)4 * i);
    }
    v[12] ^= (uint32_t)hash->total;
    v[13] ^= (uint32_t)(hash->total >> 32);
    if (is_last) {
        v[14] = ~v[14];
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint8_t *s = word_order[round];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (unsigned i = 0; i < 8; i++) {
        hash->state[i] ^= v[i] ^ v[i + 8];
    }
}

void blake2s_init(struct blake2s *hash, const void *key, size_t key_bytes)
{
    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, initial_state, sizeof hash->state);
    /* Parameter block: digest length, key length, fanout 1, depth 1. */
    hash->state[0] ^= BLAKE2S_DIGEST_BYTES | (uint32_t)key_bytes << 8 | 1u << 16 | 1u << 24;
    if (key_bytes > 0) {
        memcpy(hash->block, key, key_bytes);
        hash->filled = BLAKE2S_BLOCK_BYTES;
    }
}

void blake2s_add(struct blake2s *hash, const void *data, size_t nbytes)
{
    const uint8_t *from = data;

    while (nbytes > 0) {
        size_t room = BLAKE2S_BLOCK_BYTES - hash->filled;
        size_t part;
        if (room == 0) {
            /* A full block is compressed only when more follows: the last one is compressed differently. */
            hash->total += BLAKE2S_BLOCK_BYTES;
            compress(hash, false);
            hash->filled = 0;
            room = BLAKE2S_BLOCK_BYTES;
        }
        part = nbytes < room ? nbytes : room;
        memcpy(hash->block + hash->filled, from, part);
        hash->filled += part;
        from += part;
        nbytes -= part;
    }
}

void blake2s_finish(struct blake2s *hash, uint8_t digest[BLAKE2S_DIGEST_BYTES])
{
    hash->total += hash->filled;
    memset(hash->block + hash->filled, 0, BLAKE2S_BLOCK_BYTES - hash->filled);
    compress(hash, true);
    for (unsigned i = 0; i < 8; i++) {
        store_le32(digest + (size_t)4 * i, hash->state[i]);
    }
    memset(hash, 0, sizeof *hash);
}
