/* test_libneomem.c — a Linux program that links libneomem.a as anybody would: start, the public functions, the figures; and
 * the library's symbols: nothing of libc's, nothing writable but what the contract names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/heap.h>
#include <neomem/hosted.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>

static const char *program;

static struct memory_stats stats_now(void)
{
    struct memory_stats stats;
    memory_get_stats(&stats);
    return stats;
}

static void test_start(void **state)
{
    (void)state;
    assert_int_equal(neomem_hosted_init(0), NEO_ERR_RANGE);
    assert_int_equal(neomem_hosted_init(HOSTED_MEMORY_MIN - 1), NEO_ERR_RANGE);
    assert_int_equal(neomem_hosted_init(HOSTED_ARENA_BYTES), NEO_ERR_RANGE);
    assert_int_equal(neomem_hosted_init(UINT64_MAX), NEO_ERR_RANGE);
    assert_int_equal(neomem_hosted_init(GIB(64) + 5), NEO_OK);
    assert_int_equal(neomem_hosted_init(GIB(64)), NEO_ERR_EXISTS);
    assert_true(memory_map_verify(memory_map_kernel()));
    assert_int_equal(availableMemoryRegionsCount, 1);
    assert_int_equal(availableMemoryRegions[0].base, MIB(1));
}

/* total = what the map calls usable; everything is either available or in use. */
static void test_figures(void **state)
{
    (void)state;
    struct memory_stats stats = stats_now();
    assert_int_equal(stats.total_physical, memory_map_total(memory_map_kernel(), MEMORY_USABLE));
    assert_int_equal(stats.total_physical, stats.available_physical + stats.pages_allocated * PAGE_SIZE);
    assert_true(stats.metadata_bytes >= GIB(64) / PAGE_SIZE / 8 && stats.metadata_bytes < GIB(64) / PAGE_SIZE / 7);
    /* One region: all of it but what lies in the windows below 4 GiB, which have a reserve. */
    assert_in_range(stats.largest_free_run * PAGE_SIZE, stats.available_physical - GIB(4), stats.available_physical);
    assert_int_equal(stats.kernel_heap_used, 0);
    assert_int_equal(stats.heap_blocks, 0);
    assert_int_equal(stats.reclaimable, 0);
    assert_int_equal(stats.page_tables, 0);

    void *block = kmalloc(10);
    void *pages = allocate_pages(10);
    struct memory_stats later = stats_now();
    assert_int_equal(later.heap_blocks, 1);
    assert_in_range(later.kernel_heap_used, 10, 200);
    assert_int_equal(later.pages_allocated, stats.pages_allocated + 10);
    assert_int_equal(later.available_physical, stats.available_physical - 10 * PAGE_SIZE);
    kfree(block);
    free_pages(pages, 10);
    later = stats_now();
    later.frames_cached = stats.frames_cached;
    assert_memory_equal(&later, &stats, sizeof(stats));
}

static void test_public_functions(void **state)
{
    (void)state;
    char *block = kmalloc(100);
    assert_non_null(block);
    memset_8(block, 100, 0x5c);
    block = krealloc(block, 1000);
    assert_int_equal(block[99], 0x5c);
    uint64_t *words = kcalloc(16, sizeof(*words));
    memset_64(words, 16, 0x0123456789abcdefull);
    assert_true(words[0] == 0x0123456789abcdefull && words[15] == words[0]);
    memcpy(block, words, 128);
    assert_int_equal((unsigned char)block[127], 0x01);
    void *aligned = kmalloc_aligned(100, 4096);
    assert_true(is_aligned((uintptr_t)aligned, 4096));
    unsigned char *page = allocate_page();
    assert_int_equal(virt_to_phys(page) + getHHDM(), (uintptr_t)page);
    memset(page, 1, PAGE_SIZE);
    free_page(page);
    kfree(aligned);
    kfree(words);
    kfree(block);
    assert_int_equal(heap_check(NULL), NEO_OK);
    assert_null(allocate_pages(GIB(64) / PAGE_SIZE));
}

/* Every name that libc or the compiler's library could want for itself. */
static void test_no_names_of_libc(void **state)
{
    (void)state;
    static const char *const libc[] = {"malloc",        "free",           "calloc",    "realloc", "memalign",
                                       "aligned_alloc", "posix_memalign", "memcpy",    "memset",  "memmove",
                                       "memcmp",        "strlen",         "strnlen",   "strcmp",  "strncmp",
                                       "strchr",        "snprintf",       "vsnprintf", "printf",  "abort"};
    char command[4096];
    const char *folder_end = strrchr(program, '/');
    assert_non_null(folder_end);
    (void)snprintf(command, sizeof(command), "nm --defined-only --extern-only '%.*s/../host/libneomem.a'",
                   (int)(folder_end - program), program);
    FILE *names = popen(command, "r");
    assert_non_null(names);
    char line[512];
    unsigned seen = 0;
    while (fgets(line, sizeof(line), names) != NULL) {
        char type;
        char name[400];
        if (sscanf(line, "%*x %c %399s", &type, name) != 2) {
            continue;
        }
        seen += strcmp(name, "kmalloc") == 0 || strcmp(name, "neo_memcpy") == 0;
        for (size_t i = 0; i < ARRAY_COUNT(libc); i++) {
            assert_string_not_equal(name, libc[i]);
        }
        /* Constant tables with pointers are D too. */
        bool is_writable = type == 'B' || type == 'C';
        bool is_public =
            strcmp(name, "availableMemoryRegions") == 0 || strcmp(name, "availableMemoryRegionsCount") == 0;
        if (is_writable && !is_public) {
            fail_msg("writable global %s", name);
        }
    }
    assert_int_equal(pclose(names), 0);
    assert_int_equal(seen, 2);
}

int main(int argc, char **argv)
{
    (void)argc;
    program = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_public_functions),
        cmocka_unit_test(test_no_names_of_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
