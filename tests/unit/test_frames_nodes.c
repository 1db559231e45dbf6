/* test_frames_nodes.c — machines with several memory nodes: which node a frame comes from, by distance, by request and in turns;
 * and what frames_set_nodes refuses. */
#include "frames_started.h"

static phys_addr_t taken[1u << 14];

#define PIECE MIB(4)
#define PIECE_FRAMES (PIECE / PAGE_SIZE)
#define NODES 3u

/*   16 MiB         4 GiB           8 GiB           12 GiB
 *   |# node 0 #|   |# node 0 #|    |# node 1 #|    |# node 2 #|     4 MiB each, node 0 a little more below 4 GiB */
static const struct frames_node_range ranges[] = {
    {0, GIB(8), 0}, {GIB(8), GIB(4), 1}, {GIB(12), PHYS_ADDR_LIMIT - GIB(12), 2}};

static void start(const uint8_t *distance, const uint8_t *cpu_node, unsigned cpus)
{
    struct limine_memmap_entry map[] = {USABLE(MIB(16), MIB(8)), USABLE(GIB(4), PIECE), USABLE(GIB(8), PIECE),
                                        USABLE(GIB(12), PIECE)};
    mm_fixture_frames(map, 4);
    assert_int_equal(frames_nodes(), 1);
    if (cpus > 1) {
        assert_int_equal(frames_set_cpus(cpus), NEO_OK);
    }
    assert_int_equal(frames_set_nodes(ranges, ARRAY_COUNT(ranges), NODES, distance, cpu_node, cpus), NEO_OK);
    assert_int_equal(frames_nodes(), NODES);
    (void)figures();
}

static unsigned node_of(phys_addr_t pa)
{
    struct frames_owner owner;
    frames_query(pa, &owner);
    return owner.node;
}

static uint64_t free_of(unsigned node, enum frames_window window)
{
    return zone_figures(node, window).free;
}

/* Single frames from here on come from these nodes' main windows one after the other, then from below 4 GiB. */
static void expect_order(const unsigned order[NODES])
{
    uint64_t count = 0;
    for (unsigned i = 0; i < NODES; i++) {
        uint64_t expected = free_of(order[i], FRAMES_WINDOW_HIGH);
        for (uint64_t k = 0; k < expected; k++) {
            taken[count] = frames_alloc_one();
            assert_true(taken[count] >= GIB(4) && node_of(taken[count]) == order[i]);
            count++;
        }
        assert_int_equal(free_of(order[i], FRAMES_WINDOW_HIGH), 0);
    }
    uint64_t low = take_from(taken + count, ARRAY_COUNT(taken) - count, MIB(16), MIB(24));
    assert_int_equal(free_of(0, FRAMES_WINDOW_4G), zone_figures(0, FRAMES_WINDOW_4G).reserve);
    assert_true(low > 0);
    give_back(taken, count + low);
    frames_drain();
    (void)figures();
}

/* ---- order ---------------------------------------------------------------------------------------------------------- */

static void test_order_by_distance(void **state)
{
    (void)state;
    static const uint8_t far_end[NODES * NODES] = {10, 40, 20, 40, 10, 30, 20, 30, 10};
    static const unsigned from_0[] = {0, 2, 1};
    static const unsigned from_1[] = {1, 2, 0};
    static const unsigned from_2[] = {2, 0, 1};
    static const uint8_t cpu_node[] = {0, 1, 2};
    start(far_end, cpu_node, 3);
    expect_order(from_0);
    hosted_set_cpu(1);
    expect_order(from_1);
    hosted_set_cpu(2);
    expect_order(from_2);
    hosted_set_cpu(0);
    assert_int_equal(figures().allocated, 0);
}

static void test_without_distances(void **state)
{
    (void)state;
    static const unsigned order[] = {1, 0, 2};
    static const uint8_t cpu_node[] = {1};
    start(NULL, cpu_node, 1);
    expect_order(order); /* its own first; the others are equally far, as they lie */
    start(NULL, NULL, 0);
    static const unsigned default_order[] = {0, 1, 2};
    expect_order(default_order);
}

/* A CPU that has no cache, and one that the table does not name. */
static void test_cpus_without_a_slot(void **state)
{
    (void)state;
    static const uint8_t cpu_node[] = {0, 2};
    start(NULL, cpu_node, 1);
    hosted_set_cpu(1);
    phys_addr_t pa = frames_alloc_one(); /* no slot, not in the table of one entry: node 0 */
    assert_int_equal(node_of(pa), 0);
    frames_free(pa, 1);
    hosted_set_cpu(0);
    assert_int_equal(frames_set_nodes(ranges, ARRAY_COUNT(ranges), NODES, NULL, cpu_node, 2), NEO_OK);
    hosted_set_cpu(1);
    pa = frames_alloc_one();
    assert_int_equal(node_of(pa), 2);
    frames_free(pa, 1);
    hosted_set_cpu(0);
    assert_int_equal(figures().allocated, 0);
}

/* Memory of a node that only has some below 4 GiB is its main window: it is used before low memory of others. */
static void test_a_node_with_low_memory_only(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(16), MIB(8)), USABLE(GIB(1), MIB(6)), USABLE(GIB(4), PIECE)};
    static const struct frames_node_range own[] = {{GIB(1), GIB(1), 1}};
    static const uint8_t cpu_node[] = {1};
    mm_fixture_frames(map, 3);
    assert_int_equal(frames_set_nodes(own, 1, 2, NULL, cpu_node, 1), NEO_OK);
    assert_int_equal(node_of(frames_alloc_one()), 1);
    assert_int_equal(node_of(frames_alloc_2m()), 1);
    assert_int_equal(node_of(frames_alloc(3, 1, 0, FRAMES_ANYWHERE)), 1);
    (void)figures();
}

/* ---- requests --------------------------------------------------------------------------------------------------------- */

static void test_preferred_node(void **state)
{
    (void)state;
    static const uint64_t counts[] = {1, 2, 100, 512};
    start(NULL, NULL, 0);
    for (unsigned node = 0; node < NODES; node++) {
        for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
            struct frames_request request = FRAMES_REQUEST(counts[i]);
            request.node = node;
            phys_addr_t pa = frames_alloc_request(&request);
            assert_int_equal(node_of(pa), node);
            frames_free(pa, counts[i]);
        }
    }
    assert_int_equal(figures().allocated, 0);
}

static void test_bind(void **state)
{
    (void)state;
    start(NULL, NULL, 0);
    struct frames_request request = FRAMES_REQUEST(1);
    request.node = 1;
    request.flags = FRAMES_BIND;
    uint64_t room = free_of(1, FRAMES_WINDOW_HIGH);
    for (uint64_t i = 0; i < room; i++) {
        taken[i] = frames_alloc_request(&request);
        assert_int_equal(node_of(taken[i]), 1);
    }
    assert_int_equal(frames_alloc_request(&request), FRAMES_NONE);
    request.count = 2;
    assert_int_equal(frames_alloc_request(&request), FRAMES_NONE);
    request.flags = 0;
    phys_addr_t pa = frames_alloc_request(&request); /* preferred only: from elsewhere */
    assert_true(pa != FRAMES_NONE && node_of(pa) != 1);
    frames_free(pa, 2);
    give_back(taken, room);
    assert_int_equal(figures().allocated, 0);
}

static void test_bind_to_this_node(void **state)
{
    (void)state;
    static const uint8_t cpu_node[] = {2};
    start(NULL, cpu_node, 1);
    struct frames_request request = FRAMES_REQUEST(1);
    request.flags = FRAMES_BIND;
    uint64_t count = 0;
    while ((taken[count] = frames_alloc_request(&request)) != FRAMES_NONE) {
        assert_int_equal(node_of(taken[count]), 2);
        count++;
    }
    assert_in_range(count, PIECE_FRAMES - 8, PIECE_FRAMES);
    give_back(taken, count);
}

/*   1 MiB   8 MiB      16 MiB       32 MiB          a node's memory on both sides of a border of windows, behind another's */
static void test_bound_run_across_windows(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(31)), USABLE(GIB(4), MIB(64))};
    static const struct frames_node_range own[] = {{MIB(8), MIB(24), 1}};
    mm_fixture_frames(map, 2);
    assert_int_equal(frames_set_nodes(own, 1, 2, NULL, NULL, 0), NEO_OK);
    struct frames_request request = FRAMES_REQUEST(MIB(20) / PAGE_SIZE);
    request.node = 1;
    request.flags = FRAMES_BIND | FRAMES_USE_RESERVE;
    phys_addr_t pa = frames_alloc_request(&request);
    assert_true(is_in(pa, MIB(8), MIB(12) + 1));
    assert_int_equal(node_of(pa), 1);
    frames_free(pa, request.count);
    assert_int_equal(figures().allocated, 0);
}

static void test_interleave(void **state)
{
    (void)state;
    start(NULL, NULL, 0);
    unsigned per_node[NODES] = {0};
    struct frames_request request = FRAMES_REQUEST(1);
    request.flags = FRAMES_INTERLEAVE;
    request.node = 1; /* ignored */
    unsigned last = NODES;
    for (unsigned i = 0; i < 300; i++) {
        request.count = i % 2 + 1;
        taken[i] = frames_alloc_request(&request);
        unsigned node = node_of(taken[i]);
        assert_true(node != last);
        last = node;
        per_node[node]++;
    }
    for (unsigned node = 0; node < NODES; node++) {
        assert_int_equal(per_node[node], 100);
    }
    for (unsigned i = 0; i < 300; i++) {
        frames_free(taken[i], i % 2 + 1);
    }
    assert_int_equal(figures().allocated, 0);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------------ */

/* A border inside a chunk: each chunk belongs to one node, nothing is lost, runs go across. */
static void test_borders_inside_chunks(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(GIB(4), MIB(8))};
    static const struct frames_node_range cut[] = {
        {GIB(4), MIB(1) + PAGE_SIZE, 0}, {GIB(4) + MIB(1) + PAGE_SIZE, MIB(2), 1}, {GIB(4) + MIB(6), MIB(1), 1}};
    mm_fixture_frames(map, 1);
    uint64_t total = figures().total;
    assert_int_equal(frames_set_nodes(cut, ARRAY_COUNT(cut), 2, NULL, NULL, 0), NEO_OK);
    uint64_t sum = 0;
    for (unsigned node = 0; node < 2; node++) {
        struct frames_zone_stats stats = zone_figures(node, FRAMES_WINDOW_HIGH);
        assert_true(stats.total > 0 && stats.total % 512 == 0);
        sum += stats.total;
    }
    assert_int_equal(sum, total);
    for (phys_addr_t pa = GIB(4); pa < GIB(4) + MIB(8); pa += PAGE_SIZE) {
        assert_int_equal(node_of(pa), node_of(align_down(pa, MIB(2))));
    }
    assert_int_equal(frames_alloc(1100, 1, GIB(4) + MIB(1), GIB(4) + MIB(6)) == FRAMES_NONE, 0);
    assert_int_equal(figures().allocated, 1100);
}

/* What is there when nodes are named stays as it is: frames in use, in caches, retired. */
static void test_nodes_change_under_way(void **state)
{
    (void)state;
    start(NULL, NULL, 0);
    phys_addr_t kept = frames_alloc(700, 1, GIB(8), GIB(9));
    phys_addr_t cached = frames_alloc_one();
    frames_free(cached, 1);
    assert_int_equal(frames_retire(GIB(12) + MIB(3), NULL), NEO_OK);
    struct frames_stats before = figures();
    static const struct frames_node_range other[] = {{GIB(8) + MIB(2), GIB(1), 0}, {GIB(12), GIB(1), 1}};
    assert_int_equal(frames_set_nodes(other, 2, 2, NULL, NULL, 0), NEO_OK);
    struct frames_stats after = figures();
    assert_int_equal(after.allocated, before.allocated);
    assert_int_equal(after.retired, 1);
    assert_int_equal(after.free + after.metadata, before.free + before.metadata);
    assert_int_equal(frames_nodes(), 2);
    assert_int_equal(node_of(GIB(12)), 1);
    assert_true(frames_is_allocated(kept + 699 * PAGE_SIZE));
    frames_free(kept, 700);
    assert_int_equal(figures().allocated, 0);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct frames_node_range wrong_node[] = {{0, GIB(1), 2}};
    static const struct frames_node_range empty[] = {{0, 0, 0}};
    static const struct frames_node_range descending[] = {{GIB(2), GIB(1), 0}, {0, GIB(1), 1}};
    static const struct frames_node_range overlapping[] = {{0, GIB(1) + 1, 0}, {GIB(1), GIB(1), 1}};
    static const struct frames_node_range endless[] = {{GIB(1), UINT64_MAX, 0}};
    static const uint8_t wrong_cpu[] = {0, 1, 2};
    mm_fixture_one_region(MIB(14));
    struct frames_stats before = figures();
    assert_int_equal(frames_set_nodes(NULL, 0, 0, NULL, NULL, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_set_nodes(NULL, 0, 257, NULL, NULL, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_set_nodes(wrong_node, 1, 2, NULL, NULL, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_set_nodes(empty, 1, 2, NULL, NULL, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_set_nodes(descending, 2, 2, NULL, NULL, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_set_nodes(overlapping, 2, 2, NULL, NULL, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_set_nodes(endless, 1, 2, NULL, NULL, 0), NEO_ERR_INVALID);
    assert_int_equal(frames_set_nodes(NULL, 0, 2, NULL, wrong_cpu, 3), NEO_ERR_INVALID);
    assert_int_equal(frames_nodes(), 1);
    expect_figures(&before);
    (void)take_everything(taken, ARRAY_COUNT(taken));
    before = figures();
    assert_int_equal(frames_set_nodes(ranges, ARRAY_COUNT(ranges), NODES, NULL, NULL, 0), NEO_ERR_NO_MEMORY);
    assert_int_equal(frames_nodes(), 1);
    expect_figures(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_by_distance),
        cmocka_unit_test(test_without_distances),
        cmocka_unit_test(test_cpus_without_a_slot),
        cmocka_unit_test(test_a_node_with_low_memory_only),
        cmocka_unit_test(test_preferred_node),
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_bind_to_this_node),
        cmocka_unit_test(test_bound_run_across_windows),
        cmocka_unit_test(test_interleave),
        cmocka_unit_test(test_borders_inside_chunks),
        cmocka_unit_test(test_nodes_change_under_way),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
