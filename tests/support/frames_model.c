/* frames_model.c — see frames_model.h: start, dispatch, and the comparison of all figures. */
#include "frames_model.h"

#include <neomem/early.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm_fixture.h"

void model_say(const struct frames_model *model, const char *format, ...)
{
    if (model->traces) {
        va_list arguments;
        va_start(arguments, format);
        (void)fprintf(stderr, "  %8llu cpu %u: %s: ", (unsigned long long)model->number, model->cpu, model->doing);
        (void)vfprintf(stderr, format, arguments);
        (void)fprintf(stderr, "\n");
        va_end(arguments);
    }
}

void model_require(const struct frames_model *model, bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "operation %llu (%s): %s\n", (unsigned long long)model->number, model->doing, what);
        if (model->on_failure != NULL) {
            model->on_failure(what);
        }
        abort();
    }
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

static struct frames_model *logged;

static void count_line(const char *text)
{
    logged->log_lines++;
    model_say(logged, "log: %s", text);
}

void model_start(struct frames_model *model)
{
    const struct frames_machine *machine = &model->machine;
    struct naive_frames *naive = &model->naive;
    model->doing = "start";
    mm_fixture_frames_expecting(machine->present.entry, machine->present.count, machine->expected.entry,
                                machine->expected.count);
    for (uint64_t i = 0; i < machine->all.count; i++) {
        const struct limine_memmap_entry *region = &machine->all.entry[i];
        bool is_inside = region->base < HOSTED_ARENA_BYTES;
        model_require(model, !is_inside || hosted_arena_open(region->base, region->length) == NEO_OK, "arena");
    }
    model_require(model, naive_init(naive, machine->all.entry, machine->all.count), "universe");
    for (uint64_t i = 0; i < machine->present.count; i++) {
        const struct limine_memmap_entry *region = &machine->present.entry[i];
        naive_give(naive, NAIVE_FREE, region->base >> PAGE_SHIFT, region->length >> PAGE_SHIFT);
    }
    model->cpu = 0;
    model->cpus = 1;
    model->nodes = 1;
    model->level = frames_hardening();
    logged = model;
    (void)frames_set_log(count_line);
    model_learn_metadata(model);
    model_compare(model);
}

/* ---- comparison ------------------------------------------------------------------------------------------------- */

void model_drain(const struct frames_model *model)
{
    for (unsigned cpu = 0; cpu < model->cpus; cpu++) {
        hosted_set_cpu(cpu);
        frames_drain();
    }
    hosted_set_cpu(model->cpu);
}

void model_drain_others(const struct frames_model *model, pfn_t pfn, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct frames_owner owner;
        frames_query((pfn + i) << PAGE_SHIFT, &owner);
        if (owner.cached_by >= 0 && owner.cached_by != (int)model->cpu) {
            hosted_set_cpu((unsigned)owner.cached_by);
            frames_drain();
        }
    }
    hosted_set_cpu(model->cpu);
}

void model_compare_figures(const struct frames_model *model)
{
    const struct naive_frames *naive = &model->naive;
    struct frames_stats stats;
    frames_get_stats(&stats);
    model_require(model, stats.total == stats.free + stats.reserve + stats.allocated + stats.metadata + stats.retired,
                  "sum of the figures");
    model_require(model, stats.allocated == naive->count[NAIVE_USED], "allocated frames");
    model_require(model, stats.retired == naive->count[NAIVE_RETIRED], "retired frames");
    model_require(model, stats.metadata == naive->count[NAIVE_METADATA], "metadata frames");
    model_require(model, stats.free == naive->count[NAIVE_FREE] && stats.reserve == 0, "free frames");
    model_require(model, stats.cached <= stats.free, "cached frames are free");
}

static enum frames_state expected_state(const struct naive_frames *naive, pfn_t pfn)
{
    static const enum frames_state states[NAIVE_PROPERTIES + 1] = {
        [NAIVE_FREE] = FRAMES_STATE_FREE,          [NAIVE_USED] = FRAMES_STATE_ALLOCATED,
        [NAIVE_METADATA] = FRAMES_STATE_METADATA,  [NAIVE_RETIRED] = FRAMES_STATE_RETIRED,
        [NAIVE_PROPERTIES] = FRAMES_STATE_FOREIGN,
    };
    return states[naive_state(naive, pfn)];
}

static void compare_frame(const struct frames_model *model, pfn_t pfn)
{
    struct frames_owner owner;
    phys_addr_t pa = (pfn << PAGE_SHIFT) + pfn % PAGE_SIZE;
    enum frames_state expected = expected_state(&model->naive, pfn);
    frames_query(pa, &owner);
    model_require(model, owner.state == expected && frames_state(pa) == expected, "state of a frame");
    model_require(model, frames_is_allocated(pa) == (expected == FRAMES_STATE_ALLOCATED), "frames_is_allocated");
    model_require(model, owner.cached_by == -1 || expected == FRAMES_STATE_FREE, "a cached frame is free");
    model_require(model, owner.is_retiring == naive_has(&model->naive, NAIVE_RETIRING, pfn), "is_retiring");
    model_require(model, expected == FRAMES_STATE_FOREIGN || owner.node == naive_node(&model->naive, pfn), "node");
}

static void for_each_known(const struct frames_model *model, uint64_t steps,
                           void (*visit)(const struct frames_model *model, pfn_t pfn))
{
    const struct naive_frames *naive = &model->naive;
    for (unsigned word = 0; word < naive->words; word++) {
        for (uint64_t bits = naive->bits[NAIVE_KNOWN][word]; bits != 0; bits &= bits - 1) {
            pfn_t pfn = naive->number[word] * 64 + (unsigned)__builtin_ctzll(bits);
            if (steps == 1 || pfn % steps == model->number % steps) {
                visit(model, pfn);
            }
        }
    }
}

/* All of a small machine, else every 61st frame. */
void model_compare_states(const struct frames_model *model)
{
    for_each_known(model, model->machine.is_small ? 1 : 61, compare_frame);
}

static struct frames_model *learner;

static void learn_frame(const struct frames_model *model, pfn_t pfn)
{
    struct naive_frames *naive = &learner->naive;
    enum frames_state is = frames_state(pfn << PAGE_SHIFT);
    enum frames_state was = expected_state(naive, pfn);
    if (is == was) {
        return;
    }
    bool is_taken = is == FRAMES_STATE_METADATA && was == FRAMES_STATE_FREE;
    bool is_given_back = is == FRAMES_STATE_FREE && was == FRAMES_STATE_METADATA;
    model_require(model, is_taken || is_given_back, "state of a frame when memory changes");
    model_require(model, !is_taken || model_is_reachable(pfn), "metadata where nothing can be touched");
    naive_take(naive, is_taken ? NAIVE_FREE : NAIVE_METADATA, pfn, 1);
    naive_give(naive, is_taken ? NAIVE_METADATA : NAIVE_FREE, pfn, 1);
}

void model_learn_metadata(struct frames_model *model)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    if (stats.metadata != model->naive.count[NAIVE_METADATA] || model->machine.is_small) {
        learner = model;
        for_each_known(model, 1, learn_frame);
    }
    memset(model->reserve, 0, sizeof(model->reserve));
    model_compare_figures(model);
}

static void compare_zones(const struct frames_model *model)
{
    struct frames_zone_stats all[FRAMES_WINDOWS] = {0};
    model_require(model, frames_nodes() == model->nodes, "frames_nodes");
    for (unsigned zone = 0; zone < model->nodes * FRAMES_WINDOWS; zone++) {
        struct frames_zone_stats stats;
        frames_get_zone_stats(zone / FRAMES_WINDOWS, (enum frames_window)(zone % FRAMES_WINDOWS), &stats);
        model_require(model, stats.total == model->naive.zones[zone].total, "total of a zone");
        model_require(model, stats.free == model->naive.zones[zone].free, "free of a zone");
        model_require(model, stats.free_2m == naive_whole(&model->naive, zone, 9), "2 MiB frames of a zone");
        model_require(model, stats.free_1g == naive_whole(&model->naive, zone, 18), "1 GiB frames of a zone");
        model_require(model, stats.reserve <= stats.free, "reserve of a zone");
        struct frames_zone_stats *sum = &all[zone % FRAMES_WINDOWS];
        sum->total += stats.total;
        sum->free += stats.free;
        sum->free_2m += stats.free_2m;
    }
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats stats;
        frames_get_zone_stats(UINT32_MAX, (enum frames_window)window, &stats);
        model_require(model,
                      stats.total == all[window].total && stats.free == all[window].free &&
                          stats.free_2m == all[window].free_2m,
                      "sum of the zones");
    }
}

struct walk {
    const struct frames_model *model;
    uint64_t frames, entries;
    phys_addr_t last_end;
};

static void compare_span(void *context, phys_addr_t base, uint64_t nbytes)
{
    struct walk *walk = context;
    model_require(walk->model, walk->entries == 0 || base > walk->last_end, "spans ascend and do not touch");
    walk->last_end = base + nbytes;
    walk->frames += nbytes >> PAGE_SHIFT;
    walk->entries++;
}

static void compare_chunk(void *context, const struct frames_chunk_info *chunk)
{
    struct walk *walk = context;
    const struct frames_model *model = walk->model;
    pfn_t pfn = chunk->base >> PAGE_SHIFT;
    uint64_t having[NAIVE_RETIRED + 1];
    for (unsigned property = 0; property <= NAIVE_RETIRED; property++) {
        having[property] = naive_having(&model->naive, (enum naive_property)property, pfn, FRAMES_2M);
    }
    uint64_t present = having[NAIVE_FREE] + having[NAIVE_USED] + having[NAIVE_METADATA] + having[NAIVE_RETIRED];
    model_require(model, walk->entries == 0 || chunk->base > walk->last_end, "chunks ascend");
    model_require(model, is_aligned(chunk->base, PAGE_SIZE_2M) && present != 0, "chunk without memory");
    model_require(model, chunk->present == present && chunk->free == having[NAIVE_FREE], "frames of a chunk");
    uint64_t waiting = naive_having(&model->naive, NAIVE_RETIRING, pfn, FRAMES_2M) +
                       naive_having(&model->naive, NAIVE_BAD, pfn, FRAMES_2M);
    model_require(model, chunk->retired == having[NAIVE_RETIRED] + waiting, "retired frames of a chunk");
    model_require(model, chunk->has_metadata == (having[NAIVE_METADATA] != 0), "metadata of a chunk");
    model_require(model, !chunk->is_whole || having[NAIVE_FREE] == FRAMES_2M || having[NAIVE_USED] == FRAMES_2M,
                  "a chunk that is whole");
    model_require(model, having[NAIVE_FREE] != FRAMES_2M || chunk->is_whole, "a free chunk is whole");
    walk->last_end = chunk->base;
    walk->frames += chunk->present;
    walk->entries++;
}

static void compare_retired(const struct frames_model *model)
{
    const struct naive_frames *naive = &model->naive;
    uint64_t index = 0;
    for (unsigned word = 0; word < naive->words; word++) {
        uint64_t bits =
            naive->bits[NAIVE_RETIRED][word] | naive->bits[NAIVE_RETIRING][word] | naive->bits[NAIVE_BAD][word];
        for (; bits != 0; bits &= bits - 1) {
            pfn_t pfn = naive->number[word] * 64 + (unsigned)__builtin_ctzll(bits);
            model_require(model, frames_retired_at(index++) == pfn << PAGE_SHIFT, "list of retired frames");
        }
    }
    model_require(model, frames_retired_at(index) == FRAMES_NONE, "end of the list of retired frames");
}

void model_compare(struct frames_model *model)
{
    uint64_t runs[64];
    uint64_t expected[64];
    struct frames_stats stats;
    model_compare_figures(model);
    model_drain(model);
    model_compare_figures(model);
    model_require(model, frames_check() == NEO_OK, "frames_check");
    model_compare_states(model);
    compare_zones(model);
    frames_get_stats(&stats);
    model_require(model, stats.cached == 0, "drained");
    uint64_t longest = naive_count_runs(&model->naive, NAIVE_FREE, expected);
    model_require(model, frames_count_free_runs(runs) == longest, "longest run of the histogram");
    model_require(model, memcmp(runs, expected, sizeof(runs)) == 0, "histogram of free runs");
    struct walk spans = {.model = model};
    frames_for_each_span(compare_span, &spans);
    model_require(model, spans.frames == stats.total && spans.entries == stats.spans, "frames in spans");
    model_require(model, spans.entries == naive_spans(&model->naive), "number of spans");
    struct walk chunks = {.model = model};
    frames_for_each_chunk(compare_chunk, &chunks);
    model_require(model, chunks.frames == stats.total, "frames in chunks");
    compare_retired(model);
}

/* ---- dispatch --------------------------------------------------------------------------------------------------- */

static void do_drain(struct frames_model *model, const uint64_t *draw)
{
    model_chance(draw[0], 60) ? frames_drain() : frames_drain_all();
    model_say(model, "done");
}

static void do_switch_cpu(struct frames_model *model, const uint64_t *draw)
{
    /* One number more than there are caches: that CPU works without. */
    model->cpu = (unsigned)(draw[0] % (model->cpus + 1));
    hosted_set_cpu(model->cpu);
}

static void do_compare(struct frames_model *model, const uint64_t *draw)
{
    if (model_chance(draw[0], 10)) {
        model_compare(model);
    } else {
        model_require(model, frames_check() == NEO_OK, "frames_check");
        for (unsigned i = 0; i < 50; i++) {
            compare_frame(model, naive_at(&model->naive, (draw[1] + i * draw[2]) % model->naive.universe));
        }
    }
}

static const struct {
    const char *name;
    void (*run)(struct frames_model *model, const uint64_t *draw);
    unsigned share;
} kinds[] = {
    {"alloc one, 2 MiB, 1 GiB", model_alloc_fixed, 2500},
    {"alloc", model_alloc, 1000},
    {"request", model_request, 1500},
    {"burst", model_burst, 100},
    {"free", model_free, 4000},
    {"refused request", model_refused_request, 100},
    {"bad free", model_bad_free, 100},
    {"preferred place", model_preferred, 20},
    {"longest run", model_longest, 20},
    {"drain", do_drain, 50},
    {"switch CPU", do_switch_cpu, 300},
    {"compare", do_compare, 30},
    {"retire", model_retire, 30},
    {"add", model_add, 15},
    {"remove", model_remove, 15},
    {"hardening level", model_set_level, 8},
    {"more CPUs, other nodes", model_set_machine, 15},
};

#define KIND_BURST 3u
#define KIND_FREE 4u

/* Most calls that lead away from the share of memory that should be in use become calls that lead there. */
static unsigned steer(const struct frames_model *model, const struct frames_operation *operation, unsigned kind)
{
    const struct naive_frames *naive = &model->naive;
    uint64_t used = naive->count[NAIVE_USED];
    uint64_t goal = (used + naive->count[NAIVE_FREE]) * operation->goal / 100;
    bool turns = model_chance(operation->draw[0] >> 32, 70);
    if (kind <= KIND_BURST && used > goal && turns) {
        return KIND_FREE;
    }
    return kind == KIND_FREE && used < goal && turns ? (unsigned)(operation->draw[0] >> 40) % KIND_BURST : kind;
}

void model_step(struct frames_model *model, const struct frames_operation *operation)
{
    unsigned all = 0;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        all += kinds[i].share;
    }
    unsigned what = (unsigned)(operation->draw[0] % all);
    unsigned kind = 0;
    for (; what >= kinds[kind].share; kind++) {
        what -= kinds[kind].share;
    }
    kind = steer(model, operation, kind);
    model->number = operation->number;
    model->doing = kinds[kind].name;
    model->log_lines = 0;
    model->watches = operation->number % 8 == 0 && kind != KIND_FREE;
    if (model->watches) {
        model_watch_windows(model);
    }
    kinds[kind].run(model, operation->draw + 1);
    if (operation->number % 8 == 0) {
        model_compare_figures(model);
    }
}
