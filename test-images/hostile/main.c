/* main.c: the order of steps; see hostile.h for the options. */

#include "hostile.h"

#include "chain.h"
#include "report.h"

#define CONFIG_BYTES 4096u

struct hostile hostile;

static void last_words(const char *kind, const char *text)
{
    report_text("\nhostile: ");
    report_text(kind);
    report_text(text);
    report_text("\n");
}

void hostile_give_up(const char *text)
{
    last_words("", text);
    report_end(REPORT_EXIT_SETUP);
}

void hostile_violation(const char *text)
{
    last_words("violation: ", text);
    report_end(REPORT_EXIT_VIOLATION);
}

EFI_PHYSICAL_ADDRESS hostile_pages(EFI_MEMORY_TYPE type, UINT64 npages, EFI_PHYSICAL_ADDRESS limit)
{
    EFI_PHYSICAL_ADDRESS base = limit;
    EFI_ALLOCATE_TYPE how = limit == ~0ull ? AllocateAnyPages : AllocateMaxAddress;

    if (EFI_ERROR(hostile.real.AllocatePages(how, type, npages, &base))) {
        hostile_give_up("firmware has no memory for the test");
    }
    return base;
}

void hostile_restore(void)
{
    const EFI_TABLE_HEADER header = hostile.services->Hdr;

    *hostile.services = hostile.real;
    hostile.services->Hdr = header;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
    static char config[CONFIG_BYTES];

    hostile.system = system;
    hostile.services = system->BootServices;
    hostile.real = *system->BootServices;
    hostile.config = config;
    report_text("\n");
    if (chain_read_file(system, image, L"\\hostile.cfg", config, sizeof(config)) == 0) {
        hostile_give_up("hostile.cfg is missing or empty");
    }

    EFI_HANDLE neomem = chain_load_neomem(system, image);
    if (chain_has(config, "canaries", "on")) {
        canary_plant_everywhere();
    }
    arena_make();
    load_options_lie(neomem);
    tables_lie();
    graphics_lie();
    /* From here on firmware's own code meets the hooks, too: nothing but the start may follow. */
    pages_hook();
    map_hook();
    exit_hook();
    report_text("hostile: starting neomem\n");
    if (chain_has(config, "tpl", "callback")) {
        hostile.real.RaiseTPL(TPL_CALLBACK);
    }
    chain_start(system, neomem, hostile_restore);
    return EFI_LOAD_ERROR;
}
