/* memory_map.h — the kernel's one map of physical memory: checked, disjoint, every byte with one kind.
 *
 * memmap_check() proves that what a loader handed over keeps the Limine protocol's guarantees.
 * memory_map_init() then makes the kernel's own copy: overlaps of reserved types resolved (the stricter
 * wins), equal neighbours merged, and the policy applied that usable memory below MEMORY_MAP_LOW_LIMIT is
 * accounted for but not handed out (BIOS and SMM code of real machines writes there). Kinds 0 to 8 are the
 * Limine types by number; the rest is this kernel's own.
 *
 * Life of the kernel's instance, each step in this order:
 *   memmap_check → memory_map_find_storage → memory_map_init → memory_map_claim(the storage itself)
 *   → memory_map_publish → … frames, page tables, heap … → memory_map_reclaim → memory_map_publish
 *
 * Invariants (memory_map_verify): ascending, disjoint, no empty region, usable, low, manager and reclaimable
 * regions are whole frames, two neighbours that touch differ in kind.
 * Locking: none; written only during single-threaded start-up, afterwards read-only. Never allocates.
 *
 * Depends on: limine.h, status.h, types.h. Used by: kernel/mm, kernel/diag, kernel/shell, kernel/main.c. */
#ifndef NEOMEM_MEMORY_MAP_H
#define NEOMEM_MEMORY_MAP_H

#include <neomem/compiler.h>
#include <neomem/limine.h>
#include <neomem/status.h>
#include <neomem/types.h>

/* ---- the protocol's guarantees -------------------------------------------------------------------- */

enum memmap_rule {
    MEMMAP_RULE_NONE = 0,
    MEMMAP_RULE_MISSING,      /* no array, though count is not 0 */
    MEMMAP_RULE_TYPE,         /* type is not 0 … 8 */
    MEMMAP_RULE_ORDER,        /* base is below the previous entry's */
    MEMMAP_RULE_WRAP,         /* base + length exceeds 2^64 */
    MEMMAP_RULE_EMPTY,        /* a usable or reclaimable entry of no bytes */
    MEMMAP_RULE_BASE_ALIGN,   /* of a usable or reclaimable entry: base not a multiple of 4096 */
    MEMMAP_RULE_LENGTH_ALIGN, /* the same of its length */
    MEMMAP_RULE_OVERLAP,      /* a usable or reclaimable entry shares bytes with another entry */
};

struct memmap_violation {
    enum memmap_rule rule;
    uint64_t index;   /* the entry that breaks the rule */
    uint64_t other;   /* the entry it breaks it with (ORDER, OVERLAP); else equal to index */
    const char *text; /* one line without numbers, static */
};

/* Check all guarantees, in the order of the entries. Return: true and rule NONE; false and the first
 * violation. violation: may be NULL. Cost: O(count), one pass, no allocation. */
bool memmap_check(const struct limine_memmap_entry *entries, uint64_t count,
                  struct memmap_violation *violation) NEO_NODISCARD;

/* ---- the kernel's map ----------------------------------------------------------------------------- */

enum memory_kind {
    MEMORY_USABLE = LIMINE_MEMMAP_USABLE,
    MEMORY_RESERVED = LIMINE_MEMMAP_RESERVED,
    MEMORY_ACPI_RECLAIMABLE = LIMINE_MEMMAP_ACPI_RECLAIMABLE,
    MEMORY_ACPI_NVS = LIMINE_MEMMAP_ACPI_NVS,
    MEMORY_BAD = LIMINE_MEMMAP_BAD_MEMORY,
    MEMORY_BOOTLOADER_RECLAIMABLE = LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
    MEMORY_KERNEL_AND_MODULES = LIMINE_MEMMAP_EXECUTABLE_AND_MODULES,
    MEMORY_FRAMEBUFFER = LIMINE_MEMMAP_FRAMEBUFFER,
    MEMORY_RESERVED_MAPPED = 8, /* base revision 5 and later: reserved, but in the loader's direct map */
    MEMORY_LOW = 9,             /* RAM below MEMORY_MAP_LOW_LIMIT, withheld by policy */
    MEMORY_MANAGER = 10,        /* was usable; holds the memory manager's own tables for good */
    MEMORY_KIND_COUNT = 11,
};

/* One bit a kind, for iteration. */
#define MEMORY_KIND_BIT(kind) (1u << (kind))
/* RAM that the kernel may read and write: what the direct map of its own page tables holds writable. */
#define MEMORY_KINDS_RAM \
    (MEMORY_KIND_BIT(MEMORY_USABLE) | MEMORY_KIND_BIT(MEMORY_BOOTLOADER_RECLAIMABLE) | MEMORY_KIND_BIT(MEMORY_LOW) | \
     MEMORY_KIND_BIT(MEMORY_MANAGER))
#define MEMORY_KINDS_ALL ((1u << MEMORY_KIND_COUNT) - 1u)

#define MEMORY_MAP_LOW_LIMIT MIB(1)

struct memory_region {
    phys_addr_t base;
    uint64_t length; /* bytes, never 0 */
    uint64_t kind;   /* enum memory_kind */
};

struct memory_map {
    struct memory_region *regions; /* the front of the storage, ascending */
    uint64_t count;
    uint64_t capacity;
    struct limine_memmap_entry *published; /* the rest of the storage, as many: what availableMemoryRegions points to */
    uint64_t published_count;
    phys_addr_t low_limit; /* RAM below is withheld */
};

/* A physical range; half-open, length 0 is nothing. */
struct memory_range {
    phys_addr_t base;
    uint64_t length;
};

/* Bytes of storage for a map of count Limine entries that will see at most `changes` memory_map_claim calls
 * and excluded ranges of memory_map_reclaim altogether. Return: 0 when that is not a number of bytes. */
uint64_t memory_map_storage_bytes(uint64_t count, uint64_t changes);

/* Find whole frames for it before anything can be allocated: the top of the largest usable entry above
 * MEMORY_MAP_LOW_LIMIT and below limit (exclusive; 0: none). entries: checked. nbytes: rounded up to whole
 * frames. Return: true and *base; false when no usable entry is that large. Nothing is written. */
bool memory_map_find_storage(const struct limine_memmap_entry *entries, uint64_t count, uint64_t nbytes,
                             phys_addr_t limit, phys_addr_t *base) NEO_NODISCARD;

/* Build the map in storage (8-aligned, storage_bytes; owned by the caller, must outlive the map).
 * low_limit: MEMORY_MAP_LOW_LIMIT, or 0 to hand out everything; a multiple of 4096.
 * Return: NEO_OK; NEO_ERR_CORRUPT when memmap_check fails, NEO_ERR_LIMIT when the storage is too small,
 * NEO_ERR_INVALID for a misaligned argument; the map is then empty. Cost: O(count). */
enum neo_status memory_map_init(struct memory_map *map, const struct limine_memmap_entry *entries, uint64_t count,
                                phys_addr_t low_limit, void *storage, uint64_t storage_bytes) NEO_NODISCARD;

/* Retype [base, base + length), whole frames that lie in one region of kind `from`, as kind `to`.
 * Return: NEO_OK; NEO_ERR_INVALID when misaligned or empty, NEO_ERR_NOT_FOUND when they are not all of that
 * kind, NEO_ERR_LIMIT when the storage is exhausted; nothing is changed then. Cost: O(regions). */
enum neo_status memory_map_claim(struct memory_map *map, phys_addr_t base, uint64_t length, enum memory_kind from,
                                 enum memory_kind to) NEO_NODISCARD;

/* Point availableMemoryRegions at the usable regions and make this the kernel's map. Call again after
 * every change. Cost: O(regions). */
void memory_map_publish(struct memory_map *map);

/* The published map; NULL before memory_map_publish. */
const struct memory_map *memory_map_kernel(void);

/* Bytes by kind, before and after. */
struct memory_reclaim_report {
    uint64_t before[MEMORY_KIND_COUNT];
    uint64_t after[MEMORY_KIND_COUNT];
    uint64_t to_usable; /* what take_over accepted */
    uint64_t to_low;    /* reclaimed, but below low_limit: withheld */
    uint64_t excluded;  /* stays bootloader reclaimable: still in use */
    uint64_t refused;   /* stays bootloader reclaimable: take_over had no room for it */
};

/* Called once for each run that becomes usable, ascending, whole frames, maximal. Return: false when the
 * run cannot be managed; it then stays bootloader reclaimable. Must not use the map or availableMemoryRegions,
 * which are being rewritten. */
typedef bool (*memory_map_take_over_fn)(void *context, phys_addr_t base, uint64_t length);

/* Turn bootloader-reclaimable memory into usable memory, except what lies in `excluded` (any order, may
 * overlap, grows to whole frames). May be called again later with fewer exclusions. Publishes the map
 * again if it is the published one. take_over (NULL: accept all) and report may be NULL.
 * Return: NEO_OK; NEO_ERR_LIMIT when the storage cannot hold the splits, NEO_ERR_INVALID when an excluded
 * range wraps; nothing is changed then. Cost: O(regions * excluded_count). */
enum neo_status memory_map_reclaim(struct memory_map *map, const struct memory_range *excluded, uint64_t excluded_count,
                                   memory_map_take_over_fn take_over, void *context,
                                   struct memory_reclaim_report *report) NEO_NODISCARD;

/* ---- reading it ----------------------------------------------------------------------------------- */

/* The first region after `previous` (NULL: from the start) whose kind is in the mask; NULL at the end. */
const struct memory_region *memory_map_next(const struct memory_map *map, unsigned kinds,
                                            const struct memory_region *previous);

/* The region that holds the byte at address; NULL in a hole. Cost: O(log regions). */
const struct memory_region *memory_map_find(const struct memory_map *map, phys_addr_t address);

/* Do all bytes of the range lie in regions of the given kinds? False for length 0 and for a range that wraps. */
bool memory_map_covers(const struct memory_map *map, phys_addr_t base, uint64_t length, unsigned kinds);

/* Sum of one kind in bytes, of all kinds, and the first address above the last region of the given kinds
 * (0 when there is none; saturates at 2^64 - 1). */
uint64_t memory_map_total(const struct memory_map *map, enum memory_kind kind);
void memory_map_totals(const struct memory_map *map, uint64_t totals[MEMORY_KIND_COUNT]);
phys_addr_t memory_map_end(const struct memory_map *map, unsigned kinds);

/* Are the invariants of the head comment true? For self-tests. Cost: O(regions). */
bool memory_map_verify(const struct memory_map *map);

/* "usable", "reserved", …; "unknown" for anything else. Valid for Limine types and for memory_kind. */
const char *memory_kind_name(uint64_t kind);

#endif
