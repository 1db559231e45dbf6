/* memmap_expect.h — tables of descriptors, entries and trims for the adapter's unit tests, and their comparison.
 * Depends on: memmaps.h, cmocka. Used by: tests/unit/test_memmap_*.c. */
#ifndef NEOMEM_TESTS_SUPPORT_MEMMAP_EXPECT_H
#define NEOMEM_TESTS_SUPPORT_MEMMAP_EXPECT_H

#include "tests/support/memmaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Firmware's types, by the letters that the pictures use. */
enum {
    R = 0,
    LC = 1,
    LD = 2,
    BC = 3,
    BD = 4,
    RTC = 5,
    RTD = 6,
    U = 7,
    BAD = 8,
    A = 9,
    N = 10,
    IO = 11,
    PERSISTENT = 14
};

struct raw {
    uint32_t type;
    uint64_t phys, pages, attribute;
};
#define RAW(...) (const struct raw[]){__VA_ARGS__}, sizeof((const struct raw[]){__VA_ARGS__}) / sizeof(struct raw)
#define ENTRIES(...) \
    (const struct limine_memmap_entry[]){__VA_ARGS__}, \
        sizeof((const struct limine_memmap_entry[]){__VA_ARGS__}) / sizeof(struct limine_memmap_entry)
#define TRIMS(...) \
    (const struct boot_trim[]){__VA_ARGS__}, sizeof((const struct boot_trim[]){__VA_ARGS__}) / sizeof(struct boot_trim)
#define NO_ENTRIES NULL, 0
#define NO_TRIMS NULL, 0

static const struct memmap_limine_input plain = {.phys_bits = 40, .report_bad_memory = true};

static inline void build(struct raw_map *map, const struct raw *raw, size_t count)
{
    raw_map_init(map, 48);
    for (size_t i = 0; i < count; i++) {
        raw_map_add(map, raw[i].type, raw[i].phys, raw[i].pages, raw[i].attribute);
    }
}

static inline void check_entries(const struct conversion *c, const struct limine_memmap_entry *want, size_t count)
{
    bool same = c->output.entry_count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = memcmp(&c->output.entries[i], &want[i], sizeof(want[i])) == 0;
    }
    if (!same) {
        conversion_print(c);
        fail_msg("entries differ");
    }
}

static inline void check_trims(const struct conversion *c, const struct boot_trim *want, size_t count)
{
    bool same = c->output.trim_count == count;
    for (size_t i = 0; same && i < count; i++) {
        same = memcmp(&c->output.trims[i], &want[i], sizeof(want[i])) == 0;
    }
    if (!same) {
        conversion_print(c);
        fail_msg("trims differ");
    }
}

static inline void check_sane(const struct conversion *c)
{
    const char *complaint = conversion_complaint(c);
    if (complaint != NULL) {
        conversion_print(c);
        fail_msg("%s", complaint);
    }
}

/* Convert raw with the settings of `with`; expect exactly these entries and trims, and these refused claims. */
static inline void expect_with(const struct memmap_limine_input *with, uint64_t refused, const struct raw *raw,
                               size_t raw_count, const struct limine_memmap_entry *entries, size_t entry_count,
                               const struct boot_trim *trims, size_t trim_count)
{
    struct raw_map map;
    build(&map, raw, raw_count);
    struct conversion c = {.input = *with};
    conversion_run(&c, &map);
    check_entries(&c, entries, entry_count);
    check_trims(&c, trims, trim_count);
    assert_int_equal(c.output.refused_claims, refused);
    check_sane(&c);
    conversion_free(&c);
    raw_map_free(&map);
}

static inline void expect(const struct raw *raw, size_t raw_count, const struct limine_memmap_entry *entries,
                          size_t entry_count, const struct boot_trim *trims, size_t trim_count)
{
    expect_with(&plain, 0, raw, raw_count, entries, entry_count, trims, trim_count);
}

static inline void expect_claimed(const struct memmap_claim *claims, uint64_t claim_count, uint64_t refused,
                                  const struct raw *raw, size_t raw_count, const struct limine_memmap_entry *entries,
                                  size_t entry_count, const struct boot_trim *trims, size_t trim_count)
{
    struct memmap_limine_input with = plain;
    with.claims = claims;
    with.claim_count = claim_count;
    expect_with(&with, refused, raw, raw_count, entries, entry_count, trims, trim_count);
}

#endif
