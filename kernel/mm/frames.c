/* frames.c — bitmap page frame allocator: allocation and release.
 *
 * Layout: all spans (maximal runs of managed frames) share one bitmap, in address order, each starting at a word of its
 * own. Bit set: frame free. Holes have no bits, so metadata follows the memory there is, never the highest address.
 *
 *   spans     |base 1 MiB, 255 frames|      |base 4 GiB, 1000 frames|
 *   level 0   [....1111 11110000 ...0][pad][0110 ...                ]   1 bit per frame
 *   level 1   [1 per word of level 0 that has a set bit             ]
 *   level n   [one word                                             ]
 *
 * Invariants (frames_check): a summary bit is set exactly when the word below it is not 0; padding bits are 0; free_bits
 * is the number of set bits of level 0; spans ascend and do not touch; no bit of metadata is set.
 *
 * Locking: one IRQ-safe lock, and one around it for frames_add; dropped before a panic, so that reports can still ask for
 * figures. Search and layout are pure functions on a table: frames_table.c, frames_layout.c. */

#include "frames_internal.h"
#include "mm_internal.h"

#include <neomem/early.h>
#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/panic.h>

static struct {
    struct spinlock lock;     /* everything below */
    struct spinlock add_lock; /* one frames_add at a time; taken before lock */
    struct frames_table table;
    phys_addr_t fixed_pa; /* what early.h handed out to others */
    uint64_t fixed_bytes;
    uint64_t total;     /* frames in spans */
    uint64_t free_bits; /* set bits of level 0 */
    uint64_t reserve_target;
    uint64_t inject_successes; /* UINT64_MAX: no failure is due */
    bool inject_for_ever;
    uint64_t inject_attempts;
} frames = {.inject_successes = UINT64_MAX};

/* ---- start and growth ------------------------------------------------------------------------------ */

/* Install a table for total frames; the caller has counted free_bits. */
static void adopt_table(const struct frames_table *table, uint64_t total)
{
    frames.table = *table;
    frames.total = total;
    /* A machine that is nearly all reserve would be of no use to anybody. */
    frames.reserve_target = min_u64(PAGE_POOL_SIZE, total / 16);
}

enum neo_status frames_init(const struct limine_memmap_entry *map, uint64_t count)
{
    static const struct frames_table none;
    if (!frames_layout_accepts(map, count)) {
        return NEO_ERR_INVALID;
    }
    struct frames_table table;
    uint64_t total = frames_layout_measure(&table, &none, map, count);
    void *block = total == 0 ? NULL : early_alloc(table.block_bytes, PAGE_SIZE);
    if (block == NULL) {
        return NEO_ERR_NO_MEMORY;
    }
    frames_layout_build(&table, block, &none, map, count);

    /* The block was early's last and lowest piece, a whole number of frames: what lies above it belongs to others. */
    struct early_usage usage = early_retire();
    const struct frames_span *span = frames_table_span(&table, usage.base >> PAGE_SHIFT);
    BUG_ON(span == NULL);
    frames_table_set_used(&table, frames_bit(span, usage.base >> PAGE_SHIFT), usage.nbytes >> PAGE_SHIFT);
    adopt_table(&table, total);
    frames.fixed_pa = usage.base + table.block_bytes;
    frames.fixed_bytes = usage.nbytes - table.block_bytes;
    frames.free_bits = total - (usage.nbytes >> PAGE_SHIFT);
    return NEO_OK;
}

enum neo_status frames_add(const struct limine_memmap_entry *map, uint64_t count)
{
    if (!frames_layout_accepts(map, count)) {
        return NEO_ERR_INVALID;
    }
    /* add_lock keeps the spans as they are while the block for the new layout is allocated under the inner lock. */
    arch_irq_state_t outer = spin_lock(&frames.add_lock);
    struct frames_table table;
    uint64_t total = frames_layout_measure(&table, &frames.table, map, count);
    if (total == frames.total) {
        spin_unlock(&frames.add_lock, outer);
        return NEO_OK;
    }
    phys_addr_t block = frames_alloc(table.block_bytes >> PAGE_SHIFT, 1, 0, FRAMES_ANYWHERE);
    if (block == FRAMES_NONE) {
        spin_unlock(&frames.add_lock, outer);
        return NEO_ERR_NO_MEMORY;
    }
    arch_irq_state_t inner = spin_lock(&frames.lock);
    struct frames_table old = frames.table;
    frames_layout_build(&table, phys_to_virt(block), &old, map, count);
    frames.free_bits += total - frames.total;
    adopt_table(&table, total);
    spin_unlock(&frames.lock, inner);
    spin_unlock(&frames.add_lock, outer);

    frames_free(old.block_pa, old.block_bytes >> PAGE_SHIFT);
    return NEO_OK;
}

enum neo_status frames_add_range(phys_addr_t pa, uint64_t nbytes)
{
    struct limine_memmap_entry entry = {.base = pa, .length = nbytes, .type = LIMINE_MEMMAP_USABLE};
    return nbytes == 0 ? NEO_ERR_INVALID : frames_add(&entry, 1);
}

/* ---- allocation ------------------------------------------------------------------------------------ */

static uint64_t reserve_locked(void)
{
    return min_u64(frames.free_bits, frames.reserve_target);
}

static bool failure_is_due_locked(void)
{
    frames.inject_attempts++;
    if (frames.inject_successes == UINT64_MAX) {
        return false;
    }
    if (frames.inject_successes > 0) {
        frames.inject_successes--;
        return false;
    }
    if (!frames.inject_for_ever) {
        frames.inject_successes = UINT64_MAX;
    }
    return true;
}

uint64_t frames_inject_failure(uint64_t successes, bool for_ever)
{
    arch_irq_state_t state = spin_lock(&frames.lock);
    uint64_t attempts = frames.inject_attempts;
    frames.inject_attempts = 0;
    frames.inject_successes = successes;
    frames.inject_for_ever = for_ever;
    spin_unlock(&frames.lock, state);
    return attempts;
}

static phys_addr_t take_locked(uint64_t count, uint64_t align, pfn_t lo, pfn_t hi, uint64_t available)
{
    if (count > available || failure_is_due_locked()) {
        return FRAMES_NONE;
    }
    pfn_t pfn;
    uint64_t low = lo == 0 ? 0 : frames_table_bit_at_or_above(&frames.table, lo);
    uint64_t end =
        hi > PHYS_ADDR_LIMIT >> PAGE_SHIFT ? frames.table.nbits : frames_table_bit_at_or_above(&frames.table, hi);
    uint64_t first = frames_table_find_run(&frames.table, low, end, count, align, &pfn);
    if (first == BITMAP_NONE) {
        return FRAMES_NONE;
    }
    frames_table_set_used(&frames.table, first, count);
    frames.free_bits -= count;
    return pfn << PAGE_SHIFT;
}

phys_addr_t frames_alloc(uint64_t count, uint64_t align_frames, phys_addr_t lo_pa, phys_addr_t hi_pa)
{
    bool is_power_of_two = align_frames != 0 && (align_frames & (align_frames - 1)) == 0;
    if (count == 0 || !is_power_of_two) {
        return FRAMES_NONE;
    }
    /* The window shrinks to whole frames. */
    pfn_t lo = bytes_to_pages(lo_pa);
    pfn_t hi = hi_pa >> PAGE_SHIFT;
    arch_irq_state_t state = spin_lock(&frames.lock);
    phys_addr_t pa = take_locked(count, align_frames, lo, hi, frames.free_bits - reserve_locked());
    spin_unlock(&frames.lock, state);
    return pa;
}

phys_addr_t frames_alloc_reserved(void)
{
    arch_irq_state_t state = spin_lock(&frames.lock);
    phys_addr_t pa = take_locked(1, 1, 0, FRAMES_ANYWHERE >> PAGE_SHIFT, frames.free_bits);
    spin_unlock(&frames.lock, state);
    return pa;
}

/* ---- release --------------------------------------------------------------------------------------- */

static bool overlaps(phys_addr_t pa, uint64_t nbytes, phys_addr_t other_pa, uint64_t other_bytes)
{
    return pa < other_pa + other_bytes && other_pa < pa + nbytes;
}

/* Why [pa, pa + count frames) may not be freed; NULL when it may, and its first bit in *first. *culprit: the address
 * to name, where it is not pa. */
static const char *forbids_free_locked(phys_addr_t pa, uint64_t count, uint64_t *first, phys_addr_t *culprit)
{
    if (!is_aligned(pa, PAGE_SIZE)) {
        return "address is not that of a frame";
    }
    if (count == 0) {
        return "count is 0";
    }
    const struct frames_span *span = frames_table_span(&frames.table, pa >> PAGE_SHIFT);
    if (span == NULL) {
        return "no memory of this allocator";
    }
    if (count > span->nframes - ((pa >> PAGE_SHIFT) - span->base)) {
        return "range runs out of the memory it starts in";
    }
    uint64_t nbytes = count << PAGE_SHIFT;
    if (overlaps(pa, nbytes, frames.table.block_pa, frames.table.block_bytes) ||
        overlaps(pa, nbytes, frames.fixed_pa, frames.fixed_bytes)) {
        return "the memory manager's own metadata";
    }
    *first = frames_bit(span, pa >> PAGE_SHIFT);
    uint64_t already = bitmap_find_next_set(frames.table.level[0], *first, *first + count);
    if (already != BITMAP_NONE) {
        *culprit = pa + ((already - *first) << PAGE_SHIFT);
        return "free already (double free)";
    }
    return NULL;
}

void frames_free_for(phys_addr_t pa, uint64_t count, const void *caller)
{
    uint64_t first = 0;
    phys_addr_t culprit = pa;
    arch_irq_state_t state = spin_lock(&frames.lock);
    const char *problem = forbids_free_locked(pa, count, &first, &culprit);
    if (problem == NULL) {
        frames_table_set_free(&frames.table, first, count);
        frames.free_bits += count;
    }
    spin_unlock(&frames.lock, state);
    if (problem != NULL) {
        panic("free of %llu frames at physical 0x%llx by %p: 0x%llx: %s", (unsigned long long)count,
              (unsigned long long)pa, caller, (unsigned long long)culprit, problem);
    }
}

NEO_NOINLINE void frames_free(phys_addr_t pa, uint64_t count)
{
    frames_free_for(pa, count, __builtin_return_address(0));
}

/* ---- figures --------------------------------------------------------------------------------------- */

enum frames_state frames_state(phys_addr_t pa)
{
    phys_addr_t frame = align_down(pa, PAGE_SIZE);
    arch_irq_state_t state = spin_lock(&frames.lock);
    const struct frames_span *span = frames_table_span(&frames.table, pa >> PAGE_SHIFT);
    enum frames_state result = FRAMES_STATE_ALLOCATED;
    if (span == NULL) {
        result = FRAMES_STATE_FOREIGN;
    } else if (overlaps(frame, PAGE_SIZE, frames.table.block_pa, frames.table.block_bytes) ||
               overlaps(frame, PAGE_SIZE, frames.fixed_pa, frames.fixed_bytes)) {
        result = FRAMES_STATE_METADATA;
    } else if (bitmap_test(frames.table.level[0], frames_bit(span, pa >> PAGE_SHIFT))) {
        result = FRAMES_STATE_FREE;
    }
    spin_unlock(&frames.lock, state);
    return result;
}

bool frames_is_allocated(phys_addr_t pa)
{
    return frames_state(pa) == FRAMES_STATE_ALLOCATED;
}

void frames_get_stats(struct frames_stats *stats)
{
    arch_irq_state_t state = spin_lock(&frames.lock);
    stats->total = frames.total;
    stats->reserve = reserve_locked();
    stats->free = frames.free_bits - stats->reserve;
    stats->metadata = (frames.table.block_bytes + frames.fixed_bytes) >> PAGE_SHIFT;
    stats->allocated = frames.total - frames.free_bits - stats->metadata;
    stats->spans = frames.table.span_count;
    spin_unlock(&frames.lock, state);
}

uint64_t frames_longest_free_run(void)
{
    arch_irq_state_t state = spin_lock(&frames.lock);
    uint64_t longest = min_u64(frames_table_longest_run(&frames.table), frames.free_bits - reserve_locked());
    spin_unlock(&frames.lock, state);
    return longest;
}

void frames_for_each_span(void (*visit)(void *context, phys_addr_t base, uint64_t nbytes), void *context)
{
    arch_irq_state_t state = spin_lock(&frames.lock);
    for (uint64_t i = 0; i < frames.table.span_count; i++) {
        visit(context, frames.table.spans[i].base << PAGE_SHIFT, frames.table.spans[i].nframes << PAGE_SHIFT);
    }
    spin_unlock(&frames.lock, state);
}

enum neo_status frames_check(void)
{
    arch_irq_state_t state = spin_lock(&frames.lock);
    const struct frames_table *table = &frames.table;
    bool is_sound = frames_table_is_sound(table, frames.total, frames.free_bits) &&
                    frames_table_range_is_used(table, table->block_pa, table->block_bytes) &&
                    frames_table_range_is_used(table, frames.fixed_pa, frames.fixed_bytes);
    spin_unlock(&frames.lock, state);
    return is_sound ? NEO_OK : NEO_ERR_CORRUPT;
}
