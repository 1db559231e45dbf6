/* test_acpi_topology.c — nodes, ranges and CPUs from tables that are sound, damaged, or against us. */
#include "topology_parsed.h"

static void expect_range(uint64_t index, uint64_t base, uint64_t end, unsigned node)
{
    assert_true(index < topology.range_count);
    assert_int_equal(topology.ranges[index].base, base);
    assert_int_equal(topology.ranges[index].base + topology.ranges[index].nbytes, end);
    assert_int_equal(topology.ranges[index].node, node);
}

/* ---- what is there ---- */

static void no_tables_at_all(void **state)
{
    (void)state;
    madt.nbytes = srat.nbytes = 0;
    parse(0);
    assert_int_equal(topology.nodes, 1);
    assert_int_equal(topology.cpus, 1);
    assert_int_equal(topology.range_count, 0);
    assert_int_equal(topology.cpu_node[0], 0);
    assert_int_equal(topology.distance[0], 10);
}

/* As QEMU writes them for two nodes with two CPUs each. */
static void two_nodes(void **state)
{
    (void)state;
    static const uint8_t matrix[] = {10, 21, 31, 10};
    for (uint8_t cpu = 0; cpu < 4; cpu++) {
        madt_cpu(cpu);
        srat_cpu(cpu, cpu / 2);
    }
    srat_memory(0, 0, 640 << 10, ENABLED);
    srat_memory(0, 1 << 20, 255 << 20, ENABLED);
    srat_memory(1, 256 << 20, 256 << 20, ENABLED);
    srat_memory(0, 0, 0, 0);
    make_slit(2, matrix);
    parse(0);
    assert_int_equal(topology.nodes, 2);
    assert_int_equal(topology.cpus, 4);
    static const uint8_t nodes[] = {0, 0, 1, 1};
    assert_memory_equal(topology.cpu_node, nodes, 4);
    assert_int_equal(topology.range_count, 3);
    expect_range(0, 0, 640 << 10, 0);
    expect_range(1, 1 << 20, 256 << 20, 0);
    expect_range(2, 256 << 20, 512 << 20, 1);
    expect_distances(matrix); /* also when the way back is longer */
    assert_int_equal(topology.distance_source, TOPOLOGY_DISTANCE_SLIT);
}

static void domains_become_nodes(void **state)
{
    (void)state;
    srat_memory(0x80000007, 0x300000, 0x100000, ENABLED);
    srat_memory(9, 0x100000, 0x100000, ENABLED);
    srat_x2apic(0, 70000); /* a node with a CPU only */
    srat_memory(9, 0x200000, 0x100000, ENABLED);
    parse(0);
    static const uint32_t domains[] = {9, 70000, 0x80000007};
    assert_int_equal(topology.nodes, 3);
    assert_memory_equal(topology.domains, domains, sizeof(domains));
    expect_range(0, 0x100000, 0x300000, 0); /* neighbours are one */
    expect_range(1, 0x300000, 0x400000, 2);
    assert_int_equal(topology.cpu_node[0], 1);
    static const uint8_t expected[] = {10, 20, 20, 20, 10, 20, 20, 20, 10};
    expect_distances(expected);
    assert_int_equal(topology.distance_source, TOPOLOGY_DISTANCE_DEFAULT);
}

static void cpus_are_numbered_as_the_madt_lists_them(void **state)
{
    (void)state;
    madt_cpu(4);
    madt_cpu(0); /* the boot CPU: number 0 wherever it stands */
    madt_cpu(2);
    madt_x2apic(2); /* listed twice */
    madt_x2apic(0x12345);
    srat_cpu(2, 1);
    srat_cpu(4, 0);
    srat_x2apic(0x12345, 2);
    srat_cpu(0, 2);
    parse(0);
    static const uint32_t ids[] = {0, 4, 2, 0x12345};
    static const uint8_t nodes[] = {2, 0, 1, 2};
    assert_int_equal(topology.cpus, 4);
    assert_memory_equal(topology.cpu_apic_id, ids, sizeof(ids));
    assert_memory_equal(topology.cpu_node, nodes, sizeof(nodes));
}

static void cpus_without_a_place(void **state)
{
    (void)state;
    madt_cpu(3);
    parse(1); /* the boot CPU is not in the MADT */
    assert_int_equal(topology.cpus, 2);
    srat_cpu(3, 5);
    srat_cpu(3, 6); /* contradicts the first */
    srat_memory(4, 0, 0x1000, ENABLED);
    parse(3); /* that, the boot CPU again, and it is in no domain either */
    assert_int_equal(topology.cpu_apic_id[1], 3);
    assert_int_equal(topology.cpu_node[0], 0);
    assert_int_equal(topology.cpu_node[1], 1);
}

static void domains_of_revision_1_have_8_bits(void **state)
{
    (void)state;
    srat.bytes[8] = 1;
    srat_cpu(0, 0x00abcd01); /* the upper bytes are reserved there */
    srat_memory(0xffffff01, 0x1000, 0x1000, ENABLED);
    parse(0);
    assert_int_equal(topology.nodes, 1);
    assert_int_equal(topology.domains[0], 1);
    srat.bytes[8] = 2;
    parse(0);
    assert_int_equal(topology.nodes, 2);
    assert_int_equal(topology.domains[0], 0x00abcd01);
}

static void entries_that_do_not_count(void **state)
{
    (void)state;
    srat_memory(1, 0x100000, 0x100000, 0);                      /* disabled */
    srat_memory(2, 0x200000, 0x100000, ENABLED | NON_VOLATILE); /* not ours */
    srat_memory(3, 0x300000, 0, ENABLED);
    srat_memory(4, 0x400010, 0x20, ENABLED); /* in the middle of a frame */
    put32(srat_cpu(0, 5) + 4, 0);
    put32(srat_x2apic(0, 6) + 12, 0);
    uint8_t *initiator = grow(&srat, 32);
    initiator[0] = 5; /* a generic initiator */
    initiator[1] = 32;
    parse(0);
    assert_int_equal(topology.nodes, 1);
    assert_int_equal(topology.range_count, 0);
    srat_memory(7, 0x500000, 0x1000, ENABLED | HOT_PLUGGABLE);
    parse(0);
    assert_int_equal(topology.domains[0], 7);
    assert_true(topology.ranges[0].is_hot_pluggable);
}

/* ---- ranges ---- */

static void ranges_are_whole_frames(void **state)
{
    (void)state;
    srat_memory(0, 0x1001, 0x2100, ENABLED); /* to 0x3101 */
    srat_memory(1, 0x3101, 0x1000, ENABLED); /* to 0x4101 */
    parse(0);
    expect_range(0, 0x2000, 0x4000, 0); /* frame 3 begins in domain 0 */
    expect_range(1, 0x4000, 0x5000, 1);
}

static void ranges_at_the_limit(void **state)
{
    (void)state;
    srat_memory(0, PHYS_ADDR_LIMIT - 0x1000, 0x1000, ENABLED);
    parse(0);
    expect_range(0, PHYS_ADDR_LIMIT - 0x1000, PHYS_ADDR_LIMIT, 0);
    srat_memory(0, PHYS_ADDR_LIMIT - 0x1000, 0x1001, ENABLED);
    srat_memory(0, PHYS_ADDR_LIMIT, 0x1000, ENABLED);
    srat_memory(0, 0xfffffffffffff000, 0x1000, ENABLED);
    srat_memory(0, 0x1000, UINT64_MAX, ENABLED);
    parse(4);
    assert_int_equal(topology.range_count, 1);
}

static void the_first_of_overlapping_ranges_wins(void **state)
{
    (void)state;
    srat_memory(1, 0x4000, 0x4000, ENABLED);
    srat_memory(0, 0x1000, 0x9000, ENABLED);                 /* around it */
    srat_memory(2, 0x6000, 0x8000, ENABLED | HOT_PLUGGABLE); /* over the end of both */
    srat_memory(3, 0x4000, 0x1000, ENABLED);                 /* nothing is left of it */
    parse(3);
    assert_int_equal(topology.range_count, 4);
    expect_range(0, 0x1000, 0x4000, 0);
    expect_range(1, 0x4000, 0x8000, 1);
    expect_range(2, 0x8000, 0xa000, 0);
    expect_range(3, 0xa000, 0xe000, 2);
    assert_false(topology.ranges[2].is_hot_pluggable);
    assert_true(topology.ranges[3].is_hot_pluggable);
    assert_int_equal(topology.nodes, 4);
    begin_all();
    srat_memory(0, 0x1000, 0x1000, ENABLED); /* neighbours of one node stay apart where only one can come and go */
    srat_memory(0, 0x2000, 0x1000, ENABLED | HOT_PLUGGABLE);
    parse(0);
    assert_int_equal(topology.range_count, 2);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 33;
}

/* Against the definition: an address belongs to the first entry that covers it. */
static void random_overlaps(void **state)
{
    (void)state;
    enum { ENTRIES = 40, FRAMES = 64 };
    uint64_t seed = 7;
    for (unsigned round = 0; round < 500; round++) {
        int owner[FRAMES];
        begin_all();
        memset(owner, -1, sizeof(owner));
        unsigned count = (unsigned)(next_random(&seed) % ENTRIES);
        for (unsigned i = 0; i < count; i++) {
            uint64_t base = next_random(&seed) % (FRAMES - 16);
            uint64_t frames = next_random(&seed) % 16;
            uint32_t domain = (uint32_t)(next_random(&seed) % 5);
            srat_memory(domain, base * PAGE_SIZE, frames * PAGE_SIZE, ENABLED);
            for (uint64_t f = base; f < base + frames; f++) {
                owner[f] = owner[f] < 0 ? (int)domain : owner[f];
            }
        }
        topology_release(&host, &topology);
        assert_int_equal(parse_tables(0, &topology), NEO_OK);
        check_shape();
        for (uint64_t i = 0; i < topology.range_count; i++) {
            const struct topology_range *range = &topology.ranges[i];
            for (uint64_t f = range->base / PAGE_SIZE; f < (range->base + range->nbytes) / PAGE_SIZE; f++) {
                assert_int_equal(owner[f], (int)topology.domains[range->node]);
                owner[f] = -1;
            }
        }
        for (unsigned f = 0; f < FRAMES; f++) {
            assert_int_equal(owner[f], -1); /* nothing was left out */
        }
    }
}

/* ---- more than anybody has ---- */

static void many_nodes(void **state)
{
    (void)state;
    for (uint32_t domain = 0; domain < 256; domain++) {
        srat_memory(domain * 3, (uint64_t)domain << 30, 1ull << 30, ENABLED);
        srat_x2apic(domain, domain * 3);
        madt_x2apic(domain);
    }
    parse(0);
    assert_int_equal(topology.nodes, 256);
    assert_int_equal(topology.range_count, 256);
    assert_int_equal(topology.cpu_node[255], 255);
    assert_int_equal(topology.distance[256 * 256 - 2], 20);
    srat_memory(1, 1ull << 40, 1 << 30, ENABLED); /* one domain too many: the last one goes */
    parse(2);                                     /* and its CPU has no domain any more */
    assert_int_equal(topology.nodes, 256);
    assert_int_equal(topology.range_count, 256);
    assert_int_equal(topology.domains[1], 1);
    assert_int_equal(topology.cpu_node[255], 0);
}

static void warnings_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        srat_memory(i % 2, 0x1000, 0x1000, ENABLED);
    }
    parse(TOPOLOGY_WARNINGS_MAX + 1);
    assert_non_null(strstr(host_state.last_warning, " 983 more"));
    assert_int_equal(topology.range_count, 1);
}

/* ---- damage ---- */

static void damaged_srat(void **state)
{
    (void)state;
    srat_memory(0, 0x1000, 0x1000, ENABLED);
    srat_cpu(0, 1)[1] = 15; /* shorter than a CPU: left out; the byte too many begins no entry */
    parse(2);
    assert_int_equal(topology.nodes, 1);
    begin_all();
    uint8_t *bad = srat_memory(0, 0x1000, 0x1000, ENABLED);
    srat_memory(1, 0x2000, 0x1000, ENABLED);
    bad[1] = 0; /* leads nowhere: the rest is lost */
    parse(1);
    assert_int_equal(topology.range_count, 0);
    bad[1] = 81;
    parse(1);
    bad[1] = 80; /* one long entry instead of two */
    parse(0);
    assert_int_equal(topology.range_count, 1);
    srat.nbytes = 47;
    parse(1);
    assert_int_equal(topology.nodes, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(no_tables_at_all),
        TEST(two_nodes),
        TEST(domains_become_nodes),
        TEST(cpus_are_numbered_as_the_madt_lists_them),
        TEST(cpus_without_a_place),
        TEST(domains_of_revision_1_have_8_bits),
        TEST(entries_that_do_not_count),
        TEST(ranges_are_whole_frames),
        TEST(ranges_at_the_limit),
        TEST(the_first_of_overlapping_ranges_wins),
        TEST(random_overlaps),
        TEST(many_nodes),
        TEST(warnings_end),
        TEST(damaged_srat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
