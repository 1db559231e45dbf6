/* painted_world.c — see painted_world.h. */
#include "tests/support/painted_world.h"

#include <stdlib.h>

/* The table and the attribute rules, written down a third time, as plain as possible. */
static const struct {
    uint32_t efi;
    uint8_t limine;
    bool drawable;
    bool demotable;
} painted_types[] = {
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
_Static_assert(sizeof(painted_types) / sizeof(painted_types[0]) == PAINTED_TYPES, "one row each");
static const unsigned strictness[8] = {0, 5, 2, 3, 6, 1, 8, 7};

uint64_t world_below(struct world *world, uint64_t limit)
{
    return test_random(&world->random) % limit;
}

unsigned painted_type_index(uint32_t efi_type)
{
    unsigned index = 0;
    while (index < PAINTED_TYPES && painted_types[index].efi != efi_type) {
        index++;
    }
    return index;
}

static void add_inside(struct world *world, uint32_t first, uint32_t pages)
{
    unsigned type = (unsigned)world_below(world, PAINTED_TYPES);
    if (world_below(world, 2) == 0) {
        type = world_below(world, 2) == 0 ? 7 : 4; /* half of all: the types that matter most */
    }
    uint64_t attribute = RAW_WB;
    if (world_below(world, 8) == 0) {
        attribute = world_below(world, 3) == 0 ? 1 : world_below(world, 2) == 0 ? RAW_WB | 0x40000 : RAW_WB | 0x8000;
    }
    bool ordinary = attribute == RAW_WB;
    raw_map_add(&world->raw, painted_types[type].efi, world->base + first * PAINTED_UNIT, pages, attribute);
    uint8_t table_type = painted_types[type].limine;
    if (painted_types[type].efi == 8 && !world->input.report_bad_memory) {
        table_type = 1;
    }
    world->descriptors[world->descriptor_count++] =
        (struct painted_descriptor){.type = type,
                                    .table_type = table_type,
                                    .own_type = painted_types[type].demotable && !ordinary ? 1 : table_type,
                                    .first = first,
                                    .after = first + pages * PAINTED_FRAME_UNITS};
}

/* Without bytes, or with bytes where nobody can have them. */
static void add_nonsense(struct world *world)
{
    uint32_t type = painted_types[world_below(world, PAINTED_TYPES)].efi;
    uint64_t phys = world->base + world_below(world, world->units) * PAINTED_UNIT;
    world->outside_trims++;
    switch (world_below(world, 3)) {
    case 0:
        raw_map_add(&world->raw, type, phys, 0, RAW_WB);
        break;
    case 1:
        raw_map_add(&world->raw, type, phys, (1ull << 52) + world_below(world, 1ull << 52), RAW_WB);
        break;
    default: /* wraps, from an odd address */
        raw_map_add(&world->raw, type, (UINT64_MAX - world_below(world, 0x10000)) | 1, (1ull << 52) - 1, RAW_WB);
        break;
    }
}

static void add_descriptors(struct world *world, uint64_t count, bool aligned)
{
    for (uint64_t i = 0; i < count; i++) {
        if (world_below(world, 16) == 0) {
            add_nonsense(world);
            continue;
        }
        uint32_t first = (uint32_t)world_below(world, world->units - PAINTED_FRAME_UNITS + 1);
        first -= aligned ? first % PAINTED_FRAME_UNITS : 0;
        uint32_t most = (world->units - first) / PAINTED_FRAME_UNITS;
        uint32_t pages = 1 + (uint32_t)world_below(world, world_below(world, 4) == 0 ? most : most < 4 ? most : 4);
        add_inside(world, first, pages);
        if (world_below(world, 16) == 0 && i + 1 < count) { /* exact duplicate in place */
            add_inside(world, first, pages);
            i++;
        }
    }
}

static void add_claims(struct world *world)
{
    static const uint64_t claim_types[] = {6, 5, 1, 7, 7};
    world->input.claims = world->claims;
    world->input.claim_count = world_below(world, 2) == 0 ? 0 : world_below(world, PAINTED_CLAIMS_MAX + 1);
    for (uint64_t i = 0; i < world->input.claim_count; i++) {
        uint64_t offset = world_below(world, world->units * PAINTED_UNIT);
        uint64_t room = world->units * PAINTED_UNIT - offset;
        world->claims[i] = (struct memmap_claim){.base = world->base + offset,
                                                 .length = world_below(world, room < 40000 ? room : 40000),
                                                 .type = claim_types[world_below(world, 5)]};
    }
}

void world_make(struct world *world, uint64_t seed, uint64_t count, uint32_t units)
{
    *world = (struct world){.random = seed, .units = units};
    world->input.phys_bits = 36;
    world->input.report_bad_memory = world_below(world, 2) == 0;
    world->input.reserve_page_zero = world_below(world, 2) == 0;
    uint64_t half = units / 2 / PAINTED_FRAME_UNITS * PAGE_SIZE;
    switch (world_below(world, 6)) {
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
        world->base = 0 - units * PAINTED_UNIT;
        break;
    }
    raw_map_init(&world->raw, 40 + world_below(world, 3) * 8);
    world->painted = calloc(units, sizeof(*world->painted));
    world->descriptors = malloc(count * sizeof(*world->descriptors));
    add_descriptors(world, count, world_below(world, 2) == 0);
    add_claims(world);
}

void world_free(struct world *world)
{
    raw_map_free(&world->raw);
    free(world->descriptors);
    free(world->painted);
}

/* ---- painting ------------------------------------------------------------------------------------- */

uint64_t world_address(const struct world *world, uint32_t unit)
{
    return world->base + unit * PAINTED_UNIT;
}

bool world_is_reachable(const struct world *world, uint32_t unit)
{
    return world_address(world, unit) >> world->input.phys_bits == 0;
}

static void paint_descriptors(struct world *world)
{
    for (uint32_t u = 0; u < world->units; u++) {
        world->painted[u].winner = PAINTED_NOBODY;
        world->painted[u].guards = 0;
    }
    for (uint32_t i = 0; i < world->descriptor_count; i++) {
        const struct painted_descriptor *d = &world->descriptors[i];
        for (uint32_t u = d->first; u < d->after; u++) {
            world->painted[u].covered[d->type]++;
            world->painted[u].guards = (uint16_t)(world->painted[u].guards + (painted_types[d->type].drawable ? 0 : 1));
            if (world_is_reachable(world, u) &&
                (world->painted[u].winner == PAINTED_NOBODY ||
                 strictness[d->own_type] > strictness[world->descriptors[world->painted[u].winner].own_type])) {
                world->painted[u].winner = i;
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
    uint64_t frame = world_address(world, unit) / PAGE_SIZE;
    return claim->length != 0 && claim_is_possible(world, claim) && frame >= claim->base / PAGE_SIZE &&
           frame <= (claim->base + claim->length - 1) / PAGE_SIZE;
}

/* Return: the claims that do not get all they ask for. */
static uint64_t paint_claims(struct world *world)
{
    uint64_t refused = 0;
    for (uint32_t u = 0; u < world->units; u++) {
        world->painted[u].chosen = PAINTED_NOBODY;
        for (uint32_t pass = 0; pass < 2; pass++) { /* all others before framebuffers */
            for (uint32_t i = 0; i < world->input.claim_count && world->painted[u].chosen == PAINTED_NOBODY; i++) {
                bool is_screen = world->claims[i].type == 7;
                if (is_screen == (pass == 1) && claim_covers(world, &world->claims[i], u) &&
                    (!is_screen || world->painted[u].guards == 0)) {
                    world->painted[u].chosen = i;
                }
            }
        }
        for (uint32_t i = 0; i < world->input.claim_count; i++) {
            if (claim_covers(world, &world->claims[i], u) &&
                (world->painted[u].chosen == PAINTED_NOBODY ||
                 world->claims[world->painted[u].chosen].type != world->claims[i].type)) {
                refused |= 1ull << i;
            }
        }
    }
    for (uint32_t i = 0; i < world->input.claim_count; i++) {
        refused |= claim_is_possible(world, &world->claims[i]) ? 0 : 1ull << i;
    }
    return refused;
}

static void paint_types(struct world *world)
{
    for (uint32_t u = 0; u < world->units; u++) {
        world->painted[u].wanted = PAINTED_HOLE;
        if (world->painted[u].chosen != PAINTED_NOBODY) {
            world->painted[u].wanted = (uint8_t)world->claims[world->painted[u].chosen].type;
        } else if (world->painted[u].winner != PAINTED_NOBODY) {
            world->painted[u].wanted = world->descriptors[world->painted[u].winner].own_type;
            if (world->input.reserve_page_zero && world_address(world, u) < PAGE_SIZE &&
                (world->painted[u].wanted == 0 || world->painted[u].wanted == 5)) {
                world->painted[u].wanted = 1;
            }
        }
    }
}

/* Usable and reclaimable memory comes in whole frames. */
bool world_is_cut_off(const struct world *world, uint32_t unit)
{
    uint32_t frame = unit - unit % PAINTED_FRAME_UNITS;
    if (world->painted[unit].wanted != 0 && world->painted[unit].wanted != 5) {
        return false;
    }
    for (uint32_t u = frame; u < frame + PAINTED_FRAME_UNITS; u++) {
        if (world->painted[u].wanted != world->painted[unit].wanted) {
            return true;
        }
    }
    return false;
}

uint64_t world_paint(struct world *world)
{
    paint_descriptors(world);
    uint64_t refused = paint_claims(world);
    paint_types(world);
    return refused;
}
