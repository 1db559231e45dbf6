/* frames_stress.c — the frame allocator on real threads under ThreadSanitizer: every call mixed at random, with an
 * oracle.
 *
 *     frames_stress [SECONDS [SEED]]
 *
 * Each thread is a CPU. What it is given it notes in a map of owners (a frame noted twice has two owners) and writes
 * into with plain stores, all of which ThreadSanitizer watches: an owner that does not happen before the next one, or a
 * field of a per-CPU cache that two CPUs touch, is a reported race. One thread at a time also adds and removes a chunk,
 * or retires a frame. At the end everything goes back and the books must balance. Found races end the program with
 * status 66 (ThreadSanitizer's), wrong answers with abort. */

#include <neomem/early.h>
#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "tests/support/mm_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 4u
#define BASE GIB(8)
#define CHUNKS 16u
#define ADDED 2u /* chunks behind them that come and go */
#define FRAMES ((CHUNKS + ADDED) * FRAMES_2M)
#define HELD 64u
#define RETIRED_MAX 48u

struct holding {
    phys_addr_t pa;
    uint64_t count;
};

struct worker {
    unsigned number;
    uint64_t random;
    struct holding held[HELD];
    uint64_t calls;
};

static _Atomic uint8_t owner[FRAMES];
static _Atomic uint8_t retired[FRAMES]; /* 1: no later call may return it */
static _Atomic unsigned retired_count;
static _Atomic bool is_over;
static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER;
static bool is_added[ADDED]; /* under changes */

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "frames_stress: %s\n", what);
        abort();
    }
}

static uint64_t draw(struct worker *me, uint64_t below)
{
    me->random = me->random * 6364136223846793005ull + 1442695040888963407ull;
    return (me->random >> 33) % below;
}

static unsigned frame_of(phys_addr_t pa)
{
    require(pa >= BASE && pa < BASE + FRAMES * PAGE_SIZE, "an address from nowhere was handed out");
    return (unsigned)((pa - BASE) >> PAGE_SHIFT);
}

/* ---- what a worker does ---------------------------------------------------------------------------------------- */

/* The first and the last frame of each chunk's part are written to: enough for the races, cheap enough for many calls.
 * */
static void touch(const struct worker *me, struct holding holding)
{
    for (uint64_t i = 0; i < holding.count;
         i += i + 1 < holding.count && holding.count > 8 ? holding.count - 1 - i : 1) {
        uint64_t *memory = phys_to_virt(holding.pa + i * PAGE_SIZE);
        *memory = *memory + me->number;
    }
}

static void take(struct worker *me, struct holding *slot)
{
    struct frames_request request = FRAMES_REQUEST(1);
    phys_addr_t pa;
    switch (draw(me, 10)) {
    case 0:
        request.count = 1 + draw(me, 40);
        pa = frames_alloc_request(&request);
        break;
    case 1:
        request.count = 100 + draw(me, 300);
        pa = frames_alloc_request(&request);
        break;
    case 2:
        request.count = FRAMES_2M;
        pa = frames_alloc_2m();
        break;
    case 3:
        request.count = FRAMES_2M + draw(me, 600);
        pa = frames_alloc_request(&request);
        break;
    case 4:
        request.count = 1 + draw(me, 16);
        request.align = 1ull << draw(me, 5);
        request.boundary = 32;
        request.lo_pa = BASE + draw(me, CHUNKS / 2) * PAGE_SIZE_2M;
        request.hi_pa = request.lo_pa + 2 * PAGE_SIZE_2M;
        pa = frames_alloc_request(&request);
        break;
    default:
        pa = frames_alloc_one();
        break;
    }
    if (pa == FRAMES_NONE) {
        return;
    }
    *slot = (struct holding){pa, request.count};
    for (uint64_t i = 0; i < request.count; i++) {
        uint8_t before =
            atomic_exchange_explicit(&owner[frame_of(pa) + i], (uint8_t)(me->number + 1), memory_order_relaxed);
        require(before == 0, "a frame has two owners");
        require(atomic_load_explicit(&retired[frame_of(pa) + i], memory_order_relaxed) == 0,
                "a retired frame was handed out");
    }
    touch(me, *slot);
}

static void give(struct worker *me, struct holding *slot)
{
    struct holding part = *slot;
    /* All of it, or one end. */
    if (part.count > 1 && draw(me, 3) == 0) {
        part.count = 1 + draw(me, part.count - 1);
        slot->pa += part.count * PAGE_SIZE;
        slot->count -= part.count;
    } else {
        slot->count = 0;
    }
    touch(me, part);
    for (uint64_t i = 0; i < part.count; i++) {
        uint8_t before = atomic_exchange_explicit(&owner[frame_of(part.pa) + i], 0, memory_order_relaxed);
        require(before == me->number + 1, "somebody else was given a frame that this thread holds");
    }
    frames_free(part.pa, part.count);
}

/* Frames that nobody has at the moment are likely to be retired at once; what is pending is not noted. */
static void retire(struct worker *me)
{
    if (atomic_load(&retired_count) >= RETIRED_MAX || draw(me, 200) != 0) {
        return;
    }
    unsigned frame = (unsigned)draw(me, CHUNKS * FRAMES_2M);
    bool pending = true;
    enum neo_status status = frames_retire(BASE + frame * PAGE_SIZE, &pending);
    if (status == NEO_OK) {
        atomic_fetch_add(&retired_count, 1);
        if (!pending) {
            require(atomic_load_explicit(&owner[frame], memory_order_relaxed) == 0,
                    "a frame in use was retired at once");
            atomic_store_explicit(&retired[frame], 1, memory_order_relaxed);
        }
    }
}

static void change_memory(struct worker *me)
{
    if (pthread_mutex_trylock(&changes) != 0) {
        return;
    }
    unsigned which = (unsigned)draw(me, ADDED);
    phys_addr_t pa = BASE + (CHUNKS + which) * PAGE_SIZE_2M;
    if (is_added[which]) {
        enum neo_status status = frames_remove(pa, PAGE_SIZE_2M);
        require(status == NEO_OK || status == NEO_ERR_EXISTS || status == NEO_ERR_NO_MEMORY,
                "memory cannot be removed");
        is_added[which] = status != NEO_OK;
        for (unsigned i = 0; status == NEO_OK && i < FRAMES_2M; i++) {
            require(atomic_load(&owner[(CHUNKS + which) * FRAMES_2M + i]) == 0, "memory in use was removed");
        }
    } else {
        enum neo_status status = frames_add_range(pa, PAGE_SIZE_2M);
        require(status == NEO_OK || status == NEO_ERR_NO_MEMORY, "memory cannot be added");
        is_added[which] = status == NEO_OK;
    }
    (void)pthread_mutex_unlock(&changes);
}

static void look(struct worker *me)
{
    struct frames_stats stats;
    struct frames_owner what;
    frames_get_stats(&stats);
    frames_query(BASE + draw(me, FRAMES) * PAGE_SIZE, &what);
}

static void *work(void *argument)
{
    struct worker *me = argument;
    hosted_set_cpu(me->number);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        struct holding *slot = &me->held[draw(me, HELD)];
        switch (draw(me, 400)) {
        case 0:
            frames_drain();
            break;
        case 1:
            frames_drain_all();
            break;
        case 2:
            retire(me);
            break;
        case 3:
            change_memory(me);
            break;
        case 4:
            look(me);
            break;
        default:
            if (slot->count == 0) {
                take(me, slot);
            } else {
                give(me, slot);
            }
            break;
        }
        me->calls++;
    }
    for (unsigned i = 0; i < HELD; i++) {
        while (me->held[i].count != 0) {
            give(me, &me->held[i]);
        }
    }
    return NULL;
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

static void start(void)
{
    struct limine_memmap_entry all = USABLE(BASE, FRAMES * PAGE_SIZE);
    struct limine_memmap_entry usable = USABLE(BASE, CHUNKS * PAGE_SIZE_2M);
    mm_fixture_arena(&all, 1);
    require(early_init(&usable, 1) == NEO_OK && frames_init(&usable, 1) == NEO_OK, "no start");
    require(frames_set_cpus(THREADS) == NEO_OK, "no caches");
}

static void check_books(void)
{
    struct frames_stats stats;
    for (unsigned i = 0; i < THREADS; i++) {
        hosted_set_cpu(i);
        frames_drain();
    }
    frames_get_stats(&stats);
    require(stats.cached == 0, "frames stay in a drained cache");
    require(stats.allocated == 0, "frames were lost");
    require(stats.free + stats.metadata + stats.retired == stats.total, "the books do not balance");
    require(stats.retired <= atomic_load(&retired_count), "too many frames are retired");
    require(frames_check() == NEO_OK, "frames_check says no");
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 20;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    static struct worker workers[THREADS];
    pthread_t threads[THREADS];
    uint64_t calls = 0;
    hosted_set_cpu(0);
    start();
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].number = i;
        workers[i].random = seed * 0x9e3779b97f4a7c15ull + i;
        require(pthread_create(&threads[i], NULL, work, &workers[i]) == 0, "no thread");
    }
    struct timespec time_to_run = {.tv_sec = (time_t)seconds};
    (void)nanosleep(&time_to_run, NULL);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        calls += workers[i].calls;
    }
    check_books();
    (void)printf("%u threads, %llu calls, seed %llu: nothing wrong\n", THREADS, (unsigned long long)calls,
                 (unsigned long long)seed);
    return 0;
}
