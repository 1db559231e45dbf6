/* exit.c: the hooked ExitBootServices. It fails with a stale key for as long as it is told, through the real one, so
 * that firmware does what it does on a failed exit; after that, every service but GetMemoryMap and ExitBootServices
 * is a trap (UEFI 2.10, 7.4.6: nothing else may be called then). */

#include "hostile.h"

#include "chain.h"
#include "report.h"

static struct {
    UINT64 failures_left;
    BOOLEAN failed_once;
    EFI_GET_MEMORY_MAP get_memory_map; /* as neomem sees it */
} exit_state;

/* Any number of arguments: in the Microsoft convention the caller owns the stack, so they can be ignored. */
static EFI_STATUS EFIAPI trap_service(void)
{
    hostile_violation("a boot service was called after a failed ExitBootServices");
    return EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI trap_console(SIMPLE_TEXT_OUTPUT_INTERFACE *console, CHAR16 *text)
{
    (void)console;
    (void)text;
    hostile_violation("text output after a failed ExitBootServices");
    return EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI trap_clear(SIMPLE_TEXT_OUTPUT_INTERFACE *console)
{
    (void)console;
    hostile_violation("the screen was cleared after a failed ExitBootServices");
    return EFI_UNSUPPORTED;
}

static EFI_STATUS EFIAPI exit_boot_services(EFI_HANDLE image, UINTN key);

static void set_traps(void)
{
    EFI_BOOT_SERVICES *services = hostile.services;
    void **functions = (void **)&services->RaiseTPL; /* the first after the header */
    void **end = (void **)(void *)(services + 1);

    for (void **f = functions; f < end; f++) {
        *f = (void *)(UINTN)trap_service;
    }
    services->GetMemoryMap = exit_state.get_memory_map;
    services->ExitBootServices = exit_boot_services;
    hostile.system->ConOut->OutputString = trap_console;
    hostile.system->ConOut->ClearScreen = trap_clear;
}

static EFI_STATUS EFIAPI exit_boot_services(EFI_HANDLE image, UINTN key)
{
    BOOLEAN must_fail = exit_state.failures_left > 0;

    /* Firmware's own code runs inside: drivers stop their devices through the same table. */
    hostile_restore();
    EFI_STATUS status = hostile.real.ExitBootServices(image, must_fail ? key ^ 0x5a5a : key);
    if (!EFI_ERROR(status)) {
        return status;
    }
    if (must_fail) {
        exit_state.failures_left--;
    }
    if (!exit_state.failed_once) {
        exit_state.failed_once = TRUE;
        report_text("hostile: ExitBootServices failed\n");
    }
    set_traps();
    return status;
}

void exit_hook(void)
{
    exit_state.failures_left = chain_number(hostile.config, "exit-fail", 0);
    exit_state.get_memory_map = hostile.services->GetMemoryMap;
    hostile.services->ExitBootServices = exit_boot_services;
}
