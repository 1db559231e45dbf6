/* frames.c — the public allocation functions: which way a request goes.
 *
 *   one frame            per-CPU cache                       frames_cpu.c
 *   2 … 511 frames       the CPU's run line                  frames_run.c
 *   a chunk and more     whole chunks                        frames_run.c
 *   constraints, or none of the above found anything         frames_search.c, after this CPU's cache went back
 *
 * A call that finds the CPU's cache busy (it interrupted its owner) or off goes to the shared map (frames_shared.c).
 * Before a request fails, this CPU's cache is drained; then, unless it is FRAMES_ATOMIC, the others are asked to drain at their
 * next allocation. */

#include "frames_fast.h"

#include <neomem/printf.h>
#include <neomem/string.h>

static struct frames_allocator allocator;
struct frames_allocator *const frames_self = &allocator;

/* ---- failure on demand ------------------------------------------------------------------------------------ */

/* Whether this allocation has to fail, and counting it. */
static bool failure_is_due(void)
{
    bool is_due = false;
    arch_irq_state_t state = spin_lock(&frames_.inject_lock);
    frames_.inject_attempts++;
    if (frames_.inject_successes == UINT64_MAX) {
        is_due = false;
    } else if (frames_.inject_successes > 0) {
        frames_.inject_successes--;
    } else {
        is_due = true;
        frames_.inject_successes = frames_.inject_for_ever ? 0 : UINT64_MAX;
    }
    spin_unlock(&frames_.inject_lock, state);
    return is_due;
}

uint64_t frames_inject_failure(uint64_t successes, bool for_ever)
{
    arch_irq_state_t state = spin_lock(&frames_.inject_lock);
    uint64_t attempts = frames_.inject_attempts;
    frames_.inject_attempts = 0;
    frames_.inject_successes = successes;
    frames_.inject_for_ever = for_ever;
    frames_.is_injecting = successes != UINT64_MAX;
    spin_unlock(&frames_.inject_lock, state);
    frames_caches_switch();
    return attempts;
}

/* ---- refusals ---------------------------------------------------------------------------------------------- */

frames_log_fn frames_set_log(frames_log_fn log)
{
    frames_log_fn before = frames_.log;
    frames_.log = log;
    return before;
}

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static bool window_has_memory(phys_addr_t lo_pa, phys_addr_t hi_pa)
{
    pfn_t lo = bytes_to_pages(lo_pa);
    pfn_t hi = min_u64(hi_pa, PHYS_ADDR_LIMIT) >> PAGE_SHIFT;
    return lo < hi && frames_has_managed(lo, hi - lo);
}

/* What makes the request impossible whatever is free; NULL: nothing. */
static const char *refusal(const struct frames_request *request)
{
    if (request->count == 0) {
        return "count is 0";
    }
    if (request->count > word_load(&frames_.total)) {
        return "more frames than there are";
    }
    if (request->align != 0 && !is_power_of_two(request->align)) {
        return "alignment is no power of two";
    }
    if (request->boundary != 0 && (!is_power_of_two(request->boundary) || request->count > request->boundary)) {
        return "boundary is no power of two, or the run cannot fit between two";
    }
    if (request->node != FRAMES_THIS_NODE && request->node >= frames_.node_count) {
        return "no such node";
    }
    bool has_window = request->lo_pa != 0 || request->hi_pa != FRAMES_ANYWHERE;
    return has_window && !window_has_memory(request->lo_pa, request->hi_pa) ? "no memory in the window" : NULL;
}

static NEO_NOINLINE phys_addr_t refuse(const struct frames_request *request, const char *why, const void *caller)
{
    if (frames_.log != NULL) {
        char text[192];
        neo_snprintf(text, sizeof(text), "refused %llu frames, align %llu, [0x%llx, 0x%llx), for %p: %s",
                     (unsigned long long)request->count, (unsigned long long)request->align,
                     (unsigned long long)request->lo_pa, (unsigned long long)request->hi_pa, caller, why);
        frames_.log(text);
    }
    return FRAMES_NONE;
}

/* ---- one frame ----------------------------------------------------------------------------------------------- */

static unsigned this_node(const struct frames_cpu *cpu)
{
    if (cpu != NULL) {
        return cpu->node;
    }
    unsigned number = arch_cpu_id();
    return number < frames_.cpu_node_count ? frames_.cpu_node[number] : 0;
}

static pfn_t one(struct frames_cpu *cpu, unsigned flags)
{
    phys_addr_t pa = cpu != NULL ? frames_cpu_alloc(cpu) : FRAMES_NONE;
    if (pa == FRAMES_NONE && cpu != NULL && byte_load(&cpu->stop) != 0 && frames_cpu_enter(cpu)) {
        frames_cpu_leave(cpu); /* entering has drained it */
        pa = frames_cpu_alloc(cpu);
    }
    return pa != FRAMES_NONE ? pa >> PAGE_SHIFT : frames_shared_one(this_node(cpu), flags);
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static bool is_plain(const struct frames_request *request)
{
    return request->lo_pa == 0 && request->hi_pa == FRAMES_ANYWHERE && request->boundary == 0 &&
           request->node == FRAMES_THIS_NODE && (request->flags & (FRAMES_BIND | FRAMES_INTERLEAVE)) == 0;
}

/* The quick ways. PFN_NONE: nothing found that way. */
static pfn_t quick(struct frames_cpu *cpu, const struct frames_request *request)
{
    uint64_t count = request->count;
    uint64_t align = max_u64(request->align, 1);
    if (count == 1 && align == 1) {
        return one(cpu, request->flags);
    }
    bool is_entered = frames_cpu_enter(cpu);
    pfn_t pfn = PFN_NONE;
    if (count >= CHUNK_FRAMES || align > CHUNK_FRAMES) {
        pfn = frames_whole_alloc(is_entered ? cpu : NULL, this_node(cpu), count, align, request->flags);
    } else if (is_entered) {
        pfn = frames_run_alloc(cpu, (unsigned)count, (unsigned)align);
    } else {
        pfn = frames_shared_run(this_node(cpu), (unsigned)count, (unsigned)align, request->flags);
    }
    if (is_entered) {
        frames_cpu_leave(cpu);
    }
    return pfn;
}

/* Everything that is free goes where a search finds it. */
static void gather(struct frames_cpu *cpu, unsigned flags)
{
    if (frames_cpu_enter(cpu)) {
        frames_cpu_drain(cpu);
        frames_cpu_leave(cpu);
    }
    if (frames_.hardening >= 3) {
        guard_drain();
    }
    if ((flags & FRAMES_ATOMIC) == 0) {
        frames_stop_others(cpu);
    }
}

static bool has_memory(unsigned node)
{
    const struct frames_layout *layout = frames_layout_now();
    for (uint64_t i = 0; i < layout->zone_count; i++) {
        if (layout->zones[i].node == node) {
            return true;
        }
    }
    return false;
}

/* Whose turn it is under FRAMES_INTERLEAVE: nodes that have memory. */
static unsigned next_turn(void)
{
    unsigned node;
    do {
        node = (unsigned)(word_add(&frames_.interleave, 1) % frames_.node_count);
    } while (!has_memory(node));
    return node;
}

static pfn_t find(struct frames_cpu *cpu, struct frames_request *request)
{
    pfn_t pfn = is_plain(request) ? quick(cpu, request) : PFN_NONE;
    if (pfn != PFN_NONE) {
        return pfn;
    }
    if ((request->flags & FRAMES_INTERLEAVE) != 0) {
        request->node = next_turn();
    } else if (request->node == FRAMES_THIS_NODE) {
        request->node = this_node(cpu);
    }
    bool is_any_frame = request->count == 1 && max_u64(request->align, 1) == 1 && request->lo_pa == 0 &&
                        request->hi_pa == FRAMES_ANYWHERE;
    if (is_any_frame) {
        pfn = frames_shared_one(request->node, request->flags);
    }
    if (pfn == PFN_NONE) {
        pfn = frames_search(request);
    }
    if (pfn == PFN_NONE) {
        gather(cpu, request->flags);
        pfn = frames_search(request);
    }
    return pfn;
}

phys_addr_t frames_alloc_request_for(const struct frames_request *wanted, const void *caller)
{
    struct frames_request request = *wanted;
    const char *why = refusal(&request);
    if (NEO_UNLIKELY(why != NULL)) {
        return refuse(&request, why, caller);
    }
    if (NEO_UNLIKELY(frames_.is_injecting && failure_is_due())) {
        return FRAMES_NONE;
    }
    pfn_t pfn = find(frames_cpu_of(arch_cpu_id()), &request);
    if (pfn == PFN_NONE) {
        return FRAMES_NONE;
    }
    if (NEO_UNLIKELY(frames_.hardening >= 3)) {
        guard_allocated(pfn, request.count, caller);
    }
    if ((request.flags & FRAMES_ZEROED) != 0) {
        neo_memset(phys_to_virt(pfn << PAGE_SHIFT), 0, request.count << PAGE_SHIFT);
    }
    return pfn << PAGE_SHIFT;
}

NEO_NOINLINE phys_addr_t frames_alloc_request(const struct frames_request *request)
{
    return frames_alloc_request_for(request, __builtin_return_address(0));
}

NEO_NOINLINE phys_addr_t frames_alloc(uint64_t count, uint64_t align_frames, phys_addr_t lo_pa, phys_addr_t hi_pa)
{
    struct frames_cpu *cpu = frames_cpu_of(arch_cpu_id());
    bool is_plain = align_frames - 1 < CHUNK_FRAMES && lo_pa == 0 && hi_pa == FRAMES_ANYWHERE &&
                    (align_frames & (align_frames - 1)) == 0;
    if (is_plain && count > 1 && frames_cpu_begin(cpu)) {
        pfn_t pfn = PFN_NONE;
        if (count < CHUNK_FRAMES) {
            pfn = frames_run_alloc(cpu, (unsigned)count, (unsigned)align_frames);
        } else if (count < FRAMES_1G) {
            pfn = frames_cpu_alloc_chunks(cpu, count);
        }
        frames_cpu_done(cpu);
        if (NEO_LIKELY(pfn != PFN_NONE)) {
            return pfn << PAGE_SHIFT;
        }
    }
    struct frames_request request = FRAMES_REQUEST(count);
    /* Here 0 is no alignment but a mistake. */
    request.align = align_frames == 0 ? 3 : align_frames;
    request.lo_pa = lo_pa;
    request.hi_pa = hi_pa;
    return frames_alloc_request_for(&request, __builtin_return_address(0));
}

NEO_NOINLINE phys_addr_t frames_alloc_one(void)
{
    struct frames_cpu *cpu = frames_cpu_of(arch_cpu_id());
    phys_addr_t pa = cpu != NULL ? frames_cpu_alloc(cpu) : FRAMES_NONE;
    if (NEO_LIKELY(pa != FRAMES_NONE)) {
        return pa;
    }
    const struct frames_request request = FRAMES_REQUEST(1);
    return frames_alloc_request_for(&request, __builtin_return_address(0));
}

static phys_addr_t aligned_block(uint64_t frames, const void *caller)
{
    struct frames_request request = FRAMES_REQUEST(frames);
    request.align = frames;
    return frames_alloc_request_for(&request, caller);
}

NEO_NOINLINE phys_addr_t frames_alloc_2m(void)
{
    struct frames_cpu *cpu = frames_cpu_of(arch_cpu_id());
    if (frames_cpu_begin(cpu)) {
        phys_addr_t pa = frames_cpu_alloc_2m(cpu);
        frames_cpu_done(cpu);
        if (NEO_LIKELY(pa != FRAMES_NONE)) {
            return pa;
        }
    }
    return aligned_block(FRAMES_2M, __builtin_return_address(0));
}

NEO_NOINLINE phys_addr_t frames_alloc_1g(void)
{
    return aligned_block(FRAMES_1G, __builtin_return_address(0));
}

/* ---- caches ---------------------------------------------------------------------------------------------------- */

void frames_drain(void)
{
    struct frames_cpu *cpu = frames_cpu_of(arch_cpu_id());
    gather(cpu, FRAMES_ATOMIC);
}

void frames_drain_all(void)
{
    gather(frames_cpu_of(arch_cpu_id()), 0);
}
