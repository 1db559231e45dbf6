/* commands_alloc.c — allocations by hand: frames or heap blocks, filled with a pattern that is checked when they go.
 *
 * Word i of allocation n holds a mix of i and n, so a word that was copied, shifted or left from another allocation is
 * as visible as a flipped bit. Up to FILL_WHOLE_MAX all words are written; of more, the first page of each 2 MiB and the last page. */
#include "commands.h"

#include <neomem/compiler.h>
#include <neomem/console.h>
#include <neomem/memory.h>
#include <neomem/parse.h>
#include <neomem/record.h>
#include <neomem/string.h>
#include <neomem/vmm.h>

#define ALLOCATIONS_MAX 256u
#define FILL_WHOLE_MAX MIB(64)

struct allocation {
    uint8_t *memory; /* NULL: this place is free */
    uint64_t id;     /* also the seed of the pattern */
    uint64_t nbytes;
    uint64_t frames; /* 0: a heap block */
};

static struct {
    struct allocation allocations[ALLOCATIONS_MAX];
    uint64_t last_id;
} state;

/* ---- the pattern ---- */

static uint64_t pattern_word(uint64_t id, uint64_t index)
{
    uint64_t x = index * 0x9e3779b97f4a7c15ull ^ id << 32; /* neighbours differ in about half their bits */
    return x ^ x >> 29;
}

static uint8_t pattern_byte(uint64_t id, uint64_t offset)
{
    return (uint8_t)(pattern_word(id, offset / 8) >> offset % 8 * 8);
}

static void fill_part(const struct allocation *allocation, uint64_t offset, uint64_t nbytes)
{
    uint64_t i = 0;
    for (; i + 8 <= nbytes; i += 8) {
        uint64_t word = pattern_word(allocation->id, (offset + i) / 8);
        neo_memcpy(allocation->memory + offset + i, &word, sizeof(word));
    }
    for (; i < nbytes; i++) {
        allocation->memory[offset + i] = pattern_byte(allocation->id, offset + i);
    }
}

/* Report one wrong byte. */
static void report_damage(const struct allocation *allocation, uint64_t offset)
{
    uint8_t *address = allocation->memory + offset;
    uint8_t expected = pattern_byte(allocation->id, offset);
    uint8_t actual = *address;
    struct vm_mapping mapping;
    virt_addr_t va = (virt_addr_t)(uintptr_t)address;
    kprintf("free: allocation %llu is damaged at %p: 0x%02x instead of 0x%02x\n", (unsigned long long)allocation->id,
            (void *)address, actual, expected);
    if (vmm_query(va, &mapping)) {
        struct record record;
        record_begin(&record, "fault");
        record_hex(&record, "phys", mapping.pa + (va - mapping.va));
        record_hex(&record, "expected", expected);
        record_hex(&record, "actual", actual);
        record_hex(&record, "xor", (uint64_t)(expected ^ actual));
        record_text(&record, "test", "alloc");
        record_end(&record);
    }
}

static bool check_part(const struct allocation *allocation, uint64_t offset, uint64_t nbytes)
{
    for (uint64_t i = 0; i < nbytes; i++) {
        if (allocation->memory[offset + i] != pattern_byte(allocation->id, offset + i)) {
            report_damage(allocation, offset + i);
            return false;
        }
    }
    return true;
}

/* Call part for everything that carries the pattern; stops at the first false. Parts start at multiples of 8. */
static bool for_each_part(const struct allocation *allocation,
                          bool (*part)(const struct allocation *, uint64_t offset, uint64_t nbytes))
{
    uint64_t nbytes = allocation->nbytes;
    if (nbytes <= FILL_WHOLE_MAX) {
        return part(allocation, 0, nbytes);
    }
    for (uint64_t offset = 0; offset < nbytes; offset += PAGE_SIZE_2M) {
        if (!part(allocation, offset, min_u64(PAGE_SIZE, nbytes - offset))) {
            return false;
        }
    }
    uint64_t last = align_down(nbytes - 1, PAGE_SIZE);
    return part(allocation, last, nbytes - last);
}

static bool fill(const struct allocation *allocation, uint64_t offset, uint64_t nbytes)
{
    fill_part(allocation, offset, nbytes);
    return true;
}

/* ---- the list ---- */

static void print_allocation(const struct allocation *allocation)
{
    char size[SHELL_SIZE_BYTES];
    kprintf("  %4llu  %p  %s", (unsigned long long)allocation->id, (void *)allocation->memory,
            shell_format_size(allocation->nbytes, size));
    if (allocation->frames != 0) {
        kprintf(" in %llu frames at physical 0x%llx\n", (unsigned long long)allocation->frames,
                (unsigned long long)virt_to_phys(allocation->memory));
    } else {
        kprintf(" from the heap, %zu usable\n", kmalloc_usable_size(allocation->memory));
    }
}

static bool list_allocations(void)
{
    bool any = false;
    for (size_t i = 0; i < ALLOCATIONS_MAX; i++) {
        if (state.allocations[i].memory != NULL) {
            print_allocation(&state.allocations[i]);
            any = true;
        }
    }
    if (!any) {
        kprintf("Nothing is allocated; 'alloc 4' takes 4 frames, 'alloc 100K' takes 100 KiB of heap.\n");
    }
    return true;
}

static struct allocation *free_place(void)
{
    for (size_t i = 0; i < ALLOCATIONS_MAX; i++) {
        if (state.allocations[i].memory == NULL) {
            return &state.allocations[i];
        }
    }
    return NULL;
}

/* ---- alloc ---- */

/* "12": frames. "12B", "12K", "12M", …: bytes. Return: whether it is one of these and not 0. */
static bool parse_amount(const char *text, struct allocation *wanted)
{
    size_t length = neo_strlen(text);
    char digits[24];
    if (parse_u64(text, &wanted->frames)) {
        return wanted->frames != 0 && !__builtin_mul_overflow(wanted->frames, PAGE_SIZE, &wanted->nbytes);
    }
    wanted->frames = 0;
    if (length > 1 && length < sizeof(digits) && (text[length - 1] == 'B' || text[length - 1] == 'b')) {
        neo_strlcpy(digits, text, length); /* without the B */
        return parse_u64(digits, &wanted->nbytes) && wanted->nbytes != 0;
    }
    return parse_size(text, &wanted->nbytes) && wanted->nbytes != 0;
}

bool command_alloc(unsigned argc, char *const *argv)
{
    struct allocation wanted = {.id = state.last_id + 1};
    if (argc == 1) {
        return list_allocations();
    }
    if (argc != 2 || !parse_amount(argv[1], &wanted)) {
        return shell_usage(argv[0]);
    }
    struct allocation *place = free_place();
    if (place == NULL) {
        kprintf("alloc: %u allocations are the most that this shell remembers\n", ALLOCATIONS_MAX);
        return false;
    }
    wanted.memory = wanted.frames != 0 ? allocate_pages(wanted.frames) : kmalloc(wanted.nbytes);
    if (wanted.memory == NULL) {
        kprintf("alloc: no memory for %s\n", argv[1]);
        return false;
    }
    *place = wanted;
    state.last_id = wanted.id;
    (void)for_each_part(place, fill);
    print_allocation(place);
    return true;
}

/* ---- free ---- */

static bool check_and_free(struct allocation *allocation)
{
    bool intact = for_each_part(allocation, check_part);
    if (allocation->frames != 0) {
        free_pages(allocation->memory, allocation->frames);
    } else {
        kfree(allocation->memory);
    }
    kprintf("  %4llu  freed, %s\n", (unsigned long long)allocation->id, intact ? "pattern intact" : "DAMAGED");
    allocation->memory = NULL;
    return intact;
}

bool command_free(unsigned argc, char *const *argv)
{
    if (argc == 1) {
        return list_allocations();
    }
    bool all = neo_strcmp(argv[1], "all") == 0;
    uint64_t id = 0;
    if (argc != 2 || (!all && !parse_u64(argv[1], &id))) {
        return shell_usage(argv[0]);
    }
    bool found = all;
    bool intact = true;
    for (size_t i = 0; i < ALLOCATIONS_MAX; i++) {
        struct allocation *allocation = &state.allocations[i];
        if (allocation->memory != NULL && (all || allocation->id == id)) {
            intact = check_and_free(allocation) && intact;
            found = true;
        }
    }
    if (!found) {
        kprintf("free: there is no allocation %s\n", argv[1]);
    }
    return found && intact;
}
