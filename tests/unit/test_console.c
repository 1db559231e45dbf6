/* test_console.c — the fan-out: who gets what, the two rules of the serial format, the lock, and output while panicking. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <neomem/console.h>

#include "capture_sink.h"
#include "test_random_source.h"

static struct capture_sink serial;
static struct capture_sink screen;

static int reset(void **state)
{
    (void)state;
    console_reset();
    capture_add(&serial, "serial", true, true);
    capture_add(&screen, "screen", true, false);
    return 0;
}

static void write_text(const char *text)
{
    console_write(text, strlen(text));
}

static void write_record(const char *line)
{
    console_write_record(line, strlen(line));
}

static void test_text_goes_to_enabled_sinks(void **state)
{
    (void)state;
    write_text("one\n");
    screen.sink.enabled = false;
    write_text("two\n");
    serial.sink.enabled = false;
    screen.sink.enabled = true;
    write_text("three\n");
    assert_string_equal(serial.bytes, "one\ntwo\n");
    assert_string_equal(screen.bytes, "one\nthree\n");
    write_text("");
    assert_string_equal(screen.bytes, "one\nthree\n");
}

static void test_text_for_one_and_for_all_but_one(void **state)
{
    (void)state;
    console_write_to(&screen.sink, "a picture\n", 10);
    console_write_except(&screen.sink, "characters\n", 11);
    console_write_except(NULL, "both\n", 5);
    console_write_to(NULL, "nobody\n", 7);
    console_write_to(&serial.sink, "{", 1); /* the rule of human lines holds here, too */
    console_write_except(&screen.sink, "\n", 1);
    screen.sink.enabled = false;
    console_write_to(&screen.sink, "unseen", 6);
    console_write_except(&serial.sink, "unseen", 6);
    assert_string_equal(screen.bytes, "a picture\nboth\n");
    assert_string_equal(serial.bytes, "characters\nboth\n {\n");
}

static void test_records_go_to_takers_only(void **state)
{
    (void)state;
    serial.sink.enabled = false; /* console=screen does not stop records */
    write_record("{\"neomem\":\"x\"}");
    assert_string_equal(serial.bytes, "{\"neomem\":\"x\"}\n");
    assert_string_equal(screen.bytes, "");
}

static void test_add_remove_find(void **state)
{
    (void)state;
    assert_ptr_equal(console_find("serial"), &serial.sink);
    assert_ptr_equal(console_find("screen"), &screen.sink);
    assert_null(console_find("printer"));
    console_add(&serial.sink); /* again: no cycle, no double output */
    write_text("x");
    assert_string_equal(serial.bytes, "x");
    console_remove(&serial.sink);
    console_remove(&serial.sink);
    assert_null(console_find("serial"));
    write_text("y");
    assert_string_equal(serial.bytes, "x");
    assert_string_equal(screen.bytes, "xy");
    console_remove(&screen.sink);
    write_text("nobody listens");
    write_record("{}");
    assert_string_equal(screen.bytes, "xy");
}

static void test_human_lines_never_start_with_a_brace(void **state)
{
    (void)state;
    write_text("{first");
    write_text("{same line\n{next");
    write_text("\n");
    write_text("{\n{{\n\n{\r{\r\n{ x{y\n");
    assert_string_equal(serial.bytes, " {first{same line\n {next\n {\n {{\n\n {\r {\r\n { x{y\n");
    assert_string_equal(screen.bytes, serial.bytes);
}

static void test_records_start_on_their_own_line(void **state)
{
    (void)state;
    write_text("open");
    write_record("{1}");
    write_text("{after");
    write_text("\r");
    write_record("{2}");
    write_record("{3}");
    write_text("a\n");
    write_record("{4}");
    console_write("\0", 1);
    write_record("{5}");
    assert_memory_equal(serial.bytes, "open\n{1}\n {after\r\n{2}\n{3}\na\n{4}\n\0\n{5}\n", serial.used);
    /* the screen's own line goes on where it was */
    assert_memory_equal(screen.bytes, "open{after\ra\n\0", screen.used);
}

/* The line state belongs to the sink: one that joins in the middle of a line starts a line. */
static void test_line_state_is_each_sinks_own(void **state)
{
    (void)state;
    screen.sink.enabled = false;
    write_text("begun ");
    screen.sink.enabled = true;
    write_text("{");
    assert_string_equal(serial.bytes, "begun {");
    assert_string_equal(screen.bytes, " {");
    serial.sink.enabled = false;
    write_record("{1}");
    assert_string_equal(serial.bytes, "begun {\n{1}\n");
}

/* Random writes: every line that starts with '{' is a record, and all records are there. */
static void test_random_mix(void **state)
{
    (void)state;
    unsigned records = 0;
    while (serial.used < sizeof(serial.bytes) - 200) {
        if (test_random_below(5) == 0) {
            char line[32];
            snprintf(line, sizeof(line), "{R%u}", records++);
            write_record(line);
        } else {
            static const char alphabet[] = "{{\n\rab";
            char text[12];
            size_t length = test_random_below(sizeof(text));
            for (size_t i = 0; i < length; i++) {
                text[i] = alphabet[test_random_below(sizeof(alphabet) - 1)];
            }
            console_write(text, length);
        }
    }
    unsigned seen = 0;
    for (char *line = strtok(serial.bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (line[0] == '{') {
            char expected[32];
            snprintf(expected, sizeof(expected), "{R%u}", seen++);
            assert_string_equal(line, expected);
        }
    }
    assert_int_equal(seen, records);
}

static void test_kprintf(void **state)
{
    (void)state;
    char expected[1000];
    char longer[400];
    memset(longer, 'z', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    kprintf("%s|%300d|%s|%x\n", "short", 7, longer, 255);
    snprintf(expected, sizeof(expected), "%s|%300d|%s|%x\n", "short", 7, longer, 255);
    assert_string_equal(serial.bytes, expected);
    serial.writes = 0;
    kprintf("%d %s %c %d\n", 1, "two", '3', 4);
    assert_int_equal(serial.writes, 1); /* gathered */
    kprintf("{%s}\n", "brace");
    assert_non_null(strstr(serial.bytes, "\n {brace}\n"));
}

static unsigned saves, restores, relaxes;
static bool inside;

static uint64_t hook_save(void)
{
    assert_false(inside);
    inside = true;
    saves++;
    return 0xABCD;
}

static void hook_restore(uint64_t irq_state)
{
    assert_true(inside);
    assert_true(irq_state == 0xABCD);
    inside = false;
    restores++;
}

static void hook_relax(void)
{
    __atomic_fetch_add(&relaxes, 1, __ATOMIC_RELAXED);
    sched_yield();
}

static void test_lock_hooks_pair(void **state)
{
    (void)state;
    const struct console_lock_hooks hooks = {hook_save, hook_restore, hook_relax};
    console_set_lock_hooks(&hooks);
    saves = restores = 0;
    write_text("a");
    write_record("{}");
    kprintf("b");
    assert_int_equal(saves, 3);
    assert_int_equal(restores, 3);
    console_set_lock_hooks(NULL);
    write_text("c");
    assert_int_equal(saves, 3);
}

#define THREADS 4
#define LINES_EACH 200

static void *write_many(void *argument)
{
    unsigned thread = *(unsigned *)argument;
    for (unsigned i = 0; i < LINES_EACH; i++) {
        kprintf("text %u of thread %u, %s\n", i, thread, "which is written as a whole or not at all");
        char line[32];
        snprintf(line, sizeof(line), "{%u.%u}", thread, i);
        console_write_record(line, strlen(line));
    }
    return NULL;
}

/* A device on which other threads do get a chance in the middle of a write. */
static struct console_sink *slow_inner;
static bool writing;

static void slow_write(struct console_sink *sink, const char *text, size_t nbytes)
{
    (void)sink;
    assert_false(__atomic_exchange_n(&writing, true, __ATOMIC_ACQUIRE));
    for (size_t i = 0; i < nbytes; i++) {
        slow_inner->write(slow_inner, text + i, 1);
        if (i % 16 == 0) {
            sched_yield();
        }
    }
    __atomic_store_n(&writing, false, __ATOMIC_RELEASE);
}

static void test_threads_do_not_mix(void **state)
{
    (void)state;
    static struct capture_sink inner;
    console_reset();
    memset(&inner, 0, sizeof(inner));
    inner.sink.write = capture_write;
    slow_inner = &inner.sink;
    struct console_sink slow = {.name = "slow", .write = slow_write, .takes_records = true, .enabled = true};
    console_add(&slow);
    const struct console_lock_hooks hooks = {NULL, NULL, hook_relax};
    console_set_lock_hooks(&hooks);
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    for (unsigned t = 0; t < THREADS; t++) {
        numbers[t] = t;
        assert_int_equal(pthread_create(&threads[t], NULL, write_many, &numbers[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    unsigned next_text[THREADS] = {0};
    unsigned next_record[THREADS] = {0};
    for (char *line = strtok(inner.bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        unsigned thread;
        unsigned i;
        int end = 0;
        if (sscanf(line, "{%u.%u}%n", &thread, &i, &end) == 2) {
            assert_true(thread < THREADS && next_record[thread]++ == i);
        } else {
            assert_int_equal(
                sscanf(line, "text %u of thread %u, which is written as a whole or not at all%n", &i, &thread, &end),
                2);
            assert_true(thread < THREADS && next_text[thread]++ == i);
        }
        assert_int_equal(line[end], '\0');
    }
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(next_text[t], LINES_EACH);
        assert_int_equal(next_record[t], LINES_EACH);
    }
}

/* A sink that dies in the middle of a write, with the lock held, and whose panic prints. */
static bool died;

static void dying_write(struct console_sink *sink, const char *text, size_t nbytes)
{
    if (!died) {
        died = true;
        console_enter_panic();
        kprintf("panic text");
    }
    capture_write(sink, text, nbytes);
}

static void test_panic_ignores_the_lock(void **state)
{
    (void)state;
    const struct console_lock_hooks hooks = {hook_save, hook_restore, hook_relax};
    console_set_lock_hooks(&hooks);
    saves = restores = 0;
    died = false;
    serial.sink.write = dying_write;
    write_text("normal ");
    assert_string_equal(serial.bytes, "panic textnormal ");
    assert_int_equal(saves, 1); /* the panic's own output asked for none */
    write_text("and more");
    assert_int_equal(saves, 1);
    assert_string_equal(serial.bytes, "panic textnormal and more");
}

static void *write_behind_the_lock(void *argument)
{
    (void)argument;
    write_text("waiter");
    return NULL;
}

static pthread_t waiter;

static void blocking_write(struct console_sink *sink, const char *text, size_t nbytes)
{
    if (!died) {
        died = true;
        unsigned before = __atomic_load_n(&relaxes, __ATOMIC_RELAXED);
        assert_int_equal(pthread_create(&waiter, NULL, write_behind_the_lock, NULL), 0);
        while (__atomic_load_n(&relaxes, __ATOMIC_RELAXED) == before) {
            sched_yield(); /* until it spins */
        }
        console_enter_panic();
        pthread_join(waiter, NULL);
    }
    capture_write(sink, text, nbytes);
}

/* A CPU that already waits for the lock must stop waiting when another one panics while holding it. */
static void test_panic_frees_who_waits(void **state)
{
    (void)state;
    const struct console_lock_hooks hooks = {NULL, NULL, hook_relax};
    console_set_lock_hooks(&hooks);
    died = false;
    console_remove(&screen.sink);
    serial.sink.write = blocking_write;
    write_text("holder");
    assert_string_equal(serial.bytes, "waiterholder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_text_goes_to_enabled_sinks, reset),
        cmocka_unit_test_setup(test_text_for_one_and_for_all_but_one, reset),
        cmocka_unit_test_setup(test_records_go_to_takers_only, reset),
        cmocka_unit_test_setup(test_add_remove_find, reset),
        cmocka_unit_test_setup(test_human_lines_never_start_with_a_brace, reset),
        cmocka_unit_test_setup(test_records_start_on_their_own_line, reset),
        cmocka_unit_test_setup(test_line_state_is_each_sinks_own, reset),
        cmocka_unit_test_setup(test_random_mix, reset),
        cmocka_unit_test_setup(test_kprintf, reset),
        cmocka_unit_test_setup(test_lock_hooks_pair, reset),
        cmocka_unit_test_setup(test_threads_do_not_mix, reset),
        cmocka_unit_test_setup(test_panic_ignores_the_lock, reset),
        cmocka_unit_test_setup(test_panic_frees_who_waits, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
