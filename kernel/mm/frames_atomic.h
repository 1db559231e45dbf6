/* frames_atomic.h — every atomic access of the page frame allocator goes through here, so that the interleaving checker
 * (tests/ilv) can switch threads at each of them: it defines FRAMES_STEP before this file is read.
 *
 * Names: load, store, … are relaxed unless the suffix says more (_acquire, _release, _sc). Read-modify-writes are sequentially
 * consistent: on x86-64 every one of them is a full barrier anyway, and the store-load pairs that the design rests on
 * (frames_state.h) need it. Context: any. Depends on: types.h. Used by: kernel/mm/frames_*. */
#ifndef NEOMEM_MM_FRAMES_ATOMIC_H
#define NEOMEM_MM_FRAMES_ATOMIC_H

#include <neomem/types.h>
#include <stdatomic.h>

#ifndef FRAMES_STEP
#define FRAMES_STEP() ((void)0)
#endif

typedef _Atomic uint64_t atomic_word;
typedef _Atomic uint16_t atomic_count;
typedef _Atomic uint8_t atomic_byte;

static inline uint64_t word_load(const atomic_word *word)
{
    FRAMES_STEP();
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline uint64_t word_load_sc(const atomic_word *word)
{
    FRAMES_STEP();
    return atomic_load_explicit(word, memory_order_seq_cst);
}

static inline void word_store(atomic_word *word, uint64_t value)
{
    FRAMES_STEP();
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline void word_store_release(atomic_word *word, uint64_t value)
{
    FRAMES_STEP();
    atomic_store_explicit(word, value, memory_order_release);
}

static inline uint64_t word_exchange(atomic_word *word, uint64_t value)
{
    FRAMES_STEP();
    return atomic_exchange_explicit(word, value, memory_order_seq_cst);
}

/* Return: the value before. */
static inline uint64_t word_set_bits(atomic_word *word, uint64_t bits)
{
    FRAMES_STEP();
    return atomic_fetch_or_explicit(word, bits, memory_order_seq_cst);
}

static inline uint64_t word_clear_bits(atomic_word *word, uint64_t bits)
{
    FRAMES_STEP();
    return atomic_fetch_and_explicit(word, ~bits, memory_order_seq_cst);
}

/* One bit, as `lock bts` / `lock btr`. Return: whether it was set before. */
static inline bool word_set_bit(atomic_word *word, unsigned bit)
{
    FRAMES_STEP();
    const uint64_t mask = 1ull << bit; /* in one variable: else gcc makes a loop of it */
    return (atomic_fetch_or_explicit(word, mask, memory_order_seq_cst) & mask) != 0;
}

static inline bool word_clear_bit(atomic_word *word, unsigned bit)
{
    FRAMES_STEP();
    const uint64_t mask = 1ull << bit;
    return (atomic_fetch_and_explicit(word, ~mask, memory_order_seq_cst) & mask) != 0;
}

/* Return: whether it was expected and now is value. */
static inline bool word_replace(atomic_word *word, uint64_t expected, uint64_t value)
{
    FRAMES_STEP();
    return atomic_compare_exchange_strong_explicit(word, &expected, value, memory_order_seq_cst, memory_order_seq_cst);
}

static inline uint64_t word_add(atomic_word *word, uint64_t value)
{
    FRAMES_STEP();
    return atomic_fetch_add_explicit(word, value, memory_order_seq_cst);
}

static inline uint8_t byte_load(const atomic_byte *byte)
{
    FRAMES_STEP();
    return atomic_load_explicit(byte, memory_order_relaxed);
}

static inline uint8_t byte_load_acquire(const atomic_byte *byte)
{
    FRAMES_STEP();
    return atomic_load_explicit(byte, memory_order_acquire);
}

static inline uint8_t byte_load_sc(const atomic_byte *byte)
{
    FRAMES_STEP();
    return atomic_load_explicit(byte, memory_order_seq_cst);
}

static inline void byte_store(atomic_byte *byte, uint8_t value)
{
    FRAMES_STEP();
    atomic_store_explicit(byte, value, memory_order_relaxed);
}

static inline void byte_store_release(atomic_byte *byte, uint8_t value)
{
    FRAMES_STEP();
    atomic_store_explicit(byte, value, memory_order_release);
}

static inline uint8_t byte_set_bits(atomic_byte *byte, uint8_t bits)
{
    FRAMES_STEP();
    return atomic_fetch_or_explicit(byte, bits, memory_order_seq_cst);
}

static inline uint8_t byte_clear_bits(atomic_byte *byte, uint8_t bits)
{
    FRAMES_STEP();
    return atomic_fetch_and_explicit(byte, (uint8_t)~bits, memory_order_seq_cst);
}

static inline bool byte_replace(atomic_byte *byte, uint8_t expected, uint8_t value)
{
    FRAMES_STEP();
    return atomic_compare_exchange_strong_explicit(byte, &expected, value, memory_order_seq_cst, memory_order_seq_cst);
}

static inline uint16_t count_load(const atomic_count *count)
{
    FRAMES_STEP();
    return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void count_store(atomic_count *count, uint16_t value)
{
    FRAMES_STEP();
    atomic_store_explicit(count, value, memory_order_relaxed);
}

#endif
