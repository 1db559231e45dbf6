/* test_acpi_topology_kernel.c — what the frame allocator is told, what is printed, and what happens when it refuses. */
#include "topology_tables.h"

#include <neomem/acpi.h>
#include <neomem/cpu.h>
#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/warning.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture_sink.h"

static struct capture_sink console;

static struct {
    struct frames_node_range ranges[8];
    uint64_t count;
    unsigned nodes, cpus, node_cpus;
    uint8_t distance[16], cpu_node[16];
    enum neo_status nodes_status, cpus_status;
} told;

const void *acpi_table(const char signature[4], size_t *nbytes)
{
    const struct table *tables[] = {&madt, &srat, &slit, &hmat};
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        if (tables[i]->nbytes > 0 && memcmp(tables[i]->bytes, signature, 4) == 0) {
            *nbytes = tables[i]->nbytes;
            return tables[i]->bytes;
        }
    }
    return NULL;
}

uint32_t cpu_apic_id(void)
{
    return 0;
}

void *kmalloc(size_t size)
{
    return host_allocate(NULL, size);
}

void *kcalloc(size_t count, size_t size)
{
    void *block = host_allocate(NULL, count * size);
    return block != NULL ? memset(block, 0, count * size) : NULL;
}

void kfree(void *block)
{
    if (block != NULL) {
        host_release(NULL, block);
    }
}

enum neo_status frames_set_nodes(const struct frames_node_range *ranges, uint64_t count, unsigned nodes,
                                 const uint8_t *distance, const uint8_t *cpu_node, unsigned cpus)
{
    assert_true(count <= ARRAY_COUNT(told.ranges) && nodes <= 4 && cpus <= ARRAY_COUNT(told.cpu_node));
    if (told.nodes_status == NEO_OK) {
        memcpy(told.ranges, ranges, count * sizeof(*ranges));
        memcpy(told.distance, distance, (size_t)nodes * nodes);
        memcpy(told.cpu_node, cpu_node, cpus);
        told.count = count;
        told.nodes = nodes;
        told.node_cpus = cpus;
    }
    return told.nodes_status;
}

enum neo_status frames_set_cpus(unsigned cpus)
{
    told.cpus = cpus;
    return told.cpus_status;
}

unsigned frames_nodes(void)
{
    return told.nodes > 0 ? told.nodes : 1;
}

void frames_get_zone_stats(unsigned node, enum frames_window window, struct frames_zone_stats *stats)
{
    *stats = (struct frames_zone_stats){.total = (node + 1) * 1024ull << window, .free = 256ull << window};
}

static int setup(void **state)
{
    (void)state;
    memset(&told, 0, sizeof(told));
    memset(&host_state, 0, sizeof(host_state));
    host_state.fail_at = SIZE_MAX;
    begin_all();
    capture_add(&console, "capture", true, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    console_remove(&console.sink);
    if (topology_get() != NULL) {
        topology_release(&host, (struct topology *)(uintptr_t)topology_get());
    }
    return host_state.live == 0 ? 0 : -1;
}

static bool said(const char *text)
{
    return strstr(console.bytes, text) != NULL;
}

static void a_machine_without_nodes(void **state)
{
    (void)state;
    assert_null(topology_get());
    topology_report(); /* nothing is known yet: one node all the same */
    assert_true(said("numa       node 0: 28 MiB, CPU 0, distances 10\n"));
    madt_cpu(1);
    madt_cpu(0);
    topology_init();
    assert_int_equal(told.nodes, 0); /* nothing to tell */
    assert_int_equal(told.cpus, 2);
    assert_int_equal(topology_get()->cpus, 2);
    topology_report();
    assert_true(said("numa       node 0: 28 MiB, CPUs 0-1, distances 10\n"));
    assert_false(said("warning"));
}

static void two_nodes(void)
{
    static const uint8_t matrix[] = {10, 25, 26, 10};
    for (uint8_t cpu = 0; cpu < 6; cpu++) {
        madt_cpu(cpu);
        srat_cpu(cpu, cpu < 2 || cpu == 4 ? 3 : 4);
    }
    srat_memory(4, 0x200000, 0x100000, ENABLED);
    srat_memory(3, 0x100000, 0x100000, ENABLED);
    srat_memory(4, 0x100000000, 0x100000000, ENABLED | HOT_PLUGGABLE);
    make_slit(5, (const uint8_t[25]){[18] = matrix[0], matrix[1], [23] = matrix[2], matrix[3]});
}

static void two_nodes_are_told_and_shown(void **state)
{
    (void)state;
    static const uint8_t cpu_node[] = {0, 0, 1, 1, 0, 1};
    two_nodes();
    topology_init();
    assert_false(said("warning"));
    assert_int_equal(told.nodes, 2);
    assert_int_equal(told.count, 3);
    assert_int_equal(told.ranges[0].base, 0x100000);
    assert_int_equal(told.ranges[0].node, 0);
    assert_int_equal(told.ranges[2].nbytes, 0x100000000);
    assert_int_equal(told.ranges[2].node, 1);
    assert_int_equal(told.node_cpus, 6);
    assert_memory_equal(told.cpu_node, cpu_node, 6);
    assert_int_equal(told.cpus, 6);
    size_t live = host_state.live;
    topology_report();
    assert_int_equal(host_state.live, live);
    assert_true(said("numa       node 0: 28 MiB, CPUs 0-1,4, distances 10 25\n"));
    assert_true(said("numa       node 1: 56 MiB, CPUs 2-3,5, distances 26 10\n"));
    assert_true(said("{\"neomem\":\"numa\",\"node\":1,\"bytes\":58720256,\"free\":7340032,\"cpus\":\"2-3,5\","
                     "\"distances\":\"26 10\"}"));
}

static void the_allocator_refuses(void **state)
{
    (void)state;
    two_nodes();
    told.nodes_status = NEO_ERR_NO_MEMORY;
    told.cpus_status = NEO_ERR_NO_MEMORY;
    topology_init();
    assert_true(said("the NUMA topology is not used: "));
    assert_true(said("page frames are not cached for 6 CPUs: "));
    topology_report();
    assert_true(said("numa       node 0: 28 MiB, CPU 0, distances 10\n"));
    assert_false(said("node 1"));
}

static void no_memory(void **state)
{
    (void)state;
    two_nodes();
    host_state.fail_at = 0;
    topology_init();
    assert_true(said("the NUMA topology is not used: "));
    assert_int_equal(told.nodes, 0);
    assert_int_equal(told.cpus, 0);
    topology_report();
    assert_true(said("numa       1 nodes\n"));
    /* Only the copy for the allocator fails: it is the last one. */
    host_state.fail_at = SIZE_MAX;
    host_state.allocations = 0;
    topology_init();
    topology_release(&host, (struct topology *)(uintptr_t)topology_get());
    host_state.fail_at = host_state.allocations - 1;
    host_state.allocations = 0;
    told.nodes = 0;
    topology_init();
    assert_int_equal(told.nodes, 0);
    assert_int_equal(told.cpus, 6);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_machine_without_nodes),
        TEST(two_nodes_are_told_and_shown),
        TEST(the_allocator_refuses),
        TEST(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
