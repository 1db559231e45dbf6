/* mm_fixture.h — simulated machines for tests of kernel/mm: a memory map in the arena, and panics that come back.
 * Depends on: hosted.h, panic.h, console.h. Used by: tests/unit, tests/model. */
#ifndef NEOMEM_TEST_MM_FIXTURE_H
#define NEOMEM_TEST_MM_FIXTURE_H

#include <neomem/limine.h>
#include <neomem/types.h>
#include <setjmp.h>

/* A usable region. */
#define USABLE(base, length) \
    { \
        (base), (length), LIMINE_MEMMAP_USABLE \
    }

/* A fresh machine: empty arena, the usable regions that lie in it opened. Fails the program when the host cannot. */
void mm_fixture_arena(const struct limine_memmap_entry *map, uint64_t count);

/* The same, and early.h and frames.h started on it: CPU 0 calls, hardening level 1, no log, no failures injected. */
void mm_fixture_frames(const struct limine_memmap_entry *map, uint64_t count);

/* The same with memory announced for later (frames_init_expecting), in the arena too but not opened. */
void mm_fixture_frames_expecting(const struct limine_memmap_entry *map, uint64_t count,
                                 const struct limine_memmap_entry *expected, uint64_t expected_count);

/* Metadata sits where the largest region is; a region with this many bytes is larger than any other in a test's map. */
void mm_fixture_one_region(uint64_t nbytes);

/* ---- panics --------------------------------------------------------------------------------------------------- */

extern jmp_buf mm_fixture_return;

void mm_fixture_arm(void);
/* Whether the panic that came back contained text; forgets it. Prints the panic when it did not. */
bool mm_fixture_panicked_with(const char *text);

/* The text of the last panic that came back. */
const char *mm_fixture_panic_text(void);

/* Run a statement that must panic, with this text in its message. The statement must not change local variables. */
#define EXPECT_PANIC_TEXT(statement, text) \
    do { \
        mm_fixture_arm(); \
        if (setjmp(mm_fixture_return) == 0) { \
            statement; \
            fail_msg("no panic: %s", #statement); \
        } \
        assert_true(mm_fixture_panicked_with(text)); \
    } while (0)

#endif
