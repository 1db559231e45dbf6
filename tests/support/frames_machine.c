/* frames_machine.c — see frames_machine.h. Regions are laid upwards; sizes and gaps are in frames. */
#include "frames_machine.h"

#include <neomem/hosted.h>
#include <string.h>

#include "tests/unit/test_random_source.h"

enum arrival { PRESENT, EXPECTED, UNEXPECTED };

static bool chance(unsigned percent)
{
    return test_random_below(100) < percent;
}

static void put(struct machine_regions *regions, pfn_t base, uint64_t nframes, uint64_t type)
{
    regions->entry[regions->count++] =
        (struct limine_memmap_entry){.base = base << PAGE_SHIFT, .length = nframes << PAGE_SHIFT, .type = type};
}

static void add(struct frames_machine *machine, pfn_t base, uint64_t nframes, enum arrival arrival)
{
    put(&machine->all, base, nframes, LIMINE_MEMMAP_USABLE);
    if (arrival == PRESENT) {
        put(&machine->present, base, nframes, LIMINE_MEMMAP_USABLE);
    } else if (arrival == EXPECTED) {
        put(&machine->expected, base, nframes, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
    }
}

static enum arrival some_arrival(void)
{
    return chance(70) ? PRESENT : chance(60) ? EXPECTED : UNEXPECTED;
}

/* `count` regions of 1 … size_max frames from `at` on, with gaps of up to gap_max. Return: where the last one ends. */
static pfn_t add_many(struct frames_machine *machine, pfn_t at, unsigned count, uint64_t size_max, uint64_t gap_max)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t nframes = 1 + test_random_below(size_max);
        add(machine, at, nframes, some_arrival());
        at += nframes + (chance(20) ? 0 : 1 + test_random_below(chance(50) ? 3 : gap_max));
    }
    return at;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------ */

static void make_one_region(struct frames_machine *machine)
{
    add(machine, 200 + test_random_below(1000), 300 + test_random_below(chance(50) ? 3000 : 10000), PRESENT);
}

static void make_holes(struct frames_machine *machine)
{
    pfn_t at = add_many(machine, test_random_below(2000), 3 + (unsigned)test_random_below(30), 400, 1500);
    add(machine, at + 1 + test_random_below(600), 700 + test_random_below(2000), PRESENT);
}

static void make_windows(struct frames_machine *machine)
{
    pfn_t low = MIB(16) >> PAGE_SHIFT;
    pfn_t high = GIB(4) >> PAGE_SHIFT;
    uint64_t below = 1 + test_random_below(1200);
    (void)add_many(machine, test_random_below(100), 1 + (unsigned)test_random_below(3), 200, 300);
    add(machine, low - below, below + test_random_below(1500), chance(80) ? PRESENT : EXPECTED);
    below = 1 + test_random_below(1200);
    add(machine, high - below, below + 1200 + test_random_below(2500), PRESENT);
}

static void make_shared_chunks(struct frames_machine *machine)
{
    pfn_t at = test_random_below(5000);
    unsigned count = 10 + (unsigned)test_random_below(60);
    for (unsigned i = 0; i < count; i++) {
        uint64_t nframes = 1 + test_random_below(chance(80) ? 150 : 1500);
        add(machine, at, nframes, (enum arrival)(i % 3));
        at += nframes + (chance(60) ? 0 : test_random_below(40));
    }
    add(machine, at, 2000 + test_random_below(1000), PRESENT);
}

static void make_nodes(struct frames_machine *machine)
{
    machine->nodes = 2 + (unsigned)test_random_below(MACHINE_NODES_MAX - 1);
    pfn_t at = FRAMES_2M * (1 + test_random_below(12));
    for (unsigned node = 0; node < machine->nodes; node++) {
        bool is_last = node == machine->nodes - 1;
        pfn_t end = at + FRAMES_2M * (1 + test_random_below(5) + (is_last ? 5 : 0));
        pfn_t first = at + test_random_below(FRAMES_2M);
        /* A hole, or neighbours of the next node. */
        uint64_t missing = is_last || chance(50) ? 0 : test_random_below(end - first);
        add(machine, first, end - first - missing, is_last ? PRESENT : some_arrival());
        machine->range[machine->ranges++] = (struct frames_node_range){
            .base = at << PAGE_SHIFT, .nbytes = (end - at) << PAGE_SHIFT, .node = node ^ (machine->nodes == 4)};
        at = end + (chance(50) ? 0 : FRAMES_2M * test_random_below(chance(50) ? 10 : 120000));
    }
    if (chance(50)) {
        struct frames_node_range *last = &machine->range[machine->ranges - 1];
        last->nbytes = PHYS_ADDR_LIMIT - last->base;
    }
}

#define MANY 5000u

static void make_single_frames(struct frames_machine *machine)
{
    pfn_t at = test_random_below(2000);
    bool is_wide = chance(30);
    for (unsigned i = 0; i < MANY; i++) {
        add(machine, at, 1, chance(85) ? PRESENT : some_arrival());
        at += 2 + (chance(80) ? 0 : test_random_below(is_wide ? 2000 : 10));
    }
    add(machine, at, 1500, PRESENT);
}

static void make_many_regions(struct frames_machine *machine)
{
    pfn_t at = test_random_below(2000);
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t nframes = 1 + test_random_below(chance(95) ? 4 : 40);
        add(machine, at, nframes, chance(90) ? PRESENT : some_arrival());
        at += nframes + 1 + test_random_below(chance(90) ? 6 : 400);
    }
    add(machine, at, 1500, PRESENT);
}

static void make_top(struct frames_machine *machine)
{
    (void)add_many(machine, test_random_below(2000), 3, 300, 2000);
    add(machine, GIB(16) >> PAGE_SHIFT, 2600 + test_random_below(1000), PRESENT);
    uint64_t nframes = 1 + test_random_below(chance(30) ? 1 : 1500);
    add(machine, (PHYS_ADDR_LIMIT >> PAGE_SHIFT) - nframes, nframes, chance(80) ? PRESENT : EXPECTED);
}

static void make_large(struct frames_machine *machine)
{
    machine->is_small = false;
    (void)add_many(machine, test_random_below(2000), 5, 300, 2000);
    add(machine, (MIB(700) >> PAGE_SHIFT) + test_random_below(300000), FRAMES_1G * 3 + test_random_below(FRAMES_1G),
        PRESENT);
}

static const struct {
    const char *name;
    void (*make)(struct frames_machine *machine);
} kinds[MACHINE_KINDS] = {
    [MACHINE_ONE_REGION] = {"one region", make_one_region},
    [MACHINE_HOLES] = {"holes", make_holes},
    [MACHINE_WINDOWS] = {"windows", make_windows},
    [MACHINE_SHARED_CHUNKS] = {"shared chunks", make_shared_chunks},
    [MACHINE_NODES] = {"nodes", make_nodes},
    [MACHINE_SINGLE_FRAMES] = {"single frames", make_single_frames},
    [MACHINE_MANY_REGIONS] = {"many regions", make_many_regions},
    [MACHINE_TOP] = {"end of the address space", make_top},
    [MACHINE_LARGE] = {"large", make_large},
};

const char *machine_kind_name(enum machine_kind kind)
{
    return kinds[kind].name;
}

void machine_make(struct frames_machine *machine, enum machine_kind kind, uint64_t seed)
{
    memset(machine, 0, sizeof(*machine));
    test_random_state = seed | 1;
    machine->kind = kind;
    machine->is_small = true;
    machine->nodes = 1;
    kinds[kind].make(machine);
    for (unsigned i = 0; i < machine->nodes * machine->nodes; i++) {
        bool is_own = i / machine->nodes == i % machine->nodes;
        machine->distance[i] = is_own ? 10 : (uint8_t)(11 + test_random_below(30));
    }
    for (unsigned cpu = 0; cpu < MACHINE_CPUS_MAX; cpu++) {
        machine->cpu_node[cpu] = (uint8_t)test_random_below(machine->nodes);
    }
}
