/* peer_buddy.c — the classic binary buddy, and the same behind per-CPU page lists.
 *
 * buddy-lock: doubly linked free lists of orders 0 … 10 in a side table of 8 + 1 bytes a frame; one spinlock.
 * buddy+pcp:  single frames through a per-CPU stack, refilled and emptied 63 at a time, at most 378 frames: the shape of
 *             Linux' pcplists (batch 63, high 6 batches, last in first out).
 *
 * Source: Knowlton, "A Fast Storage Allocator", CACM 8(10), 1965. Neither checks what is freed.
 * Locking: a test-and-set spinlock around the lists; a per-CPU stack belongs to its CPU. */

#include "allocator.h"

#include <neomem/compiler.h>
#include <stdatomic.h>
#include <string.h>

#define ORDERS 11u
#define ORDER_MAX (ORDERS - 1)
#define NIL UINT32_MAX
#define BATCH 63u
#define HIGH (6u * BATCH)

struct link {
    uint32_t next;
    uint32_t prev;
};

struct cpu_list {
    NEO_ALIGNED(64) uint32_t count;
    uint32_t stack[HIGH + 1];
};

struct buddy {
    NEO_ALIGNED(64) atomic_flag lock;
    NEO_ALIGNED(64) uint64_t nframes;
    uint64_t free; /* in the lists of orders */
    uint32_t head[ORDERS];
    struct link *link;
    uint8_t *order_plus_1; /* 0: not the first frame of a free block */
    struct cpu_list *cpu;
    unsigned cpus;
};

static void lock(struct buddy *self)
{
    while (atomic_flag_test_and_set_explicit(&self->lock, memory_order_acquire)) {
        __builtin_ia32_pause();
    }
}

static void unlock(struct buddy *self)
{
    atomic_flag_clear_explicit(&self->lock, memory_order_release);
}

static void push(struct buddy *self, uint32_t frame, unsigned order)
{
    uint32_t head = self->head[order];
    self->link[frame] = (struct link){.next = head, .prev = NIL};
    if (head != NIL) {
        self->link[head].prev = frame;
    }
    self->head[order] = frame;
    self->order_plus_1[frame] = (uint8_t)(order + 1);
}

static void remove_block(struct buddy *self, uint32_t frame, unsigned order)
{
    struct link link = self->link[frame];
    if (link.prev != NIL) {
        self->link[link.prev].next = link.next;
    } else {
        self->head[order] = link.next;
    }
    if (link.next != NIL) {
        self->link[link.next].prev = link.prev;
    }
    self->order_plus_1[frame] = 0;
}

static uint64_t take(struct buddy *self, unsigned order)
{
    for (unsigned have = order; have < ORDERS; have++) {
        uint32_t frame = self->head[have];
        if (frame == NIL) {
            continue;
        }
        remove_block(self, frame, have);
        while (have > order) {
            have--;
            push(self, frame + (1u << have), have);
        }
        self->free -= 1u << order;
        return frame;
    }
    return NO_FRAME;
}

static void put(struct buddy *self, uint64_t frame, unsigned order)
{
    self->free += 1u << order;
    while (order < ORDER_MAX) {
        uint64_t other = frame ^ (1ull << order);
        if (other + (1ull << order) > self->nframes || self->order_plus_1[other] != order + 1) {
            break;
        }
        remove_block(self, (uint32_t)other, order);
        frame &= ~(1ull << order);
        order++;
    }
    push(self, (uint32_t)frame, order);
}

/* Any run, as the largest aligned blocks that fit. */
static void put_range(struct buddy *self, uint64_t frame, uint64_t count)
{
    while (count != 0) {
        unsigned aligned = frame != 0 ? (unsigned)__builtin_ctzll(frame) : ORDER_MAX;
        unsigned fitting = 63u - (unsigned)__builtin_clzll(count);
        unsigned order = aligned < fitting ? aligned : fitting;
        order = order < ORDER_MAX ? order : ORDER_MAX;
        put(self, frame, order);
        frame += 1ull << order;
        count -= 1ull << order;
    }
}

static void *start(uint64_t nframes, unsigned cpus)
{
    if (nframes >= NIL) {
        return NULL;
    }
    struct buddy *self = pool_alloc(sizeof(*self));
    atomic_flag_clear(&self->lock);
    self->nframes = nframes;
    self->free = 0;
    self->cpus = cpus;
    self->link = pool_alloc(nframes * sizeof(self->link[0]));
    self->order_plus_1 = pool_alloc(nframes);
    memset(self->order_plus_1, 0, nframes);
    self->cpu = pool_alloc(cpus * sizeof(self->cpu[0]));
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        self->cpu[cpu].count = 0;
    }
    for (unsigned order = 0; order < ORDERS; order++) {
        self->head[order] = NIL;
    }
    /* Largest blocks, from the top, so that low frames go out first. */
    uint64_t top = align_down(nframes, 1ull << ORDER_MAX);
    put_range(self, top, nframes - top);
    for (uint64_t frame = top; frame >= 1ull << ORDER_MAX;) {
        frame -= 1ull << ORDER_MAX;
        push(self, (uint32_t)frame, ORDER_MAX);
        self->free += 1ull << ORDER_MAX;
    }
    return self;
}

static void stop(void *self)
{
    (void)self;
}

static uint64_t locked_alloc(void *context, unsigned cpu, unsigned order)
{
    struct buddy *self = context;
    (void)cpu;
    if (order >= ORDERS) {
        return NO_FRAME;
    }
    lock(self);
    uint64_t frame = take(self, order);
    unlock(self);
    return frame;
}

/* A block of the next order; the tail goes back at once. */
static uint64_t alloc_run(void *context, unsigned cpu, uint64_t count)
{
    struct buddy *self = context;
    unsigned order = count <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(count - 1);
    (void)cpu;
    if (order >= ORDERS) {
        return NO_FRAME;
    }
    lock(self);
    uint64_t frame = take(self, order);
    if (frame != NO_FRAME && count < 1ull << order) {
        put_range(self, frame + count, (1ull << order) - count);
    }
    unlock(self);
    return frame;
}

static int locked_free(void *context, unsigned cpu, uint64_t frame, uint64_t count)
{
    struct buddy *self = context;
    (void)cpu;
    lock(self);
    put_range(self, frame, count);
    unlock(self);
    return 0;
}

static uint64_t free_frames(void *context)
{
    const struct buddy *self = context;
    uint64_t count = self->free;
    for (unsigned cpu = 0; cpu < self->cpus; cpu++) {
        count += self->cpu[cpu].count;
    }
    return count;
}

static void refill(struct buddy *self, struct cpu_list *list)
{
    uint32_t taken[BATCH];
    uint32_t count = 0;
    lock(self);
    while (count < BATCH) {
        uint64_t frame = take(self, 0);
        if (frame == NO_FRAME) {
            break;
        }
        taken[count++] = (uint32_t)frame;
    }
    unlock(self);
    while (count != 0) { /* the lowest one on top */
        list->stack[list->count++] = taken[--count];
    }
}

static uint64_t cached_alloc(void *context, unsigned cpu, unsigned order)
{
    struct buddy *self = context;
    struct cpu_list *list = &self->cpu[cpu];
    if (order != 0) {
        return locked_alloc(context, cpu, order);
    }
    if (list->count == 0) {
        refill(self, list);
        if (list->count == 0) {
            return NO_FRAME;
        }
    }
    return list->stack[--list->count];
}

/* The count frames that were freed longest ago go back to the lists. */
static void write_back(struct buddy *self, struct cpu_list *list, uint32_t count)
{
    lock(self);
    for (uint32_t i = 0; i < count; i++) {
        put(self, list->stack[i], 0);
    }
    unlock(self);
    list->count -= count;
    memmove(list->stack, list->stack + count, list->count * sizeof(list->stack[0]));
}

static int cached_free(void *context, unsigned cpu, uint64_t frame, uint64_t count)
{
    struct buddy *self = context;
    struct cpu_list *list = &self->cpu[cpu];
    if (count != 1) {
        return locked_free(context, cpu, frame, count);
    }
    list->stack[list->count++] = (uint32_t)frame;
    if (list->count > HIGH) {
        write_back(self, list, BATCH);
    }
    return 0;
}

static void drain(void *context)
{
    struct buddy *self = context;
    for (unsigned cpu = 0; cpu < self->cpus; cpu++) {
        write_back(self, &self->cpu[cpu], self->cpu[cpu].count);
    }
}

const struct frame_allocator buddy_lock = {
    .name = "buddy-lock",
    .start = start,
    .stop = stop,
    .alloc = locked_alloc,
    .alloc_run = alloc_run,
    .free = locked_free,
    .free_frames = free_frames,
};

const struct frame_allocator buddy_pcp = {
    .name = "buddy+pcp",
    .start = start,
    .stop = stop,
    .alloc = cached_alloc,
    .alloc_run = alloc_run,
    .free = cached_free,
    .free_frames = free_frames,
    .drain = drain,
};
