/* shell.h — commands typed on serial or keyboard, and the lists of the `run` option.
 *
 * A line holds commands separated by ';'. Words are separated by blanks; "…" and '…' keep blanks and ';'
 * together, and inside "…" a backslash takes the next character as it is. Every command ends as success or failure.
 * Context: one user, thread context, after everything else is initialised.
 *
 * Depends on: compiler.h, types.h. Used by: kernel/main.c. */
#ifndef NEOMEM_SHELL_H
#define NEOMEM_SHELL_H

#include <neomem/compiler.h>
#include <neomem/types.h>

#define SHELL_LINE_BYTES 1024u /* longest list or line, its NUL included */
#define SHELL_WORDS_MAX 32u    /* words of one command */

/* Run every command of text in order, showing each one before its output; a failed one does not stop the rest.
 * Return: whether all of them succeeded; an empty list is a success. A list that is too long or whose quotes do
 * not close is refused whole: message, false. */
bool shell_run_list(const char *text) NEO_NODISCARD;

/* Prompt, read, run, for ever. */
void shell_interactive(void) NEO_NORETURN;

#endif
