/* fbtext.c — the one framebuffer terminal and its console sink.
 * Everything is zero until fbtext_init: 80 KiB of cells belong into .bss, not into the image. */
#include "fbtext_internal.h"

#include <neomem/console.h>
#include <neomem/fbtext.h>
#include <neomem/io.h>

static struct {
    bool present;
    struct console_sink sink;
    struct fbtext terminal;
} state;

static void write_screen(struct console_sink *sink, const char *text, size_t nbytes)
{
    (void)sink;
    fbtext_feed(&state.terminal, text, nbytes);
    fbtext_flush(&state.terminal);
    /* What may be the last message before a halt must not stay in a write-combining buffer. */
    arch_store_fence();
}

enum neo_status fbtext_init(const struct boot_framebuffer *framebuffer, void *base)
{
    enum neo_status status = fbtext_setup(&state.terminal, framebuffer, base);
    if (status != NEO_OK) {
        return status;
    }
    state.present = true;
    state.sink = (struct console_sink){.name = "screen", .write = write_screen, .enabled = true};
    console_add(&state.sink);
    return NEO_OK;
}

void fbtext_rebind(void *base)
{
    if (state.present && base != NULL) {
        state.terminal.pixels = base;
    }
}

void fbtext_size(unsigned *columns, unsigned *rows)
{
    *columns = state.present ? state.terminal.columns : 0;
    *rows = state.present ? state.terminal.rows : 0;
}
