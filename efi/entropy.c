/* entropy.c — the sources of randomness; see entropy.h. Mixing is in entropy_mix.c.
 *
 * Estimates: EFI_RNG and RDSEED are specified to give full entropy, but neither can be audited, so each counts half of
 * what it delivers; RDRAND is a generator that is reseeded, so it counts a quarter; timing is measured. */
#include "entropy.h"

#include "bytes.h"
#include "cpu.h"
#include "firmware.h"

#define WORDS 4u            /* 256 bits from each source */
#define RETRIES_RDRAND 10u  /* SDM vol. 1 7.3.17.1: more failures in a row mean a broken generator */
#define RETRIES_RDSEED 128u /* may run dry for longer, because all CPUs share it */
#define TIMING_SAMPLES 1024u

static void add_firmware_random(struct entropy_pool *pool)
{
    static EFI_GUID guid = EFI_RNG_PROTOCOL_GUID;
    EFI_RNG_PROTOCOL *rng = firmware_locate(&guid);
    uint8_t random[WORDS * 8] = {0};
    uint8_t all = 0;

    if (rng == NULL || rng->GetRNG == NULL || EFI_ERROR(rng->GetRNG(rng, NULL, sizeof random, random))) {
        return;
    }
    for (size_t i = 0; i < sizeof random; i++) {
        all |= random[i];
    }
    entropy_pool_add(pool, BOOT_ENTROPY_EFI_RNG, random, sizeof random, all != 0 ? 128 : 0);
    memset(random, 0, sizeof random);
}

static bool draw_with_retries(bool (*draw)(uint64_t *), unsigned retries, uint64_t *value)
{
    while (retries-- > 0) {
        if (draw(value)) {
            return true;
        }
        cpu_pause();
    }
    return false;
}

/* A generator that repeats itself is broken (AMD family 17h after resume returns all ones): it counts nothing. */
static void add_cpu_random(struct entropy_pool *pool, uint32_t source, bool (*draw)(uint64_t *), unsigned retries,
                           uint32_t bits_a_word)
{
    uint64_t words[WORDS] = {0};
    uint32_t bits = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        if (!draw_with_retries(draw, retries, &words[i])) {
            break;
        }
        if (i > 0 && words[i] == words[i - 1]) {
            bits = 0;
            break;
        }
        bits += bits_a_word;
    }
    entropy_pool_add(pool, source, words, sizeof words, bits);
    memset(words, 0, sizeof words);
}

/* CPUID is serialising, and under a hypervisor it leaves the guest: its duration depends on caches, interrupts and
 * the host, none of which the machine's image determines. */
static void add_timing(struct entropy_pool *pool)
{
    static uint64_t deltas[TIMING_SAMPLES];
    struct cpu_cpuid leaf;
    uint64_t last = cpu_tsc();

    for (size_t i = 0; i < TIMING_SAMPLES; i++) {
        uint64_t now;
        cpu_cpuid(0, 0, &leaf);
        now = cpu_tsc();
        deltas[i] = now - last;
        last = now;
    }
    entropy_pool_add(pool, BOOT_ENTROPY_TIMING, deltas, sizeof deltas, entropy_timing_bits(deltas, TIMING_SAMPLES));
    memset(deltas, 0, sizeof deltas);
}

/* Known to many, so it counts nothing; but two machines, or two boots of one, differ in it. */
static void add_circumstances(struct entropy_pool *pool, const struct boot_info *info)
{
    EFI_RUNTIME_SERVICES *runtime = firmware_table()->RuntimeServices;
    EFI_TIME now = {0};

    if (runtime != NULL && runtime->GetTime != NULL) {
        (void)runtime->GetTime(&now, NULL);
    }
    entropy_pool_add(pool, 0, &now, sizeof now, 0);
    entropy_pool_add(pool, 0, info, sizeof *info, 0);
}

void entropy_collect(const struct machine *machine, struct entropy_root *root, struct boot_info *info)
{
    struct entropy_pool pool;

    entropy_pool_init(&pool);
    add_firmware_random(&pool);
    if (machine->has_rdseed) {
        add_cpu_random(&pool, BOOT_ENTROPY_RDSEED, cpu_rdseed, RETRIES_RDSEED, 32);
    }
    if (machine->has_rdrand) {
        add_cpu_random(&pool, BOOT_ENTROPY_RDRAND, cpu_rdrand, RETRIES_RDRAND, 16);
    }
    add_timing(&pool);
    add_circumstances(&pool, info);
    info->entropy_sources = pool.sources;
    info->entropy_bits = pool.bits;
    entropy_pool_close(&pool, root);
}

void entropy_seed(const struct entropy_root *root, bool has_fixed_seed, uint64_t fixed_seed, struct boot_info *info)
{
    struct entropy_root fixed = {{0}};

    _Static_assert(BOOT_SEED_BYTES == BLAKE2S_DIGEST_BYTES, "the seed is one derived output");
    if (has_fixed_seed) {
        memcpy(fixed.key, &fixed_seed, sizeof fixed_seed);
        info->entropy_sources |= BOOT_ENTROPY_OPTION;
    }
    entropy_derive(has_fixed_seed ? &fixed : root, "neomem kernel seed", info->seed);
}
