/* test_acpi_topology_distance.c — SLIT and HMAT: sound, damaged, or against us; and no memory for the result. */
#include "topology_parsed.h"

#include <neomem/compiler.h>

/* ---- SLIT ---- */

static void sound_and_damaged_slit(void **state)
{
    (void)state;
    static const uint8_t sound[] = {10, 12, 14, 16, 10, 18, 22, 24, 10};
    static const uint8_t defaults[] = {10, 20, 20, 10};
    static const uint8_t taken[] = {10, 14, 22, 10};
    static const struct {
        size_t at;
        uint8_t value;
        bool is_taken;
    } cases[] = {{44, 10, true},     {44, 11, false},   {44 + 8, 9, false}, {44 + 2, 9, false},
                 {44 + 6, 0, false}, {36, 4, false},    {36, 2, false},     {36, 0, false},
                 {36 + 7, 1, false}, {44 + 1, 0, true}, {44 + 4, 99, true}, {36 + 4, 1, false}};
    srat_memory(0, 0x1000, 0x1000, ENABLED);
    srat_memory(2, 0x2000, 0x1000, ENABLED); /* there is no domain 1: what the SLIT says of it does not matter */
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        make_slit(3, sound);
        slit.bytes[cases[i].at] = cases[i].value;
        parse(cases[i].is_taken ? 0 : 1);
        expect_distances(cases[i].is_taken ? taken : defaults);
        assert_int_equal(topology.distance_source,
                         cases[i].is_taken ? TOPOLOGY_DISTANCE_SLIT : TOPOLOGY_DISTANCE_DEFAULT);
    }
    /* Two rows, which would do for a third domain if they were read on past their ends. */
    make_slit(3, (const uint8_t[]){10, 14, 14, 16, 22, 22, 10, 10, 10});
    slit.bytes[36] = 2;
    parse(1);
    make_slit(3, sound);
    for (slit.nbytes = 1; slit.nbytes < 44 + 9; slit.nbytes++) {
        parse(1);
        expect_distances(defaults);
    }
}

/* ---- HMAT ---- */

static const uint32_t both[] = {0, 1};
#define LATENCY 0
#define READ_LATENCY 1
#define BANDWIDTH 3

static void two_nodes_with_cpus(void)
{
    static const uint8_t matrix[] = {10, 33, 33, 10};
    begin_all();
    madt_cpu(0);
    madt_cpu(1);
    srat_cpu(0, 0);
    srat_cpu(1, 1);
    srat_memory(0, 0x100000, 0x100000, ENABLED);
    srat_memory(1, 0x200000, 0x100000, ENABLED);
    make_slit(2, matrix);
}

static void latencies_override_the_slit(void **state)
{
    (void)state;
    static const struct {
        uint16_t entries[4];
        uint8_t expected[4];
    } cases[] = {
        {{100, 210, 240, 80}, {10, 21, 30, 10}},
        {{100, 100, 1, 80}, {10, 11, 11, 10}},           /* local stays first */
        {{1, 0xfffe, 0xffff, 1000}, {10, 254, 255, 10}}, /* far, and not to be reached at all */
        {{0x4000, 0x8000, 0xfffe, 0x4000}, {10, 20, 40, 10}},
        {{3, 5, 7, 3}, {10, 17, 23, 10}}, /* rounded */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        /* The largest unit that fits must not overflow. */
        for (uint64_t unit = 1; unit != 0; unit = unit == 1 ? UINT64_MAX / 0xffff : 0) {
            two_nodes_with_cpus();
            hmat_latencies(LATENCY, unit, 2, both, 2, both, cases[i].entries);
            parse(0);
            expect_distances(cases[i].expected);
            assert_int_equal(topology.distance_source, TOPOLOGY_DISTANCE_HMAT);
        }
    }
}

static void latencies_in_parts(void **state)
{
    (void)state;
    static const uint16_t row[] = {0, 300}, read[] = {999, 999}, other[] = {500, 100};
    static const uint8_t expected[] = {10, 3 * 11 - 3, 50, 10};
    two_nodes_with_cpus();
    hmat_latencies(BANDWIDTH, 1, 2, both, 2, both, (const uint16_t[]){1, 2, 3, 4});
    hmat_latencies(LATENCY, 1000, 1, both, 2, both, row);        /* 0 to 0: not told */
    hmat_latencies(READ_LATENCY, 1, 1, both + 1, 2, both, read); /* not asked: access latency is there */
    hmat_latencies(LATENCY, 1, 1, both + 1, 2, both, other);
    hmat_latencies(LATENCY, 1, 1, both, 1, both, (const uint16_t[]){7})[8] = 1; /* of a cache */
    parse(0);
    assert_int_equal(topology.distance_source, TOPOLOGY_DISTANCE_SLIT);               /* something is missing */
    hmat_latencies(READ_LATENCY, 100, 1, both, 2, both, (const uint16_t[]){1000, 5}); /* 100 ns, in other units */
    parse(0);
    expect_distances(expected);
    assert_int_equal(topology.distance_source, TOPOLOGY_DISTANCE_HMAT);
}

static void latencies_in_units_worlds_apart(void **state)
{
    (void)state;
    static const uint8_t expected[] = {10, 254, 11, 10};
    two_nodes_with_cpus();
    hmat_latencies(LATENCY, 1, 1, both, 1, both, (const uint16_t[]){1});
    hmat_latencies(LATENCY, UINT64_MAX / 0xffff, 1, both, 1, both + 1, (const uint16_t[]){0xfffe});
    hmat_latencies(LATENCY, UINT64_MAX / 0xffff, 1, both + 1, 1, both + 1, (const uint16_t[]){0xfffe});
    hmat_latencies(LATENCY, 1, 1, both + 1, 1, both, (const uint16_t[]){1});
    parse(0);
    expect_distances(expected);
}

/* CPUs on node 1 only, memory on nodes 0 and 2 only. */
static void latencies_of_uneven_nodes(void **state)
{
    (void)state;
    static const uint32_t initiators[] = {77, 1}, targets[] = {2, 99, 0};
    static const uint16_t entries[] = {1, 1, 1, 200, 5, 100};
    static const uint8_t expected[] = {10, 20, 20, 11, 10, 20, 20, 20, 10};
    madt_cpu(0);
    srat_cpu(0, 1);
    srat_memory(0, 0x100000, 0x100000, ENABLED);
    srat_memory(2, 0x200000, 0x100000, ENABLED);
    hmat_latencies(LATENCY, 10, 2, initiators, 3, targets, entries);
    parse(0);
    expect_distances(expected);
    assert_int_equal(topology.distance_source, TOPOLOGY_DISTANCE_HMAT);
}

static void damaged_hmat(void **state)
{
    (void)state;
    static const uint16_t entries[] = {100, 200, 200, 100};
    static const struct {
        size_t at;
        uint32_t value;
    } cases[] = {
        {4, 0},  {4, 7},           {4, 57},          {4, 31},          {4, UINT32_MAX}, {12, 3},
        {16, 3}, {12, UINT32_MAX}, {16, UINT32_MAX}, {16, 0x80000000}, {28, 0x20000},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        two_nodes_with_cpus();
        uint8_t *s = hmat_latencies(LATENCY, 1, 2, both, 2, both, entries);
        put32(s + cases[i].at, cases[i].value);
        topology_release(&host, &topology);
        assert_int_equal(parse_tables(0, &topology), NEO_OK);
        check_shape();
        if (host_state.warnings == 0 || topology.distance_source != TOPOLOGY_DISTANCE_SLIT) {
            fail_msg("case %zu: %zu warnings, source %d", i, host_state.warnings, topology.distance_source);
        }
    }
    two_nodes_with_cpus();
    put32(hmat_latencies(LATENCY, 1, 2, both, 0, both, entries) + 12,
          100000); /* a list without an end, and no matrix */
    parse(1);
    two_nodes_with_cpus();
    hmat_latencies(LATENCY, 1, 0, both, 0, both, entries); /* nothing in it, and nothing wrong */
    parse(0);
    two_nodes_with_cpus();
    hmat_latencies(LATENCY, 1, 2, both, 2, both, entries);
    size_t full = hmat.nbytes;
    for (hmat.nbytes = 1; hmat.nbytes < full; hmat.nbytes++) {
        parse(hmat.nbytes <= 40 ? 0 : 1);
        assert_int_equal(topology.distance_source, TOPOLOGY_DISTANCE_SLIT);
    }
}

/* ---- no memory ---- */

static void every_allocation_can_fail(void **state)
{
    (void)state;
    size_t needed = 0;
    for (host_state.fail_at = 0;; host_state.fail_at++) {
        two_nodes_with_cpus();
        hmat_latencies(LATENCY, 1, 2, both, 2, both, (const uint16_t[]){1, 2, 2, 1});
        topology_release(&host, &topology);
        enum neo_status status = parse_tables(0, &topology);
        if (status == NEO_OK) {
            break;
        }
        assert_int_equal(status, NEO_ERR_NO_MEMORY);
        assert_int_equal(host_state.live, 0);
        assert_null(topology.ranges);
        needed++;
    }
    assert_true(needed >= 10);
    check_shape();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(sound_and_damaged_slit),          TEST(latencies_override_the_slit), TEST(latencies_in_parts),
        TEST(latencies_in_units_worlds_apart), TEST(latencies_of_uneven_nodes),   TEST(damaged_hmat),
        TEST(every_allocation_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
