/* test_frames_requests.c — frames_request, member by member: windows, alignment, boundary, node and flags; and what is refused,
 * with nothing changed and one line in the log that names the caller. */
#include "frames_started.h"

static phys_addr_t taken[1u << 14];

static struct {
    char text[256];
    unsigned lines;
} logged;

static void keep_line(const char *text)
{
    (void)snprintf(logged.text, sizeof(logged.text), "%s", text);
    logged.lines++;
}

static void start_logging(void)
{
    memset(&logged, 0, sizeof(logged));
    (void)frames_set_log(keep_line);
}

/* ---- windows ------------------------------------------------------------------------------------------------------ */

/*       window:      [       )
 *   |####|    |######|######|####|       cut at both ends, to whole frames */
static void test_windows_shrink_to_whole_frames(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(8)), USABLE(MIB(16), MIB(32))};
    mm_fixture_frames(map, 2);
    assert_true(is_in(frames_alloc(1, 1, 0, MIB(16)), MIB(1), MIB(9)));
    assert_int_equal(frames_alloc(1, 1, MIB(9) - PAGE_SIZE, MIB(16)), MIB(9) - PAGE_SIZE);
    assert_int_equal(frames_alloc(1, 1, MIB(9) - PAGE_SIZE, MIB(16)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(9), MIB(16)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(20) + 1, MIB(20) + 2 * PAGE_SIZE), MIB(20) + PAGE_SIZE);
    assert_int_equal(frames_alloc(1, 1, MIB(24) + 1, MIB(24) + 2 * PAGE_SIZE - 1), FRAMES_NONE);
    phys_addr_t first = frames_alloc(256, 1, MIB(4), MIB(6));
    assert_true(is_in(first, MIB(4), MIB(5) + 1));
    assert_int_not_equal(frames_alloc(256 - (first % MIB(1) != 0), 1, MIB(4), MIB(6)), FRAMES_NONE);
    assert_int_equal(frames_alloc(257, 1, MIB(40), MIB(41)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(30), MIB(20)), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, MIB(48), FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1, FRAMES_ANYWHERE, FRAMES_ANYWHERE), FRAMES_NONE);
    (void)figures();
}

/* Every frame of a window can be had, and no other. */
static void test_window_is_used_up(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    phys_addr_t lo = MIB(3) + 5 * PAGE_SIZE;
    phys_addr_t hi = MIB(7) + 9 * PAGE_SIZE;
    uint64_t frames = (hi - lo) / PAGE_SIZE;
    for (uint64_t i = 0; i < frames; i++) {
        taken[i] = frames_alloc(1, 1, lo, hi);
        assert_true(is_in(taken[i], lo, hi));
    }
    assert_int_equal(frames_alloc(1, 1, lo, hi), FRAMES_NONE);
    frames_free(taken[77], 1);
    /* It sits in the cache of this CPU: drained before the request fails. */
    assert_int_equal(frames_alloc(1, 1, lo, hi), taken[77]);
    give_back(taken, frames);
    assert_int_equal(frames_alloc(frames, 1, lo, hi), lo);
    assert_int_equal(figures().allocated, frames);
}

/* ---- alignment and boundary ------------------------------------------------------------------------------------------ */

static void test_alignment_is_of_the_address(void **state)
{
    (void)state;
    /* Starts at an odd frame. */
    struct limine_memmap_entry map[] = {USABLE(MIB(1) + 13 * PAGE_SIZE, MIB(64))};
    static const uint64_t counts[] = {1, 3, 64, 100, 511, 512, 700};
    mm_fixture_frames(map, 1);
    struct frames_stats before = figures();
    for (uint64_t align = 0; align <= 4096; align = align == 0 ? 1 : align * 2) {
        for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
            struct frames_request request = FRAMES_REQUEST(counts[i]);
            request.align = align;
            phys_addr_t pa = frames_alloc_request(&request);
            assert_int_not_equal(pa, FRAMES_NONE);
            assert_true(align == 0 || is_aligned(pa, align * PAGE_SIZE));
            frames_free(pa, counts[i]);
        }
    }
    assert_int_equal(frames_alloc(1, 1 << 20, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 1ull << 63, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    expect_figures(&before);
}

/* No multiple of the boundary inside the run, whatever is free. */
static void test_boundary(void **state)
{
    (void)state;
    static const struct {
        uint64_t count, boundary, align;
    } cases[] = {{3, 4, 1}, {4, 4, 1}, {5, 16, 2}, {16, 16, 4}, {17, 32, 1}, {300, 512, 1}, {600, 1024, 64}, {1, 1, 1}};
    mm_fixture_one_region(MIB(64));
    struct frames_stats before = figures();
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct frames_request request = FRAMES_REQUEST(cases[i].count);
        request.boundary = cases[i].boundary;
        request.align = cases[i].align;
        unsigned runs = 0;
        for (; runs < 12 && (taken[runs] = frames_alloc_request(&request)) != FRAMES_NONE; runs++) {
            uint64_t pfn = taken[runs] / PAGE_SIZE;
            assert_int_equal(pfn / cases[i].boundary, (pfn + cases[i].count - 1) / cases[i].boundary);
            assert_int_equal(pfn % cases[i].align, 0);
        }
        assert_int_equal(runs, 12);
        for (unsigned k = 0; k < runs; k++) {
            frames_free(taken[k], cases[i].count);
        }
    }
    expect_figures(&before);
}

/*        2 MiB
 *   |..|..|..|..|       four free frames around a boundary */
static void test_boundary_decides(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    struct frames_request request = FRAMES_REQUEST(4);
    request.lo_pa = MIB(2) - 2 * PAGE_SIZE;
    request.hi_pa = MIB(2) + 2 * PAGE_SIZE;
    request.boundary = 512;
    assert_int_equal(frames_alloc_request(&request), FRAMES_NONE);
    request.count = 2;
    assert_int_equal(frames_alloc_request(&request), MIB(2) - 2 * PAGE_SIZE);
    assert_int_equal(frames_alloc_request(&request), MIB(2));
    frames_free(MIB(2) - 2 * PAGE_SIZE, 4);
    request.count = 4;
    request.boundary = 0;
    assert_int_equal(frames_alloc_request(&request), MIB(2) - 2 * PAGE_SIZE);
}

/* ---- flags ---------------------------------------------------------------------------------------------------------------- */

static void test_zeroed(void **state)
{
    (void)state;
    static const uint64_t counts[] = {1, 2, 100, 512, 600};
    mm_fixture_one_region(MIB(14));
    for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
        phys_addr_t dirty = frames_alloc(figures().free, 1, 0, FRAMES_ANYWHERE);
        uint64_t free = figures().allocated;
        memset(phys_to_virt(dirty), 0xa5, free * PAGE_SIZE);
        frames_free(dirty, free);
        struct frames_request request = FRAMES_REQUEST(counts[i]);
        request.flags = FRAMES_ZEROED;
        phys_addr_t pa = frames_alloc_request(&request);
        const unsigned char *bytes = phys_to_virt(pa);
        for (uint64_t k = 0; k < counts[i] * PAGE_SIZE; k++) {
            assert_int_equal(bytes[k], 0);
        }
        frames_free(pa, counts[i]);
    }
}

static void test_reserve_flag(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(8)), USABLE(MIB(32), MIB(2))};
    mm_fixture_frames(map, 2);
    uint64_t reserve = zone_figures(0, FRAMES_WINDOW_16M).reserve;
    assert_int_equal(reserve, MIB(8) / PAGE_SIZE / 64);
    (void)take_everything(taken, ARRAY_COUNT(taken));
    assert_int_equal(figures().free, reserve);
    struct frames_request request = FRAMES_REQUEST(1);
    request.flags = FRAMES_USE_RESERVE;
    for (uint64_t i = 0; i < reserve; i++) {
        assert_true(is_in(frames_alloc_request(&request), MIB(1), MIB(9)));
    }
    assert_int_equal(frames_alloc_request(&request), FRAMES_NONE);
    assert_int_equal(figures().free, 0);
}

/* Frames in the cache of another CPU: asked for when a request fails, unless it must not. */
static void test_atomic_leaves_others_alone(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(14));
    assert_int_equal(frames_set_cpus(2), NEO_OK);
    hosted_set_cpu(1);
    phys_addr_t own = frames_alloc_one();
    hosted_set_cpu(0);
    uint64_t cached = figures().cached;
    assert_true(cached > 1);
    struct frames_request request = FRAMES_REQUEST(1);
    request.flags = FRAMES_ATOMIC;
    while (frames_alloc_request(&request) != FRAMES_NONE) {
    }
    assert_int_equal(figures().cached, cached);
    hosted_set_cpu(1);
    frames_free(own, 1);
    assert_int_equal(figures().cached, cached + 1);
    hosted_set_cpu(0);
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    hosted_set_cpu(1);
    assert_int_equal(figures().cached, cached + 1);
    frames_drain(); /* any call of its own gives everything back */
    hosted_set_cpu(0);
    assert_int_equal(figures().cached, 0);
    assert_int_not_equal(frames_alloc_one(), FRAMES_NONE);
    (void)figures();
}

/* ---- refusals -------------------------------------------------------------------------------------------------------------- */

static void test_refused_requests(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    struct frames_stats before = figures();
    const struct {
        struct frames_request request;
        const char *why;
    } cases[] = {
        {{.count = 0, .align = 1, .hi_pa = FRAMES_ANYWHERE, .node = FRAMES_THIS_NODE}, "count is 0"},
        {FRAMES_REQUEST(before.total + 1), "more frames than there are"},
        {FRAMES_REQUEST(UINT64_MAX), "more frames than there are"},
        {{.count = 1, .align = 3, .hi_pa = FRAMES_ANYWHERE, .node = FRAMES_THIS_NODE}, "alignment is no power of two"},
        {{.count = 1, .align = UINT64_MAX, .hi_pa = FRAMES_ANYWHERE, .node = FRAMES_THIS_NODE}, "alignment"},
        {{.count = 1, .hi_pa = FRAMES_ANYWHERE, .boundary = 6, .node = FRAMES_THIS_NODE}, "boundary"},
        {{.count = 5, .hi_pa = FRAMES_ANYWHERE, .boundary = 4, .node = FRAMES_THIS_NODE}, "boundary"},
        {{.count = 1, .hi_pa = FRAMES_ANYWHERE, .node = 1}, "no such node"},
        {{.count = 1, .lo_pa = MIB(9), .hi_pa = MIB(10), .node = FRAMES_THIS_NODE}, "no memory in the window"},
        {{.count = 1, .lo_pa = MIB(9), .hi_pa = FRAMES_ANYWHERE, .node = FRAMES_THIS_NODE}, "no memory in the window"},
        {{.count = 1, .lo_pa = 0, .hi_pa = MIB(1), .node = FRAMES_THIS_NODE}, "no memory in the window"},
        {{.count = 1, .lo_pa = MIB(4), .hi_pa = MIB(3), .node = FRAMES_THIS_NODE}, "no memory in the window"},
        {{.count = 1, .lo_pa = MIB(4), .hi_pa = MIB(4), .node = FRAMES_THIS_NODE}, "no memory in the window"},
        {{.count = 1, .lo_pa = MIB(4) + 1, .hi_pa = MIB(4) + PAGE_SIZE, .node = FRAMES_THIS_NODE}, "no memory in the"},
        {{.count = 1, .lo_pa = UINT64_MAX, .hi_pa = FRAMES_ANYWHERE, .node = FRAMES_THIS_NODE}, "no memory in the"},
        {{.count = 1, .lo_pa = 0, .hi_pa = 0, .node = FRAMES_THIS_NODE}, "no memory in the window"},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        start_logging();
        assert_int_equal(frames_alloc_request_for(&cases[i].request, some_caller(0xfeed1 + i)), FRAMES_NONE);
        char caller[24];
        (void)snprintf(caller, sizeof(caller), "for 0x%x:", 0xfeed1 + i);
        assert_int_equal(logged.lines, 1);
        assert_non_null(strstr(logged.text, caller));
        assert_non_null(strstr(logged.text, cases[i].why));
        assert_null(strchr(logged.text, '\n'));
        (void)frames_set_log(NULL);
        assert_int_equal(frames_alloc_request(&cases[i].request), FRAMES_NONE);
        assert_int_equal(logged.lines, 1);
        expect_figures(&before);
    }
}

static void test_refused_by_the_short_names(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    struct frames_stats before = figures();
    start_logging();
    assert_int_equal(frames_alloc(0, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 0, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(1, 3, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(2, 0, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc(UINT64_MAX, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(frames_alloc_1g(), FRAMES_NONE);
    assert_int_equal(logged.lines, 6);
    expect_figures(&before);
}

/* Running out of memory is no mistake of the caller's: no line. */
static void test_no_memory_is_not_logged(void **state)
{
    (void)state;
    mm_fixture_one_region(MIB(8));
    start_logging();
    (void)take_everything(taken, ARRAY_COUNT(taken));
    struct frames_stats full = figures();
    assert_int_equal(full.free, 0);
    for (uint64_t count = 1; count <= 1024; count *= 2) {
        assert_int_equal(frames_alloc(count, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
        assert_int_equal(frames_alloc(count, 1, MIB(2), MIB(8)), FRAMES_NONE);
    }
    expect_figures(&full);
    assert_int_equal(logged.lines, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_shrink_to_whole_frames),
        cmocka_unit_test(test_window_is_used_up),
        cmocka_unit_test(test_alignment_is_of_the_address),
        cmocka_unit_test(test_boundary),
        cmocka_unit_test(test_boundary_decides),
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_reserve_flag),
        cmocka_unit_test(test_atomic_leaves_others_alone),
        cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_refused_by_the_short_names),
        cmocka_unit_test(test_no_memory_is_not_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
