/* test_frames_maps.c — the frame allocator on odd memory maps: refused ones, tiny machines, holes; what is listed; and that
 * frames_check sees damage. */
#include "frames_started.h"

#include <neomem/early.h>

#include "frames_internal.h"

/* ---- maps ------------------------------------------------------------------------------------------------------- */

static enum neo_status start(const struct limine_memmap_entry *map, uint64_t count)
{
    struct limine_memmap_entry metadata = USABLE(MIB(64), MIB(1));
    mm_fixture_arena(&metadata, 1);
    if (early_init(map, count) != NEO_OK) {
        return NEO_ERR_NO_MEMORY;
    }
    return frames_init(map, count);
}

static void test_refused_maps(void **state)
{
    (void)state;
    struct limine_memmap_entry none[] = {{0, MIB(1), LIMINE_MEMMAP_RESERVED}};
    assert_int_equal(start(none, 1), NEO_ERR_NO_MEMORY);
    assert_int_equal(start(NULL, 0), NEO_ERR_NO_MEMORY);
    struct limine_memmap_entry unaligned_base[] = {USABLE(MIB(1) + 1, MIB(1)), USABLE(MIB(64), MIB(1))};
    assert_int_equal(start(unaligned_base, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry unaligned_length[] = {USABLE(MIB(1), MIB(1) - 1), USABLE(MIB(64), MIB(1))};
    assert_int_equal(start(unaligned_length, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry descending[] = {USABLE(MIB(64), MIB(1)), USABLE(MIB(1), MIB(1))};
    assert_int_equal(start(descending, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry overlapping[] = {USABLE(MIB(64), MIB(1)), USABLE(MIB(65) - PAGE_SIZE, PAGE_SIZE * 2)};
    assert_int_equal(start(overlapping, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry beyond[] = {USABLE(MIB(64), MIB(1)), USABLE(PHYS_ADDR_LIMIT, MIB(1) / 2)};
    assert_int_equal(start(beyond, 2), NEO_ERR_INVALID);
    beyond[1].base += MIB(1);
    assert_int_equal(start(beyond, 2), NEO_ERR_INVALID);
    struct limine_memmap_entry across[] = {USABLE(MIB(64), MIB(1)), USABLE(PHYS_ADDR_LIMIT - PAGE_SIZE, 2 * PAGE_SIZE)};
    assert_int_equal(start(across, 2), NEO_ERR_INVALID);
}

static void test_refused_expectations(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(1))};
    struct limine_memmap_entry unaligned[] = {{MIB(80) + 1, MIB(1), LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE}};
    mm_fixture_arena(map, 1);
    assert_int_equal(early_init(map, 1), NEO_OK);
    assert_int_equal(frames_init_expecting(map, 1, unaligned, 1), NEO_ERR_INVALID);
    assert_true(early_is_active());
    assert_int_equal(frames_init(map, 1), NEO_OK);
}

/* Entries of other types and empty ones lie between and mean nothing. */
static void test_other_entries_are_passed_over(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {{0, MIB(1) + 1, LIMINE_MEMMAP_RESERVED},
                                        USABLE(MIB(2), PAGE_SIZE),
                                        {MIB(2), UINT64_MAX, LIMINE_MEMMAP_BAD_MEMORY},
                                        USABLE(MIB(3), 0),
                                        USABLE(MIB(64), MIB(1))};
    assert_int_equal(start(map, 5), NEO_OK);
    assert_int_equal(figures().total, 257);
    assert_int_equal(figures().spans, 2);
}

/* One frame is enough to start, and leaves nothing. */
static void test_one_frame_machine(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), PAGE_SIZE)};
    assert_int_equal(start(map, 1), NEO_OK);
    assert_int_equal(figures().total, 1);
    assert_int_equal(figures().metadata, 1);
    assert_int_equal(frames_alloc_one(), FRAMES_NONE);
    assert_int_equal(frames_alloc_2m(), FRAMES_NONE);
    assert_int_equal(frames_longest_free_run(), 0);
}

/* Frame 0 is a frame like any other. */
static void test_frame_zero(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(0, PAGE_SIZE), USABLE(MIB(64), MIB(1))};
    mm_fixture_frames(map, 2);
    assert_int_equal(frames_state(0), FRAMES_STATE_FREE);
    assert_int_equal(frames_alloc(1, 1, 0, PAGE_SIZE), 0);
    assert_true(frames_is_allocated(0));
    assert_int_equal(frames_alloc(1, 1, 0, PAGE_SIZE), FRAMES_NONE);
    frames_free(0, 1);
    EXPECT_PANIC_TEXT(frames_free(0, 1), "double free");
    assert_int_equal(figures().allocated, 0);
}

/*   64 MiB             1 TiB - 1 MiB
 *   |####|    hole      |####|          the hole costs nothing */
static void test_hole_costs_nothing(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(64), MIB(1)), USABLE(GIB(1024) - MIB(1), MIB(1))};
    mm_fixture_frames(map, 2);
    assert_int_equal(figures().metadata, 1);
}

/* ---- lists -------------------------------------------------------------------------------------------------------- */

static void count_span(void *context, phys_addr_t base, uint64_t nbytes)
{
    uint64_t *sums = context;
    sums[0] += base;
    sums[1] += nbytes;
    sums[2]++;
}

static void test_spans_are_listed(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(4), MIB(3))};
    mm_fixture_frames(map, 2);
    uint64_t sums[3] = {0};
    frames_for_each_span(count_span, sums);
    assert_int_equal(sums[0], MIB(5));
    assert_int_equal(sums[1], MIB(4));
    assert_int_equal(sums[2], 2);
}

struct chunk_list {
    struct frames_chunk_info chunks[8];
    unsigned count;
};

static void note_chunk(void *context, const struct frames_chunk_info *chunk)
{
    struct chunk_list *list = context;
    assert_true(list->count < ARRAY_COUNT(list->chunks));
    list->chunks[list->count++] = *chunk;
}

/*   0   1   2 MiB  4        6        8        10 MiB
 *   |   |####|     | 3 used | 2 MiB  |  free m|  */
static void test_chunks_are_listed(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(1), MIB(1)), USABLE(MIB(4), MIB(6))};
    mm_fixture_frames(map, 2);
    assert_int_equal(frames_alloc(3, 1, MIB(4), MIB(6)), MIB(4));
    assert_int_equal(frames_alloc(512, 512, MIB(6), MIB(8)), MIB(6));
    assert_int_equal(frames_retire(MIB(1), NULL), NEO_OK);
    struct chunk_list list = {.count = 0};
    frames_drain();
    frames_for_each_chunk(note_chunk, &list);
    assert_int_equal(list.count, 4);
    const struct frames_chunk_info *chunk = list.chunks;
    assert_true(chunk[0].base == 0 && chunk[0].present == 256 && chunk[0].retired == 1 && !chunk[0].is_whole);
    assert_true(chunk[1].base == MIB(4) && chunk[1].present == 512 && !chunk[1].is_whole);
    assert_true(chunk[2].base == MIB(6) && chunk[2].present == 512 && chunk[2].free == 0 && chunk[2].is_whole);
    assert_true(chunk[3].base == MIB(8) && chunk[3].present == 512 && chunk[3].has_metadata);
    uint64_t free = 0;
    for (unsigned i = 0; i < 4; i++) {
        free += chunk[i].free;
    }
    assert_int_equal(free, figures().free);
    uint64_t runs[64];
    uint64_t longest = frames_count_free_runs(runs);
    assert_int_equal(longest, frames_longest_free_run());
    assert_true(longest >= 256 && runs[8] >= 1);
}

/* ---- the check itself ----------------------------------------------------------------------------------------------- */

static void test_check_sees_damage(void **state)
{
    (void)state;
    struct limine_memmap_entry map[] = {USABLE(MIB(63), 3 * PAGE_SIZE), USABLE(MIB(64), MIB(8))};
    struct frames_place edge;
    struct frames_place whole;
    mm_fixture_frames(map, 2);
    assert_int_equal(frames_check(), NEO_OK);
    assert_true(frames_locate(MIB(63) >> PAGE_SHIFT, &edge) && frames_locate(MIB(66) >> PAGE_SHIFT, &whole));
    atomic_word *const words[] = {&chunk_line(edge.arena, edge.chunk)[0], /* a frame that is not managed reads free */
                                  &frames_.total,
                                  &frames_.metadata,
                                  &frames_.retired,
                                  &frames_.taken,
                                  &whole.arena->whole.level1[0],
                                  &whole.arena->whole.level2[0]};
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        uint64_t saved = word_load(words[i]);
        word_store(words[i], saved ^ (i == 0 ? 1u << 20 : 1u));
        assert_int_equal(frames_check(), NEO_ERR_CORRUPT);
        word_store(words[i], saved);
        assert_int_equal(frames_check(), NEO_OK);
    }
    static const uint8_t states[] = {CHUNK_SPLIT, CHUNK_ABSENT, CHUNK_WHOLE | CHUNK_EDGE, CHUNK_WHOLE | CHUNK_BAD, 7};
    for (unsigned i = 0; i < ARRAY_COUNT(states); i++) {
        byte_store(&whole.arena->state[whole.chunk], states[i]);
        assert_int_equal(frames_check(), NEO_ERR_CORRUPT);
        byte_store(&whole.arena->state[whole.chunk], CHUNK_WHOLE);
    }
    /* A frame twice in a cache. */
    phys_addr_t pa = frames_alloc_one();
    phys_addr_t other = frames_alloc_one();
    frames_free(pa, 1);
    frames_free(other, 1);
    struct frames_cpu *cpu = frames_cpu_of(0);
    assert_int_equal(frames_check(), NEO_OK);
    phys_addr_t saved = cpu->hot;
    cpu->hot = cpu->hot == FRAMES_NONE || cpu->held == 0 ? MIB(66) : cpu->stack[1];
    assert_int_equal(frames_check(), NEO_ERR_CORRUPT);
    cpu->hot = saved;
    assert_int_equal(figures().allocated, 0);
}

/* Frame 0 is a frame like others: no line that is empty may be taken for that of chunk 0. */
static void test_chunk_zero(void **state)
{
    (void)state;
    const struct limine_memmap_entry map[] = {USABLE(0, MIB(8))};
    phys_addr_t runs[128];
    unsigned count = 0;
    mm_fixture_frames(map, 1);
    while (count < ARRAY_COUNT(runs) && (runs[count] = frames_alloc(4, 1, 0, MIB(2))) != FRAMES_NONE) {
        count++;
    }
    assert_int_equal(count, 128);
    frames_free(runs[count - 1], 4);
    frames_drain();
    for (unsigned i = 0; i < 4; i++) {
        frames_free(runs[i], 4);
        assert_int_equal(frames_check(), NEO_OK);
    }
    frames_drain();
    assert_int_equal(figures().cached, 0);
    assert_int_equal(figures().allocated, (128 - 5) * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_zero),           cmocka_unit_test(test_refused_maps),
        cmocka_unit_test(test_refused_expectations), cmocka_unit_test(test_other_entries_are_passed_over),
        cmocka_unit_test(test_one_frame_machine),    cmocka_unit_test(test_frame_zero),
        cmocka_unit_test(test_hole_costs_nothing),   cmocka_unit_test(test_spans_are_listed),
        cmocka_unit_test(test_chunks_are_listed),    cmocka_unit_test(test_check_sees_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
