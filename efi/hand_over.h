/* hand_over.h — everything that crosses from firmware's world into the kernel's, in one struct, and the steps on it.
 *
 *   reserve_memory   while firmware gives memory: all of it, for the worst case that can be known
 *   conversion_run   raw map -> Limine map and trims, before and after the exit
 *   takeover         leave boot services, build the tables, jump
 *
 * Depends on: all other headers of efi/. Used by: entry.c, reserve.c, conversion.c, takeover.c. */
#ifndef EFI_HAND_OVER_H
#define EFI_HAND_OVER_H

#include "entropy_mix.h"
#include "exit.h"
#include "first_tables.h"
#include "kernel_image.h"
#include "machine.h"
#include "memmap_limine.h"
#include "text.h"
#include "trampoline.h"
#include <neomem/boot_info.h>

#define HHDM_WINDOW_BASE 0xFFFF800000000000ull
#define HHDM_WINDOW_BITS 46u /* 64 TiB; the rest of the half is for the kernel's areas and the kernel */
#define HHDM_WINDOW_BYTES (1ull << HHDM_WINDOW_BITS)
#define KERNEL_WINDOW_BASE 0xFFFFFFFF80000000ull
#define KERNEL_WINDOW_BYTES GIB(1)
#define BOOT_STACK_BYTES KIB(68) /* 64 KiB below the stack pointer are promised */

#define NOTES_BYTES 8192u

/* One allocation that the kernel gets a pointer to. */
struct boot_block {
    struct boot_info info;
    char refusal[NOTE_BYTES];
    char notes[NOTES_BYTES];
};

struct hand_over {
    struct boot_block *block;
    struct boot_info *info; /* &block->info */
    struct notes notes;
    struct machine machine;
    struct entropy_root entropy;
    struct option_words *file_words, *command_words;
    bool has_kaslr, wants_qemu_exit;

    struct kernel_image kernel;
    void *kernel_memory;
    uint8_t *stack;
    void *trampoline_code;
    struct trampoline_args *trampoline_args;
    uint64_t *root; /* top-level table, below 4 GiB */
    struct first_tables_pool tables;
    virt_addr_t hhdm_base, kernel_virt_base;

    struct memory_map survey; /* read before the exit; what is left if the final one is unusable */
    struct memory_map final;
    struct limine_memmap_entry *entries;
    uint64_t entry_capacity, entry_count;
    struct boot_trim *trims;
    uint64_t trim_capacity, trim_count;
    void *scratch;
    uint64_t scratch_bytes;
};

/* Allocate everything that is needed from here to the kernel, and choose the address space. Return: NULL, or why it
 * cannot be done. What was allocated stays allocated (firmware_release_all). */
const char *reserve_memory(struct hand_over *hand_over) NEO_NODISCARD;
/* Replace the final map's buffer and the arrays by larger ones, for at least `wanted` bytes of map. Return: false when
 * there is no memory. */
bool reserve_larger_map(struct hand_over *hand_over, uint64_t wanted) NEO_NODISCARD;

/* Convert a raw map with our claims into entries and trims. Return: NULL, or what is wrong with the map. Calls no
 * firmware. A framebuffer that claims other people's memory is dropped from info, with a note. */
const char *conversion_run(struct hand_over *hand_over, const struct memory_map *map) NEO_NODISCARD;
/* The tables' plan for the present entries. */
struct first_tables_plan conversion_plan(const struct hand_over *hand_over);

/* Leave firmware and enter the kernel. Returns only while boot services still live: why it cannot be done. After
 * that, a kernel that can be entered shows the reason, and else emergency() does. */
const char *takeover(struct hand_over *hand_over) NEO_NODISCARD;

#endif
