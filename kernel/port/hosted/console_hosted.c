/* console_hosted.c — console text to stderr, panics to abort(), so that a core dump or a debugger shows who called. */

#include <neomem/console.h>
#include <neomem/hosted.h>
#include <neomem/panic.h>
#include <stdlib.h>
#include <unistd.h>

static void write_stderr(struct console_sink *sink, const char *text, size_t nbytes)
{
    (void)sink;
    while (nbytes > 0) {
        ssize_t written = write(STDERR_FILENO, text, nbytes);
        if (written <= 0) {
            return;
        }
        text += written;
        nbytes -= (size_t)written;
    }
}

static struct console_sink stderr_sink = {.name = "stderr", .write = write_stderr, .enabled = true};

static const struct panic_hooks hooks = {.stop = abort};

void hosted_console_init(void)
{
    if (console_find(stderr_sink.name) == NULL) {
        console_add(&stderr_sink);
    }
    panic_set_hooks(&hooks);
}
