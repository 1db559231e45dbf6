/* main.c — chooses allocators, arenas and rows, repeats, and prints medians and minima.
 *
 *   bench_frames [-a name,…] [-m MiB,…] [-t threads,…] [-r repetitions] [-s seconds] row…|init|frag|verify|dfree
 *
 * The allocators take turns inside each repetition, so that whatever else the machine does falls on all of them alike.
 * Output: one line of tab-separated fields for each figure:
 *   time  row  metric  allocator  MiB  threads  median_ns  lowest_ns  repetitions  full|capped|void
 * and the lines of checks.c. -s: CPU seconds after which a phase ends (5). Exit status 1 when verify found an error. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPETITIONS_MAX 101
#define LIST_MAX 16u

static const struct frame_allocator *const all_allocators[] = {
    &bitmap_naive, &bitmap_next_fit, &buddy_lock,     &buddy_pcp,
#ifndef BENCH_PEERS_ONLY
    &neomem_exact, &neomem_trust,    &neomem_default,
#endif
};
#define ALLOCATORS ARRAY_COUNT(all_allocators)

struct arguments {
    const struct frame_allocator *allocators[ALLOCATORS];
    unsigned allocator_count;
    uint64_t mib[LIST_MAX];
    unsigned mib_count;
    uint64_t threads[LIST_MAX];
    unsigned thread_count;
    int repetitions;
    double cap_ns;
};

/* What the repetitions of one row gave for one allocator. */
struct figures {
    double ns[METRICS_MAX][REPETITIONS_MAX];
    int repetitions;
    bool was_capped;
    bool is_void;
};

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void add_repetition(struct figures *figures, const struct trial *trial)
{
    for (unsigned metric = 0; metric < METRICS_MAX; metric++) {
        double sum = 0;
        for (unsigned thread = 0; thread < trial->threads; thread++) {
            sum += trial->result[thread].ns[metric];
        }
        figures->ns[metric][figures->repetitions] = sum / trial->threads;
    }
    for (unsigned thread = 0; thread < trial->threads; thread++) {
        figures->was_capped = figures->was_capped || trial->result[thread].was_capped;
        figures->is_void = figures->is_void || trial->result[thread].is_void;
    }
    figures->repetitions++;
}

static void print_figures(const struct row *row, const char *allocator, const struct trial *trial,
                          struct figures *figures)
{
    int repetitions = figures->repetitions;
    if (repetitions == 0) {
        return;
    }
    const char *quality = figures->is_void ? "void" : figures->was_capped ? "capped" : "full";
    for (unsigned metric = 0; metric < METRICS_MAX && row->metric[metric] != NULL; metric++) {
        double *ns = figures->ns[metric];
        qsort(ns, (size_t)repetitions, sizeof(ns[0]), ascending);
        (void)printf("time\t%s\t%s\t%s\t%llu\t%u\t%.2f\t%.2f\t%d\t%s\n", row->name, row->metric[metric], allocator,
                     (unsigned long long)(trial->nframes >> 8), trial->threads, ns[repetitions / 2], ns[0], repetitions,
                     quality);
    }
    (void)fflush(stdout);
}

static bool make_room_for_names(struct trial *trial)
{
    uint64_t blocks = (trial->nframes >> trial->order) / trial->threads;
    uint64_t slack = trial->order != 0 ? SLACK_2M : SLACK_FRAMES;
    uint64_t most = 16ull << 20; /* names; enough to leave every cache */
    trial->per_thread = min_u64(blocks > 2 * slack ? blocks - slack : blocks / 2, most);
    uint64_t nbytes = trial->per_thread * trial->threads * sizeof(trial->held[0]);
    trial->held = malloc(nbytes);
    if (trial->held != NULL) {
        memset(trial->held, 0, nbytes);
    }
    return trial->held != NULL;
}

static void run_row(const struct arguments *arguments, const struct row *row, struct trial *trial)
{
    static struct figures figures[ALLOCATORS];
    memset(figures, 0, sizeof(figures));
    trial->order = row->order;
    trial->count = row->count;
    if (!make_room_for_names(trial)) {
        return;
    }
    for (int repetition = 0; repetition < arguments->repetitions; repetition++) {
        for (unsigned i = 0; i < arguments->allocator_count; i++) {
            trial->allocator = arguments->allocators[i];
            bool has_calls = !row->needs_runs || trial->allocator->alloc_run != NULL;
            if (figures[i].was_capped || !has_calls || !trial_start(trial)) {
                continue; /* too slow to repeat, or refused */
            }
            trial_run(trial, row->body);
            add_repetition(&figures[i], trial);
            trial_stop(trial);
        }
    }
    for (unsigned i = 0; i < arguments->allocator_count; i++) {
        print_figures(row, arguments->allocators[i]->name, trial, &figures[i]);
    }
    free(trial->held);
    trial->held = NULL;
}

/* Return: whether all is well. */
static bool run_check(const struct arguments *arguments, const char *name, struct trial *trial)
{
    bool is_well = true;
    for (unsigned i = 0; i < arguments->allocator_count; i++) {
        trial->allocator = arguments->allocators[i];
        if (strcmp(name, "init") == 0) {
            check_init(trial, arguments->repetitions);
        } else if (strcmp(name, "frag") == 0) {
            check_fragmentation(trial);
        } else if (strcmp(name, "dfree") == 0) {
            check_double_free(trial);
        } else if (strcmp(name, "verify") == 0) {
            is_well = check_owners(trial) && is_well;
        } else {
            (void)fprintf(stderr, "no row '%s'\n", name);
            return false;
        }
        (void)fflush(stdout);
    }
    return is_well;
}

/* Whether name is an element of a comma-separated list. */
static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *element = list; element != NULL; element = strchr(element, ',')) {
        element += *element == ',';
        if (strncmp(element, name, length) == 0 && (element[length] == ',' || element[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static unsigned parse_numbers(const char *text, uint64_t numbers[LIST_MAX])
{
    unsigned count = 0;
    while (*text != '\0' && count < LIST_MAX) {
        char *end;
        numbers[count++] = strtoull(text, &end, 10);
        text = *end == ',' ? end + 1 : "";
    }
    return count;
}

static bool parse(struct arguments *arguments, int argc, char **argv)
{
    const char *names = NULL;
    for (int option; (option = getopt(argc, argv, "a:m:t:r:s:")) != -1;) {
        if (option == 'a') {
            names = optarg;
        } else if (option == 'm') {
            arguments->mib_count = parse_numbers(optarg, arguments->mib);
        } else if (option == 't') {
            arguments->thread_count = parse_numbers(optarg, arguments->threads);
        } else if (option == 'r') {
            arguments->repetitions = atoi(optarg);
        } else if (option == 's') {
            arguments->cap_ns = atof(optarg) * 1e9;
        } else {
            return false;
        }
    }
    for (unsigned i = 0; i < ALLOCATORS; i++) {
        if (names == NULL || is_listed(names, all_allocators[i]->name)) {
            arguments->allocators[arguments->allocator_count++] = all_allocators[i];
        }
    }
    bool threads_fit = true;
    for (unsigned i = 0; i < arguments->thread_count; i++) {
        threads_fit = threads_fit && arguments->threads[i] >= 1 && arguments->threads[i] <= THREADS_MAX;
    }
    return threads_fit && arguments->repetitions >= 1 && arguments->repetitions <= REPETITIONS_MAX && optind < argc;
}

/* A name of the command line: a row, all rows that begin so (churn, run), or a check. */
static bool run_named(const struct arguments *arguments, const char *name, struct trial *trial)
{
    bool found = false;
    for (unsigned i = 0; i < row_count; i++) {
        size_t length = strlen(name);
        bool is_group = strncmp(rows[i].name, name, length) == 0 && rows[i].name[length] >= '0' &&
                        rows[i].name[length] <= '9' && name[length - 1] > '9';
        if (strcmp(rows[i].name, name) == 0 || is_group) {
            run_row(arguments, &rows[i], trial);
            found = true;
        }
    }
    return found || run_check(arguments, name, trial);
}

int main(int argc, char **argv)
{
    static struct trial trial;
    struct arguments arguments = {
        .mib = {1024}, .mib_count = 1, .threads = {1}, .thread_count = 1, .repetitions = 7, .cap_ns = 5e9};
    bool is_well = true;
    if (!parse(&arguments, argc, argv)) {
        (void)fprintf(stderr,
                      "usage: %s [-a name,..] [-m MiB,..] [-t threads,..] [-r repetitions] [-s seconds] row..\n",
                      argv[0]);
        return 2;
    }
    for (unsigned m = 0; m < arguments.mib_count; m++) {
        for (unsigned t = 0; t < arguments.thread_count; t++) {
            for (int i = optind; i < argc; i++) {
                trial.nframes = arguments.mib[m] << 8;
                trial.threads = (unsigned)arguments.threads[t];
                trial.cap_ns = arguments.cap_ns;
                is_well = run_named(&arguments, argv[i], &trial) && is_well;
            }
        }
    }
    return is_well ? 0 : 1;
}
