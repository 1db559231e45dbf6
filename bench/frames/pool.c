/* pool.c — metadata memory for the peers: one reservation, used from its start again for each allocator.
 *
 * What is handed out for the first time is written once, so that no measurement contains page faults of the host, and its
 * contents are garbage, so that an allocator must initialise what it needs. Large host pages, as in a kernel's direct map.
 * Locking: none; one thread. */

#include "allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define POOL_BYTES GIB(12)
#define GARBAGE 0xa5

static struct {
    unsigned char *base;
    uint64_t used;
    uint64_t written; /* bytes from base on that the host has mapped */
} pool;

static void map_pool(void)
{
    void *memory = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("pool");
        exit(EXIT_FAILURE);
    }
    pool.base = memory;
    (void)madvise(memory, POOL_BYTES, MADV_HUGEPAGE);
}

void *pool_alloc(uint64_t nbytes)
{
    if (pool.base == NULL) {
        map_pool();
    }
    uint64_t size = align_up(nbytes, PAGE_SIZE);
    if (size > POOL_BYTES - pool.used) {
        (void)fprintf(stderr, "pool: no room for %llu bytes\n", (unsigned long long)nbytes);
        exit(EXIT_FAILURE);
    }
    void *memory = pool.base + pool.used;
    pool.used += size;
    if (pool.used > pool.written) {
        memset(pool.base + pool.written, GARBAGE, pool.used - pool.written);
        pool.written = pool.used;
    }
    return memory;
}

void pool_reset(void)
{
    pool.used = 0;
}

uint64_t pool_used(void)
{
    return pool.used;
}
