/* frames_fast.h — the fast paths of single frames, inline: no atomic operation, no call, no line that another CPU writes.
 *
 * The frame that a CPU handed out last and gets back next needs no look into lines and stack: nobody put it there meanwhile.
 * It waits in `hot` and is the next to go out, so that a pair of allocation and free touches neither stack nor hash.
 * Rules and costs: frames_cpu.c. Used by: kernel/mm/frames*.c. */
#ifndef NEOMEM_MM_FRAMES_FAST_H
#define NEOMEM_MM_FRAMES_FAST_H

#include "frames_internal.h"

/* Orders this CPU's own instructions, as an interrupt on it sees them. */
static inline void frames_cpu_barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

static inline unsigned frames_cpu_hash(phys_addr_t pa)
{
    /* Knuth, The Art of Computer Programming 6.4: multiplication by 2^32 divided by the golden ratio. */
    return ((uint32_t)(pa >> PAGE_SHIFT) * 0x9e3779b1u) >> (32 - CPU_HASH_BITS);
}

static inline bool frames_cpu_is_on_stack(const struct frames_cpu *cpu, phys_addr_t pa, unsigned hash)
{
    /* The first look is made without a branch on whether there is anything to look at: that could not be predicted. */
    unsigned at = cpu->head[hash];
    bool found = cpu->stack[at] == pa;
    for (at = cpu->next[at]; NEO_UNLIKELY(at != 0); at = cpu->next[at]) {
        found |= cpu->stack[at] == pa;
    }
    return found;
}

static inline void frames_cpu_push(struct frames_cpu *cpu, phys_addr_t pa, unsigned hash)
{
    uint32_t held = cpu->held + 1;
    cpu->stack[held] = pa;
    cpu->held = held;
    if (NEO_LIKELY(!cpu->is_trusting)) {
        cpu->next[held] = cpu->head[hash];
        cpu->head[hash] = (uint16_t)held;
    }
}

/* There is one on the stack. */
static inline phys_addr_t frames_cpu_pop(struct frames_cpu *cpu)
{
    uint32_t held = cpu->held;
    phys_addr_t pa = cpu->stack[held];
    cpu->held = held - 1;
    if (NEO_LIKELY(!cpu->is_trusting)) {
        cpu->head[frames_cpu_hash(pa)] = cpu->next[held];
    }
    return pa;
}

static inline phys_addr_t frames_cpu_take(struct frames_line *line)
{
    uint64_t bits = line->free[line->at];
    line->free[line->at] = bits & (bits - 1);
    return (line->place.base + line->at * 64ull + low_bit(bits)) << PAGE_SHIFT;
}

/* Take the cache for a fast path. false: it is not to be used now (nested, off, to be drained). Left with frames_cpu_done. */
static inline bool frames_cpu_begin(struct frames_cpu *cpu)
{
    if (NEO_UNLIKELY(cpu == NULL || (cpu->busy | byte_load(&cpu->stop)) != 0)) {
        return false;
    }
    cpu->busy = 1;
    frames_cpu_barrier();
    return true;
}

static inline void frames_cpu_done(struct frames_cpu *cpu)
{
    frames_cpu_barrier();
    cpu->busy = 0;
}

/* FRAMES_NONE: the cache is not to be used now (nested, off, to be drained), or there is no memory for it. */
static inline phys_addr_t frames_cpu_alloc(struct frames_cpu *cpu)
{
    if (NEO_UNLIKELY((cpu->busy | byte_load(&cpu->stop)) != 0)) {
        return FRAMES_NONE;
    }
    cpu->busy = 1;
    frames_cpu_barrier();
    phys_addr_t pa = cpu->hot;
    if (pa != FRAMES_NONE) {
        cpu->hot = FRAMES_NONE;
    } else if (NEO_LIKELY(cpu->held != 0)) {
        pa = frames_cpu_pop(cpu);
    } else if (NEO_LIKELY(cpu->alloc.free[cpu->alloc.at] != 0)) {
        pa = frames_cpu_take(&cpu->alloc);
    } else {
        return frames_cpu_refill(cpu);
    }
    cpu->last = pa;
    frames_cpu_barrier();
    cpu->busy = 0;
    return pa;
}

static inline uint64_t frames_cpu_line_bit(const struct frames_cpu *cpu, const struct frames_line *line)
{
    return 1ull << (((line->place.base - cpu->span_base) >> CHUNK_SHIFT) % 64);
}

/* After the run or give line, or the span, has changed. */
static inline void frames_cpu_note_lines(struct frames_cpu *cpu)
{
    cpu->mine = frames_cpu_line_bit(cpu, &cpu->run) | frames_cpu_line_bit(cpu, &cpu->give);
}

static inline bool frames_line_has(const struct frames_line *line, pfn_t pfn)
{
    uint64_t at = pfn - line->place.base;
    return at < CHUNK_FRAMES && ((line->free[at / 64] >> (at % 64)) & 1u) != 0;
}

/* Frames [pfn, pfn + count), which lie in one chunk. */
static inline bool frames_line_has_any(const struct frames_line *line, pfn_t pfn, uint64_t count)
{
    uint64_t at = pfn % CHUNK_FRAMES;
    if (pfn - at != line->place.base) {
        return false;
    }
    const uint64_t *word = &line->free[at / 64];
    uint64_t found = *word & (low_ones(count) << (at % 64));
    for (uint64_t done = 64 - at % 64; NEO_UNLIKELY(done < count); done += 64) {
        found |= *++word & low_ones(count - done);
    }
    return found != 0;
}

/* The lines that `mine` is about. */
static inline bool frames_cpu_is_in_lines(const struct frames_cpu *cpu, pfn_t pfn)
{
    return frames_line_has(&cpu->run, pfn) || frames_line_has(&cpu->give, pfn);
}

/* The frame is in use beyond doubt, or no checks are wanted. Entered; leaves. */
static inline void frames_cpu_keep(struct frames_cpu *cpu, phys_addr_t pa, unsigned hash, const void *caller)
{
    if (NEO_UNLIKELY(cpu->held >= cpu->capacity)) {
        frames_cpu_give_one(cpu, pa, caller);
        return;
    }
    frames_cpu_push(cpu, pa, hash);
    frames_cpu_barrier();
    cpu->busy = 0;
}

/* caller: whom a report names. */
static inline NEO_ALWAYS_INLINE void frames_cpu_free(struct frames_cpu *cpu, phys_addr_t pa, const void *caller)
{
    if (NEO_UNLIKELY(cpu->busy != 0)) {
        frames_free_slow(cpu, pa, 1, caller);
        return;
    }
    cpu->busy = 1;
    frames_cpu_barrier();
    /* Low bits of an unaligned address rotate to the top: outside every span. */
    pfn_t pfn = (pa >> PAGE_SHIFT) | (pa << (64 - PAGE_SHIFT));
    uint64_t at = pfn - cpu->span_base;
    /* Without checks, too, retired frames must not enter the stack: the state tells of them. */
    if (cpu->is_trusting && at < cpu->span_frames && byte_load(&cpu->span_state[at >> CHUNK_SHIFT]) == CHUNK_SPLIT) {
        frames_cpu_keep(cpu, pa, 0, caller);
        return;
    }
    uint64_t chunk = at >> CHUNK_SHIFT;
    if (NEO_LIKELY(at < cpu->span_frames && byte_load(&cpu->span_state[chunk]) == CHUNK_SPLIT &&
                   ((word_load(&cpu->span_map[at / 64]) >> (at % 64)) & 1u) != 0)) {
        cpu->seen[chunk % CPU_SEEN] = 1;
        if (cpu->last == pa && cpu->hot == FRAMES_NONE) {
            cpu->last = FRAMES_NONE;
            cpu->hot = pa;
            frames_cpu_barrier();
            cpu->busy = 0;
            return;
        }
        unsigned hash = frames_cpu_hash(pa);
        bool is_near = ((cpu->mine >> (chunk % 64)) & 1u) != 0;
        if (NEO_LIKELY(!frames_line_has(&cpu->alloc, pfn) && cpu->hot != pa &&
                       (!is_near || !frames_cpu_is_in_lines(cpu, pfn)) && !frames_cpu_is_on_stack(cpu, pa, hash))) {
            cpu->last = FRAMES_NONE;
            frames_cpu_keep(cpu, pa, hash, caller);
            return;
        }
    }
    cpu->busy = 0;
    frames_free_slow(cpu, pa, 1, caller);
}

#endif
