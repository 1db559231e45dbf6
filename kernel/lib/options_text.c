/* options_text.c — options as text: for the boot log, for help, for the README, for warnings. */
#include <neomem/options.h>
#include <neomem/printf.h>

#include "options_table.h"
#include "options_text.h"

/* INT_MAX: without libc there is no complete limits.h. */
#define LENGTH_MAX __INT_MAX__

/* Appends as neo_snprintf writes: what does not fit is cut but still counted. */
struct builder {
    char *buffer;
    size_t capacity;
    size_t length;
};

static void add(struct builder *to, const char *format, ...) NEO_PRINTF(2, 3);
static void add(struct builder *to, const char *format, ...)
{
    bool full = to->length >= to->capacity;
    va_list arguments;
    va_start(arguments, format);
    int added =
        neo_vsnprintf(full ? NULL : to->buffer + to->length, full ? 0 : to->capacity - to->length, format, arguments);
    va_end(arguments);
    to->length += (size_t)added;
}

static void add_character(struct builder *to, char character)
{
    if (to->length + 1 < to->capacity) {
        to->buffer[to->length] = character;
        to->buffer[to->length + 1] = '\0';
    }
    to->length++;
}

static struct builder builder_start(char *buffer, size_t capacity)
{
    if (capacity > 0) {
        buffer[0] = '\0';
    }
    return (struct builder){.buffer = buffer, .capacity = capacity, .length = 0};
}

static int builder_length(const struct builder *from)
{
    return from->length < LENGTH_MAX ? (int)from->length : LENGTH_MAX;
}

/* quote: what stands on both sides of each literal value, "`" in Markdown. */
static void add_values(struct builder *to, const struct option_definition *option, const char *quote)
{
    switch (option->kind) {
    case OPTION_FLAG:
        add(to, "%son%s, %soff%s", quote, quote, quote, quote);
        break;
    case OPTION_NUMBER:
        add(to, "number");
        if (option->min != 0 || option->max != UINT64_MAX) {
            add(to, ", %llu to %llu", (unsigned long long)option->min, (unsigned long long)option->max);
        }
        break;
    case OPTION_CHOICE:
    case OPTION_WORDS:
        add(to, "%s", option->kind == OPTION_WORDS ? "list of " : "");
        for (unsigned i = 0; i < option->word_count; i++) {
            add(to, "%s%s%s%s", i > 0 ? ", " : "", quote, option->words[i], quote);
        }
        break;
    case OPTION_TEXT:
        add(to, "%s%s%s", quote, option->values, quote);
        break;
    }
}

static void add_words(struct builder *to, const struct option_definition *option, uint64_t mask)
{
    const char *separator = "";
    for (unsigned i = 0; i < option->word_count; i++) {
        if (((mask >> i) & 1u) != 0) {
            add(to, "%s%s", separator, option->words[i]);
            separator = ",";
        }
    }
}

/* A value in the form in which it is typed; text in double quotes, its unprintable bytes as '?'. */
static void add_value(struct builder *to, const struct option_definition *option, uint64_t number, const char *text)
{
    switch (option->kind) {
    case OPTION_FLAG:
    case OPTION_CHOICE:
        add(to, "%s", option->words[number]);
        break;
    case OPTION_NUMBER:
        add(to, "%llu", (unsigned long long)number);
        break;
    case OPTION_WORDS:
        add_words(to, option, number);
        break;
    case OPTION_TEXT:
        add(to, "\"");
        for (; *text != '\0'; text++) {
            add_character(to, (char)(*text >= ' ' && *text <= '~' ? *text : '?'));
        }
        add(to, "\"");
        break;
    }
}

static bool default_is_nothing(const struct option_definition *option)
{
    return !option->has_default || option->kind == OPTION_TEXT;
}

static void add_default(struct builder *to, const struct option_definition *option, const char *quote)
{
    if (default_is_nothing(option)) {
        add(to, "none");
        return;
    }
    add(to, "%s", quote);
    add_value(to, option, option->default_number, "");
    add(to, "%s", quote);
}

static void add_current(struct builder *to, size_t index)
{
    const struct option_definition *option = &options_table[index];
    if (!option_is_set((enum option_id)index)) {
        add(to, "none");
        return;
    }
    add_value(to, option, options_raw_number(index), option->kind == OPTION_TEXT ? options_raw_text(index) : "");
}

int options_text_values(size_t index, char *buffer, size_t capacity)
{
    struct builder to = builder_start(buffer, capacity);
    add_values(&to, &options_table[index], "");
    return builder_length(&to);
}

const char *option_source_name(enum option_source source)
{
    switch (source) {
    case OPTION_SOURCE_DEFAULT:
        return "default";
    case OPTION_SOURCE_CONFIG:
        return "neomem.cfg";
    case OPTION_SOURCE_COMMAND:
        return "command line";
    case OPTION_SOURCE_SHELL:
        return "shell";
    }
    return "unknown source";
}

size_t options_count(void)
{
    return OPTION_COUNT;
}

const char *options_name(size_t index)
{
    return index < OPTION_COUNT ? options_table[index].name : NULL;
}

int options_format_value(size_t index, char *buffer, size_t capacity)
{
    struct builder to = builder_start(buffer, capacity);
    if (index < OPTION_COUNT) {
        add_current(&to, index);
    }
    return builder_length(&to);
}

int options_format(size_t index, char *buffer, size_t capacity)
{
    struct builder to = builder_start(buffer, capacity);
    if (index < OPTION_COUNT) {
        add(&to, "%s=", options_table[index].name);
        add_current(&to, index);
        add(&to, " (%s)", option_source_name(option_source((enum option_id)index)));
    }
    return builder_length(&to);
}

int options_help(size_t index, char *buffer, size_t capacity)
{
    struct builder to = builder_start(buffer, capacity);
    if (index < OPTION_COUNT) {
        const struct option_definition *option = &options_table[index];
        add(&to, "%s=<", option->name);
        add_values(&to, option, "");
        add(&to, ">  %s (default ", option->help);
        add_default(&to, option, "");
        add(&to, ", now ");
        add_current(&to, index);
        add(&to, ")");
    }
    return builder_length(&to);
}

int options_describe(size_t index, char *buffer, size_t capacity)
{
    struct builder to = builder_start(buffer, capacity);
    if (index < OPTION_COUNT) {
        const struct option_definition *option = &options_table[index];
        add(&to, "| `%s` | ", option->name);
        add_values(&to, option, "`");
        add(&to, " | ");
        add_default(&to, option, "`");
        add(&to, " | %s |", option->help);
    }
    return builder_length(&to);
}
