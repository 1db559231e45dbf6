/* memory_map_check.c — the Limine protocol's guarantees about a memory map, verified in one pass.
 *
 * Overlaps need no pairwise comparison: the bases ascend, so an entry overlaps an earlier one exactly when
 * it starts at or below the highest byte seen so far. Two such bytes are kept: of the entries that must be
 * alone (usable, reclaimable), which nobody may reach into, and of all entries, which they may not reach into.
 *
 * Source: Limine PROTOCOL.md, "Memory Map Feature". */
#include <neomem/memory_map.h>

#define TYPE_LAST 8u /* reserved, mapped: base revision 4 and later */

struct reach {
    bool any;
    uint64_t last; /* highest byte */
    uint64_t index;
};

static const char *const rule_texts[] = {
    [MEMMAP_RULE_NONE] = "no violation",
    [MEMMAP_RULE_MISSING] = "the map is missing",
    [MEMMAP_RULE_TYPE] = "unknown type",
    [MEMMAP_RULE_ORDER] = "entries are not sorted by base",
    [MEMMAP_RULE_WRAP] = "base + length exceeds 64 bits",
    [MEMMAP_RULE_EMPTY] = "usable or reclaimable entry without bytes",
    [MEMMAP_RULE_BASE_ALIGN] = "base of a usable or reclaimable entry is not page-aligned",
    [MEMMAP_RULE_LENGTH_ALIGN] = "length of a usable or reclaimable entry is not whole pages",
    [MEMMAP_RULE_OVERLAP] = "usable or reclaimable entry overlaps another entry",
};

static bool must_be_alone(const struct limine_memmap_entry *entry)
{
    return entry->type == LIMINE_MEMMAP_USABLE || entry->type == LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
}

/* The rules that need only the entry. */
static enum memmap_rule check_alone(const struct limine_memmap_entry *entry)
{
    if (entry->type > TYPE_LAST) {
        return MEMMAP_RULE_TYPE;
    }
    if (entry->length != 0 && entry->base + (entry->length - 1) < entry->base) {
        return MEMMAP_RULE_WRAP;
    }
    if (!must_be_alone(entry)) {
        return MEMMAP_RULE_NONE;
    }
    if (entry->length == 0) {
        return MEMMAP_RULE_EMPTY;
    }
    if (!is_aligned(entry->base, PAGE_SIZE)) {
        return MEMMAP_RULE_BASE_ALIGN;
    }
    return is_aligned(entry->length, PAGE_SIZE) ? MEMMAP_RULE_NONE : MEMMAP_RULE_LENGTH_ALIGN;
}

static void extend(struct reach *reach, const struct limine_memmap_entry *entry, uint64_t index)
{
    uint64_t last = entry->base + (entry->length - 1);
    if (!reach->any || last > reach->last) {
        *reach = (struct reach){.any = true, .last = last, .index = index};
    }
}

static void report(struct memmap_violation *violation, enum memmap_rule rule, uint64_t index, uint64_t other)
{
    if (violation != NULL) {
        *violation = (struct memmap_violation){.rule = rule, .index = index, .other = other, .text = rule_texts[rule]};
    }
}

bool memmap_check(const struct limine_memmap_entry *entries, uint64_t count, struct memmap_violation *violation)
{
    struct reach of_all = {0};
    struct reach of_alone = {0};
    if (entries == NULL && count != 0) {
        report(violation, MEMMAP_RULE_MISSING, 0, 0);
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        const struct limine_memmap_entry *entry = &entries[i];
        if (i > 0 && entry->base < entries[i - 1].base) {
            report(violation, MEMMAP_RULE_ORDER, i, i - 1);
            return false;
        }
        enum memmap_rule rule = check_alone(entry);
        if (rule != MEMMAP_RULE_NONE) {
            report(violation, rule, i, i);
            return false;
        }
        if (entry->length == 0) {
            continue;
        }
        const struct reach *in_the_way = must_be_alone(entry) ? &of_all : &of_alone;
        if (in_the_way->any && entry->base <= in_the_way->last) {
            report(violation, MEMMAP_RULE_OVERLAP, i, in_the_way->index);
            return false;
        }
        extend(&of_all, entry, i);
        if (must_be_alone(entry)) {
            extend(&of_alone, entry, i);
        }
    }
    report(violation, MEMMAP_RULE_NONE, 0, 0);
    return true;
}
