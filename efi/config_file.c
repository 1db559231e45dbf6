/* config_file.c — reading neomem.cfg; see config_file.h. Source: UEFI 2.10 13.4, 13.5. */
#include "config_file.h"

#include "firmware.h"

#define READS_MAX 64u /* a driver that returns little each time must end, too */

/* Fill buffer as far as the file reaches. Return: bytes, or -1 when the volume failed. */
static int64_t read_file(EFI_FILE_PROTOCOL *file, uint8_t *buffer, uint64_t capacity)
{
    uint64_t filled = 0;

    for (unsigned reads = 0; reads < READS_MAX && filled < capacity; reads++) {
        UINTN nbytes = capacity - filled;
        if (EFI_ERROR(file->Read(file, &nbytes, buffer + filled)) || nbytes > capacity - filled) {
            return -1;
        }
        if (nbytes == 0) {
            break;
        }
        filled += nbytes;
    }
    return (int64_t)filled;
}

static void read_words(EFI_FILE_PROTOCOL *file, struct option_words *words, struct notes *notes)
{
    /* One byte more than counts, to tell a file that fits from one that is longer. */
    const uint64_t capacity = OPTIONS_FILE_BYTES_MAX + 1;
    uint8_t *content = firmware_allocate(capacity, FIRMWARE_ANYWHERE, EfiLoaderData);
    char *buffer;
    int64_t nbytes;

    if (content == NULL) {
        notes_add(notes, "no memory to read neomem.cfg");
        return;
    }
    nbytes = read_file(file, content, capacity);
    if (nbytes < 0) {
        notes_add(notes, "neomem.cfg cannot be read");
    } else if (nbytes > 0) {
        buffer = firmware_allocate(OPTIONS_WORDS_BYTES(nbytes), FIRMWARE_ANYWHERE, EfiLoaderData);
        if (buffer == NULL) {
            notes_add(notes, "no memory for the words of neomem.cfg");
        } else {
            options_init(words, buffer, OPTIONS_WORDS_BYTES(nbytes));
            options_from_file(words, content, (size_t)nbytes, (uint64_t)nbytes == capacity, notes);
        }
    }
    firmware_release(content);
}

void config_file_read(void *device, struct option_words *words, struct notes *notes)
{
    static EFI_GUID guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    static CHAR16 name[] = L"\\neomem.cfg";
    EFI_FILE_IO_INTERFACE *volume = firmware_protocol(device, &guid);
    EFI_FILE_PROTOCOL *root = NULL;
    EFI_FILE_PROTOCOL *file = NULL;
    EFI_STATUS status;

    if (volume == NULL || volume->OpenVolume == NULL || EFI_ERROR(volume->OpenVolume(volume, &root)) || root == NULL) {
        return;
    }
    status = root->Open(root, &file, name, EFI_FILE_MODE_READ, 0);
    if (!EFI_ERROR(status) && file != NULL) {
        read_words(file, words, notes);
        (void)file->Close(file);
    } else if (status != EFI_NOT_FOUND) {
        notes_add(notes, "neomem.cfg cannot be opened");
    }
    (void)root->Close(root);
}
