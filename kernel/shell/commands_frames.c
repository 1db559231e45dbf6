/* commands_frames.c — `frames`: the page frame allocator in figures and pictures, and asking about single frames. */
#include "commands_frames.h"
#include "commands.h"

#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/frames_pool.h>
#include <neomem/frames_report.h>
#include <neomem/parse.h>
#include <neomem/string.h>

#define RETIRED_LISTED_MAX 64u

/* ---- one frame --------------------------------------------------------------------------------------------- */

static void print_owner(phys_addr_t pa, const struct frames_owner *owner)
{
    const struct frames_pool *pool = frames_pool_holding(pa);
    kprintf("  frame 0x%llx of chunk 0x%llx: %s", (unsigned long long)align_down(pa, PAGE_SIZE),
            (unsigned long long)align_down(pa, PAGE_SIZE_2M), frames_state_name(owner->state));
    if (owner->state != FRAMES_STATE_FOREIGN) {
        kprintf(", node %u", owner->node);
    }
    if (owner->cached_by >= 0) {
        kprintf(", in the cache of CPU %d", owner->cached_by);
    }
    if (pool != NULL) {
        kprintf(", ready in the pool \"%s\"", pool->name);
    }
    kprintf("\n");
    if (owner->is_retiring) {
        kprintf("  will be retired when it is freed\n");
    }
    if (owner->allocated_by != NULL) {
        kprintf("  last allocated by %p\n", owner->allocated_by);
    }
    if (owner->freed_by != NULL) {
        kprintf("  last freed by %p\n", owner->freed_by);
    }
}

static bool query(const char *address)
{
    uint64_t pa;
    struct frames_owner owner;
    if (address == NULL || !parse_hex(address, &pa)) {
        kprintf("frames query: wants a physical address, as 1a3000 or 0x1a3000\n");
        return false;
    }
    frames_query(pa, &owner);
    print_owner(pa, &owner);
    return true;
}

/* ---- frames that are not used any more ------------------------------------------------------------------------ */

static bool list_retired(void)
{
    phys_addr_t pa;
    uint64_t count = 0;
    for (; (pa = frames_retired_at(count)) != FRAMES_NONE; count++) {
        struct frames_owner owner;
        if (count >= RETIRED_LISTED_MAX) {
            continue;
        }
        frames_query(pa, &owner);
        kprintf("  0x%016llx  %s\n", (unsigned long long)pa,
                owner.is_retiring ? "in use, retired as soon as it is freed" : "retired");
    }
    if (count > RETIRED_LISTED_MAX) {
        kprintf("  and %llu more\n", (unsigned long long)(count - RETIRED_LISTED_MAX));
    }
    if (count == 0) {
        kprintf("No frame is retired; `frames retire ADDRESS` takes one out of use for good.\n");
    }
    return true;
}

static bool retire(const char *address)
{
    uint64_t pa;
    bool pending = false;
    if (address == NULL) {
        return list_retired();
    }
    if (!parse_hex(address, &pa)) {
        kprintf("frames retire: wants a physical address, as 1a3000 or 0x1a3000\n");
        return false;
    }
    unsigned long long frame = align_down(pa, PAGE_SIZE);
    enum neo_status status = frames_retire(pa, &pending);
    if (status == NEO_OK) {
        kprintf(pending ? "  frame 0x%llx is in use; it is retired as soon as its owner frees it\n"
                        : "  frame 0x%llx is retired: nobody gets it any more\n",
                frame);
        frames_report_bad(pa, "command", pending);
    } else if (status == NEO_ERR_NOT_FOUND) {
        kprintf("frames retire: 0x%llx is no memory of the allocator\n", frame);
    } else if (status == NEO_ERR_INVALID) {
        kprintf("frames retire: 0x%llx holds the allocator's own metadata\n", frame);
    } else {
        kprintf("frames retire: 0x%llx: %s\n", frame, neo_status_name(status));
    }
    return status == NEO_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

static bool check(const char *address)
{
    (void)address;
    enum neo_status status = frames_check();
    if (status == NEO_OK) {
        kprintf("  all invariants hold: states, summaries, counters, caches, regions\n");
    } else {
        kprintf("frames check: the allocator's books are wrong: %s\n", neo_status_name(status));
    }
    return status == NEO_OK;
}

static bool pools(const char *address)
{
    (void)address;
    if (frames_pool_at(0) == NULL) {
        kprintf("There are no pools.\n");
        return true;
    }
    frames_report_pools();
    kprintf("  `options page-pool=N` changes the limit of the page pool.\n");
    return true;
}

static bool map(const char *address)
{
    (void)address;
    return frames_show_map();
}

static bool bench(const char *address)
{
    (void)address;
    return frames_run_bench();
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *argument;             /* "": takes none */
    bool (*run)(const char *address); /* NULL: none was given */
    const char *help;
} subcommands[] = {
    {"map", "", map, "a picture of physical memory"},
    {"pools", "", pools, "frames set aside for what must not fail"},
    {"query", "ADDRESS", query, "what is known about the frame at a physical address"},
    {"retire", "[ADDRESS]", retire, "take it out of use for good; without ADDRESS: list"},
    {"check", "", check, "whether all invariants of the allocator hold"},
    {"bench", "", bench, "how long allocating and freeing takes on this machine"},
};

static bool explain(void)
{
    (void)shell_usage("frames");
    kprintf("  frames                  totals, nodes and windows, free runs by size\n");
    for (size_t i = 0; i < ARRAY_COUNT(subcommands); i++) {
        kprintf("  frames %-6s %-9s %s\n", subcommands[i].name, subcommands[i].argument, subcommands[i].help);
    }
    return false;
}

bool command_frames(unsigned argc, char *const *argv)
{
    if (argc == 1) {
        frames_report_summary();
        frames_report_records();
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(subcommands); i++) {
        unsigned words_max = subcommands[i].argument[0] != '\0' ? 3 : 2;
        if (neo_strcmp(argv[1], subcommands[i].name) == 0 && argc <= words_max) {
            return subcommands[i].run(argc == 3 ? argv[2] : NULL);
        }
    }
    return explain();
}
