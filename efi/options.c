/* options.c — tokeniser for neomem.cfg and LoadOptions; see options.h for the grammar. */
#include "options.h"

#include "bytes.h"

#define END_OF_SOURCE (-1)
#define BYTE_ORDER_MARK 0xFEFF
#define NOTES_PER_SOURCE 8u /* words complained about one by one; a file of rubbish must not fill the notes */

/* A character source of either width. Positions count characters, not bytes. */
struct source {
    const uint8_t *bytes;
    size_t count;
    size_t at;
    bool is_wide;     /* 16-bit little-endian units */
    bool has_comment; /* '#' starts a comment */
    const char *name; /* for notes */
};

static int char_at(const struct source *source, size_t index)
{
    if (index >= source->count) {
        return END_OF_SOURCE;
    }
    if (source->is_wide) {
        return source->bytes[2 * index] | source->bytes[2 * index + 1] << 8;
    }
    return source->bytes[index];
}

static bool is_line_end(int c)
{
    return c == '\n' || c == '\r' || c == END_OF_SOURCE;
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\n' || c == '\r';
}

static bool is_text(int c)
{
    return c >= ' ' && c <= '~';
}

void options_init(struct option_words *words, char *buffer, size_t capacity)
{
    words->bytes = buffer;
    words->capacity = capacity;
    words->used = 0;
}

/* ---- words ------------------------------------------------------------------------------------------- */

enum word_fault { WORD_GOOD, WORD_NOT_ASCII, WORD_OPEN_QUOTE, WORD_NO_ROOM };

/* Copy one word, starting at its first character, behind words->used; the caller decides whether to keep it. */
static enum word_fault read_word(struct source *source, struct option_words *words, size_t *length)
{
    enum word_fault fault = WORD_GOOD;
    bool is_quoted = false;

    *length = 0;
    for (;; source->at++) {
        int c = char_at(source, source->at);
        if (is_line_end(c) || (!is_quoted && (is_space(c) || (source->has_comment && c == '#')))) {
            break;
        }
        if (c == '"') {
            is_quoted = !is_quoted;
            continue;
        }
        if (!is_text(c) && c != '\t') {
            fault = WORD_NOT_ASCII;
        }
        if (words->capacity - words->used < *length + 2) {
            fault = WORD_NO_ROOM; /* go on to the word's end, so that its rest is not taken for a word */
            continue;
        }
        words->bytes[words->used + *length] = is_text(c) || c == '\t' ? (char)c : '?';
        *length += 1;
    }
    return is_quoted ? WORD_OPEN_QUOTE : fault;
}

static void note_fault(const struct source *source, enum word_fault fault, const char *word, size_t length,
                       struct notes *notes)
{
    char line[NOTE_BYTES];
    struct text text;

    text_init(&text, line, sizeof line);
    text_add(&text, source->name);
    text_add(&text, fault == WORD_OPEN_QUOTE  ? ": quote is not closed, word ignored: "
                    : fault == WORD_NOT_ASCII ? ": not plain ASCII, word ignored: "
                                              : ": no room, word ignored: ");
    text_add_printable(&text, word, length < 40 ? length : 40);
    notes_add(notes, line);
}

static void skip_to_word(struct source *source)
{
    for (;;) {
        int c = char_at(source, source->at);
        if (source->has_comment && c == '#') {
            while (!is_line_end(char_at(source, source->at))) {
                source->at++;
            }
        } else if (c != END_OF_SOURCE && is_space(c)) {
            source->at++;
        } else {
            return;
        }
    }
}

static void tokenise(struct source *source, struct option_words *words, struct notes *notes)
{
    unsigned complaints = 0;

    for (;;) {
        size_t length;
        enum word_fault fault;

        skip_to_word(source);
        if (char_at(source, source->at) == END_OF_SOURCE) {
            break;
        }
        fault = read_word(source, words, &length);
        if (fault != WORD_GOOD) {
            if (complaints++ < NOTES_PER_SOURCE) {
                note_fault(source, fault, words->bytes + words->used, length, notes);
            }
        } else if (length > 0) { /* a bare "" is nothing */
            words->bytes[words->used + length] = '\0';
            words->used += length + 1;
        }
    }
    if (complaints > NOTES_PER_SOURCE) {
        notes_add_decimal(notes, "options: ", complaints - NOTES_PER_SOURCE, " more words ignored");
    }
}

/* ---- the configuration file ---------------------------------------------------------------------------- */

static bool has_nul(const struct source *source)
{
    for (size_t i = 0; i < source->count; i++) {
        if (char_at(source, i) == 0) {
            return true;
        }
    }
    return false;
}

void options_from_file(struct option_words *words, const uint8_t *file, size_t nbytes, bool is_cut, struct notes *notes)
{
    struct source source = {.bytes = file, .count = nbytes, .has_comment = true, .name = "neomem.cfg"};

    if (nbytes > OPTIONS_FILE_BYTES_MAX) {
        source.count = OPTIONS_FILE_BYTES_MAX;
        is_cut = true;
    }
    if (source.count >= 2 && file[0] == 0xFF && file[1] == 0xFE) {
        source.is_wide = true;
        source.count /= 2;
        source.at = 1;
    } else if (source.count >= 3 && file[0] == 0xEF && file[1] == 0xBB && file[2] == 0xBF) {
        source.at = 3;
    }
    if (has_nul(&source)) {
        notes_add(notes, "neomem.cfg is not a text file, ignored");
        return;
    }
    if (is_cut) {
        notes_add_decimal(notes, "neomem.cfg is longer than ", OPTIONS_FILE_BYTES_MAX, " bytes, the rest is ignored");
        while (source.count > source.at && !is_line_end(char_at(&source, source.count - 1))) {
            source.count--;
        }
    }
    tokenise(&source, words, notes);
}

/* ---- LoadOptions --------------------------------------------------------------------------------------- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool ends_with_efi(const char *word, size_t length)
{
    static const char suffix[] = ".efi";
    const size_t suffix_length = sizeof suffix - 1;

    if (length < suffix_length) {
        return false;
    }
    for (size_t i = 0; i < suffix_length; i++) {
        if (lower(word[length - suffix_length + i]) != suffix[i]) {
            return false;
        }
    }
    return true;
}

/* The UEFI shell passes the whole command line, so its first word is how the program was called. A word with '=' is
 * an option even if its value looks like a path. */
static bool is_program_name(const char *word)
{
    size_t length = text_length(word);
    bool has_separator = false;

    for (size_t i = 0; i < length; i++) {
        if (word[i] == '=') {
            return false;
        }
        has_separator = has_separator || word[i] == '\\' || word[i] == '/' || word[i] == ':';
    }
    return has_separator || ends_with_efi(word, length) || text_equal(word, "neomem");
}

void options_from_load_options(struct option_words *words, const void *options, size_t nbytes, struct notes *notes)
{
    struct source source = {.bytes = options, .is_wide = true, .name = "LoadOptions"};
    size_t length = nbytes / 2;
    size_t first = words->used;

    if (options == NULL || nbytes == 0) {
        return;
    }
    if (length > OPTIONS_UNITS_MAX) {
        length = OPTIONS_UNITS_MAX;
        notes_add_decimal(notes, "LoadOptions is longer than ", OPTIONS_UNITS_MAX, " characters, the rest is ignored");
    }
    source.count = length;
    source.at = char_at(&source, 0) == BYTE_ORDER_MARK ? 1 : 0;
    /* Boot entries that firmware itself makes carry GUIDs and the like here: one unit that is not text condemns
     * everything, or else a piece of a GUID could become an option. */
    for (size_t i = source.at; i < length; i++) {
        int c = char_at(&source, i);
        if (c == 0) {
            source.count = i;
            break;
        }
        if (!is_text(c) && !is_space(c)) {
            notes_add(notes, "LoadOptions is not text, ignored");
            return;
        }
    }
    tokenise(&source, words, notes);
    if (words->used > first && is_program_name(words->bytes + first)) {
        size_t name_bytes = text_length(words->bytes + first) + 1;
        memmove(words->bytes + first, words->bytes + first + name_bytes, words->used - first - name_bytes);
        words->used -= name_bytes;
    }
}

/* ---- lookup -------------------------------------------------------------------------------------------- */

/* Return: the value if word is `name=value`, else NULL. */
static const char *value_of(const char *word, const char *name)
{
    while (*name != '\0' && *word == *name) {
        word++;
        name++;
    }
    return *name == '\0' && *word == '=' ? word + 1 : NULL;
}

/* Return: index of value among choices, or -1. */
static int choice_index(const char *value, const char *choices)
{
    size_t length = text_length(value);

    for (int index = 0; *choices != '\0'; index++) {
        size_t choice_length = 0;
        while (choices[choice_length] != '\0' && choices[choice_length] != ' ') {
            choice_length++;
        }
        if (choice_length == length && memcmp(choices, value, length) == 0) {
            return index;
        }
        choices += choice_length + (choices[choice_length] == ' ' ? 1 : 0);
    }
    return -1;
}

static bool parse_number(const char *digits, uint64_t *value)
{
    uint64_t base = 10;
    uint64_t result = 0;

    if (digits[0] == '0' && lower(digits[1]) == 'x') {
        base = 16;
        digits += 2;
    }
    if (*digits == '\0') {
        return false;
    }
    for (; *digits != '\0'; digits++) {
        char c = lower(*digits);
        uint64_t digit = c >= '0' && c <= '9'   ? (uint64_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a') + 10
                                                : base;
        if (digit >= base || __builtin_mul_overflow(result, base, &result) ||
            __builtin_add_overflow(result, digit, &result)) {
            return false;
        }
    }
    *value = result;
    return true;
}

static int choice_in(const struct option_words *words, const char *name, const char *choices)
{
    int found = -1;

    for (size_t at = 0; at < words->used; at += text_length(words->bytes + at) + 1) {
        const char *value = value_of(words->bytes + at, name);
        int index = value == NULL ? -1 : choice_index(value, choices);
        if (index >= 0) {
            found = index;
        }
    }
    return found;
}

int options_choice(const struct option_words *file, const struct option_words *command, const char *name,
                   const char *choices)
{
    int found = choice_in(command, name, choices);
    return found >= 0 ? found : choice_in(file, name, choices);
}

static bool number_in(const struct option_words *words, const char *name, uint64_t *value)
{
    bool is_found = false;

    for (size_t at = 0; at < words->used; at += text_length(words->bytes + at) + 1) {
        const char *digits = value_of(words->bytes + at, name);
        if (digits != NULL && parse_number(digits, value)) {
            is_found = true;
        }
    }
    return is_found;
}

bool options_number(const struct option_words *file, const struct option_words *command, const char *name,
                    uint64_t *value)
{
    return number_in(command, name, value) || number_in(file, name, value);
}
