/* frames_model_alloc.c — see frames_model.h: everything that allocates, and requests that must be refused. What a request may
 * get is judged in frames_model_rules.c. */
#include "frames_model.h"

#include <neomem/hosted.h>
#include <string.h>

#include "mm_fixture.h"

void model_alloc_fixed(struct frames_model *model, const uint64_t *draw)
{
    struct frames_request request = FRAMES_REQUEST(1);
    unsigned percent = (unsigned)(draw[0] % 100);
    if (percent < 90) {
        model_check_allocation(model, &request, frames_alloc_one());
    } else if (percent < 97) {
        request.count = request.align = FRAMES_2M;
        model_check_allocation(model, &request, frames_alloc_2m());
    } else {
        request.count = request.align = FRAMES_1G;
        model_check_allocation(model, &request, frames_alloc_1g());
    }
}

/* Many small ones at once: fills memory of single frames, too. Full once is full for all that follow. */
void model_burst(struct frames_model *model, const uint64_t *draw)
{
    struct frames_request request =
        FRAMES_REQUEST(model->machine.is_small || model_chance(draw[1], 50) ? 1 : FRAMES_2M);
    request.align = request.count;
    uint64_t refusals = model->refusals;
    for (uint64_t i = 0; i < 1 + draw[0] % 200 && model->refusals == refusals; i++) {
        model_check_allocation(model, &request, request.count == 1 ? frames_alloc_one() : frames_alloc_2m());
    }
}

static uint64_t some_count(const struct frames_model *model, const uint64_t *draw)
{
    unsigned percent = (unsigned)(draw[0] % 100);
    uint64_t most = percent < 40   ? 4
                    : percent < 75 ? 64
                    : percent < 95 ? 600
                                   : max_u64(model->naive.count[NAIVE_FREE] / (model->machine.is_small ? 2 : 20), 1);
    return min_u64(1 + draw[1] % most, model->naive.universe);
}

/* A window between two frames, or around one, at times not of whole frames. */
static void some_window(const struct frames_model *model, struct frames_request *request, const uint64_t *draw)
{
    if (model_chance(draw[0], 40)) {
        return;
    }
    pfn_t first = naive_at(&model->naive, (draw[0] >> 32) % model->naive.universe);
    pfn_t last = naive_at(&model->naive, (draw[1] >> 32) % model->naive.universe);
    if (model_chance(draw[1], 30)) {
        last = first + draw[1] / 100 % 2000;
    }
    request->lo_pa = min_u64(first, last) << PAGE_SHIFT;
    request->hi_pa = min_u64(max_u64(first, last) + 1, PHYS_ADDR_LIMIT >> PAGE_SHIFT) << PAGE_SHIFT;
    if (model_chance(draw[2], 20)) {
        request->lo_pa = 0;
    } else if (model_chance(draw[2], 40)) {
        request->hi_pa = FRAMES_ANYWHERE;
    } else if (model_chance(draw[2], 50)) {
        request->hi_pa = model_chance(draw[2] / 100, 50) ? MIB(16) : GIB(4);
        request->lo_pa = min_u64(request->lo_pa, request->hi_pa - PAGE_SIZE);
    }
    if (model_chance(draw[2] / 100, 20)) {
        request->lo_pa += draw[2] / 10000 % PAGE_SIZE;
        uint64_t odd = request->hi_pa == FRAMES_ANYWHERE ? 0 : draw[2] / 10000 % (PAGE_SIZE / 2);
        request->hi_pa += model_chance(draw[1] / 100, 50) ? odd : -odd;
    }
}

/* A window without a single frame is a refused request, counts beyond all memory as well: those are made elsewhere. */
static bool is_refused(const struct frames_model *model, const struct frames_request *request)
{
    struct naive_request rules = model_rules(model, request);
    uint64_t managed = rules.lo < rules.hi ? naive_managed(&model->naive, rules.lo, rules.hi - rules.lo) : 0;
    return managed < request->count || (request->boundary != 0 && request->count > request->boundary);
}

static void run_request(struct frames_model *model, const struct frames_request *request, bool is_simple)
{
    bool may_be_refused = is_refused(model, request);
    phys_addr_t pa = is_simple ? frames_alloc(request->count, request->align, request->lo_pa, request->hi_pa)
                               : frames_alloc_request(request);
    model_require(model, may_be_refused || model->log_lines == 0, "a legal request was refused");
    model_require(model, pa == FRAMES_NONE || model->log_lines == 0, "a line in the log for a success");
    model_check_allocation(model, request, pa);
}

void model_alloc(struct frames_model *model, const uint64_t *draw)
{
    struct frames_request request = FRAMES_REQUEST(some_count(model, draw));
    request.align = model_chance(draw[2], 70) ? 1 : 1ull << (draw[2] >> 32) % 12;
    some_window(model, &request, draw + 3);
    run_request(model, &request, true);
}

void model_request(struct frames_model *model, const uint64_t *draw)
{
    struct frames_request request = FRAMES_REQUEST(some_count(model, draw));
    request.align =
        model_chance(draw[2], 60) ? 0 : 1ull << (draw[2] >> 32) % (model_chance(draw[2] >> 8, 90) ? 12 : 53);
    some_window(model, &request, draw + 3);
    if (model_chance(draw[6], 40)) {
        request.boundary = 1ull << (draw[6] >> 32) % 14;
        while (request.boundary < request.count) {
            request.boundary *= 2;
        }
    }
    request.node = model_chance(draw[7], 50) ? FRAMES_THIS_NODE : (unsigned)((draw[7] >> 32) % model->nodes);
    static const unsigned flags[] = {FRAMES_BIND, FRAMES_ATOMIC, FRAMES_USE_RESERVE, FRAMES_INTERLEAVE, FRAMES_ZEROED};
    unsigned bits = (unsigned)(draw[7] >> 8);
    for (unsigned i = 0; i < 5; i++, bits >>= 3) {
        request.flags |= (bits & 7) < 2 ? flags[i] : 0;
    }
    if ((request.flags & FRAMES_INTERLEAVE) != 0) {
        request.flags &= ~(unsigned)FRAMES_BIND; /* contradict each other */
    }
    if ((request.flags & FRAMES_ZEROED) != 0) {
        request.count = min_u64(request.count, 20);
        request.hi_pa = min_u64(request.hi_pa, HOSTED_ARENA_BYTES);
    }
    run_request(model, &request, false);
}

void model_refused_request(struct frames_model *model, const uint64_t *draw)
{
    struct frames_request request = FRAMES_REQUEST(1 + draw[0] % 20);
    struct frames_stats before;
    struct frames_stats after;
    switch (draw[1] % 8) {
    case 0:
        request.count = 0;
        break;
    case 1:
        request.align = 3 + draw[2] % 100 * 2;
        break;
    case 2:
        request.boundary = 3 + draw[2] % 100 * 2;
        break;
    case 3:
        request.count += 64;
        request.boundary = 1ull << draw[2] % 7;
        break;
    case 4:
        request.node = model->nodes + (unsigned)(draw[2] % 3);
        break;
    case 5:
        request.count =
            (model_chance(draw[2], 50) ? model->naive.universe + draw[2] % 100 : UINT64_MAX - draw[2] % 100) + 1;
        break;
    case 6:
        request.lo_pa = draw[2] % MIB(64) + PAGE_SIZE;
        request.hi_pa = request.lo_pa - draw[2] / 64 % PAGE_SIZE;
        break;
    default:
        request.lo_pa = GIB(900);
        request.hi_pa = request.lo_pa + MIB(1);
        break;
    }
    frames_get_stats(&before);
    phys_addr_t pa = frames_alloc_request(&request);
    frames_get_stats(&after);
    model_say(model, "kind %u", (unsigned)(draw[1] % 8));
    model_require(model, pa == FRAMES_NONE, "an impossible request was served");
    model_require(model, model->log_lines == 1, "one line in the log");
    model_require(model, memcmp(&before, &after, sizeof(before)) == 0, "a refused request changed figures");
}

/* Whether the zone is its node's highest for certain: nothing above it will ever be there; or one above it is there now. What
 * was announced or removed is in between: the node may count it or not. */
static bool is_highest(const struct frames_model *model, unsigned zone)
{
    const struct naive_frames *naive = &model->naive;
    for (unsigned word = 0; word < naive->words; word++) {
        if (naive->zone[word] > zone && naive->zone[word] / FRAMES_WINDOWS == zone / FRAMES_WINDOWS) {
            return false;
        }
    }
    return true;
}

static bool is_below_another(const struct frames_model *model, unsigned zone)
{
    for (unsigned higher = zone + 1; higher % FRAMES_WINDOWS != 0; higher++) {
        if (model->naive.zones[higher].total != 0) {
            return true;
        }
    }
    return false;
}

/* Whether memory of zone a goes before that of b, in the same window, when a's node is nearer. A node's highest window goes
 * before all that have a higher one. */
static bool goes_before(const struct frames_model *model, unsigned a, unsigned b)
{
    return is_highest(model, a) || (is_below_another(model, a) && is_below_another(model, b));
}

/* Single frames: the highest window of the node that has room; the nearest node of the window that has room. */
void model_preferred(struct frames_model *model, const uint64_t *draw)
{
    struct frames_request request = FRAMES_REQUEST(1);
    uint64_t room[NAIVE_ZONES];
    if (model->level == 3) {
        return;
    }
    (void)draw;
    model_drain(model);
    for (unsigned zone = 0; zone < model->nodes * FRAMES_WINDOWS; zone++) {
        struct frames_zone_stats stats;
        frames_get_zone_stats(zone / FRAMES_WINDOWS, (enum frames_window)(zone % FRAMES_WINDOWS), &stats);
        room[zone] = stats.free > stats.reserve ? stats.free - stats.reserve : 0;
    }
    phys_addr_t pa = frames_alloc_one();
    model_check_allocation(model, &request, pa);
    if (pa == FRAMES_NONE) {
        return;
    }
    unsigned window = naive_window(pa >> PAGE_SHIFT);
    unsigned node = naive_node(&model->naive, pa >> PAGE_SHIFT);
    unsigned own = model->nodes > 1 && model->cpu < MACHINE_CPUS_MAX ? model->machine.cpu_node[model->cpu] : 0;
    for (unsigned higher = window + 1; higher < FRAMES_WINDOWS; higher++) {
        model_require(model, room[node * FRAMES_WINDOWS + higher] == 0, "a higher window has room");
    }
    const uint8_t *distance = &model->machine.distance[own * model->machine.nodes];
    for (unsigned other = 0; other < model->nodes; other++) {
        bool is_nearer = other == own ? node != own : node != own && distance[other] < distance[node];
        unsigned zone = other * FRAMES_WINDOWS + window;
        bool is_passed_over = is_nearer && room[zone] != 0 && goes_before(model, zone, node * FRAMES_WINDOWS + window);
        model_require(model, !is_passed_over, "a nearer node has room");
    }
}

void model_longest(struct frames_model *model, const uint64_t *draw)
{
    (void)draw;
    model_drain(model);
    uint64_t longest = frames_longest_free_run();
    uint64_t runs[64];
    struct frames_request request = FRAMES_REQUEST(longest);
    model_require(model, longest <= naive_count_runs(&model->naive, NAIVE_FREE, runs), "longest run is too long");
    model_say(model, "%llu", (unsigned long long)longest);
    /* Too large for the level that writes to everything it frees. */
    if (longest != 0 && (model->machine.is_small || model->level < 3)) {
        phys_addr_t pa = frames_alloc(longest, 1, 0, FRAMES_ANYWHERE);
        model_require(model, pa != FRAMES_NONE, "the longest run cannot be had");
        model_check_allocation(model, &request, pa);
        frames_free(pa, longest);
        naive_take(&model->naive, NAIVE_USED, pa >> PAGE_SHIFT, longest);
        naive_take(&model->naive, NAIVE_START, pa >> PAGE_SHIFT, 1);
        naive_take(&model->naive, NAIVE_HARDENED, pa >> PAGE_SHIFT, longest);
        naive_give(&model->naive, NAIVE_FREE, pa >> PAGE_SHIFT, longest);
    }
    request.count = longest + 1;
    model_check_allocation(model, &request, frames_alloc_request(&request));
}

bool model_occupy_top(struct frames_model *model)
{
    pfn_t from = HOSTED_ARENA_BYTES >> PAGE_SHIFT;
    for (pfn_t pfn = from; (pfn = naive_next(&model->naive, NAIVE_FREE, pfn)) != FRAMES_NONE && pfn >= from;) {
        struct frames_request request = FRAMES_REQUEST(naive_stretch(&model->naive, NAIVE_FREE, pfn, UINT64_MAX));
        request.lo_pa = pfn << PAGE_SHIFT;
        request.hi_pa = (pfn + request.count) << PAGE_SHIFT;
        phys_addr_t pa = frames_alloc_request(&request);
        model_check_allocation(model, &request, pa);
        if (pa == FRAMES_NONE) {
            return false;
        }
    }
    return true;
}
