/* main.c: switches 5-level paging on, then starts \neomem.efi.
 *
 * Newer firmware enters applications with CR4.LA57 set on machines with much memory; the OVMF of Debian 12 never
 * does. This program makes that state, and firmware goes on working in it: its four levels hang below entry 0. */

#include "chain.h"
#include "report.h"

#include <stddef.h>

#define BELOW_4G 0xffffffffull
#define PAGE_BYTES 4096u
#define PAGE_PRESENT_WRITABLE 3u
#define CR3_ADDRESS 0x000ffffffffff000ull
#define CR4_LA57 (1u << 12)

extern const UINT8 la57_begin[], la57_end[];
UINT64 cpu_has_la57(void);
UINT64 cpu_cr3(void);
UINT64 cpu_cr4(void);

static void stop(const char *text)
{
    report_text("la57-shim: ");
    report_text(text);
    report_text("\n");
    report_end(REPORT_EXIT_SETUP);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    /* Reserved, not boot-services memory: the table stays in use until neomem has its own. */
    EFI_PHYSICAL_ADDRESS pages = BELOW_4G;
    EFI_STATUS status = system->BootServices->AllocatePages(AllocateMaxAddress, EfiReservedMemoryType, 2, &pages);

    if (EFI_ERROR(status)) {
        stop("no memory below 4 GiB");
    }
    if (!cpu_has_la57()) {
        stop("this CPU has no 5-level paging");
    }
    UINT64 *pml5 = (UINT64 *)pages;
    UINT8 *code = (UINT8 *)(pages + PAGE_BYTES);
    for (unsigned i = 0; i < PAGE_BYTES / sizeof(*pml5); i++) {
        pml5[i] = 0;
    }
    pml5[0] = (cpu_cr3() & CR3_ADDRESS) | PAGE_PRESENT_WRITABLE;
    const UINTN code_bytes = (UINTN)la57_end - (UINTN)la57_begin;
    for (UINTN i = 0; i < code_bytes; i++) {
        code[i] = la57_begin[i];
    }
    void (*enter)(UINT64 root) = (void (*)(UINT64))(UINTN)code;
    enter((UINT64)(UINTN)pml5);

    if ((cpu_cr4() & CR4_LA57) == 0) {
        stop("CR4.LA57 did not stick");
    }
    report_text("\nla57-shim: 5-level paging is on, CR4 is ");
    report_hex(cpu_cr4());
    report_text("\n");
    chain_start(system, chain_load_neomem(system, image), NULL);
    return EFI_LOAD_ERROR;
}
