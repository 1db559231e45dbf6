/* model_memmap_limine.c — the adapter against a painter.
 *
 * Random hostile maps in a small world of 1 KiB units, four to a frame. The model paints every unit on its own, with
 * loops over all units of all descriptors, and knows neither sorting nor merging nor ranges: the strictest descriptor,
 * the claim, the page-zero rule, the whole-frame rule. Then, unit by unit:
 *   - the adapter's entry must have the painted type;
 *   - conservation: for each EFI type and reason, the number of trims that cover the unit must be the number of
 *     descriptors of that type that lost it for that reason; what is left over must be the one winner.
 * Worlds lie at 0, at 1 MiB, across MAXPHYADDR, across 2^52 and at the end of 2^64.
 *
 *     model_memmap_limine [descriptors [seed]] */
#include "tests/support/memmaps.h"

#include <inttypes.h>
#include <neomem/efi_memmap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT 1024ull
#define FRAME_UNITS 4u
#define UNITS_MAX 16384u
#define CLAIMS_MAX 4u
#define REASONS 8u
#define NOBODY UINT32_MAX
#define HOLE UINT8_MAX

/* The table and the attribute rules, written down a third time, as plain as possible. */
static const struct {
    uint32_t efi;
    uint8_t limine;
    bool drawable;
    bool demotable;
} types[] = {
    {0, 1, true, false},
    {1, 5, false, false},
    {2, 5, false, false},
    {3, 5, true, true},
    {4, 5, true, true},
    {5, 1, false, false},
    {6, 1, false, false},
    {7, 0, true, true},
    {8, 4, false, false},
    {9, 2, false, false},
    {10, 3, false, false},
    {11, 1, true, false},
    {12, 1, true, false},
    {13, 1, false, false},
    {14, 1, false, false},
    {15, 1, false, false},
    {16, 1, false, false},
    {0x6fffffffu, 1, false, false},
    {0x70000000u, 1, false, false},
    {0x80000000u, 1, false, false},
    {0xffffffffu, 1, false, false},
};
#define TYPES (sizeof(types) / sizeof(types[0]))
static const unsigned strictness[8] = {0, 5, 2, 3, 6, 1, 8, 7};

struct painted_descriptor {
    unsigned type; /* index in types */
    uint8_t table_type, own_type;
    uint32_t first, after; /* units */
};

struct world {
    uint64_t base;
    uint32_t units;
    struct memmap_limine_input input;
    struct memmap_claim claims[CLAIMS_MAX];
    struct raw_map raw;
    struct painted_descriptor *descriptors;
    uint32_t descriptor_count; /* inside the world */
    uint64_t outside_trims;    /* of descriptors that are not */
};

/* One row a unit. */
static uint16_t covered[UNITS_MAX][TYPES];          /* by how many descriptors of the type */
static uint16_t trimmed[UNITS_MAX][TYPES][REASONS]; /* by how many trims */
static uint32_t winner[UNITS_MAX];                  /* strictest descriptor */
static uint32_t chosen[UNITS_MAX];                  /* claim */
static uint16_t guards[UNITS_MAX];                  /* descriptors that a framebuffer must not cover */
static uint8_t wanted[UNITS_MAX];                   /* Limine type before the whole-frame rule */
static uint8_t found[UNITS_MAX];

static uint64_t rng;
static uint64_t seed;

static uint64_t below(uint64_t limit)
{
    return test_random(&rng) % limit;
}

static void die(const char *what, const struct world *world, const struct conversion *conversion, uint32_t unit)
{
    fprintf(stderr, "seed %" PRIu64 ": %s at %#" PRIx64 "\n", seed, what, world->base + unit * UNIT);
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

/* ---- making a world ------------------------------------------------------------------------------- */

static void add_inside(struct world *world, uint32_t first, uint32_t pages)
{
    unsigned type = (unsigned)below(TYPES);
    if (below(2) == 0) {
        type = below(2) == 0 ? 7 : 4; /* half of all: the types that matter most */
    }
    uint64_t attribute = RAW_WB;
    if (below(8) == 0) {
        attribute = below(3) == 0 ? 1 : below(2) == 0 ? RAW_WB | 0x40000 : RAW_WB | 0x8000;
    }
    bool ordinary = attribute == RAW_WB;
    raw_map_add(&world->raw, types[type].efi, world->base + first * UNIT, pages, attribute);
    uint8_t table_type = types[type].limine;
    if (types[type].efi == 8 && !world->input.report_bad_memory) {
        table_type = 1;
    }
    world->descriptors[world->descriptor_count++] =
        (struct painted_descriptor){.type = type,
                                    .table_type = table_type,
                                    .own_type = types[type].demotable && !ordinary ? 1 : table_type,
                                    .first = first,
                                    .after = first + pages * FRAME_UNITS};
}

/* Without bytes, or with bytes where nobody can have them. */
static void add_nonsense(struct world *world)
{
    uint32_t type = types[below(TYPES)].efi;
    uint64_t phys = world->base + below(world->units) * UNIT;
    world->outside_trims++;
    switch (below(3)) {
    case 0:
        raw_map_add(&world->raw, type, phys, 0, RAW_WB);
        break;
    case 1:
        raw_map_add(&world->raw, type, phys, (1ull << 52) + below(1ull << 52), RAW_WB);
        break;
    default: /* wraps, from an odd address */
        raw_map_add(&world->raw, type, (UINT64_MAX - below(0x10000)) | 1, (1ull << 52) - 1, RAW_WB);
        break;
    }
}

static void add_descriptors(struct world *world, uint64_t count, bool aligned)
{
    for (uint64_t i = 0; i < count; i++) {
        if (below(16) == 0) {
            add_nonsense(world);
            continue;
        }
        uint32_t first = (uint32_t)below(world->units - FRAME_UNITS + 1);
        first -= aligned ? first % FRAME_UNITS : 0;
        uint32_t most = (world->units - first) / FRAME_UNITS;
        uint32_t pages = 1 + (uint32_t)below(below(4) == 0 ? most : most < 4 ? most : 4);
        add_inside(world, first, pages);
        if (below(16) == 0 && i + 1 < count) { /* exact duplicate in place */
            add_inside(world, first, pages);
            i++;
        }
    }
}

static void add_claims(struct world *world)
{
    static const uint64_t claim_types[] = {6, 5, 1, 7, 7};
    world->input.claims = world->claims;
    world->input.claim_count = below(2) == 0 ? 0 : below(CLAIMS_MAX + 1);
    for (uint64_t i = 0; i < world->input.claim_count; i++) {
        uint64_t offset = below(world->units * UNIT);
        uint64_t room = world->units * UNIT - offset;
        world->claims[i] = (struct memmap_claim){
            .base = world->base + offset, .length = below(room < 40000 ? room : 40000), .type = claim_types[below(5)]};
    }
}

static void make_world(struct world *world, uint64_t count, uint32_t units)
{
    *world = (struct world){.units = units};
    world->input.phys_bits = 36;
    world->input.report_bad_memory = below(2) == 0;
    world->input.reserve_page_zero = below(2) == 0;
    uint64_t half = units / 2 / FRAME_UNITS * PAGE_SIZE;
    switch (below(6)) {
    case 0:
        world->base = 0;
        break;
    case 1:
        world->base = MIB(1);
        break;
    case 2:
        world->base = (1ull << 36) - half;
        break;
    case 3:
        world->base = (1ull << 52) - half;
        world->input.phys_bits = 52;
        break;
    case 4:
        world->base = (1ull << 52) - half;
        break;
    default:
        world->base = 0 - units * UNIT;
        break;
    }
    raw_map_init(&world->raw, 40 + below(3) * 8);
    world->descriptors = malloc(count * sizeof(*world->descriptors));
    add_descriptors(world, count, below(2) == 0);
    add_claims(world);
}

/* ---- painting ------------------------------------------------------------------------------------- */

static uint64_t unit_address(const struct world *world, uint32_t unit)
{
    return world->base + unit * UNIT;
}

static bool is_reachable(const struct world *world, uint32_t unit)
{
    return unit_address(world, unit) >> world->input.phys_bits == 0;
}

static void paint_descriptors(const struct world *world)
{
    for (uint32_t u = 0; u < world->units; u++) {
        winner[u] = NOBODY;
        guards[u] = 0;
        memset(covered[u], 0, sizeof(covered[u]));
    }
    for (uint32_t i = 0; i < world->descriptor_count; i++) {
        const struct painted_descriptor *d = &world->descriptors[i];
        for (uint32_t u = d->first; u < d->after; u++) {
            covered[u][d->type]++;
            guards[u] = (uint16_t)(guards[u] + (types[d->type].drawable ? 0 : 1));
            if (is_reachable(world, u) &&
                (winner[u] == NOBODY || strictness[d->own_type] > strictness[world->descriptors[winner[u]].own_type])) {
                winner[u] = i;
            }
        }
    }
}

static bool claim_is_possible(const struct world *world, const struct memmap_claim *claim)
{
    uint64_t limit = 1ull << world->input.phys_bits;
    return claim->base < limit && claim->base + claim->length <= limit;
}

static bool claim_covers(const struct world *world, const struct memmap_claim *claim, uint32_t unit)
{
    uint64_t frame = unit_address(world, unit) / PAGE_SIZE;
    return claim->length != 0 && claim_is_possible(world, claim) && frame >= claim->base / PAGE_SIZE &&
           frame <= (claim->base + claim->length - 1) / PAGE_SIZE;
}

/* Return: the claims that do not get all they ask for. */
static uint64_t paint_claims(const struct world *world)
{
    uint64_t refused = 0;
    for (uint32_t u = 0; u < world->units; u++) {
        chosen[u] = NOBODY;
        for (uint32_t pass = 0; pass < 2; pass++) { /* all others before framebuffers */
            for (uint32_t i = 0; i < world->input.claim_count && chosen[u] == NOBODY; i++) {
                bool is_screen = world->claims[i].type == 7;
                if (is_screen == (pass == 1) && claim_covers(world, &world->claims[i], u) &&
                    (!is_screen || guards[u] == 0)) {
                    chosen[u] = i;
                }
            }
        }
        for (uint32_t i = 0; i < world->input.claim_count; i++) {
            if (claim_covers(world, &world->claims[i], u) &&
                (chosen[u] == NOBODY || world->claims[chosen[u]].type != world->claims[i].type)) {
                refused |= 1ull << i;
            }
        }
    }
    for (uint32_t i = 0; i < world->input.claim_count; i++) {
        refused |= claim_is_possible(world, &world->claims[i]) ? 0 : 1ull << i;
    }
    return refused;
}

static void paint_types(const struct world *world)
{
    for (uint32_t u = 0; u < world->units; u++) {
        wanted[u] = HOLE;
        if (chosen[u] != NOBODY) {
            wanted[u] = (uint8_t)world->claims[chosen[u]].type;
        } else if (winner[u] != NOBODY) {
            wanted[u] = world->descriptors[winner[u]].own_type;
            if (world->input.reserve_page_zero && unit_address(world, u) < PAGE_SIZE &&
                (wanted[u] == 0 || wanted[u] == 5)) {
                wanted[u] = 1;
            }
        }
    }
}

/* Usable and reclaimable memory comes in whole frames. */
static bool is_cut_off(uint32_t unit)
{
    uint32_t frame = unit - unit % FRAME_UNITS;
    if (wanted[unit] != 0 && wanted[unit] != 5) {
        return false;
    }
    for (uint32_t u = frame; u < frame + FRAME_UNITS; u++) {
        if (wanted[u] != wanted[unit]) {
            return true;
        }
    }
    return false;
}

/* ---- comparing ------------------------------------------------------------------------------------ */

static void read_entries(const struct world *world, const struct conversion *c)
{
    memset(found, HOLE, sizeof(found));
    for (uint64_t i = 0; i < c->output.entry_count; i++) {
        const struct limine_memmap_entry *entry = &c->output.entries[i];
        uint64_t first = entry->base - world->base;
        if (first % UNIT != 0 || entry->length % UNIT != 0 || first + entry->length > world->units * UNIT) {
            die("entry outside the world", world, c, 0);
        }
        memset(found + first / UNIT, (int)entry->type, entry->length / UNIT);
    }
}

static unsigned type_index(uint32_t efi_type)
{
    unsigned index = 0;
    while (index < TYPES && types[index].efi != efi_type) {
        index++;
    }
    return index;
}

static void read_trims(const struct world *world, const struct conversion *c)
{
    uint64_t outside = 0;
    memset(trimmed, 0, world->units * sizeof(trimmed[0]));
    for (uint64_t i = 0; i < c->output.trim_count; i++) {
        const struct boot_trim *trim = &c->output.trims[i];
        uint64_t first = trim->base - world->base;
        if (trim->length == 0 || first >= world->units * UNIT || (trim->base & (UNIT - 1)) != 0) {
            outside++;
            continue;
        }
        unsigned type = type_index(trim->efi_type);
        if (trim->length % UNIT != 0 || first + trim->length > world->units * UNIT || type == TYPES ||
            trim->reason >= REASONS) {
            die("strange trim", world, c, (uint32_t)(first / UNIT));
        }
        for (uint64_t u = first / UNIT; u < (first + trim->length) / UNIT; u++) {
            trimmed[u][type][trim->reason]++;
        }
    }
    if (outside != world->outside_trims) {
        die("wrong number of trims for nonsense descriptors", world, c, 0);
    }
}

static unsigned reason_of_winner(const struct world *world, uint32_t unit)
{
    const struct painted_descriptor *d = &world->descriptors[winner[unit]];
    if (is_cut_off(unit)) {
        return BOOT_TRIM_UNALIGNED;
    }
    if (chosen[unit] != NOBODY && wanted[unit] != d->own_type) {
        return BOOT_TRIM_OVERLAY;
    }
    return wanted[unit] != d->table_type ? BOOT_TRIM_POLICY : 0;
}

static void check_unit(const struct world *world, const struct conversion *c, uint32_t unit)
{
    if (found[unit] != (is_cut_off(unit) ? HOLE : wanted[unit])) {
        die("wrong type", world, c, unit);
    }
    uint16_t expected[TYPES][REASONS] = {{0}};
    for (unsigned type = 0; type < TYPES; type++) {
        bool overflow = unit_address(world, unit) >> 52 != 0;
        unsigned reason = is_reachable(world, unit) ? BOOT_TRIM_OVERLAP
                          : overflow                ? BOOT_TRIM_OVERFLOW
                                                    : BOOT_TRIM_BEYOND_CPU;
        expected[type][reason] = covered[unit][type];
    }
    if (winner[unit] != NOBODY) {
        unsigned type = world->descriptors[winner[unit]].type;
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
static void check_carve(const struct world *world, struct conversion *c)
{
    uint64_t capacity = c->output.entry_count + 2;
    struct limine_memmap_entry *copy = malloc(capacity * sizeof(*copy));
    memcpy(copy, c->output.entries, c->output.entry_count * sizeof(*copy));
    uint64_t usable = conversion_total(c, 0);
    uint64_t reclaimable = conversion_total(c, 5);
    uint64_t npages = 1 + below(8);
    uint64_t limit = below(2) == 0 ? UINT64_MAX : world->base + below(world->units * UNIT);
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
    make_world(&world, count, units);
    struct conversion c = {.input = world.input};
    conversion_run(&c, &world.raw);
    paint_descriptors(&world);
    uint64_t refused = paint_claims(&world);
    paint_types(&world);
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
    raw_map_free(&world.raw);
    free(world.descriptors);
}

int main(int argc, char **argv)
{
    uint64_t budget = argc > 1 ? strtoull(argv[1], NULL, 0) : 300000;
    uint64_t first_seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    uint64_t maps = 0;
    for (seed = first_seed; budget > 0; seed++, maps++) {
        rng = seed;
        uint64_t count = below(4) == 0 ? below(4) : below(60);
        check_world(count, FRAME_UNITS * (1 + (uint32_t)below(64)));
        budget -= count + 1 < budget ? count + 1 : budget;
    }
    static const uint64_t sizes[] = {10, 312, 5000};
    for (unsigned i = 0; i < 36; i++, seed++, maps++) {
        rng = seed;
        check_world(sizes[i % 3], i % 2 == 0 ? UNITS_MAX : UNITS_MAX / 16);
    }
    printf("%" PRIu64 " maps agree with the painter, seeds %" PRIu64 " to %" PRIu64 "\n", maps, first_seed, seed - 1);
    return 0;
}
