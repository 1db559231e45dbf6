/* firmware.c — checked wrappers of UEFI services; see firmware.h. Source: UEFI 2.10 chapters 4, 7, 8 and 37. */
#include "firmware.h"

#include "bytes.h"

#define LINE_UNITS 256u

/* EFI_MEMORY_ATTRIBUTE_PROTOCOL (UEFI 2.10 37.10); newer than gnu-efi's headers. */
typedef EFI_STATUS(EFIAPI *memory_attribute_get)(void *self, EFI_PHYSICAL_ADDRESS base, UINT64 nbytes, UINT64 *what);
typedef EFI_STATUS(EFIAPI *memory_attribute_change)(void *self, EFI_PHYSICAL_ADDRESS base, UINT64 nbytes, UINT64 what);
struct memory_attribute_protocol {
    memory_attribute_get get;
    memory_attribute_change set;
    memory_attribute_change clear;
};
#define ATTRIBUTE_XP 0x4000ull
#define ATTRIBUTE_RO 0x20000ull

struct allocation {
    phys_addr_t base;
    uint64_t npages; /* 0: free slot */
};

static struct {
    EFI_HANDLE image;
    EFI_SYSTEM_TABLE *table;
    EFI_BOOT_SERVICES *services; /* NULL once exit has begun */
    struct allocation allocations[FIRMWARE_ALLOCATIONS_MAX];
} firmware;

bool firmware_init(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    if (table == NULL || table->Hdr.Signature != EFI_SYSTEM_TABLE_SIGNATURE || table->BootServices == NULL ||
        table->BootServices->Hdr.Signature != EFI_BOOT_SERVICES_SIGNATURE) {
        return false;
    }
    firmware.image = image;
    firmware.table = table;
    firmware.services = table->BootServices;
    return true;
}

EFI_SYSTEM_TABLE *firmware_table(void)
{
    return firmware.table;
}

EFI_HANDLE firmware_image(void)
{
    return firmware.image;
}

EFI_BOOT_SERVICES *firmware_services(void)
{
    return firmware.services;
}

void firmware_begin_exit(void)
{
    firmware.services = NULL;
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

static struct allocation *find_allocation(phys_addr_t base)
{
    for (unsigned i = 0; i < FIRMWARE_ALLOCATIONS_MAX; i++) {
        if (firmware.allocations[i].npages != 0 && firmware.allocations[i].base == base) {
            return &firmware.allocations[i];
        }
    }
    return NULL;
}

static struct allocation *free_slot(void)
{
    for (unsigned i = 0; i < FIRMWARE_ALLOCATIONS_MAX; i++) {
        if (firmware.allocations[i].npages == 0) {
            return &firmware.allocations[i];
        }
    }
    return NULL;
}

void *firmware_allocate(uint64_t nbytes, phys_addr_t limit, EFI_MEMORY_TYPE type)
{
    struct allocation *slot = free_slot();
    uint64_t npages = bytes_to_pages(nbytes);
    EFI_PHYSICAL_ADDRESS base = min_u64(limit, FIRMWARE_BELOW_4G);
    EFI_STATUS status;

    if (firmware.services == NULL || firmware.services->AllocatePages == NULL || slot == NULL || npages == 0) {
        return NULL;
    }
    status = firmware.services->AllocatePages(AllocateMaxAddress, type, npages, &base);
    if (EFI_ERROR(status) && limit > FIRMWARE_BELOW_4G) {
        base = limit;
        status = firmware.services->AllocatePages(AllocateMaxAddress, type, npages, &base);
    }
    if (EFI_ERROR(status)) {
        return NULL;
    }
    slot->base = base;
    slot->npages = npages;
    if (base == 0 && npages == 1) {
        /* Page 0 is legal memory, but a pointer to it is not: keep it out of the way and ask again. */
        return firmware_allocate(nbytes, limit, type);
    }
    if (base == 0 || !is_aligned(base, PAGE_SIZE) || base + (npages << PAGE_SHIFT) < base ||
        base + (npages << PAGE_SHIFT) - 1 > limit) {
        return NULL; /* not what was asked for; the slot keeps it reserved */
    }
    memset((void *)(uintptr_t)base, 0, npages << PAGE_SHIFT);
    return (void *)(uintptr_t)base;
}

void firmware_release(void *memory)
{
    struct allocation *slot = find_allocation((uintptr_t)memory);

    if (memory == NULL || slot == NULL || firmware.services == NULL || firmware.services->FreePages == NULL) {
        return;
    }
    (void)firmware.services->FreePages(slot->base, slot->npages);
    slot->npages = 0;
}

void firmware_release_all(void)
{
    for (unsigned i = 0; i < FIRMWARE_ALLOCATIONS_MAX; i++) {
        if (firmware.allocations[i].npages != 0) {
            firmware_release((void *)(uintptr_t)firmware.allocations[i].base);
        }
    }
}

bool firmware_allocation(unsigned index, phys_addr_t *base, uint64_t *nbytes)
{
    for (unsigned i = 0; i < FIRMWARE_ALLOCATIONS_MAX; i++) {
        if (firmware.allocations[i].npages != 0 && index-- == 0) {
            *base = firmware.allocations[i].base;
            *nbytes = firmware.allocations[i].npages << PAGE_SHIFT;
            return true;
        }
    }
    return false;
}

static struct memory_attribute_protocol *memory_attributes(void)
{
    static EFI_GUID guid = {0xf4560cf6, 0x40ec, 0x4b4a, {0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89}};
    struct memory_attribute_protocol *protocol = firmware_locate(&guid);

    return protocol != NULL && protocol->set != NULL && protocol->clear != NULL ? protocol : NULL;
}

void firmware_make_executable(void *memory, uint64_t nbytes)
{
    struct memory_attribute_protocol *protocol = memory_attributes();

    if (protocol != NULL) {
        /* Read-only first: no moment at which the page is writable and executable. */
        (void)protocol->set(protocol, (uintptr_t)memory, nbytes, ATTRIBUTE_RO);
        (void)protocol->clear(protocol, (uintptr_t)memory, nbytes, ATTRIBUTE_XP);
    }
}

void firmware_make_writable(void *memory, uint64_t nbytes)
{
    struct memory_attribute_protocol *protocol = memory_attributes();

    if (protocol != NULL) {
        (void)protocol->set(protocol, (uintptr_t)memory, nbytes, ATTRIBUTE_XP);
        (void)protocol->clear(protocol, (uintptr_t)memory, nbytes, ATTRIBUTE_RO);
    }
}

/* ---- protocols --------------------------------------------------------------------------------------------- */

void *firmware_protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    void *interface = NULL;

    if (firmware.services == NULL || firmware.services->HandleProtocol == NULL || handle == NULL ||
        EFI_ERROR(firmware.services->HandleProtocol(handle, guid, &interface))) {
        return NULL;
    }
    return interface;
}

bool firmware_has_protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    void *interface;

    return firmware.services != NULL && firmware.services->HandleProtocol != NULL &&
           !EFI_ERROR(firmware.services->HandleProtocol(handle, guid, &interface));
}

void *firmware_locate(EFI_GUID *guid)
{
    void *interface = NULL;

    if (firmware.services == NULL || firmware.services->LocateProtocol == NULL ||
        EFI_ERROR(firmware.services->LocateProtocol(guid, NULL, &interface))) {
        return NULL;
    }
    return interface;
}

uint64_t firmware_handles(EFI_GUID *guid, EFI_HANDLE **handles)
{
    UINTN count = 0;

    *handles = NULL;
    if (firmware.services == NULL || firmware.services->LocateHandleBuffer == NULL ||
        EFI_ERROR(firmware.services->LocateHandleBuffer(ByProtocol, guid, NULL, &count, handles)) || *handles == NULL) {
        return 0;
    }
    return count;
}

void firmware_free_pool(void *memory)
{
    if (memory != NULL && firmware.services != NULL && firmware.services->FreePool != NULL) {
        (void)firmware.services->FreePool(memory);
    }
}

/* ---- console, time, state ------------------------------------------------------------------------------------ */

bool firmware_has_console(void)
{
    return firmware.services != NULL && firmware.table->ConOut != NULL && firmware.table->ConOut->OutputString != NULL;
}

/* Widen ASCII into units[at…]. Return: the next free index. */
static size_t widen(CHAR16 *units, size_t at, const char *text)
{
    while (*text != '\0' && at < LINE_UNITS - 1) {
        units[at++] = (CHAR16)(uint8_t)*text++;
    }
    units[at] = 0;
    return at;
}

void say(const char *line)
{
    static CHAR16 units[LINE_UNITS];
    size_t length;

    if (!firmware_has_console()) {
        return;
    }
    length = widen(units, 0, "neomem: ");
    length = widen(units, length, line);
    if (length > LINE_UNITS - 3) {
        length = LINE_UNITS - 3;
    }
    widen(units, length, "\r\n");
    (void)firmware.table->ConOut->OutputString(firmware.table->ConOut, units);
}

bool firmware_stall(uint64_t microseconds)
{
    return firmware.services != NULL && firmware.services->Stall != NULL &&
           !EFI_ERROR(firmware.services->Stall(microseconds));
}

void firmware_disable_watchdog(void)
{
    if (firmware.services != NULL && firmware.services->SetWatchdogTimer != NULL) {
        (void)firmware.services->SetWatchdogTimer(0, 0, 0, NULL);
    }
}

uint64_t firmware_settle_priority(void)
{
    EFI_TPL old;

    if (firmware.services->RaiseTPL == NULL || firmware.services->RestoreTPL == NULL) {
        return TPL_APPLICATION;
    }
    /* Raising tells the level. TPL_HIGH_LEVEL is the one level that can be raised to from every other. */
    old = firmware.services->RaiseTPL(TPL_HIGH_LEVEL);
    firmware.services->RestoreTPL(TPL_APPLICATION);
    return old;
}

uint8_t firmware_variable_byte(const char *name, uint8_t fallback)
{
    static EFI_GUID global = EFI_GLOBAL_VARIABLE;
    static CHAR16 units[LINE_UNITS];
    EFI_RUNTIME_SERVICES *runtime = firmware.table->RuntimeServices;
    UINTN nbytes = 1;
    uint8_t value = fallback;

    if (firmware.services == NULL || runtime == NULL || runtime->GetVariable == NULL) {
        return fallback;
    }
    widen(units, 0, name);
    if (EFI_ERROR(runtime->GetVariable(units, &global, NULL, &nbytes, &value)) || nbytes != 1) {
        return fallback;
    }
    return value;
}
