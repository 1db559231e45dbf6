/* capture_sink.h — a console sink that keeps what it gets, for tests.
 * Depends on: console.h, cmocka. Used by: tests/unit. */
#ifndef NEOMEM_TEST_CAPTURE_SINK_H
#define NEOMEM_TEST_CAPTURE_SINK_H

#include <neomem/console.h>
#include <string.h>

struct capture_sink {
    struct console_sink sink; /* first member: the console's pointer is ours */
    size_t used;
    size_t writes;
    char bytes[65536]; /* always terminated */
};

static inline void capture_write(struct console_sink *sink, const char *text, size_t nbytes)
{
    struct capture_sink *capture = (struct capture_sink *)(void *)sink;
    assert_true(nbytes > 0);
    assert_true(capture->used + nbytes < sizeof(capture->bytes));
    memcpy(capture->bytes + capture->used, text, nbytes);
    capture->used += nbytes;
    capture->bytes[capture->used] = '\0';
    capture->writes++;
}

/* Start empty and attach to the console. */
static inline void capture_add(struct capture_sink *capture, const char *name, bool enabled, bool takes_records)
{
    memset(capture, 0, sizeof(*capture));
    capture->sink.name = name;
    capture->sink.write = capture_write;
    capture->sink.enabled = enabled;
    capture->sink.takes_records = takes_records;
    console_add(&capture->sink);
}

#endif
