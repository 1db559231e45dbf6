/* frames_model_rules.c — see frames_model.h: what an allocation may get, and when it may get nothing.
 *
 * Any legal place is accepted; "no memory" only when the reference knows no legal place that leaves the reserves of the low
 * windows alone. A request may use a window's reserve when it says so or when it cannot go elsewhere (its window ends there). */
#include "frames_model.h"

#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <string.h>

static const pfn_t window_end[FRAMES_WINDOWS] = {MIB(16) >> PAGE_SHIFT, GIB(4) >> PAGE_SHIFT,
                                                 PHYS_ADDR_LIMIT >> PAGE_SHIFT};

struct naive_request model_rules(const struct frames_model *model, const struct frames_request *request)
{
    struct naive_request rules = {.count = request->count,
                                  .align = request->align == 0 ? 1 : request->align,
                                  .lo = bytes_to_pages(request->lo_pa),
                                  .hi = min_u64(request->hi_pa, PHYS_ADDR_LIMIT) >> PAGE_SHIFT,
                                  .boundary = request->boundary,
                                  .zones = UINT32_MAX};
    if ((request->flags & FRAMES_BIND) != 0) {
        bool has_node = model->cpu < MACHINE_CPUS_MAX && model->nodes > 1;
        unsigned own = has_node ? model->machine.cpu_node[model->cpu] : 0;
        unsigned node = request->node == FRAMES_THIS_NODE ? own : request->node;
        rules.zones = ((1u << FRAMES_WINDOWS) - 1) << (node * FRAMES_WINDOWS);
    }
    return rules;
}

static bool keeps_reserve(const struct frames_request *request, unsigned window)
{
    return window != FRAMES_WINDOW_HIGH && (request->flags & FRAMES_USE_RESERVE) == 0 &&
           request->hi_pa >> PAGE_SHIFT > window_end[window];
}

/* The zones from which the request may be served without touching a reserve. Reserves belong to windows, whatever the node. */
static uint32_t open_zones(const struct frames_model *model, const struct frames_request *request)
{
    uint32_t zones = 0;
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats own;
        uint64_t free = 0;
        frames_get_zone_stats(UINT32_MAX, (enum frames_window)window, &own);
        for (unsigned node = 0; node < model->nodes; node++) {
            free += model->naive.zones[node * FRAMES_WINDOWS + window].free;
        }
        bool is_open = !keeps_reserve(request, window) || free >= own.reserve + request->count;
        for (unsigned node = 0; is_open && node < model->nodes; node++) {
            zones |= 1u << (node * FRAMES_WINDOWS + window);
        }
    }
    return zones;
}

static pfn_t find_room(const struct frames_model *model, const struct frames_request *request)
{
    struct naive_request rules = model_rules(model, request);
    rules.zones &= open_zones(model, request);
    return naive_find(&model->naive, &rules);
}

/* What other CPUs have in their caches they give back at their next call at the earliest: not in time for this one. */
static void hide_cached(struct frames_model *model)
{
    struct naive_frames *naive = &model->naive;
    for (unsigned word = 0; word < naive->words; word++) {
        for (uint64_t bits = naive->bits[NAIVE_FREE][word]; bits != 0; bits &= bits - 1) {
            struct frames_owner owner;
            pfn_t pfn = naive->number[word] * 64 + (unsigned)__builtin_ctzll(bits);
            frames_query(pfn << PAGE_SHIFT, &owner);
            if (owner.cached_by >= 0 && owner.cached_by != (int)model->cpu) {
                naive_take(naive, NAIVE_FREE, pfn, 1);
                naive_give(naive, NAIVE_HIDDEN, pfn, 1);
            }
        }
    }
}

static void check_no_memory(struct frames_model *model, const struct frames_request *request)
{
    struct frames_stats stats;
    pfn_t place = find_room(model, request);
    frames_get_stats(&stats);
    if (place != FRAMES_NONE && stats.cached != 0) {
        hide_cached(model);
        place = find_room(model, request);
        naive_show_hidden(&model->naive);
    }
    if (place != FRAMES_NONE) {
        model_say(model, "would fit at 0x%llx", (unsigned long long)place << PAGE_SHIFT);
    }
    model_require(model, place == FRAMES_NONE, "no memory, but there is room");
    model->refusals++;
}

/* ---- contents --------------------------------------------------------------------------------------------------- */

bool model_is_reachable(pfn_t pfn)
{
    return pfn < HOSTED_ARENA_BYTES >> PAGE_SHIFT;
}

static uint64_t *stamp_of(const struct frames_model *model, pfn_t pfn)
{
    bool has_one = model_is_reachable(pfn) && (model->machine.is_small || pfn % 256 == 255);
    return has_one ? (uint64_t *)phys_to_virt(pfn << PAGE_SHIFT) + pfn % 512 : NULL;
}

void model_stamp(const struct frames_model *model, pfn_t pfn, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t *stamp = stamp_of(model, pfn + i);
        if (stamp != NULL) {
            *stamp = ~(pfn + i);
        }
    }
}

void model_check_stamp(const struct frames_model *model, pfn_t pfn, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t *stamp = stamp_of(model, pfn + i);
        model_require(model, stamp == NULL || *stamp == ~(pfn + i), "somebody wrote to a frame in use");
    }
}

/* ---- reserves ---------------------------------------------------------------------------------------------------- */

static void count_shared(void *context, const struct frames_chunk_info *chunk)
{
    struct frames_model *model = context;
    model->shared_free[naive_window(chunk->base >> PAGE_SHIFT)] += chunk->free;
}

/* The reserve that is told is at most what is free: so the largest that was seen counts. */
void model_watch_windows(struct frames_model *model)
{
    memset(model->shared_free, 0, sizeof(model->shared_free));
    frames_for_each_chunk(count_shared, model);
    for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
        struct frames_zone_stats stats;
        frames_get_zone_stats(UINT32_MAX, (enum frames_window)window, &stats);
        model->reserve[window] = max_u64(model->reserve[window], stats.reserve);
    }
}

/* A general request leaves at least the reserve in the shared map, or nothing was taken from there: what a CPU has in its
 * cache may go out, even when others have needed the reserve meanwhile. */
static void check_reserves(struct frames_model *model, const struct frames_request *request, pfn_t pfn)
{
    uint64_t before[FRAMES_WINDOWS];
    memcpy(before, model->shared_free, sizeof(before));
    model_watch_windows(model);
    unsigned last = naive_window(pfn + request->count - 1);
    for (unsigned window = naive_window(pfn); window <= last; window++) {
        uint64_t now = model->shared_free[window];
        bool is_kept = !keeps_reserve(request, window) || now >= model->reserve[window] || now >= before[window];
        if (!is_kept) {
            model_say(model, "window %u: %llu free, reserve %llu", window, (unsigned long long)now,
                      (unsigned long long)model->reserve[window]);
        }
        model_require(model, is_kept, "a reserve was touched");
    }
}

/* ---- judgement --------------------------------------------------------------------------------------------------- */

static void take(struct frames_model *model, const struct frames_request *request, phys_addr_t pa)
{
    struct naive_frames *naive = &model->naive;
    struct naive_request rules = model_rules(model, request);
    pfn_t pfn = pa >> PAGE_SHIFT;
    model_require(model, is_aligned(pa, PAGE_SIZE), "a frame's address is aligned");
    model_require(model, naive_is_legal(naive, &rules, pfn), "what was handed out breaks the request");
    naive_take(naive, NAIVE_FREE, pfn, request->count);
    naive_give(naive, NAIVE_USED, pfn, request->count);
    naive_give(naive, NAIVE_START, pfn, 1);
    if (model->level == 3) {
        naive_give(naive, NAIVE_HARDENED, pfn, request->count);
    }
    if (model->watches) {
        model->watches = false;
        check_reserves(model, request, pfn);
    }
    if ((request->flags & FRAMES_ZEROED) != 0) {
        const uint64_t *words = phys_to_virt(pa);
        uint64_t any = 0;
        for (uint64_t i = 0; i < request->count * PAGE_SIZE / sizeof(*words); i++) {
            any |= words[i];
        }
        model_require(model, any == 0, "not zeroed");
    }
    model_stamp(model, pfn, request->count);
    model->successes++;
}

void model_check_allocation(struct frames_model *model, const struct frames_request *request, phys_addr_t pa)
{
    model_say(model, "count %llu align %llu [0x%llx, 0x%llx) boundary %llu node %d flags %x: 0x%llx",
              (unsigned long long)request->count, (unsigned long long)request->align,
              (unsigned long long)request->lo_pa, (unsigned long long)request->hi_pa,
              (unsigned long long)request->boundary, (int)request->node, request->flags, (unsigned long long)pa);
    if (pa == FRAMES_NONE) {
        check_no_memory(model, request);
    } else {
        take(model, request, pa);
    }
}
