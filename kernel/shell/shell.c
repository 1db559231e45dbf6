/* shell.c — running command lines, from the `run` option and from the user. */
#include "commands.h"
#include "line_editor.h"
#include "shell_parse.h"

#include <neomem/arch.h>
#include <neomem/console.h>
#include <neomem/fbtext.h>
#include <neomem/input.h>
#include <neomem/serial.h>
#include <neomem/shell.h>
#include <neomem/string.h>

#define PROMPT "neomem> "
#define SERIAL_COLUMNS 80u /* of a terminal that nobody can ask */

static struct {
    struct line_editor editor;   /* 20 KiB: too large for a stack */
    char list[SHELL_LINE_BYTES]; /* a command of the list may change the option that the list came from */
} state;

static const char *command_name_at(size_t index)
{
    const struct shell_command *command = shell_command_at(index);
    return command != NULL ? command->name : NULL;
}

static bool run_words(const struct shell_words *words)
{
    const char *name = words->words[0];
    const struct shell_command *command = shell_command_find(name);
    if (command != NULL) {
        return command->run(words->count, words->words);
    }
    const char *nearest = shell_nearest(name, command_name_at);
    if (nearest != NULL) {
        kprintf("%s: unknown command; did you mean '%s'?\n", name, nearest);
    } else {
        kprintf("%s: unknown command; 'help' lists them all\n", name);
    }
    return false;
}

/* Show a command as if it had been typed; [text, end) without the ';'. */
static void show_command(const char *text, const char *end)
{
    while (text < end && *text == ' ') {
        text++;
    }
    if (end > text && end[-1] == ';') {
        end--;
    }
    kprintf("%s", PROMPT);
    console_write(text, (size_t)(end - text));
    kprintf("\n");
}

/* What is wrong with the line as a whole; NULL: nothing. */
static const char *find_error(const char *text)
{
    struct shell_words words;
    if (neo_strnlen(text, SHELL_LINE_BYTES) == SHELL_LINE_BYTES) {
        return "line too long";
    }
    while (*text != '\0') {
        text = shell_split(text, &words);
        if (words.error != NULL) {
            return words.error;
        }
    }
    return NULL;
}

static bool run_line(const char *text, bool show)
{
    bool all_succeeded = true;
    const char *error = find_error(text);
    if (error != NULL) {
        kprintf("shell: %s\n", error);
        return false;
    }
    while (*text != '\0') {
        struct shell_words words;
        const char *next = shell_split(text, &words);
        if (words.count > 0) {
            if (show) {
                show_command(text, next);
            }
            all_succeeded = run_words(&words) && all_succeeded;
        }
        text = next;
    }
    return all_succeeded;
}

bool shell_run_list(const char *text)
{
    /* A list that does not fit is copied without its end and NUL, and refused for its length. */
    neo_memcpy(state.list, text, neo_strnlen(text, SHELL_LINE_BYTES - 1) + 1);
    return run_line(state.list, true);
}

/* ---- the user ---- */

static void write_console(void *context, const char *text, size_t nbytes)
{
    (void)context;
    console_write(text, nbytes);
}

/* One line goes to all consoles, so the narrowest one counts. */
static unsigned terminal_columns(void *context)
{
    (void)context;
    unsigned columns;
    unsigned rows;
    fbtext_size(&columns, &rows);
    return columns == 0 || (serial_present() && columns > SERIAL_COLUMNS) ? SERIAL_COLUMNS : columns;
}

/* Commands complete where a command begins, and behind `help`. */
static const char *completion(void *context, const char *text, size_t word_start, size_t index)
{
    (void)context;
    size_t command_start = word_start;
    while (command_start > 0 && text[command_start - 1] != ';') {
        command_start--;
    }
    while (text[command_start] == ' ') {
        command_start++;
    }
    bool after_help = command_start < word_start && neo_starts_with(text + command_start, "help ");
    return command_start >= word_start || after_help ? command_name_at(index) : NULL;
}

static const char *read_line(struct line_editor *editor)
{
    line_editor_start(editor);
    for (;;) {
        int byte = input_read_byte();
        if (byte < 0) {
            arch_cpu_relax();
            continue;
        }
        enum line_event event = line_editor_feed(editor, (uint8_t)byte);
        if (event == LINE_ENTERED) {
            return editor->text;
        }
        if (event == LINE_ABANDONED) {
            line_editor_start(editor);
        }
    }
}

void shell_interactive(void)
{
    const struct line_editor_ops ops = {.write = write_console, .columns = terminal_columns, .candidate = completion};
    kprintf("\nType 'help' for the list of commands.\n");
    line_editor_init(&state.editor, &ops, PROMPT);
    for (;;) {
        (void)run_line(read_line(&state.editor), false);
    }
}
