/* phys_arena.c — simulated physical memory: one large reservation, opened piece by piece.
 *
 *   arena base (1 GiB aligned, so that large leaves fit)                         + HOSTED_ARENA_BYTES
 *       |......########............####......................................|
 *        holes: PROT_NONE    opened: readable, writable, zero
 *
 * A sparse machine of 1 TiB costs what is touched. Locking: none; set up before threads start. */

#include <neomem/early.h>
#include <neomem/hosted.h>
#include <sys/mman.h>

static unsigned char *arena;

enum neo_status hosted_arena_reset(void)
{
    if (arena == NULL) {
        void *reserved = mmap(NULL, HOSTED_ARENA_BYTES + PAGE_SIZE_1G, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (reserved == MAP_FAILED) {
            return NEO_ERR_NO_MEMORY;
        }
        arena = (unsigned char *)(uintptr_t)align_up((uintptr_t)reserved, PAGE_SIZE_1G);
    } else if (mmap(arena, HOSTED_ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                    0) == MAP_FAILED) {
        return NEO_ERR_NO_MEMORY;
    }
    early_set_hhdm((virt_addr_t)(uintptr_t)arena);
    return NEO_OK;
}

enum neo_status hosted_arena_open(phys_addr_t base, uint64_t nbytes)
{
    if (!is_aligned(base | nbytes, PAGE_SIZE) || nbytes == 0 || arena == NULL) {
        return NEO_ERR_INVALID;
    }
    if (base >= HOSTED_ARENA_BYTES || nbytes > HOSTED_ARENA_BYTES - base) {
        return NEO_ERR_RANGE;
    }
    return mprotect(arena + base, nbytes, PROT_READ | PROT_WRITE) == 0 ? NEO_OK : NEO_ERR_NO_MEMORY;
}
