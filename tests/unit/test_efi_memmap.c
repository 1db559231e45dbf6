/* test_efi_memmap.c — reading and naming the firmware's descriptors, and the audit of a conversion. The audit must find
 * what a dishonest conversion did: honest ones are in test_memmap_limine.c, here they are damaged on purpose. */
#include "tests/support/memmap_expect.h"

#include <neomem/efi_memmap.h>
#include <stdlib.h>

static void descriptors_are_read_with_the_firmwares_stride(void **unused)
{
    (void)unused;
    static const uint64_t strides[] = {40, 48, 57};
    for (size_t i = 0; i < 3; i++) {
        struct raw_map raw;
        raw_map_init(&raw, strides[i]);
        raw_map_add(&raw, U, 0x100000, 2, RAW_WB);
        raw_map_add(&raw, 0x70000001u, 0xfffffffffffff000, 1ull << 60, 1ull << 63);
        const struct efi_memmap map = {raw.block + 1, raw_map_bytes(&raw), raw.stride};
        assert_int_equal(efi_memmap_count(&map), 2);
        struct efi_descriptor d;
        assert_true(efi_memmap_get(&map, 1, &d));
        assert_int_equal(d.type, 0x70000001u);
        assert_int_equal(d.phys, 0xfffffffffffff000);
        assert_int_equal(d.virt, 0);
        assert_int_equal(d.pages, 1ull << 60);
        assert_int_equal(d.attribute, EFI_ATTRIBUTE_RUNTIME);
        assert_false(efi_memmap_get(&map, 2, &d));
        const struct efi_memmap cut = {raw.block + 1, raw_map_bytes(&raw) - 1, raw.stride};
        assert_int_equal(efi_memmap_count(&cut), 1);
        raw_map_free(&raw);
    }
    uint8_t byte = 0;
    assert_int_equal(efi_memmap_count(&(struct efi_memmap){NULL, 480, 48}), 0);
    assert_int_equal(efi_memmap_count(&(struct efi_memmap){&byte, 480, 39}), 0);
    assert_int_equal(efi_memmap_count(&(struct efi_memmap){&byte, 480, 0}), 0);
}

static void ranges_are_numbers_of_bytes(void **unused)
{
    (void)unused;
    uint64_t length = 0;
    assert_true(efi_descriptor_range(&(struct efi_descriptor){.phys = 0x1000, .pages = 2}, &length));
    assert_int_equal(length, 0x2000);
    assert_true(efi_descriptor_range(&(struct efi_descriptor){.phys = 0xfffffffffffff000, .pages = 1}, &length));
    assert_false(efi_descriptor_range(&(struct efi_descriptor){.phys = 0x1000, .pages = 0}, &length));
    assert_false(efi_descriptor_range(&(struct efi_descriptor){.phys = 0, .pages = 1ull << 52}, &length));
    assert_false(efi_descriptor_range(&(struct efi_descriptor){.phys = 0xfffffffffffff001, .pages = 1}, &length));
}

static void everything_has_a_name(void **unused)
{
    (void)unused;
    for (uint32_t a = 0; a < EFI_TYPE_KNOWN_COUNT; a++) {
        for (uint32_t b = 0; b < a; b++) {
            assert_string_not_equal(efi_type_name(a), efi_type_name(b));
        }
    }
    assert_string_equal(efi_type_name(7), "EfiConventionalMemory");
    assert_string_equal(efi_type_name(16), "unknown");
    assert_string_equal(efi_type_name(0x6fffffffu), "unknown");
    assert_string_equal(efi_type_name(0x70000000u), "OEM");
    assert_string_equal(efi_type_name(0x80000000u), "OS loader");
    assert_string_equal(efi_type_name(UINT32_MAX), "OS loader");
    for (uint32_t a = 0; a <= BOOT_TRIM_POLICY; a++) {
        for (uint32_t b = 0; b < a; b++) {
            assert_string_not_equal(boot_trim_reason_name(a), boot_trim_reason_name(b));
        }
    }
    assert_string_equal(boot_trim_reason_name(BOOT_TRIM_POLICY + 1), boot_trim_reason_name(0));
}

static void attributes_read_as_words(void **unused)
{
    (void)unused;
    char text[160];
    assert_string_equal(efi_attribute_text(0xf, text, sizeof(text)), "UC|WC|WT|WB");
    assert_string_equal(efi_attribute_text(EFI_ATTRIBUTE_RUNTIME | 1, text, sizeof(text)), "UC|RUNTIME");
    assert_string_equal(efi_attribute_text(0, text, sizeof(text)), "-");
    assert_string_equal(efi_attribute_text(0x10000000020ull | EFI_ATTRIBUTE_WB, text, sizeof(text)),
                        "WB|0x10000000020");
    assert_string_equal(efi_attribute_text(UINT64_MAX, text, sizeof(text)),
                        "UC|WC|WT|WB|UCE|WP|RP|XP|NV|MORE_RELIABLE|RO|SP|CPU_CRYPTO|HOT_PLUGGABLE|ISA_VALID|RUNTIME|"
                        "0x3fffffffffe00fe0");
    assert_string_equal(efi_attribute_text(0xf, text, 6), "UC|WC");
    assert_string_equal(efi_attribute_text(0xf, text, 4), "UC|");
    assert_string_equal(efi_attribute_text(0xf, text, 1), "");
}

static void the_type_table_is_the_protocols(void **unused)
{
    (void)unused;
    static const int limine[] = {1, 5, 5, 5, 5, 1, 1, 0, 1, 2, 3, 1, 1, 1, 1, 1, 1};
    for (uint32_t type = 0; type < sizeof(limine) / sizeof(limine[0]); type++) {
        assert_int_equal(efi_type_to_limine(type), limine[type]);
    }
    assert_int_equal(efi_type_to_limine(0x70000007u), 1);
    assert_int_equal(efi_type_to_limine(UINT32_MAX), 1);
}

/* ---- the audit ------------------------------------------------------------------------------------ */

static void expect_audit(enum efi_audit_rule rule, uint64_t address, uint64_t index, const struct raw *raw,
                         size_t raw_count, const struct limine_memmap_entry *entries, size_t entry_count,
                         const struct boot_trim *trims, size_t trim_count)
{
    struct raw_map firmware;
    build(&firmware, raw, raw_count);
    const struct efi_memmap map = {firmware.block + 1, raw_map_bytes(&firmware), firmware.stride};
    struct efi_audit audit = {.rule = EFI_AUDIT_LOST};
    bool honest = efi_memmap_audit(&map, entries, entry_count, trims, trim_count, &audit);
    assert_int_equal(audit.rule, rule);
    assert_int_equal(honest, rule == EFI_AUDIT_OK);
    if (rule != EFI_AUDIT_OK) {
        assert_int_equal(audit.address, address);
        assert_int_equal(audit.index, index);
    }
    assert_int_equal(efi_memmap_audit(&map, entries, entry_count, trims, trim_count, NULL), honest);
    raw_map_free(&firmware);
}

static void honest_maps_pass(void **unused)
{
    (void)unused;
    expect_audit(EFI_AUDIT_OK, 0, 0, NULL, 0, NO_ENTRIES, NO_TRIMS);
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({U, 0x104000, 4, RAW_WB}, {BD, 0x100000, 4, RAW_WB}),
                 ENTRIES({0x100000, 0x4000, 5}, {0x104000, 0x4000, 0}), NO_TRIMS);
    /* Conventional memory that the loader took after the map was made; unusable memory under its own type. */
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({U, 0x100000, 4, RAW_WB}, {BAD, 0x104000, 1, RAW_WB}),
                 ENTRIES({0x100000, 0x2000, 0}, {0x102000, 0x2000, 5}, {0x104000, 0x1000, 4}), NO_TRIMS);
    /* Without bytes there is nothing to lose. */
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({U, 0x100000, 0, RAW_WB}, {R, 0x1000, 1ull << 60, 0}), NO_ENTRIES, NO_TRIMS);
    /* To the last byte there is. */
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({R, 0xffffffffffffe000, 2, 0}), ENTRIES({0xffffffffffffe000, 0x2000, 1}),
                 NO_TRIMS);
}

static void lost_bytes_are_found(void **unused)
{
    (void)unused;
    expect_audit(EFI_AUDIT_LOST, 0x103000, 1, RAW({R, 0x0, 1, 0}, {U, 0x100000, 4, RAW_WB}),
                 ENTRIES({0, 0x1000, 1}, {0x100000, 0x3000, 0}), NO_TRIMS);
    expect_audit(EFI_AUDIT_LOST, 0x100000, 0, RAW({N, 0x100000, 4, RAW_WB}), ENTRIES({0x100800, 0x3800, 3}), NO_TRIMS);
    expect_audit(EFI_AUDIT_LOST, 0x102000, 0, RAW({N, 0x100000, 4, RAW_WB}),
                 ENTRIES({0x100000, 0x2000, 3}, {0x102001, 0x1fff, 3}), NO_TRIMS);
    /* A trim explains only what it covers, and only descriptors of its type. */
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({U, 0x100000, 4, RAW_WB}), ENTRIES({0x100000, 0x3000, 0}),
                 TRIMS({0x103000, 0x1000, U, BOOT_TRIM_UNALIGNED}));
    expect_audit(EFI_AUDIT_LOST, 0x103800, 0, RAW({U, 0x100000, 4, RAW_WB}), ENTRIES({0x100000, 0x3000, 0}),
                 TRIMS({0x103000, 0x800, U, BOOT_TRIM_UNALIGNED}));
    expect_audit(EFI_AUDIT_LOST, 0x103000, 0, RAW({U, 0x100000, 4, RAW_WB}), ENTRIES({0x100000, 0x3000, 0}),
                 TRIMS({0x103000, 0x1000, N, BOOT_TRIM_UNALIGNED}));
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({U, 0x100000, 4, RAW_WB}), ENTRIES({0x101000, 0x1000, 0}),
                 TRIMS({0x100000, 0x1000, U, BOOT_TRIM_OVERLAP}, {0x102000, 0x1000, U, BOOT_TRIM_OVERLAP},
                       {0x102800, 0x1800, U, BOOT_TRIM_UNALIGNED}));
}

/* The one mistake that destroys data: memory of firmware, ACPI or a device in an entry that is handed out. */
static void weakened_bytes_are_found(void **unused)
{
    (void)unused;
    expect_audit(EFI_AUDIT_WEAKER, 0x102000, 1, RAW({U, 0x100000, 8, RAW_WB}, {R, 0x102000, 2, 0}),
                 ENTRIES({0x100000, 0x8000, 0}), NO_TRIMS);
    /* A trim does not make it right … */
    expect_audit(EFI_AUDIT_WEAKER, 0x102000, 1, RAW({U, 0x100000, 8, RAW_WB}, {R, 0x102000, 2, 0}),
                 ENTRIES({0x100000, 0x8000, 0}), TRIMS({0x102000, 0x2000, R, BOOT_TRIM_OVERLAP}));
    /* … but an overlay of the loader does, unless it made the memory usable. */
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({LD, 0x100000, 8, RAW_WB}, {R, 0x102000, 2, 0}),
                 ENTRIES({0x100000, 0x8000, 5}), TRIMS({0x102000, 0x2000, R, BOOT_TRIM_OVERLAY}));
    expect_audit(EFI_AUDIT_WEAKER, 0x103000, 1, RAW({LD, 0x100000, 8, RAW_WB}, {R, 0x102000, 2, 0}),
                 ENTRIES({0x100000, 0x8000, 5}), TRIMS({0x102000, 0x1000, R, BOOT_TRIM_OVERLAY}));
    expect_audit(EFI_AUDIT_WEAKER, 0x102000, 1, RAW({U, 0x100000, 8, RAW_WB}, {R, 0x102000, 2, 0}),
                 ENTRIES({0x100000, 0x8000, 0}), TRIMS({0x102000, 0x2000, R, BOOT_TRIM_OVERLAY}));
    expect_audit(EFI_AUDIT_WEAKER, 0x100000, 0, RAW({BD, 0x100000, 1, RAW_WB}), ENTRIES({0x100000, 0x1000, 0}),
                 NO_TRIMS);
    expect_audit(EFI_AUDIT_WEAKER, 0x100000, 0, RAW({N, 0x100000, 1, RAW_WB}), ENTRIES({0x100000, 0x1000, 2}),
                 NO_TRIMS);
}

/* A trim that begins in a hole does not excuse what lies behind the hole. */
static void a_trim_excuses_only_holes(void **unused)
{
    (void)unused;
    expect_audit(EFI_AUDIT_WEAKER, 0x102000, 0, RAW({R, 0x100000, 4, 0}, {U, 0x102000, 2, RAW_WB}),
                 ENTRIES({0x102000, 0x2000, 0}), TRIMS({0x100000, 0x4000, R, BOOT_TRIM_OVERLAP}));
}

static void memory_from_nowhere_is_found(void **unused)
{
    (void)unused;
    expect_audit(EFI_AUDIT_MADE_UP, 0x104000, 1, RAW({U, 0x100000, 4, RAW_WB}),
                 ENTRIES({0x100000, 0x4000, 0}, {0x104000, 0x1000, 5}), NO_TRIMS);
    expect_audit(EFI_AUDIT_MADE_UP, 0x104000, 0, RAW({U, 0x102000, 2, RAW_WB}, {U, 0x100000, 2, RAW_WB}),
                 ENTRIES({0x100000, 0x5000, 0}), NO_TRIMS);
    /* Special-purpose, persistent or uncached memory is not ordinary. */
    expect_audit(EFI_AUDIT_MADE_UP, 0x100000, 0, RAW({U, 0x100000, 1, RAW_WB | EFI_ATTRIBUTE_SP}),
                 ENTRIES({0x100000, 0x1000, 0}), NO_TRIMS);
    expect_audit(EFI_AUDIT_MADE_UP, 0x100000, 0, RAW({BD, 0x100000, 1, 1}), ENTRIES({0x100000, 0x1000, 5}), NO_TRIMS);
    expect_audit(EFI_AUDIT_OK, 0, 0, RAW({LD, 0x100000, 1, 1}), ENTRIES({0x100000, 0x1000, 5}), NO_TRIMS);
    /* A device's range may be anywhere. */
    expect_audit(EFI_AUDIT_OK, 0, 0, NULL, 0, ENTRIES({0x80000000, 0x1000, 7}), NO_TRIMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_read_with_the_firmwares_stride),
        cmocka_unit_test(ranges_are_numbers_of_bytes),
        cmocka_unit_test(everything_has_a_name),
        cmocka_unit_test(attributes_read_as_words),
        cmocka_unit_test(the_type_table_is_the_protocols),
        cmocka_unit_test(honest_maps_pass),
        cmocka_unit_test(lost_bytes_are_found),
        cmocka_unit_test(weakened_bytes_are_found),
        cmocka_unit_test(a_trim_excuses_only_holes),
        cmocka_unit_test(memory_from_nowhere_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
