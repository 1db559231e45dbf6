/* printf.c — formatted text without libc.
 *
 * A conversion is parsed into a struct spec, turned into at most three pieces (prefix, zeros, body), and these go out
 * between the padding. Digits come from a small buffer that is filled from its end.
 *
 * Source: C17 7.21.6.1. */
#include <neomem/printf.h>
#include <neomem/string.h>

/* INT_MAX: without libc there is no complete limits.h. */
#define LENGTH_MAX __INT_MAX__

/* 64 bits in octal take 22 digits. */
#define DIGITS_MAX 24

struct output {
    neo_format_write_fn write;
    void *context;
    uint64_t length;
};

/* hh, h, none; l, ll, j, z and t all mean 64 bits. */
enum size_modifier {
    SIZE_CHAR,
    SIZE_SHORT,
    SIZE_INT,
    SIZE_64,
};
_Static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(intmax_t) == 8 && sizeof(size_t) == 8 &&
                   sizeof(ptrdiff_t) == 8,
               "the long size modifiers are all alike");

struct spec {
    bool left, zero, plus, space, alternate;
    bool has_precision;
    int width;
    int precision;
    enum size_modifier size;
    char conversion;
};

static void emit(struct output *out, const char *text, size_t nbytes)
{
    if (nbytes > 0) {
        out->write(out->context, text, nbytes);
        out->length += nbytes;
    }
}

static void emit_repeated(struct output *out, char character, size_t count)
{
    char chunk[32];
    neo_memset(chunk, character, sizeof(chunk));
    while (count > 0) {
        size_t now = count < sizeof(chunk) ? count : sizeof(chunk);
        emit(out, chunk, now);
        count -= now;
    }
}

/* ---- parsing --------------------------------------------------------------------------------------- */

static const char *parse_flags(const char *at, struct spec *spec)
{
    for (;; at++) {
        switch (*at) {
        case '-':
            spec->left = true;
            break;
        case '0':
            spec->zero = true;
            break;
        case '+':
            spec->plus = true;
            break;
        case ' ':
            spec->space = true;
            break;
        case '#':
            spec->alternate = true;
            break;
        default:
            return at;
        }
    }
}

/* A decimal number; saturates just above FORMAT_FIELD_MAX times ten, so it never overflows. */
static const char *parse_count(const char *at, int *count)
{
    int value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (value <= LENGTH_MAX / 16) {
            value = value * 10 + (*at - '0');
        }
    }
    *count = value;
    return at;
}

static const char *parse_size(const char *at, enum size_modifier *size)
{
    switch (*at) {
    case 'h':
        *size = at[1] == 'h' ? SIZE_CHAR : SIZE_SHORT;
        return at + (at[1] == 'h' ? 2 : 1);
    case 'l':
        *size = SIZE_64;
        return at + (at[1] == 'l' ? 2 : 1);
    case 'j':
    case 'z':
    case 't':
        *size = SIZE_64;
        return at + 1;
    default:
        *size = SIZE_INT;
        return at;
    }
}

/* Wrapped so that its address can be passed on: va_list may be an array type. */
struct arguments {
    va_list list;
};

/* at: behind the '%'. Return: behind the conversion character. Takes the '*' arguments. */
static const char *parse_spec(const char *at, struct spec *spec, struct arguments *arguments)
{
    neo_memset(spec, 0, sizeof(*spec));
    at = parse_flags(at, spec);
    if (*at == '*') {
        at++;
        int width = va_arg(arguments->list, int);
        if (width < 0) {
            spec->left = true;
            width = width < -LENGTH_MAX ? LENGTH_MAX : -width;
        }
        spec->width = width;
    } else {
        at = parse_count(at, &spec->width);
    }
    if (*at == '.') {
        at++;
        spec->has_precision = true;
        if (*at == '*') {
            at++;
            spec->precision = va_arg(arguments->list, int);
            spec->has_precision = spec->precision >= 0;
        } else {
            at = parse_count(at, &spec->precision);
        }
    }
    if (spec->width > FORMAT_FIELD_MAX) {
        spec->width = FORMAT_FIELD_MAX;
    }
    at = parse_size(at, &spec->size);
    spec->conversion = *at;
    return *at == '\0' ? at : at + 1;
}

/* ---- numbers --------------------------------------------------------------------------------------- */

static int64_t take_signed(struct arguments *arguments, enum size_modifier size)
{
    switch (size) {
    case SIZE_CHAR:
        return (signed char)va_arg(arguments->list, int);
    case SIZE_SHORT:
        return (short)va_arg(arguments->list, int);
    case SIZE_64:
        return va_arg(arguments->list, int64_t);
    case SIZE_INT:
    default:
        return va_arg(arguments->list, int);
    }
}

static uint64_t take_unsigned(struct arguments *arguments, enum size_modifier size)
{
    switch (size) {
    case SIZE_CHAR:
        return (unsigned char)va_arg(arguments->list, unsigned);
    case SIZE_SHORT:
        return (unsigned short)va_arg(arguments->list, unsigned);
    case SIZE_64:
        return va_arg(arguments->list, uint64_t);
    case SIZE_INT:
    default:
        return va_arg(arguments->list, unsigned);
    }
}

/* Return: the first of the digits that end at `end`; none for 0. */
static char *digits_backwards(char *end, uint64_t value, unsigned base, bool upper)
{
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (; value > 0; value /= base) {
        *--end = alphabet[value % base];
    }
    return end;
}

static void emit_number(struct output *out, const struct spec *spec, const char *prefix, const char *digits,
                        size_t ndigits)
{
    size_t prefix_bytes = neo_strlen(prefix);
    size_t width = (size_t)spec->width;
    /* No precision means 1: zero is one digit, and an explicit precision of 0 makes it none. */
    size_t wanted = 1;
    if (spec->has_precision) {
        wanted = spec->precision < FORMAT_FIELD_MAX ? (size_t)spec->precision : FORMAT_FIELD_MAX;
    } else if (spec->zero && !spec->left && width > prefix_bytes + 1) {
        wanted = width - prefix_bytes;
    }
    size_t zeros = wanted > ndigits ? wanted - ndigits : 0;
    if (spec->conversion == 'o' && spec->alternate && zeros == 0) {
        zeros = 1;
    }
    size_t used = prefix_bytes + zeros + ndigits;
    size_t padding = width > used ? width - used : 0;
    if (!spec->left) {
        emit_repeated(out, ' ', padding);
    }
    emit(out, prefix, prefix_bytes);
    emit_repeated(out, '0', zeros);
    emit(out, digits, ndigits);
    if (spec->left) {
        emit_repeated(out, ' ', padding);
    }
}

static void convert_signed(struct output *out, const struct spec *spec, int64_t value)
{
    char buffer[DIGITS_MAX];
    char *end = buffer + sizeof(buffer);
    /* Negation in unsigned arithmetic: the most negative number has no positive twin. */
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *digits = digits_backwards(end, magnitude, 10, false);
    const char *sign = "";
    if (value < 0) {
        sign = "-";
    } else if (spec->plus) {
        sign = "+";
    } else if (spec->space) {
        sign = " ";
    }
    emit_number(out, spec, sign, digits, (size_t)(end - digits));
}

static void convert_unsigned(struct output *out, const struct spec *spec, uint64_t value)
{
    char buffer[DIGITS_MAX];
    char *end = buffer + sizeof(buffer);
    unsigned base = 10;
    const char *prefix = "";
    if (spec->conversion == 'o') {
        base = 8;
    } else if (spec->conversion == 'x' || spec->conversion == 'X') {
        base = 16;
        if (spec->alternate && value != 0) {
            prefix = spec->conversion == 'x' ? "0x" : "0X";
        }
    }
    char *digits = digits_backwards(end, value, base, spec->conversion == 'X');
    emit_number(out, spec, prefix, digits, (size_t)(end - digits));
}

static void convert_pointer(struct output *out, const struct spec *spec, const void *pointer)
{
    char buffer[DIGITS_MAX];
    char *end = buffer + sizeof(buffer);
    char *digits = digits_backwards(end, (uintptr_t)pointer, 16, false);
    emit_number(out, spec, "0x", digits, (size_t)(end - digits));
}

/* ---- text ------------------------------------------------------------------------------------------ */

static void emit_padded(struct output *out, const struct spec *spec, const char *text, size_t nbytes)
{
    size_t width = (size_t)spec->width;
    size_t padding = width > nbytes ? width - nbytes : 0;
    if (!spec->left) {
        emit_repeated(out, ' ', padding);
    }
    emit(out, text, nbytes);
    if (spec->left) {
        emit_repeated(out, ' ', padding);
    }
}

static void convert_text(struct output *out, const struct spec *spec, const char *text)
{
    if (text == NULL) {
        text = "(null)";
    }
    /* With a precision the text need not be terminated. */
    size_t nbytes = spec->has_precision ? neo_strnlen(text, (size_t)spec->precision) : neo_strlen(text);
    emit_padded(out, spec, text, nbytes);
}

/* Return: false when the conversion is not one of ours; no argument has been taken for it then. */
static bool convert(struct output *out, const struct spec *spec, struct arguments *arguments)
{
    bool plain = spec->size == SIZE_INT;
    switch (spec->conversion) {
    case 'd':
    case 'i':
        convert_signed(out, spec, take_signed(arguments, spec->size));
        return true;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        convert_unsigned(out, spec, take_unsigned(arguments, spec->size));
        return true;
    case 'c':
        if (plain) {
            char character = (char)va_arg(arguments->list, int);
            emit_padded(out, spec, &character, 1);
        }
        return plain;
    case 's':
        if (plain) {
            convert_text(out, spec, va_arg(arguments->list, const char *));
        }
        return plain;
    case 'p':
        if (plain) {
            convert_pointer(out, spec, va_arg(arguments->list, const void *));
        }
        return plain;
    case '%':
        emit(out, "%", 1);
        return true;
    default:
        return false;
    }
}

int neo_vformat(neo_format_write_fn write, void *context, const char *format, va_list arguments)
{
    struct output out = {.write = write, .context = context, .length = 0};
    struct arguments taken;
    va_copy(taken.list, arguments);
    const char *at = format;
    while (*at != '\0') {
        const char *plain = at;
        while (*at != '\0' && *at != '%') {
            at++;
        }
        emit(&out, plain, (size_t)(at - plain));
        if (*at == '\0') {
            break;
        }
        struct spec spec;
        const char *percent = at;
        at = parse_spec(at + 1, &spec, &taken);
        if (!convert(&out, &spec, &taken)) {
            emit(&out, percent, neo_strlen(percent));
            break;
        }
    }
    va_end(taken.list);
    return out.length < LENGTH_MAX ? (int)out.length : LENGTH_MAX;
}

struct bounded {
    char *buffer;
    size_t capacity;
    size_t used;
};

static void write_bounded(void *context, const char *text, size_t nbytes)
{
    struct bounded *to = context;
    if (to->capacity > 0) {
        size_t room = to->capacity - 1 - to->used;
        size_t now = nbytes < room ? nbytes : room;
        neo_memcpy(to->buffer + to->used, text, now);
        to->used += now;
    }
}

int neo_vsnprintf(char *buffer, size_t capacity, const char *format, va_list arguments)
{
    struct bounded to = {.buffer = buffer, .capacity = capacity, .used = 0};
    int length = neo_vformat(write_bounded, &to, format, arguments);
    if (capacity > 0) {
        buffer[to.used] = '\0';
    }
    return length;
}

int neo_snprintf(char *buffer, size_t capacity, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = neo_vsnprintf(buffer, capacity, format, arguments);
    va_end(arguments);
    return length;
}
