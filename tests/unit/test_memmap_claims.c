/* test_memmap_claims.c — what the loader knows better than the firmware: kernel image, framebuffer, hand-over memory and
 * ranges that are never RAM. Pictures as in test_memmap_limine.c; K kernel, F framebuffer, H hand-over memory. */
#include "tests/support/memmap_expect.h"

/*   LLLLLLLL              LLLLLLLL
 *     KKK        also       KKK      with a contradicting R:  the kernel lies there all the same
 *   55666555               RRRR */
static void the_kernel_image_wins_over_everything(void **unused)
{
    (void)unused;
    const struct memmap_claim kernel[] = {{0x102000, 0x2345, 6}};
    expect_claimed(kernel, 1, 0, RAW({LC, 0x100000, 8, RAW_WB}),
                   ENTRIES({0x100000, 0x2000, 5}, {0x102000, 0x3000, 6}, {0x105000, 0x3000, 5}),
                   TRIMS({0x102000, 0x3000, LC, BOOT_TRIM_OVERLAY}));
    expect_claimed(kernel, 1, 0, RAW({LC, 0x100000, 8, RAW_WB}, {R, 0x103000, 4, RAW_WB}),
                   ENTRIES({0x100000, 0x2000, 5}, {0x102000, 0x3000, 6}, {0x105000, 0x2000, 1}, {0x107000, 0x1000, 5}),
                   TRIMS({0x102000, 0x1000, LC, BOOT_TRIM_OVERLAY}, {0x103000, 0x2000, R, BOOT_TRIM_OVERLAY},
                         {0x103000, 0x4000, LC, BOOT_TRIM_OVERLAP}));
}

/* PCI window without a descriptor, with one, ramfb inside reserved RAM, memory of a boot driver. */
static void a_framebuffer_may_lie_in_a_hole_or_reserved_memory(void **unused)
{
    (void)unused;
    const struct memmap_claim screen[] = {{0x80000000, 0x300000, 7}};
    expect_claimed(screen, 1, 0, RAW({U, 0x100000, 1, RAW_WB}),
                   ENTRIES({0x100000, 0x1000, 0}, {0x80000000, 0x300000, 7}), NO_TRIMS);
    static const uint32_t drawable[] = {R, IO, 12, BC, BD, U};
    static const uint64_t limine[] = {1, 1, 1, 5, 5, 0};
    for (size_t i = 0; i < sizeof(drawable) / sizeof(drawable[0]); i++) {
        expect_claimed(screen, 1, 0, RAW({drawable[i], 0x80000000, 0x400, RAW_WB}),
                       ENTRIES({0x80000000, 0x300000, 7}, {0x80300000, 0x100000, limine[i]}),
                       TRIMS({0x80000000, 0x300000, drawable[i], BOOT_TRIM_OVERLAY}));
    }
}

/* Nothing else lives in a frame of the screen: cache types would clash. Half a frame a column:
 *   UUUUUUUU..    the claim begins and ends inside frames, and R ends in its first one
 *      FFFFF
 *   RRR */
static void a_framebuffer_shares_no_frame(void **unused)
{
    (void)unused;
    const struct memmap_claim screen[] = {{0x101800, 0x1000, 7}};
    expect_claimed(screen, 1, 0, RAW({U, 0x100000, 4, RAW_WB}),
                   ENTRIES({0x100000, 0x1000, 0}, {0x101000, 0x2000, 7}, {0x103000, 0x1000, 0}),
                   TRIMS({0x101000, 0x2000, U, BOOT_TRIM_OVERLAY}));
    expect_claimed(screen, 1, 0, RAW({R, 0x100400, 1, RAW_WB}), ENTRIES({0x100400, 0xc00, 1}, {0x101000, 0x2000, 7}),
                   TRIMS({0x101000, 0x400, R, BOOT_TRIM_OVERLAY}));
}

/* A graphics driver that lies must not make us draw over runtime services, ACPI, our own memory, bad or special RAM. */
static void a_framebuffer_over_vital_memory_is_refused(void **unused)
{
    (void)unused;
    const struct memmap_claim screen[] = {{0x80000000, 0x3000, 7}};
    static const uint32_t vital[] = {LC, LD, RTC, RTD, BAD, A, N, 13, PERSISTENT, 15, 16, 0x70000000u, 0x80000000u};
    static const uint64_t limine[] = {5, 5, 1, 1, 4, 2, 3, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < sizeof(vital) / sizeof(vital[0]); i++) {
        expect_claimed(screen, 1, 1, RAW({vital[i], 0x80001000, 1, RAW_WB}),
                       ENTRIES({0x80000000, 0x1000, 7}, {0x80001000, 0x1000, limine[i]}, {0x80002000, 0x1000, 7}),
                       NO_TRIMS);
    }
    /* … even where a drawable descriptor hides it. */
    static const uint32_t hidden[] = {LC, LD, A, N};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        expect_claimed(screen, 1, 1, RAW({hidden[i], 0x80000000, 3, RAW_WB}, {R, 0x80000000, 3, RAW_WB}),
                       ENTRIES({0x80000000, 0x3000, 1}), TRIMS({0x80000000, 0x3000, hidden[i], BOOT_TRIM_OVERLAP}));
    }
}

static void impossible_framebuffers_are_refused(void **unused)
{
    (void)unused;
    const uint64_t limit = 1ull << 40;
    const struct memmap_claim impossible[] = {
        {limit, 0x1000, 7}, {limit - 0x1000, 0x1001, 7}, {0x1000, UINT64_MAX, 7}, {UINT64_MAX, 1, 7}};
    for (size_t i = 0; i < 4; i++) {
        expect_claimed(&impossible[i], 1, 1, RAW({U, 0x100000, 1, RAW_WB}), ENTRIES({0x100000, 0x1000, 0}), NO_TRIMS);
    }
    const struct memmap_claim empty[] = {{0x100000, 0, 7}};
    expect_claimed(empty, 1, 0, RAW({U, 0x100000, 1, RAW_WB}), ENTRIES({0x100000, 0x1000, 0}), NO_TRIMS);
    /* The last frame there is. */
    const struct memmap_claim last[] = {{limit - 0x800, 0x800, 7}};
    expect_claimed(last, 1, 0, NULL, 0, ENTRIES({limit - 0x1000, 0x1000, 7}), NO_TRIMS);
}

/*   F F F F F        the first claim in the array wins; a framebuffer always loses
 *     K K
 *       H H          H: hand-over memory, type 5 */
static void claims_have_an_order(void **unused)
{
    (void)unused;
    const struct memmap_claim claims[] = {{0x100000, 0x5000, 7}, {0x101000, 0x2000, 6}, {0x102000, 0x2000, 5}};
    expect_claimed(claims, 3, 1 | 4, RAW({U, 0x100000, 6, RAW_WB}),
                   ENTRIES({0x100000, 0x1000, 7}, {0x101000, 0x2000, 6}, {0x103000, 0x1000, 5}, {0x104000, 0x1000, 7},
                           {0x105000, 0x1000, 0}),
                   TRIMS({0x100000, 0x1000, U, BOOT_TRIM_OVERLAY}, {0x101000, 0x2000, U, BOOT_TRIM_OVERLAY},
                         {0x103000, 0x1000, U, BOOT_TRIM_OVERLAY}, {0x104000, 0x1000, U, BOOT_TRIM_OVERLAY}));
    /* Two claims of one type do not get into each other's way. */
    const struct memmap_claim twice[] = {{0x100000, 0x2000, 5}, {0x101000, 0x2000, 5}};
    expect_claimed(twice, 2, 0, RAW({LD, 0x100000, 4, RAW_WB}), ENTRIES({0x100000, 0x4000, 5}), NO_TRIMS);
}

/* What we live in stays mapped, whatever else the map says; the trim tells the kernel to keep its hands off later. */
static void hand_over_memory_stays_reclaimable(void **unused)
{
    (void)unused;
    const struct memmap_claim ours[] = {{0x100000, 0x4000, 5}};
    expect_claimed(ours, 1, 0, RAW({LD, 0x100000, 4, RAW_WB}), ENTRIES({0x100000, 0x4000, 5}), NO_TRIMS);
    expect_claimed(ours, 1, 0, RAW({LD, 0x100000, 4, RAW_WB}, {R, 0x102000, 1, RAW_WB}), ENTRIES({0x100000, 0x4000, 5}),
                   TRIMS({0x102000, 0x1000, R, BOOT_TRIM_OVERLAY}, {0x102000, 0x1000, LD, BOOT_TRIM_OVERLAP}));
    struct memmap_limine_input with = plain;
    const struct memmap_claim zero[] = {{0, 0x1000, 5}};
    with.reserve_page_zero = true;
    with.claims = zero;
    with.claim_count = 1;
    expect_with(&with, 0, RAW({LD, 0, 2, RAW_WB}), ENTRIES({0, 0x2000, 5}), NO_TRIMS);
}

/* The AMD HyperTransport hole, which firmware was seen to report as conventional memory (rhboot/grub2#67). */
static void a_reserved_claim_takes_memory_away(void **unused)
{
    (void)unused;
    const struct memmap_claim hole[] = {{0xfd00000000, 0x300000000, 1}};
    expect_claimed(hole, 1, 0, RAW({U, 0x100000000, 0xff00000, RAW_WB}),
                   ENTRIES({0x100000000, 0xfc00000000, 0}, {0xfd00000000, 0x300000000, 1}),
                   TRIMS({0xfd00000000, 0x300000000, U, BOOT_TRIM_OVERLAY}));
    expect_claimed(hole, 1, 0, RAW({R, 0xfd00000000, 0x300000, 0}), ENTRIES({0xfd00000000, 0x300000000, 1}), NO_TRIMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_image_wins_over_everything),
        cmocka_unit_test(a_framebuffer_may_lie_in_a_hole_or_reserved_memory),
        cmocka_unit_test(a_framebuffer_shares_no_frame),
        cmocka_unit_test(a_framebuffer_over_vital_memory_is_refused),
        cmocka_unit_test(impossible_framebuffers_are_refused),
        cmocka_unit_test(claims_have_an_order),
        cmocka_unit_test(hand_over_memory_stays_reclaimable),
        cmocka_unit_test(a_reserved_claim_takes_memory_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
