/* warning.c — one line of text and one record for each of the world's faults. */

#include <neomem/console.h>
#include <neomem/printf.h>
#include <neomem/record.h>
#include <neomem/warning.h>
#include <stdarg.h>

#define WARNING_BYTES 256u

void warning(const char *format, ...)
{
    char text[WARNING_BYTES];
    va_list arguments;

    va_start(arguments, format);
    neo_vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    kprintf("warning: %s\n", text);

    struct record r;
    record_begin(&r, "warning");
    record_text(&r, "text", text);
    record_end(&r);
}
