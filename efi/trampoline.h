/* trampoline.h — the one way from firmware's CPU state to the kernel's (trampoline.S).
 *
 * Two pages below 4 GiB, the only ones that both page-table sets map at the same address:
 *   code   a copy of the position-independent blob, read and execute;
 *   args   struct trampoline_args, and the few bytes of stack that the way needs at its end.
 * With paging off for a moment, five-level paging, PCID, CET and any other CR4 state of firmware vanish in one place:
 * none of them can be changed, or changed safely, while long mode is active (Intel SDM vol. 3A 4.1.1, 2.5).
 *
 * Depends on: types.h. Used by: takeover.c, trampoline.S (the constants). */
#ifndef EFI_TRAMPOLINE_H
#define EFI_TRAMPOLINE_H

/* Offsets in struct trampoline_args, for the assembler. */
#define TRAMPOLINE_CR0 0
#define TRAMPOLINE_CR3 4
#define TRAMPOLINE_CR4 8
#define TRAMPOLINE_EFER 12
#define TRAMPOLINE_PAT_LOW 16
#define TRAMPOLINE_PAT_HIGH 20
#define TRAMPOLINE_FAR64 24
#define TRAMPOLINE_GDTR 34
#define TRAMPOLINE_IDTR 48
#define TRAMPOLINE_ENTRY 64
#define TRAMPOLINE_STACK 72
#define TRAMPOLINE_INFO 80
#define TRAMPOLINE_GDT 88

#define TRAMPOLINE_PAGE_BYTES 4096

/* Selectors of the GDT in the args page. */
#define TRAMPOLINE_CODE32 0x08
#define TRAMPOLINE_DATA 0x10
#define TRAMPOLINE_CODE64 0x18

#ifndef __ASSEMBLER__

#include <neomem/compiler.h>
#include <neomem/types.h>

#define TRAMPOLINE_GDT_ENTRIES 4u

struct trampoline_args {
    uint32_t cr0, cr3, cr4, efer;
    uint32_t pat_low, pat_high;
    uint32_t far64_offset; /* operand of the far jump into 64-bit code */
    uint16_t far64_selector;
    uint16_t unused1[2];
    uint16_t gdtr_limit; /* 8-byte base right behind the limit, hence the odd place */
    uint32_t gdtr_base_low, gdtr_base_high;
    uint16_t unused2[2];
    uint16_t idtr_limit;
    uint16_t idtr_base[4];
    uint16_t unused3[3];
    uint64_t entry;
    uint64_t stack;
    uint64_t info;
    uint64_t gdt[TRAMPOLINE_GDT_ENTRIES];
};

/* The blob. */
extern const uint8_t trampoline_begin[];
extern const uint8_t trampoline_end[];
extern const uint8_t trampoline_enter64[]; /* where 64-bit code goes on */

/* Jump to the copy of the blob at `code` with `args`; both addresses are below 4 GiB and identity-mapped, now and in
 * the tables that args names. */
void trampoline_jump(uintptr_t code, uintptr_t args) NEO_NORETURN;

#endif
#endif
