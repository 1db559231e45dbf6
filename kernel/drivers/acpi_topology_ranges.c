/* acpi_topology_ranges.c — overlapping memory entries to disjoint ranges.
 *
 * A sweep over all bases and ends, ascending. Between two neighbours the set of entries that cover the addresses
 * does not change; a heap, smallest table order on top, names the one that wins. Entries whose end has passed are
 * removed only when they come to the top. O(n log n) whatever the table holds: firmware cannot choose the worst
 * case. */
#include "acpi_topology.h"

#include <neomem/sort.h>

struct sweep {
    const struct srat_memory *memory; /* ascending by base, then by order */
    uint32_t count;
    uint32_t next; /* first one that has not started */
    uint32_t *heap;
    uint32_t heap_count;
};

static int compare_memory(const void *left, const void *right)
{
    const struct srat_memory *a = left;
    const struct srat_memory *b = right;
    if (a->base != b->base) {
        return a->base < b->base ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

static int compare_addresses(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* ---- the heap of entries that have started ---- */

static bool is_before(const struct sweep *sweep, uint32_t a, uint32_t b)
{
    return sweep->memory[sweep->heap[a]].order < sweep->memory[sweep->heap[b]].order;
}

static void swap(struct sweep *sweep, uint32_t a, uint32_t b)
{
    uint32_t kept = sweep->heap[a];
    sweep->heap[a] = sweep->heap[b];
    sweep->heap[b] = kept;
}

static void heap_push(struct sweep *sweep, uint32_t index)
{
    uint32_t at = sweep->heap_count++;
    sweep->heap[at] = index;
    while (at > 0 && is_before(sweep, at, (at - 1) / 2)) {
        swap(sweep, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void heap_pop(struct sweep *sweep)
{
    uint32_t at = 0;
    sweep->heap[0] = sweep->heap[--sweep->heap_count];
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < sweep->heap_count; child++) {
            least = is_before(sweep, child, least) ? child : least;
        }
        if (least == at) {
            return;
        }
        swap(sweep, at, least);
        at = least;
    }
}

static const struct srat_memory *heap_top(const struct sweep *sweep)
{
    return sweep->heap_count > 0 ? &sweep->memory[sweep->heap[0]] : NULL;
}

/* ---- the sweep ---- */

/* The entry that owns the addresses from `at` to the next bound; NULL when none does. */
static const struct srat_memory *owner_at(struct topology_job *job, struct sweep *sweep, phys_addr_t at)
{
    const struct srat_memory *top = heap_top(sweep);
    while (top != NULL && top->end <= at) {
        heap_pop(sweep);
        top = heap_top(sweep);
    }
    for (; sweep->next < sweep->count && sweep->memory[sweep->next].base == at; sweep->next++) {
        const struct srat_memory *other = heap_top(sweep);
        const struct srat_memory *new = &sweep->memory[sweep->next];
        if (other != NULL) {
            topology_warn(job,
                          "acpi: SRAT: memory of domain %u at 0x%llx overlaps that of domain %u at 0x%llx: "
                          "the first entry counts",
                          new->domain, (unsigned long long)new->base, other->domain, (unsigned long long)other->base);
        }
        heap_push(sweep, sweep->next);
    }
    return heap_top(sweep);
}

static void append(struct topology *topology, const struct srat_memory *owner, phys_addr_t base, phys_addr_t end)
{
    unsigned node = topology_node_of(topology, owner->domain);
    struct topology_range *last = topology->range_count > 0 ? &topology->ranges[topology->range_count - 1] : NULL;
    if (node == TOPOLOGY_NODES_MAX) {
        return;
    }
    if (last != NULL && last->base + last->nbytes == base && last->node == node &&
        last->is_hot_pluggable == owner->is_hot_pluggable) {
        last->nbytes += end - base;
        return;
    }
    topology->ranges[topology->range_count++] = (struct topology_range){
        .base = base, .nbytes = end - base, .node = node, .is_hot_pluggable = owner->is_hot_pluggable};
}

/* Every base and end, ascending, each once. Return: how many. */
static uint64_t collect_bounds(const struct srat_memory *memory, uint32_t count, uint64_t *bounds)
{
    uint64_t total = 0;
    uint64_t distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        bounds[total++] = memory[i].base;
        bounds[total++] = memory[i].end;
    }
    neo_sort(bounds, total, sizeof(*bounds), compare_addresses);
    for (uint64_t i = 0; i < total; i++) {
        if (i == 0 || bounds[i] != bounds[i - 1]) {
            bounds[distinct++] = bounds[i];
        }
    }
    return distinct;
}

enum neo_status topology_resolve_ranges(struct topology_job *job, struct srat_memory *memory, uint32_t count)
{
    struct topology *topology = job->topology;
    struct sweep sweep = {.memory = memory, .count = count};
    /* Between 2 * count bounds lie fewer than 2 * count ranges. */
    topology->ranges = topology_allocate(job, 2ull * count, sizeof(*topology->ranges));
    sweep.heap = topology_allocate(job, count, sizeof(*sweep.heap));
    uint64_t *bounds = topology_allocate(job, 2ull * count, sizeof(*bounds));
    enum neo_status status = NEO_ERR_NO_MEMORY;
    if (topology->ranges != NULL && sweep.heap != NULL && bounds != NULL) {
        status = NEO_OK;
        neo_sort(memory, count, sizeof(*memory), compare_memory);
        uint64_t bound_count = collect_bounds(memory, count, bounds);
        for (uint64_t i = 0; i + 1 < bound_count; i++) {
            const struct srat_memory *owner = owner_at(job, &sweep, bounds[i]);
            if (owner != NULL) {
                append(topology, owner, bounds[i], bounds[i + 1]);
            }
        }
    }
    topology_free(job, sweep.heap);
    topology_free(job, bounds);
    return status;
}
