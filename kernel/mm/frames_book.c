/* frames_book.c — which frames are managed, which are metadata, which are retired: sorted tables, read.
 *
 * Readers may be anywhere, in an NMI, too, and never wait: there are two copies, the published one is never written. A
 * change (frames_book_change.c) rewrites the other one and publishes it. The copy that a reader has is written again by the
 * second change from then on, which begins after the first one was counted: so a reader that finds book_changes another than
 * before may have read a mixture, and reads again. Every mixture stays inside the tables, because the pointers and
 * capacities of a copy never change; a copy that is too small is replaced and never given back (it doubles, so all copies
 * together are at most four times the last one).
 * Locking: changes under frames_.change_lock. Cost: reading O(log entries), changing O(entries). */

#include "frames_book.h"

/* ---- reading ------------------------------------------------------------------------------------------ */

static const struct frames_book *begin_reading(uint64_t *changes)
{
    *changes = atomic_load_explicit(&frames_.book_changes, memory_order_acquire);
    FRAMES_STEP();
    return atomic_load_explicit(&frames_.book, memory_order_acquire);
}

static bool was_steady(uint64_t changes)
{
    /* The reads before must not move behind this look. */
    atomic_thread_fence(memory_order_acquire);
    FRAMES_STEP();
    return atomic_load_explicit(&frames_.book_changes, memory_order_relaxed) == changes;
}

bool frames_is_managed(pfn_t pfn, uint64_t count)
{
    uint64_t changes;
    bool result;
    do {
        const struct frames_book *book = begin_reading(&changes);
        uint64_t regions = READ(book->region_count);
        uint64_t at = frames_region_after(book->regions, regions, pfn);
        result = at < regions && READ(book->regions[at].base) <= pfn &&
                 count <= READ(book->regions[at].nframes) - (pfn - READ(book->regions[at].base));
    } while (!was_steady(changes));
    return result;
}

static bool touches(const struct frames_region *regions, uint64_t entries, pfn_t pfn, uint64_t count)
{
    uint64_t at = frames_region_after(regions, entries, pfn);
    return at < entries && READ(regions[at].base) < pfn + count;
}

void frames_next_unmanaged(pfn_t *pfn, pfn_t end, uint64_t *count)
{
    uint64_t changes;
    pfn_t from;
    pfn_t to;
    do {
        const struct frames_book *book = begin_reading(&changes);
        uint64_t regions = READ(book->region_count);
        uint64_t at = frames_region_after(book->regions, regions, *pfn);
        from = *pfn;
        if (at < regions && READ(book->regions[at].base) <= from) {
            from = READ(book->regions[at].base) + READ(book->regions[at].nframes);
            at++;
        }
        to = at < regions ? min_u64(READ(book->regions[at].base), end) : end;
    } while (!was_steady(changes));
    *pfn = from;
    *count = from < to ? to - from : 0;
}

uint64_t frames_managed_in(pfn_t pfn, uint64_t count)
{
    uint64_t changes;
    uint64_t result;
    do {
        const struct frames_book *book = begin_reading(&changes);
        uint64_t regions = READ(book->region_count);
        result = 0;
        for (uint64_t at = frames_region_after(book->regions, regions, pfn); at < regions; at++) {
            pfn_t base = max_u64(READ(book->regions[at].base), pfn);
            pfn_t end = min_u64(READ(book->regions[at].base) + READ(book->regions[at].nframes), pfn + count);
            if (base >= end) {
                break;
            }
            result += end - base;
        }
    } while (!was_steady(changes));
    return result;
}

bool frames_has_managed(pfn_t pfn, uint64_t count)
{
    uint64_t changes;
    bool result;
    do {
        const struct frames_book *book = begin_reading(&changes);
        result = touches(book->regions, READ(book->region_count), pfn, count);
    } while (!was_steady(changes));
    return result;
}

bool frames_has_metadata(pfn_t pfn, uint64_t count)
{
    uint64_t changes;
    bool result;
    do {
        const struct frames_book *book = begin_reading(&changes);
        result = touches(book->metadata, READ(book->metadata_count), pfn, count);
    } while (!was_steady(changes));
    return result;
}

struct frames_bad *frames_find_bad(pfn_t pfn)
{
    pfn_t base = align_down(pfn, CHUNK_FRAMES);
    uint64_t changes;
    struct frames_bad *found;
    do {
        const struct frames_book *book = begin_reading(&changes);
        uint64_t count = READ(book->bad_count);
        uint64_t at = frames_bad_after(book, count, base);
        found = at < count && READ(book->bad[at].base) == base ? READ(book->bad[at].frames) : NULL;
    } while (!was_steady(changes));
    return found;
}

/* The index-th retired frame of one chunk. Return: false when it has fewer; *index is then less by those. */
static bool nth_retired(const struct frames_bad *bad, uint64_t *index, unsigned *frame)
{
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        for (uint64_t bits = word_load(&bad->retired[i]); bits != 0; bits &= bits - 1) {
            if ((*index)-- == 0) {
                *frame = i * 64 + low_bit(bits);
                return true;
            }
        }
    }
    return false;
}

phys_addr_t frames_retired_at(uint64_t index)
{
    uint64_t changes;
    phys_addr_t pa;
    do {
        const struct frames_book *book = begin_reading(&changes);
        uint64_t count = READ(book->bad_count);
        uint64_t left = index;
        unsigned frame = 0;
        pa = FRAMES_NONE;
        for (uint64_t i = 0; i < count && pa == FRAMES_NONE; i++) {
            const struct frames_bad *bad = READ(book->bad[i].frames);
            if (nth_retired(bad, &left, &frame)) {
                pa = (READ(book->bad[i].base) + frame) << PAGE_SHIFT;
            }
        }
    } while (!was_steady(changes));
    return pa;
}

static struct frames_region region_at(const struct frames_region *table, uint64_t count, uint64_t index)
{
    struct frames_region region = {0, 0};
    if (index < count) {
        region = (struct frames_region){READ(table[index].base), READ(table[index].nframes)};
    }
    return region;
}

struct frames_region frames_region_at(uint64_t index)
{
    uint64_t changes;
    struct frames_region region;
    do {
        const struct frames_book *book = begin_reading(&changes);
        region = region_at(book->regions, READ(book->region_count), index);
    } while (!was_steady(changes));
    return region;
}

struct frames_region frames_metadata_at(uint64_t index)
{
    uint64_t changes;
    struct frames_region region;
    do {
        const struct frames_book *book = begin_reading(&changes);
        region = region_at(book->metadata, READ(book->metadata_count), index);
    } while (!was_steady(changes));
    return region;
}
