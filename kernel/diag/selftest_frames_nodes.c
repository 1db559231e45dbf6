/* selftest_frames_nodes.c — memory from the node that was asked for, from the others when it is empty, and in turns. */

#include "selftest_internal.h"

#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/printf.h>
#include <neomem/string.h>

#define ORDER_BYTES 64u
#define INTERLEAVE_ROUNDS 8u
#define NODES_SHOWN 8u
#define PIECES_MAX 512u
/* Frames with which a node can play its part, whatever of them is in pieces or in reserve. */
#define ENOUGH 2048u

static uint64_t frames_free_now(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    return stats.free;
}

static unsigned node_at(phys_addr_t pa)
{
    struct frames_owner owner;
    frames_query(pa, &owner);
    return owner.node;
}

static uint64_t free_on(unsigned node)
{
    uint64_t free = 0;
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats zone;
        frames_get_zone_stats(node, (enum frames_window)window, &zone);
        free += zone.free;
    }
    return free;
}

static phys_addr_t take(uint64_t count, unsigned node, unsigned flags)
{
    struct frames_request request = FRAMES_REQUEST(count);
    request.node = node;
    request.flags = flags;
    return frames_alloc_request(&request);
}

/* Frames in a piece: chunks, so many that the machine has at most PIECES_MAX pieces. Each is written to, and under a
 * hypervisor each page that is written to may cost 2 MiB of the host. */
static uint64_t piece_frames(void)
{
    struct frames_stats stats;
    uint64_t count = FRAMES_2M;
    frames_get_stats(&stats);
    while (stats.total / count > PIECES_MAX) {
        count *= 2;
    }
    return count;
}

/* Return: how many pieces. */
static uint64_t free_chain(phys_addr_t pa, uint64_t count)
{
    uint64_t pieces = 0;
    while (pa != FRAMES_NONE) {
        phys_addr_t next = *(const uint64_t *)phys_to_virt(pa);
        frames_free(pa, count);
        pa = next;
        pieces++;
    }
    return pieces;
}

/* ---- bound ---- */

/* Some sizes, one at a time. Return: what is wrong; NULL: nothing. */
static const char *check_sizes(unsigned node, uint64_t there)
{
    static const uint64_t counts[] = {1, 7, 512, 1536};
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        phys_addr_t pa = take(counts[i], node, FRAMES_BIND | FRAMES_USE_RESERVE);
        unsigned from = pa != FRAMES_NONE ? node_at(pa) : node;
        if (pa != FRAMES_NONE) {
            frames_free(pa, counts[i]);
        }
        if (from != node) {
            return "memory of another node";
        }
        if ((pa == FRAMES_NONE) != (there < counts[i])) {
            return "refused, or more than there is";
        }
    }
    return NULL;
}

/* All that there is in large pieces: the node must end, although others have more. */
static const char *check_end(unsigned node, uint64_t there)
{
    uint64_t count = piece_frames();
    uint64_t pieces = 0;
    bool is_stray = false;
    phys_addr_t chain = FRAMES_NONE;
    for (;;) {
        phys_addr_t pa = take(count, node, FRAMES_BIND);
        if (pa == FRAMES_NONE || is_stray) {
            if (pa != FRAMES_NONE) {
                frames_free(pa, count);
            }
            break;
        }
        is_stray = node_at(pa) != node;
        *(uint64_t *)phys_to_virt(pa) = chain;
        chain = pa;
        pieces++;
    }
    (void)free_chain(chain, count);
    if (is_stray) {
        return "memory of another node when it was empty";
    }
    return pieces > there / count || (pieces == 0 && there > ENOUGH + 2 * count) ? "the wrong amount" : NULL;
}

enum selftest_result selftest_frames_nodes(struct selftest_report *report)
{
    unsigned nodes = frames_nodes();
    uint64_t before = frames_free_now();
    unsigned empty = 0;
    if (nodes == 1) {
        return selftest_skip(report, "one node");
    }
    for (unsigned node = 0; node < nodes; node++) {
        uint64_t there = free_on(node);
        const char *problem = check_sizes(node, there);
        if (problem == NULL) {
            problem = check_end(node, there);
        }
        if (problem != NULL || frames_free_now() != before) {
            return selftest_fail(report, "bound to node %u, which has %llu frames: %s; %llu free before, %llu after",
                                 node, (unsigned long long)there, problem != NULL ? problem : "frames are missing",
                                 (unsigned long long)before, (unsigned long long)frames_free_now());
        }
        empty += there == 0;
    }
    return selftest_pass(report, "bound to each of %u nodes until its end, %u of them empty", nodes, empty);
}

/* ---- by distance ---- */

/* Take all pieces with this node preferred. order: the nodes that they came from, in that order, each time it changes.
 * Return: the chain of them (address of the next in the first word). */
static phys_addr_t take_by_distance(unsigned node, uint64_t count, char order[ORDER_BYTES])
{
    phys_addr_t chain = FRAMES_NONE;
    unsigned last = UINT32_MAX;
    size_t used = 0;
    order[0] = '\0';
    for (;;) {
        phys_addr_t pa = take(count, node, 0);
        if (pa == FRAMES_NONE) {
            return chain;
        }
        unsigned from = node_at(pa);
        if (from != last && used + 12 < ORDER_BYTES) {
            used += (size_t)neo_snprintf(order + used, ORDER_BYTES - used, "%s%u", used > 0 ? ">" : "", from);
        }
        last = from;
        *(uint64_t *)phys_to_virt(pa) = chain;
        chain = pa;
    }
}

/* What the right order is, only the firmware's distances tell; here it must be complete and begin at home. */
enum selftest_result selftest_frames_distance(struct selftest_report *report)
{
    unsigned nodes = frames_nodes();
    uint64_t before = frames_free_now();
    uint64_t count = piece_frames();
    char all_orders[SELFTEST_DETAIL_BYTES - 64];
    size_t used = 0;
    if (nodes == 1) {
        return selftest_skip(report, "one node");
    }
    all_orders[0] = '\0';
    for (unsigned node = 0; node < nodes && node < NODES_SHOWN; node++) {
        char order[ORDER_BYTES];
        uint64_t there = free_on(node);
        frames_drain(); /* what is cached would come last */
        uint64_t taken = free_chain(take_by_distance(node, count, order), count);
        unsigned first = (unsigned)(order[0] - '0');
        if (taken == 0 || (nodes < 10 && there >= ENOUGH + 2 * count && first != node) || frames_free_now() != before) {
            return selftest_fail(report, "from node %u: %llu pieces in the order %s", node, (unsigned long long)taken,
                                 order);
        }
        if (used + neo_strlen(order) + 8 < sizeof(all_orders)) {
            used += (size_t)neo_snprintf(all_orders + used, sizeof(all_orders) - used, " %u: %s", node, order);
        }
    }
    return selftest_pass(report, "all pieces of %llu MiB, preferring node%s",
                         (unsigned long long)(count * PAGE_SIZE >> 20), all_orders);
}

/* ---- in turns ---- */

enum selftest_result selftest_frames_interleave(struct selftest_report *report)
{
    unsigned nodes = frames_nodes();
    unsigned with_memory = 0;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (unsigned node = 0; node < nodes; node++) {
        with_memory += free_on(node) > ENOUGH;
    }
    if (with_memory < 2) {
        return selftest_skip(report, "%u nodes with memory", with_memory);
    }
    uint64_t *counts = kcalloc(nodes, sizeof(*counts));
    if (counts == NULL) {
        return selftest_skip(report, "no memory for the counts");
    }
    uint64_t before = frames_free_now();
    phys_addr_t chain = FRAMES_NONE;
    for (unsigned i = 0; i < nodes * INTERLEAVE_ROUNDS; i++) {
        phys_addr_t pa = take(1, FRAMES_THIS_NODE, FRAMES_INTERLEAVE);
        if (pa != FRAMES_NONE) {
            counts[node_at(pa)]++;
            *(uint64_t *)phys_to_virt(pa) = chain;
            chain = pa;
        }
    }
    (void)free_chain(chain, 1);
    for (unsigned node = 0; node < nodes; node++) {
        if (free_on(node) > ENOUGH) {
            least = min_u64(least, counts[node]);
            most = max_u64(most, counts[node]);
        }
    }
    bool is_balanced = frames_free_now() == before;
    kfree(counts);
    /* The turn of a node without memory is another one's. */
    bool has_turns = with_memory == nodes ? least == INTERLEAVE_ROUNDS && most == INTERLEAVE_ROUNDS : least > 0;
    if (!has_turns || !is_balanced) {
        return selftest_fail(report, "%llu to %llu frames from each of %u nodes in %u rounds",
                             (unsigned long long)least, (unsigned long long)most, with_memory, INTERLEAVE_ROUNDS);
    }
    return selftest_pass(report, "%llu to %llu frames from each of %u nodes", (unsigned long long)least,
                         (unsigned long long)most, with_memory);
}
