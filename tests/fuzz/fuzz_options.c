/* fuzz_options.c — arbitrary bytes as option words, from each source: no fault, printable warnings, values in range. */
#include <neomem/options.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void on_warning(void *context, const char *text)
{
    size_t *warnings = context;
    ++*warnings;
    check(text[0] != '\0');
    for (; *text != '\0'; text++) {
        check(*text >= ' ' && *text <= '~');
    }
}

static size_t words_in(const uint8_t *data, size_t nbytes)
{
    size_t words = 0;
    for (size_t i = 0; i < nbytes; i++) {
        words += data[i] != 0 && (i == 0 || data[i - 1] == 0);
    }
    return words;
}

static void check_values(void)
{
    check(option_number(OPTION_HEAP_MB) >= 1 && option_number(OPTION_HEAP_MB) <= 1024);
    check(option_choice(OPTION_ON_END) <= OPTION_ON_END_QEMU_EXIT);
    check(option_has_word(OPTION_CONSOLE, OPTION_CONSOLE_SERIAL) ||
          option_has_word(OPTION_CONSOLE, OPTION_CONSOLE_SCREEN));
    check(strlen(option_text(OPTION_RUN)) < OPTION_TEXT_MAX);
    check(option_is_set(OPTION_SEED) || option_number(OPTION_SEED) == 0);
    for (size_t i = 0; i < options_count(); i++) {
        char text[64];
        check(options_format(i, text, sizeof(text)) > 0 && strlen(text) < sizeof(text));
        check(options_help(i, text, sizeof(text)) > 0 && strlen(text) < sizeof(text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
    size_t warnings = 0;
    options_init();
    options_apply_words_from(OPTION_SOURCE_CONFIG, (const char *)data, nbytes, on_warning, &warnings);
    check(warnings <= words_in(data, nbytes));
    check_values();
    /* a second reading of the same words gives the same values and the same warnings */
    char before[2048];
    char after[2048];
    size_t again = 0;
    options_format(OPTION_RUN, before, sizeof(before));
    options_apply_words_from(OPTION_SOURCE_CONFIG, (const char *)data, nbytes, on_warning, &again);
    options_format(OPTION_RUN, after, sizeof(after));
    check(again == warnings && strcmp(before, after) == 0);
    return 0;
}
