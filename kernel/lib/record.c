/* record.c — JSON records that are valid whatever the caller does.
 *
 * The object is built in a bounded buffer as a prefix of valid JSON: after every call it is `{` and complete members,
 * without the closing brace. Each member is a transaction: it is appended as a whole, or the length falls back to where
 * it began. Room for the longest possible end, `,"truncated":true}` and a NUL, is kept free at all times, so closing
 * cannot fail.
 *
 * Escaping: RFC 8259 section 7, and beyond it everything that some reader takes for the end of a line (DEL, the C1
 * controls with U+0085, U+2028, U+2029). */
#include <neomem/console.h>
#include <neomem/printf.h>
#include <neomem/record.h>
#include <neomem/string.h>
#include <neomem/utf8.h>

#define STATE_OPEN 0x6e656f72u /* hardly what an uninitialised struct holds */
#define STATE_CLOSED 0u

#define TRUNCATED_MEMBER ",\"truncated\":true"
#define END_RESERVE (sizeof(TRUNCATED_MEMBER "}")) /* its NUL included */

#define KIND_BYTES_MAX 32u
/* {"neomem":"…"}, every byte of the kind as \u00xx. */
_Static_assert(RECORD_BYTES_MIN >= 12 + 6 * KIND_BYTES_MAX + END_RESERVE, "a kind must always fit");
_Static_assert(RECORD_BYTES >= RECORD_BYTES_MIN, "a record's own storage is large enough for a kind");

static bool records_off; /* atomic */

void record_enable(bool on)
{
    __atomic_store_n(&records_off, !on, __ATOMIC_RELAXED);
}

bool record_is_enabled(void)
{
    return !__atomic_load_n(&records_off, __ATOMIC_RELAXED);
}

/* ---- appending ------------------------------------------------------------------------------------- */

static void put(struct record *r, const char *bytes, size_t nbytes)
{
    if (r->overflow || nbytes > r->capacity - END_RESERVE - r->length) {
        r->overflow = true;
        return;
    }
    neo_memcpy(r->buffer + r->length, bytes, nbytes);
    r->length += nbytes;
}

static void put_string(struct record *r, const char *text)
{
    put(r, text, neo_strlen(text));
}

/* Return: the letter of a two-character escape; 0 when the character has none. */
static char short_escape(uint32_t code_point)
{
    switch (code_point) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

static bool needs_escape(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F) || code_point == 0x2028 ||
           code_point == 0x2029;
}

static void put_quoted(struct record *r, const char *text, size_t nbytes)
{
    put(r, "\"", 1);
    for (size_t at = 0; at < nbytes && !r->overflow;) {
        uint32_t code_point;
        bool valid;
        size_t taken = utf8_decode(text + at, nbytes - at, &code_point, &valid);
        char letter = short_escape(code_point);
        if (letter != '\0') {
            const char escape[2] = {'\\', letter};
            put(r, escape, sizeof(escape));
        } else if (!valid || needs_escape(code_point)) {
            char escape[8];
            neo_snprintf(escape, sizeof(escape), "\\u%04x", code_point);
            put_string(r, escape);
        } else {
            put(r, text + at, taken);
        }
        at += taken;
    }
    put(r, "\"", 1);
}

/* Start a member. Return: false when the record takes none. *mark: where to fall back to. */
static bool member_begin(struct record *r, const char *key, size_t *mark)
{
    if (r->state != STATE_OPEN) {
        return false;
    }
    *mark = r->length;
    put(r, ",", 1);
    put_quoted(r, key != NULL ? key : "", key != NULL ? neo_strlen(key) : 0);
    put(r, ":", 1);
    return true;
}

static void member_end(struct record *r, size_t mark)
{
    if (r->overflow) {
        r->overflow = false;
        r->truncated = true;
        r->length = mark;
    }
}

/* A member whose value is `literal`, already valid JSON. */
static void put_member(struct record *r, const char *key, const char *literal)
{
    size_t mark;
    if (member_begin(r, key, &mark)) {
        put_string(r, literal);
        member_end(r, mark);
    }
}

static void put_hex(struct record *r, uint64_t value)
{
    char text[24];
    neo_snprintf(text, sizeof(text), "\"0x%llx\"", (unsigned long long)value);
    put_string(r, text);
}

/* ---- members --------------------------------------------------------------------------------------- */

void record_begin_in(struct record *r, const char *kind, char *buffer, size_t capacity)
{
    bool own = buffer == NULL || capacity < RECORD_BYTES_MIN;
    r->buffer = own ? r->storage : buffer;
    r->capacity = own ? sizeof(r->storage) : capacity;
    r->length = 0;
    r->truncated = false;
    r->overflow = false;
    r->buffer[0] = '\0';
    r->state = STATE_CLOSED;
    if (record_is_enabled()) {
        r->state = STATE_OPEN;
        put_string(r, "{\"neomem\":");
        put_quoted(r, kind != NULL ? kind : "", kind != NULL ? neo_strnlen(kind, KIND_BYTES_MAX) : 0);
    }
}

void record_begin(struct record *r, const char *kind)
{
    record_begin_in(r, kind, NULL, 0);
}

void record_text_bytes(struct record *r, const char *key, const char *value, size_t nbytes)
{
    size_t mark;
    if (value == NULL) {
        record_null(r, key);
    } else if (member_begin(r, key, &mark)) {
        put_quoted(r, value, neo_strnlen(value, nbytes));
        member_end(r, mark);
    }
}

void record_text(struct record *r, const char *key, const char *value)
{
    record_text_bytes(r, key, value, SIZE_MAX);
}

void record_textf(struct record *r, const char *key, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    neo_vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    record_text(r, key, text);
}

void record_hex(struct record *r, const char *key, uint64_t value)
{
    size_t mark;
    if (member_begin(r, key, &mark)) {
        put_hex(r, value);
        member_end(r, mark);
    }
}

void record_number(struct record *r, const char *key, uint64_t value)
{
    char text[24];
    neo_snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    put_member(r, key, text);
}

void record_signed(struct record *r, const char *key, int64_t value)
{
    char text[24];
    neo_snprintf(text, sizeof(text), "%lld", (long long)value);
    put_member(r, key, text);
}

void record_bool(struct record *r, const char *key, bool value)
{
    put_member(r, key, value ? "true" : "false");
}

void record_null(struct record *r, const char *key)
{
    put_member(r, key, "null");
}

void record_hex_array(struct record *r, const char *key, const uint64_t *values, size_t count)
{
    size_t mark;
    if (!member_begin(r, key, &mark)) {
        return;
    }
    put(r, "[", 1);
    for (size_t i = 0; i < count && !r->overflow; i++) {
        if (i > 0) {
            put(r, ",", 1);
        }
        put_hex(r, values[i]);
    }
    put(r, "]", 1);
    member_end(r, mark);
}

/* ---- closing --------------------------------------------------------------------------------------- */

const char *record_finish(struct record *r, size_t *nbytes)
{
    if (r->state != STATE_OPEN) {
        if (nbytes != NULL) {
            *nbytes = 0;
        }
        return "";
    }
    r->state = STATE_CLOSED;
    /* The reserve that put() leaves alone is for exactly this. */
    const char *end = r->truncated ? TRUNCATED_MEMBER "}" : "}";
    size_t end_bytes = neo_strlen(end);
    neo_memcpy(r->buffer + r->length, end, end_bytes + 1);
    r->length += end_bytes;
    if (nbytes != NULL) {
        *nbytes = r->length;
    }
    return r->buffer;
}

void record_end(struct record *r)
{
    size_t nbytes;
    const char *line = record_finish(r, &nbytes);
    if (nbytes > 0) {
        console_write_record(line, nbytes);
    }
}
