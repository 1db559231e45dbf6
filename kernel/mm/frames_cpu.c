/* frames_cpu.c — the per-CPU cache: where single frames come from and go to, without an atomic operation.
 *
 *      free ──► stack (LIFO) ──full──► give line ──another chunk──► shared map
 *      alloc ◄── stack ◄─empty─ alloc line ◄──empty── all free bits of the fullest chunk, or a whole one
 *
 * One frame may wait in front of the stack (`hot`, frames_fast.h). Past the full stack the first frame of a chunk goes straight
 * to the shared map, the ones that follow it into the give line.
 *
 * The double-free check is exact for everything this CPU can know at once: the frame's chunk is SPLIT, its bit is 1, it is in none of
 * the lines and not on the stack. For the last one the stack is threaded: head[hash] is the newest entry of that hash, each entry
 * names the one below it. As entries leave only from the top, the one that leaves is always the newest of its hash: taking it off costs one
 * store.
 *
 * `busy`: an interrupt or NMI on the same CPU may come between any two instructions. It sees busy and takes the shared path,
 * or it sees a cache that nobody is inside of, uses it and leaves it as consistent as it found it. Only the order of the owner's own
 * instructions matters, so compiler barriers (signal fences) do.
 * Frames of another node or of a low window never enter the stack: reuse would hand them to everybody.
 * Cost: frames_state.h. Locking: the CPU's own. */

#include "frames_fast.h"

#include <neomem/string.h>

#define STACK_SHARE 64u /* all stacks together hold at most this part of the memory */
#define STACK_MIN 16u

/* ---- ownership -------------------------------------------------------------------------------------------- */

bool frames_cpu_enter(struct frames_cpu *cpu)
{
    if (cpu == NULL || cpu->busy != 0) {
        return false;
    }
    cpu->busy = 1;
    frames_cpu_barrier();
    cpu->last = FRAMES_NONE;
    if (NEO_UNLIKELY(byte_load(&cpu->stop) != 0)) {
        byte_store(&cpu->stop, 0);
        frames_cpu_drain(cpu);
    }
    return true;
}

void frames_cpu_leave(struct frames_cpu *cpu)
{
    frames_cpu_note_lines(cpu);
    frames_cpu_barrier();
    cpu->busy = 0;
}

/* ---- what it holds ---------------------------------------------------------------------------------------- */

bool frames_cpu_holds(const struct frames_cpu *cpu, pfn_t pfn, uint64_t count)
{
    bool is_hot = cpu->hot != FRAMES_NONE && (cpu->hot >> PAGE_SHIFT) - pfn < count;
    is_hot = is_hot || (cpu->hot_2m != FRAMES_NONE && pfn < (cpu->hot_2m >> PAGE_SHIFT) + CHUNK_FRAMES &&
                        cpu->hot_2m >> PAGE_SHIFT < pfn + count);
    if (is_hot || line_holds(&cpu->alloc, pfn, count) || line_holds(&cpu->run, pfn, count) ||
        line_holds(&cpu->give, pfn, count)) {
        return true;
    }
    for (uint32_t i = 1; cpu->is_trusting && i <= cpu->held; i++) { /* level 0: the stack is not threaded */
        if ((cpu->stack[i] >> PAGE_SHIFT) - pfn < count) {
            return true;
        }
    }
    if (cpu->held == 0 || cpu->is_trusting || cpu->seen[((pfn - cpu->span_base) >> CHUNK_SHIFT) % CPU_SEEN] == 0) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        phys_addr_t pa = (pfn + i) << PAGE_SHIFT;
        if (frames_cpu_is_on_stack(cpu, pa, frames_cpu_hash(pa))) {
            return true;
        }
    }
    return false;
}

FRAMES_READS_OTHERS uint64_t frames_cpu_cached(const struct frames_cpu *cpu)
{
    return (uint64_t)cpu->held + (cpu->hot != FRAMES_NONE) + (cpu->hot_2m != FRAMES_NONE ? CHUNK_FRAMES : 0) +
           line_count(&cpu->alloc) + line_count(&cpu->run) + line_count(&cpu->give);
}

/* ---- allocation ------------------------------------------------------------------------------------------- */

NEO_NOINLINE phys_addr_t frames_cpu_refill(struct frames_cpu *cpu)
{
    struct frames_line *line = &cpu->alloc;
    phys_addr_t pa = FRAMES_NONE;
    for (unsigned i = 0; i < CPU_SEEN; i++) {
        cpu->seen[i] = 0; /* the stack is empty */
    }
    cpu->capacity = cpu->capacity_full;
    cpu->overflow = 0;
    while (line->at < CHUNK_WORDS - 1 && line->free[line->at] == 0) {
        line->at++;
    }
    if (line->free[line->at] != 0 || line_open_next(cpu, line, false, 0) != 0) {
        pa = frames_cpu_take(line);
    }
    cpu->last = pa;
    frames_cpu_leave(cpu);
    return pa;
}

/* ---- free ------------------------------------------------------------------------------------------------- */

/* Where a frame of the span is. */
static inline struct frames_place place_in_span(const struct frames_cpu *cpu, pfn_t pfn)
{
    struct frames_place place = cpu->span_place;
    place.base = align_down(pfn, CHUNK_FRAMES);
    place.chunk += (pfn - cpu->span_base) >> CHUNK_SHIFT;
    return place;
}

/* What the give line holds goes back; it is for another chunk from now on. Return: false on a double free. */
static bool give_switch(struct frames_cpu *cpu, const struct frames_place *place)
{
    struct frames_line *line = &cpu->give;
    pfn_t culprit = PFN_NONE;
    if (line->count != 0) {
        cpu->taken -= line_write_back(line, &culprit);
    }
    line->place = *place;
    cpu->give_base = place->base;
    frames_cpu_note_lines(cpu);
    return culprit == PFN_NONE;
}

bool frames_cpu_give(struct frames_cpu *cpu, const struct frames_place *place, unsigned frame, unsigned count)
{
    struct frames_line *line = &cpu->give;
    bool is_right = line->place.base == place->base || give_switch(cpu, place);
    line->count += count;
    if (NEO_LIKELY(frame % 64 + count <= 64)) {
        line->free[frame / 64] |= low_ones(count) << (frame % 64);
        return is_right;
    }
    while (count > 0) {
        unsigned here = (unsigned)min_u64(count, 64 - frame % 64);
        line->free[frame / 64] |= low_ones(here) << (frame % 64);
        frame += here;
        count -= here;
    }
    return is_right;
}

/* One frame of the span straight into the shared map. Return: false on a double free. */
static inline bool give_shared(struct frames_cpu *cpu, pfn_t pfn)
{
    uint64_t at = pfn - cpu->span_base;
    struct frames_arena *arena = cpu->span_place.arena;
    uint64_t chunk = cpu->span_place.chunk + (at >> CHUNK_SHIFT);
    if (NEO_UNLIKELY(!word_clear_bit(&cpu->span_map[at / 64], at % 64))) {
        return false;
    }
    cpu->taken--;
    room_add(arena, chunk, 1);
    bool is_bad = (byte_load_sc(&cpu->span_state[at >> CHUNK_SHIFT]) & CHUNK_BAD) != 0;
    chunk_offer(arena, chunk);
    if (NEO_UNLIKELY(is_bad || word_load_sc(&cpu->span_map[at / 64]) == 0)) {
        struct frames_place place = place_in_span(cpu, pfn);
        if (is_bad) {
            chunk_keep_retired(&place, (unsigned)(pfn % CHUNK_FRAMES / 64));
        } else {
            chunk_coalesce(&place);
        }
    }
    if (NEO_UNLIKELY(cpu->span_place.window < frames_.top_window)) {
        frames_count_window(cpu->span_place.window, 1);
    }
    return true;
}

/* Return: false on a double free. */
static bool empty_stack(struct frames_cpu *cpu)
{
    bool is_right = true;
    cpu->last = FRAMES_NONE;
    while (cpu->hot != FRAMES_NONE || cpu->held != 0) {
        struct frames_place place;
        pfn_t pfn = (cpu->hot != FRAMES_NONE ? cpu->hot : frames_cpu_pop(cpu)) >> PAGE_SHIFT;
        cpu->hot = FRAMES_NONE;
        if (cpu->give.place.base == align_down(pfn, CHUNK_FRAMES)) {
            place = cpu->give.place;
        } else if (!frames_locate(pfn, &place)) {
            continue;
        }
        is_right = frames_cpu_give(cpu, &place, (unsigned)(pfn % CHUNK_FRAMES), 1) && is_right;
    }
    return is_right;
}

/* More frames past the full stack than it holds, and no refill between: they come back in masses, and nobody wants these ones
 * soon. Then the stack goes back, too, and stays empty until the next refill: what is on it would keep chunks from becoming
 * whole, and the next allocations would follow it instead of filling the fullest chunks.
 * The first frame of a chunk goes to the shared map at once: frees all over the place cost one RMW each. More frames of the same
 * chunk are collected: frees in order cost one RMW for up to 64, and often none. */
NEO_NOINLINE void frames_cpu_give_one(struct frames_cpu *cpu, phys_addr_t pa, const void *caller)
{
    pfn_t pfn = pa >> PAGE_SHIFT;
    bool is_right = true;
    if (NEO_UNLIKELY(++cpu->overflow == cpu->capacity_full)) {
        is_right = empty_stack(cpu);
        cpu->capacity = 0;
    }
    if (align_down(pfn, CHUNK_FRAMES) != cpu->give_base) {
        cpu->give_base = align_down(pfn, CHUNK_FRAMES);
        is_right = give_shared(cpu, pfn) && is_right;
    } else {
        if (NEO_UNLIKELY(cpu->give.place.base != cpu->give_base)) {
            struct frames_place place = place_in_span(cpu, pfn);
            is_right = give_switch(cpu, &place) && is_right;
        }
        cpu->give.free[pfn % CHUNK_FRAMES / 64] |= 1ull << (pfn % 64);
        cpu->give.count++;
    }
    frames_cpu_barrier();
    cpu->busy = 0;
    if (NEO_UNLIKELY(!is_right)) {
        frames_violation(pa, 1, pa, caller, "an earlier free on this CPU was of a frame free already (double free)");
    }
}

/* ---- start and end ------------------------------------------------------------------------------------------ */

void frames_cpu_drain(struct frames_cpu *cpu)
{
    pfn_t culprit = PFN_NONE;
    if (!empty_stack(cpu)) {
        culprit = cpu->give.place.base;
    }
    struct frames_place whole;
    if (cpu->hot_2m != FRAMES_NONE && frames_locate(cpu->hot_2m >> PAGE_SHIFT, &whole)) {
        /* Split: another CPU has freed a part of it, too. */
        uint8_t kind = byte_load_acquire(&whole.arena->state[whole.chunk]) & CHUNK_KIND;
        if (kind != CHUNK_WHOLE || !chunk_give_whole(&whole)) {
            culprit = whole.base;
        }
        cpu->taken -= CHUNK_FRAMES;
        frames_count_window(whole.window, CHUNK_FRAMES);
        cpu->hot_2m = FRAMES_NONE;
    }
    cpu->taken -= line_write_back(&cpu->alloc, &culprit);
    cpu->taken -= line_write_back(&cpu->run, &culprit);
    cpu->taken -= line_write_back(&cpu->give, &culprit);
    frames_cpu_note_lines(cpu);
    if (NEO_UNLIKELY(culprit != PFN_NONE)) {
        frames_cpu_leave(cpu);
        frames_violation(culprit << PAGE_SHIFT, 1, culprit << PAGE_SHIFT, NULL,
                         "found free in the shared bitmap while a cache was written back (double free on two CPUs)");
    }
}

void frames_cpu_find_span(struct frames_cpu *cpu, pfn_t pfn)
{
    const struct frames_span *span = frames_find_span(pfn);
    if (span == NULL || span->node != cpu->node || span->window != frames_main_window(cpu->node)) {
        return;
    }
    if (cpu->span_base != span->base) {
        /* The marks count from the span's base: all are possible now. */
        neo_memset(cpu->seen, 1, sizeof(cpu->seen));
    }
    cpu->span_base = span->base;
    cpu->span_frames = span->nframes;
    cpu->span_state = &span->arena->state[span->chunk];
    cpu->span_map = chunk_line(span->arena, span->chunk);
    cpu->span_place = (struct frames_place){span->base, span->arena, span->chunk, span->node, span->window};
    frames_cpu_note_lines(cpu);
}

void frames_cpu_start(struct frames_cpu *cpu, unsigned number, unsigned node)
{
    const struct frames_layout *layout = frames_layout_now();
    neo_memset(cpu, 0, sizeof(*cpu));
    line_clear(&cpu->alloc);
    line_clear(&cpu->run);
    line_clear(&cpu->give);
    cpu->number = number;
    cpu->hot = cpu->hot_2m = cpu->last = cpu->stack[0] = FRAMES_NONE;
    cpu->give_base = PFN_NONE;
    cpu->is_trusting = frames_.hardening == 0;
    cpu->node = node;
    cpu->capacity_full = (uint32_t)max_u64(
        STACK_MIN, min_u64(CPU_STACK_MAX, word_load(&frames_.total) / STACK_SHARE / frames_.cpu_count));
    cpu->capacity = cpu->capacity_full;
    cpu->busy = frames_.hardening >= 2 || frames_.is_injecting;
    uint64_t most = 0;
    unsigned window = frames_main_window(node);
    for (uint64_t i = 0; i < layout->span_count; i++) {
        const struct frames_span *span = &layout->spans[i];
        if (span->nframes > most && span->node == node && span->window == window) {
            most = span->nframes;
            frames_cpu_find_span(cpu, span->base);
            /* CPUs start apart, so that they do not meet in the same words. */
            cpu->part_at = cpu->whole_at = span->chunk + (span->nframes >> CHUNK_SHIFT) * number / frames_.cpu_count;
        }
    }
}
