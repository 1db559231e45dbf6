/* test_frames_many.c — machines with very many regions, very far apart or very large: everything is found, nothing costs what it
 * should not. */
#include "frames_started.h"

#include <neomem/early.h>

#include "frames_internal.h"

#define MANY 5000u

static struct limine_memmap_entry map[MANY + 1];
static phys_addr_t taken[1u << 14];

/* Regions of region_frames, one each `distance` bytes from base on, and one of 8 MiB at 64 MiB for the metadata: the only one
 * in the arena, so nothing else may be touched. */
static enum neo_status start_many(phys_addr_t base, uint64_t distance, uint64_t region_frames)
{
    map[0] = (struct limine_memmap_entry)USABLE(MIB(64), MIB(8));
    for (uint64_t i = 0; i < MANY; i++) {
        map[i + 1] = (struct limine_memmap_entry)USABLE(base + i * distance, region_frames * PAGE_SIZE);
    }
    mm_fixture_arena(map, 1);
    assert_int_equal(early_init(map, MANY + 1), NEO_OK);
    return frames_init(map, MANY + 1);
}

/* Every frame of the regions, each once; then all of them back. */
static void take_all_and_give_back(phys_addr_t base, uint64_t distance, uint64_t frames)
{
    static bool seen[MANY];
    memset(seen, 0, sizeof(seen));
    for (uint64_t i = 0; i < frames; i++) {
        taken[i] = frames_alloc(1, 1, base, FRAMES_ANYWHERE);
        assert_true(taken[i] != FRAMES_NONE && (taken[i] - base) % distance == 0);
        uint64_t region = (taken[i] - base) / distance;
        assert_true(region < MANY && !seen[region]);
        seen[region] = true;
    }
    assert_int_equal(frames_alloc(1, 1, base, FRAMES_ANYWHERE), FRAMES_NONE);
    (void)figures();
    give_back(taken, frames);
    frames_drain();
    assert_int_equal(figures().allocated, 0);
}

/* ---- regions ---------------------------------------------------------------------------------------------------------- */

/* Single frames, every second one, up to the end of the physical address space. */
static void test_single_frames_at_the_end_of_addresses(void **state)
{
    (void)state;
    phys_addr_t base = PHYS_ADDR_LIMIT - MANY * 2 * PAGE_SIZE + PAGE_SIZE;
    assert_int_equal(start_many(base, 2 * PAGE_SIZE, 1), NEO_OK);
    struct frames_stats stats = figures();
    assert_int_equal(stats.total, 2048 + MANY);
    assert_int_equal(stats.spans, MANY + 1);
    /* 32 bytes for each region twice over, by the memory there is, not by the addresses. */
    assert_in_range(stats.metadata, 1, 64);
    assert_int_equal(frames_alloc(2, 1, base, FRAMES_ANYWHERE), FRAMES_NONE);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).total, MANY);
    take_all_and_give_back(base, 2 * PAGE_SIZE, MANY);
    EXPECT_PANIC_TEXT(frames_free(PHYS_ADDR_LIMIT - 2 * PAGE_SIZE, 1), "no memory of this allocator");
    assert_int_equal(frames_alloc(1, 1, PHYS_ADDR_LIMIT - PAGE_SIZE, FRAMES_ANYWHERE), PHYS_ADDR_LIMIT - PAGE_SIZE);
    EXPECT_PANIC_TEXT(frames_free(PHYS_ADDR_LIMIT - PAGE_SIZE, 2), "runs out of the memory");
    frames_free(PHYS_ADDR_LIMIT - PAGE_SIZE, 1);
    (void)figures();
}

/* Each region in a chunk of its own, with holes of chunks between. */
static void test_single_frames_far_apart(void **state)
{
    (void)state;
    phys_addr_t base = GIB(8) + 77 * PAGE_SIZE;
    assert_int_equal(start_many(base, MIB(13), 1), NEO_OK);
    assert_int_equal(figures().total, 2048 + MANY);
    assert_int_equal(figures().spans, MANY + 1);
    take_all_and_give_back(base, MIB(13), MANY);
}

/* Regions of three chunks and a bit: whole ones, edges, runs. */
static void test_many_large_regions(void **state)
{
    (void)state;
    uint64_t frames = 3 * 512 + 5;
    assert_int_equal(start_many(GIB(8), MIB(10), frames), NEO_OK);
    struct frames_stats before = figures();
    assert_int_equal(before.total, 2048 + MANY * frames);
    assert_int_equal(zone_figures(0, FRAMES_WINDOW_HIGH).free_2m, MANY * 3);
    assert_int_equal(frames_longest_free_run(), frames);
    for (unsigned i = 0; i < 50; i++) {
        taken[i] = frames_alloc(frames, 1, 0, FRAMES_ANYWHERE);
        assert_true(taken[i] >= GIB(8) && (taken[i] - GIB(8)) % MIB(10) == 0);
    }
    assert_int_equal(frames_alloc(frames + 1, 1, 0, FRAMES_ANYWHERE), FRAMES_NONE);
    for (unsigned i = 0; i < 50; i++) {
        frames_free(taken[i], frames);
    }
    expect_figures(&before);
}

/* Only single frames: no room for the metadata anywhere. */
static void test_too_small_for_the_metadata(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < MANY; i++) {
        map[i] = (struct limine_memmap_entry)USABLE(MIB(64) + i * 2 * PAGE_SIZE, PAGE_SIZE);
    }
    mm_fixture_arena(map, 0);
    assert_int_equal(early_init(map, MANY), NEO_OK);
    assert_int_equal(frames_init(map, MANY), NEO_ERR_NO_MEMORY);
}

/* ---- large memory ----------------------------------------------------------------------------------------------------- */

static void require_metadata(uint64_t total, uint64_t metadata)
{
    /* 1.1 bits a frame, and a page or two that do not depend on the size. */
    assert_true(metadata * PAGE_SIZE * 8 * 10 <= total * 11 + 2 * PAGE_SIZE * 8 * 10);
}

static void test_metadata_is_small(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {GIB(1), GIB(16), GIB(64), GIB(1020)};
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct limine_memmap_entry one[] = {USABLE(GIB(4), sizes[i])};
        mm_fixture_frames(one, 1);
        struct frames_stats stats;
        frames_get_stats(&stats);
        assert_int_equal(stats.total, sizes[i] / PAGE_SIZE);
        require_metadata(stats.total, stats.metadata);
    }
}

/* 64 GiB of memory in pieces of 4 MiB all over 1 TiB: as small as if it were in one piece, but for the table of regions. */
static void test_sparse_memory(void **state)
{
    (void)state;
    uint64_t pieces = GIB(64) / MIB(16);
    for (uint64_t i = 0; i < pieces; i++) {
        map[i] = (struct limine_memmap_entry)USABLE(GIB(4) + i * MIB(240), MIB(16));
    }
    mm_fixture_frames(map, pieces);
    struct frames_stats stats = figures();
    assert_int_equal(stats.total, GIB(64) / PAGE_SIZE);
    assert_int_equal(stats.spans, pieces);
    uint64_t tables = 2 * (pieces + 64) * 128 / PAGE_SIZE;
    require_metadata(stats.total, stats.metadata - tables);
    phys_addr_t first = frames_alloc(1, 1, GIB(4), GIB(5));
    phys_addr_t last = frames_alloc(1, 1, GIB(4) + (pieces - 1) * MIB(240), FRAMES_ANYWHERE);
    assert_true(is_in(first, GIB(4), GIB(5)) && is_in(last, GIB(900), GIB(1024)));
    assert_int_equal(frames_alloc_1g(), FRAMES_NONE);
    frames_free(first, 1);
    frames_free(last, 1);
    expect_figures(&stats);
}

/* All of it in one go, and back. */
static void test_all_memory_as_one_run(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {MIB(3), GIB(1), GIB(16), GIB(512)};
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct limine_memmap_entry one[] = {USABLE(GIB(4) + 3 * PAGE_SIZE, sizes[i])};
        mm_fixture_frames(one, 1);
        uint64_t free = figures().free;
        assert_int_equal(frames_longest_free_run(), free);
        phys_addr_t all = frames_alloc(free, 1, 0, FRAMES_ANYWHERE);
        assert_int_equal(all, GIB(4) + 3 * PAGE_SIZE);
        assert_int_equal(frames_alloc_one(), FRAMES_NONE);
        assert_int_equal(figures().free, 0);
        frames_free(all, free);
        assert_int_equal(frames_longest_free_run(), free);
        (void)figures();
    }
}

/* Across all windows, for those who may take the reserves. */
static void test_one_run_across_windows(void **state)
{
    (void)state;
    struct limine_memmap_entry one[] = {USABLE(MIB(1), GIB(6))};
    mm_fixture_frames(one, 1);
    struct frames_request request = FRAMES_REQUEST(figures().free);
    assert_int_equal(frames_alloc_request(&request), FRAMES_NONE);
    request.flags = FRAMES_USE_RESERVE;
    assert_int_equal(frames_alloc_request(&request), MIB(1));
    assert_int_equal(figures().free, 0);
    frames_free(MIB(1), request.count);
    assert_int_equal(figures().allocated, 0);
}

/* The set of chunks of 600 GiB: the next member is found across all summaries, and none when there is none. */
static void test_far_members_are_found(void **state)
{
    (void)state;
    static const uint64_t members[] = {0, 63, 64, 4095, 4096, 4097, 70000, 262143, 262144, 299999};
    uint64_t size = 300000;
    struct frames_set set;
    atomic_word *memory = malloc(set_total_words(size) * sizeof(*memory));
    assert_non_null(memory);
    set_init(&set, memory, size);
    assert_int_equal(set_find_next(&set, 0, size), SET_NONE);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ARRAY_COUNT(members); i++) {
            assert_false(set_add(&set, members[i]));
        }
        assert_true(set_add(&set, members[3]));
        for (unsigned i = 0; i + 1 < ARRAY_COUNT(members); i++) {
            assert_int_equal(set_find_next(&set, members[i], size), members[i]);
            assert_int_equal(set_find_next(&set, members[i] + 1, size), members[i + 1]);
            assert_int_equal(set_find_next(&set, members[i] + 1, members[i + 1]), SET_NONE);
            assert_int_equal(set_find(&set, members[i] + 1, 0, members[i + 1]), 0);
        }
        assert_int_equal(set_find_next(&set, size - 1, size), size - 1);
        assert_int_equal(set_find(&set, 100000, 64, 200000), 64);
        /* Emptied: the summaries are cleared by the searches, and set again by the next additions. */
        for (unsigned i = 0; i < ARRAY_COUNT(members); i++) {
            assert_true(set_remove(&set, members[i]));
            assert_false(set_remove(&set, members[i]));
        }
        assert_int_equal(set_find(&set, 5, 0, size), SET_NONE);
        assert_int_equal(set_find(&set, 5, 0, size), SET_NONE);
    }
    set_fill(&set, 100, 200000);
    assert_int_equal(set_find_next(&set, 0, size), 100);
    assert_int_equal(set_find_next(&set, 200099, size), 200099);
    assert_int_equal(set_find_next(&set, 200100, size), SET_NONE);
    free(memory);
}

/* ---- dirty memory ------------------------------------------------------------------------------------------------------ */

/* Memory is not zero at boot. The lines of whole chunks are not even written by the start. */
static void test_dirty_memory(void **state)
{
    (void)state;
    struct limine_memmap_entry one[] = {USABLE(GIB(4) + MIB(1), GIB(1))};
    struct frames_place first;
    struct frames_place edge;
    mm_fixture_arena(one, 1);
    memset(phys_to_virt(GIB(5) + MIB(1) - MIB(1)), 0xa5, MIB(1));
    assert_int_equal(early_init(one, 1), NEO_OK);
    assert_int_equal(frames_init(one, 1), NEO_OK);
    assert_true(frames_locate((GIB(4) + MIB(2)) >> PAGE_SHIFT, &first));
    assert_true(frames_locate((GIB(4) + MIB(1)) >> PAGE_SHIFT, &edge));
    uint64_t untouched = 0;
    for (unsigned chunk = 0; chunk < 511; chunk++) {
        for (unsigned i = 0; i < CHUNK_WORDS; i++) {
            untouched += word_load(&chunk_line(first.arena, first.chunk + chunk)[i]) == 0xa5a5a5a5a5a5a5a5ull;
        }
    }
    assert_int_equal(untouched, 511 * CHUNK_WORDS);
    assert_int_equal(word_load(&chunk_line(edge.arena, edge.chunk)[0]), WORD_FULL);
    uint64_t free = figures().free;
    assert_int_equal(free + figures().metadata, GIB(1) / PAGE_SIZE);
    for (unsigned i = 0; i < 2000; i++) {
        taken[i] = frames_alloc(i % 5 + 1, 1, 0, FRAMES_ANYWHERE);
        assert_int_not_equal(taken[i], FRAMES_NONE);
    }
    for (unsigned i = 0; i < 2000; i++) {
        frames_free(taken[i], i % 5 + 1);
    }
    assert_int_equal(frames_alloc(free, 1, 0, FRAMES_ANYWHERE), GIB(4) + MIB(1));
    assert_int_equal(figures().free, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_frames_at_the_end_of_addresses),
        cmocka_unit_test(test_single_frames_far_apart),
        cmocka_unit_test(test_many_large_regions),
        cmocka_unit_test(test_too_small_for_the_metadata),
        cmocka_unit_test(test_metadata_is_small),
        cmocka_unit_test(test_sparse_memory),
        cmocka_unit_test(test_all_memory_as_one_run),
        cmocka_unit_test(test_one_run_across_windows),
        cmocka_unit_test(test_far_members_are_found),
        cmocka_unit_test(test_dirty_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
