/* hosted.h — the machine under kernel/mm when it runs as a Linux library: simulated physical memory and a CPU that
 * writes down what it is asked to do. For programs that link libneomem.a and for tests; never for the kernel.
 *
 * Physical memory is an arena of HOSTED_ARENA_BYTES of reserved addresses (physical address 0 at its base, which getHHDM
 * returns). Only what was opened can be touched: anything else is a segmentation fault, as a hole should be.
 * Each thread is a CPU with a number of its own. Page tables are built in the arena but never used by a real CPU.
 *
 * Depends on: types.h, arch.h, status.h. Used by: host programs, tests. */
#ifndef NEOMEM_HOSTED_H
#define NEOMEM_HOSTED_H

#include <neomem/arch.h>
#include <neomem/status.h>
#include <neomem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOSTED_ARENA_BYTES (1ull << 40)
#define HOSTED_MEMORY_MIN MIB(2)

/* Bring up the whole memory manager (memory map, frames, heap) on bytes_of_memory of simulated RAM, HOSTED_MEMORY_MIN up to
 * 1 TiB - 1 MiB, rounded down to pages. From then on everything in memory.h works. Output goes to stderr; a panic aborts.
 * Called once. Return: NEO_ERR_RANGE, NEO_ERR_NO_MEMORY (no address space), NEO_ERR_EXISTS (second call). */
enum neo_status neomem_hosted_init(uint64_t bytes_of_memory) NEO_NODISCARD;

/* ---- simulated physical memory -------------------------------------------------------------------- */

/* Reserve the arena and close all of it again if it was there; sets the HHDM base. Return: NEO_ERR_NO_MEMORY. */
enum neo_status hosted_arena_reset(void) NEO_NODISCARD;

/* Make [base, base + nbytes) readable and writable, zeroed. Whole pages inside the arena.
 * Return: NEO_ERR_RANGE, NEO_ERR_INVALID, NEO_ERR_NO_MEMORY. */
enum neo_status hosted_arena_open(phys_addr_t base, uint64_t nbytes) NEO_NODISCARD;

/* ---- the recorded CPU ------------------------------------------------------------------------------ */

/* What the next arch_paging_features() answers. Default: everything, 52 physical bits. */
void hosted_set_paging_features(const struct arch_paging_features *features);

/* Restart the sequence of arch_random. */
void hosted_seed_random(uint64_t seed);

#define HOSTED_TLB_PAGES 64u

struct hosted_tlb_record {
    uint64_t page_flushes; /* arch_tlb_flush_page */
    uint64_t full_flushes; /* arch_tlb_flush_all */
    uint64_t root_switches;
    virt_addr_t pages[HOSTED_TLB_PAGES]; /* the first page flushes since the record was cleared */
};
void hosted_tlb_clear(void);
const struct hosted_tlb_record *hosted_tlb(void);

/* Called at each flush, before it is counted; NULL: nobody. For tests that look at the tables at that moment. */
void hosted_tlb_set_observer(void (*observer)(void));

/* The CPU that the calling thread is from now on; threads that never say draw the next number not seen so far. For tests
 * that play several CPUs on one thread: two threads with one number at once are a broken machine. */
void hosted_set_cpu(unsigned number);

/* Whether the calling thread has "interrupts" enabled. */
bool hosted_interrupts_enabled(void);

/* ---- text ------------------------------------------------------------------------------------------ */

/* Send console text to stderr, panics to abort(). Done by neomem_hosted_init too. */
void hosted_console_init(void);

#ifdef __cplusplus
}
#endif

#endif
