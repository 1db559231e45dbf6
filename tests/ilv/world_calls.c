/* world_calls.c — calls of the allocator under the oracle's eyes: what each was given, gave back, retired, added and
 * removed is noted and compared at once (world.h). */

#include "world_internal.h"

#include <string.h>

void world_fault(const char *what)
{
    if (world.wrong == NULL) {
        world.wrong = what;
    }
}

/* ---- the oracle's notes --------------------------------------------------------------------------------------- */

static void mark_chunks(unsigned frame, uint64_t count)
{
    uint32_t marks = world.watches_retirement ? MARK_RETIRE : 0;
    for (uint64_t chunk = frame / FRAMES_2M; chunk <= (frame + count - 1) / FRAMES_2M; chunk++) {
        marks |= (uint32_t)MARK_CHUNK << chunk;
    }
    schedule_mark(marks);
}

static uint32_t begin_call(void)
{
    if (world.watches_retirement) {
        schedule_mark(MARK_RETIRE);
    }
    return world.clock++;
}

static bool is_inside(phys_addr_t pa, uint64_t count)
{
    return is_aligned(pa, PAGE_SIZE) && pa >= WORLD_BASE && pa - WORLD_BASE < ARENA_BYTES &&
           count <= WORLD_FRAMES - frame_of(pa);
}

/* owner was given these frames by a call that began at `since`. */
static phys_addr_t note_owner(unsigned owner, phys_addr_t pa, uint64_t count, uint32_t since)
{
    if (pa == FRAMES_NONE) {
        return pa;
    }
    if (!is_inside(pa, count)) {
        world_fault("an address from nowhere was handed out");
        return FRAMES_NONE;
    }
    unsigned first = frame_of(pa);
    mark_chunks(first, count);
    for (unsigned frame = first; frame < first + count; frame++) {
        if (world.owner[frame] != NOBODY) {
            world_fault("a frame has two owners");
        }
        if (!world.managed[frame]) {
            world_fault("a frame was handed out that is not managed");
        }
        world.owner[frame] = (uint8_t)(owner + 1);
    }
    world.owner[first] |= STARTS;
    for (unsigned i = 0; i < world.retired_count; i++) {
        const struct retired_frame *retired = &world.retired[i];
        bool is_in = retired->frame >= first && retired->frame < first + count;
        if (is_in && (!retired->was_pending || since > retired->since)) {
            world_fault("a retired frame was handed out");
        }
    }
    return pa;
}

phys_addr_t world_alloc_one(unsigned owner)
{
    uint32_t since = begin_call();
    world_enter();
    return note_owner(owner, frames_alloc_one(), 1, since);
}

phys_addr_t world_alloc_2m(unsigned owner)
{
    uint32_t since = begin_call();
    world_enter();
    phys_addr_t pa = frames_alloc_2m();
    if (pa != FRAMES_NONE && !is_aligned(pa, PAGE_SIZE_2M)) {
        world_fault("a 2 MiB frame is not aligned");
    }
    return note_owner(owner, pa, FRAMES_2M, since);
}

phys_addr_t world_alloc(unsigned owner, const struct frames_request *request)
{
    uint32_t since = begin_call();
    world_enter();
    phys_addr_t pa = frames_alloc_request(request);
    if (pa != FRAMES_NONE) {
        uint64_t first = pa >> PAGE_SHIFT;
        uint64_t last = first + request->count - 1;
        bool is_in_window =
            pa >= request->lo_pa && (request->hi_pa == FRAMES_ANYWHERE || (last + 1) * PAGE_SIZE <= request->hi_pa);
        bool crosses = request->boundary != 0 && first / request->boundary != last / request->boundary;
        if (!is_in_window || crosses || !is_aligned(first, request->align == 0 ? 1 : request->align)) {
            world_fault("a run breaks what was asked for");
        }
    }
    return note_owner(owner, pa, request->count, since);
}

void world_take(unsigned owner, unsigned frame, unsigned count)
{
    struct frames_request request = FRAMES_REQUEST(count);
    request.lo_pa = world_pa(frame);
    request.hi_pa = world_pa(frame + count);
    if (world_alloc(owner, &request) != world_pa(frame)) {
        world_broken("a frame that should be free is not to be had");
    }
}

void world_free(unsigned owner, phys_addr_t pa, unsigned count)
{
    if (pa == FRAMES_NONE) {
        return;
    }
    unsigned first = frame_of(pa);
    mark_chunks(first, count);
    for (unsigned frame = first; frame < first + count; frame++) {
        if ((world.owner[frame] & ~STARTS) != owner + 1) {
            world_fault("the checker frees what it does not own");
            return;
        }
        world.owner[frame] = NOBODY;
    }
    world_enter();
    frames_free(pa, count);
    (void)begin_call();
}

void world_free_again(unsigned frame)
{
    mark_chunks(frame, 1);
    world.owner[frame] = NOBODY;
    world_enter();
    frames_free(world_pa(frame), 1);
}

void world_fill(unsigned first, unsigned end)
{
    for (unsigned frame = first; frame < end; frame++) {
        unsigned count = 0;
        while (frame + count < end && world.owner[frame + count] == NOBODY) {
            count++;
        }
        if (count > 0) {
            world_take(OWNER_FILLER, frame, count);
            frame += count;
        }
    }
}

void world_claim(unsigned owner, unsigned frame, unsigned count)
{
    if (world_owned(OWNER_FILLER, frame) >= count) {
        world_hand_over(owner, frame, count);
    } else {
        world_take(owner, frame, count);
    }
}

void world_hand_over(unsigned owner, unsigned frame, unsigned count)
{
    memset(&world.owner[frame], (int)(owner + 1), count);
}

unsigned world_owned(unsigned owner, unsigned frame)
{
    unsigned count = 0;
    while (frame + count < WORLD_FRAMES && (world.owner[frame + count] & ~STARTS) == owner + 1) {
        count++;
    }
    return count;
}

void world_watch_retirement(void)
{
    world.watches_retirement = true;
}

void world_retire(phys_addr_t pa)
{
    bool pending = false;
    world_enter();
    enum neo_status status = frames_retire(pa, &pending);
    mark_chunks(frame_of(pa), 1);
    if (status == NEO_ERR_NO_MEMORY || (status == NEO_ERR_NOT_FOUND && !world.managed[frame_of(pa)])) {
        return;
    }
    if (status == NEO_ERR_INVALID && frames_state(pa) == FRAMES_STATE_METADATA) {
        return; /* freed meanwhile, and the allocator's own since */
    }
    if (status != NEO_OK) {
        world_fault(status == NEO_ERR_INVALID ? "a frame cannot be retired: invalid" : "a frame cannot be retired");
        return;
    }
    if (!pending && world.owner[frame_of(pa)] != NOBODY) {
        world_fault("a frame in use was retired at once");
    }
    for (unsigned i = 0; i < world.retired_count; i++) {
        if (world.retired[i].frame == frame_of(pa)) {
            return;
        }
    }
    world.retired[world.retired_count++] =
        (struct retired_frame){.frame = frame_of(pa), .since = world.clock++, .was_pending = pending};
}

void world_add(unsigned chunk)
{
    mark_chunks(chunk * FRAMES_2M, FRAMES_2M);
    memset(&world.managed[chunk * FRAMES_2M], 1, FRAMES_2M);
    world_enter();
    enum neo_status status = frames_add_range(world_pa(chunk * FRAMES_2M), PAGE_SIZE_2M);
    mark_chunks(chunk * FRAMES_2M, FRAMES_2M);
    if (status == NEO_ERR_NO_MEMORY) {
        memset(&world.managed[chunk * FRAMES_2M], 0, FRAMES_2M);
    } else if (status != NEO_OK) {
        world_fault("memory cannot be added");
    }
}

void world_remove(unsigned chunk)
{
    world_enter();
    enum neo_status status = frames_remove(world_pa(chunk * FRAMES_2M), PAGE_SIZE_2M);
    mark_chunks(chunk * FRAMES_2M, FRAMES_2M);
    if (status == NEO_ERR_EXISTS || status == NEO_ERR_NO_MEMORY) {
        return;
    }
    if (status != NEO_OK) {
        bool has_metadata = false;
        for (unsigned frame = chunk * FRAMES_2M; frame < (chunk + 1) * FRAMES_2M; frame++) {
            has_metadata = has_metadata || frames_state(world_pa(frame)) == FRAMES_STATE_METADATA;
        }
        if (!has_metadata) {
            world_fault("memory cannot be removed");
        }
        return;
    }
    for (unsigned frame = chunk * FRAMES_2M; frame < (chunk + 1) * FRAMES_2M; frame++) {
        if (world.owner[frame] != NOBODY) {
            world_fault("memory in use was removed");
        }
        world.managed[frame] = 0;
    }
}

void world_expect_memory(phys_addr_t pa)
{
    if (pa == FRAMES_NONE) {
        world_fault("no memory, although there is plenty");
    }
}
