/* hostile.h: a firmware that lies and fails, made from a good one.
 *
 * hostile.efi is started as BOOTX64.EFI, plants canaries, replaces functions of the boot services table and starts
 * \neomem.efi. Its options, white space between them, are in \hostile.cfg:
 *
 *   canaries=on            memory of every type that neomem may not touch, allocated for real, all over the machine
 *   arena=word,word…       descriptors over one reserved block that is not what it seems (arena.c); `all` for all
 *   extra=N                N more descriptors: reserved and free pages in turn
 *   grow=N  grow-max=N     the map has N more descriptors at every call, at most grow-max (64)
 *   order=reverse|shuffle  order of the descriptors
 *   stride=N               DescriptorSize
 *   too-small=no-stride    DescriptorSize and version are not set when the buffer was too small
 *   usable=N               at most N free pages are left; the rest, and boot-services memory, is reserved
 *   exit-fail=N            ExitBootServices fails N times because of a stale key
 *   alloc-min=N            AllocatePages has nothing below this address
 *   gop=…                  what the graphics output claims: short-pitch, huge-pitch, small-size, no-mode, zero-size
 *   load-options=…         of neomem: binary, odd, huge, unterminated, null, bom
 *   tables=bad             ACPI and SMBIOS pointers lead to garbage
 *   tpl=callback           neomem is started at TPL_CALLBACK
 *
 * Everything it prints starts with "hostile: ". "hostile: violation" ends the run: neomem did what it must not.
 * Lines "hostile: canary …" tell the test runner what to compare when the machine has stopped.
 *
 * Depends on: efi.h, chain.h, report.h. Used by: hostile/. */
#ifndef TEST_IMAGES_HOSTILE_H
#define TEST_IMAGES_HOSTILE_H

#include <efi.h>

#define HOSTILE_PAGE 4096ull

struct hostile {
    EFI_SYSTEM_TABLE *system;
    EFI_BOOT_SERVICES *services; /* the table that neomem sees */
    EFI_BOOT_SERVICES real;      /* its functions as firmware made them */
    const char *config;
};
extern struct hostile hostile;

/* Print "hostile: <text>" and end the run. */
void hostile_give_up(const char *text);
void hostile_violation(const char *text);

/* Real AllocatePages; ends the run when there is nothing. limit: highest address, or ~0. */
EFI_PHYSICAL_ADDRESS hostile_pages(EFI_MEMORY_TYPE type, UINT64 npages, EFI_PHYSICAL_ADDRESS limit);

/* canary.c: fill memory that neomem must leave alone, and print where it is. */
void canary_fill(EFI_PHYSICAL_ADDRESS base, UINT64 nbytes);
void canary_announce(EFI_PHYSICAL_ADDRESS base, UINT64 nbytes, UINT64 step, UINT64 count, UINT32 type);
void canary_plant_everywhere(void);

/* arena.c: blocks of reserved memory that the hooked map describes differently. */
struct arena_view {
    EFI_PHYSICAL_ADDRESS base; /* real range that is cut out of the real map */
    UINT64 npages;
};
void arena_make(void);
UINTN arena_blocks(const struct arena_view **views);
/* Append the arenas' descriptors. Return: the new count. */
UINTN arena_describe(EFI_MEMORY_DESCRIPTOR *list, UINTN count, UINTN capacity);

/* Each installs its hooks or lies if the options ask for it. */
void map_hook(void);
void pages_hook(void);
void exit_hook(void);
void graphics_lie(void);
void tables_lie(void);
void load_options_lie(EFI_HANDLE neomem);

/* Put all real functions back (before firmware's own code runs at the exit, and when neomem has returned). */
void hostile_restore(void);

#endif
