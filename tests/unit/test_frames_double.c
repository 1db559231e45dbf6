/* test_frames_double.c — a second free is noticed wherever the frame waits in the CPU's cache, on the fast paths: in chunks
 * without flags, which small machines hardly have. After each refusal nothing has changed. */
#include "frames_fast.h"
#include "frames_started.h"

#define BASE GIB(8)
#define LENGTH MIB(64)

static const struct limine_memmap_entry map[] = {USABLE(BASE, LENGTH)};

/* A single frame from a chunk without metadata, whose other frames are in the cache. */
static phys_addr_t start(void)
{
    phys_addr_t pa;
    mm_fixture_frames(map, ARRAY_COUNT(map));
    do {
        pa = frames_alloc_one();
        assert_int_not_equal(pa, FRAMES_NONE);
    } while (pa >= BASE + LENGTH - PAGE_SIZE_2M);
    assert_int_equal(pa % PAGE_SIZE_2M, 0);
    return pa;
}

static void expect_double_free(phys_addr_t pa, uint64_t count)
{
    struct frames_stats before = figures();
    EXPECT_PANIC_TEXT(frames_free(pa, count), "double free");
    expect_figures(&before);
}

static void test_frame_handed_out_last(void **state)
{
    (void)state;
    phys_addr_t pa = start();
    frames_free(pa, 1);
    expect_double_free(pa, 1);
}

static void test_frames_on_the_stack(void **state)
{
    (void)state;
    phys_addr_t pa[8] = {start()};
    for (unsigned i = 1; i < ARRAY_COUNT(pa); i++) {
        pa[i] = frames_alloc_one();
    }
    for (unsigned i = 0; i < ARRAY_COUNT(pa); i++) {
        frames_free(pa[i], 1);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(pa); i++) {
        expect_double_free(pa[i], 1);
    }
}

static void test_frames_never_handed_out(void **state)
{
    (void)state;
    phys_addr_t pa = start();
    phys_addr_t run = frames_alloc(4, 1, 0, FRAMES_ANYWHERE);
    expect_double_free(pa + PAGE_SIZE, 1);
    expect_double_free(pa + 100 * PAGE_SIZE, 1);
    expect_double_free(pa, 2);
    expect_double_free(run + 4 * PAGE_SIZE, 1);
    expect_double_free(run, 5);
}

static void test_frames_of_a_run(void **state)
{
    (void)state;
    (void)start();
    phys_addr_t run = frames_alloc(70, 1, 0, FRAMES_ANYWHERE);
    frames_free(run, 70);
    expect_double_free(run, 1);
    expect_double_free(run + 69 * PAGE_SIZE, 1);
    expect_double_free(run + 60 * PAGE_SIZE, 10);
}

/* The frame handed out last goes back together with others, and then once more. */
static void test_frame_freed_another_way(void **state)
{
    (void)state;
    phys_addr_t pa = start();
    for (unsigned i = 1; i < FRAMES_2M; i++) {
        assert_int_equal(frames_alloc_one(), pa + i * PAGE_SIZE);
    }
    frames_free(pa, FRAMES_2M);
    expect_double_free(pa + (FRAMES_2M - 1) * PAGE_SIZE, 1);
    expect_double_free(pa, 1);
}

static void test_chunks(void **state)
{
    (void)state;
    (void)start();
    phys_addr_t pa = frames_alloc(2 * (uint64_t)FRAMES_2M, 1, 0, FRAMES_ANYWHERE);
    frames_free(pa, FRAMES_2M);
    expect_double_free(pa, FRAMES_2M);
    expect_double_free(pa, 2 * (uint64_t)FRAMES_2M);
    expect_double_free(pa + PAGE_SIZE, 1);
    frames_free(pa + PAGE_SIZE_2M, FRAMES_2M);
    expect_double_free(pa, 2 * (uint64_t)FRAMES_2M);
}

/* Two frames of one hash: the one below in the chain is found, too. */
static void test_older_frame_of_the_same_hash(void **state)
{
    (void)state;
    enum { FRAMES = 6000 };
    static phys_addr_t frames[FRAMES];
    static unsigned seen_at[1u << CPU_HASH_BITS]; /* index + 1 */
    mm_fixture_frames(map, ARRAY_COUNT(map));
    unsigned older = 0;
    unsigned newer = 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        frames[i] = frames_alloc_one();
        unsigned *at = &seen_at[frames_cpu_hash(frames[i])];
        if (*at != 0 && frames[i] < BASE + LENGTH - PAGE_SIZE_2M) {
            older = *at - 1;
            newer = i;
        }
        *at = i + 1;
    }
    assert_int_not_equal(newer, 0);
    frames_free(frames[older], 1);
    frames_free(frames[newer], 1);
    expect_double_free(frames[older], 1);
    expect_double_free(frames[newer], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_older_frame_of_the_same_hash),
        cmocka_unit_test(test_frame_handed_out_last),
        cmocka_unit_test(test_frames_on_the_stack),
        cmocka_unit_test(test_frames_never_handed_out),
        cmocka_unit_test(test_frames_of_a_run),
        cmocka_unit_test(test_frame_freed_another_way),
        cmocka_unit_test(test_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
