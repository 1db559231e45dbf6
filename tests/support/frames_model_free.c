/* frames_model_free.c — see frames_model.h: frees, right and wrong ones.
 *
 * A wrong free must panic with the address in its text and leave everything as it was. On level 0 nothing is checked, on
 * level 1 not what sits in another CPU's cache: there the model makes no such calls. */
#include "frames_model.h"

#include <stdio.h>
#include <string.h>

#include "mm_fixture.h"

/* Carry out a legal free. */
static void give_back(struct frames_model *model, pfn_t pfn, uint64_t count)
{
    struct naive_frames *naive = &model->naive;
    model_say(model, "0x%llx, %llu", (unsigned long long)pfn << PAGE_SHIFT, (unsigned long long)count);
    model_check_stamp(model, pfn, count);
    frames_free(pfn << PAGE_SHIFT, count);
    model->recent[model->freed++ % RECENT] = pfn;
    model->recent[model->freed++ % RECENT] = pfn + count - 1;
    if (naive_has(naive, NAIVE_USED, pfn + count)) {
        naive_give(naive, NAIVE_START, pfn + count, 1);
    }
    naive_take(naive, NAIVE_USED, pfn, count);
    naive_take(naive, NAIVE_START, pfn, count);
    naive_take(naive, NAIVE_HARDENED, pfn, count);
    naive_give(naive, NAIVE_FREE, pfn, count);
    if (naive->count[NAIVE_RETIRING] == 0) {
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (naive_has(naive, NAIVE_RETIRING, pfn + i)) {
            naive_take(naive, NAIVE_RETIRING, pfn + i, 1);
            naive_take(naive, NAIVE_FREE, pfn + i, 1);
            naive_give(naive, NAIVE_RETIRED, pfn + i, 1);
        }
    }
}

static bool is_whole_only(const struct frames_model *model, pfn_t pfn, uint64_t count)
{
    return model->level == 3 && naive_having(&model->naive, NAIVE_HARDENED, pfn, count) != 0;
}

/* An allocation in up to eight pieces, from both ends and the middle. */
static void free_in_pieces(struct frames_model *model, pfn_t pfn, uint64_t count, uint64_t order)
{
    uint64_t piece = (count + 7) / 8;
    for (unsigned i = 0; i < 8; i++) {
        unsigned at = (i * 3 + (unsigned)order) % 8;
        if (at * piece < count) {
            give_back(model, pfn + at * piece, min_u64(piece, count - at * piece));
        }
    }
}

void model_free(struct frames_model *model, const uint64_t *draw)
{
    const struct naive_frames *naive = &model->naive;
    pfn_t somewhere = naive_at(naive, draw[0] % naive->universe);
    pfn_t pfn = naive_next(naive, NAIVE_START, somewhere);
    if (pfn == FRAMES_NONE) {
        return;
    }
    uint64_t count = naive_extent(naive, pfn);
    unsigned percent = (unsigned)(draw[1] % 100);
    pfn_t inside = naive_next(naive, NAIVE_USED, somewhere);
    uint64_t rest = naive_extent(naive, inside);
    uint64_t stretch = naive_stretch(naive, NAIVE_USED, pfn, 1 + draw[2] % (model_chance(draw[3], 80) ? 40 : 1500));
    if (percent < 50) {
        give_back(model, pfn, count);
    } else if (percent < 75) {
        is_whole_only(model, inside, rest) ? give_back(model, pfn, count)
                                           : give_back(model, inside, 1 + draw[2] % rest);
    } else if (percent < 90) {
        is_whole_only(model, pfn, count) ? give_back(model, pfn, count) : free_in_pieces(model, pfn, count, draw[2]);
    } else if (!is_whole_only(model, pfn, stretch)) {
        give_back(model, pfn, stretch);
    }
}

/* ---- wrong ones ------------------------------------------------------------------------------------------------- */

struct bad_free {
    phys_addr_t pa;
    uint64_t count;
    phys_addr_t culprit; /* what the panic may name instead of pa */
};

static bool is_hidden(const struct frames_model *model, pfn_t pfn)
{
    struct frames_owner owner;
    frames_query(pfn << PAGE_SHIFT, &owner);
    return model->level == 1 && owner.cached_by >= 0 && owner.cached_by != (int)model->cpu;
}

/* Return: false when the machine has no such frame now. */
static bool choose(const struct frames_model *model, const uint64_t *draw, struct bad_free *bad)
{
    static const enum naive_property properties[] = {NAIVE_FREE, NAIVE_FREE, NAIVE_METADATA, NAIVE_RETIRED};
    const struct naive_frames *naive = &model->naive;
    pfn_t somewhere = naive_at(naive, draw[1] % naive->universe);
    unsigned kind = (unsigned)(draw[0] % 10);
    pfn_t used = naive_next(naive, NAIVE_USED, somewhere);
    pfn_t pfn = naive_next(naive, kind < 4 ? properties[kind] : NAIVE_KNOWN, somewhere);
    bad->count = 1;
    switch (kind) {
    case 0:
    case 1:
        /* Caches hold what was freed lately. */
        if (model_chance(draw[3], 80) && naive_has(naive, NAIVE_FREE, model->recent[draw[2] % RECENT])) {
            pfn = model->recent[draw[2] % RECENT];
        }
        break;
    case 2:
    case 3:
        break;
    case 4: /* not memory now */
        if (naive_managed(naive, pfn, 1) != 0) {
            return false;
        }
        break;
    case 5: /* never memory */
        pfn = (GIB(901) >> PAGE_SHIFT) + draw[2] % 100;
        break;
    case 6: /* begins well, ends badly */
        if (used == FRAMES_NONE) {
            return false;
        }
        pfn = used;
        bad->count = naive_stretch(naive, NAIVE_USED, used, UINT64_MAX) + 1;
        break;
    case 7: /* no frame's address, no count */
        if (used == FRAMES_NONE) {
            return false;
        }
        bad->pa = bad->culprit = (used << PAGE_SHIFT) + (model_chance(draw[2], 50) ? 1 + draw[3] % (PAGE_SIZE - 1) : 0);
        bad->count = is_aligned(bad->pa, PAGE_SIZE) ? 0 : 1;
        return true;
    case 8: /* beyond everything */
        pfn = used == FRAMES_NONE ? 0 : used;
        bad->count = UINT64_MAX - draw[2] % 5000;
        bad->pa = bad->culprit = pfn << PAGE_SHIFT;
        return true;
    default: /* a part, or a piece from the middle */
        pfn = naive_next(naive, NAIVE_HARDENED, somewhere);
        if (pfn == FRAMES_NONE || model->level != 3 || naive_extent(naive, pfn) < 2) {
            return false;
        }
        bad->count = naive_has(naive, NAIVE_START, pfn) ? naive_extent(naive, pfn) - 1 : 1;
        break;
    }
    bad->pa = pfn << PAGE_SHIFT;
    bad->culprit = (pfn + bad->count - 1) << PAGE_SHIFT;
    return pfn != FRAMES_NONE && !is_hidden(model, pfn + bad->count - 1);
}

static void one_bad_free(struct frames_model *model, const uint64_t *draw)
{
    struct bad_free bad;
    struct frames_stats before;
    struct frames_stats after;
    char address[2][32];
    if (model->level == 0 || !choose(model, draw, &bad)) {
        return;
    }
    model_say(model, "0x%llx, %llu", (unsigned long long)bad.pa, (unsigned long long)bad.count);
    (void)snprintf(address[0], sizeof(address[0]), "0x%llx", (unsigned long long)bad.pa);
    (void)snprintf(address[1], sizeof(address[1]), "0x%llx", (unsigned long long)bad.culprit);
    frames_get_stats(&before);
    volatile bool has_panicked = false;
    mm_fixture_arm();
    if (setjmp(mm_fixture_return) == 0) {
        frames_free(bad.pa, bad.count);
    } else {
        has_panicked = true;
    }
    model_require(model, has_panicked, "a bad free did not panic");
    model_say(model, "%s", mm_fixture_panic_text());
    model_require(model,
                  strstr(mm_fixture_panic_text(), address[0]) != NULL ||
                      strstr(mm_fixture_panic_text(), address[1]) != NULL,
                  "the panic does not name the address");
    model_require(model, mm_fixture_panicked_with("PANIC"), "the panic says so");
    frames_get_stats(&after);
    before.cached = after.cached; /* another CPU may have asked this one to drain at its next call */
    model_require(model, memcmp(&before, &after, sizeof(before)) == 0, "a bad free changed figures");
    if (model_chance(draw[4], 10)) {
        model_require(model, frames_check() == NEO_OK, "frames_check after a bad free");
    }
}

void model_bad_free(struct frames_model *model, const uint64_t *draw)
{
    /* Now and then many double frees: every place of a stack and of its hash chains should be hit once. */
    uint64_t rounds = draw[0] % 10 == 0 ? 100 : 1;
    for (uint64_t i = 0; i < rounds; i++) {
        const uint64_t shifted[] = {draw[0], draw[1], draw[2] + i, draw[3], draw[4] + i};
        one_bad_free(model, shifted);
    }
}
