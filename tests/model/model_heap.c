/* model_heap.c — random calls of the kernel heap against a list of live blocks with known contents.
 *
 *     model_heap [operations [seed]]
 *
 * heap.c is included, not linked, so that the test sees the arenas: before each small allocation a naive scan finds the
 * smallest free block that is large enough, the lowest of equals, and the heap has to have taken that one. Contents of
 * every block are checked when it is changed or freed, bytes and blocks are counted, heap_check runs often. Frames are
 * refused at random and memory is small enough to run out: a refusal changes nothing. Wrong pointers must panic and change
 * nothing. At the end everything has gone back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.c"

#include <neomem/frames.h>

#include "tests/support/mm_fixture.h"
#include "tests/support/model_require.h"

#define LIVE_MAX 2500u

struct live {
    unsigned char *block;
    size_t size;
    unsigned char seed;
};

static struct {
    struct live live[LIVE_MAX];
    unsigned count;
    uint64_t requested;
} model;

/* ---- contents ------------------------------------------------------------------------------------------------------ */

/* Which bytes are written and checked: all of a small block, both ends of a large one. */
static bool is_sampled(size_t at, size_t size)
{
    return at < 300 || size - at <= 300;
}

static void fill(struct live *live, size_t from)
{
    for (size_t i = from; i < live->size; i++) {
        if (is_sampled(i, live->size)) {
            live->block[i] = (unsigned char)(live->seed + i * 7);
        } else {
            i = live->size - 301;
        }
    }
}

static void check(const struct live *live, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (is_sampled(i, live->size)) {
            require(live->block[i] == (unsigned char)(live->seed + i * 7), "contents of a block");
        } else {
            i = live->size - 301;
        }
    }
}

/* ---- best fit ------------------------------------------------------------------------------------------------------ */

static uint64_t block_bytes(size_t size)
{
    uint64_t nbytes = (size + sizeof(struct heap_block) + 15) / 16 * 16;
    uint64_t smallest = (sizeof(struct heap_block) + sizeof(struct rb_node) + 15) / 16 * 16;
    return nbytes < smallest ? smallest : nbytes;
}

/* The payload that strict best fit chooses; NULL when no free block is large enough. */
static void *best_fit(size_t size)
{
    const struct heap_block *best = NULL;
    for (const struct rb_node *node = rb_first(&heap.arenas); node != NULL; node = rb_next(node)) {
        const struct heap_arena *arena = heap_arena_of(node);
        for (const struct heap_block *block = heap_first_block(arena); block != heap_end_block(arena);
             block = heap_block_after(block)) {
            bool fits = !heap_block_is_used(block) && heap_block_size(block) >= block_bytes(size);
            if (fits && (best == NULL || heap_block_size(block) < heap_block_size(best))) {
                best = block;
            }
        }
    }
    return best == NULL ? NULL : heap_payload(best);
}

/* ---- operations ----------------------------------------------------------------------------------------------------- */

static size_t pick_size(void)
{
    unsigned what = (unsigned)test_random_below(100);
    if (what < 60) {
        return 1 + test_random_below(256);
    }
    if (what < 85) {
        return 1 + test_random_below(4095);
    }
    return what < 93 ? 4080 + test_random_below(32) : 1 + test_random_below(150000);
}

static struct heap_stats before;
static bool may_be_refused;

static void begin(void)
{
    heap_get_stats(&before);
    may_be_refused = chance(4);
    if (may_be_refused) {
        (void)frames_inject_failure(test_random_below(3), chance(50));
    }
}

/* A refusal needs a reason and changes nothing. */
static void end(bool came)
{
    (void)frames_inject_failure(UINT64_MAX, false);
    if (!came) {
        struct heap_stats after;
        struct frames_stats frames_now;
        heap_get_stats(&after);
        frames_get_stats(&frames_now);
        require(may_be_refused || frames_now.free < 1500, "refused without reason");
        require(after.failures == before.failures + 1, "refusal not counted");
        after.failures = before.failures;
        require(memcmp(&after, &before, sizeof(after)) == 0, "refusal changed something");
    }
}

static void add(void *block, size_t size, size_t align)
{
    require(is_aligned((uintptr_t)block, size >= 16 && align < 16 ? 16 : align), "alignment");
    require(kmalloc_usable_size(block) >= size, "usable size");
    struct live *live = &model.live[model.count++];
    *live = (struct live){block, size, (unsigned char)test_random()};
    model.requested += size;
    fill(live, 0);
}

static void do_kmalloc(void)
{
    size_t size = pick_size();
    bool is_observed = size < HEAP_LARGE_BYTES && (heap.stats.live_blocks < 300 || chance(5));
    void *expected = is_observed ? best_fit(size) : NULL;
    begin();
    void *block = kmalloc(size);
    end(block != NULL);
    require(expected == NULL || block == expected, "not the best fit");
    if (block != NULL) {
        add(block, size, 8);
    }
}

static void do_kcalloc(void)
{
    size_t size = pick_size();
    begin();
    unsigned char *block = chance(50) ? kcalloc(size, 1) : kcalloc(1, size);
    end(block != NULL);
    if (block != NULL) {
        for (size_t i = 0; i < size; i++) {
            require(block[i] == 0, "kcalloc is not zero");
        }
        add(block, size, 8);
    }
}

static void do_aligned(void)
{
    size_t size = chance(90) ? pick_size() : 1 + test_random_below(20);
    size_t align = 8ull << test_random_below(chance(90) ? 10 : 19);
    begin();
    may_be_refused = may_be_refused || align > 65536;
    void *block = kmalloc_aligned(size, align);
    end(block != NULL);
    if (block != NULL) {
        add(block, size, align);
    }
}

static void do_krealloc(void)
{
    if (model.count == 0) {
        return;
    }
    struct live *live = &model.live[test_random_below(model.count)];
    size_t size = chance(50)
                      ? pick_size()
                      : 1 + live->size + test_random_below(64) - test_random_below(live->size < 64 ? live->size : 64);
    begin();
    unsigned char *block = krealloc(live->block, size);
    end(block != NULL);
    if (block == NULL) {
        check(live, live->size);
        return;
    }
    live->block = block;
    size_t kept = size < live->size ? size : live->size;
    check(live, kept);
    model.requested += size - live->size;
    live->size = size;
    fill(live, 0);
    require(kmalloc_usable_size(block) >= size, "usable size after krealloc");
}

static void do_kfree(void)
{
    if (model.count == 0) {
        return;
    }
    unsigned at = (unsigned)test_random_below(model.count);
    check(&model.live[at], model.live[at].size);
    model.requested -= model.live[at].size;
    if (chance(10)) {
        require(krealloc(model.live[at].block, 0) == NULL, "krealloc to 0");
    } else {
        kfree(model.live[at].block);
    }
    model.live[at] = model.live[--model.count];
}

/* Interior, unaligned, freed and foreign pointers. */
static void do_bad_free(void)
{
    if (model.count == 0) {
        return;
    }
    const struct live *live = &model.live[test_random_below(model.count)];
    static char foreign[64];
    unsigned char *pointers[] = {live->block + 1, live->block + live->size / 2 + 1, live->block - 16,
                                 (unsigned char *)foreign, (unsigned char *)phys_to_virt(MIB(700))};
    unsigned char *volatile pointer = pointers[test_random_below(ARRAY_COUNT(pointers))];
    struct heap_stats stats_before;
    heap_get_stats(&stats_before);
    volatile bool panicked = false;
    mm_fixture_arm();
    if (setjmp(mm_fixture_return) == 0) {
        kfree(pointer);
    } else {
        panicked = true;
    }
    require(panicked && mm_fixture_panicked_with("PANIC: kfree of"), "a bad kfree did not panic");
    struct heap_stats stats_after;
    heap_get_stats(&stats_after);
    require(memcmp(&stats_before, &stats_after, sizeof(stats_after)) == 0, "a bad kfree changed something");
}

static bool count_block(void *context, const struct heap_block_info *info)
{
    uint64_t *sums = context;
    sums[0]++;
    sums[1] += info->usable;
    return true;
}

static void check_all(void)
{
    struct heap_problem problem;
    if (heap_check(&problem) != NEO_OK) {
        (void)fprintf(stderr, "heap_check: %p %s\n", problem.block, problem.what);
        require(false, "heap_check");
    }
    struct heap_stats stats;
    heap_get_stats(&stats);
    uint64_t sums[2] = {0};
    require(heap_for_each_block(count_block, sums), "heap_for_each_block");
    require(sums[0] == model.count && stats.live_blocks == model.count, "number of live blocks");
    require(sums[1] >= model.requested && stats.used >= sums[1] && stats.size >= stats.used, "bytes in blocks");
    struct frames_stats frames_now;
    frames_get_stats(&frames_now);
    require(frames_now.allocated << PAGE_SHIFT == stats.size, "bytes of frames");
}

static void one_operation(void)
{
    /* The number of live blocks swings between few and many. */
    unsigned wanted = (operation / 20000) % 3 == 0 ? LIVE_MAX - 1 : (operation / 20000) % 3 == 1 ? 250 : 20;
    unsigned allocates = model.count < wanted ? 50 : 25;
    unsigned what = (unsigned)test_random_below(200);
    if (what < allocates * 2 && model.count + 1 < LIVE_MAX) {
        unsigned how = (unsigned)test_random_below(10);
        how < 7 ? do_kmalloc() : how < 8 ? do_kcalloc() : do_aligned();
    } else if (what < 150 && what >= 120) {
        do_krealloc();
    } else if (what == 199) {
        do_bad_free();
    } else {
        do_kfree();
    }
}

int main(int argc, char **argv)
{
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    test_random_state = seed * 0x9e3779b97f4a7c15ull + 1;
    printf("model_heap: %llu operations, seed %llu\n", (unsigned long long)operations, (unsigned long long)seed);
    mm_fixture_one_region(MIB(16));
    heapInit();
    struct heap_stats first;
    heap_get_stats(&first);
    for (operation = 0; operation < operations; operation++) {
        one_operation();
        if (operation % 1000 == 0) {
            check_all();
        }
    }
    while (model.count != 0) {
        do_kfree();
    }
    check_all();
    struct heap_stats last;
    heap_get_stats(&last);
    last.failures = first.failures;
    require(memcmp(&first, &last, sizeof(last)) == 0, "the empty heap is not as it began");
    printf("ok\n");
    return 0;
}
