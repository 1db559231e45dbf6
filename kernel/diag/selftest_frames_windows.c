/* selftest_frames_windows.c — what a device may ask of its memory: below a limit, aligned, not across a boundary.
 * Each test leaves exactly as many frames free as it found. */

#include "selftest_internal.h"

#include <neomem/frames.h>
#include <neomem/memory.h>

#define ISA_LIMIT MIB(16)
#define FRAMES_BELOW_16M (ISA_LIMIT / PAGE_SIZE)
#define FRAMES_PER_GIB (PAGE_SIZE_1G / PAGE_SIZE)

static uint64_t frames_free_now(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    return stats.free;
}

static struct frames_zone_stats window_now(enum frames_window window)
{
    struct frames_zone_stats stats;
    frames_get_zone_stats(UINT32_MAX, window, &stats);
    return stats;
}

/* Free a chain of single frames, each with the address of the next in its first word. Return: how many. */
static uint64_t free_chain(phys_addr_t pa)
{
    uint64_t count = 0;
    while (pa != FRAMES_NONE) {
        phys_addr_t next = *(const uint64_t *)phys_to_virt(pa);
        frames_free(pa, 1);
        pa = next;
        count++;
    }
    return count;
}

/* Everything below 16 MiB. Return: how many frames; *stray: one that lies elsewhere, or FRAMES_NONE. */
static uint64_t take_all_below_16m(phys_addr_t *stray)
{
    phys_addr_t chain = FRAMES_NONE;
    uint64_t count = 0;
    *stray = FRAMES_NONE;
    while (count <= FRAMES_BELOW_16M) {
        phys_addr_t pa = frames_alloc(1, 1, 0, ISA_LIMIT);
        if (pa == FRAMES_NONE) {
            break;
        }
        *stray = pa + PAGE_SIZE > ISA_LIMIT ? pa : *stray;
        *(uint64_t *)phys_to_virt(pa) = chain;
        chain = pa;
        count++;
    }
    return free_chain(chain) == count ? count : UINT64_MAX;
}

/* One run inside [lo, hi). Return: false when it lies elsewhere. No run is no failure: there may be no such memory. */
static bool stays_inside(uint64_t count, uint64_t align, phys_addr_t lo, phys_addr_t hi, unsigned *got)
{
    phys_addr_t pa = frames_alloc(count, align, lo, hi);
    if (pa == FRAMES_NONE) {
        return true;
    }
    bool is_inside = pa >= lo && pa <= hi - count * PAGE_SIZE && is_aligned(pa, align * PAGE_SIZE);
    frames_free(pa, count);
    (*got)++;
    return is_inside;
}

enum selftest_result selftest_frames_windows(struct selftest_report *report)
{
    static const phys_addr_t edges[] = {0,       MIB(1) + 123, MIB(3), ISA_LIMIT,     MIB(40) - 1,
                                        MIB(64), GIB(1),       GIB(4), GIB(5) + 4097, PHYS_ADDR_LIMIT};
    static const uint64_t counts[] = {1, 2, 33, FRAMES_2M, FRAMES_2M + 1};
    frames_drain();
    uint64_t before = frames_free_now();
    uint64_t below_16m = window_now(FRAMES_WINDOW_16M).free;
    phys_addr_t stray;
    uint64_t taken = take_all_below_16m(&stray);
    frames_drain();
    if (taken != below_16m || stray != FRAMES_NONE || window_now(FRAMES_WINDOW_16M).free != below_16m) {
        return selftest_fail(report, "%llu frames below 16 MiB, %llu of them could be had, stray 0x%llx",
                             (unsigned long long)below_16m, (unsigned long long)taken, (unsigned long long)stray);
    }
    unsigned got = 0;
    for (size_t lo = 0; lo < ARRAY_COUNT(edges); lo++) {
        for (size_t hi = lo + 1; hi < ARRAY_COUNT(edges); hi++) {
            for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
                uint64_t align = counts[i] == FRAMES_2M ? FRAMES_2M : 1;
                if (!stays_inside(counts[i], align, edges[lo], edges[hi], &got)) {
                    return selftest_fail(report, "%llu frames are not inside 0x%llx to 0x%llx",
                                         (unsigned long long)counts[i], (unsigned long long)edges[lo],
                                         (unsigned long long)edges[hi]);
                }
            }
        }
    }
    phys_addr_t high = frames_alloc(1, 1, GIB(4), FRAMES_ANYWHERE);
    bool has_high = window_now(FRAMES_WINDOW_HIGH).free > 0 || high != FRAMES_NONE;
    bool is_right = has_high ? high != FRAMES_NONE && high >= GIB(4) : high == FRAMES_NONE;
    if (high != FRAMES_NONE) {
        frames_free(high, 1);
    }
    if (!is_right || frames_free_now() != before) {
        return selftest_fail(report, "above 4 GiB: 0x%llx; %llu frames free before, %llu after",
                             (unsigned long long)high, (unsigned long long)before,
                             (unsigned long long)frames_free_now());
    }
    return selftest_pass(report, "all %llu frames below 16 MiB, %u runs between other limits",
                         (unsigned long long)below_16m, got);
}

/* ---- alignment and boundary ---- */

#define ROOM_FRAMES 2048u

/* The lowest legal place in the room for the request, by trying all. Return: ROOM_FRAMES when there is none. */
static uint64_t first_place(uint64_t from, const struct frames_request *request)
{
    for (uint64_t at = from; at + request->count <= ROOM_FRAMES; at++) {
        uint64_t last = at + request->count - 1;
        bool crosses = request->boundary != 0 && at / request->boundary != last / request->boundary;
        if (is_aligned(at, request->align) && !crosses) {
            return at;
        }
    }
    return ROOM_FRAMES;
}

/* One request for a run in the room, which is free, from its from-th frame on. Return: whether the answer is right. */
static bool is_answered(phys_addr_t room, uint64_t from, struct frames_request *request, unsigned *got)
{
    request->lo_pa = room + from * PAGE_SIZE;
    request->hi_pa = room + ROOM_FRAMES * PAGE_SIZE;
    bool is_possible = first_place(from, request) < ROOM_FRAMES;
    phys_addr_t pa = frames_alloc_request(request);
    if (pa == FRAMES_NONE) {
        return !is_possible;
    }
    uint64_t at = (pa - room) / PAGE_SIZE;
    bool is_right = is_possible && pa >= request->lo_pa && first_place(at, request) == at;
    frames_free(pa, request->count);
    (*got)++;
    return is_right;
}

enum selftest_result selftest_frames_alignment(struct selftest_report *report)
{
    static const uint64_t starts[] = {0, 1, 15, 127, 500, 1023};
    static const uint64_t counts[] = {1, 3, 16, 100, FRAMES_2M, 777};
    uint64_t before = frames_free_now();
    unsigned asked = 0;
    unsigned got = 0;
    /* Numbers in the room are as good as frame numbers: it is aligned to itself. */
    phys_addr_t room = frames_alloc(ROOM_FRAMES, ROOM_FRAMES, 0, FRAMES_ANYWHERE);
    if (room == FRAMES_NONE) {
        return selftest_skip(report, "no %u frames in a row", ROOM_FRAMES);
    }
    frames_free(room, ROOM_FRAMES);
    for (size_t i = 0; i < ARRAY_COUNT(counts) * ARRAY_COUNT(starts); i++) {
        uint64_t from = starts[i / ARRAY_COUNT(counts)];
        for (uint64_t align = 1; align <= ROOM_FRAMES; align *= 4) {
            for (uint64_t boundary = 0; boundary <= ROOM_FRAMES; boundary = boundary == 0 ? 16 : boundary * 2) {
                struct frames_request request = FRAMES_REQUEST(counts[i % ARRAY_COUNT(counts)]);
                request.align = align;
                request.boundary = boundary;
                asked++;
                if (!is_answered(room, from, &request, &got)) {
                    return selftest_fail(report, "%llu frames from 0x%llx on, alignment %llu, boundary %llu",
                                         (unsigned long long)request.count, (unsigned long long)request.lo_pa,
                                         (unsigned long long)align, (unsigned long long)boundary);
                }
            }
        }
    }
    if (frames_free_now() != before) {
        return selftest_fail(report, "%llu frames free before, %llu after", (unsigned long long)before,
                             (unsigned long long)frames_free_now());
    }
    return selftest_pass(report, "%u requests for 1 to 777 aligned frames inside boundaries: %u are possible", asked,
                         got);
}
