/* panic.c — stopping loudly.
 *
 * Everything is static: a panic may come with a stack that is nearly used up. Order: first the one line that says what
 * happened, then registers and backtrace, then the record; each step may itself fault, and then the nested panic ends
 * at once through hooks.stop with what is already out. */
#include <neomem/console.h>
#include <neomem/panic.h>
#include <neomem/printf.h>
#include <neomem/record.h>

#define PANIC_TEXT_BYTES 512u
/* Every byte of the text escaped, every address with 16 digits, and the other members. */
#define PANIC_RECORD_BYTES (6u * PANIC_TEXT_BYTES + (PANIC_BACKTRACE_MAX + 1u) * 21u + 256u)

static struct {
    struct panic_hooks hooks;
    unsigned depth; /* atomic: panics that began, nested ones included */
    char text[PANIC_TEXT_BYTES];
    uint64_t addresses[PANIC_BACKTRACE_MAX];
    size_t address_count;
    struct record record;
    char record_bytes[PANIC_RECORD_BYTES];
} state;

void panic_set_hooks(const struct panic_hooks *hooks)
{
    state.hooks = hooks != NULL ? *hooks : (struct panic_hooks){0};
}

bool panic_in_progress(void)
{
    return __atomic_load_n(&state.depth, __ATOMIC_ACQUIRE) > 0;
}

void panic_reset(void)
{
    panic_set_hooks(NULL);
    __atomic_store_n(&state.depth, 0, __ATOMIC_RELEASE);
}

/* The hook gets a second chance when it faults itself, then no more. */
#define STOP_DEPTH_MAX 3u

static void stop(unsigned depth) NEO_NORETURN;
static void stop(unsigned depth)
{
    if (state.hooks.stop != NULL && depth < STOP_DEPTH_MAX) {
        state.hooks.stop();
    }
    for (;;) {
    }
}

/* The faulting instruction is no return address, so it goes in front of what the hook finds. */
static void collect_backtrace(const struct panic_context *context)
{
    state.address_count = 0;
    if (context->has_exception) {
        state.addresses[state.address_count++] = context->rip;
    }
    if (state.hooks.backtrace != NULL) {
        size_t room = PANIC_BACKTRACE_MAX - state.address_count;
        size_t found = state.hooks.backtrace(context->frame_pointer, state.addresses + state.address_count, room);
        state.address_count += found < room ? found : room;
    }
}

static void print(const struct panic_context *context)
{
    if (context->has_exception) {
        kprintf("  vector %llu  error code 0x%llx  rip 0x%llx  cr2 0x%llx\n", (unsigned long long)context->vector,
                (unsigned long long)context->error_code, (unsigned long long)context->rip,
                (unsigned long long)context->cr2);
    }
    kprintf("backtrace:\n");
    for (size_t i = 0; i < state.address_count; i++) {
        kprintf("  #%zu 0x%llx\n", i, (unsigned long long)state.addresses[i]);
    }
}

/* A software panic has no exception: these members are null then, but for rip, which is where panic was called. */
static void write_record(const struct panic_context *context)
{
    struct record *r = &state.record;
    record_begin_in(r, "panic", state.record_bytes, sizeof(state.record_bytes));
    record_text(r, "text", state.text);
    if (context->has_exception) {
        record_number(r, "vector", context->vector);
        record_hex(r, "error_code", context->error_code);
        record_hex(r, "rip", context->rip);
        record_hex(r, "cr2", context->cr2);
    } else {
        record_null(r, "vector");
        record_null(r, "error_code");
        if (state.address_count > 0) {
            record_hex(r, "rip", state.addresses[0]);
        } else {
            record_null(r, "rip");
        }
        record_null(r, "cr2");
    }
    record_hex_array(r, "backtrace", state.addresses, state.address_count);
    record_end(r);
}

static void report_and_stop(const struct panic_context *context, const char *format, va_list arguments) NEO_NORETURN
    NEO_PRINTF(2, 0);
static void report_and_stop(const struct panic_context *context, const char *format, va_list arguments)
{
    unsigned depth = __atomic_fetch_add(&state.depth, 1, __ATOMIC_ACQ_REL);
    if (depth > 0) {
        stop(depth);
    }
    console_enter_panic();
    neo_vsnprintf(state.text, sizeof(state.text), format, arguments);
    kprintf("\nPANIC: %s\n", state.text);
    collect_backtrace(context);
    print(context);
    write_record(context);
    stop(depth);
}

/* The frame that the compiler made for the calling function: the return address in it lies in panic's caller. */
#define OWN_FRAME ((uint64_t)(uintptr_t)__builtin_frame_address(0))

NEO_NOINLINE void panic(const char *format, ...)
{
    struct panic_context context = {.has_exception = false, .frame_pointer = OWN_FRAME};
    va_list arguments;
    va_start(arguments, format);
    report_and_stop(&context, format, arguments);
    va_end(arguments);
}

NEO_NOINLINE void panic_with_context(const struct panic_context *context, const char *format, ...)
{
    struct panic_context own = *context;
    if (own.frame_pointer == 0) {
        own.frame_pointer = OWN_FRAME;
    }
    va_list arguments;
    va_start(arguments, format);
    report_and_stop(&own, format, arguments);
    va_end(arguments);
}
