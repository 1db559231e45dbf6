/* selftest_frames_all.c — all memory there is: allocated in pieces of every kind until none is left, each frame
 * owned once, freed in another order, and the same figures as before.
 *
 * Who owns what is kept in two bitmaps over the managed frames (numbered through, span after span): `owned`, and
 * `starts` for the first frame of each allocation. They, the spans and the figures of before lie in one run of
 * frames that is allocated first. That addresses do not overlap follows from the bitmaps; that different addresses
 * are different memory follows from stamps: every frame of the pieces below 2 MiB, and of the larger ones as many
 * chunks, evenly spread, as make CHUNKS_STAMPED on the whole machine. More would need time, and under a hypervisor
 * as much memory of the host.
 *
 * Nothing else runs meanwhile. As soon as it is certain that nothing is left, KEPT_FREE frames go back, for whoever
 * interrupts. */

#include "selftest_internal.h"

#include <neomem/arch.h>
#include <neomem/bitmap.h>
#include <neomem/frames.h>
#include <neomem/io.h>
#include <neomem/memory.h>
#include <neomem/string.h>

#define KEPT_FREE 64u
#define CHUNKS_STAMPED 256u
#define WORDS_PER_FRAME (PAGE_SIZE / 8)
#define FRAMES_PER_GIB (PAGE_SIZE_1G / PAGE_SIZE)
/* Single frames and short runs before the large pieces: at most so many, and at most a sixteenth of the memory. */
#define EARLY_FRAMES_MAX 8192u
#define EARLY_SHARE 16u
#define HARDENING_WHOLE_FREES 3u /* from this level on only whole allocations can be freed */

struct span {
    pfn_t base;
    uint64_t count;
    uint64_t first_bit;
};

struct figures {
    struct frames_stats stats;
    uint64_t longest_run;
    struct frames_zone_stats *zones; /* nodes * FRAMES_WINDOWS */
};

enum piece { PIECE_SINGLE, PIECE_RUN, PIECE_2M, PIECE_1G, PIECES };

struct everything {
    phys_addr_t storage_pa;
    uint64_t storage_frames;
    struct span *spans;
    uint64_t span_count, span_capacity;
    uint64_t *owned, *starts;
    uint64_t nbits;
    struct figures before, after;
    uint64_t stamp;
    uint64_t stride; /* of chunks in pieces of 2 MiB and more: every stride-th is stamped */
    uint64_t frames; /* owned */
    uint64_t pieces[PIECES];
    const char *problem; /* the first one; NULL: none */
    phys_addr_t problem_pa;
};

static void complain(struct everything *all, const char *problem, phys_addr_t pa)
{
    if (all->problem == NULL) {
        all->problem = problem;
        all->problem_pa = pa;
    }
}

/* ---- figures ---- */

static void take_figures(struct figures *figures)
{
    frames_drain();
    frames_get_stats(&figures->stats);
    figures->longest_run = frames_longest_free_run();
    for (unsigned node = 0; node < frames_nodes(); node++) {
        for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
            frames_get_zone_stats(node, (enum frames_window)window, &figures->zones[node * FRAMES_WINDOWS + window]);
        }
    }
}

/* Return: what differs; NULL: nothing. */
static const char *compare_figures(const struct figures *before, const struct figures *after)
{
    const struct frames_stats *b = &before->stats;
    const struct frames_stats *a = &after->stats;
    if (b->total != a->total || b->metadata != a->metadata || b->retired != a->retired || b->spans != a->spans) {
        return "the memory itself changed";
    }
    if (b->free != a->free || b->allocated != a->allocated || b->reserve != a->reserve) {
        return "frames are missing, or too many";
    }
    if (before->longest_run != after->longest_run) {
        return "the longest free run is another one";
    }
    for (unsigned i = 0; i < frames_nodes() * FRAMES_WINDOWS; i++) {
        const struct frames_zone_stats *x = &before->zones[i];
        const struct frames_zone_stats *y = &after->zones[i];
        if (x->total != y->total || x->free != y->free || x->reserve != y->reserve) {
            return "a window of a node has other frames";
        }
        if (x->free_2m != y->free_2m || x->free_1g != y->free_1g) {
            return "fewer 2 MiB or 1 GiB frames came back";
        }
    }
    return NULL;
}

/* ---- storage ---- */

static void count_span(void *context, phys_addr_t base, uint64_t nbytes)
{
    struct everything *all = context;
    (void)base;
    all->span_capacity++;
    all->nbits += nbytes / PAGE_SIZE;
}

static void keep_span(void *context, phys_addr_t base, uint64_t nbytes)
{
    struct everything *all = context;
    uint64_t first_bit = 0;
    if (all->span_count > 0) {
        const struct span *last = &all->spans[all->span_count - 1];
        first_bit = last->first_bit + last->count;
    }
    if (all->span_count < all->span_capacity) {
        all->spans[all->span_count++] =
            (struct span){.base = base / PAGE_SIZE, .count = nbytes / PAGE_SIZE, .first_bit = first_bit};
    }
}

static bool open_storage(struct everything *all)
{
    frames_for_each_span(count_span, all);
    uint64_t map_bytes = bitmap_words(all->nbits) * sizeof(uint64_t);
    uint64_t span_bytes = all->span_capacity * sizeof(struct span);
    uint64_t zone_bytes = (uint64_t)frames_nodes() * FRAMES_WINDOWS * sizeof(struct frames_zone_stats);
    all->storage_frames = bytes_to_pages(2 * map_bytes + span_bytes + 2 * zone_bytes);
    all->storage_pa = frames_alloc(all->storage_frames, 1, 0, FRAMES_ANYWHERE);
    if (all->storage_pa == FRAMES_NONE) {
        return false;
    }
    uint8_t *next = phys_to_virt(all->storage_pa);
    memset_64(next, all->storage_frames * WORDS_PER_FRAME, 0);
    all->owned = (uint64_t *)(void *)next;
    all->starts = (uint64_t *)(void *)(next + map_bytes);
    all->spans = (struct span *)(void *)(next + 2 * map_bytes);
    all->before.zones = (struct frames_zone_stats *)(void *)(next + 2 * map_bytes + span_bytes);
    all->after.zones = all->before.zones + zone_bytes / sizeof(struct frames_zone_stats);
    frames_for_each_span(keep_span, all);
    all->stamp = arch_random();
    all->stride = all->nbits / FRAMES_2M / CHUNKS_STAMPED + 1;
    return true;
}

/* Number of the first bit of [pfn, pfn + count); BITMAP_NONE when that is not memory of one span. */
static uint64_t bit_of(const struct everything *all, pfn_t pfn, uint64_t count)
{
    uint64_t low = 0;
    uint64_t high = all->span_count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        const struct span *span = &all->spans[middle];
        if (pfn < span->base) {
            high = middle;
        } else if (pfn - span->base >= span->count) {
            low = middle + 1;
        } else {
            uint64_t offset = pfn - span->base;
            return count <= span->count - offset ? span->first_bit + offset : BITMAP_NONE;
        }
    }
    return BITMAP_NONE;
}

static pfn_t pfn_of(const struct everything *all, uint64_t bit)
{
    uint64_t low = 0;
    uint64_t high = all->span_count;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (all->spans[middle].first_bit <= bit) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return all->spans[low].base + (bit - all->spans[low].first_bit);
}

/* ---- stamps ---- */

/* Write or verify one frame's first and last word. */
static void stamp_frame(struct everything *all, pfn_t pfn, bool verify)
{
    uint64_t *words = phys_to_virt(pfn * PAGE_SIZE);
    uint64_t value = all->stamp ^ (pfn * PAGE_SIZE);
    if (!verify) {
        words[0] = value;
        words[WORDS_PER_FRAME - 1] = ~value;
    } else if (words[0] != value || words[WORDS_PER_FRAME - 1] != ~value) {
        complain(all, "contents changed while it was owned", pfn * PAGE_SIZE);
    }
}

static void stamp_piece(struct everything *all, pfn_t pfn, uint64_t count, bool verify)
{
    if (count < FRAMES_2M) {
        for (uint64_t i = 0; i < count; i++) {
            stamp_frame(all, pfn + i, verify);
        }
        return;
    }
    for (uint64_t i = 0; i < count; i += FRAMES_2M) {
        if ((pfn + i) / FRAMES_2M % all->stride == 0) {
            stamp_frame(all, pfn + i, verify);
        }
    }
}

/* ---- allocating everything ---- */

/* Enter an allocation. Return: false when there was none, or something is wrong with it. */
static bool own(struct everything *all, phys_addr_t pa, uint64_t count, enum piece piece)
{
    if (pa == FRAMES_NONE) {
        return false;
    }
    uint64_t bit = bit_of(all, pa / PAGE_SIZE, count);
    bool is_aligned_right = is_aligned(pa, piece == PIECE_1G   ? PAGE_SIZE_1G
                                           : piece == PIECE_2M ? PAGE_SIZE_2M
                                                               : PAGE_SIZE);
    if (bit == BITMAP_NONE || !is_aligned_right) {
        complain(all, bit == BITMAP_NONE ? "handed out, but no managed memory" : "not aligned", pa);
        return false;
    }
    if (!bitmap_all_zero(all->owned, bit, bit + count)) {
        complain(all, "handed out twice", pa);
        return false;
    }
    bitmap_set_range(all->owned, bit, count);
    bitmap_set(all->starts, bit);
    stamp_piece(all, pa / PAGE_SIZE, count, false);
    all->frames += count;
    all->pieces[piece]++;
    return true;
}

static phys_addr_t last_frame(void)
{
    struct frames_request request = FRAMES_REQUEST(1);
    request.flags = FRAMES_USE_RESERVE;
    return frames_alloc_request(&request);
}

static void own_everything(struct everything *all)
{
    static const uint64_t lengths[] = {2, 3, 5, 17, 64, 100, 511, 513, 1000};
    uint64_t early = min_u64(all->before.stats.free / EARLY_SHARE, EARLY_FRAMES_MAX);
    uint64_t i = 0;
    while (all->frames < early / 2 && own(all, frames_alloc_one(), 1, PIECE_SINGLE)) {
    }
    while (all->frames < early) {
        uint64_t count = lengths[i++ % ARRAY_COUNT(lengths)];
        if (!own(all, frames_alloc(count, 1, 0, FRAMES_ANYWHERE), count, PIECE_RUN)) {
            break;
        }
    }
    while (own(all, frames_alloc_1g(), FRAMES_PER_GIB, PIECE_1G)) {
    }
    while (own(all, frames_alloc_2m(), FRAMES_2M, PIECE_2M)) {
    }
    while (own(all, frames_alloc(33, 1, 0, FRAMES_ANYWHERE), 33, PIECE_RUN)) {
    }
    while (own(all, frames_alloc_one(), 1, PIECE_SINGLE)) {
    }
    while (own(all, last_frame(), 1, PIECE_SINGLE)) { /* now the reserves of the low windows, too */
    }
}

static void check_nothing_is_left(struct everything *all)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    if (stats.free != 0 || all->frames != all->before.stats.free) {
        complain(all, "frames that are called free cannot be had", stats.free * PAGE_SIZE);
    }
    phys_addr_t more = frames_alloc_one();
    more = more == FRAMES_NONE ? frames_alloc(2, 1, 0, FRAMES_ANYWHERE) : more;
    more = more == FRAMES_NONE ? frames_alloc_2m() : more;
    more = more == FRAMES_NONE ? frames_alloc_1g() : more;
    if (more != FRAMES_NONE) {
        complain(all, "handed out after the last frame", more);
    }
}

/* ---- freeing it again ---- */

/* The allocation that starts at this bit goes back. */
static void disown(struct everything *all, uint64_t bit)
{
    uint64_t end = bitmap_find_next_set(all->starts, bit + 1, all->nbits);
    uint64_t free = bitmap_find_next_zero(all->owned, bit, end == BITMAP_NONE ? all->nbits : end);
    end = free != BITMAP_NONE ? free : end == BITMAP_NONE ? all->nbits : end;
    uint64_t count = end - bit;
    pfn_t pfn = pfn_of(all, bit);
    stamp_piece(all, pfn, count, true);
    bitmap_clear_range(all->owned, bit, count);
    bitmap_clear(all->starts, bit);
    all->frames -= count;
    /* Some in two pieces: what was allocated as one need not come back as one. */
    uint64_t tail = count >= 3 && bit % 3 == 0 && frames_hardening() < HARDENING_WHOLE_FREES ? count / 3 : 0;
    if (tail > 0) {
        frames_free((pfn + count - tail) * PAGE_SIZE, tail);
    }
    frames_free(pfn * PAGE_SIZE, count - tail);
}

static void disown_some(struct everything *all, uint64_t frames)
{
    uint64_t bit = 0;
    while (frames > 0 && (bit = bitmap_find_next_set(all->starts, bit, all->nbits)) != BITMAP_NONE) {
        uint64_t before = all->frames;
        disown(all, bit);
        frames -= min_u64(frames, before - all->frames);
    }
}

/* Every second allocation from the top down, then the others from the bottom up. */
static void disown_everything(struct everything *all)
{
    bool is_turn = true;
    uint64_t end = all->nbits;
    for (uint64_t bit; end > 0 && (bit = bitmap_find_last_set(all->starts, 0, end)) != BITMAP_NONE; end = bit) {
        if (is_turn) {
            disown(all, bit);
        }
        is_turn = !is_turn;
    }
    disown_some(all, UINT64_MAX);
    if (all->frames != 0) {
        complain(all, "frames left over after everything was freed", 0);
    }
}

enum selftest_result selftest_frames_all(struct selftest_report *report)
{
    struct everything all = {0};
    uint64_t started = arch_cycles();
    if (!open_storage(&all)) {
        return selftest_skip(report, "no run of %llu frames for the bookkeeping",
                             (unsigned long long)all.storage_frames);
    }
    take_figures(&all.before);
    own_everything(&all);
    uint64_t owned = all.frames;
    if (all.problem == NULL) {
        check_nothing_is_left(&all);
    }
    disown_some(&all, KEPT_FREE);
    if (bitmap_count_set(all.owned, 0, all.nbits) != all.frames) {
        complain(&all, "the bitmaps disagree with the count", 0);
    }
    disown_everything(&all);
    take_figures(&all.after);
    const char *difference = compare_figures(&all.before, &all.after);
    frames_free(all.storage_pa, all.storage_frames);
    if (all.problem != NULL) {
        return selftest_fail(report, "0x%llx: %s", (unsigned long long)all.problem_pa, all.problem);
    }
    if (difference != NULL) {
        return selftest_fail(report, "%llu frames owned and freed, but %s: %llu free before, %llu after",
                             (unsigned long long)owned, difference, (unsigned long long)all.before.stats.free,
                             (unsigned long long)all.after.stats.free);
    }
    if (frames_check() != NEO_OK) {
        return selftest_fail(report, "the allocator's books do not balance");
    }
    uint64_t tsc_per_ms = arch_tsc_hz() / 1000;
    return selftest_pass(
        report, "%llu frames (%llu of 1 GiB, %llu of 2 MiB, %llu runs, %llu single) owned once: %llu ms",
        (unsigned long long)owned, (unsigned long long)all.pieces[PIECE_1G], (unsigned long long)all.pieces[PIECE_2M],
        (unsigned long long)all.pieces[PIECE_RUN], (unsigned long long)all.pieces[PIECE_SINGLE],
        (unsigned long long)(tsc_per_ms > 0 ? (arch_cycles() - started) / tsc_per_ms : 0));
}
