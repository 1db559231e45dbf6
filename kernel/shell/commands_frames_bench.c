/* commands_frames_bench.c — `frames bench`: cycles of the time stamp counter for one call, on this machine as it is now.
 *
 * Each figure is the least and the median of SAMPLES_MAX samples; the least is what the code costs, the median what it
 * usually costs here (interrupts off or not, caches, an emulator). A sample of something quick is many calls, so that reading
 * the counter does not count. "The last free 2 MiB frame" is the hardest search: everything else is taken, in as few and large
 * runs as there are. Everything is given back, and the figures at the end must be those of the beginning. */
#include "commands.h"
#include "commands_frames.h"

#include <neomem/arch.h>
#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/frames.h>
#include <neomem/io.h>
#include <neomem/memory.h>
#include <neomem/record.h>
#include <neomem/sort.h>

#define SAMPLES_MAX 101u
#define CALLS 64u /* in one sample of something quick */
#define SLOW_CYCLES 20000u
#define BULK_FRAMES 4096u /* at most, and at most a quarter of what is free */
#define BULK_SAMPLES 21u
#define RUN_FRAMES 17u
#define FILL_RUNS_MAX 4096u

struct samples {
    const char *name; /* in the record */
    const char *text;
    uint64_t values[SAMPLES_MAX];
    unsigned count; /* 0: could not be measured */
};

static struct {
    struct samples pair, bulk_alloc, bulk_free, huge, run, last;
    uint64_t bulk_frames;
} bench;

static void add_sample(struct samples *samples, uint64_t cycles, uint64_t calls)
{
    if (samples->count < SAMPLES_MAX) {
        samples->values[samples->count++] = cycles / calls;
    }
}

/* ---- what is measured -------------------------------------------------------------------------------------------- */

/* calls requests of count frames, each freed at once. Return: cycles for all of them; 0 when there is no such memory. */
static uint64_t time_pairs(phys_addr_t (*alloc)(void), uint64_t count, unsigned calls)
{
    uint64_t start = arch_cycles();
    for (unsigned call = 0; call < calls; call++) {
        phys_addr_t pa = alloc();
        if (pa == FRAMES_NONE) {
            return 0;
        }
        frames_free(pa, count);
    }
    return max_u64(arch_cycles() - start, 1);
}

/* Slow pairs (hardening level 3 looks at every byte) are timed one by one, and no longer than a second. */
static bool measure_pairs(struct samples *samples, phys_addr_t (*alloc)(void), uint64_t count)
{
    uint64_t first = time_pairs(alloc, count, 1);
    unsigned calls = first < SLOW_CYCLES ? CALLS : 1;
    uint64_t start = arch_cycles();
    for (unsigned sample = 0; first != 0 && sample < SAMPLES_MAX; sample++) {
        uint64_t cycles = time_pairs(alloc, count, calls);
        if (cycles == 0) {
            samples->count = 0;
            return false;
        }
        add_sample(samples, cycles, calls);
        if (arch_cycles() - start > arch_tsc_hz()) {
            break;
        }
    }
    return first != 0;
}

static phys_addr_t alloc_run(void)
{
    return frames_alloc(RUN_FRAMES, 1, 0, FRAMES_ANYWHERE);
}

/* Many single frames, first all of them allocated, then all freed. */
static bool measure_bulk(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    uint64_t wanted = min_u64(BULK_FRAMES, stats.free / 4);
    bench.bulk_frames = wanted;
    if (wanted == 0) {
        return false;
    }
    /* Frames, and no heap block: the heap could grow and keep what it got. */
    uint64_t list_frames = bytes_to_pages(wanted * sizeof(phys_addr_t));
    phys_addr_t *frames = allocate_pages(list_frames);
    bool complete = frames != NULL;
    for (unsigned sample = 0; sample < BULK_SAMPLES && complete; sample++) {
        uint64_t taken = 0;
        uint64_t start = arch_cycles();
        while (taken < wanted && (frames[taken] = frames_alloc_one()) != FRAMES_NONE) {
            taken++;
        }
        uint64_t middle = arch_cycles();
        for (uint64_t i = 0; i < taken; i++) {
            frames_free(frames[i], 1);
        }
        uint64_t end = arch_cycles();
        complete = taken == wanted;
        if (complete) {
            add_sample(&bench.bulk_alloc, middle - start, wanted);
            add_sample(&bench.bulk_free, end - middle, wanted);
        }
    }
    free_pages(frames, list_frames);
    return complete;
}

/* ---- the last free 2 MiB frame ------------------------------------------------------------------------------------- */

struct fill_run {
    phys_addr_t pa;
    uint64_t frames;
};

struct fill {
    struct fill_run *runs;
    uint64_t count;
};

/* Take all that frames_alloc gives out, in runs as large as it gives. Return: whether no 2 MiB frame is left. */
static bool fill_memory(struct fill *fill)
{
    uint64_t wanted = frames_longest_free_run();
    while (wanted > 0 && fill->count < FILL_RUNS_MAX) {
        phys_addr_t pa = frames_alloc(wanted, 1, 0, FRAMES_ANYWHERE);
        if (pa == FRAMES_NONE) {
            wanted -= (wanted + 7) / 8; /* the reserve of a low window is part of a longer run */
        } else {
            fill->runs[fill->count++] = (struct fill_run){pa, wanted};
            wanted = frames_longest_free_run();
        }
    }
    phys_addr_t another = frames_alloc_2m();
    if (another != FRAMES_NONE) {
        frames_free(another, FRAMES_2M);
    }
    return another == FRAMES_NONE;
}

static bool measure_last(void)
{
    uint64_t list_frames = bytes_to_pages(FILL_RUNS_MAX * sizeof(struct fill_run));
    struct fill fill = {.runs = allocate_pages(list_frames)};
    bool complete = false;
    if (fill.runs == NULL) {
        return false;
    }
    phys_addr_t last = frames_alloc_2m(); /* taken first, so that it can go back as a whole */
    if (last != FRAMES_NONE) {
        bool full = fill_memory(&fill);
        frames_free(last, FRAMES_2M);
        complete = full && measure_pairs(&bench.last, frames_alloc_2m, FRAMES_2M);
    }
    while (fill.count > 0) {
        fill.count--;
        frames_free(fill.runs[fill.count].pa, fill.runs[fill.count].frames);
    }
    free_pages(fill.runs, list_frames);
    return complete;
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

static int compare_values(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t median_of(const struct samples *samples)
{
    return samples->values[samples->count / 2];
}

static void show(struct samples *samples)
{
    if (samples->count == 0) {
        kprintf("  %-42s not with the memory that is free\n", samples->text);
        return;
    }
    neo_sort(samples->values, samples->count, sizeof(samples->values[0]), compare_values);
    uint64_t tenths = median_of(samples) * 10000 / max_u64(arch_tsc_hz() / 1000000, 1); /* of a nanosecond */
    kprintf("  %-42s %8llu %8llu %10llu.%llu\n", samples->text, (unsigned long long)samples->values[0],
            (unsigned long long)median_of(samples), (unsigned long long)(tenths / 10),
            (unsigned long long)(tenths % 10));
}

static void record(const struct samples *samples)
{
    struct record r;
    if (samples->count == 0) {
        return;
    }
    record_begin(&r, "frames_bench");
    record_text(&r, "name", samples->name);
    record_number(&r, "min_cycles", samples->values[0]);
    record_number(&r, "median_cycles", median_of(samples));
    record_number(&r, "samples", samples->count);
    record_number(&r, "tsc_hz", arch_tsc_hz());
    record_number(&r, "hardening", frames_hardening());
    record_end(&r);
}

/* Frames may be in other CPUs' or in this CPU's cache now: free is free. */
static bool is_as_before(const struct frames_stats *before)
{
    struct frames_stats after;
    frames_get_stats(&after);
    return after.total == before->total && after.free == before->free && after.reserve == before->reserve &&
           after.allocated == before->allocated && after.retired == before->retired;
}

static void start(struct samples *samples, const char *name, const char *text)
{
    *samples = (struct samples){.name = name, .text = text};
}

bool frames_run_bench(void)
{
    struct frames_stats before;
    frames_get_stats(&before);
    start(&bench.pair, "frame_pair", "one frame, allocated and freed");
    start(&bench.bulk_alloc, "bulk_alloc", "of many frames in a row: allocating one");
    start(&bench.bulk_free, "bulk_free", "of many frames in a row: freeing one");
    start(&bench.huge, "huge_pair", "a 2 MiB frame, allocated and freed");
    start(&bench.run, "run_17_pair", "a run of 17 frames, allocated and freed");
    start(&bench.last, "last_2m_pair", "the last free 2 MiB frame, the same");
    bool complete = measure_pairs(&bench.pair, frames_alloc_one, 1);
    complete = measure_bulk() && complete;
    complete = measure_pairs(&bench.huge, frames_alloc_2m, FRAMES_2M) && complete;
    complete = measure_pairs(&bench.run, alloc_run, RUN_FRAMES) && complete;
    complete = measure_last() && complete;
    bool kept = is_as_before(&before);

    kprintf("  %-42s %8s %8s %12s\n", "cycles of the time stamp counter", "least", "median", "median, ns");
    struct samples *const all[] = {&bench.pair, &bench.bulk_alloc, &bench.bulk_free,
                                   &bench.huge, &bench.run,        &bench.last};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        show(all[i]);
    }
    kprintf("  Hardening level %u; many are %llu. In an emulator these are its own times:\n"
            "  compare them with each other, and with runs on the same host only.\n",
            frames_hardening(), (unsigned long long)bench.bulk_frames);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        record(all[i]);
    }
    if (!kept) {
        kprintf("frames bench: the allocator's figures are not what they were before\n");
    }
    return complete && kept;
}
