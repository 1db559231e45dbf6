/* test_frames_hardening.c — what each hardening level notices, when, and what the panic says: the address, the caller, the last
 * owner as far as it is known. After each of them nothing has changed. */
#include "frames_started.h"

#define OWNER 0xa110cu
#define CULPRIT 0xbadc0deu

static phys_addr_t taken[1u << 14];

static void start(unsigned level)
{
    mm_fixture_one_region(MIB(14));
    assert_int_equal(frames_set_hardening(level), NEO_OK);
    assert_int_equal(frames_hardening(), level);
}

static phys_addr_t alloc_as_owner(uint64_t count)
{
    const struct frames_request request = FRAMES_REQUEST(count);
    phys_addr_t pa = frames_alloc_request_for(&request, some_caller(OWNER));
    assert_int_not_equal(pa, FRAMES_NONE);
    return pa;
}

static bool panic_has(const char *text)
{
    return strstr(mm_fixture_panic_text(), text) != NULL;
}

/* before, then the number as 0x…, then after */
static bool panic_has_number(const char *before, unsigned long long number, const char *after)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "%s0x%llx%s", before, number, after);
    return panic_has(text);
}

/* A free that must panic with `problem`, naming range, culprit and caller; nothing has changed then. */
static void expect_violation(phys_addr_t pa, uint64_t count, phys_addr_t culprit, const char *problem)
{
    struct frames_stats before = figures();
    EXPECT_PANIC_TEXT(frames_free_for(pa, count, some_caller(CULPRIT)), problem);
    assert_true(panic_has_number("at physical ", pa, ""));
    assert_true(panic_has_number("by ", CULPRIT, ""));
    assert_true(panic_has_number("", culprit, ": "));
    expect_figures(&before);
}

static void expect_owner_named(void)
{
    assert_true(panic_has_number("allocated by ", OWNER, ""));
    assert_true(panic_has("freed by "));
}

/* What every level from 1 on notices at once, on the CPU that freed the frame. */
static void expect_the_usual(void)
{
    phys_addr_t pa = alloc_as_owner(1);
    phys_addr_t run = alloc_as_owner(4);
    phys_addr_t large = frames_alloc_2m();
    frames_free(pa, 1);
    frames_free(run, 4);
    frames_free(large, FRAMES_2M);
    expect_violation(pa, 1, pa, "double free");
    expect_violation(run, 4, run, "double free");
    expect_violation(run + PAGE_SIZE, 1, run + PAGE_SIZE, "double free");
    expect_violation(large, FRAMES_2M, large, "double free");
    frames_drain();
    expect_violation(pa, 1, pa, "double free");
    expect_violation(run, 4, run, "double free");
    expect_violation(large, FRAMES_2M, large, "double free");
    expect_violation(MIB(1) - PAGE_SIZE, 1, MIB(1) - PAGE_SIZE, "no memory of this allocator");
    expect_violation(MIB(15), 1, MIB(15), "no memory of this allocator");
    expect_violation(MIB(15) - PAGE_SIZE, 1, MIB(15) - PAGE_SIZE, "metadata");
    pa = alloc_as_owner(1);
    expect_violation(pa + 8, 1, pa + 8, "not that of a frame");
    EXPECT_PANIC_TEXT(frames_free(pa, 0), "count is 0");
    frames_free(pa, 1);
    assert_int_equal(figures().allocated, 0);
}

static void test_usual_violations(void **state)
{
    (void)state;
    for (unsigned level = 1; level <= 3; level++) {
        start(level);
        expect_the_usual();
    }
}

/* ---- level 0 ---------------------------------------------------------------------------------------------------------- */

static void test_level_0_trusts(void **state)
{
    (void)state;
    start(0);
    phys_addr_t first = frames_alloc(1, 1, MIB(4), MIB(5));
    phys_addr_t second = frames_alloc(1, 1, MIB(4), MIB(5));
    frames_free(first, 1);
    frames_free(second, 1);
    frames_free(first, 1); /* nobody looks */
    for (unsigned i = 0; i < 3; i++) {
        phys_addr_t again = frames_alloc_one();
        assert_true(again == first || again == second);
    }
    frames_free(first, 1);
    frames_free(second, 1);
    assert_int_equal(figures().allocated, 0);
    /* What cannot be done at all is still no silence. */
    EXPECT_PANIC_TEXT(frames_free(MIB(1) - PAGE_SIZE, 0), "count is 0");
    EXPECT_PANIC_TEXT(frames_free(GIB(7), 1), "free of 1 frames at physical 0x1c0000000");
}

/* ---- level 1 ---------------------------------------------------------------------------------------------------------- */

static void test_level_1_says_what_it_does_not_know(void **state)
{
    (void)state;
    start(1);
    phys_addr_t pa = frames_alloc_one();
    frames_free(pa, 1);
    expect_violation(pa, 1, pa, "in the cache of CPU 0, which freed it");
    frames_drain();
    expect_violation(pa, 1, pa, "owner not recorded below frames-check=3");
}

/* Two CPUs free one frame: the second one cannot know, but whoever writes back last does. */
static void test_level_1_notices_on_write_back(void **state)
{
    (void)state;
    start(1);
    assert_int_equal(frames_set_cpus(2), NEO_OK);
    phys_addr_t pa = frames_alloc(2, 1, 0, FRAMES_ANYWHERE);
    hosted_set_cpu(1);
    frames_free(pa, 1);
    hosted_set_cpu(0);
    frames_free(pa, 1); /* in the cache of CPU 1: not known here */
    frames_drain();
    hosted_set_cpu(1);
    EXPECT_PANIC_TEXT(frames_drain(), "double free on two CPUs");
    assert_true(panic_has_number("", pa, ": "));
    hosted_set_cpu(0);
}

/* ---- level 2 ---------------------------------------------------------------------------------------------------------- */

static void test_level_2_is_exact_on_every_cpu(void **state)
{
    (void)state;
    start(2);
    assert_int_equal(frames_set_cpus(2), NEO_OK);
    phys_addr_t pa = frames_alloc_one();
    phys_addr_t run = frames_alloc(7, 1, 0, FRAMES_ANYWHERE);
    hosted_set_cpu(1);
    frames_free(pa, 1);
    frames_free(run, 7);
    assert_int_equal(figures().cached, 0);
    hosted_set_cpu(0);
    expect_violation(pa, 1, pa, "free already (double free)");
    expect_violation(run + 3 * PAGE_SIZE, 2, run + 3 * PAGE_SIZE, "free already (double free)");
    assert_int_equal(frames_state(pa), FRAMES_STATE_FREE);
}

/* ---- level 3 ---------------------------------------------------------------------------------------------------------- */

static void test_level_3_wants_whole_allocations(void **state)
{
    (void)state;
    start(3);
    phys_addr_t run = alloc_as_owner(8);
    expect_violation(run, 7, run, "another count than was allocated");
    expect_owner_named();
    expect_violation(run + PAGE_SIZE, 1, run + PAGE_SIZE, "in the middle of an allocation");
    expect_owner_named();
    expect_violation(run + 7 * PAGE_SIZE, 1, run + 7 * PAGE_SIZE, "in the middle of an allocation");
    phys_addr_t one = alloc_as_owner(1);
    assert_int_equal(one, run + 8 * PAGE_SIZE);
    expect_violation(run, 9, run, "another count than was allocated");
    frames_free(run, 8);
    frames_free(one, 1);
    assert_int_equal(figures().allocated, 0);
}

static void test_level_3_names_the_last_owner(void **state)
{
    (void)state;
    start(3);
    phys_addr_t pa = alloc_as_owner(2);
    struct frames_owner owner;
    frames_query(pa + PAGE_SIZE, &owner);
    assert_ptr_equal(owner.allocated_by, some_caller(OWNER));
    assert_null(owner.freed_by);
    frames_free_for(pa, 2, some_caller(0xf4eed));
    expect_violation(pa, 2, pa, "in quarantine (double free)");
    assert_true(panic_has_number("allocated by ", OWNER, ", freed by 0xf4eed"));
    expect_violation(pa + PAGE_SIZE, 1, pa + PAGE_SIZE, "in quarantine (double free)");
    frames_drain();
    expect_violation(pa, 2, pa, "free already (double free)");
    assert_true(panic_has_number("allocated by ", OWNER, ", freed by 0xf4eed"));
    frames_query(pa, &owner);
    assert_ptr_equal(owner.freed_by, some_caller(0xf4eed));
}

/* What was freed is not handed out again soon; it counts as free, and is there before a request fails. */
/* First in, first out: the oldest ones leave. */
static void test_level_3_quarantine_order(void **state)
{
    (void)state;
    start(3);
    phys_addr_t frames[70];
    for (unsigned i = 0; i < ARRAY_COUNT(frames); i++) {
        frames[i] = frames_alloc_one();
    }
    for (unsigned i = 0; i < ARRAY_COUNT(frames); i++) {
        frames_free(frames[i], 1);
    }
    EXPECT_PANIC_TEXT(frames_free(frames[0], 1), "free already (double free)");
    EXPECT_PANIC_TEXT(frames_free(frames[ARRAY_COUNT(frames) - 1], 1), "in quarantine");
}

static void test_level_3_quarantine(void **state)
{
    (void)state;
    start(3);
    struct frames_stats before = figures();
    phys_addr_t pa = frames_alloc_one();
    frames_free(pa, 1);
    assert_int_equal(frames_state(pa), FRAMES_STATE_FREE);
    expect_figures(&before);
    assert_int_equal(figures().cached, 1);
    for (unsigned i = 0; i < 40; i++) {
        phys_addr_t other = frames_alloc_one();
        assert_true(other != pa);
        frames_free(other, 1);
    }
    expect_figures(&before);
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    assert_int_equal(count, before.free);
    give_back(taken, count);
    expect_figures(&before);
    frames_drain();
    assert_int_equal(figures().cached, 0);
    assert_int_equal(frames_longest_free_run() > 0, 1);
}

static void corrupt(phys_addr_t pa, uint64_t at)
{
    ((unsigned char *)phys_to_virt(pa))[at] ^= 1;
}

static void expect_poison_verified(uint64_t place)
{
    start(3);
    phys_addr_t pa = alloc_as_owner(1);
    frames_free_for(pa, 1, some_caller(0xf4eed));
    corrupt(pa, place);
    frames_drain();
    EXPECT_PANIC_TEXT((void)!frames_alloc(1, 1, pa, pa + PAGE_SIZE), "was written to while free");
    assert_true(panic_has_number("frame at physical ", pa, ""));
    assert_true(panic_has_number("offset ", place & ~7ull, ""));
    assert_true(panic_has_number("allocated by ", OWNER, ", freed by 0xf4eed, found on allocation by "));
    (void)figures();
    /* Once is enough. */
    frames_free(pa, 1);
    assert_int_not_equal(frames_alloc(1, 1, pa, pa + PAGE_SIZE), FRAMES_NONE);
}

/* The first and the last byte of a frame, and one between. */
static void test_level_3_verifies_poison(void **state)
{
    (void)state;
    expect_poison_verified(0);
    expect_poison_verified(2345);
    expect_poison_verified(PAGE_SIZE - 1);
}

/* Frames outside the direct map are left alone. */
static void test_level_3_knows_the_direct_map(void **state)
{
    (void)state;
    start(3);
    frames_set_direct_map_end(MIB(8));
    phys_addr_t above = frames_alloc(1, 1, MIB(8), MIB(9));
    phys_addr_t below = frames_alloc(1, 1, MIB(7), MIB(8));
    memset(phys_to_virt(above), 0x33, PAGE_SIZE);
    memset(phys_to_virt(below), 0x33, PAGE_SIZE);
    frames_free(above, 1);
    frames_free(below, 1);
    frames_drain();
    assert_int_equal(((unsigned char *)phys_to_virt(above))[77], 0x33);
    assert_true(((unsigned char *)phys_to_virt(below))[77] != 0x33);
    corrupt(above, 1);
    assert_int_equal(frames_alloc(1, 1, above, above + PAGE_SIZE), above);
    frames_free(above, 1);
}

/* Memory that comes while the level is on is watched like any other; what went away may have been written to meanwhile. */
static void test_level_3_with_memory_that_comes_and_goes(void **state)
{
    (void)state;
    start(3);
    assert_int_equal(hosted_arena_open(GIB(4), MIB(16)), NEO_OK);
    assert_int_equal(frames_add_range(GIB(4), MIB(16)), NEO_OK);
    phys_addr_t pa = frames_alloc(3, 1, GIB(4), GIB(5));
    expect_violation(pa, 2, pa, "another count than was allocated");
    frames_free(pa, 3);
    assert_int_equal(frames_remove(GIB(4), MIB(16)), NEO_OK);
    memset(phys_to_virt(pa), 0x77, PAGE_SIZE);
    assert_int_equal(frames_add_range(GIB(4), MIB(16)), NEO_OK);
    assert_int_equal(frames_alloc(1, 1, pa, pa + PAGE_SIZE), pa);
    frames_free(pa, 1);
    assert_int_equal(figures().allocated, 0);
}

/* ---- changing levels --------------------------------------------------------------------------------------------------- */

static void test_refused_levels(void **state)
{
    (void)state;
    start(1);
    assert_int_equal(frames_set_hardening(4), NEO_ERR_RANGE);
    assert_int_equal(frames_set_hardening(UINT32_MAX), NEO_ERR_RANGE);
    assert_int_equal(frames_hardening(), 1);
    uint64_t count = take_everything(taken, ARRAY_COUNT(taken));
    struct frames_stats full = figures();
    assert_int_equal(frames_set_hardening(3), NEO_ERR_NO_MEMORY);
    assert_int_equal(frames_hardening(), 1);
    expect_figures(&full);
    give_back(taken, count);
    assert_int_equal(frames_set_hardening(3), NEO_OK);
}

/* Any level after any other, with frames in use, in caches and in quarantine. */
static void test_every_change(void **state)
{
    (void)state;
    start(1);
    for (unsigned change = 0; change < 64; change++) {
        unsigned from = change % 4;
        unsigned to = change / 4 % 4;
        assert_int_equal(frames_set_hardening(from), NEO_OK);
        phys_addr_t pa[6];
        for (unsigned i = 0; i < ARRAY_COUNT(pa); i++) {
            pa[i] = frames_alloc(i + 1, 1, 0, FRAMES_ANYWHERE);
        }
        frames_free(pa[0], 1);
        frames_free(pa[1], 2);
        assert_int_equal(figures().allocated, 3 + 4 + 5 + 6);
        assert_int_equal(frames_set_hardening(to), NEO_OK);
        assert_int_equal(figures().allocated, 3 + 4 + 5 + 6);
        /* Older than the level: exempt from what only level 3 knows. */
        for (unsigned i = 2; i < ARRAY_COUNT(pa); i++) {
            if (from < 3) {
                frames_free(pa[i] + PAGE_SIZE, i);
                frames_free(pa[i], 1);
            } else {
                frames_free(pa[i], i + 1);
            }
        }
        if (to > 0) {
            EXPECT_PANIC_TEXT(frames_free(pa[3], 1), "double free");
        }
        assert_int_equal(figures().allocated, 0);
        assert_true(figures().cached == 0 || to != 2);
    }
}

/* The page that came back while nobody watched may be written to: no false alarm later. */
static void test_no_false_alarm_after_a_pause(void **state)
{
    (void)state;
    start(3);
    phys_addr_t pa = frames_alloc_one();
    frames_free(pa, 1);
    assert_int_equal(frames_set_hardening(1), NEO_OK);
    assert_int_equal(frames_alloc(1, 1, pa, pa + PAGE_SIZE), pa);
    memset(phys_to_virt(pa), 7, PAGE_SIZE);
    frames_free(pa, 1);
    assert_int_equal(frames_set_hardening(3), NEO_OK);
    assert_int_equal(frames_alloc(1, 1, pa, pa + PAGE_SIZE), pa);
    frames_free(pa, 1);
    assert_int_equal(figures().allocated, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual_violations),
        cmocka_unit_test(test_level_0_trusts),
        cmocka_unit_test(test_level_1_says_what_it_does_not_know),
        cmocka_unit_test(test_level_1_notices_on_write_back),
        cmocka_unit_test(test_level_2_is_exact_on_every_cpu),
        cmocka_unit_test(test_level_3_wants_whole_allocations),
        cmocka_unit_test(test_level_3_names_the_last_owner),
        cmocka_unit_test(test_level_3_quarantine),
        cmocka_unit_test(test_level_3_quarantine_order),
        cmocka_unit_test(test_level_3_verifies_poison),
        cmocka_unit_test(test_level_3_knows_the_direct_map),
        cmocka_unit_test(test_level_3_with_memory_that_comes_and_goes),
        cmocka_unit_test(test_refused_levels),
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_no_false_alarm_after_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
