/* model_memory_map.c — the kernel's memory map against a painter.
 *
 * Random legal Limine maps in a small world of 1 KiB units, four to a frame, below and above 1 MiB or at the end of
 * 2^64; then random claims and reclaims. The model holds one byte a unit, its kind, and applies every operation unit
 * by unit. After each operation all units, sums, look-ups, the published list and the invariants are compared, and an
 * operation that was refused must have changed nothing.
 *
 *     model_memory_map [operations [seed]] */
#include "tests/support/memmaps.h"

#include <inttypes.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 1024ull
#define FRAME_UNITS 4u
#define UNITS 512u
#define FRAMES (UNITS / FRAME_UNITS)
#define ENTRIES_MAX 80u
#define EXCLUDED_MAX 4u
#define HOLE UINT8_MAX

static struct {
    uint64_t base;
    uint64_t low_limit;
    uint8_t kind[UNITS];
    struct memory_map map;
    void *storage;
    uint64_t seed;
    uint64_t changes; /* that the storage was made for and that are left */
} w;

static uint64_t rng;

static uint64_t below(uint64_t limit)
{
    return test_random(&rng) % limit;
}

static void check(bool right, const char *what)
{
    if (right) {
        return;
    }
    fprintf(stderr, "seed %" PRIu64 ": %s\n", w.seed, what);
    for (uint64_t i = 0; i < w.map.count; i++) {
        fprintf(stderr, "  %#" PRIx64 " + %#" PRIx64 " %s\n", w.map.regions[i].base, w.map.regions[i].length,
                memory_kind_name(w.map.regions[i].kind));
    }
    exit(1);
}

/* ---- making a legal map --------------------------------------------------------------------------- */

static int by_base(const void *left, const void *right)
{
    const struct limine_memmap_entry *a = left;
    const struct limine_memmap_entry *b = right;
    return a->base < b->base ? -1 : a->base > b->base;
}

static void paint(uint64_t first, uint64_t count, uint8_t kind)
{
    memset(w.kind + first, kind, count);
}

/* Usable and reclaimable runs of whole frames first; the others only where none of those is, over each other as they like. */
static uint64_t make_entries(struct limine_memmap_entry *entries)
{
    static const uint8_t others[] = {1, 2, 3, 4, 6, 7, 8};
    uint64_t count = 0;
    memset(w.kind, HOLE, sizeof(w.kind));
    for (uint64_t frame = below(4); frame < FRAMES && count < ENTRIES_MAX / 2;) {
        uint64_t frames = 1 + below(below(3) == 0 ? 24 : 4);
        frames = frames < FRAMES - frame ? frames : FRAMES - frame;
        if (below(3) != 0) {
            uint8_t type = below(2) == 0 ? 0 : 5;
            entries[count++] = (struct limine_memmap_entry){w.base + frame * PAGE_SIZE, frames * PAGE_SIZE, type};
            paint(frame * FRAME_UNITS, frames * FRAME_UNITS, type);
        }
        frame += frames;
    }
    for (uint64_t tries = below(60); tries > 0 && count < ENTRIES_MAX; tries--) {
        uint64_t first = below(UNITS);
        uint64_t units = below(20);
        uint8_t type = others[below(7)];
        bool free = first + units <= UNITS;
        for (uint64_t u = first; free && u < first + units; u++) {
            free = w.kind[u] != 0 && w.kind[u] != 5;
        }
        if (!free) {
            continue;
        }
        entries[count++] = (struct limine_memmap_entry){w.base + first * UNIT, units * UNIT, type};
        for (uint64_t u = first; u < first + units; u++) {
            if (w.kind[u] == HOLE || limine_memmap_strictness(type) > limine_memmap_strictness(w.kind[u])) {
                w.kind[u] = type;
            }
        }
    }
    qsort(entries, count, sizeof(*entries), by_base);
    return count;
}

/* ---- comparing ------------------------------------------------------------------------------------ */

static void compare(void)
{
    check(memory_map_verify(&w.map), "invariants");
    uint64_t totals[MEMORY_KIND_COUNT];
    uint64_t painted[MEMORY_KIND_COUNT] = {0};
    memory_map_totals(&w.map, totals);
    for (uint32_t u = 0; u < UNITS; u++) {
        uint64_t address = w.base + u * UNIT + below(UNIT);
        const struct memory_region *region = memory_map_find(&w.map, address);
        check((region == NULL ? HOLE : region->kind) == w.kind[u], "kind of a unit");
        if (w.kind[u] != HOLE) {
            painted[w.kind[u]] += UNIT;
        }
    }
    for (unsigned kind = 0; kind < MEMORY_KIND_COUNT; kind++) {
        check(totals[kind] == painted[kind], "totals");
        check(memory_map_total(&w.map, (enum memory_kind)kind) == painted[kind], "total of one kind");
    }
    memory_map_publish(&w.map);
    uint64_t usable = 0;
    for (uint64_t i = 0; i < availableMemoryRegionsCount; i++) {
        usable += availableMemoryRegions[i].length;
    }
    check(usable == painted[MEMORY_USABLE], "availableMemoryRegions");
    check(memmap_check(availableMemoryRegions, availableMemoryRegionsCount, NULL), "published map is legal");
    uint64_t first = below(UNITS);
    uint64_t units = 1 + below(UNITS - first);
    unsigned kinds = (unsigned)below(MEMORY_KINDS_ALL + 1);
    bool covered = true;
    for (uint64_t u = first; u < first + units; u++) {
        covered = covered && w.kind[u] != HOLE && (kinds >> w.kind[u] & 1) != 0;
    }
    check(memory_map_covers(&w.map, w.base + first * UNIT, units * UNIT, kinds) == covered, "covers");
}

/* ---- operations ----------------------------------------------------------------------------------- */

static void claim(void)
{
    uint64_t first = below(FRAMES);
    uint64_t frames = 1 + below(below(2) == 0 ? 2 : FRAMES - first);
    frames = frames < FRAMES - first ? frames : FRAMES - first;
    enum memory_kind from = below(2) == 0 ? MEMORY_USABLE : MEMORY_BOOTLOADER_RECLAIMABLE;
    enum memory_kind to = below(4) == 0 ? MEMORY_RESERVED : MEMORY_MANAGER;
    bool possible = true;
    for (uint64_t u = first * FRAME_UNITS; u < (first + frames) * FRAME_UNITS; u++) {
        possible = possible && w.kind[u] == (uint8_t)from;
    }
    enum neo_status status = memory_map_claim(&w.map, w.base + first * PAGE_SIZE, frames * PAGE_SIZE, from, to);
    if (!possible) {
        check(status == NEO_ERR_NOT_FOUND, "an impossible claim is refused");
        return;
    }
    check(status == NEO_OK || (status == NEO_ERR_LIMIT && w.changes == 0),
          "a claim within the announced changes succeeds");
    if (status == NEO_OK) {
        paint(first * FRAME_UNITS, frames * FRAME_UNITS, (uint8_t)to);
        w.changes -= w.changes > 0 ? 1 : 0;
    }
}

struct taking {
    uint64_t refuse_one_in;
    bool refused[UNITS];
    uint64_t last_end;
};

static bool take_over(void *context, phys_addr_t base, uint64_t length)
{
    struct taking *taking = context;
    check(base - w.base >= taking->last_end, "runs are handed over in order");
    taking->last_end = base - w.base + length;
    if (below(taking->refuse_one_in) != 0) {
        return true;
    }
    memset(taking->refused + (base - w.base) / UNIT, true, length / UNIT);
    return false;
}

static bool is_excluded(const struct memory_range *excluded, uint64_t count, uint32_t unit)
{
    uint64_t frame = (w.base + unit * UNIT) / PAGE_SIZE;
    for (uint64_t i = 0; i < count; i++) {
        if (excluded[i].length != 0 && frame >= excluded[i].base / PAGE_SIZE &&
            frame <= (excluded[i].base + excluded[i].length - 1) / PAGE_SIZE) {
            return true;
        }
    }
    return false;
}

static void reclaim(void)
{
    struct memory_range excluded[EXCLUDED_MAX];
    uint64_t count = below(EXCLUDED_MAX + 1);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = below(UNITS * UNIT);
        excluded[i] = (struct memory_range){w.base + offset, below(UNITS * UNIT - offset) / (1 + below(40))};
    }
    struct taking taking = {.refuse_one_in = 2 + below(8)};
    struct memory_reclaim_report report;
    enum neo_status status = memory_map_reclaim(&w.map, excluded, count, take_over, &taking, &report);
    check(status == NEO_OK || (status == NEO_ERR_LIMIT && w.changes < count),
          "a reclaim within the announced changes succeeds");
    if (status != NEO_OK) {
        check(taking.last_end == 0, "a refused reclaim hands nothing over");
        return;
    }
    w.changes -= count < w.changes ? count : w.changes;
    uint64_t sums[4] = {0};
    for (uint32_t u = 0; u < UNITS; u++) {
        if (w.kind[u] != MEMORY_BOOTLOADER_RECLAIMABLE) {
            continue;
        }
        if (is_excluded(excluded, count, u)) {
            sums[0] += UNIT;
        } else if (w.base + u * UNIT < w.low_limit) {
            w.kind[u] = MEMORY_LOW;
            sums[1] += UNIT;
        } else if (taking.refused[u]) {
            sums[2] += UNIT;
        } else {
            w.kind[u] = MEMORY_USABLE;
            sums[3] += UNIT;
        }
    }
    check(report.excluded == sums[0] && report.to_low == sums[1] && report.refused == sums[2] &&
              report.to_usable == sums[3],
          "the report's sums");
    check(report.before[MEMORY_USABLE] + report.to_usable == report.after[MEMORY_USABLE], "before and after");
}

static uint64_t run_map(uint64_t budget)
{
    static const uint64_t bases[] = {0, MIB(1) - UNITS / 2 * UNIT, MIB(64), 0 - UNITS * UNIT};
    struct limine_memmap_entry entries[ENTRIES_MAX];
    w.base = bases[below(4)];
    w.low_limit = below(3) == 0 ? 0 : MEMORY_MAP_LOW_LIMIT;
    uint64_t count = make_entries(entries);
    w.changes = below(8);
    uint64_t nbytes = memory_map_storage_bytes(count, w.changes);
    w.storage = malloc(nbytes);
    check(memory_map_init(&w.map, entries, count, w.low_limit, w.storage, nbytes) == NEO_OK, "init");
    for (uint32_t u = 0; u < UNITS; u++) {
        if (w.kind[u] == MEMORY_USABLE && w.base + u * UNIT < w.low_limit) {
            w.kind[u] = MEMORY_LOW;
        }
    }
    compare();
    uint64_t operations = 1 + below(12);
    operations = operations < budget ? operations : budget;
    for (uint64_t i = 0; i < operations; i++) {
        if (below(4) == 0) {
            reclaim();
        } else {
            claim();
        }
        compare();
    }
    free(w.storage);
    return operations;
}

int main(int argc, char **argv)
{
    uint64_t budget = argc > 1 ? strtoull(argv[1], NULL, 0) : 300000;
    uint64_t first_seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint64_t maps = 0;
    for (w.seed = first_seed; budget > 0; w.seed++, maps++) {
        rng = w.seed;
        budget -= run_map(budget);
    }
    printf("%" PRIu64 " maps agree with the painter, seeds from %" PRIu64 "\n", maps, first_seed);
    return 0;
}
