/* test_memmap_limine.c — the adapter, case by case. Pictures show descriptors above, entries below;
 * letters: U conventional, R reserved, L loader, B boot services, A ACPI reclaim, N ACPI NVS. One column is one frame
 * unless a scale says otherwise. The bugs of other loaders that a case guards against are named there. */
#include "tests/support/memmap_expect.h"

/* ---- types and attributes ------------------------------------------------------------------------- */

static void types_follow_the_protocols_table(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t efi;
        uint64_t limine;
    } table[] = {
        {0, 1},           {1, 5},           {2, 5},           {3, 5},           {4, 5},  {5, 1},
        {6, 1},           {7, 0},           {8, 4},           {9, 2},           {10, 3}, {11, 1},
        {12, 1},          {13, 1},          {14, 1},          {15, 1},          {16, 1}, {0x6fffffffu, 1},
        {0x70000000u, 1}, {0x7fffffffu, 1}, {0x80000000u, 1}, {0xffffffffu, 1},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        expect(RAW({table[i].efi, 0x200000, 3, RAW_WB}), ENTRIES({0x200000, 0x3000, table[i].limine}), NO_TRIMS);
    }
}

static void unusable_memory_is_reserved_in_strict_mode(void **unused)
{
    (void)unused;
    struct memmap_limine_input strict = plain;
    strict.report_bad_memory = false;
    expect_with(&strict, 0, RAW({BAD, 0x200000, 1, RAW_WB}), ENTRIES({0x200000, 0x1000, 1}), NO_TRIMS);
}

/* Write-back capable, neither persistent nor special-purpose: only such RAM is handed out. */
static void attributes_decide_about_ram(void **unused)
{
    (void)unused;
    static const uint64_t not_ram[] = {0, 0x1, 0x7, 0x8 | 0x8000, RAW_WB | 0x40000, RAW_WB | 0x8000 | 0x40000};
    static const uint32_t demoted[] = {U, BC, BD};
    for (size_t i = 0; i < sizeof(not_ram) / sizeof(not_ram[0]); i++) {
        for (size_t t = 0; t < 3; t++) {
            expect(RAW({demoted[t], 0x200000, 2, not_ram[i]}), ENTRIES({0x200000, 0x2000, 1}),
                   TRIMS({0x200000, 0x2000, demoted[t], BOOT_TRIM_POLICY}));
        }
        /* The hand-over lives in loader memory; other types are strict enough as they are. */
        expect(RAW({LC, 0x200000, 2, not_ram[i]}), ENTRIES({0x200000, 0x2000, 5}), NO_TRIMS);
        expect(RAW({LD, 0x200000, 2, not_ram[i]}), ENTRIES({0x200000, 0x2000, 5}), NO_TRIMS);
        expect(RAW({A, 0x200000, 2, not_ram[i]}), ENTRIES({0x200000, 0x2000, 2}), NO_TRIMS);
    }
    /* Bits that say nothing about what the memory is: UCE, WP, RP, XP, MORE_RELIABLE, RO, crypto, hot-pluggable, RUNTIME. */
    expect(
        RAW({U, 0x200000, 2, 0x8 | 0x10 | 0x7000 | 0x10000 | 0x20000 | 0x80000 | 0x100000 | 1ull << 62 | 1ull << 63}),
        ENTRIES({0x200000, 0x2000, 0}), NO_TRIMS);
}

/* ---- order, merging, holes ------------------------------------------------------------------------ */

/* OVMF appends ECAM and flash behind the RAM above 4 GiB. */
static void unsorted_descriptors_come_out_sorted(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x100000000, 0x80000, RAW_WB}, {R, 0xb0000000, 0x10000, 1}, {IO, 0xffc00000, 0x400, 1},
               {U, 0x100000, 0x100, RAW_WB}),
           ENTRIES({0x100000, 0x100000, 0}, {0xb0000000, 0x10000000, 1}, {0xffc00000, 0x400000, 1},
                   {0x100000000, 0x80000000, 0}),
           NO_TRIMS);
}

/*   BD BC LD LC | U U | hole | U  →  5555 00   0 */
static void neighbours_merge_only_when_equal_and_touching(void **unused)
{
    (void)unused;
    expect(RAW({BC, 0x101000, 1, RAW_WB}, {BD, 0x100000, 1, RAW_WB}, {LC, 0x103000, 1, RAW_WB},
               {LD, 0x102000, 1, RAW_WB}, {U, 0x105000, 1, RAW_WB}, {U, 0x104000, 1, RAW_WB}, {U, 0x107000, 1, RAW_WB}),
           ENTRIES({0x100000, 0x4000, 5}, {0x104000, 0x2000, 0}, {0x107000, 0x1000, 0}), NO_TRIMS);
}

static void an_empty_map_gives_an_empty_map(void **unused)
{
    (void)unused;
    expect(NULL, 0, NO_ENTRIES, NO_TRIMS);
}

/* ---- overlaps ------------------------------------------------------------------------------------- */

/*   UUUUUUUU        Loaders that only look at neighbours panic here (limine#185, #619).
 *     RR
 *   00110000 */
static void usable_around_reserved_is_split(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x100000, 8, RAW_WB}, {R, 0x102000, 2, RAW_WB}),
           ENTRIES({0x100000, 0x2000, 0}, {0x102000, 0x2000, 1}, {0x104000, 0x4000, 0}),
           TRIMS({0x102000, 0x2000, U, BOOT_TRIM_OVERLAP}));
}

/*   UUUU            UUUU
 *     AAAA    and  RRR           the stricter one wins, on either side and in either order */
static void the_stricter_of_two_wins(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x100000, 4, RAW_WB}, {A, 0x102000, 4, RAW_WB}),
           ENTRIES({0x100000, 0x2000, 0}, {0x102000, 0x4000, 2}), TRIMS({0x102000, 0x2000, U, BOOT_TRIM_OVERLAP}));
    expect(RAW({U, 0x101000, 4, RAW_WB}, {R, 0x100000, 3, RAW_WB}),
           ENTRIES({0x100000, 0x3000, 1}, {0x103000, 0x2000, 0}), TRIMS({0x101000, 0x2000, U, BOOT_TRIM_OVERLAP}));
    expect(RAW({R, 0x100000, 3, RAW_WB}, {U, 0x101000, 4, RAW_WB}),
           ENTRIES({0x100000, 0x3000, 1}, {0x103000, 0x2000, 0}), TRIMS({0x101000, 0x2000, U, BOOT_TRIM_OVERLAP}));
}

/* The whole ladder: U < loader < ACPI reclaim < NVS < reserved < bad, each pair in both orders. */
static void strictness_is_a_ladder(void **unused)
{
    (void)unused;
    static const uint32_t ladder[] = {U, BD, A, N, R, BAD};
    static const uint64_t limine[] = {0, 5, 2, 3, 1, 4};
    for (size_t weak = 0; weak < 6; weak++) {
        for (size_t strict = weak + 1; strict < 6; strict++) {
            const struct boot_trim lost = {0x100000, 0x1000, ladder[weak], BOOT_TRIM_OVERLAP};
            expect(RAW({ladder[weak], 0x100000, 1, RAW_WB}, {ladder[strict], 0x100000, 1, RAW_WB}),
                   ENTRIES({0x100000, 0x1000, limine[strict]}), &lost, 1);
            expect(RAW({ladder[strict], 0x100000, 1, RAW_WB}, {ladder[weak], 0x100000, 1, RAW_WB}),
                   ENTRIES({0x100000, 0x1000, limine[strict]}), &lost, 1);
        }
    }
}

/*   UUUUUUUUUU
 *    BBBBBBBB
 *     NNNNNN
 *      RRRR
 *   0533111335..                                  (drawn shorter than it is: one more of each on the right) */
static void nested_ranges_peel_off(void **unused)
{
    (void)unused;
    expect(
        RAW({U, 0x100000, 10, RAW_WB}, {BD, 0x101000, 8, RAW_WB}, {N, 0x102000, 6, RAW_WB}, {R, 0x103000, 4, RAW_WB}),
        ENTRIES({0x100000, 0x1000, 0}, {0x101000, 0x1000, 5}, {0x102000, 0x1000, 3}, {0x103000, 0x4000, 1},
                {0x107000, 0x1000, 3}, {0x108000, 0x1000, 5}, {0x109000, 0x1000, 0}),
        TRIMS({0x101000, 0x8000, U, BOOT_TRIM_OVERLAP}, {0x102000, 0x6000, BD, BOOT_TRIM_OVERLAP},
              {0x103000, 0x4000, N, BOOT_TRIM_OVERLAP}));
}

static void duplicates_count_once(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x100000, 4, RAW_WB}, {U, 0x100000, 4, RAW_WB}, {U, 0x102000, 4, RAW_WB}),
           ENTRIES({0x100000, 0x6000, 0}),
           TRIMS({0x100000, 0x4000, U, BOOT_TRIM_OVERLAP}, {0x102000, 0x2000, U, BOOT_TRIM_OVERLAP}));
    expect(RAW({R, 0x100000, 4, RAW_WB}, {R, 0x100000, 4, RAW_WB}), ENTRIES({0x100000, 0x4000, 1}),
           TRIMS({0x100000, 0x4000, R, BOOT_TRIM_OVERLAP}));
}

/* ---- descriptors without a sane length ------------------------------------------------------------ */

/* An 8.2 loader tested the pointer instead of the length, so empty ranges survived; a newer splitter looped on them. */
static void empty_descriptors_are_dropped(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x100000, 4, RAW_WB}, {R, 0x102000, 0, RAW_WB}, {U, 0x104000, 0, RAW_WB}, {U, 0, 0, RAW_WB}),
           ENTRIES({0x100000, 0x4000, 0}),
           TRIMS({0, 0, U, BOOT_TRIM_ZERO_LENGTH}, {0x102000, 0, R, BOOT_TRIM_ZERO_LENGTH},
                 {0x104000, 0, U, BOOT_TRIM_ZERO_LENGTH}));
    expect(RAW({U, 0x104000, 0, RAW_WB}), NO_ENTRIES, TRIMS({0x104000, 0, U, BOOT_TRIM_ZERO_LENGTH}));
}

static void lengths_that_wrap_are_dropped(void **unused)
{
    (void)unused;
    /* 2^52 pages are 2^64 bytes: no number of bytes. */
    expect(RAW({U, 0x100000, 1ull << 52, RAW_WB}, {R, 0, UINT64_MAX, RAW_WB}, {U, 0x100000, 1, RAW_WB}),
           ENTRIES({0x100000, 0x1000, 0}), TRIMS({0, 0, R, BOOT_TRIM_OVERFLOW}, {0x100000, 0, U, BOOT_TRIM_OVERFLOW}));
    /* One byte too far, and exactly to the end. */
    expect(RAW({U, 0xfffffffffffff000, 2, RAW_WB}), NO_ENTRIES,
           TRIMS({0xfffffffffffff000, 0x1000, U, BOOT_TRIM_OVERFLOW}));
    expect(RAW({U, 0xfffffffffffff000, 1, RAW_WB}), NO_ENTRIES,
           TRIMS({0xfffffffffffff000, 0x1000, U, BOOT_TRIM_OVERFLOW}));
    expect(RAW({U, 0, (1ull << 52) - 1, RAW_WB}), ENTRIES({0, 1ull << 40, 0}),
           TRIMS({1ull << 40, (1ull << 52) - (1ull << 40), U, BOOT_TRIM_BEYOND_CPU},
                 {1ull << 52, 0ull - (1ull << 52) - 0x1000, U, BOOT_TRIM_OVERFLOW}));
}

/*   limit        v
 *   UUUUUUU   UUU|UUU   RRR|RRR   |UUU        MAXPHYADDR cuts every type */
static void nothing_lies_beyond_the_cpu(void **unused)
{
    (void)unused;
    const uint64_t limit = 1ull << 40;
    expect(RAW({U, limit - 0x3000, 6, RAW_WB}, {N, limit - 0x5000, 2, RAW_WB}, {R, limit + 0x10000, 1, RAW_WB},
               {IO, limit - 0x1000, 2, 1}),
           ENTRIES({limit - 0x5000, 0x2000, 3}, {limit - 0x3000, 0x2000, 0}, {limit - 0x1000, 0x1000, 1}),
           TRIMS({limit - 0x1000, 0x1000, U, BOOT_TRIM_OVERLAP}, {limit, 0x1000, IO, BOOT_TRIM_BEYOND_CPU},
                 {limit, 0x3000, U, BOOT_TRIM_BEYOND_CPU}, {limit + 0x10000, 0x1000, R, BOOT_TRIM_BEYOND_CPU}));
    /* With 52 bits the CPU's limit is the architecture's. */
    struct memmap_limine_input widest = plain;
    widest.phys_bits = 52;
    expect_with(&widest, 0, RAW({U, (1ull << 52) - 0x1000, 2, RAW_WB}), ENTRIES({(1ull << 52) - 0x1000, 0x1000, 0}),
                TRIMS({1ull << 52, 0x1000, U, BOOT_TRIM_OVERFLOW}));
}

/* ---- alignment ------------------------------------------------------------------------------------ */

/* half a frame a column:   .UUUU.   →   ..00..    (a loader that aligns the base of free memory down owns foreign bytes) */
static void usable_shrinks_to_whole_frames(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x100800, 2, RAW_WB}), ENTRIES({0x101000, 0x1000, 0}),
           TRIMS({0x100800, 0x800, U, BOOT_TRIM_UNALIGNED}, {0x102000, 0x800, U, BOOT_TRIM_UNALIGNED}));
    expect(RAW({BD, 0x100001, 2, RAW_WB}), ENTRIES({0x101000, 0x1000, 5}),
           TRIMS({0x100001, 0xfff, BD, BOOT_TRIM_UNALIGNED}, {0x102000, 1, BD, BOOT_TRIM_UNALIGNED}));
    /* No whole frame inside: nothing is left, all is accounted for. */
    expect(RAW({U, 0x100800, 1, RAW_WB}), NO_ENTRIES,
           TRIMS({0x100800, 0x800, U, BOOT_TRIM_UNALIGNED}, {0x101000, 0x800, U, BOOT_TRIM_UNALIGNED}));
}

/* Two that meet in the middle of a frame, of different origin but one type, lose only the outer ends. */
static void equal_neighbours_share_a_frame(void **unused)
{
    (void)unused;
    expect(RAW({BD, 0x100800, 2, RAW_WB}, {LC, 0x102800, 2, RAW_WB}), ENTRIES({0x101000, 0x3000, 5}),
           TRIMS({0x100800, 0x800, BD, BOOT_TRIM_UNALIGNED}, {0x104000, 0x800, LC, BOOT_TRIM_UNALIGNED}));
}

/* half a frame a column:  UUUUUUUU        reserved stays exact to the byte, and grows outwards: what it leaves of
 *                            RR           a frame is lost to the usable neighbours
 *                         00.11.00 */
static void reserved_grows_outwards(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x100000, 4, RAW_WB}, {R, 0x101800, 1, RAW_WB}),
           ENTRIES({0x100000, 0x1000, 0}, {0x101800, 0x1000, 1}, {0x103000, 0x1000, 0}),
           TRIMS({0x101000, 0x800, U, BOOT_TRIM_UNALIGNED}, {0x101800, 0x1000, U, BOOT_TRIM_OVERLAP},
                 {0x102800, 0x800, U, BOOT_TRIM_UNALIGNED}));
}

/* A usable sliver between two reserved ranges of one frame: half a kilobyte of it, in one trim. */
static void slivers_are_trimmed(void **unused)
{
    (void)unused;
    expect(RAW({U, 0x101000, 1, RAW_WB}, {R, 0x100200, 1, RAW_WB}, {R, 0x101400, 1, RAW_WB}),
           ENTRIES({0x100200, 0x1000, 1}, {0x101400, 0x1000, 1}),
           TRIMS({0x101000, 0x200, U, BOOT_TRIM_OVERLAP}, {0x101200, 0x200, U, BOOT_TRIM_UNALIGNED},
                 {0x101400, 0xc00, U, BOOT_TRIM_OVERLAP}));
}

/* ---- frame 0 -------------------------------------------------------------------------------------- */

static void page_zero_is_reserved_on_request(void **unused)
{
    (void)unused;
    struct memmap_limine_input with = plain;
    with.reserve_page_zero = true;
    expect_with(&with, 0, RAW({U, 0, 0xa0, RAW_WB}), ENTRIES({0, 0x1000, 1}, {0x1000, 0x9f000, 0}),
                TRIMS({0, 0x1000, U, BOOT_TRIM_POLICY}));
    expect_with(&with, 0, RAW({BD, 0, 1, RAW_WB}), ENTRIES({0, 0x1000, 1}), TRIMS({0, 0x1000, BD, BOOT_TRIM_POLICY}));
    expect_with(&with, 0, RAW({N, 0, 2, RAW_WB}), ENTRIES({0, 0x2000, 3}), NO_TRIMS);
    expect(RAW({U, 0, 0xa0, RAW_WB}), ENTRIES({0, 0xa0000, 0}), NO_TRIMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_follow_the_protocols_table),
        cmocka_unit_test(unusable_memory_is_reserved_in_strict_mode),
        cmocka_unit_test(attributes_decide_about_ram),
        cmocka_unit_test(unsorted_descriptors_come_out_sorted),
        cmocka_unit_test(neighbours_merge_only_when_equal_and_touching),
        cmocka_unit_test(an_empty_map_gives_an_empty_map),
        cmocka_unit_test(usable_around_reserved_is_split),
        cmocka_unit_test(the_stricter_of_two_wins),
        cmocka_unit_test(strictness_is_a_ladder),
        cmocka_unit_test(nested_ranges_peel_off),
        cmocka_unit_test(duplicates_count_once),
        cmocka_unit_test(empty_descriptors_are_dropped),
        cmocka_unit_test(lengths_that_wrap_are_dropped),
        cmocka_unit_test(nothing_lies_beyond_the_cpu),
        cmocka_unit_test(usable_shrinks_to_whole_frames),
        cmocka_unit_test(equal_neighbours_share_a_frame),
        cmocka_unit_test(reserved_grows_outwards),
        cmocka_unit_test(slivers_are_trimmed),
        cmocka_unit_test(page_zero_is_reserved_on_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
