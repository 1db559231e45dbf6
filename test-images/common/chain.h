/* chain.h: what a test program needs to be started instead of neomem and to start neomem in turn.
 *
 * Depends on: efi.h. Used by: the test programs. */
#ifndef TEST_IMAGES_CHAIN_H
#define TEST_IMAGES_CHAIN_H

#include <efi.h>

/* The program's own entry; gnu-efi's start-up code calls it in the System V way. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

/* Read a file of the volume that `image` was loaded from, at most capacity - 1 bytes, and end it with NUL.
 * Return: bytes read; 0 when there is no such file. */
UINTN chain_read_file(EFI_SYSTEM_TABLE *system, EFI_HANDLE image, const CHAR16 *path, char *buffer, UINTN capacity);

/* LoadImage of \neomem.efi from that volume. Ends the run when that fails. */
EFI_HANDLE chain_load_neomem(EFI_SYSTEM_TABLE *system, EFI_HANDLE image);

/* StartImage; ends the run with what neomem returned, if it returns. */
void chain_start(EFI_SYSTEM_TABLE *system, EFI_HANDLE neomem, void (*before_report)(void));

/* The words `name=value` of a configuration text, white space between them.
 * chain_word: the value's first character (it ends at white space or NUL), or NULL when the word is not there.
 * chain_number: the number (decimal, or hexadecimal with 0x; suffixes K, M, G), or fallback.
 * chain_has: whether the comma-separated value of `name` contains `item`. */
const char *chain_word(const char *text, const char *name);
UINT64 chain_number(const char *text, const char *name, UINT64 fallback);
BOOLEAN chain_has(const char *text, const char *name, const char *item);

#endif
