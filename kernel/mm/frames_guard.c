/* frames_guard.c — hardening level 3: who had a frame, whole allocations only, poison, quarantine.
 *
 * One record a frame (24 bytes, 0.6 % of the memory; that is why this is a level of its own), in an array for each arena:
 * who allocated it, who freed it, and for the first frame of an allocation its length. A freed allocation is filled with poison
 * and waits in a quarantine until QUARANTINE_ENTRIES others (or QUARANTINE_FRAMES frames) have been freed; poison is looked at
 * when a frame is handed out again. What was allocated before the level was switched on has no record and is exempt.
 *
 * Locking: the quarantine has a spinlock; records belong to whoever owns the frame. Not for NMI (level 3 only).
 * Cost: 4 KiB written and read for each frame, by design. */

#include "frames_internal.h"

#include <neomem/panic.h>
#include <neomem/string.h>

#define POISON 0xdeadf4a3dead5ea1ull
#define QUARANTINE_ENTRIES 64u
#define QUARANTINE_FRAMES 256u

enum { RECORD_LIVE = 1, RECORD_QUARANTINED = 2, RECORD_POISONED = 4 };

struct guard_record {
    const void *allocated_by, *freed_by;
    uint32_t count; /* frames, at the first one of an allocation; else 0 */
    uint32_t flags;
};

struct waiting {
    pfn_t pfn;
    uint64_t count;
};

static struct {
    struct spinlock lock;
    struct waiting queue[QUARANTINE_ENTRIES];
    unsigned first, entries;
    uint64_t frames;
} guard;

/* NULL where the chunk came after level 3 was switched on and there was no memory for its records. */
static struct guard_record *record_of(pfn_t pfn)
{
    struct frames_place place;
    if (!frames_locate(pfn, &place) || place.arena->records == NULL) {
        return NULL;
    }
    return &((struct guard_record *)place.arena->records)[place.chunk * CHUNK_FRAMES + pfn % CHUNK_FRAMES];
}

enum neo_status guard_start(void)
{
    const struct frames_layout *layout = frames_layout_now();
    arch_irq_state_t state = spin_lock(&frames_.change_lock);
    bool has_all = true;
    for (uint64_t i = 0; i < layout->zone_count && has_all; i++) {
        struct frames_arena *arena = layout->zones[i].arena;
        if (arena->records == NULL) {
            arena->records = frames_metadata_alloc(arena->chunks * CHUNK_FRAMES * sizeof(struct guard_record));
            has_all = arena->records != NULL;
        }
        /* Left from an earlier time at this level: what happened since is unknown. */
        neo_memset(arena->records, 0, has_all ? arena->chunks * CHUNK_FRAMES * sizeof(struct guard_record) : 0);
    }
    guard.first = guard.entries = 0;
    guard.frames = 0;
    spin_unlock(&frames_.change_lock, state);
    return has_all ? NEO_OK : NEO_ERR_NO_MEMORY;
}

void guard_cover(struct frames_arena *arena)
{
    if (frames_.hardening >= 3) {
        arena->records = frames_metadata_alloc(arena->chunks * CHUNK_FRAMES * sizeof(struct guard_record));
    }
}

void guard_forget(pfn_t pfn, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct guard_record *record = record_of(pfn + i);
        if (record != NULL) {
            *record = (struct guard_record){0};
        }
    }
}

static bool is_touchable(pfn_t pfn)
{
    return pfn < frames_.direct_map_end >> PAGE_SHIFT;
}

static void verify_poison(pfn_t pfn, const struct guard_record *record, const void *caller)
{
    const uint64_t *words = phys_to_virt(pfn << PAGE_SHIFT);
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
        if (words[i] != POISON) {
            panic("frame at physical 0x%llx was written to while free: offset 0x%x holds 0x%llx; allocated by %p, "
                  "freed by %p, "
                  "found on allocation by %p",
                  (unsigned long long)(pfn << PAGE_SHIFT), (unsigned)(i * sizeof(*words)), (unsigned long long)words[i],
                  record->allocated_by, record->freed_by, caller);
        }
    }
}

void guard_allocated(pfn_t pfn, uint64_t count, const void *caller)
{
    for (uint64_t i = 0; i < count; i++) {
        struct guard_record *record = record_of(pfn + i);
        if (record == NULL) {
            continue;
        }
        if ((record->flags & RECORD_POISONED) != 0) {
            record->flags &= ~(uint32_t)RECORD_POISONED;
            verify_poison(pfn + i, record, caller);
        }
        *record = (struct guard_record){caller, record->freed_by, i == 0 ? (uint32_t)count : 0, RECORD_LIVE};
    }
}

const char *guard_check_free(pfn_t pfn, uint64_t count, phys_addr_t *culprit)
{
    const struct guard_record *first = record_of(pfn);
    for (uint64_t i = 0; i < count; i++) {
        const struct guard_record *record = record_of(pfn + i);
        if (record != NULL && (record->flags & RECORD_QUARANTINED) != 0) {
            *culprit = (pfn + i) << PAGE_SHIFT;
            return "free already, in quarantine (double free)";
        }
    }
    if (first == NULL || (first->flags & RECORD_LIVE) == 0) {
        return NULL; /* older than this level */
    }
    if (first->count == 0) {
        return "in the middle of an allocation";
    }
    return first->count != (uint32_t)count ? "another count than was allocated" : NULL;
}

static void release(struct waiting out)
{
    for (uint64_t i = 0; i < out.count; i++) {
        struct guard_record *record = record_of(out.pfn + i);
        if (record != NULL) {
            record->flags &= ~(uint32_t)RECORD_QUARANTINED;
        }
    }
    if (!frames_give(NULL, out.pfn, out.count)) {
        frames_violation(out.pfn << PAGE_SHIFT, out.count, out.pfn << PAGE_SHIFT, NULL,
                         "free already when it left quarantine");
    }
}

/* The oldest one, when there are more than these; count 0: none. */
static struct waiting take_oldest(unsigned entries, uint64_t frames)
{
    struct waiting oldest = {0, 0};
    arch_irq_state_t state = spin_lock(&guard.lock);
    if (guard.entries != 0 && (guard.entries > entries || guard.frames > frames)) {
        oldest = guard.queue[guard.first];
        guard.first = (guard.first + 1) % QUARANTINE_ENTRIES;
        guard.entries--;
        guard.frames -= oldest.count;
    }
    spin_unlock(&guard.lock, state);
    return oldest;
}

void guard_freed(pfn_t pfn, uint64_t count, const void *caller)
{
    for (uint64_t i = 0; i < count; i++) {
        struct guard_record *record = record_of(pfn + i);
        if (record == NULL) {
            continue;
        }
        record->freed_by = caller;
        record->count = 0;
        record->flags = RECORD_QUARANTINED;
        if (is_touchable(pfn + i)) {
            memset_64(phys_to_virt((pfn + i) << PAGE_SHIFT), PAGE_SIZE / sizeof(uint64_t), POISON);
            record->flags |= RECORD_POISONED;
        }
    }
    if (frames_retired_in(pfn, count) != 0) {
        release((struct waiting){pfn, count}); /* its free retires a frame, at every level */
        return;
    }
    struct waiting oldest;
    while ((oldest = take_oldest(QUARANTINE_ENTRIES - 1, QUARANTINE_FRAMES)).count != 0) {
        release(oldest);
    }
    arch_irq_state_t state = spin_lock(&guard.lock);
    bool has_room = guard.entries < QUARANTINE_ENTRIES; /* other CPUs may have come first */
    if (has_room) {
        guard.queue[(guard.first + guard.entries++) % QUARANTINE_ENTRIES] = (struct waiting){pfn, count};
        guard.frames += count;
    }
    spin_unlock(&guard.lock, state);
    if (!has_room) {
        release((struct waiting){pfn, count});
    }
}

void guard_drain(void)
{
    struct waiting oldest;
    while ((oldest = take_oldest(0, 0)).count != 0) {
        release(oldest);
    }
}

void guard_owner(pfn_t pfn, struct frames_owner *owner)
{
    const struct guard_record *record = record_of(pfn);
    if (record != NULL) {
        owner->allocated_by = record->allocated_by;
        owner->freed_by = record->freed_by;
    }
}

bool guard_holds(pfn_t pfn, uint64_t count)
{
    bool holds = false;
    arch_irq_state_t state = spin_lock(&guard.lock);
    for (unsigned i = 0; i < guard.entries; i++) {
        struct waiting entry = guard.queue[(guard.first + i) % QUARANTINE_ENTRIES];
        holds = holds || (entry.pfn < pfn + count && pfn < entry.pfn + entry.count);
    }
    spin_unlock(&guard.lock, state);
    return holds;
}

uint64_t guard_held(void)
{
    return guard.frames;
}
