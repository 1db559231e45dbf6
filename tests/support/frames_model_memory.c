/* frames_model_memory.c — see frames_model.h: retiring, adding and removing memory, hardening levels, CPUs, nodes. */
#include "frames_model.h"

#include <neomem/hosted.h>
#include <string.h>

/* ---- retiring --------------------------------------------------------------------------------------------------- */

/* The CPU that has a retired frame in its cache lets go of it at its next call, whatever that is. */
static void call_on(struct frames_model *model, unsigned cpu)
{
    struct frames_request request = FRAMES_REQUEST(1);
    unsigned before = model->cpu;
    model->cpu = cpu;
    hosted_set_cpu(cpu);
    model_check_allocation(model, &request, frames_alloc_one());
    frames_drain();
    model->cpu = before;
    hosted_set_cpu(before);
}

void model_retire(struct frames_model *model, const uint64_t *draw)
{
    struct naive_frames *naive = &model->naive;
    pfn_t pfn = naive_at(naive, draw[0] % naive->universe);
    bool is_many = naive->count[NAIVE_RETIRED] > naive->universe / 8;
    if (model_chance(draw[1], 40)) {
        pfn = naive_next(naive, model_chance(draw[2], 50) ? NAIVE_USED : NAIVE_FREE, pfn);
    }
    if (pfn == FRAMES_NONE || (is_many && (naive_has(naive, NAIVE_FREE, pfn) || naive_has(naive, NAIVE_USED, pfn)))) {
        return;
    }
    /* The list of retired frames may need memory, which must not come from the top. */
    if (model->machine.kind == MACHINE_TOP && !model_occupy_top(model)) {
        return;
    }
    struct frames_owner owner;
    frames_query(pfn << PAGE_SHIFT, &owner);
    bool is_elsewhere = owner.cached_by >= 0 && owner.cached_by != (int)model->cpu;
    bool pending = model_chance(draw[3], 50);
    enum neo_status status = frames_retire((pfn << PAGE_SHIFT) + draw[4] % PAGE_SIZE, &pending);
    model_say(model, "0x%llx: %s", (unsigned long long)pfn << PAGE_SHIFT, neo_status_name(status));
    bool became_metadata = status == NEO_ERR_INVALID && frames_state(pfn << PAGE_SHIFT) == FRAMES_STATE_METADATA;
    if (became_metadata && naive_has(naive, NAIVE_FREE, pfn)) {
        model_say(model, "the list of retired frames grew into this very one");
    } else if (naive_managed(naive, pfn, 1) == 0) {
        model_require(model, status == NEO_ERR_NOT_FOUND, "retired what is not there");
    } else if (naive_has(naive, NAIVE_METADATA, pfn)) {
        model_require(model, status == NEO_ERR_INVALID, "retired metadata");
    } else if (status == NEO_ERR_NO_MEMORY) {
        /* The list is one piece, which grows with the number of regions. */
        uint64_t runs[64];
        model_require(model, naive_count_runs(naive, NAIVE_FREE, runs) < 64, "no memory to retire a frame");
    } else if (naive_has(naive, NAIVE_USED, pfn)) {
        model_require(model, status == NEO_OK && pending, "frame in use");
        naive_give(naive, NAIVE_RETIRING, pfn, 1);
    } else {
        model_require(model, status == NEO_OK && pending == is_elsewhere, "free or retired frame");
        naive_take(naive, NAIVE_FREE, pfn, 1);
        naive_give(naive, NAIVE_RETIRED, pfn, 1);
        if (is_elsewhere) {
            call_on(model, (unsigned)owner.cached_by);
        }
    }
    model_learn_metadata(model);
}

/* ---- adding and removing ------------------------------------------------------------------------------------------ */

static bool contains(const struct machine_regions *regions, const struct limine_memmap_entry *range)
{
    for (uint64_t i = 0; i < regions->count; i++) {
        const struct limine_memmap_entry *region = &regions->entry[i];
        if (region->base <= range->base && range->base + range->length <= region->base + region->length) {
            return true;
        }
    }
    return false;
}

/* A region, or a part of one. */
static struct limine_memmap_entry some_range(const struct machine_regions *regions, const uint64_t *draw)
{
    struct limine_memmap_entry range = regions->entry[draw[0] % regions->count];
    uint64_t nframes = range.length >> PAGE_SHIFT;
    if (model_chance(draw[1], 50)) {
        uint64_t skipped = draw[2] % nframes;
        range.base += skipped << PAGE_SHIFT;
        range.length = (1 + (draw[2] >> 32) % (nframes - skipped)) << PAGE_SHIFT;
    }
    return range;
}

static void becomes_free(struct naive_frames *naive, const struct limine_memmap_entry *range)
{
    naive_arrive(naive, range->base >> PAGE_SHIFT, range->length >> PAGE_SHIFT);
}

static void add_one(struct frames_model *model, const uint64_t *draw)
{
    struct limine_memmap_entry range = some_range(&model->machine.all, draw);
    enum neo_status status = frames_add_range(range.base, range.length);
    model_say(model, "0x%llx, 0x%llx: %s", (unsigned long long)range.base, (unsigned long long)range.length,
              neo_status_name(status));
    bool is_known = contains(&model->machine.expected, &range) || contains(&model->machine.present, &range);
    model_require(model, status == NEO_OK || (status == NEO_ERR_NO_MEMORY && !is_known), "frames_add_range");
    if (status == NEO_OK) {
        becomes_free(&model->naive, &range);
    }
}

static void add_several(struct frames_model *model, const uint64_t *draw)
{
    static struct machine_regions added;
    const struct machine_regions *all = &model->machine.all;
    uint64_t first = draw[0] % all->count;
    added.count = 0;
    for (uint64_t i = first; i < all->count && added.count < 40; i += 1 + (draw[1] >> (i % 60) & 1)) {
        added.entry[added.count] = all->entry[i];
        /* Entries that are none of its business. */
        added.entry[added.count++].type =
            (draw[2] >> (i % 60) & 7) == 0 ? LIMINE_MEMMAP_RESERVED : LIMINE_MEMMAP_USABLE;
    }
    enum neo_status status = frames_add(added.entry, added.count);
    model_say(model, "%llu entries: %s", (unsigned long long)added.count, neo_status_name(status));
    model_require(model, status == NEO_OK || status == NEO_ERR_NO_MEMORY, "frames_add");
    for (uint64_t i = 0; i < added.count && status == NEO_OK; i++) {
        if (added.entry[i].type == LIMINE_MEMMAP_USABLE) {
            becomes_free(&model->naive, &added.entry[i]);
        }
    }
}

void model_add(struct frames_model *model, const uint64_t *draw)
{
    if (model->machine.kind == MACHINE_TOP && !model_occupy_top(model)) {
        return;
    }
    if (model_chance(draw[4], 60)) {
        add_one(model, draw);
    } else {
        add_several(model, draw);
    }
    model_learn_metadata(model);
}

/* Mostly something that can go: what is free in one piece. */
static struct limine_memmap_entry removable(const struct frames_model *model, const uint64_t *draw)
{
    const struct naive_frames *naive = &model->naive;
    struct limine_memmap_entry range = some_range(&model->machine.all, draw);
    pfn_t pfn = naive_next(naive, NAIVE_FREE, range.base >> PAGE_SHIFT);
    if (model_chance(draw[3], 70) && pfn != FRAMES_NONE) {
        uint64_t count = naive_stretch(naive, NAIVE_FREE, pfn, 1 + (draw[3] >> 32) % 1200);
        range.base = pfn << PAGE_SHIFT;
        range.length = count << PAGE_SHIFT;
    }
    return range;
}

void model_remove(struct frames_model *model, const uint64_t *draw)
{
    struct naive_frames *naive = &model->naive;
    struct limine_memmap_entry range = removable(model, draw);
    pfn_t pfn = range.base >> PAGE_SHIFT;
    uint64_t count = range.length >> PAGE_SHIFT;
    uint64_t busy = naive_having(naive, NAIVE_USED, pfn, count) + naive_having(naive, NAIVE_METADATA, pfn, count);
    bool is_all_there = naive_managed(naive, pfn, count) == count;
    if (is_all_there && busy == 0 && naive->count[NAIVE_FREE] < count + naive->universe / 8) {
        return; /* leave the machine some memory */
    }
    if (model->machine.kind == MACHINE_TOP && !model_occupy_top(model)) {
        return;
    }
    uint64_t metadata = naive_having(naive, NAIVE_METADATA, pfn, count);
    busy = naive_having(naive, NAIVE_USED, pfn, count) + metadata;
    model_drain_others(model, pfn, count);
    enum neo_status status = frames_remove(range.base, range.length);
    model_say(model, "0x%llx, 0x%llx: %s", (unsigned long long)range.base, (unsigned long long)range.length,
              neo_status_name(status));
    if (!is_all_there) {
        model_require(model, status == NEO_ERR_INVALID || (status == NEO_ERR_EXISTS && busy != 0), "removed a hole");
    } else if (busy != 0) {
        model_require(model, status == NEO_ERR_EXISTS || (status == NEO_ERR_INVALID && metadata != 0),
                      "removed frames in use");
    } else {
        model_require(model, status == NEO_OK, "free memory was not removed");
        for (uint64_t i = 0; i < count; i++) {
            if (naive_has(naive, NAIVE_RETIRED, pfn + i)) {
                naive_give(naive, NAIVE_BAD, pfn + i, 1);
            }
        }
        naive_take(naive, NAIVE_FREE, pfn, count);
        naive_take(naive, NAIVE_RETIRED, pfn, count);
    }
    model_learn_metadata(model);
}

/* ---- settings --------------------------------------------------------------------------------------------------- */

void model_set_level(struct frames_model *model, const uint64_t *draw)
{
    struct naive_frames *naive = &model->naive;
    unsigned level = (unsigned)(draw[0] % 4);
    if (level == 3 && !model->machine.is_small) {
        level = 1; /* would write to all of a large machine */
    }
    if (model->machine.kind == MACHINE_TOP && !model_occupy_top(model)) {
        return;
    }
    enum neo_status status = frames_set_hardening(level);
    model_say(model, "%u: %s", level, neo_status_name(status));
    model_require(model, status == NEO_OK || (status == NEO_ERR_NO_MEMORY && level == 3), "frames_set_hardening");
    model_require(model, frames_set_hardening(4) == NEO_ERR_RANGE, "there is no level 4");
    if (status == NEO_OK) {
        if (level == 3 && model->level != 3) {
            memset(naive->bits[NAIVE_HARDENED], 0, sizeof(naive->bits[NAIVE_HARDENED]));
            naive->count[NAIVE_HARDENED] = 0;
        }
        model->level = level;
    }
    model_require(model, frames_hardening() == model->level, "frames_hardening");
    model_learn_metadata(model);
}

void model_set_machine(struct frames_model *model, const uint64_t *draw)
{
    const struct frames_machine *machine = &model->machine;
    if (machine->kind == MACHINE_TOP && !model_occupy_top(model)) {
        return;
    }
    if (model_chance(draw[0], 50)) {
        unsigned cpus = model->cpus + (unsigned)(draw[1] % 3);
        cpus = cpus > MACHINE_CPUS_MAX ? MACHINE_CPUS_MAX : cpus;
        enum neo_status status = frames_set_cpus(cpus);
        model_say(model, "%u CPUs: %s", cpus, neo_status_name(status));
        model_require(model, status == NEO_OK || status == NEO_ERR_NO_MEMORY, "frames_set_cpus");
        model->cpus = status == NEO_OK ? cpus : model->cpus;
    } else if (machine->nodes > 1 && model->nodes == 1) {
        enum neo_status status = frames_set_nodes(machine->range, machine->ranges, machine->nodes, machine->distance,
                                                  machine->cpu_node, MACHINE_CPUS_MAX);
        model_say(model, "%u nodes: %s", machine->nodes, neo_status_name(status));
        model_require(model, status == NEO_OK || status == NEO_ERR_NO_MEMORY, "frames_set_nodes");
        if (status == NEO_OK) {
            model->nodes = machine->nodes;
            for (uint64_t i = 0; i < machine->ranges; i++) {
                const struct frames_node_range *range = &machine->range[i];
                naive_set_node(&model->naive, range->base >> PAGE_SHIFT, range->nbytes >> PAGE_SHIFT, range->node);
            }
        }
    }
    model_learn_metadata(model);
}
