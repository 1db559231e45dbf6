/* test_panic.c — text, record and end of a panic; panics inside panics; a machine without hooks. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include <neomem/panic.h>
#include <neomem/record.h>

#include "capture_sink.h"
#include "json_check.h"

static struct capture_sink serial;
static jmp_buf back;
static unsigned stops;
static uint64_t seen_frame;
static size_t offered;

static void stop_by_jump(void)
{
    stops++;
    longjmp(back, 1);
}

/* Three addresses, or as many as there is room for. */
static size_t three_addresses(uint64_t frame_pointer, uint64_t *addresses, size_t capacity)
{
    seen_frame = frame_pointer;
    offered = capacity;
    for (size_t i = 0; i < 3; i++) {
        addresses[i] = 0xffffffff80001000ull + i;
    }
    return 3;
}

static int reset(void **state)
{
    static const struct panic_hooks hooks = {.backtrace = three_addresses, .stop = stop_by_jump};
    (void)state;
    console_reset();
    record_enable(true);
    panic_reset();
    panic_set_hooks(&hooks);
    capture_add(&serial, "serial", true, true);
    stops = 0;
    seen_frame = 0;
    return 0;
}

/* The record is the line that starts with '{'. */
static const char *record_line(void)
{
    char *line = strstr(serial.bytes, "\n{");
    assert_non_null(line);
    line++;
    char *end = strchr(line, '\n');
    assert_non_null(end);
    assert_int_equal(end[1], '\0'); /* it is the last one */
    *end = '\0';
    assert_true(json_is_object(line, strlen(line)));
    return line;
}

static void expect_member(const char *line, const char *key, const char *raw)
{
    char value[8192];
    assert_true(json_member(line, strlen(line), key, value, sizeof(value)));
    assert_string_equal(value, raw);
}

static void test_software_panic(void **state)
{
    (void)state;
    assert_false(panic_in_progress());
    if (setjmp(back) == 0) {
        panic("frame %d is lost: %s", 7, "\"why\"");
    }
    assert_true(panic_in_progress());
    assert_int_equal(stops, 1);
    assert_true(seen_frame != 0);
    assert_int_equal(offered, PANIC_BACKTRACE_MAX);
    static const char text[] = "\nPANIC: frame 7 is lost: \"why\"\nbacktrace:\n  #0 0xffffffff80001000\n"
                               "  #1 0xffffffff80001001\n  #2 0xffffffff80001002\n";
    assert_memory_equal(serial.bytes, text, strlen(text));
    const char *line = record_line();
    expect_member(line, "neomem", "\"panic\"");
    expect_member(line, "text", "\"frame 7 is lost: \\\"why\\\"\"");
    expect_member(line, "vector", "null");
    expect_member(line, "error_code", "null");
    expect_member(line, "rip", "\"0xffffffff80001000\"");
    expect_member(line, "cr2", "null");
    expect_member(line, "backtrace", "[\"0xffffffff80001000\",\"0xffffffff80001001\",\"0xffffffff80001002\"]");
}

static void test_exception(void **state)
{
    (void)state;
    static const struct panic_context context = {.has_exception = true,
                                                 .vector = 14,
                                                 .error_code = 0x11,
                                                 .rip = 0xffffffff80123456ull,
                                                 .cr2 = 0x10,
                                                 .frame_pointer = 0xabcd0};
    if (setjmp(back) == 0) {
        panic_with_context(&context, "page fault");
    }
    assert_true(seen_frame == 0xabcd0);
    assert_int_equal(offered, PANIC_BACKTRACE_MAX - 1);
    assert_non_null(strstr(serial.bytes, "\nPANIC: page fault\n"
                                         "  vector 14  error code 0x11  rip 0xffffffff80123456  cr2 0x10\n"
                                         "backtrace:\n  #0 0xffffffff80123456\n  #1 0xffffffff80001000\n"));
    const char *line = record_line();
    expect_member(line, "vector", "14");
    expect_member(line, "error_code", "\"0x11\"");
    expect_member(line, "rip", "\"0xffffffff80123456\"");
    expect_member(line, "cr2", "\"0x10\"");
    expect_member(line, "backtrace",
                  "[\"0xffffffff80123456\",\"0xffffffff80001000\",\"0xffffffff80001001\",\"0xffffffff80001002\"]");
}

static void test_context_without_frame(void **state)
{
    (void)state;
    static const struct panic_context context = {.has_exception = false};
    if (setjmp(back) == 0) {
        panic_with_context(&context, "x");
    }
    assert_true(seen_frame != 0);
}

/* The frame that the hook gets is panic's own: its return address lies in the function that called panic. */
static uint64_t return_address;

static size_t first_of_frame(uint64_t frame_pointer, uint64_t *addresses, size_t capacity)
{
    (void)capacity;
    const uint64_t *frame = (const uint64_t *)(uintptr_t)frame_pointer;
    return_address = frame[1];
    addresses[0] = frame[1];
    return 1;
}

NEO_NOINLINE static void caller_of_panic(void)
{
    panic("from here");
}

static void test_backtrace_starts_at_the_caller(void **state)
{
    (void)state;
    static const struct panic_hooks hooks = {.backtrace = first_of_frame, .stop = stop_by_jump};
    panic_set_hooks(&hooks);
    if (setjmp(back) == 0) {
        caller_of_panic();
    }
    uint64_t start = (uint64_t)(uintptr_t)caller_of_panic;
    assert_true(return_address > start && return_address < start + 256);
}

static size_t too_many(uint64_t frame_pointer, uint64_t *addresses, size_t capacity)
{
    (void)frame_pointer;
    for (size_t i = 0; i < capacity; i++) {
        addresses[i] = UINT64_MAX;
    }
    return capacity + 1000;
}

/* The longest panic there can be still gives a complete record. */
static void test_the_longest_panic_fits(void **state)
{
    (void)state;
    static const struct panic_hooks hooks = {.backtrace = too_many, .stop = stop_by_jump};
    static const struct panic_context context = {.has_exception = true,
                                                 .vector = UINT64_MAX,
                                                 .error_code = UINT64_MAX,
                                                 .rip = UINT64_MAX,
                                                 .cr2 = UINT64_MAX,
                                                 .frame_pointer = 1};
    static char text[2000];
    memset(text, 0x02, sizeof(text) - 1);
    panic_set_hooks(&hooks);
    if (setjmp(back) == 0) {
        panic_with_context(&context, "%s", text);
    }
    const char *line = record_line();
    assert_null(strstr(line, "truncated"));
    char value[8192];
    assert_true(json_member(line, strlen(line), "text", value, sizeof(value)));
    assert_int_equal(strlen(value), 2 + 6 * 511);
    assert_true(json_member(line, strlen(line), "backtrace", value, sizeof(value)));
    assert_int_equal(strlen(value), 1 + PANIC_BACKTRACE_MAX * 21);
}

/* ---- panics inside panics --------------------------------------------------------------------------- */

static void panicking_write(struct console_sink *sink, const char *text, size_t nbytes)
{
    capture_write(sink, text, nbytes);
    if (strstr(serial.bytes, "backtrace:") != NULL) {
        panic("the device broke too");
    }
}

static void test_nested_panic_stops_at_once(void **state)
{
    (void)state;
    serial.sink.write = panicking_write;
    if (setjmp(back) == 0) {
        panic("first");
    }
    assert_int_equal(stops, 1);
    assert_non_null(strstr(serial.bytes, "PANIC: first\n"));
    assert_null(strstr(serial.bytes, "broke"));
    assert_null(strstr(serial.bytes, "{"));
}

static void on_alarm(int number)
{
    (void)number;
    longjmp(back, 2);
}

/* Run a panic that must end in an endless loop; the alarm gets us out of it. */
static void expect_spin(void)
{
    const struct itimerval soon = {.it_value = {.tv_usec = 100000}};
    signal(SIGALRM, on_alarm);
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    int how = setjmp(back);
    if (how == 0) {
        setitimer(ITIMER_REAL, &soon, NULL);
        panic("nowhere to go");
    }
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
    assert_int_equal(how, 2);
}

static void stop_that_panics(void)
{
    stops++;
    panic("stop broke");
}

static void test_stop_hook_that_panics_gets_no_third_chance(void **state)
{
    (void)state;
    static const struct panic_hooks hooks = {.backtrace = NULL, .stop = stop_that_panics};
    panic_set_hooks(&hooks);
    expect_spin();
    assert_int_equal(stops, 3);
}

static void stop_that_returns(void)
{
    stops++;
}

static void test_stop_hook_that_returns(void **state)
{
    (void)state;
    static const struct panic_hooks hooks = {.backtrace = NULL, .stop = stop_that_returns};
    panic_set_hooks(&hooks);
    expect_spin();
    assert_int_equal(stops, 1);
}

static void test_no_hooks(void **state)
{
    (void)state;
    panic_set_hooks(NULL);
    expect_spin();
    assert_non_null(strstr(serial.bytes, "PANIC: nowhere to go\nbacktrace:\n"));
    const char *line = record_line();
    expect_member(line, "rip", "null");
    expect_member(line, "backtrace", "[]");
}

static void test_bug_on(void **state)
{
    (void)state;
    BUG_ON(1 + 1 == 3);
    assert_string_equal(serial.bytes, "");
    if (setjmp(back) == 0) {
        BUG_ON(1 + 1 == 2);
    }
    assert_int_equal(stops, 1);
    assert_non_null(strstr(serial.bytes, "test_panic.c:"));
    assert_non_null(strstr(serial.bytes, ": 1 + 1 == 2\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_software_panic, reset),
        cmocka_unit_test_setup(test_exception, reset),
        cmocka_unit_test_setup(test_context_without_frame, reset),
        cmocka_unit_test_setup(test_backtrace_starts_at_the_caller, reset),
        cmocka_unit_test_setup(test_the_longest_panic_fits, reset),
        cmocka_unit_test_setup(test_nested_panic_stops_at_once, reset),
        cmocka_unit_test_setup(test_stop_hook_that_panics_gets_no_third_chance, reset),
        cmocka_unit_test_setup(test_stop_hook_that_returns, reset),
        cmocka_unit_test_setup(test_no_hooks, reset),
        cmocka_unit_test_setup(test_bug_on, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
