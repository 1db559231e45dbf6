/* commands_memory.c — figures of the memory manager, and looking at memory. */
#include "commands.h"

#include <neomem/console.h>
#include <neomem/memory.h>
#include <neomem/parse.h>
#include <neomem/stats_record.h>
#include <neomem/vmm.h>

/* ---- stats ---- */

static void print_bytes(const char *label, uint64_t nbytes)
{
    char size[SHELL_SIZE_BYTES];
    kprintf("  %-22s %16llu bytes   %s\n", label, (unsigned long long)nbytes, shell_format_size(nbytes, size));
}

static void print_count(const char *label, uint64_t count, const char *unit)
{
    kprintf("  %-22s %16llu %s\n", label, (unsigned long long)count, unit);
}

bool command_stats(unsigned argc, char *const *argv)
{
    if (argc != 1) {
        return shell_usage(argv[0]);
    }
    struct memory_stats stats;
    memory_get_stats(&stats);
    print_bytes("physical memory", stats.total_physical);
    print_bytes("  available", stats.available_physical);
    print_count("  frames in use", stats.pages_allocated, "frames");
    print_count("  longest free run", stats.largest_free_run, "frames");
    print_count("  free 2 MiB frames", stats.frames_free_2m, "frames");
    print_count("  free 1 GiB frames", stats.frames_free_1g, "frames");
    print_count("  in the page pool", stats.frames_reserve, "frames");
    print_count("  in CPUs' caches", stats.frames_cached, "frames");
    print_count("  retired", stats.frames_retired, "frames");
    print_bytes("kernel heap", stats.kernel_heap_size);
    print_bytes("  in live blocks", stats.kernel_heap_used);
    print_count("  live blocks", stats.heap_blocks, "blocks");
    print_count("page tables", stats.page_tables, "frames");
    print_bytes("metadata", stats.metadata_bytes);
    print_bytes("still reclaimable", stats.reclaimable);
    stats_record(&stats);
    return true;
}

/* ---- peek ---- */

#define PEEK_BYTES_DEFAULT 64u
#define PEEK_BYTES_MAX 4096u
#define ROW_BYTES 16u

/* Why nothing is read at this address; NULL: it can be read. */
static const char *refuse_read(virt_addr_t va)
{
    struct vm_mapping mapping;
    if (!vmm_query(va, &mapping)) {
        return "not mapped";
    }
    /* Reading a device register can change the device. */
    return mapping.type == VM_UNCACHED ? "device memory" : NULL;
}

static void print_row(virt_addr_t va, unsigned nbytes)
{
    const volatile uint8_t *bytes = (const volatile uint8_t *)(uintptr_t)va;
    char text[ROW_BYTES + 1];
    kprintf("  0x%016llx ", (unsigned long long)va);
    for (unsigned i = 0; i < ROW_BYTES; i++) {
        if (i < nbytes) {
            uint8_t byte = bytes[i];
            text[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '.';
            kprintf(" %02x", byte);
        } else {
            text[i] = ' ';
            kprintf("   ");
        }
    }
    text[ROW_BYTES] = '\0';
    kprintf("  |%s|\n", text);
}

bool command_peek(unsigned argc, char *const *argv)
{
    uint64_t va;
    uint64_t nbytes = PEEK_BYTES_DEFAULT;
    if (argc < 2 || argc > 3 || !parse_hex(argv[1], &va) || (argc == 3 && !parse_u64(argv[2], &nbytes))) {
        return shell_usage(argv[0]);
    }
    if (nbytes == 0 || nbytes > PEEK_BYTES_MAX || va + nbytes - 1 < va) {
        kprintf("peek: 1 to %u bytes\n", PEEK_BYTES_MAX);
        return false;
    }
    /* A row never crosses a page here or below: rows are cut at multiples of 16. */
    while (nbytes > 0) {
        const char *refusal = refuse_read(va);
        if (refusal != NULL) {
            kprintf("peek: 0x%016llx: %s\n", (unsigned long long)va, refusal);
            return false;
        }
        unsigned row = (unsigned)min_u64(ROW_BYTES - va % ROW_BYTES, nbytes);
        print_row(va, row);
        va += row;
        nbytes -= row;
    }
    return true;
}
