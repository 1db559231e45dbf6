/* selftest_frames_retire.c — frames taken out of use: a free one, one in use, one inside a 2 MiB frame.
 * Retirement is for ever: each run of this test costs three frames, which the figures must show, and nothing else. */

#include "selftest_internal.h"

#include <neomem/frames.h>

#define INSIDE 100u /* frame of a 2 MiB frame */
#define TRIES 64u   /* frames that must all be others */
#define NOTES_MAX 3u

struct retirement {
    struct frames_stats before, now;
    phys_addr_t frames[3];
};

static bool has_figures(struct retirement *test, uint64_t retired, uint64_t in_use)
{
    const struct frames_stats *before = &test->before;
    frames_drain();
    frames_get_stats(&test->now);
    uint64_t notes = test->now.metadata - before->metadata; /* the allocator may need a frame to remember it */
    return notes <= NOTES_MAX && test->now.total == before->total && test->now.retired == before->retired + retired &&
           test->now.allocated == before->allocated + in_use &&
           test->now.free == before->free - retired - in_use - notes && test->now.reserve == before->reserve;
}

static bool is_listed(phys_addr_t pa)
{
    phys_addr_t listed;
    for (uint64_t i = 0; (listed = frames_retired_at(i)) != FRAMES_NONE; i++) {
        if (listed == pa) {
            return true;
        }
    }
    return false;
}

/* Return: what is wrong with a frame that should be retired; NULL: nothing. */
static const char *find_retired(phys_addr_t pa)
{
    bool pending = true;
    if (frames_state(pa) != FRAMES_STATE_RETIRED) {
        return frames_state_name(frames_state(pa));
    }
    if (frames_is_allocated(pa)) {
        return "still counts as allocated";
    }
    if (!is_listed(pa)) {
        return "not in the list of retired frames";
    }
    /* Once more is no error. */
    return frames_retire(pa, &pending) == NEO_OK && !pending ? NULL : "cannot be retired twice";
}

/* Whether some frames that are allocated now are all others. */
static bool is_out_of_use(phys_addr_t pa)
{
    phys_addr_t others[TRIES];
    unsigned count = 0;
    bool is_there = false;
    while (count < TRIES && (others[count] = frames_alloc_one()) != FRAMES_NONE) {
        is_there = is_there || others[count] == pa;
        count++;
    }
    while (count > 0) {
        frames_free(others[--count], 1);
    }
    return !is_there;
}

/* Return: what is wrong after the retired-th frame of the test should be out of use; NULL: nothing. */
static const char *check_retired(struct retirement *test, phys_addr_t pa, uint64_t retired)
{
    if (!is_out_of_use(pa)) {
        return "handed out again";
    }
    if (!has_figures(test, retired, 0)) {
        return "wrong figures";
    }
    return find_retired(pa);
}

/* Return: what is wrong; NULL: nothing. */
static const char *retire_free_one(struct retirement *test)
{
    bool pending = true;
    phys_addr_t pa = frames_alloc_one();
    if (pa == FRAMES_NONE) {
        return "no frame";
    }
    frames_free(pa, 1);
    frames_drain();
    test->frames[0] = pa;
    if (frames_retire(pa, &pending) != NEO_OK || pending) {
        return "a free frame was not retired at once";
    }
    return check_retired(test, pa, 1);
}

static const char *retire_one_in_use(struct retirement *test)
{
    bool pending = false;
    struct frames_owner owner;
    phys_addr_t pa = frames_alloc_one();
    if (pa == FRAMES_NONE) {
        return "no frame";
    }
    test->frames[1] = pa;
    enum neo_status status = frames_retire(pa, &pending);
    frames_query(pa, &owner);
    bool is_pending = status == NEO_OK && pending && owner.is_retiring && frames_is_allocated(pa);
    bool has_right_figures = has_figures(test, 1, 1);
    frames_free(pa, 1);
    if (!is_pending || !has_right_figures) {
        return "a frame in use: not left to its owner";
    }
    return check_retired(test, pa, 2);
}

static const char *retire_inside_2m(struct retirement *test)
{
    bool pending = false;
    phys_addr_t pa = frames_alloc_2m();
    if (pa == FRAMES_NONE) {
        return NULL; /* a small machine */
    }
    test->frames[2] = pa + INSIDE * PAGE_SIZE;
    enum neo_status status = frames_retire(test->frames[2], &pending);
    bool has_right_figures = has_figures(test, 2, FRAMES_2M);
    frames_free(pa, FRAMES_2M);
    if (status != NEO_OK || !pending) {
        return status != NEO_OK ? neo_status_name(status) : "inside 2 MiB: not left to its owner";
    }
    if (!has_right_figures) {
        return "inside 2 MiB: wrong figures while in use";
    }
    const char *problem = check_retired(test, test->frames[2], 3);
    if (problem != NULL) {
        return problem;
    }
    /* Its neighbours are free, itself nobody gets. */
    phys_addr_t again = frames_alloc(1, 1, test->frames[2], test->frames[2] + PAGE_SIZE);
    phys_addr_t neighbour = frames_alloc(1, 1, test->frames[2] + PAGE_SIZE, test->frames[2] + 2 * PAGE_SIZE);
    if (neighbour != FRAMES_NONE) {
        frames_free(neighbour, 1);
    }
    return again == FRAMES_NONE && neighbour != FRAMES_NONE ? NULL : "inside 2 MiB: the wrong frames are on offer";
}

enum selftest_result selftest_frames_retire(struct selftest_report *report)
{
    struct retirement test = {.frames = {FRAMES_NONE, FRAMES_NONE, FRAMES_NONE}};
    frames_drain();
    frames_get_stats(&test.before);
    const char *problem = retire_free_one(&test);
    if (problem == NULL) {
        problem = retire_one_in_use(&test);
    }
    if (problem == NULL) {
        problem = retire_inside_2m(&test);
    }
    if (problem == NULL && frames_retire(PHYS_ADDR_LIMIT - PAGE_SIZE, NULL) != NEO_ERR_NOT_FOUND) {
        problem = "memory that is not there was retired";
    }
    if (problem == NULL && frames_check() != NEO_OK) {
        problem = "the allocator's books do not balance";
    }
    if (problem != NULL) {
        const struct frames_stats *was = &test.before;
        const struct frames_stats *is = &test.now;
        return selftest_fail(
            report, "%s; free %llu, then %llu; retired %llu, %llu; in use %llu, %llu; metadata %llu, %llu", problem,
            (unsigned long long)was->free, (unsigned long long)is->free, (unsigned long long)was->retired,
            (unsigned long long)is->retired, (unsigned long long)was->allocated, (unsigned long long)is->allocated,
            (unsigned long long)was->metadata, (unsigned long long)is->metadata);
    }
    return selftest_pass(report, "%llu frames retired for good: free, in use, inside 2 MiB",
                         (unsigned long long)(test.now.retired - test.before.retired));
}
