/* console.h — where text goes: a fan-out of sinks (serial, screen, a test's buffer).
 *
 * Text is UTF-8; '\n' ends a line (sinks add '\r' if their device wants it). Human text never starts a
 * line with '{': the console puts a space before it, because such lines are records on serial.
 * Locking: one leaf lock, interrupts saved; while panicking the lock is ignored. Never allocates.
 *
 * Depends on: compiler.h, types.h. Used by: everything but kernel/mm (which reports through panic() or returns). */
#ifndef NEOMEM_CONSOLE_H
#define NEOMEM_CONSOLE_H

#include <neomem/compiler.h>
#include <neomem/types.h>
#include <stdarg.h>

struct console_sink {
    const char *name; /* "serial" or "screen": the words of the `console` option */
    void (*write)(struct console_sink *sink, const char *text, size_t nbytes);
    bool takes_records;        /* raw lines of record.h go only to these */
    bool enabled;              /* human text; records go out regardless */
    struct console_sink *next; /* owned by the console */
    char last_byte;            /* owned by the console: what was written last, 0: nothing yet */
};

/* What the lock needs of the machine, with the signatures of arch.h. Until it is set (one CPU, interrupts off) the
 * console locks without saving interrupts. NULL members are not called. */
struct console_lock_hooks {
    uint64_t (*irq_save)(void);
    void (*irq_restore)(uint64_t state);
    void (*relax)(void); /* one turn of a spin-wait */
};

/* Install the hooks; copied. NULL: none. Context: not concurrently with output. */
void console_set_lock_hooks(const struct console_lock_hooks *hooks);

/* Add a sink. It must stay valid until console_remove. Context: any, not concurrently with output. */
void console_add(struct console_sink *sink);
void console_remove(struct console_sink *sink);

/* Find by name; NULL when there is none. */
struct console_sink *console_find(const char *name);

void console_write(const char *text, size_t nbytes);
/* Only to this sink, when it is enabled (NULL: to nobody); to all enabled ones but this (NULL: to all). For pictures, which
 * look different on different devices. */
void console_write_to(struct console_sink *sink, const char *text, size_t nbytes);
void console_write_except(const struct console_sink *sink, const char *text, size_t nbytes);
/* One record line, without its newline, to every sink that takes records. Starts a new line if a human line is open. */
void console_write_record(const char *line, size_t nbytes);

/* Formatted text; the conversions of printf.h. */
void kprintf(const char *format, ...) NEO_PRINTF(1, 2);
void kvprintf(const char *format, va_list arguments) NEO_PRINTF(1, 0);

/* From now on output takes no lock (panic, NMI). */
void console_enter_panic(void);

/* Forget all sinks, hooks and the panic state (host tests start over with it). Context: no output may be going on. */
void console_reset(void);

#endif
