/* console.c — the fan-out of text and records to sinks.
 *
 * Each sink remembers the last byte it got. That alone decides the two rules of the serial format: a human line never
 * starts with '{' (a space goes in front), and a record always starts on a line of its own (an open human line is ended
 * first). A carriage return counts as a line start for the first rule, because readers may split there.
 *
 * Locking: one spin lock, a leaf, taken with interrupts saved through the hooks; sinks must not print. Once panicking,
 * nobody takes it any more and nobody waits for it, so a CPU that died while holding it cannot silence the panic. */
#include <neomem/console.h>
#include <neomem/printf.h>
#include <neomem/string.h>

static struct {
    struct console_sink *first;
    struct console_lock_hooks hooks;
    bool locked;    /* atomic */
    bool panicking; /* atomic, never falls back */
} console;

struct lock_state {
    bool held;
    uint64_t irq_state;
};

static bool is_panicking(void)
{
    return __atomic_load_n(&console.panicking, __ATOMIC_ACQUIRE);
}

static struct lock_state lock(void)
{
    struct lock_state state = {.held = false, .irq_state = 0};
    if (is_panicking()) {
        return state;
    }
    state.held = true;
    if (console.hooks.irq_save != NULL) {
        state.irq_state = console.hooks.irq_save();
    }
    while (__atomic_exchange_n(&console.locked, true, __ATOMIC_ACQUIRE)) {
        if (is_panicking()) {
            break;
        }
        if (console.hooks.relax != NULL) {
            console.hooks.relax();
        }
    }
    return state;
}

static void unlock(struct lock_state state)
{
    if (!state.held) {
        return;
    }
    __atomic_store_n(&console.locked, false, __ATOMIC_RELEASE);
    if (console.hooks.irq_restore != NULL) {
        console.hooks.irq_restore(state.irq_state);
    }
}

void console_set_lock_hooks(const struct console_lock_hooks *hooks)
{
    console.hooks = hooks != NULL ? *hooks : (struct console_lock_hooks){0};
}

void console_enter_panic(void)
{
    __atomic_store_n(&console.panicking, true, __ATOMIC_RELEASE);
}

void console_reset(void)
{
    console.first = NULL;
    console_set_lock_hooks(NULL);
    __atomic_store_n(&console.locked, false, __ATOMIC_RELEASE);
    __atomic_store_n(&console.panicking, false, __ATOMIC_RELEASE);
}

/* The pointer that leads to the sink, or the NULL at the end of the chain. */
static struct console_sink **link_to(const struct console_sink *sink)
{
    struct console_sink **link = &console.first;
    while (*link != NULL && *link != sink) {
        link = &(*link)->next;
    }
    return link;
}

void console_add(struct console_sink *sink)
{
    struct console_sink **link = link_to(sink);
    if (*link == NULL) {
        sink->next = NULL;
        *link = sink;
    }
}

void console_remove(struct console_sink *sink)
{
    struct console_sink **link = link_to(sink);
    if (*link != NULL) {
        *link = sink->next;
        sink->next = NULL;
    }
}

struct console_sink *console_find(const char *name)
{
    for (struct console_sink *sink = console.first; sink != NULL; sink = sink->next) {
        if (neo_strcmp(sink->name, name) == 0) {
            return sink;
        }
    }
    return NULL;
}

static void write_raw(struct console_sink *sink, const char *text, size_t nbytes)
{
    if (nbytes > 0) {
        sink->write(sink, text, nbytes);
    }
}

static bool is_at_line_start(const struct console_sink *sink)
{
    return sink->last_byte == '\0' || sink->last_byte == '\n' || sink->last_byte == '\r';
}

static void write_human(struct console_sink *sink, const char *text, size_t nbytes)
{
    size_t written = 0;
    for (size_t i = 0; i < nbytes; i++) {
        if (text[i] == '{' && is_at_line_start(sink)) {
            write_raw(sink, text + written, i - written);
            write_raw(sink, " ", 1);
            written = i;
        }
        /* A NUL is a byte like any other here, but 0 means that nothing was written yet. */
        sink->last_byte = (char)(text[i] != '\0' ? text[i] : ' ');
    }
    write_raw(sink, text + written, nbytes - written);
}

static void write_to_all(const char *text, size_t nbytes)
{
    for (struct console_sink *sink = console.first; sink != NULL; sink = sink->next) {
        if (sink->enabled) {
            write_human(sink, text, nbytes);
        }
    }
}

void console_write(const char *text, size_t nbytes)
{
    struct lock_state state = lock();
    write_to_all(text, nbytes);
    unlock(state);
}

void console_write_to(struct console_sink *sink, const char *text, size_t nbytes)
{
    struct lock_state state = lock();
    if (sink != NULL && sink->enabled) {
        write_human(sink, text, nbytes);
    }
    unlock(state);
}

void console_write_except(const struct console_sink *sink, const char *text, size_t nbytes)
{
    struct lock_state state = lock();
    for (struct console_sink *other = console.first; other != NULL; other = other->next) {
        if (other != sink && other->enabled) {
            write_human(other, text, nbytes);
        }
    }
    unlock(state);
}

void console_write_record(const char *line, size_t nbytes)
{
    struct lock_state state = lock();
    for (struct console_sink *sink = console.first; sink != NULL; sink = sink->next) {
        if (!sink->takes_records) {
            continue;
        }
        if (sink->last_byte != '\0' && sink->last_byte != '\n') {
            write_raw(sink, "\n", 1);
        }
        write_raw(sink, line, nbytes);
        write_raw(sink, "\n", 1);
        sink->last_byte = '\n';
    }
    unlock(state);
}

/* Gathers the pieces of formatted text, so that slow devices get few writes. */
struct gatherer {
    size_t used;
    char bytes[128];
};

static void flush(struct gatherer *gatherer)
{
    write_to_all(gatherer->bytes, gatherer->used);
    gatherer->used = 0;
}

static void gather(void *context, const char *text, size_t nbytes)
{
    struct gatherer *gatherer = context;
    if (nbytes > sizeof(gatherer->bytes) - gatherer->used) {
        flush(gatherer);
    }
    if (nbytes > sizeof(gatherer->bytes)) {
        write_to_all(text, nbytes);
        return;
    }
    neo_memcpy(gatherer->bytes + gatherer->used, text, nbytes);
    gatherer->used += nbytes;
}

void kvprintf(const char *format, va_list arguments)
{
    struct gatherer gatherer = {.used = 0};
    struct lock_state state = lock();
    neo_vformat(gather, &gatherer, format, arguments);
    flush(&gatherer);
    unlock(state);
}

void kprintf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kvprintf(format, arguments);
    va_end(arguments);
}
