/* frames_report.c — the page frame allocator's figures for people (80 columns) and for programs.
 *
 * Free runs are shown as bars over their size, each twice that of the one before; a bar's height is the logarithm of the
 * count, because a few large runs matter as much as thousands of single frames. */

#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/frames_pool.h>
#include <neomem/frames_report.h>
#include <neomem/printf.h>
#include <neomem/record.h>

#define RUN_CLASSES 19u /* 4 KiB … 512 MiB, and 1 GiB and more */
#define BAR_ROWS 6u
#define SIZE_BYTES 16u

struct free_runs {
    uint64_t counts[RUN_CLASSES]; /* the last one: 1 GiB and more */
    uint64_t longest;             /* frames */
};

static const char *const window_names[FRAMES_WINDOWS] = {"< 16 MiB", "< 4 GiB", ">= 4 GiB"};
static const char *const window_words[FRAMES_WINDOWS] = {"16m", "4g", "high"};

/* ---- numbers --------------------------------------------------------------------------------------------- */

/* "123 KiB", "1.5 GiB": exact or cut after one digit, at most 10 characters. Return: buffer. */
static const char *size_text(uint64_t frames, char buffer[SIZE_BYTES])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    uint64_t tenths = frames * 40; /* of a KiB */
    unsigned unit = 0;
    while (tenths >= 10240 && unit + 1 < ARRAY_COUNT(units)) {
        tenths /= 1024;
        unit++;
    }
    if (tenths % 10 == 0 || tenths >= 1000) {
        neo_snprintf(buffer, SIZE_BYTES, "%llu %s", (unsigned long long)(tenths / 10), units[unit]);
    } else {
        neo_snprintf(buffer, SIZE_BYTES, "%llu.%llu %s", (unsigned long long)(tenths / 10),
                     (unsigned long long)(tenths % 10), units[unit]);
    }
    return buffer;
}

/* At most three digits and a letter: "999", "12K", "3M". */
static const char *short_number(uint64_t value, char buffer[SIZE_BYTES])
{
    static const char units[] = {'\0', 'K', 'M', 'G', 'T', 'P', 'E'};
    unsigned unit = 0;
    while (value >= 1000) {
        value /= 1000;
        unit++;
    }
    neo_snprintf(buffer, SIZE_BYTES, unit == 0 ? "%llu" : "%llu%c", (unsigned long long)value, units[unit]);
    return buffer;
}

/* Rounded down, so that only all of it is 1000. */
static uint64_t per_mille(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : part * 1000 / whole;
}

static struct free_runs count_runs(void)
{
    uint64_t counts[64];
    struct free_runs runs = {.longest = 0};
    frames_drain();
    runs.longest = frames_count_free_runs(counts);
    for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
        runs.counts[i < RUN_CLASSES ? i : RUN_CLASSES - 1] += counts[i];
    }
    return runs;
}

/* ---- totals ---------------------------------------------------------------------------------------------- */

static void print_total(const char *label, uint64_t frames, uint64_t total, const char *note)
{
    char size[SIZE_BYTES];
    uint64_t share = per_mille(frames, total);
    kprintf("  %-10s %12llu frames %10s %4llu.%llu %%%s%s\n", label, (unsigned long long)frames,
            size_text(frames, size), (unsigned long long)(share / 10), (unsigned long long)(share % 10),
            note[0] != '\0' ? "  " : "", note);
}

static void print_totals(const struct frames_stats *stats)
{
    char note[48];
    char size[SIZE_BYTES];
    neo_snprintf(note, sizeof(note), "in %llu %s", (unsigned long long)stats->spans,
                 stats->spans == 1 ? "piece" : "pieces");
    print_total("managed", stats->total, stats->total, note);
    neo_snprintf(note, sizeof(note), "%s in CPUs' caches", size_text(stats->cached, size));
    print_total("  free", stats->free, stats->total, stats->cached != 0 ? note : "");
    print_total("  in use", stats->allocated, stats->total, "");
    print_total("  reserve", stats->reserve, stats->total, "ready in the page pool");
    print_total("  metadata", stats->metadata, stats->total, "the allocator's own");
    print_total("  retired", stats->retired, stats->total, stats->retired != 0 ? "`frames retire` lists them" : "");
}

/* ---- nodes and windows ----------------------------------------------------------------------------------- */

static void print_zone(const char *node, const char *window, const struct frames_zone_stats *zone)
{
    char total[SIZE_BYTES];
    char free[SIZE_BYTES];
    char kept[SIZE_BYTES];
    uint64_t share = per_mille(zone->free, zone->total);
    kprintf("  %4s  %-9s %10s %10s %4llu.%llu %% %10llu %8llu %10s\n", node, window, size_text(zone->total, total),
            size_text(zone->free, free), (unsigned long long)(share / 10), (unsigned long long)(share % 10),
            (unsigned long long)zone->free_2m, (unsigned long long)zone->free_1g, size_text(zone->reserve, kept));
}

static void print_zones(void)
{
    unsigned nodes = frames_nodes();
    kprintf("  %4s  %-9s %10s %10s %8s %10s %8s %10s\n", "node", "window", "managed", "free", "", "free 2 MiB", "1 GiB",
            "kept back");
    /* With several nodes, one more round for all of them together. */
    for (unsigned node = 0; node < nodes + (nodes > 1); node++) {
        bool is_sum = node == nodes;
        char number[16];
        neo_snprintf(number, sizeof(number), "%u", node);
        for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
            struct frames_zone_stats zone;
            frames_get_zone_stats(is_sum ? UINT32_MAX : node, (enum frames_window)window, &zone);
            if (zone.total != 0) {
                print_zone(is_sum ? "all" : number, window_names[window], &zone);
            }
        }
    }
}

/* ---- free runs ------------------------------------------------------------------------------------------- */

/* log2 of value, in 16ths, for value >= 1: the whole part is exact, between two powers it is linear. */
static uint64_t log2_16ths(uint64_t value)
{
    unsigned whole = 63u - (unsigned)__builtin_clzll(value);
    uint64_t below = value - (1ull << whole);
    return whole * 16ull + (whole >= 4 ? below >> (whole - 4) : below << (4 - whole));
}

/* Height of a bar in rows, 1 … BAR_ROWS; 0 for none. */
static unsigned bar_height(uint64_t count, uint64_t largest)
{
    if (count == 0) {
        return 0;
    }
    uint64_t full = log2_16ths(largest + 1);
    uint64_t height = (log2_16ths(count + 1) * BAR_ROWS + full / 2) / full;
    return (unsigned)min_u64(max_u64(height, 1), BAR_ROWS);
}

static void print_runs(const struct free_runs *runs)
{
    static const char *const labels[RUN_CLASSES] = {"4K", "8K", "16K", "32K", "64K", "128", "256", "512", "1M", "2M",
                                                    "4M", "8M", "16M", "32M", "64M", "128", "256", "512", "1G+"};
    char text[SIZE_BYTES];
    uint64_t largest = 0;
    for (unsigned i = 0; i < RUN_CLASSES; i++) {
        largest = max_u64(largest, runs->counts[i]);
    }
    kprintf("  free runs by size; the longest is %s\n", size_text(runs->longest, text));
    /* A bar's count stands on top of it: one row more. */
    for (unsigned row = BAR_ROWS + 1; row > 0 && largest != 0; row--) {
        kprintf("  ");
        for (unsigned i = 0; i < RUN_CLASSES; i++) {
            unsigned height = bar_height(runs->counts[i], largest);
            const char *cell = height >= row ? "###" : height + 1 == row && height != 0 ? NULL : "";
            kprintf(" %3s", cell != NULL ? cell : short_number(runs->counts[i], text));
        }
        kprintf("\n");
    }
    kprintf("  ");
    for (unsigned i = 0; i < RUN_CLASSES; i++) {
        kprintf(" %3s", labels[i]);
    }
    kprintf("\n");
}

void frames_report_summary(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    struct free_runs runs = count_runs();
    print_totals(&stats);
    kprintf("  hardening level %u; `frames map` shows where everything is\n\n", frames_hardening());
    print_zones();
    kprintf("\n");
    print_runs(&runs);
}

/* ---- records --------------------------------------------------------------------------------------------- */

static void record_totals(void)
{
    static const char *const keys[RUN_CLASSES] = {"runs_4k",   "runs_8k",   "runs_16k",  "runs_32k", "runs_64k",
                                                  "runs_128k", "runs_256k", "runs_512k", "runs_1m",  "runs_2m",
                                                  "runs_4m",   "runs_8m",   "runs_16m",  "runs_32m", "runs_64m",
                                                  "runs_128m", "runs_256m", "runs_512m", "runs_1g"};
    struct frames_stats stats;
    struct record record;
    struct free_runs runs = count_runs();
    frames_get_stats(&stats);
    record_begin(&record, "frames");
    record_number(&record, "total", stats.total);
    record_number(&record, "free", stats.free);
    record_number(&record, "allocated", stats.allocated);
    record_number(&record, "reserve", stats.reserve);
    record_number(&record, "metadata", stats.metadata);
    record_number(&record, "retired", stats.retired);
    record_number(&record, "cached", stats.cached);
    record_number(&record, "spans", stats.spans);
    record_number(&record, "nodes", frames_nodes());
    record_number(&record, "hardening", frames_hardening());
    record_number(&record, "longest_run", runs.longest);
    for (unsigned i = 0; i < RUN_CLASSES; i++) {
        record_number(&record, keys[i], runs.counts[i]);
    }
    record_end(&record);
}

static void record_zone(unsigned node, unsigned window, const struct frames_zone_stats *zone)
{
    struct record record;
    record_begin(&record, "frames_zone");
    record_number(&record, "node", node);
    record_text(&record, "window", window_words[window]);
    record_number(&record, "total", zone->total);
    record_number(&record, "free", zone->free);
    record_number(&record, "free_2m", zone->free_2m);
    record_number(&record, "free_1g", zone->free_1g);
    record_number(&record, "reserve", zone->reserve);
    record_end(&record);
}

void frames_report_records(void)
{
    record_totals();
    for (unsigned node = 0; node < frames_nodes(); node++) {
        for (unsigned window = 0; window < FRAMES_WINDOWS; window++) {
            struct frames_zone_stats zone;
            frames_get_zone_stats(node, (enum frames_window)window, &zone);
            if (zone.total != 0) {
                record_zone(node, window, &zone);
            }
        }
    }
}

/* ---- pools ----------------------------------------------------------------------------------------------- */

static void record_pool(const struct frames_pool *pool, const struct frames_pool_stats *stats)
{
    struct record record;
    record_begin(&record, "frames_pool");
    record_text(&record, "name", pool->name);
    record_number(&record, "limit", stats->limit);
    record_number(&record, "held", stats->held);
    record_number(&record, "live", stats->live);
    record_number(&record, "low_mark", stats->low_mark);
    record_number(&record, "allocs", stats->allocs);
    record_number(&record, "from_pool", stats->from_pool);
    record_number(&record, "frees", stats->frees);
    record_number(&record, "failures", stats->failures);
    record_end(&record);
}

void frames_report_pools(void)
{
    struct frames_pool *pool;
    struct frames_pool_stats stats;
    kprintf("  %-8s %8s %8s %8s %8s %10s %9s %8s\n", "pool", "limit", "ready", "lowest", "in use", "requests",
            "from pool", "refused");
    for (unsigned i = 0; (pool = frames_pool_at(i)) != NULL; i++) {
        frames_pool_get_stats(pool, &stats);
        kprintf("  %-8s %8llu %8llu %8llu %8llu %10llu %9llu %8llu\n", pool->name, (unsigned long long)stats.limit,
                (unsigned long long)stats.held, (unsigned long long)stats.low_mark, (unsigned long long)stats.live,
                (unsigned long long)stats.allocs, (unsigned long long)stats.from_pool,
                (unsigned long long)stats.failures);
    }
    for (unsigned i = 0; (pool = frames_pool_at(i)) != NULL; i++) {
        frames_pool_get_stats(pool, &stats);
        record_pool(pool, &stats);
    }
}

void frames_report_bad(phys_addr_t pa, const char *cause, bool pending)
{
    struct record record;
    record_begin(&record, "bad_frame");
    record_hex(&record, "phys", align_down(pa, PAGE_SIZE));
    record_text(&record, "cause", cause);
    record_bool(&record, "pending", pending);
    record_end(&record);
}
