/* chain.c: files, options and the start of neomem for the test programs. */

#include "chain.h"

#include "report.h"

#include <neomem/compiler.h>
#include <stddef.h>

static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;

static const CHAR16 neomem_path[] = L"\\neomem.efi";

static void give_up(const char *what, EFI_STATUS status)
{
    report_text("test program: ");
    report_text(what);
    report_text(" failed with ");
    report_hex(status);
    report_text("\n");
    report_end(REPORT_EXIT_SETUP);
}

static EFI_HANDLE volume_of(EFI_SYSTEM_TABLE *system, EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *loaded = NULL;
    EFI_STATUS status = system->BootServices->HandleProtocol(image, &loaded_image_guid, (void **)&loaded);

    if (EFI_ERROR(status)) {
        give_up("LoadedImage", status);
    }
    return loaded->DeviceHandle;
}

UINTN chain_read_file(EFI_SYSTEM_TABLE *system, EFI_HANDLE image, const CHAR16 *path, char *buffer, UINTN capacity)
{
    EFI_FILE_IO_INTERFACE *volume = NULL;
    EFI_FILE_HANDLE root = NULL, file = NULL;
    CHAR16 name[64];
    UINTN i = 0, size = capacity - 1;

    buffer[0] = '\0';
    do {
        name[i] = path[i]; /* Open takes a writable string */
    } while (path[i++] != 0);
    if (EFI_ERROR(
            system->BootServices->HandleProtocol(volume_of(system, image), &file_system_guid, (void **)&volume)) ||
        EFI_ERROR(volume->OpenVolume(volume, &root))) {
        return 0;
    }
    if (EFI_ERROR(root->Open(root, &file, name, EFI_FILE_MODE_READ, 0))) {
        root->Close(root);
        return 0;
    }
    if (EFI_ERROR(file->Read(file, &size, buffer))) {
        size = 0;
    }
    file->Close(file);
    root->Close(root);
    buffer[size] = '\0';
    return size;
}

/* The device path of \neomem.efi: the volume's, with a file path node in place of its end node. */
static UINTN make_path(const EFI_DEVICE_PATH *device, UINT8 *path, UINTN capacity)
{
    const UINT8 *from = (const UINT8 *)device;
    UINTN length = 0;
    const UINTN node = 4 + sizeof(neomem_path);

    while (!(from[length] == END_DEVICE_PATH_TYPE && from[length + 1] == END_ENTIRE_DEVICE_PATH_SUBTYPE)) {
        UINTN step = from[length + 2] | (UINTN)from[length + 3] << 8;
        if (step < 4 || length + step + node + 4 > capacity) {
            give_up("the volume's device path", EFI_BAD_BUFFER_SIZE);
        }
        for (UINTN i = 0; i < step; i++) {
            path[length + i] = from[length + i];
        }
        length += step;
    }
    UINT8 *to = path + length;
    to[0] = MEDIA_DEVICE_PATH;
    to[1] = MEDIA_FILEPATH_DP;
    to[2] = (UINT8)node;
    to[3] = (UINT8)(node >> 8);
    for (UINTN i = 0; i < sizeof(neomem_path); i++) {
        to[4 + i] = ((const UINT8 *)neomem_path)[i];
    }
    to += node;
    to[0] = END_DEVICE_PATH_TYPE;
    to[1] = END_ENTIRE_DEVICE_PATH_SUBTYPE;
    to[2] = 4;
    to[3] = 0;
    return length + node + 4;
}

EFI_HANDLE chain_load_neomem(EFI_SYSTEM_TABLE *system, EFI_HANDLE image)
{
    static UINT8 path[1024] NEO_ALIGNED(8);
    EFI_DEVICE_PATH *device = NULL;
    EFI_HANDLE neomem = NULL;
    EFI_STATUS status =
        system->BootServices->HandleProtocol(volume_of(system, image), &device_path_guid, (void **)&device);

    if (EFI_ERROR(status)) {
        give_up("the volume's DevicePath", status);
    }
    make_path(device, path, sizeof(path));
    status = system->BootServices->LoadImage(FALSE, image, (EFI_DEVICE_PATH *)(void *)path, NULL, 0, &neomem);
    if (EFI_ERROR(status)) {
        give_up("LoadImage of neomem.efi", status);
    }
    return neomem;
}

void chain_start(EFI_SYSTEM_TABLE *system, EFI_HANDLE neomem, void (*before_report)(void))
{
    EFI_STATUS status = system->BootServices->StartImage(neomem, NULL, NULL);

    if (before_report != NULL) {
        before_report();
    }
    report_text("\ntest program: neomem returned ");
    report_hex(status);
    report_text("\n");
    report_end(EFI_ERROR(status) ? REPORT_EXIT_RETURNED : REPORT_EXIT_RETURNED_OK);
}

static BOOLEAN is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

const char *chain_word(const char *text, const char *name)
{
    for (const char *word = text; *word != '\0';) {
        if (is_space(*word)) {
            word++;
            continue;
        }
        const char *n = name, *w = word;
        while (*n != '\0' && *n == *w) {
            n++;
            w++;
        }
        if (*n == '\0' && *w == '=') {
            return w + 1;
        }
        while (*word != '\0' && !is_space(*word)) {
            word++;
        }
    }
    return NULL;
}

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a') + 10;
    }
    return 16;
}

UINT64 chain_number(const char *text, const char *name, UINT64 fallback)
{
    const char *value = chain_word(text, name);
    unsigned base = 10;
    UINT64 number = 0;

    if (value == NULL) {
        return fallback;
    }
    if (value[0] == '0' && value[1] == 'x') {
        base = 16;
        value += 2;
    }
    for (; digit_of(*value) < base; value++) {
        number = number * base + digit_of(*value);
    }
    switch (*value) {
    case 'K':
        return number << 10;
    case 'M':
        return number << 20;
    case 'G':
        return number << 30;
    default:
        return number;
    }
}

BOOLEAN chain_has(const char *text, const char *name, const char *item)
{
    const char *value = chain_word(text, name);

    while (value != NULL && *value != '\0' && !is_space(*value)) {
        const char *i = item;
        while (*i != '\0' && *i == *value) {
            i++;
            value++;
        }
        if (*i == '\0' && (*value == ',' || *value == '\0' || is_space(*value))) {
            return TRUE;
        }
        while (*value != '\0' && *value != ',' && !is_space(*value)) {
            value++;
        }
        value += *value == ',';
    }
    return FALSE;
}
