/* exit.c — GetMemoryMap and ExitBootServices; see exit.h and docs/takeover.md D. Source: UEFI 2.10 7.2.3, 7.4.6. */
#include "exit.h"

#include "cpu.h"
#include "firmware.h"

#define ATTEMPTS_MAX 64u
#define STRIDE_MIN sizeof(EFI_MEMORY_DESCRIPTOR) /* 40; firmware may use more, EDK2 does on purpose */
#define STRIDE_MAX 4096u
#define STRIDE_USUAL 48u
#define DESCRIPTORS_MIN 1024u
#define DESCRIPTORS_SLACK 32u
#define MAP_BYTES_MAX MIB(16) /* a size wanted above this is not a size */

_Static_assert(sizeof(EFI_MEMORY_DESCRIPTOR) == 40, "UEFI 2.10 7.2.3");

/* One GetMemoryMap. The size goes in as the capacity every time, because firmware overwrites it (D4), and nothing that
 * came back is believed after a failure: some firmware leaves the descriptor size unset then. */
static enum exit_result read_map(EFI_BOOT_SERVICES *services, struct memory_map *map, uint64_t *wanted, UINTN *key)
{
    UINTN used = map->capacity;
    UINTN stride = 0;
    UINT32 version = 0;
    EFI_STATUS status;

    map->used = 0;
    *wanted = 0;
    status = services->GetMemoryMap(&used, (EFI_MEMORY_DESCRIPTOR *)(void *)map->bytes, key, &stride, &version);
    if (status == EFI_BUFFER_TOO_SMALL && used <= MAP_BYTES_MAX) {
        *wanted = used;
        return EXIT_MAP_TOO_SMALL;
    }
    if (EFI_ERROR(status) || stride < STRIDE_MIN || stride > STRIDE_MAX || used > map->capacity || used < stride) {
        return EXIT_MAP_UNUSABLE;
    }
    map->used = used;
    map->stride = stride;
    map->version = version;
    return EXIT_DONE;
}

enum exit_result exit_read_map(struct memory_map *map, uint64_t *wanted)
{
    EFI_BOOT_SERVICES *services = firmware_services();
    UINTN key;

    if (services == NULL || services->GetMemoryMap == NULL) {
        return EXIT_MAP_UNUSABLE;
    }
    return read_map(services, map, wanted, &key);
}

uint64_t exit_map_capacity(uint64_t wanted, uint64_t stride)
{
    if (stride < STRIDE_USUAL || stride > STRIDE_MAX) {
        stride = STRIDE_USUAL;
    }
    return max_u64(DESCRIPTORS_MIN * stride, 2 * wanted + DESCRIPTORS_SLACK * stride);
}

enum exit_result exit_boot_services(struct memory_map *map, uint64_t *wanted, uint32_t *attempts, uint64_t *tsc)
{
    EFI_BOOT_SERVICES *services = firmware_services();
    EFI_HANDLE image = firmware_image();

    *attempts = 0;
    if (services == NULL || services->GetMemoryMap == NULL || services->ExitBootServices == NULL) {
        return EXIT_MAP_UNUSABLE;
    }
    for (unsigned turn = 0; turn < ATTEMPTS_MAX; turn++) {
        UINTN key = 0;
        enum exit_result result = read_map(services, map, wanted, &key);

        if (result != EXIT_DONE && *attempts == 0) {
            return result;
        }
        /* After the first failed exit firmware has begun to shut down: no memory can be had any more, so a map
         * that does not fit or makes no sense only costs a turn. */
        if (result != EXIT_DONE) {
            continue;
        }
        firmware_begin_exit();
        ++*attempts;
        if (!EFI_ERROR(services->ExitBootServices(image, key))) {
            *tsc = cpu_tsc();
            cpu_interrupts_off();
            return EXIT_DONE;
        }
    }
    cpu_interrupts_off();
    return EXIT_REFUSED;
}
