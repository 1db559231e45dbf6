/* test_commands.c — the shell's commands on a made-up machine: real options, records and maps; memory from malloc, so that ASan
 * sees what alloc and peek touch. */
#include "commands.h"

#include <config.h>
#include <neomem/acpi.h>
#include <neomem/arch.h>
#include <neomem/boot_facts.h>
#include <neomem/console.h>
#include <neomem/cpu.h>
#include <neomem/efi_memmap.h>
#include <neomem/frames_pool.h>
#include <neomem/io.h>
#include <neomem/kernel_image.h>
#include <neomem/memory.h>
#include <neomem/memory_map.h>
#include <neomem/options.h>
#include <neomem/panic.h>
#include <neomem/power.h>
#include <neomem/record.h>
#include <neomem/selftest.h>
#include <neomem/vmm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture_sink.h"
#include "expect_panic.h"
#include "json_check.h"

/* ---- the machine ---- */

static struct boot_info facts;
static struct capture_sink text;    /* human text */
static struct capture_sink records; /* and records */
static const char *selftest_prefix;
static bool selftest_result;
static jmp_buf left;

enum { LEFT_BY_RESET = 1, LEFT_BY_OFF, LEFT_BY_HALT };

const struct boot_info *boot_facts(void)
{
    return &facts;
}

const char *boot_build_id(void)
{
    return "0123456789abcdef";
}

virt_addr_t kernel_image_base(void)
{
    return 0xffffffff81234000;
}

bool selftest_run(const char *prefix)
{
    selftest_prefix = prefix;
    return selftest_result;
}

void power_reset(void)
{
    longjmp(left, LEFT_BY_RESET);
}

void power_off(void)
{
    longjmp(left, LEFT_BY_OFF);
}

void power_halt(void)
{
    longjmp(left, LEFT_BY_HALT);
}

struct cpu_protection cpu_protection(void)
{
    return (struct cpu_protection){.write_protect = true, .smep = true};
}

void cpu_identify(char vendor[13], char brand[49])
{
    strcpy(vendor, "GenuineTest");
    strcpy(brand, "Test CPU");
}

const struct arch_paging_features *arch_paging_features(void)
{
    static const struct arch_paging_features features = {.phys_bits = 46, .pages_1g = true};
    return &features;
}

uint64_t arch_tsc_hz(void)
{
    return 2300769000;
}

unsigned acpi_cpu_count(void)
{
    return 4;
}

static size_t acpi_tables;
static const char acpi_header[] = "FA\x01P\x24\0\0\0\x03\0VENDOR NAME\0xxxxxxxxxxxx";

size_t acpi_table_count(void)
{
    return acpi_tables;
}

const void *acpi_table_at(size_t index, size_t *nbytes)
{
    assert_true(index < acpi_tables);
    *nbytes = 244;
    return acpi_header;
}

/* Memory: malloc, at most a few of each. */
static size_t live_blocks;
static bool no_memory;
static uint64_t pages_asked;

void *allocate_pages(uint64_t count)
{
    pages_asked = count;
    if (no_memory || count > 100000) {
        return NULL;
    }
    live_blocks++;
    return aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);
}

void free_pages(void *pages, uint64_t count)
{
    assert_int_equal(count, pages_asked);
    live_blocks--;
    free(pages);
}

void *kmalloc(size_t size)
{
    if (no_memory || size > (1u << 28)) {
        return NULL;
    }
    live_blocks++;
    return malloc(size);
}

void kfree(void *block)
{
    live_blocks--;
    free(block);
}

size_t kmalloc_usable_size(const void *block)
{
    return block != NULL ? 4242 : 0;
}

phys_addr_t virt_to_phys(const void *pointer)
{
    return (uintptr_t)pointer & 0xffffff;
}

void memory_get_stats(struct memory_stats *stats)
{
    *stats = (struct memory_stats){1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008,
                                   1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016};
}

/* One readable range, one of device registers; everything else is unmapped. */
static uint8_t *readable;
static size_t readable_bytes;
static uint8_t device[64];

bool vmm_query(virt_addr_t va, struct vm_mapping *out)
{
    virt_addr_t start = (uintptr_t)readable;
    virt_addr_t device_start = (uintptr_t)device;
    *out = (struct vm_mapping){.va = va, .pa = 0x5000 + (va & 0xfff), .nbytes = PAGE_SIZE, .type = VM_WRITE_BACK};
    if (va >= device_start && va < device_start + sizeof(device)) {
        out->type = VM_UNCACHED;
        return true;
    }
    return va >= start && va < start + readable_bytes;
}

/* The page frames: `frames` has a test of its own. */
static unsigned hardening = 1;
static enum neo_status frames_status;
static struct frames_pool page_pool;
static bool has_page_pool = true;

bool command_frames(unsigned argc, char *const *argv)
{
    return argc == 1 || shell_usage(argv[0]);
}

unsigned frames_hardening(void)
{
    return hardening;
}

enum neo_status frames_set_hardening(unsigned level)
{
    assert_int_not_equal(level, hardening);
    hardening = frames_status == NEO_OK ? level : hardening;
    return frames_status;
}

struct frames_pool *frames_page_pool(void)
{
    return has_page_pool ? &page_pool : NULL;
}

enum neo_status frames_pool_set_limit(struct frames_pool *pool, uint64_t limit)
{
    pool->stats.limit = frames_status == NEO_OK ? limit : pool->stats.limit;
    return frames_status;
}

/* ---- running ---- */

static int setup(void **state)
{
    (void)state;
    memset(&facts, 0, sizeof(facts));
    no_memory = false;
    options_init();
    record_enable(true);
    console_reset();
    capture_add(&text, "screen", true, false);
    capture_add(&records, "recorder", false, true);
    return 0;
}

/* Split at blanks and run. Return: the command's result. */
static bool run(const char *line)
{
    char copy[256];
    char *argv[16];
    unsigned argc = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    const struct shell_command *command = shell_command_find(argv[0]);
    assert_non_null(command);
    text.used = records.used = 0;
    text.bytes[0] = records.bytes[0] = '\0';
    return command->run(argc, argv);
}

static void assert_says(const char *part)
{
    if (strstr(text.bytes, part) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", part, text.bytes);
    }
}

/* The one record line: a member's raw value. */
static void assert_record(const char *key, const char *expected)
{
    char value[256];
    size_t nbytes = strcspn(records.bytes, "\n");
    assert_true(json_is_object(records.bytes, nbytes));
    assert_true(json_member(records.bytes, nbytes, key, value, sizeof(value)));
    assert_string_equal(value, expected);
}

/* ---- help and the table ---- */

static void every_command_has_help(void **state)
{
    (void)state;
    static const char *const promised[] = {"help",    "map",    "stats",    "alloc", "free",  "selftest",
                                           "options", "boot",   "peek",     "panic", "clear", "echo",
                                           "version", "reboot", "poweroff", "halt"};
    for (size_t i = 0; i < ARRAY_COUNT(promised); i++) {
        assert_non_null(shell_command_find(promised[i]));
    }
    assert_true(run("help"));
    static char everything[sizeof(text.bytes)];
    memcpy(everything, text.bytes, sizeof(everything));
    const struct shell_command *command;
    size_t i = 0;
    for (; (command = shell_command_at(i)) != NULL; i++) {
        char line[64];
        assert_non_null(strstr(everything, command->name));
        assert_non_null(strstr(everything, command->help));
        snprintf(line, sizeof(line), "help %s", command->name);
        assert_true(run(line));
        assert_says(command->help);
        assert_ptr_equal(shell_command_find(command->name), command);
    }
    assert_null(shell_command_at(i + 1));
    assert_null(shell_command_find("hel"));
    for (const char *line = everything; *line != '\0'; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 110);
    }
}

static void help_for_options_and_for_nothing(void **state)
{
    (void)state;
    assert_true(run("help options"));
    for (size_t i = 0; i < options_count(); i++) {
        assert_says(options_name(i));
    }
    assert_false(run("help nonsense"));
    assert_says("nonsense");
    assert_false(run("help map efi"));
    assert_says("usage: help [command | options]");
}

static void too_many_words_are_refused(void **state)
{
    (void)state;
    const struct shell_command *command;
    for (size_t i = 0; (command = shell_command_at(i)) != NULL; i++) {
        char line[64];
        if (strcmp(command->name, "echo") == 0) {
            continue;
        }
        snprintf(line, sizeof(line), "%s a b c d e f", command->name);
        assert_false(run(line));
        assert_says("usage: ");
        assert_says(command->name);
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t nbytes;
        const char *text;
    } cases[] = {
        {0, "0 bytes"},           {1023, "1023 bytes"},    {1024, "1 KiB"},
        {1025, "1.0 KiB"},        {1536, "1.5 KiB"},       {4095, "3.9 KiB"},
        {MIB(1), "1 MiB"},        {MIB(1) + 1, "1.0 MiB"}, {MIB(1) - 1, "1023.9 KiB"},
        {GIB(3) / 2, "1.5 GiB"},  {1ull << 40, "1 TiB"},   {1ull << 50, "1 PiB"},
        {UINT64_MAX, "15.9 EiB"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char buffer[SHELL_SIZE_BYTES];
        assert_string_equal(shell_format_size(cases[i].nbytes, buffer), cases[i].text);
    }
}

/* ---- maps ---- */

static void put(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

static void map_efi(void **state)
{
    (void)state;
    enum { STRIDE = 48, COUNT = 5 };
    uint8_t *raw = calloc(COUNT, STRIDE);
    static const uint64_t descriptors[COUNT][4] = {
        /* type, phys, pages, attribute */
        {7, 0x100000, 0x100, 0xf},
        {7, 0x1000000, 0x300, 0xf},
        {4, 0x300000, 1, 0x800000000000000f},
        {7, 0x5000, 0, 0xf},
        {0x70000001, 0xfffffffffffff000, 0xffffffffffff, 0},
    };
    for (size_t i = 0; i < COUNT; i++) {
        put(raw + i * STRIDE, descriptors[i][0]);
        put(raw + i * STRIDE + 8, descriptors[i][1]);
        put(raw + i * STRIDE + 24, descriptors[i][2]);
        put(raw + i * STRIDE + 32, descriptors[i][3]);
    }
    assert_false(run("map efi"));
    assert_says("no UEFI memory map");
    facts.efi_memmap = raw;
    facts.efi_memmap_bytes = (uint64_t)COUNT * STRIDE;
    facts.efi_descriptor_bytes = STRIDE;
    assert_true(run("map efi"));
    assert_says("5 descriptors of 48 bytes");
    assert_says(
        "  0x0000000000100000  +0x000000100000  1 MiB         EfiConventionalMemory       type  7  UC|WC|WT|WB\n");
    assert_says("WB|RUNTIME\n");
    assert_says("0x0 pages: not a range");
    assert_says("0xffffffffffff pages: not a range");
    assert_says("  EfiConventionalMemory             3 entries             4194304 bytes  4 MiB\n");
    assert_says("  EfiBootServicesData               1 entry                  4096 bytes  4 KiB\n");
    assert_says("  all                               5 entries             4198400 bytes  4.0 MiB\n");
    free(raw);
}

static void map_limine(void **state)
{
    (void)state;
    static const struct limine_memmap_entry entries[] = {
        {0x1000, 0x9f000, LIMINE_MEMMAP_USABLE}, {0x100000, 0x100000, LIMINE_MEMMAP_USABLE}, {0xc0000000, 0x1000, 7}};
    static const struct boot_trim trims[] = {{0x2000, 0x10, 7, BOOT_TRIM_UNALIGNED}};
    assert_false(run("map limine"));
    facts.memmap = entries;
    facts.memmap_count = 3;
    assert_true(run("map limine"));
    assert_says("3 entries:\n");
    assert_says("  0x0000000000001000  +0x00000009f000  636 KiB       usable\n");
    assert_says("  usable                            2 entries             1699840 bytes  1.6 MiB\n");
    assert_says("  all                               3 entries             1703936 bytes  1.6 MiB\n");
    assert_null(strstr(text.bytes, "Bytes of descriptors"));
    facts.trims = trims;
    facts.trim_count = 1;
    assert_true(run("map limine"));
    assert_says("+0x000000000010  16 bytes      EfiConventionalMemory       ");
    assert_says(boot_trim_reason_name(BOOT_TRIM_UNALIGNED));
    assert_false(run("map")); /* both, and one of them is missing */
    assert_says("no UEFI memory map");
    assert_says("Limine memory map");
    assert_false(run("map bios"));
    assert_says("usage: map");
}

static void map_with_many_types(void **state)
{
    (void)state;
    enum { COUNT = 40, STRIDE = 40 };
    uint8_t *raw = calloc(COUNT, STRIDE);
    for (size_t i = 0; i < COUNT; i++) {
        put(raw + i * STRIDE, 0x80000000 + i);
        put(raw + i * STRIDE + 24, 1);
    }
    facts.efi_memmap = raw;
    facts.efi_memmap_bytes = (uint64_t)COUNT * STRIDE;
    facts.efi_descriptor_bytes = STRIDE;
    assert_true(run("map efi"));
    assert_says("  others                            9 entries               36864 bytes  36 KiB\n");
    assert_says("  all                              40 entries              163840 bytes  160 KiB\n");
    free(raw);
}

static void map_kernel(void **state)
{
    (void)state;
    static struct memory_map map;
    static const struct limine_memmap_entry entries[] = {{0, MIB(2), LIMINE_MEMMAP_USABLE}};
    static uint64_t storage[512];
    assert_false(run("map kernel"));
    assert_int_equal(memory_map_init(&map, entries, 1, MEMORY_MAP_LOW_LIMIT, storage, sizeof(storage)), NEO_OK);
    memory_map_publish(&map);
    assert_true(run("map kernel"));
    assert_says("2 regions");
    assert_says("  0x0000000000100000  +0x000000100000  1 MiB         usable\n");
    assert_says("2 entries             2097152 bytes  2 MiB\n");
}

/* ---- stats and peek ---- */

static void stats(void **state)
{
    (void)state;
    assert_true(run("stats"));
    for (unsigned i = 1001; i <= 1016; i++) {
        char number[8];
        if (i == 1012) {
            continue; /* part of 1009 */
        }
        snprintf(number, sizeof(number), " %u", i);
        assert_says(number);
    }
    assert_record("neomem", "\"stats\"");
    assert_record("total_physical", "1001");
    assert_record("available_physical", "1002");
    assert_record("kernel_heap_used", "1003");
    assert_record("pages_allocated", "1004");
    assert_record("kernel_heap_size", "1005");
    assert_record("heap_blocks", "1006");
    assert_record("page_tables", "1007");
    assert_record("largest_free_run", "1008");
    assert_record("metadata_bytes", "1009");
    assert_record("reclaimable", "1010");
    assert_record("frames_reserve", "1011");
    assert_record("frames_metadata", "1012");
    assert_record("frames_retired", "1013");
    assert_record("frames_cached", "1014");
    assert_record("frames_free_2m", "1015");
    assert_record("frames_free_1g", "1016");
}

static void peek(void **state)
{
    (void)state;
    char line[80];
    readable_bytes = 48;
    readable = aligned_alloc(16, readable_bytes); /* ASan: not a byte further */
    for (size_t i = 0; i < readable_bytes; i++) {
        readable[i] = (uint8_t)(i + 0x30);
    }
    snprintf(line, sizeof(line), "peek %p 48", (void *)readable);
    assert_true(run(line));
    assert_says("  30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|\n");
    assert_says("  50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  |PQRSTUVWXYZ[\\]^_|\n");
    snprintf(line, sizeof(line), "peek %zx 3", (size_t)(uintptr_t)(readable + 14));
    assert_true(run(line));
    assert_says("  3e 3f                                            |>?              |\n");
    assert_says("  40                                               |@               |\n");
    snprintf(line, sizeof(line), "peek %p", (void *)readable); /* 64 bytes: runs into the unmapped */
    assert_false(run(line));
    assert_says("not mapped");
    assert_says("|PQRSTUVWXYZ");
    snprintf(line, sizeof(line), "peek %p 4", (void *)device);
    assert_false(run(line));
    assert_says("device memory");
    assert_false(run("peek 0 16"));
    assert_says("not mapped");
    assert_false(run("peek 1000 0"));
    assert_false(run("peek 1000 4097"));
    assert_false(run("peek ffffffffffffffff 2")); /* would wrap */
    assert_says("1 to 4096 bytes");
    assert_false(run("peek xyz"));
    assert_false(run("peek 1000 many"));
    assert_false(run("peek"));
    free(readable);
    readable_bytes = 0;
}

/* ---- alloc and free ---- */

static void alloc_and_free(void **state)
{
    (void)state;
    assert_true(run("alloc"));
    assert_says("Nothing is allocated");
    assert_true(run("alloc 3"));
    assert_says("1  0x");
    assert_says("12 KiB in 3 frames");
    assert_true(run("alloc 13B"));
    assert_says("13 bytes from the heap, 4242 usable");
    assert_true(run("alloc 2m"));
    assert_int_equal(live_blocks, 3);
    assert_true(run("free"));
    assert_says("   1  ");
    assert_says("   2  ");
    assert_says("   3  ");
    assert_true(run("free 2"));
    assert_says("2  freed, pattern intact");
    assert_int_equal(live_blocks, 2);
    assert_false(run("free 2"));
    assert_says("no allocation 2");
    assert_true(run("alloc 1B"));
    assert_says("4  0x"); /* numbers are not used again */
    pages_asked = 3;
    assert_true(run("free all"));
    assert_int_equal(live_blocks, 0);
    assert_true(run("free all"));
    assert_true(run("free"));
    assert_says("Nothing is allocated");
}

static void bad_amounts(void **state)
{
    (void)state;
    static const char *const lines[] = {"alloc 0",
                                        "alloc 0B",
                                        "alloc 0K",
                                        "alloc -1",
                                        "alloc x",
                                        "alloc B",
                                        "alloc 1X",
                                        "alloc 4503599627370496",
                                        "alloc 99999999999999999999",
                                        "alloc 99999999999999999999B",
                                        "alloc 123456789012345678901234567890B",
                                        "free x",
                                        "free -1"};
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_false(run(lines[i]));
        assert_says("usage: ");
    }
    assert_false(run("alloc 4503599627370495")); /* a number of bytes, but too many */
    assert_says("no memory for 4503599627370495");
    no_memory = true;
    assert_false(run("alloc 1"));
    assert_false(run("alloc 1K"));
    assert_says("no memory for 1K");
    assert_int_equal(live_blocks, 0);
}

static void the_list_is_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        assert_true(run("alloc 1B"));
    }
    assert_false(run("alloc 1B"));
    assert_says("256 allocations are the most");
    assert_int_equal(live_blocks, 256);
    assert_true(run("free all"));
    assert_int_equal(live_blocks, 0);
}

/* Take an allocation of the given size and its address from what the shell prints. */
static uint8_t *allocate_and_find(const char *line, char *free_line)
{
    unsigned long long id;
    void *memory;
    assert_true(run(line));
    assert_int_equal(sscanf(text.bytes, " %llu %p", &id, &memory), 2);
    sprintf(free_line, "free %llu", id);
    return memory;
}

static void every_damaged_byte_is_found(void **state)
{
    (void)state;
    char free_line[40];
    for (size_t offset = 0; offset < 29; offset++) {
        uint8_t *memory = allocate_and_find("alloc 29B", free_line);
        memory[offset] ^= 0x10;
        readable = memory;
        readable_bytes = 29;
        assert_false(run(free_line));
        assert_says("is damaged at ");
        assert_says("DAMAGED");
        assert_record("neomem", "\"fault\"");
        assert_record("xor", "\"0x10\"");
        assert_record("test", "\"alloc\"");
        char phys[32];
        snprintf(phys, sizeof(phys), "\"0x%llx\"",
                 (unsigned long long)(0x5000 + ((uintptr_t)(memory + offset) & 0xfff)));
        assert_record("phys", phys);
    }
    readable_bytes = 0;
    assert_int_equal(live_blocks, 0);
}

static void the_pattern_differs_everywhere(void **state)
{
    (void)state;
    char free_a[40];
    char free_b[40];
    uint64_t *a = (uint64_t *)(void *)allocate_and_find("alloc 64K", free_a);
    uint64_t *b = (uint64_t *)(void *)allocate_and_find("alloc 64K", free_b);
    for (size_t i = 1; i < 8192; i++) {
        assert_true(a[i] != a[i - 1]);
        assert_true(a[i] != b[i]);
    }
    assert_true(run(free_a));
    assert_true(run(free_b));
}

static void large_ones_are_sampled(void **state)
{
    (void)state;
    static const size_t checked[] = {0, 4095, MIB(2), MIB(64) + 7, MIB(66) - 1, MIB(66) - 4096};
    static const size_t unchecked[] = {4096, MIB(2) - 1, MIB(2) + 4096};
    char free_line[40];
    for (size_t i = 0; i < ARRAY_COUNT(checked); i++) {
        uint8_t *memory = allocate_and_find("alloc 66M", free_line);
        memory[checked[i]]++;
        assert_false(run(free_line));
    }
    for (size_t i = 0; i < ARRAY_COUNT(unchecked); i++) {
        uint8_t *memory = allocate_and_find("alloc 66M", free_line);
        memory[unchecked[i]]++;
        assert_true(run(free_line));
    }
}

/* ---- the system ---- */

static void selftests(void **state)
{
    (void)state;
    selftest_result = true;
    assert_true(run("selftest"));
    assert_null(selftest_prefix);
    selftest_result = false;
    assert_false(run("selftest heap"));
    assert_string_equal(selftest_prefix, "heap");
}

static void options(void **state)
{
    (void)state;
    assert_true(run("options"));
    assert_says("records=on (default)");
    assert_says("seed=none (default)");
    assert_true(run("options seed=0x10"));
    assert_int_equal(option_number(OPTION_SEED), 16);
    assert_true(run("options"));
    assert_says("(shell)");
    assert_false(run("options nonsense=1"));
    assert_says("options: ");
    assert_false(run("options seed"));
    assert_false(run("options =x"));
    assert_false(run("options a-name-that-is-longer-than-any-option=1"));
    assert_says("usage: options");
}

static void changed_options_apply_at_once(void **state)
{
    (void)state;
    assert_true(run("options records=off"));
    assert_true(run("stats"));
    assert_string_equal(records.bytes, "");
    assert_true(run("options records=on"));
    assert_true(run("stats"));
    assert_true(records.used > 0);
    records.sink.name = "serial";
    assert_true(run("options console=serial"));
    assert_false(text.sink.enabled);
    assert_true(records.sink.enabled);
    console_remove(&records.sink);
    assert_true(run("options console=screen")); /* a console that does not exist is no obstacle */
    assert_true(text.sink.enabled);
}

static void changed_frame_options_apply_at_once(void **state)
{
    (void)state;
    page_pool.stats.limit = 40; /* a small machine: not the default, and left alone until somebody asks */
    assert_true(run("options frames-check=3"));
    assert_int_equal(hardening, 3);
    assert_int_equal(page_pool.stats.limit, 40);
    assert_true(run("options page-pool=128"));
    assert_int_equal(page_pool.stats.limit, 128);
    assert_false(run("options frames-check=4"));
    assert_false(run("options page-pool=15"));
    frames_status = NEO_ERR_NO_MEMORY;
    assert_false(run("options page-pool=256"));
    assert_says("options: page-pool: no memory, the limit stays\n");
    assert_int_equal(page_pool.stats.limit, 128);
    assert_false(run("options frames-check=2"));
    assert_says("options: frames-check: no memory, level 3 stays\n");
    has_page_pool = false;
    frames_status = NEO_OK;
    assert_true(run("options page-pool=512"));
    assert_int_equal(page_pool.stats.limit, 128);
    has_page_pool = true;
    hardening = 1;
}

static void boot(void **state)
{
    (void)state;
    strcpy(facts.firmware_vendor, "EDK II");
    facts.uefi_revision = 2u << 16 | 31;
    facts.secure_boot = 1;
    facts.entry_levels = 5;
    facts.gop_handles = 2;
    facts.gop_unusable = 1;
    facts.entropy_bits = 112;
    facts.entropy_sources = BOOT_ENTROPY_RDRAND | BOOT_ENTROPY_TIMING;
    facts.rsdp_phys = 0xf77d014;
    assert_true(run("boot"));
    assert_says("EDK II");
    assert_says("2.3.1");
    assert_says(" on\n");
    assert_says("5 at entry");
    assert_says("none (2 outputs, 1 of them unusable)");
    assert_says("112 bits from RDRAND timing\n");
    assert_says("0xf77d014");
    assert_says("0xffffffff81234000");
    facts.framebuffer =
        (struct boot_framebuffer){.phys_base = 0xc0000000, .width = 1366, .height = 768, .pitch_bytes = 5504};
    facts.secure_boot = 0;
    assert_true(run("boot"));
    assert_says("1366x768, 5504 bytes a line, at 0xc0000000");
    assert_says("off or unknown");
}

static void cpu_and_acpi(void **state)
{
    (void)state;
    assert_true(run("cpu"));
    assert_says("GenuineTest Test CPU");
    assert_says("4 enabled");
    assert_says("46 bits");
    assert_says("2300.769 MHz");
    assert_says(" write-protect SMEP 1-GiB-pages\n");
    acpi_tables = 0;
    assert_true(run("acpi"));
    assert_says("no ACPI tables");
    acpi_tables = 2;
    assert_true(run("acpi"));
    assert_says("  FA.P  revision   3       244 bytes  VENDOR  NAME.xx\n");
}

static void small_ones(void **state)
{
    (void)state;
    assert_true(run("version"));
    assert_says("neomem " NEOMEM_VERSION ", build 0123456789abcdef\n");
    assert_true(run("echo"));
    assert_string_equal(text.bytes, "\n");
    assert_true(run("echo a bc d"));
    assert_string_equal(text.bytes, "a bc d\n");
    assert_true(run("clear"));
    assert_string_equal(text.bytes, "\x1b[H\x1b[2J");
}

static void leaving(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int how;
    } cases[] = {{"reboot", LEFT_BY_RESET}, {"poweroff", LEFT_BY_OFF}, {"halt", LEFT_BY_HALT}};
    for (volatile size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int how = setjmp(left);
        if (how == 0) {
            (void)run(cases[i].line);
            fail_msg("%s came back", cases[i].line);
        }
        assert_int_equal(how, cases[i].how);
    }
}

static void panicking(void **state)
{
    (void)state;
    EXPECT_PANIC((void)run("panic"));
    assert_says("asked for in the shell");
    setup(NULL);
    EXPECT_PANIC((void)run("panic 100%s"));
    assert_says("100%s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_command_has_help, setup),
        cmocka_unit_test_setup(help_for_options_and_for_nothing, setup),
        cmocka_unit_test_setup(too_many_words_are_refused, setup),
        cmocka_unit_test(sizes),
        cmocka_unit_test_setup(map_efi, setup),
        cmocka_unit_test_setup(map_limine, setup),
        cmocka_unit_test_setup(map_with_many_types, setup),
        cmocka_unit_test_setup(map_kernel, setup),
        cmocka_unit_test_setup(stats, setup),
        cmocka_unit_test_setup(peek, setup),
        cmocka_unit_test_setup(alloc_and_free, setup),
        cmocka_unit_test_setup(bad_amounts, setup),
        cmocka_unit_test_setup(the_list_is_bounded, setup),
        cmocka_unit_test_setup(every_damaged_byte_is_found, setup),
        cmocka_unit_test_setup(the_pattern_differs_everywhere, setup),
        cmocka_unit_test_setup(large_ones_are_sampled, setup),
        cmocka_unit_test_setup(selftests, setup),
        cmocka_unit_test_setup(options, setup),
        cmocka_unit_test_setup(changed_options_apply_at_once, setup),
        cmocka_unit_test_setup(changed_frame_options_apply_at_once, setup),
        cmocka_unit_test_setup(boot, setup),
        cmocka_unit_test_setup(cpu_and_acpi, setup),
        cmocka_unit_test_setup(small_ones, setup),
        cmocka_unit_test_setup(leaving, setup),
        cmocka_unit_test_setup(panicking, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
