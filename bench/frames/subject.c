/* subject.c — this project's allocator behind the benchmark's interface: kernel/mm as it is, on a machine of one usable region.
 *
 *      ARENA_BASE                                                    + nframes        + extra
 *          |  nframes frames, all free, whole chunks first              |  metadata      |
 *
 * The peers have their metadata outside the arena, so this machine has as many frames more as the allocator keeps for itself
 * (found by a first start): nframes are left to hand out. Metadata is dirty and mapped by the host before the start that is
 * measured, as the peers' is.
 * Locking: start and stop by one thread; the other calls as the allocator allows. */

#include "allocator.h"

#include "arch_bench.h"
#include "frames_fast.h"

#include <neomem/console.h>
#include <neomem/early.h>
#include <neomem/hosted.h>
#include <neomem/panic.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#define CPUS_MAX 64u
#define DEFAULT_HARDENING 1u
#define EXACT_HARDENING 2u
#define TRUSTING_HARDENING 0u

#define FIRST_NAME (ARENA_BASE >> PAGE_SHIFT)

static struct subject {
    struct frames_cpu *cpu[CPUS_MAX];
    uint64_t nframes; /* what extra belongs to */
    unsigned cpus;
    uint64_t extra; /* frames that the allocator keeps for itself */
    jmp_buf after_panic;
} subject;

/* Frames are named by their physical frame numbers, as a kernel does. */
static uint64_t name_of(phys_addr_t pa)
{
    return pa == FRAMES_NONE ? NO_FRAME : pa >> PAGE_SHIFT;
}

static phys_addr_t address_of(uint64_t frame)
{
    return frame << PAGE_SHIFT;
}

static bool start_machine(uint64_t nframes, unsigned cpus, unsigned hardening)
{
    const struct limine_memmap_entry map[] = {
        {.base = ARENA_BASE, .length = nframes << PAGE_SHIFT, .type = LIMINE_MEMMAP_USABLE}};
    return early_init(map, ARRAY_COUNT(map)) == NEO_OK && frames_init(map, ARRAY_COUNT(map)) == NEO_OK &&
           frames_set_cpus(cpus) == NEO_OK && frames_set_hardening(hardening) == NEO_OK;
}

static uint64_t own_frames(void)
{
    struct frames_stats stats;
    frames_get_stats(&stats);
    return stats.total - stats.free;
}

/* How much larger the machine must be for nframes to be left; the host has mapped all metadata afterwards. */
static bool measure_extra(uint64_t nframes, unsigned cpus)
{
    hosted_console_init();
    arch_bench_reserve((nframes << PAGE_SHIFT) + (nframes << PAGE_SHIFT) / 16 + MIB(64));
    subject.extra = 0;
    uint64_t kept;
    do { /* more frames may need more metadata, once or twice */
        kept = subject.extra;
        if (!start_machine(nframes + kept, cpus, DEFAULT_HARDENING)) {
            return false;
        }
        subject.extra = own_frames();
    } while (subject.extra > kept);
    subject.extra = kept;
    struct early_usage metadata = early_usage();
    arch_bench_dirty(metadata.base, metadata.nbytes);
    subject.nframes = nframes;
    subject.cpus = cpus;
    return true;
}

static void *start_with(uint64_t nframes, unsigned cpus, unsigned hardening)
{
    bool is_new = subject.nframes != nframes || subject.cpus != cpus;
    if (cpus > CPUS_MAX || (is_new && !measure_extra(nframes, cpus)) ||
        !start_machine(nframes + subject.extra, cpus, hardening)) {
        return NULL;
    }
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        subject.cpu[cpu] = frames_cpu_of(cpu);
    }
    return &subject;
}

static void *start_default(uint64_t nframes, unsigned cpus)
{
    return start_with(nframes, cpus, DEFAULT_HARDENING);
}

static void *start_exact(uint64_t nframes, unsigned cpus)
{
    return start_with(nframes, cpus, EXACT_HARDENING);
}

static void *start_trusting(uint64_t nframes, unsigned cpus)
{
    return start_with(nframes, cpus, TRUSTING_HARDENING);
}

static void stop(void *self)
{
    (void)self;
}

static NEO_NOINLINE uint64_t alloc_larger(unsigned order)
{
    if (order == ORDER_2M) {
        return name_of(frames_alloc_2m());
    }
    return name_of(frames_alloc(1ull << order, 1ull << order, 0, FRAMES_ANYWHERE));
}

static NEO_NOINLINE uint64_t alloc_uncached(void)
{
    return name_of(frames_alloc_one());
}

static uint64_t alloc_block(void *context, unsigned cpu, unsigned order)
{
    const struct subject *self = context;
    if (NEO_UNLIKELY(order != 0)) {
        return alloc_larger(order);
    }
    phys_addr_t pa = frames_cpu_alloc(self->cpu[cpu]);
    return NEO_LIKELY(pa != FRAMES_NONE) ? pa >> PAGE_SHIFT : alloc_uncached();
}

static uint64_t alloc_run(void *self, unsigned cpu, uint64_t count)
{
    (void)self;
    (void)cpu;
    return name_of(frames_alloc(count, 1, 0, FRAMES_ANYWHERE));
}

static NEO_NOINLINE int free_larger(uint64_t frame, uint64_t count)
{
    frames_free(address_of(frame), count);
    return 0;
}

static int free_block(void *context, unsigned cpu, uint64_t frame, uint64_t count)
{
    const struct subject *self = context;
    if (NEO_UNLIKELY(count != 1)) {
        return free_larger(frame, count);
    }
    frames_cpu_free(self->cpu[cpu], address_of(frame), __builtin_return_address(0));
    return 0;
}

static uint64_t free_frames(void *self)
{
    (void)self;
    struct frames_stats stats;
    frames_get_stats(&stats);
    return stats.free;
}

static void drain(void *self)
{
    (void)self;
    for (unsigned cpu = 0; cpu < subject.cpus; cpu++) {
        arch_bench_set_cpu(cpu);
        frames_drain();
    }
    arch_bench_set_cpu(0);
}

static bool is_sound(void *self)
{
    (void)self;
    return frames_check() == NEO_OK;
}

static uint64_t name_limit(void *self)
{
    (void)self;
    return FIRST_NAME + subject.nframes + subject.extra;
}

static uint64_t metadata_bytes(void *self)
{
    (void)self;
    return subject.extra << PAGE_SHIFT;
}

static void come_back(void)
{
    longjmp(subject.after_panic, 1);
}

/* A panic is this allocator's answer to a wrong free. Its text goes nowhere. */
static int attempt(int (*action)(void *context), void *context)
{
    static const struct panic_hooks hooks = {.stop = come_back};
    volatile int result = 1;
    console_reset();
    panic_reset();
    panic_set_hooks(&hooks);
    if (setjmp(subject.after_panic) == 0) {
        result = action(context);
    }
    panic_reset();
    hosted_console_init();
    arch_bench_set_cpu(0);
    return result;
}

const struct frame_allocator neomem_default = {
    .name = "neomem",
    .start = start_default,
    .stop = stop,
    .alloc = alloc_block,
    .alloc_run = alloc_run,
    .free = free_block,
    .free_frames = free_frames,
    .drain = drain,
    .is_sound = is_sound,
    .first_name = FIRST_NAME,
    .name_limit = name_limit,
    .metadata_bytes = metadata_bytes,
    .attempt = attempt,
};

const struct frame_allocator neomem_trust = {
    .name = "neomem-trust",
    .start = start_trusting,
    .stop = stop,
    .alloc = alloc_block,
    .alloc_run = alloc_run,
    .free = free_block,
    .free_frames = free_frames,
    .drain = drain,
    .is_sound = is_sound,
    .first_name = FIRST_NAME,
    .name_limit = name_limit,
    .metadata_bytes = metadata_bytes,
    .attempt = attempt,
};

const struct frame_allocator neomem_exact = {
    .name = "neomem-exact",
    .start = start_exact,
    .stop = stop,
    .alloc = alloc_block,
    .alloc_run = alloc_run,
    .free = free_block,
    .free_frames = free_frames,
    .drain = drain,
    .is_sound = is_sound,
    .first_name = FIRST_NAME,
    .name_limit = name_limit,
    .metadata_bytes = metadata_bytes,
    .attempt = attempt,
};
