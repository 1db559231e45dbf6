/* frames_book_change.c — the book's two copies: making them, and changing what is published.
 *
 * Rules and why: frames_book.c. Locking: frames_.change_lock. Cost: O(entries) a change. */

#include "frames_book.h"

#define FIRST_CAPACITY 8u

/* ---- memory of the copies -------------------------------------------------------------------------------- */

uint64_t frames_book_bytes(uint64_t regions, uint64_t metadata, uint64_t bad)
{
    return sizeof(struct frames_book) + (regions + metadata) * sizeof(struct frames_region) +
           bad * sizeof(struct frames_bad_chunk);
}

static struct frames_book *book_in(void *memory, uint64_t regions, uint64_t metadata, uint64_t bad)
{
    struct frames_book *book = memory;
    struct frames_region *tables = (struct frames_region *)(book + 1);
    *book = (struct frames_book){
        .regions = tables,
        .region_capacity = regions,
        .metadata = tables + regions,
        .metadata_capacity = metadata,
        .bad = (struct frames_bad_chunk *)(tables + regions + metadata),
        .bad_capacity = bad,
    };
    return book;
}

void frames_book_start(void *memory, uint64_t regions, uint64_t metadata, uint64_t bad,
                       const struct limine_memmap_entry *map, uint64_t count)
{
    uint8_t *second = (uint8_t *)memory + frames_book_bytes(regions, metadata, bad);
    struct frames_book *book = book_in(memory, regions, metadata, bad);
    for (uint64_t i = 0; i < count; i++) {
        struct frames_region region = {map[i].base >> PAGE_SHIFT, map[i].length >> PAGE_SHIFT};
        struct frames_region *last = book->region_count > 0 ? &book->regions[book->region_count - 1] : NULL;
        if (map[i].type != LIMINE_MEMMAP_USABLE || region.nframes == 0) {
            continue;
        }
        if (last != NULL && last->base + last->nframes == region.base) {
            last->nframes += region.nframes;
        } else {
            book->regions[book->region_count++] = region;
        }
        (void)word_add(&frames_.total, region.nframes);
    }
    frames_.books[0] = book;
    frames_.books[1] = book_in(second, regions, metadata, bad);
    atomic_store_explicit(&frames_.book_changes, 0, memory_order_relaxed);
    atomic_store_explicit(&frames_.book, book, memory_order_release);
}

static void copy_book(struct frames_book *to, const struct frames_book *from)
{
    for (uint64_t i = 0; i < from->region_count; i++) {
        WRITE(to->regions[i].base, from->regions[i].base);
        WRITE(to->regions[i].nframes, from->regions[i].nframes);
    }
    for (uint64_t i = 0; i < from->metadata_count; i++) {
        WRITE(to->metadata[i].base, from->metadata[i].base);
        WRITE(to->metadata[i].nframes, from->metadata[i].nframes);
    }
    for (uint64_t i = 0; i < from->bad_count; i++) {
        WRITE(to->bad[i].base, from->bad[i].base);
        WRITE(to->bad[i].frames, from->bad[i].frames);
    }
    WRITE(to->region_count, from->region_count);
    WRITE(to->metadata_count, from->metadata_count);
    WRITE(to->bad_count, from->bad_count);
}

/* The copy that nobody reads, with the published contents. */
static struct frames_book *begin_change(void)
{
    /* What is written now must not be seen before the count that says so (end_change). */
    atomic_thread_fence(memory_order_release);
    copy_book(frames_.books[1], frames_.books[0]);
    return frames_.books[1];
}

static void end_change(void)
{
    struct frames_book *changed = frames_.books[1];
    frames_.books[1] = frames_.books[0];
    frames_.books[0] = changed;
    FRAMES_STEP();
    atomic_store_explicit(&frames_.book, changed, memory_order_release);
    FRAMES_STEP();
    /* Before the other copy is written again: a reader that sees any of that must see this, too. */
    atomic_fetch_add_explicit(&frames_.book_changes, 1, memory_order_seq_cst);
}

static uint64_t grown(uint64_t capacity, uint64_t used, uint64_t more)
{
    return used + more <= capacity ? capacity : max_u64(2 * capacity, used + more + FIRST_CAPACITY);
}

enum neo_status frames_book_reserve(uint64_t regions, uint64_t metadata, uint64_t bad)
{
    const struct frames_book *now = frames_.books[0];
    metadata += 2; /* the caller's one more, and the new copies themselves */
    if (now->region_count + regions <= now->region_capacity &&
        now->metadata_count + metadata <= now->metadata_capacity && now->bad_count + bad <= now->bad_capacity) {
        return NEO_OK;
    }
    uint64_t region_room = grown(now->region_capacity, now->region_count, regions);
    uint64_t metadata_room = grown(now->metadata_capacity, now->metadata_count, metadata);
    uint64_t bad_room = grown(now->bad_capacity, now->bad_count, bad);
    uint64_t each = frames_book_bytes(region_room, metadata_room, bad_room);
    struct frames_request request = FRAMES_REQUEST(bytes_to_pages(2 * each));
    request.hi_pa = frames_.direct_map_end;
    pfn_t pfn = frames_search(&request);
    if (pfn == PFN_NONE) {
        return NEO_ERR_NO_MEMORY;
    }
    frames_metadata_adopt(pfn, request.count);
    uint8_t *memory = phys_to_virt(pfn << PAGE_SHIFT);
    struct frames_book *first = book_in(memory, region_room, metadata_room, bad_room);
    struct frames_book *second = book_in(memory + each, region_room, metadata_room, bad_room);
    copy_book(second, now);
    frames_.books[1] = second;
    end_change();
    frames_.books[1] = first; /* the copies before stay: somebody may be reading them */
    frames_book_add_metadata(pfn, request.count);
    return NEO_OK;
}

/* ---- changes --------------------------------------------------------------------------------------------- */

static void insert_region(struct frames_region *table, uint64_t count, uint64_t at, pfn_t base, uint64_t nframes)
{
    for (uint64_t i = count; i > at; i--) {
        WRITE(table[i].base, table[i - 1].base);
        WRITE(table[i].nframes, table[i - 1].nframes);
    }
    WRITE(table[at].base, base);
    WRITE(table[at].nframes, nframes);
}

static void delete_region(struct frames_region *table, uint64_t count, uint64_t at)
{
    for (uint64_t i = at; i + 1 < count; i++) {
        WRITE(table[i].base, table[i + 1].base);
        WRITE(table[i].nframes, table[i + 1].nframes);
    }
}

/* Return: the new number of entries. */
static uint64_t add_merged(struct frames_region *table, uint64_t count, pfn_t base, uint64_t nframes)
{
    uint64_t at = frames_region_after(table, count, base);
    bool joins_before = at > 0 && table[at - 1].base + table[at - 1].nframes == base;
    bool joins_after = at < count && base + nframes == table[at].base;
    if (joins_before && joins_after) {
        WRITE(table[at - 1].nframes, table[at - 1].nframes + nframes + table[at].nframes);
        delete_region(table, count, at);
        return count - 1;
    }
    if (joins_before) {
        WRITE(table[at - 1].nframes, table[at - 1].nframes + nframes);
        return count;
    }
    if (joins_after) {
        WRITE(table[at].base, base);
        WRITE(table[at].nframes, table[at].nframes + nframes);
        return count;
    }
    insert_region(table, count, at, base, nframes);
    return count + 1;
}

void frames_book_add_region(pfn_t base, uint64_t nframes)
{
    struct frames_book *book = begin_change();
    WRITE(book->region_count, add_merged(book->regions, book->region_count, base, nframes));
    end_change();
}

void frames_book_add_metadata(pfn_t base, uint64_t nframes)
{
    struct frames_book *book = begin_change();
    WRITE(book->metadata_count, add_merged(book->metadata, book->metadata_count, base, nframes));
    end_change();
}

void frames_book_remove_region(pfn_t base, uint64_t nframes)
{
    struct frames_book *book = begin_change();
    uint64_t at = frames_region_after(book->regions, book->region_count, base);
    struct frames_region old = book->regions[at];
    uint64_t before = base - old.base;
    uint64_t after = old.nframes - before - nframes;
    if (before == 0 && after == 0) {
        delete_region(book->regions, book->region_count, at);
        WRITE(book->region_count, book->region_count - 1);
    } else if (before == 0) {
        WRITE(book->regions[at].base, base + nframes);
        WRITE(book->regions[at].nframes, after);
    } else {
        WRITE(book->regions[at].nframes, before);
        if (after != 0) {
            insert_region(book->regions, book->region_count, at + 1, base + nframes, after);
            WRITE(book->region_count, book->region_count + 1);
        }
    }
    end_change();
}

void frames_book_add_bad(pfn_t base, struct frames_bad *frames)
{
    struct frames_book *book = begin_change();
    uint64_t at = frames_bad_after(book, book->bad_count, base);
    for (uint64_t i = book->bad_count; i > at; i--) {
        WRITE(book->bad[i].base, book->bad[i - 1].base);
        WRITE(book->bad[i].frames, book->bad[i - 1].frames);
    }
    WRITE(book->bad[at].base, base);
    WRITE(book->bad[at].frames, frames);
    WRITE(book->bad_count, book->bad_count + 1);
    end_change();
}
