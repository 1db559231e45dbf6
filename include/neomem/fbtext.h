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

/* Size in characters; both 0 when there is no screen. */
void fbtext_size(unsigned *columns, unsigned *rows);

#endif
