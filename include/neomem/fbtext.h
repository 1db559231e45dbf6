/* fbtext.h — the framebuffer as a text terminal: console sink "screen".
 *
 * A buffer of character cells is the truth; the framebuffer is only ever written, and only where a cell
 * changed. So scrolling costs what really differs, and an uncached or write-combining framebuffer is
 * never read. The terminal understands UTF-8, \n (which also returns the carriage) \r \t \b, and of ANSI:
 * SGR colours, cursor movement (A B C D G H f), erase (J K), and showing or hiding the cursor (?25h ?25l).
 *
 * No allocation: the cells are static, at most FBTEXT_COLUMNS_MAX × FBTEXT_ROWS_MAX. The font follows the
 * resolution: 8×16 up to 1920×1200, 16×32 above, doubled where that would still exceed the buffer.
 * Locking: none of its own; output runs under the console's lock.
 *
 * Depends on: boot_info.h. Used by: kernel/main.c, kernel/shell. */
#ifndef NEOMEM_FBTEXT_H
#define NEOMEM_FBTEXT_H

#include <neomem/boot_info.h>
#include <neomem/status.h>
#include <neomem/types.h>

#define FBTEXT_COLUMNS_MAX 256u
#define FBTEXT_ROWS_MAX 80u

/* Start the terminal, clear the screen and add the sink "screen" (enabled) to the console.
 * framebuffer: as the loader described it; every number in it is checked. base: where it is mapped
 * (HHDM + phys_base, or any other mapping of size_bytes writable bytes).
 * Return: NEO_OK; NEO_ERR_NOT_FOUND when phys_base or base is 0; NEO_ERR_INVALID when the numbers
 * contradict each other or leave no room for text. Context: needs nothing of the kernel; called once. */
enum neo_status fbtext_init(const struct boot_framebuffer *framebuffer, void *base) NEO_NODISCARD;

/* The same framebuffer through another mapping of the same size (write-combining). The old mapping is not used any more. */
void fbtext_rebind(void *base);

/* ---- pictures in the text ----------------------------------------------------------------------------
 * Three blocks of private-use code points are squares in colours of a palette of their own. They are characters like any
 * other (they scroll, and are painted only when they change); a gap of a pixel or so keeps neighbours apart.
 *   FBTEXT_HALVES + upper << 4 | lower    two squares of half the character's height
 *   FBTEXT_LEFT + colour << 4             left half of a square of the character's height …
 *   FBTEXT_RIGHT + colour << 4            … and its right half */
#define FBTEXT_HALVES 0xe000u
#define FBTEXT_LEFT 0xe100u
#define FBTEXT_RIGHT 0xe200u
#define FBTEXT_PICTURE_END 0xe300u

enum fbtext_picture_colour {
    FBTEXT_PICTURE_NONE,  /* the background */
    FBTEXT_PICTURE_FAINT, /* hardly seen: the place of something that is not there */
    FBTEXT_PICTURE_SCALE, /* nine steps, SCALE + 0 … SCALE + 8, from calm to hot */
    FBTEXT_PICTURE_BLUE = FBTEXT_PICTURE_SCALE + 9,
    FBTEXT_PICTURE_VIOLET,
    FBTEXT_PICTURE_RED,
    FBTEXT_PICTURE_WHITE,
    FBTEXT_PICTURE_GREY,
    FBTEXT_PICTURE_COLOURS,
};

/* Size in characters; both 0 when there is no screen. */
void fbtext_size(unsigned *columns, unsigned *rows);

#endif
