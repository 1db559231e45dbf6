/* config_file.h — \neomem.cfg from the volume that the program was loaded from. Read only; nothing is ever written.
 * Depends on: options.h. Used by: entry.c. */
#ifndef EFI_CONFIG_FILE_H
#define EFI_CONFIG_FILE_H

#include "options.h"

/* Read and split the file. No volume (network boot, QEMU's -kernel) or no file is normal and gives no words; a file
 * that cannot be read gives a note. *words gets a buffer of its own, or none. device: LoadedImage->DeviceHandle. */
void config_file_read(void *device, struct option_words *words, struct notes *notes);

#endif
