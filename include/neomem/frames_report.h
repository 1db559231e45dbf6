/* frames_report.h — what physical memory looks like: figures as text and as records, and a picture.
 *
 * A picture is a grid of cells, each of which stands for 2^scale chunks of 2 MiB, in the order of their addresses; a row is
 * `columns` cells, aligned to its own size. Rows without memory are left out. Who shows it decides how a cell looks.
 * Context: thread. Not reentrant: one report at a time.
 * Depends on: frames.h. Used by: kernel/shell. */
#ifndef NEOMEM_FRAMES_REPORT_H
#define NEOMEM_FRAMES_REPORT_H

#include <neomem/frames.h>

/* ---- figures ------------------------------------------------------------------------------------------ */

/* Totals, then a table of nodes and windows, then the free runs by size as a bar picture; 80 columns. Drains this CPU's
 * cache, so that runs are counted as they are. */
void frames_report_summary(void);

/* The same as records: one `frames`, one `frames_zone` for each part of a node in a window. */
void frames_report_records(void);

/* The pools: a line and a `frames_pool` record each. */
void frames_report_pools(void);

/* One `bad_frame` record for a frame that was retired (pending: will be, when its owner frees it); cause: a word or two. */
void frames_report_bad(phys_addr_t pa, const char *cause, bool pending);

/* ---- the picture -------------------------------------------------------------------------------------- */

#define FRAMES_PICTURE_COLUMNS_MAX 128u
#define FRAMES_CELL_LEVELS 8u

enum frames_cell_kind {
    FRAMES_CELL_NOTHING,  /* no managed memory */
    FRAMES_CELL_USE,      /* level says how much is in use */
    FRAMES_CELL_WHOLE,    /* mostly handed out as 2 MiB frames */
    FRAMES_CELL_METADATA, /* mostly chunks that hold the allocator's own */
    FRAMES_CELL_RETIRED,  /* some frame of it is retired */
};

struct frames_cell {
    uint8_t kind; /* enum frames_cell_kind */
    uint8_t
        level; /* 0: all of it is free; FRAMES_CELL_LEVELS: all of it is in use; else the eighths, rounded to 1 … 7 */
};

struct frames_picture_row {
    phys_addr_t base;
    uint64_t skipped_bytes; /* without memory, between the row before and this one; 0: they touch, or it is the first */
    const struct frames_cell *cells; /* `columns` of them, valid during the call */
};

/* columns: a power of two, 1 … FRAMES_PICTURE_COLUMNS_MAX. Return: the smallest scale with which there are at most rows_max
 * rows (at least 1). Cost: O(chunks). */
unsigned frames_picture_scale(unsigned columns, uint64_t rows_max);

/* Call row for each row, ascending. row must not allocate or free frames. Return: rows. Cost: O(chunks). */
uint64_t frames_picture_draw(unsigned columns, unsigned scale,
                             void (*row)(void *context, const struct frames_picture_row *row), void *context);

#endif
