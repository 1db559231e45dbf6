/* count.c — runs the allocator's paths for an instruction counter (count.py): each measure_ function calls one of them over and
 * over, and what is counted is what it calls.
 *
 * Linked with the objects of the kernel itself, so that the counts are those of the code that boots.
 * Prints `measure_function calls` for each; calls are frames where frames are what counts. */

#include "arch_bench.h"

#include <neomem/compiler.h>
#include <neomem/early.h>
#include <neomem/frames.h>
#include <neomem/hosted.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_FRAMES (GIB(1) >> PAGE_SHIFT)
#define BURST 64u
#define ROUNDS 400u
#define RUN_FRAMES 17u
#define MANY 131072u /* half the arena, in single frames */
#define LARGE 256u   /* half the arena, in 2 MiB frames */

static struct {
    phys_addr_t burst[BURST];
    phys_addr_t many[MANY];
    phys_addr_t large[LARGE];
} held;

void measure_alloc_one(phys_addr_t *frames, unsigned count);
void measure_free_one(const phys_addr_t *frames, unsigned count);
void measure_alloc_bulk(phys_addr_t *frames, unsigned count);
void measure_free_bulk(const phys_addr_t *frames, unsigned count);
void measure_alloc_scattered(phys_addr_t *frames, unsigned count);
void measure_free_scattered(const phys_addr_t *frames, unsigned count);
void measure_alloc_2m(phys_addr_t *frames, unsigned count);
void measure_free_2m(const phys_addr_t *frames, unsigned count);
void measure_alloc_run(phys_addr_t *frames, unsigned count);
void measure_free_run(const phys_addr_t *frames, unsigned count);

static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "count: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

static inline __attribute__((always_inline)) void alloc_each(phys_addr_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        frames[i] = frames_alloc_one();
    }
}

static inline __attribute__((always_inline)) void free_each(const phys_addr_t *frames, unsigned count, uint64_t nframes)
{
    for (unsigned i = 0; i < count; i++) {
        frames_free(frames[i], nframes);
    }
}

/* Bodies that differ in nothing but their names must not be folded into one: the names are what is counted by. */
#define MEASURED NEO_NOINLINE __attribute__((noclone, no_icf))

MEASURED void measure_alloc_one(phys_addr_t *frames, unsigned count)
{
    alloc_each(frames, count);
}

MEASURED void measure_free_one(const phys_addr_t *frames, unsigned count)
{
    free_each(frames, count, 1);
}

MEASURED void measure_alloc_bulk(phys_addr_t *frames, unsigned count)
{
    alloc_each(frames, count);
}

MEASURED void measure_free_bulk(const phys_addr_t *frames, unsigned count)
{
    free_each(frames, count, 1);
}

MEASURED void measure_alloc_scattered(phys_addr_t *frames, unsigned count)
{
    alloc_each(frames, count);
}

MEASURED void measure_free_scattered(const phys_addr_t *frames, unsigned count)
{
    free_each(frames, count, 1);
}

MEASURED void measure_alloc_2m(phys_addr_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        frames[i] = frames_alloc_2m();
    }
}

MEASURED void measure_free_2m(const phys_addr_t *frames, unsigned count)
{
    free_each(frames, count, FRAMES_2M);
}

MEASURED void measure_alloc_run(phys_addr_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        frames[i] = frames_alloc(RUN_FRAMES, 1, 0, FRAMES_ANYWHERE);
    }
}

MEASURED void measure_free_run(const phys_addr_t *frames, unsigned count)
{
    free_each(frames, count, RUN_FRAMES);
}

static void print_calls(const char *function, uint64_t calls)
{
    (void)printf("%s %llu\n", function, (unsigned long long)calls);
}

static void start_machine(void)
{
    const struct limine_memmap_entry map[] = {
        {.base = ARENA_BASE, .length = ARENA_FRAMES << PAGE_SHIFT, .type = LIMINE_MEMMAP_USABLE}};
    hosted_console_init();
    arch_bench_reserve(map[0].length);
    require(early_init(map, 1) == NEO_OK && frames_init(map, 1) == NEO_OK && frames_set_cpus(1) == NEO_OK, "no start");
}

/* Frames by a golden ratio step through all of them: neighbours are far apart. MANY is a power of two, the step odd. */
static void scatter(phys_addr_t *frames)
{
    static phys_addr_t in_order[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        in_order[i] = frames[i];
    }
    for (unsigned i = 0; i < MANY; i++) {
        frames[i] = in_order[(i * 81007u) % MANY];
    }
}

static void count_single_frames(void)
{
    measure_alloc_bulk(held.many, MANY);
    measure_free_bulk(held.many, MANY);
    measure_alloc_bulk(held.many, MANY);
    require(held.many[MANY - 1] != FRAMES_NONE, "no frames");
    print_calls("measure_alloc_bulk", 2ull * MANY);
    print_calls("measure_free_bulk", MANY);

    scatter(held.many);
    measure_free_scattered(held.many, MANY / 2);
    measure_alloc_scattered(held.many, MANY / 2);
    print_calls("measure_alloc_scattered", MANY / 2);
    print_calls("measure_free_scattered", MANY / 2);

    for (unsigned round = 0; round < ROUNDS; round++) {
        measure_free_one(held.many + round, BURST);
        measure_alloc_one(held.many + round, BURST);
    }
    print_calls("measure_alloc_one", (uint64_t)ROUNDS * BURST);
    print_calls("measure_free_one", (uint64_t)ROUNDS * BURST);
    free_each(held.many, MANY, 1);
    frames_drain();
}

static void count_larger(void)
{
    for (unsigned round = 0; round < 4; round++) {
        measure_alloc_2m(held.large, LARGE);
        require(held.large[LARGE - 1] != FRAMES_NONE, "no 2 MiB frame");
        measure_free_2m(held.large, LARGE);
    }
    print_calls("measure_alloc_2m", 4ull * LARGE);
    print_calls("measure_free_2m", 4ull * LARGE);

    for (unsigned round = 0; round < ROUNDS; round++) {
        measure_alloc_run(held.burst, BURST);
        require(held.burst[BURST - 1] != FRAMES_NONE, "no run");
        measure_free_run(held.burst, BURST);
    }
    print_calls("measure_alloc_run", (uint64_t)ROUNDS * BURST);
    print_calls("measure_free_run", (uint64_t)ROUNDS * BURST);
}

int main(void)
{
    start_machine();
    count_single_frames();
    count_larger();
    require(frames_check() == NEO_OK, "the allocator is not sound");
    return 0;
}
