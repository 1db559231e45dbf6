/* selftest.c — the list of self-tests and the one loop that runs them. */

#include "selftest_internal.h"

#include <neomem/console.h>
#include <neomem/frames.h>
#include <neomem/memory.h>
#include <neomem/printf.h>
#include <neomem/record.h>
#include <neomem/selftest.h>
#include <neomem/string.h>

static const struct {
    const char *name;
    selftest_function *run;
} tests[] = {
    {"memory_map", selftest_memory_map},
    {"memory_backed", selftest_memory_backed},
    {"page_rights", selftest_page_rights},
    {"image_rights", selftest_image_rights},
    {"lower_half", selftest_lower_half},
    {"fault_write_text", selftest_fault_text},
    {"fault_write_rodata", selftest_fault_rodata},
    {"fault_write_relro", selftest_fault_relro},
    {"fault_write_image_alias", selftest_fault_image_alias},
    {"fault_execute_data", selftest_fault_execute_data},
    {"fault_execute_stack", selftest_fault_execute_stack},
    {"fault_execute_hhdm", selftest_fault_execute_hhdm},
    {"fault_guard_page", selftest_fault_guard},
    {"fault_page_zero", selftest_fault_null},
    {"fault_non_canonical", selftest_fault_non_canonical},
    {"fault_stack_overflow", selftest_fault_stack_overflow},
    {"fault_invalid_opcode", selftest_fault_invalid_opcode},
    {"fill_and_copy", selftest_fill_and_copy},
    {"frames_single", selftest_single_frames},
    {"frames_runs", selftest_frame_runs},
    {"frames_limits", selftest_frame_limits},
    {"frames_windows", selftest_frames_windows},
    {"frames_alignment", selftest_frames_alignment},
    {"frames_nodes", selftest_frames_nodes},
    {"frames_distance", selftest_frames_distance},
    {"frames_interleave", selftest_frames_interleave},
    {"frames_all", selftest_frames_all},
    {"frames_retire", selftest_frames_retire},
    {"heap_small", selftest_heap_small},
    {"heap_large", selftest_heap_large},
    {"heap_mixed", selftest_heap_mixed},
    {"heap_realloc", selftest_heap_realloc},
    {"heap_aligned", selftest_heap_aligned},
    {"heap_limits", selftest_heap_limits},
    {"cxx_operators", selftest_cxx},
};

static const char *const result_names[] = {"pass", "fail", "skip"};

static struct selftest_totals totals;

static enum selftest_result report_text(struct selftest_report *report, enum selftest_result result, const char *format,
                                        va_list arguments) NEO_PRINTF(3, 0);

static enum selftest_result report_text(struct selftest_report *report, enum selftest_result result, const char *format,
                                        va_list arguments)
{
    neo_vsnprintf(report->detail, sizeof(report->detail), format, arguments);
    return result;
}

enum selftest_result selftest_pass(struct selftest_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    enum selftest_result result = report_text(report, SELFTEST_PASS, format, arguments);
    va_end(arguments);
    return result;
}

enum selftest_result selftest_fail(struct selftest_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    enum selftest_result result = report_text(report, SELFTEST_FAIL, format, arguments);
    va_end(arguments);
    return result;
}

enum selftest_result selftest_skip(struct selftest_report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    enum selftest_result result = report_text(report, SELFTEST_SKIP, format, arguments);
    va_end(arguments);
    return result;
}

/* splitmix64's finalizer: neighbouring positions and seeds give unrelated bytes. */
static uint8_t pattern_byte(uint64_t seed, size_t position)
{
    uint64_t x = seed + position / 8 * 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    x ^= x >> 31;
    return (uint8_t)(x >> (8 * (position % 8)));
}

void selftest_fill(void *buffer, size_t nbytes, uint64_t seed)
{
    uint8_t *bytes = buffer;
    for (size_t i = 0; i < nbytes; i++) {
        bytes[i] = pattern_byte(seed, i);
    }
}

bool selftest_verify(const void *buffer, size_t nbytes, uint64_t seed)
{
    const uint8_t *bytes = buffer;
    for (size_t i = 0; i < nbytes; i++) {
        if (bytes[i] != pattern_byte(seed, i)) {
            return false;
        }
    }
    return true;
}

static void run_one(size_t index)
{
    struct selftest_report report = {{0}};
    enum selftest_result result = tests[index].run(&report);

    totals.passed += result == SELFTEST_PASS;
    totals.failed += result == SELFTEST_FAIL;
    totals.skipped += result == SELFTEST_SKIP;
    kprintf("  %-24s %s  %s\n", tests[index].name, result_names[result], report.detail);

    struct record r;
    record_begin(&r, "test");
    record_text(&r, "name", tests[index].name);
    record_text(&r, "result", result_names[result]);
    record_text(&r, "detail", report.detail);
    record_end(&r);
}

bool selftest_run(const char *prefix)
{
    uint64_t failed_before = totals.failed;
    size_t ran = 0;

    frames_log_fn log = frames_set_log(NULL); /* tests ask for the impossible on purpose */
    for (size_t i = 0; i < ARRAY_COUNT(tests); i++) {
        if (prefix == NULL || neo_starts_with(tests[i].name, prefix)) {
            run_one(i);
            ran++;
        }
    }
    (void)frames_set_log(log);
    kprintf("  %zu self-tests, %llu failed\n", ran, (unsigned long long)(totals.failed - failed_before));
    return ran != 0 && totals.failed == failed_before;
}

struct selftest_totals selftest_totals(void)
{
    return totals;
}
