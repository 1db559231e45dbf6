/* line_editor.h — editing one line on any ANSI terminal; pure: bytes in, bytes out through a function.
 *
 *   byte ──► line_editor.c ──► line_text.c     the text and its cursor, kill and yank
 *            (UTF-8, escape    line_history.c  what was entered before
 *             sequences, keys) line_complete.c Tab
 *                                 └──► line_draw.c ──► ops.write
 *
 * Keys: characters insert; Backspace, Delete, arrows, Home, End, Ctrl-arrows by words; Ctrl-A E B F D as in Emacs, Ctrl-K U W
 * cut (to the end, to the start, a word back), Ctrl-Y inserts what was cut, Ctrl-P N and up/down walk the history, Ctrl-L
 * clears the screen, Ctrl-C abandons the line, Tab completes. CR, LF or CR LF enter it.
 *
 * Invariants: text is valid UTF-8 without control characters, NUL-terminated, length < LINE_EDITOR_BYTES; cursor and first are
 * on character boundaries; first <= cursor <= length. Every character counts as one column. A line wider than the terminal
 * scrolls sideways within its one row, so nothing ever wraps.
 * No allocation, no clock, no globals. */
#ifndef NEOMEM_SHELL_LINE_EDITOR_H
#define NEOMEM_SHELL_LINE_EDITOR_H

#include <neomem/types.h>
#include <neomem/utf8.h>

#define LINE_EDITOR_BYTES 512u
#define LINE_HISTORY_ENTRIES 32u

struct line_editor_ops {
    void *context;
    void (*write)(void *context, const char *text, size_t nbytes);
    /* Columns of the terminal; below 20 counts as 20. */
    unsigned (*columns)(void *context);
    /* The index-th word that may stand where the word at text[word_start] is; NULL after the last one. The
     * editor picks those that begin with what is typed. May be NULL. */
    const char *(*candidate)(void *context, const char *text, size_t word_start, size_t index);
};

enum line_event {
    LINE_EDITING,   /* go on feeding */
    LINE_ENTERED,   /* text is the line; the terminal is at the start of a new row */
    LINE_ABANDONED, /* Ctrl-C; likewise */
};

enum line_escape {
    LINE_ESCAPE_NONE,
    LINE_ESCAPE_STARTED,  /* ESC */
    LINE_ESCAPE_SEQUENCE, /* ESC [ */
    LINE_ESCAPE_SINGLE,   /* ESC O: one more character */
};

struct line_editor {
    struct line_editor_ops ops;
    const char *prompt; /* ASCII */

    char text[LINE_EDITOR_BYTES];
    size_t length, cursor; /* bytes */
    size_t first;          /* byte that is drawn leftmost */
    char cut[LINE_EDITOR_BYTES];
    size_t cut_length;

    struct utf8_decoder decoder;
    enum line_escape escape;
    unsigned parameters[2];
    unsigned parameter; /* index of the one being read */
    bool after_return;  /* the last byte was CR: an LF now belongs to it */
    bool after_tab;     /* the last key was a Tab that completed nothing */

    char history[LINE_HISTORY_ENTRIES][LINE_EDITOR_BYTES]; /* oldest first */
    size_t history_count;
    size_t history_at;             /* entry on display; history_count: the new line */
    char draft[LINE_EDITOR_BYTES]; /* the new line while an old one is on display */
};

/* prompt must outlive the editor. Call once. */
void line_editor_init(struct line_editor *editor, const struct line_editor_ops *ops, const char *prompt);

/* Begin an empty line: writes the prompt. */
void line_editor_start(struct line_editor *editor);

/* Take one byte from the terminal. After LINE_ENTERED the line is in editor->text until line_editor_start. */
enum line_event line_editor_feed(struct line_editor *editor, uint8_t byte);

/* ---- parts, used by line_editor.c ---- */

/* line_text.c: each keeps the invariants; none draws. */
size_t line_next(const struct line_editor *editor, size_t at);     /* the character behind at; length at the end */
size_t line_previous(const struct line_editor *editor, size_t at); /* the one before; 0 at the start */
size_t line_word_start(const struct line_editor *editor);          /* of the word before the cursor */
size_t line_word_end(const struct line_editor *editor);            /* of the word behind the cursor */
/* Insert whole characters at the cursor. Return: false, nothing changed, when they do not fit. */
bool line_insert(struct line_editor *editor, const char *bytes, size_t nbytes);
/* Remove [from, to) and leave the cursor there; keep: into the cut buffer. */
void line_remove(struct line_editor *editor, size_t from, size_t to, bool keep);
/* Replace everything, cursor at the end. text: valid UTF-8 shorter than LINE_EDITOR_BYTES. */
void line_replace(struct line_editor *editor, const char *text);

/* line_history.c */
void line_history_add(struct line_editor *editor); /* the current text, unless blank; an equal older entry goes */
bool line_history_older(struct line_editor *editor);
bool line_history_newer(struct line_editor *editor);

/* line_complete.c. Return: whether the text changed or a list was printed, so that all must be drawn again. */
bool line_complete(struct line_editor *editor);

/* line_draw.c */
size_t line_columns(const struct line_editor *editor); /* of the terminal, at least 20 */
void line_write(const struct line_editor *editor, const char *text, size_t nbytes);
void line_write_text(const struct line_editor *editor, const char *text);
void line_draw(struct line_editor *editor);
/* After `nbytes` were inserted or before the cursor moves: the cheap way where the rest of the row stays as it is. */
void line_draw_inserted(struct line_editor *editor, size_t nbytes);
void line_draw_moved(struct line_editor *editor, size_t to); /* moves the cursor to byte `to` */
void line_draw_abandoned(struct line_editor *editor); /* "^C" behind the text where there is room, and a new row */

#endif
