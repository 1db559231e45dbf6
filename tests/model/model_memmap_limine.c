/* model_memmap_limine.c — the adapter against a painter.
 *
 * Random hostile maps in a small world (tests/support/painted_world.h), painted unit by unit: the strictest descriptor,
 * the claim, the page-zero rule, the whole-frame rule. Then, for every unit:
 *   - the adapter's entry must have the painted type;
 *   - conservation: for each EFI type and reason, the number of trims that cover the unit must be the number of
 *     descriptors of that type that lost it for that reason; what is left over must be the one winner.
 * Worlds lie at 0, at 1 MiB, across MAXPHYADDR, across 2^52 and at the end of 2^64.
 *
 *     model_memmap_limine [descriptors [seed]] */
#include "tests/support/painted_world.h"

#include <inttypes.h>
#include <neomem/efi_memmap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASONS 8u

static uint16_t trimmed[PAINTED_UNITS_MAX][PAINTED_TYPES][REASONS]; /* by how many trims each unit is covered */
static uint8_t found[PAINTED_UNITS_MAX];                            /* type of the entry there */
static uint64_t seed;

static void die(const char *what, const struct world *world, const struct conversion *conversion, uint32_t unit)
{
    fprintf(stderr, "seed %" PRIu64 ": %s at %#" PRIx64 "\n", seed, what, world->base + unit * PAINTED_UNIT);
    if (world->raw.count <= 100) {
        const struct efi_memmap map = {conversion->input.descriptors, conversion->input.bytes,
                                       conversion->input.stride};
        struct efi_descriptor d;
        for (uint64_t i = 0; efi_memmap_get(&map, i, &d); i++) {
            fprintf(stderr, "  descr %#14" PRIx64 " + %#12" PRIx64 " type %" PRIx32 " attribute %" PRIx64 "\n", d.phys,
                    d.pages << PAGE_SHIFT, d.type, d.attribute);
        }
        for (uint64_t i = 0; i < world->input.claim_count; i++) {
            fprintf(stderr, "  claim %#14" PRIx64 " + %#12" PRIx64 " type %" PRIu64 "\n", world->claims[i].base,
                    world->claims[i].length, world->claims[i].type);
        }
        conversion_print(conversion);
    }
    exit(1);
}

/* ---- comparing ------------------------------------------------------------------------------------ */

static void read_entries(const struct world *world, const struct conversion *c)
{
    memset(found, PAINTED_HOLE, sizeof(found));
    for (uint64_t i = 0; i < c->output.entry_count; i++) {
        const struct limine_memmap_entry *entry = &c->output.entries[i];
        uint64_t first = entry->base - world->base;
        if (first % PAINTED_UNIT != 0 || entry->length % PAINTED_UNIT != 0 ||
            first + entry->length > world->units * PAINTED_UNIT) {
            die("entry outside the world", world, c, 0);
        }
        memset(found + first / PAINTED_UNIT, (int)entry->type, entry->length / PAINTED_UNIT);
    }
}

static void read_trims(const struct world *world, const struct conversion *c)
{
    uint64_t outside = 0;
    memset(trimmed, 0, world->units * sizeof(trimmed[0]));
    for (uint64_t i = 0; i < c->output.trim_count; i++) {
        const struct boot_trim *trim = &c->output.trims[i];
        uint64_t first = trim->base - world->base;
        if (trim->length == 0 || first >= world->units * PAINTED_UNIT || (trim->base & (PAINTED_UNIT - 1)) != 0) {
            outside++;
            continue;
        }
        unsigned type = painted_type_index(trim->efi_type);
        if (trim->length % PAINTED_UNIT != 0 || first + trim->length > world->units * PAINTED_UNIT ||
            type == PAINTED_TYPES || trim->reason >= REASONS) {
            die("strange trim", world, c, (uint32_t)(first / PAINTED_UNIT));
        }
        for (uint64_t u = first / PAINTED_UNIT; u < (first + trim->length) / PAINTED_UNIT; u++) {
            trimmed[u][type][trim->reason]++;
        }
    }
    if (outside != world->outside_trims) {
        die("wrong number of trims for nonsense descriptors", world, c, 0);
    }
}

static unsigned reason_of_winner(const struct world *world, uint32_t unit)
{
    const struct painted_descriptor *d = &world->descriptors[world->painted[unit].winner];
    if (world_is_cut_off(world, unit)) {
        return BOOT_TRIM_UNALIGNED;
    }
    if (world->painted[unit].chosen != PAINTED_NOBODY && world->painted[unit].wanted != d->own_type) {
        return BOOT_TRIM_OVERLAY;
    }
    return world->painted[unit].wanted != d->table_type ? BOOT_TRIM_POLICY : 0;
}

static void check_unit(const struct world *world, const struct conversion *c, uint32_t unit)
{
    if (found[unit] != (world_is_cut_off(world, unit) ? PAINTED_HOLE : world->painted[unit].wanted)) {
        die("wrong type", world, c, unit);
    }
    uint16_t expected[PAINTED_TYPES][REASONS] = {{0}};
    for (unsigned type = 0; type < PAINTED_TYPES; type++) {
        bool overflow = world_address(world, unit) >> 52 != 0;
        unsigned reason = world_is_reachable(world, unit) ? BOOT_TRIM_OVERLAP
                          : overflow                      ? BOOT_TRIM_OVERFLOW
                                                          : BOOT_TRIM_BEYOND_CPU;
        expected[type][reason] = world->painted[unit].covered[type];
    }
    if (world->painted[unit].winner != PAINTED_NOBODY) {
        unsigned type = world->descriptors[world->painted[unit].winner].type;
        expected[type][BOOT_TRIM_OVERLAP]--;
        unsigned reason = reason_of_winner(world, unit);
        expected[type][reason] = (uint16_t)(expected[type][reason] + (reason != 0 ? 1 : 0));
    }
    if (memcmp(expected, trimmed[unit], sizeof(expected)) != 0) {
        die("bytes not accounted for", world, c, unit);
    }
}

static uint64_t log2_up(uint64_t n)
{
    return n <= 1 ? 1 : 64 - (uint64_t)__builtin_clzll(n - 1);
}

/* Take frames out of the finished map: it stays legal and merged, and nothing but the two sums changes. */
static void check_carve(struct world *world, struct conversion *c)
{
    uint64_t capacity = c->output.entry_count + 2;
    struct limine_memmap_entry *copy = malloc(capacity * sizeof(*copy));
    memcpy(copy, c->output.entries, c->output.entry_count * sizeof(*copy));
    uint64_t usable = conversion_total(c, 0);
    uint64_t reclaimable = conversion_total(c, 5);
    uint64_t npages = 1 + world_below(world, 8);
    uint64_t limit =
        world_below(world, 2) == 0 ? UINT64_MAX : world->base + world_below(world, world->units * PAINTED_UNIT);
    struct limine_memmap_entry *kept = c->output.entries;
    uint64_t base = 0;
    uint64_t count = c->output.entry_count;
    if (memmap_limine_carve(copy, &count, capacity, npages, limit, &base) == MEMMAP_LIMINE_OK) {
        c->output.entries = copy;
        c->output.entry_count = count;
        const char *complaint = conversion_complaint(c);
        if (complaint != NULL || base + npages * PAGE_SIZE > limit || base < MIB(1) ||
            conversion_type_at(c, base) != 5 || conversion_total(c, 0) + npages * PAGE_SIZE != usable ||
            conversion_total(c, 5) != reclaimable + npages * PAGE_SIZE) {
            die(complaint != NULL ? complaint : "wrong carve", world, c, 0);
        }
    }
    c->output.entries = kept;
    free(copy);
}

static void check_world(uint64_t count, uint32_t units)
{
    struct world world;
    world_make(&world, seed, count, units);
    uint64_t refused = world_paint(&world);
    struct conversion c = {.input = world.input};
    conversion_run(&c, &world.raw);
    read_entries(&world, &c);
    read_trims(&world, &c);
    for (uint32_t u = 0; u < units; u++) {
        check_unit(&world, &c, u);
    }
    if (c.output.refused_claims != refused) {
        die("wrong claims refused", &world, &c, 0);
    }
    if (count > 10 && c.output.comparisons > 16 * count * log2_up(4 * count)) {
        die("too many comparisons", &world, &c, 0);
    }
    const char *complaint = count <= 1000 ? conversion_complaint(&c) : NULL;
    if (complaint != NULL) {
        die(complaint, &world, &c, 0);
    }
    if (count <= 1000) {
        check_carve(&world, &c);
    }
    conversion_free(&c);
    world_free(&world);
}

int main(int argc, char **argv)
{
    uint64_t budget = argc > 1 ? strtoull(argv[1], NULL, 0) : 300000;
    uint64_t first_seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint64_t maps = 0;
    for (seed = first_seed; budget > 0; seed++, maps++) {
        uint64_t random = seed;
        uint64_t pick = test_random(&random);
        uint64_t count = pick % 4 == 0 ? pick / 4 % 4 : pick / 4 % 60;
        check_world(count, PAINTED_FRAME_UNITS * (1 + (uint32_t)(pick >> 32) % 64));
        budget -= count + 1 < budget ? count + 1 : budget;
    }
    static const uint64_t sizes[] = {10, 312, 5000};
    for (unsigned i = 0; i < 36; i++, seed++, maps++) {
        check_world(sizes[i % 3], i % 2 == 0 ? PAINTED_UNITS_MAX : PAINTED_UNITS_MAX / 16);
    }
    printf("%" PRIu64 " maps agree with the painter, seeds %" PRIu64 " to %" PRIu64 "\n", maps, first_seed, seed - 1);
    return 0;
}
