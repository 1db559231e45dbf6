/* test_memmap_limits.c — the adapter at its limits: strides, buffers, arguments, size and cost. */
#include "tests/support/memmap_expect.h"

#include <inttypes.h>

/* ---- stride, capacities, arguments ---------------------------------------------------------------- */

static void any_stride_from_40_on_works(void **unused)
{
    (void)unused;
    static const uint64_t strides[] = {40, 41, 48, 56, 63, 64, 4096};
    for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
        struct raw_map map;
        raw_map_init(&map, strides[i]);
        raw_map_add(&map, U, 0x100000, 2, RAW_WB);
        raw_map_add(&map, R, 0x103000, 1, 0);
        raw_map_add(&map, BD, 0x102000, 1, RAW_WB);
        struct conversion c = {.input = plain};
        conversion_run(&c, &map);
        check_entries(&c, ENTRIES({0x100000, 0x2000, 0}, {0x102000, 0x1000, 5}, {0x103000, 0x1000, 1}));
        check_sane(&c);
        conversion_free(&c);
        raw_map_free(&map);
    }
}

static void an_incomplete_last_descriptor_is_ignored(void **unused)
{
    (void)unused;
    struct raw_map map;
    build(&map, RAW({U, 0x100000, 2, RAW_WB}, {U, 0x200000, 2, RAW_WB}));
    struct conversion c = {.input = plain};
    conversion_run(&c, &map);
    c.input.bytes -= 1;
    assert_int_equal(memmap_limine_convert(&c.input, &c.output), MEMMAP_LIMINE_OK);
    assert_int_equal(c.output.descriptor_count, 1);
    assert_int_equal(c.output.trailing_bytes, 47);
    check_entries(&c, ENTRIES({0x100000, 0x2000, 0}));
    conversion_free(&c);
    raw_map_free(&map);
}

static void expect_refusal(const struct memmap_limine_input *input, struct memmap_limine_output output,
                           enum memmap_limine_status status)
{
    uint64_t entry_bytes = output.entry_capacity * sizeof(*output.entries);
    uint64_t trim_bytes = output.trim_capacity * sizeof(*output.trims);
    output.entry_count = 77;
    output.trim_count = 77;
    if (output.entries != NULL) {
        memset(output.entries, 0x5a, entry_bytes);
    }
    if (output.trims != NULL) {
        memset(output.trims, 0x5a, trim_bytes);
    }
    assert_int_equal(memmap_limine_convert(input, &output), status);
    assert_int_equal(output.entry_count, 0);
    assert_int_equal(output.trim_count, 0);
    for (uint64_t i = 0; output.entries != NULL && i < entry_bytes; i++) {
        assert_int_equal(((uint8_t *)output.entries)[i], 0x5a);
    }
    for (uint64_t i = 0; output.trims != NULL && i < trim_bytes; i++) {
        assert_int_equal(((uint8_t *)output.trims)[i], 0x5a);
    }
}

static void short_buffers_are_refused_before_anything_is_written(void **unused)
{
    (void)unused;
    struct raw_map map;
    build(&map, RAW({U, 0x100000, 2, RAW_WB}, {R, 0x101000, 2, RAW_WB}, {U, 0x100800, 7, 0}));
    struct conversion c = {.input = plain};
    conversion_run(&c, &map);
    struct memmap_limine_output output = c.output;
    output.entry_capacity--;
    expect_refusal(&c.input, output, MEMMAP_LIMINE_NO_CAPACITY);
    output = c.output;
    output.trim_capacity--;
    expect_refusal(&c.input, output, MEMMAP_LIMINE_NO_CAPACITY);
    struct memmap_limine_input input = c.input;
    input.scratch_bytes--;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_NO_CAPACITY);
    conversion_free(&c);
    raw_map_free(&map);
}

static void bad_arguments_are_refused(void **unused)
{
    (void)unused;
    struct raw_map map;
    build(&map, RAW({U, 0x100000, 2, RAW_WB}));
    struct memmap_claim claim = {0x100000, 0x1000, 6};
    struct conversion c = {.input = plain};
    c.input.claims = &claim;
    c.input.claim_count = 1;
    conversion_run(&c, &map);
    struct memmap_limine_input input = c.input;
    input.stride = 39;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_STRIDE);
    input.stride = 0;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_STRIDE);
    input = c.input;
    input.phys_bits = 31;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_ARGUMENT);
    input.phys_bits = 53;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_ARGUMENT);
    input = c.input;
    input.descriptors = NULL;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_ARGUMENT);
    input = c.input;
    input.claims = NULL;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_ARGUMENT);
    input = c.input;
    input.scratch = NULL;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_ARGUMENT);
    input.scratch = (uint8_t *)c.input.scratch + 4;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_BAD_ARGUMENT);
    struct memmap_limine_output output = c.output;
    output.entries = NULL;
    expect_refusal(&c.input, output, MEMMAP_LIMINE_BAD_ARGUMENT);
    output = c.output;
    output.trims = NULL;
    expect_refusal(&c.input, output, MEMMAP_LIMINE_BAD_ARGUMENT);
    static const uint64_t wrong_types[] = {0, 2, 3, 4, 8, 9, 0x106};
    for (size_t i = 0; i < sizeof(wrong_types) / sizeof(wrong_types[0]); i++) {
        claim.type = wrong_types[i];
        expect_refusal(&c.input, c.output, MEMMAP_LIMINE_BAD_ARGUMENT);
    }
    claim.type = 6;
    input = c.input;
    input.claim_count = MEMMAP_LIMINE_CLAIMS_MAX + 1;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_TOO_MANY);
    input = c.input;
    input.bytes = (MEMMAP_LIMINE_DESCRIPTORS_MAX + 1ull) * input.stride;
    expect_refusal(&input, c.output, MEMMAP_LIMINE_TOO_MANY);
    conversion_free(&c);
    raw_map_free(&map);
}

static void capacities_have_limits(void **unused)
{
    (void)unused;
    const uint64_t most = MEMMAP_LIMINE_DESCRIPTORS_MAX;
    const uint64_t claims = MEMMAP_LIMINE_CLAIMS_MAX;
    assert_int_equal(memmap_limine_entries_needed(most + 1, 0), UINT64_MAX);
    assert_int_equal(memmap_limine_entries_needed(0, claims + 1), UINT64_MAX);
    assert_int_equal(memmap_limine_trims_needed(most + 1, 0), UINT64_MAX);
    assert_int_equal(memmap_limine_trims_needed(0, claims + 1), UINT64_MAX);
    assert_int_equal(memmap_limine_scratch_bytes(most + 1, 0), UINT64_MAX);
    assert_int_equal(memmap_limine_scratch_bytes(0, claims + 1), UINT64_MAX);
    assert_true(memmap_limine_scratch_bytes(most, claims) < 1ull << 32);
    assert_int_equal(memmap_limine_scratch_bytes(3, 0) % 8, 0);
}

/* ---- size and cost -------------------------------------------------------------------------------- */

enum shape { SORTED, REVERSED, NESTED, SAME, COMB };

static void shape_map(struct raw_map *map, enum shape shape, uint64_t n)
{
    raw_map_init(map, 48);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t type = i % 3 == 0 ? U : i % 3 == 1 ? BD : N;
        switch (shape) {
        case SORTED:
            raw_map_add(map, type, 0x100000 + i * 0x2000, 1 + i % 2, RAW_WB);
            break;
        case REVERSED:
            raw_map_add(map, type, 0x100000 + (n - i) * 0x2000, 2, RAW_WB);
            break;
        case NESTED: /* i-th starts later, ends earlier, and gets stricter only at times */
            raw_map_add(map, type, 0x100000 + i * 0x1000, 2 * (n - i), RAW_WB);
            break;
        case SAME:
            raw_map_add(map, type, 0x100000, n, RAW_WB);
            break;
        case COMB: /* half of them span everything, the others punch holes */
        default:
            raw_map_add(map, i % 2 == 0 ? U : R, i % 2 == 0 ? 0x100000 : 0x100000 + i * 0x2000, i % 2 == 0 ? 4 * n : 1,
                        RAW_WB);
            break;
        }
    }
}

static uint64_t comparisons_of(enum shape shape, uint64_t n)
{
    struct raw_map map;
    shape_map(&map, shape, n);
    struct conversion c = {.input = plain};
    conversion_run(&c, &map);
    if (n <= 1000) {
        check_sane(&c); /* the audit is quadratic where everything overlaps */
    }
    /* Fixed tables of 256 entries overflowed on real machines (limine#413); and n nested ranges make O(n) trims. */
    assert_true(c.output.descriptor_count == n);
    assert_true(c.output.entry_count <= 2 * n);
    assert_true(c.output.trim_count <= 4 * n);
    uint64_t comparisons = c.output.comparisons;
    conversion_free(&c);
    raw_map_free(&map);
    return comparisons;
}

static uint64_t log2_up(uint64_t n)
{
    return n <= 1 ? 1 : 64 - (uint64_t)__builtin_clzll(n - 1);
}

/* Quadratic sanitisers took seconds on such maps. The bound below is what heapsort of 2n ends and 4n trims and a
 * queue of n may cost; doubling n may not do much more than double the work. */
static void cost_is_n_log_n(void **unused)
{
    (void)unused;
    static const uint64_t sizes[] = {10, 312, 5000, 10000};
    for (enum shape shape = SORTED; shape <= COMB; shape++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            uint64_t n = sizes[i];
            assert_true(comparisons_of(shape, n) <= 16 * n * log2_up(4 * n));
        }
        uint64_t once = comparisons_of(shape, 4000);
        uint64_t twice = comparisons_of(shape, 8000);
        if (twice * 10 > once * 24) {
            fail_msg("shape %d: %" PRIu64 " comparisons for 4000, %" PRIu64 " for 8000", (int)shape, once, twice);
        }
    }
}

static void more_entries_than_any_fixed_table(void **unused)
{
    (void)unused;
    struct raw_map map;
    shape_map(&map, COMB, 5000);
    struct conversion c = {.input = plain};
    conversion_run(&c, &map);
    check_sane(&c);
    assert_int_equal(c.output.entry_count,
                     5001); /* 2500 teeth in one usable range, the first one frame behind its start */
    conversion_free(&c);
    raw_map_free(&map);
}

static void every_status_has_a_text(void **unused)
{
    (void)unused;
    for (int a = MEMMAP_LIMINE_OK; a <= MEMMAP_LIMINE_NO_MEMORY; a++) {
        for (int b = MEMMAP_LIMINE_OK; b < a; b++) {
            assert_string_not_equal(memmap_limine_status_text((enum memmap_limine_status)a),
                                    memmap_limine_status_text((enum memmap_limine_status)b));
        }
    }
    assert_string_equal(memmap_limine_status_text((enum memmap_limine_status)99), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_stride_from_40_on_works),
        cmocka_unit_test(an_incomplete_last_descriptor_is_ignored),
        cmocka_unit_test(short_buffers_are_refused_before_anything_is_written),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(capacities_have_limits),
        cmocka_unit_test(cost_is_n_log_n),
        cmocka_unit_test(more_entries_than_any_fixed_table),
        cmocka_unit_test(every_status_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
