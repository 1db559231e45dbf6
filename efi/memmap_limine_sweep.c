/* memmap_limine_sweep.c — second stage: who owns each byte.
 *
 * A sweep over the sorted ends of all spans. Between two neighbouring ends nothing changes, so each such
 * interval has one owner, the strictest active descriptor (the first of equals), kept in a priority queue
 * with lazy deletion, and one claim, found by two bit masks:
 *
 *      usable   |-------------------------|
 *      reserved      |----------|                      events  1 2 3  4 5  6 7 8
 *      claim              |----------|                 owner    u r r  r u  u
 *               1    2    3     4  5 ...               claim    - - c  c c  -
 *
 * A descriptor that is not the owner loses its bytes. It remembers where that began, and a trim is written
 * when it becomes the owner or ends: the number of trims follows the number of changes of the owner, not
 * the depth of the overlap. n nested descriptors make O(n) trims, not O(n^2).
 *
 * Cost: O(n log n): the sort, and one push and at most one pop of the queue for each descriptor. */
#include "memmap_limine_internal.h"

static void swap_words(uint64_t *a, uint64_t *b, uint64_t words)
{
    for (uint64_t i = 0; i < words; i++) {
        uint64_t word = a[i];
        a[i] = b[i];
        b[i] = word;
    }
}

/* Let elements[hole] sink until no child is greater. */
static void sift_down(uint64_t *elements, uint64_t hole, uint64_t count, uint64_t words, memmap_less_fn less,
                      uint64_t *comparisons)
{
    while (hole < count / 2) {
        uint64_t child = 2 * hole + 1;
        *comparisons += 1;
        if (child + 1 < count) {
            *comparisons += 1;
            child += less(elements + child * words, elements + (child + 1) * words) ? 1 : 0;
        }
        if (!less(elements + hole * words, elements + child * words)) {
            return;
        }
        swap_words(elements + hole * words, elements + child * words, words);
        hole = child;
    }
}

void memmap_sort(void *elements, uint64_t count, uint64_t element_bytes, memmap_less_fn less, uint64_t *comparisons)
{
    uint64_t *first = elements;
    uint64_t words = element_bytes / sizeof(uint64_t);
    for (uint64_t i = count / 2; i-- > 0;) {
        sift_down(first, i, count, words, less, comparisons);
    }
    while (count > 1) {
        count--;
        swap_words(first, first + count * words, words);
        sift_down(first, 0, count, words, less, comparisons);
    }
}

/* Ends come with starts of the same address; their order does not matter, all are applied before the next interval. */
static bool event_less(const void *left, const void *right)
{
    return ((const struct memmap_event *)left)->at < ((const struct memmap_event *)right)->at;
}

static void add_event(struct memmap_job *job, uint64_t at, uint32_t span, bool is_end)
{
    job->events[job->event_count++] = (struct memmap_event){.at = at, .span = span, .is_end = is_end};
}

static void build_events(struct memmap_job *job)
{
    uint32_t spans = job->descriptors + job->claims;
    for (uint32_t i = 0; i < spans; i++) {
        if (job->spans[i].base < job->spans[i].end) {
            add_event(job, job->spans[i].base, i, false);
            add_event(job, job->spans[i].end, i, true);
        }
    }
    add_event(job, PAGE_SIZE, MEMMAP_NONE, false);
    memmap_sort(job->events, job->event_count, sizeof(struct memmap_event), event_less, &job->output->comparisons);
}

static bool is_stricter(struct memmap_job *job, uint32_t left, uint32_t right)
{
    job->output->comparisons++;
    const struct memmap_span *a = &job->spans[left];
    const struct memmap_span *b = &job->spans[right];
    return a->strictness != b->strictness ? a->strictness > b->strictness : left < right;
}

static void queue_push(struct memmap_job *job, uint32_t span)
{
    uint32_t hole = job->queue_count++;
    while (hole > 0 && is_stricter(job, span, job->queue[(hole - 1) / 2])) {
        job->queue[hole] = job->queue[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    job->queue[hole] = span;
}

static void queue_pop(struct memmap_job *job)
{
    uint32_t count = --job->queue_count;
    uint32_t span = job->queue[count];
    uint32_t hole = 0;
    while (hole < count / 2) {
        uint32_t child = 2 * hole + 1;
        if (child + 1 < count && is_stricter(job, job->queue[child + 1], job->queue[child])) {
            child++;
        }
        if (!is_stricter(job, job->queue[child], span)) {
            break;
        }
        job->queue[hole] = job->queue[child];
        hole = child;
    }
    job->queue[hole] = span;
}

/* The strictest active descriptor. */
static uint32_t queue_top(struct memmap_job *job)
{
    while (job->queue_count > 0 && !job->spans[job->queue[0]].active) {
        queue_pop(job);
    }
    return job->queue_count > 0 ? job->queue[0] : MEMMAP_NONE;
}

static void lose(struct memmap_job *job, const struct memmap_span *span, uint64_t until)
{
    if (span->lost_from < until) {
        memmap_add_trim(job, span->lost_from, until - span->lost_from, span->efi_type, BOOT_TRIM_OVERLAP);
    }
}

static void apply_to_claim(struct memmap_job *job, uint32_t claim, bool is_end)
{
    bool drawable = job->spans[job->descriptors + claim].type == LIMINE_MEMMAP_FRAMEBUFFER;
    uint64_t *mask = drawable ? &job->active_drawable : &job->active_forced;
    if (is_end) {
        *mask &= ~(1ull << claim);
    } else {
        *mask |= 1ull << claim;
    }
}

static void apply(struct memmap_job *job, const struct memmap_event *event, uint32_t *owner)
{
    if (event->span == MEMMAP_NONE) {
        return;
    }
    if (event->span >= job->descriptors) {
        apply_to_claim(job, event->span - job->descriptors, event->is_end != 0);
        return;
    }
    struct memmap_span *span = &job->spans[event->span];
    span->active = event->is_end == 0;
    if (span->active) {
        span->lost_from = span->base;
        queue_push(job, event->span);
        job->active_guards += span->guarded ? 1 : 0;
        return;
    }
    job->active_guards -= span->guarded ? 1 : 0;
    if (*owner == event->span) {
        *owner = MEMMAP_NONE;
    } else {
        lose(job, span, span->end);
    }
}

/* The claim that holds the interval, as a span. Claims that should have it and do not are refused. */
static uint32_t choose_claim(struct memmap_job *job)
{
    uint64_t wanted = job->active_forced | job->active_drawable;
    if (wanted == 0) {
        return MEMMAP_NONE;
    }
    bool may_draw = job->active_guards == 0;
    uint64_t able = job->active_forced != 0 ? job->active_forced : may_draw ? job->active_drawable : 0;
    uint32_t winner = able != 0 ? job->descriptors + (uint32_t)__builtin_ctzll(able) : MEMMAP_NONE;
    for (; wanted != 0; wanted &= wanted - 1) {
        uint32_t claim = (uint32_t)__builtin_ctzll(wanted);
        if (winner == MEMMAP_NONE || job->spans[job->descriptors + claim].type != job->spans[winner].type) {
            job->output->refused_claims |= 1ull << claim;
        }
    }
    return winner;
}

static void add_segment(struct memmap_job *job, uint64_t base, uint64_t end, uint32_t owner, uint32_t claim)
{
    if (owner == MEMMAP_NONE && claim == MEMMAP_NONE) {
        return;
    }
    struct memmap_segment *next = &job->segments[job->segment_count];
    if (job->segment_count > 0 && base != PAGE_SIZE) {
        struct memmap_segment *last = next - 1;
        if (last->end == base && last->owner == owner && last->claim == claim) {
            last->end = end;
            return;
        }
    }
    *next = (struct memmap_segment){.base = base, .end = end, .owner = owner, .claim = claim};
    job->segment_count++;
}

void memmap_sweep(struct memmap_job *job)
{
    build_events(job);
    uint32_t owner = MEMMAP_NONE;
    uint32_t next = 0;
    while (next < job->event_count) {
        uint64_t at = job->events[next].at;
        while (next < job->event_count && job->events[next].at == at) {
            apply(job, &job->events[next], &owner);
            next++;
        }
        uint32_t strictest = queue_top(job);
        if (strictest != owner) {
            if (owner != MEMMAP_NONE) {
                job->spans[owner].lost_from = at;
            }
            if (strictest != MEMMAP_NONE) {
                lose(job, &job->spans[strictest], at);
            }
            owner = strictest;
        }
        uint32_t claim = choose_claim(job);
        if (next < job->event_count) {
            add_segment(job, at, job->events[next].at, owner, claim);
        }
    }
}
