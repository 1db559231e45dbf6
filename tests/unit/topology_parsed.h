/* topology_parsed.h — one parsed topology as a fixture: parse topology_tables.h's tables, check the shape, compare. */
#ifndef NEOMEM_TEST_TOPOLOGY_PARSED_H
#define NEOMEM_TEST_TOPOLOGY_PARSED_H

#include "topology_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct topology topology;

static inline int setup(void **state)
{
    (void)state;
    memset(&host_state, 0, sizeof(host_state));
    host_state.fail_at = SIZE_MAX;
    begin_all();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    topology_release(&host, &topology);
    return host_state.live == 0 ? 0 : -1;
}

/* Whatever the tables hold. */
static inline void check_shape(void)
{
    assert_in_range(topology.nodes, 1, TOPOLOGY_NODES_MAX);
    assert_true(topology.cpus >= 1);
    for (unsigned node = 1; node < topology.nodes; node++) {
        assert_true(topology.domains[node - 1] < topology.domains[node]);
    }
    for (unsigned cpu = 0; cpu < topology.cpus; cpu++) {
        assert_true(topology.cpu_node[cpu] < topology.nodes);
    }
    for (unsigned i = 0; i < topology.nodes * topology.nodes; i++) {
        bool is_diagonal = i % (topology.nodes + 1) == 0;
        assert_true(is_diagonal ? topology.distance[i] == 10 : topology.distance[i] >= 10);
    }
    uint64_t end = 0;
    for (uint64_t i = 0; i < topology.range_count; i++) {
        const struct topology_range *range = &topology.ranges[i];
        assert_true(range->base >= end && range->nbytes > 0 && range->node < topology.nodes);
        assert_true((range->base | range->nbytes) % PAGE_SIZE == 0);
        end = range->base + range->nbytes;
    }
}

static inline void parse(size_t warnings)
{
    topology_release(&host, &topology);
    assert_int_equal(parse_tables(0, &topology), NEO_OK);
    check_shape();
    if (host_state.warnings != warnings) {
        fail_msg("%zu warnings instead of %zu: %s", host_state.warnings, warnings, host_state.first_warning);
    }
}

static inline void expect_distances(const uint8_t *expected)
{
    for (unsigned i = 0; i < topology.nodes * topology.nodes; i++) {
        if (topology.distance[i] != expected[i]) {
            fail_msg("from node %u to node %u: %u instead of %u", i / topology.nodes, i % topology.nodes,
                     topology.distance[i], expected[i]);
        }
    }
}

#endif
