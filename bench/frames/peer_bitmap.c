/* peer_bitmap.c — the two bitmap allocators that everybody writes first, one bit a frame (1: in use) under one lock.
 *
 * bitmap-naive:   scanned bit by bit from frame 0 at every call, the textbook form.
 * bitmap-nextfit: the usual repair: 64 bits at a time, starting where the last search ended.
 *
 * Neither checks what is freed. Metadata: 1 bit a frame. Locking: a test-and-set spinlock around each call. */

#include "allocator.h"

#include <neomem/compiler.h>
#include <stdatomic.h>
#include <string.h>

#define ALL_USED UINT64_MAX

struct bitmap_allocator {
    NEO_ALIGNED(64) atomic_flag lock;
    NEO_ALIGNED(64) uint64_t nframes;
    uint64_t free;
    uint64_t next; /* where the next search starts */
    uint64_t *map;
};

static void lock(struct bitmap_allocator *self)
{
    while (atomic_flag_test_and_set_explicit(&self->lock, memory_order_acquire)) {
        __builtin_ia32_pause();
    }
}

static void unlock(struct bitmap_allocator *self)
{
    atomic_flag_clear_explicit(&self->lock, memory_order_release);
}

static bool is_used(const struct bitmap_allocator *self, uint64_t frame)
{
    return (self->map[frame / 64] >> (frame % 64) & 1) != 0;
}

static void set_range(struct bitmap_allocator *self, uint64_t at, uint64_t count, bool used)
{
    while (count != 0) {
        uint64_t bit = at % 64;
        uint64_t here = min_u64(64 - bit, count);
        uint64_t mask = (here == 64 ? ALL_USED : (1ull << here) - 1) << bit;
        if (used) {
            self->map[at / 64] |= mask;
        } else {
            self->map[at / 64] &= ~mask;
        }
        at += here;
        count -= here;
    }
}

static void *start(uint64_t nframes, unsigned cpus)
{
    (void)cpus;
    struct bitmap_allocator *self = pool_alloc(sizeof(*self));
    uint64_t words = (nframes + 63) / 64;
    atomic_flag_clear(&self->lock);
    self->next = 0;
    self->nframes = nframes;
    self->free = nframes;
    self->map = pool_alloc(words * sizeof(self->map[0]));
    memset(self->map, 0, words * sizeof(self->map[0]));
    if (nframes % 64 != 0) {
        self->map[words - 1] = ALL_USED << (nframes % 64);
    }
    return self;
}

static void stop(void *self)
{
    (void)self;
}

/* First run of count free frames whose start is a multiple of align. */
static uint64_t scan_bits(const struct bitmap_allocator *self, uint64_t count, uint64_t align)
{
    uint64_t run = 0;
    uint64_t first = 0;
    for (uint64_t frame = 0; frame < self->nframes; frame++) {
        if (is_used(self, frame)) {
            run = 0;
            continue;
        }
        if (run == 0) {
            if (frame % align != 0) {
                continue;
            }
            first = frame;
        }
        if (++run == count) {
            return first;
        }
    }
    return NO_FRAME;
}

static uint64_t naive_take(struct bitmap_allocator *self, uint64_t count, uint64_t align)
{
    lock(self);
    uint64_t at = scan_bits(self, count, align);
    if (at != NO_FRAME) {
        set_range(self, at, count, true);
        self->free -= count;
    }
    unlock(self);
    return at;
}

static uint64_t naive_alloc(void *self, unsigned cpu, unsigned order)
{
    (void)cpu;
    return naive_take(self, 1ull << order, 1ull << order);
}

static uint64_t naive_alloc_run(void *self, unsigned cpu, uint64_t count)
{
    (void)cpu;
    return naive_take(self, count, 1);
}

/* End of the free run that starts at frame, but not beyond end. */
static uint64_t free_run_end(const struct bitmap_allocator *self, uint64_t frame, uint64_t end)
{
    while (frame < end) {
        uint64_t word = self->map[frame / 64] >> (frame % 64);
        if (word != 0) {
            return frame + (uint64_t)__builtin_ctzll(word);
        }
        frame = (frame | 63) + 1;
    }
    return frame;
}

/* The same search over whole words, inside [from, to). */
static uint64_t scan_words(const struct bitmap_allocator *self, uint64_t from, uint64_t to, uint64_t count,
                           uint64_t align)
{
    uint64_t frame = align_up(from, align);
    while (frame + count <= to) {
        uint64_t word = self->map[frame / 64] >> (frame % 64);
        if ((word & 1) != 0) { /* skip the used run we stand in */
            if (word == ALL_USED >> (frame % 64)) {
                frame = (frame | 63) + 1;
            } else {
                frame += (uint64_t)__builtin_ctzll(~word);
            }
            frame = align_up(frame, align);
            continue;
        }
        uint64_t end = free_run_end(self, frame, frame + count);
        if (end >= frame + count) {
            return frame;
        }
        frame = align_up(end, align);
    }
    return NO_FRAME;
}

static uint64_t next_fit_take(struct bitmap_allocator *self, uint64_t count, uint64_t align)
{
    lock(self);
    uint64_t at = scan_words(self, self->next, self->nframes, count, align);
    if (at == NO_FRAME) {
        at = scan_words(self, 0, min_u64(self->next + count, self->nframes), count, align);
    }
    if (at != NO_FRAME) {
        set_range(self, at, count, true);
        self->free -= count;
        self->next = at + count;
    }
    unlock(self);
    return at;
}

static uint64_t next_fit_alloc(void *self, unsigned cpu, unsigned order)
{
    (void)cpu;
    return next_fit_take(self, 1ull << order, 1ull << order);
}

static uint64_t next_fit_alloc_run(void *self, unsigned cpu, uint64_t count)
{
    (void)cpu;
    return next_fit_take(self, count, 1);
}

static int give_back(void *context, unsigned cpu, uint64_t frame, uint64_t count)
{
    struct bitmap_allocator *self = context;
    (void)cpu;
    lock(self);
    set_range(self, frame, count, false);
    self->free += count;
    unlock(self);
    return 0;
}

static uint64_t free_frames(void *context)
{
    const struct bitmap_allocator *self = context;
    return self->free;
}

const struct frame_allocator bitmap_naive = {
    .name = "bitmap-naive",
    .start = start,
    .stop = stop,
    .alloc = naive_alloc,
    .alloc_run = naive_alloc_run,
    .free = give_back,
    .free_frames = free_frames,
};

const struct frame_allocator bitmap_next_fit = {
    .name = "bitmap-nextfit",
    .start = start,
    .stop = stop,
    .alloc = next_fit_alloc,
    .alloc_run = next_fit_alloc_run,
    .free = give_back,
    .free_frames = free_frames,
};
