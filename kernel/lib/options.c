/* options.c — taking and giving the values of the run-time options.
 *
 * A value is checked completely before anything of the old one changes. Every value but text is a number: the flag, the
 * number, the index of the choice, or the mask of the words. */
#include <neomem/options.h>
#include <neomem/panic.h>
#include <neomem/parse.h>
#include <neomem/printf.h>
#include <neomem/string.h>

#include "options_table.h"
#include "options_text.h"

static struct {
    uint64_t number[OPTION_COUNT];
    bool is_set[OPTION_COUNT];
    enum option_source source[OPTION_COUNT];
    char text[OPTION_TEXT_COUNT][OPTION_TEXT_MAX];
    char scratch[OPTION_TEXT_MAX]; /* the value that is being looked at, terminated */
} state;

/* A piece of text that need not be terminated; no NUL in it. */
struct span {
    const char *text;
    size_t nbytes;
};

/* Storage of a text option: the n-th text option of the table has slot n. */
static char *text_of(size_t index)
{
    size_t slot = 0;
    for (size_t i = 0; i < index; i++) {
        slot += options_table[i].kind == OPTION_TEXT;
    }
    BUG_ON(slot >= OPTION_TEXT_COUNT);
    return state.text[slot];
}

void options_init(void)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        state.number[i] = options_table[i].default_number;
        state.is_set[i] = options_table[i].has_default;
        state.source[i] = OPTION_SOURCE_DEFAULT;
        if (options_table[i].kind == OPTION_TEXT) {
            text_of(i)[0] = '\0';
        }
    }
}

/* ---- parsing --------------------------------------------------------------------------------------- */

static bool equals(struct span span, const char *text)
{
    return neo_strlen(text) == span.nbytes && neo_memcmp(span.text, text, span.nbytes) == 0;
}

static bool parse_word(const struct option_definition *option, struct span span, uint64_t *index)
{
    for (unsigned i = 0; i < option->word_count; i++) {
        if (equals(span, option->words[i])) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool is_separator(char character)
{
    return character == ',' || character == ' ' || character == '\t';
}

/* One or more words; separators may repeat and lead or trail. */
static bool parse_words(const struct option_definition *option, struct span span, uint64_t *mask)
{
    uint64_t found = 0;
    size_t at = 0;
    while (at < span.nbytes) {
        size_t start = at;
        while (at < span.nbytes && !is_separator(span.text[at])) {
            at++;
        }
        if (at > start) {
            uint64_t index;
            if (!parse_word(option, (struct span){span.text + start, at - start}, &index)) {
                return false;
            }
            found |= 1ull << index;
        }
        at += at < span.nbytes;
    }
    if (found == 0) {
        return false;
    }
    *mask = found;
    return true;
}

static bool parse_in_range(const struct option_definition *option, struct span span, uint64_t *number)
{
    uint64_t value;
    neo_memcpy(state.scratch, span.text, span.nbytes);
    state.scratch[span.nbytes] = '\0';
    if (!parse_u64(state.scratch, &value) || value < option->min || value > option->max) {
        return false;
    }
    *number = value;
    return true;
}

static bool set_text(size_t index, struct span span)
{
    char *text = text_of(index);
    neo_memmove(text, span.text, span.nbytes);
    text[span.nbytes] = '\0';
    return true;
}

static bool set_value(size_t index, struct span value)
{
    const struct option_definition *option = &options_table[index];
    if (value.nbytes >= OPTION_TEXT_MAX) {
        return false;
    }
    switch (option->kind) {
    case OPTION_FLAG:
    case OPTION_CHOICE:
        return parse_word(option, value, &state.number[index]);
    case OPTION_NUMBER:
        return parse_in_range(option, value, &state.number[index]);
    case OPTION_WORDS:
        return parse_words(option, value, &state.number[index]);
    case OPTION_TEXT:
        return set_text(index, value);
    }
    return false;
}

/* ---- setting --------------------------------------------------------------------------------------- */

/* Bytes of a name or a value that a warning repeats. */
#define SHOWN_BYTES 48u

/* Room for SHOWN_BYTES, the dots behind a cut, and a NUL. */
struct shown {
    char text[SHOWN_BYTES + 4];
};

/* What came from outside, fit for a message: printable ASCII, cut to a sensible length. */
static struct shown show(struct span span)
{
    struct shown shown = {{0}};
    size_t length = span.nbytes < SHOWN_BYTES ? span.nbytes : SHOWN_BYTES;
    for (size_t i = 0; i < length; i++) {
        char character = span.text[i];
        shown.text[i] = (char)(character >= ' ' && character <= '~' ? character : '?');
    }
    neo_strlcpy(shown.text + length, span.nbytes > SHOWN_BYTES ? "..." : "", sizeof(shown.text) - length);
    return shown;
}

static void warn_of(options_warn_fn warn, void *context, const char *format, ...) NEO_PRINTF(3, 4);
static void warn_of(options_warn_fn warn, void *context, const char *format, ...)
{
    char line[256];
    va_list arguments;
    if (warn == NULL) {
        return;
    }
    va_start(arguments, format);
    neo_vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    warn(context, line);
}

static void warn_of_value(size_t index, struct span value, options_warn_fn warn, void *context)
{
    char values[96];
    options_text_values(index, values, sizeof(values));
    if (value.text == NULL) {
        warn_of(warn, context, "option %s needs a value: %s", options_table[index].name, values);
    } else if (value.nbytes >= OPTION_TEXT_MAX) {
        warn_of(warn, context, "option %s: the value is longer than %u bytes", options_table[index].name,
                OPTION_TEXT_MAX - 1);
    } else {
        warn_of(warn, context, "option %s: bad value \"%s\", expected: %s", options_table[index].name, show(value).text,
                values);
    }
}

/* value.text NULL: there was no '='. */
static bool set(enum option_source source, struct span name, struct span value, options_warn_fn warn, void *context)
{
    for (size_t index = 0; index < OPTION_COUNT; index++) {
        if (!equals(name, options_table[index].name)) {
            continue;
        }
        if (value.text == NULL || !set_value(index, value)) {
            warn_of_value(index, value, warn, context);
            return false;
        }
        state.is_set[index] = true;
        state.source[index] = source;
        return true;
    }
    warn_of(warn, context, "unknown option \"%s\"", show(name).text);
    return false;
}

void options_apply_words_from(enum option_source source, const char *words, size_t nbytes, options_warn_fn warn,
                              void *context)
{
    size_t at = 0;
    while (at < nbytes) {
        struct span name = {words + at, neo_strnlen(words + at, nbytes - at)};
        struct span value = {NULL, 0};
        at += name.nbytes + 1;
        if (name.nbytes == 0) {
            continue;
        }
        for (size_t i = 0; i < name.nbytes; i++) {
            if (name.text[i] == '=') {
                value = (struct span){name.text + i + 1, name.nbytes - i - 1};
                name.nbytes = i;
            }
        }
        set(source, name, value, warn, context);
    }
}

void options_apply_words(const char *words, size_t nbytes, options_warn_fn warn, void *context)
{
    options_apply_words_from(OPTION_SOURCE_COMMAND, words, nbytes, warn, context);
}

bool options_set(const char *name, const char *value, options_warn_fn warn, void *context)
{
    struct span name_span = {name, neo_strlen(name)};
    struct span value_span = {value, value != NULL ? neo_strlen(value) : 0};
    return set(OPTION_SOURCE_SHELL, name_span, value_span, warn, context);
}

/* ---- values ---------------------------------------------------------------------------------------- */

static void check_kind(enum option_id id, enum option_kind kind)
{
    BUG_ON((unsigned)id >= OPTION_COUNT || options_table[id].kind != kind);
}

bool option_flag(enum option_id id)
{
    check_kind(id, OPTION_FLAG);
    return state.number[id] != 0;
}

uint64_t option_number(enum option_id id)
{
    check_kind(id, OPTION_NUMBER);
    return state.number[id];
}

const char *option_text(enum option_id id)
{
    check_kind(id, OPTION_TEXT);
    return text_of(id);
}

unsigned option_choice(enum option_id id)
{
    check_kind(id, OPTION_CHOICE);
    return (unsigned)state.number[id];
}

bool option_has_word(enum option_id id, unsigned word_index)
{
    check_kind(id, OPTION_WORDS);
    BUG_ON(word_index >= options_table[id].word_count);
    return ((state.number[id] >> word_index) & 1u) != 0;
}

bool option_is_set(enum option_id id)
{
    BUG_ON((unsigned)id >= OPTION_COUNT);
    return state.is_set[id];
}

enum option_source option_source(enum option_id id)
{
    BUG_ON((unsigned)id >= OPTION_COUNT);
    return state.source[id];
}

uint64_t options_raw_number(size_t index)
{
    return state.number[index];
}

const char *options_raw_text(size_t index)
{
    return text_of(index);
}
