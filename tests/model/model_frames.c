/* model_frames.c — random calls of the frame allocator against one byte per frame and linear search.
 *
 *     model_frames [operations [seed]]
 *
 * The reference knows the rule "the highest run that fits" and nothing else, so every returned address is predicted.
 * Machines: a few regions with holes, many single frames, regions that touch, one at the 2^52 end; memory arrives later.
 * After each call the figures must agree, every now and then the state of every frame, and what happens to metadata. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <config.h>
#include <neomem/early.h>
#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>

#include "tests/support/mm_fixture.h"
#include "tests/support/model_require.h"

#define REGIONS_MAX 400u
#define FRAMES_MAX 4096u
/* Above every other region but the one at the end of the address space. */
#define METADATA_BASE GIB(16)

enum state { STATE_ABSENT, STATE_FREE, STATE_USED, STATE_METADATA };

/* All frames that will ever exist, in address order. */
static struct {
    pfn_t pfn[FRAMES_MAX];
    uint8_t state[FRAMES_MAX];
    unsigned count;
    unsigned free;
} model;

/* ---- machines --------------------------------------------------------------------------------------------------- */

static struct limine_memmap_entry regions[REGIONS_MAX];
static unsigned region_count;

static void add_region(pfn_t base, uint64_t nframes)
{
    regions[region_count++] = (struct limine_memmap_entry)USABLE(base << PAGE_SHIFT, nframes << PAGE_SHIFT);
    for (uint64_t i = 0; i < nframes; i++) {
        model.pfn[model.count] = base + i;
        model.state[model.count++] = STATE_ABSENT;
    }
}

/* Regions of random sizes and gaps; the largest one holds the first metadata. */
static void make_machine(unsigned kind)
{
    region_count = 0;
    memset(&model, 0, sizeof(model));
    pfn_t at = test_random_below(2000);
    unsigned wanted = kind == 0 ? 300u : 3u + (unsigned)test_random_below(8);
    uint64_t size_max = kind == 0 ? 1 : kind == 1 ? 70 : 200;
    for (unsigned i = 0; i < wanted; i++) {
        uint64_t nframes = 1 + test_random_below(size_max);
        add_region(at, nframes);
        at += nframes + (chance(30) ? 0 : 1 + test_random_below(chance(50) ? 3 : 5000));
    }
    add_region(METADATA_BASE >> PAGE_SHIFT, 700 + test_random_below(200));
    if (chance(50)) {
        uint64_t nframes = 1 + test_random_below(150);
        add_region((PHYS_ADDR_LIMIT >> PAGE_SHIFT) - nframes, nframes);
    }
}

/* What the allocator says about every frame; metadata is learnt, everything else must agree. */
static void compare_states(bool learns_metadata)
{
    unsigned metadata = 0;
    unsigned free = 0;
    for (unsigned i = 0; i < model.count; i++) {
        enum frames_state is = frames_state(model.pfn[i] << PAGE_SHIFT);
        metadata += is == FRAMES_STATE_METADATA;
        if (learns_metadata && (is == FRAMES_STATE_METADATA) != (model.state[i] == STATE_METADATA)) {
            require(model.state[i] == STATE_FREE || model.state[i] == STATE_METADATA, "metadata on a frame in use");
            require(is == FRAMES_STATE_METADATA || is == FRAMES_STATE_FREE, "old metadata is not free");
            model.state[i] = is == FRAMES_STATE_METADATA ? STATE_METADATA : STATE_FREE;
        }
        static const enum frames_state expected[] = {[STATE_ABSENT] = FRAMES_STATE_FOREIGN,
                                                     [STATE_FREE] = FRAMES_STATE_FREE,
                                                     [STATE_USED] = FRAMES_STATE_ALLOCATED,
                                                     [STATE_METADATA] = FRAMES_STATE_METADATA};
        require(is == expected[model.state[i]], "state of a frame");
        free += model.state[i] == STATE_FREE;
    }
    model.free = free;
    struct frames_stats stats;
    frames_get_stats(&stats);
    require(stats.metadata == metadata, "metadata frames");
    require(frames_check() == NEO_OK, "frames_check");
}

static unsigned reserve_target(void)
{
    unsigned total = 0;
    for (unsigned i = 0; i < model.count; i++) {
        total += model.state[i] != STATE_ABSENT;
    }
    return total / 16 < PAGE_POOL_SIZE ? total / 16 : PAGE_POOL_SIZE;
}

static unsigned reserve_now;

static void compare_figures(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    unsigned reserve = model.free < reserve_now ? model.free : reserve_now;
    require(stats.reserve == reserve && stats.free == model.free - reserve, "figures");
    require(stats.total == stats.free + stats.reserve + stats.allocated + stats.metadata, "sum of the figures");
}

/* ---- operations --------------------------------------------------------------------------------------------------- */

static bool is_run(unsigned first, uint64_t count)
{
    if (first + count > model.count) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (model.state[first + i] != STATE_FREE || model.pfn[first + i] != model.pfn[first] + i) {
            return false;
        }
    }
    return true;
}

static phys_addr_t predict(uint64_t count, uint64_t align, pfn_t lo, pfn_t hi, unsigned available, unsigned *first)
{
    if (count > available) {
        return FRAMES_NONE;
    }
    for (unsigned i = model.count; i-- > 0;) {
        if (model.pfn[i] >= lo && model.pfn[i] + count <= hi && model.pfn[i] % align == 0 && is_run(i, count)) {
            *first = i;
            return model.pfn[i] << PAGE_SHIFT;
        }
    }
    return FRAMES_NONE;
}

static void take(unsigned first, uint64_t count)
{
    memset(&model.state[first], STATE_USED, count);
    model.free -= (unsigned)count;
}

static void do_alloc(void)
{
    uint64_t count = chance(60) ? 1 : 1 + test_random_below(chance(80) ? 20 : 300);
    uint64_t align = chance(70) ? 1 : 1ull << test_random_below(10);
    phys_addr_t lo = 0;
    phys_addr_t hi = FRAMES_ANYWHERE;
    if (chance(30)) {
        lo = model.pfn[test_random_below(model.count)] * PAGE_SIZE + (chance(30) ? 1 + test_random_below(4095) : 0);
    }
    if (chance(30)) {
        hi = (model.pfn[test_random_below(model.count)] + 1) * PAGE_SIZE -
             (chance(30) ? 1 + test_random_below(4095) : 0);
    }
    unsigned reserve = model.free < reserve_now ? model.free : reserve_now;
    unsigned first = 0;
    phys_addr_t expected =
        predict(count, align, bytes_to_pages(lo), hi == FRAMES_ANYWHERE ? FRAMES_ANYWHERE : hi >> PAGE_SHIFT,
                model.free - reserve, &first);
    require(frames_alloc(count, align, lo, hi) == expected, "frames_alloc");
    if (expected != FRAMES_NONE) {
        take(first, count);
    }
}

static void do_alloc_reserved(void)
{
    unsigned first = 0;
    phys_addr_t expected = predict(1, 1, 0, FRAMES_ANYWHERE, model.free, &first);
    require(frames_alloc_reserved() == expected, "frames_alloc_reserved");
    if (expected != FRAMES_NONE) {
        take(first, 1);
    }
}

/* Any stretch of used frames, whatever allocation they came from. */
static void do_free(void)
{
    unsigned first = (unsigned)test_random_below(model.count);
    uint64_t most = 1 + test_random_below(chance(80) ? 8 : 200);
    uint64_t count = 0;
    while (count < most && first + count < model.count && model.state[first + count] == STATE_USED &&
           model.pfn[first + count] == model.pfn[first] + count) {
        count++;
    }
    if (count != 0) {
        frames_free(model.pfn[first] << PAGE_SHIFT, count);
        memset(&model.state[first], STATE_FREE, count);
        model.free += (unsigned)count;
    }
}

/* A stretch that holds a frame which is not in use must panic and change nothing. */
static void do_bad_free(void)
{
    unsigned first = (unsigned)test_random_below(model.count);
    uint64_t count = 1 + test_random_below(10);
    bool is_legal = first + count <= model.count;
    for (uint64_t i = 0; i < count && is_legal; i++) {
        is_legal = model.state[first + i] == STATE_USED && model.pfn[first + i] == model.pfn[first] + i;
    }
    if (is_legal) {
        return;
    }
    volatile bool panicked = false;
    mm_fixture_arm();
    if (setjmp(mm_fixture_return) == 0) {
        frames_free(model.pfn[first] << PAGE_SHIFT, count);
    } else {
        panicked = true;
    }
    require(panicked && mm_fixture_panicked_with("PANIC: free of"), "a bad free did not panic");
}

static void do_longest_run(void)
{
    uint64_t longest = 0;
    uint64_t run = 0;
    for (unsigned i = 0; i < model.count; i++) {
        bool goes_on = run != 0 && model.pfn[i] == model.pfn[i - 1] + 1;
        run = model.state[i] == STATE_FREE ? (goes_on ? run + 1 : 1) : 0;
        longest = run > longest ? run : longest;
    }
    unsigned reserve = model.free < reserve_now ? model.free : reserve_now;
    require(frames_longest_free_run() == (longest < model.free - reserve ? longest : model.free - reserve),
            "frames_longest_free_run");
}

/* The arena ends at 1 TiB: keep new metadata out of the frames above, by using them up. Return: false when the reserve
 * forbids that; *from: the first of them. */
static bool occupy_unreachable(unsigned *from)
{
    *from = model.count;
    while (*from > 0 && model.pfn[*from - 1] >= HOSTED_ARENA_BYTES >> PAGE_SHIFT) {
        (*from)--;
    }
    bool all = true;
    for (unsigned i = *from; i < model.count && all; i++) {
        if (model.state[i] == STATE_FREE) {
            phys_addr_t pa = model.pfn[i] << PAGE_SHIFT;
            all = frames_alloc(1, 1, pa, pa + PAGE_SIZE) == pa;
            if (all) {
                take(i, 1);
            }
        }
    }
    return all;
}

/* Some of the regions that are not there yet; now and then again some that are. */
static void do_add(void)
{
    unsigned unreachable;
    if (!occupy_unreachable(&unreachable)) {
        return;
    }
    static struct limine_memmap_entry added[REGIONS_MAX];
    unsigned count = 0;
    unsigned percent = 1 + (unsigned)test_random_below(60);
    for (unsigned i = 0; i < region_count; i++) {
        if (chance(percent)) {
            added[count++] = regions[i];
        }
    }
    enum neo_status status = frames_add(added, count);
    require(status == NEO_OK || status == NEO_ERR_NO_MEMORY, "frames_add");
    if (status == NEO_OK) {
        for (unsigned r = 0, i = 0; r < count; r++) {
            for (; i < model.count && model.pfn[i] << PAGE_SHIFT < added[r].base + added[r].length; i++) {
                bool is_new = model.pfn[i] << PAGE_SHIFT >= added[r].base && model.state[i] == STATE_ABSENT;
                model.state[i] = is_new ? STATE_FREE : model.state[i];
            }
        }
        reserve_now = reserve_target();
    }
    compare_states(true);
}

static void start_machine(unsigned kind)
{
    make_machine(kind);
    struct limine_memmap_entry present[REGIONS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < region_count; i++) {
        bool holds_metadata = regions[i].base == METADATA_BASE;
        if (holds_metadata || chance(60)) {
            present[count++] = regions[i];
        }
    }
    mm_fixture_arena(regions, region_count);
    require(early_init(present, count) == NEO_OK && frames_init(present, count) == NEO_OK, "start");
    for (unsigned i = 0; i < model.count; i++) {
        enum frames_state is = frames_state(model.pfn[i] << PAGE_SHIFT);
        model.state[i] = is == FRAMES_STATE_FREE       ? STATE_FREE
                         : is == FRAMES_STATE_METADATA ? STATE_METADATA
                                                       : STATE_ABSENT;
    }
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes += present[i].length;
    }
    struct frames_stats stats;
    frames_get_stats(&stats);
    require(stats.total == bytes >> PAGE_SHIFT, "total");
    reserve_now = reserve_target();
    compare_states(true);
}

int main(int argc, char **argv)
{
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    test_random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    printf("model_frames: %llu operations, seed %llu\n", (unsigned long long)operations, (unsigned long long)seed);
    for (operation = 0; operation < operations; operation++) {
        /* Every machine lives for a while; memory swings between full and empty. */
        if (operation % 20000 == 0) {
            start_machine((unsigned)test_random_below(3));
        }
        unsigned pressure = (operation / 2500) % 2 == 0 ? 60 : 40;
        unsigned what = (unsigned)test_random_below(1000);
        if (what < pressure * 9) {
            chance(95) ? do_alloc() : do_alloc_reserved();
        } else if (what < 980) {
            do_free();
        } else if (what < 990) {
            do_bad_free();
        } else if (what < 998) {
            do_longest_run();
        } else if (what < 999) {
            compare_states(false);
        } else if (chance(25)) {
            do_add();
        }
        compare_figures();
    }
    compare_states(false);
    printf("ok\n");
    return 0;
}
