/* frames_picture.c — physical memory as a grid of cells, in one walk over the chunks.
 *
 * Chunks arrive in ascending order, so one row is all that has to be kept: it is shown when a chunk beyond it comes. A cell
 * adds up the frames of its chunks and shows their mean state; only a retired frame shows however much else there is,
 * because people look for it. */

#include <neomem/frames_report.h>
#include <neomem/string.h>

#define CHUNK_BYTES ((uint64_t)FRAMES_2M * PAGE_SIZE)
#define SCALES_MAX 32u /* 2^52 bytes are 2^31 chunks: with scale 31 one cell holds everything */

struct cell_sum {
    uint64_t present; /* frames */
    uint64_t free;
    uint64_t whole; /* of those in use: as 2 MiB frames */
    uint64_t chunks;
    uint64_t metadata_chunks;
    bool has_retired;
};

static struct {
    unsigned columns;
    unsigned scale;
    void (*row)(void *context, const struct frames_picture_row *row);
    void *context;
    uint64_t rows;
    uint64_t current; /* number of the row being filled: address / bytes of a row */
    bool is_open;
    uint64_t next_expected; /* number of the row behind the last one that was shown */
    struct cell_sum sums[FRAMES_PICTURE_COLUMNS_MAX];
    struct frames_cell cells[FRAMES_PICTURE_COLUMNS_MAX];
} picture;

/* ---- cells ----------------------------------------------------------------------------------------------- */

static void add_chunk(struct cell_sum *sum, const struct frames_chunk_info *chunk)
{
    uint64_t used = chunk->present - chunk->free;
    sum->present += chunk->present;
    sum->free += chunk->free;
    sum->whole += chunk->is_whole ? used : 0;
    sum->chunks++;
    sum->metadata_chunks += chunk->has_metadata;
    sum->has_retired = sum->has_retired || chunk->retired != 0;
}

static unsigned level_of(const struct cell_sum *sum)
{
    uint64_t used = sum->present - sum->free;
    if (used == 0 || sum->free == 0) {
        return used == 0 ? 0 : FRAMES_CELL_LEVELS;
    }
    uint64_t level = (used * FRAMES_CELL_LEVELS + sum->present / 2) / sum->present;
    return (unsigned)min_u64(max_u64(level, 1), FRAMES_CELL_LEVELS - 1);
}

static struct frames_cell cell_of(const struct cell_sum *sum)
{
    struct frames_cell cell = {FRAMES_CELL_USE, (uint8_t)level_of(sum)};
    uint64_t used = sum->present - sum->free;
    if (sum->present == 0) {
        cell.kind = FRAMES_CELL_NOTHING;
    } else if (sum->has_retired) {
        cell.kind = FRAMES_CELL_RETIRED;
    } else if (sum->metadata_chunks * 2 >= sum->chunks) {
        cell.kind = FRAMES_CELL_METADATA;
    } else if (used * 2 >= sum->present && sum->whole * 2 >= used) {
        cell.kind = FRAMES_CELL_WHOLE;
    }
    return cell;
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

static uint64_t row_bytes(void)
{
    return (CHUNK_BYTES << picture.scale) * picture.columns;
}

static void show_row(void)
{
    if (!picture.is_open) {
        return;
    }
    for (unsigned i = 0; i < picture.columns; i++) {
        picture.cells[i] = cell_of(&picture.sums[i]);
    }
    uint64_t skipped = picture.rows > 0 ? picture.current - picture.next_expected : 0;
    const struct frames_picture_row row = {picture.current * row_bytes(), skipped * row_bytes(), picture.cells};
    picture.row(picture.context, &row);
    picture.rows++;
    picture.next_expected = picture.current + 1;
}

static void draw_chunk(void *context, const struct frames_chunk_info *chunk)
{
    (void)context;
    uint64_t number = chunk->base / row_bytes();
    if (!picture.is_open || number != picture.current) {
        show_row();
        neo_memset(picture.sums, 0, sizeof(picture.sums));
        picture.current = number;
        picture.is_open = true;
    }
    add_chunk(&picture.sums[chunk->base % row_bytes() / (CHUNK_BYTES << picture.scale)], chunk);
}

uint64_t frames_picture_draw(unsigned columns, unsigned scale,
                             void (*row)(void *context, const struct frames_picture_row *row), void *context)
{
    picture.columns = columns;
    picture.scale = scale;
    picture.row = row;
    picture.context = context;
    picture.rows = 0;
    picture.is_open = false;
    frames_for_each_chunk(draw_chunk, NULL);
    show_row();
    return picture.rows;
}

/* ---- the scale ------------------------------------------------------------------------------------------- */

/* For each scale, how many rows there would be. */
struct scale_search {
    unsigned columns;
    uint64_t last[SCALES_MAX]; /* number of the last row, plus 1 */
    uint64_t rows[SCALES_MAX];
};

static void count_rows(void *context, const struct frames_chunk_info *chunk)
{
    struct scale_search *search = context;
    uint64_t row = chunk->base / CHUNK_BYTES / search->columns;
    for (unsigned scale = 0; scale < SCALES_MAX; scale++, row >>= 1) {
        if (search->last[scale] == row + 1) {
            return; /* and the same with every larger scale */
        }
        search->last[scale] = row + 1;
        search->rows[scale]++;
    }
}

unsigned frames_picture_scale(unsigned columns, uint64_t rows_max)
{
    struct scale_search search = {.columns = columns};
    frames_for_each_chunk(count_rows, &search);
    unsigned scale = 0;
    while (scale + 1 < SCALES_MAX && search.rows[scale] > max_u64(rows_max, 1)) {
        scale++;
    }
    return scale;
}
