/* frames_wrong.c — what makes a free wrong, and the report of it.
 *
 * All of a range is checked before any of it changes. What can be known at once at the default level: the frames exist, are managed,
 * are no metadata, not retired, not free in the shared map, and not in this CPU's cache. A frame in another CPU's cache looks used
 * until that one writes it back, and then its bit is found clear. At level 2 and above nothing is cached.
 *
 * Locking: none. Cost: O(1) for each chunk touched and 64 frames of a split one. */

#include "frames_internal.h"

#include <neomem/panic.h>

/* Frames [frame, frame + count) of a SPLIT chunk. */
static const char *wrong_bits(const struct frames_place *place, uint8_t state, unsigned frame, unsigned count,
                              pfn_t *culprit)
{
    const struct frames_bad *bad = (state & CHUNK_BAD) != 0 ? frames_find_bad(place->base) : NULL;
    for (unsigned at = frame; at < frame + count;) {
        unsigned here = (unsigned)min_u64(frame + count - at, 64 - at % 64);
        uint64_t bits = low_ones(here) << (at % 64);
        uint64_t free = bits & ~word_load(&chunk_line(place->arena, place->chunk)[at / 64]);
        uint64_t out = bad == NULL ? 0 : bits & word_load(&bad->out[at / 64]);
        if ((free | out) != 0) {
            *culprit = place->base + (at & ~63u) + low_bit(free | out);
            return ((free >> (*culprit % 64)) & 1u) != 0 ? "free already (double free)" : "retired";
        }
        at += here;
    }
    return NULL;
}

static const char *wrong_piece(const struct frames_cpu *cpu, pfn_t pfn, unsigned count, pfn_t *culprit)
{
    static const char *const foreign = "no memory of this allocator";
    struct frames_place place;
    if (!frames_locate(pfn, &place)) {
        return foreign;
    }
    uint8_t state = byte_load_acquire(&place.arena->state[place.chunk]);
    if ((state & CHUNK_KIND) == CHUNK_ABSENT || ((state & CHUNK_EDGE) != 0 && !frames_is_managed(pfn, count))) {
        return foreign;
    }
    if ((state & CHUNK_OWN) != 0 && frames_has_metadata(pfn, count)) {
        return "the memory manager's own metadata";
    }
    if ((state & CHUNK_KIND) == CHUNK_WHOLE && set_has(&place.arena->whole, place.chunk)) {
        return "free already (double free)";
    }
    if ((state & CHUNK_KIND) == CHUNK_SPLIT) {
        const char *problem = wrong_bits(&place, state, (unsigned)(pfn % CHUNK_FRAMES), count, culprit);
        if (problem != NULL) {
            return problem;
        }
    }
    if (cpu == NULL || !frames_cpu_holds(cpu, pfn, count)) {
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        *culprit = pfn + i;
        if (frames_cpu_holds(cpu, pfn + i, 1)) {
            break;
        }
    }
    return "free already, in this CPU's cache (double free)";
}

const char *frames_wrong_free(const struct frames_cpu *cpu, phys_addr_t pa, uint64_t count, pfn_t *culprit)
{
    pfn_t pfn = pa >> PAGE_SHIFT;
    if (!is_aligned(pa, PAGE_SIZE)) {
        return "address is not that of a frame";
    }
    if (count == 0) {
        return "count is 0";
    }
    if (count > (PHYS_ADDR_LIMIT >> PAGE_SHIFT)) {
        count = PHYS_ADDR_LIMIT >> PAGE_SHIFT; /* a wrong one anyway; no sum below can overflow */
    }
    for (uint64_t done = 0; done < count;) {
        unsigned here = (unsigned)min_u64(count - done, CHUNK_FRAMES - (pfn + done) % CHUNK_FRAMES);
        *culprit = pfn + done;
        const char *problem = wrong_piece(cpu, pfn + done, here, culprit);
        if (problem != NULL) {
            bool is_foreign = !frames_is_managed(pfn + done, here);
            return is_foreign && frames_is_managed(pfn, 1) ? "range runs out of the memory it starts in" : problem;
        }
        done += here;
    }
    return NULL;
}

void frames_violation(phys_addr_t pa, uint64_t count, phys_addr_t culprit, const void *caller, const char *problem)
{
    struct frames_owner owner;
    frames_query(culprit, &owner);
    if (owner.allocated_by != NULL || owner.freed_by != NULL) {
        panic("free of %llu frames at physical 0x%llx by %p: 0x%llx: %s; allocated by %p, freed by %p",
              (unsigned long long)count, (unsigned long long)pa, caller, (unsigned long long)culprit, problem,
              owner.allocated_by, owner.freed_by);
    }
    if (owner.cached_by >= 0) {
        panic("free of %llu frames at physical 0x%llx by %p: 0x%llx: %s; it is in the cache of CPU %d, which freed it",
              (unsigned long long)count, (unsigned long long)pa, caller, (unsigned long long)culprit, problem,
              owner.cached_by);
    }
    panic("free of %llu frames at physical 0x%llx by %p: 0x%llx: %s; now %s, owner not recorded below frames-check=3",
          (unsigned long long)count, (unsigned long long)pa, caller, (unsigned long long)culprit, problem,
          frames_state_name(owner.state));
}
