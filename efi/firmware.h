/* firmware.h — UEFI boot services behind checked wrappers: the only file that calls them, with exit.c for the last two.
 *
 * After the first ExitBootServices, failed or not, only GetMemoryMap and ExitBootServices may be called (UEFI 2.10
 * 7.4.6; docs/takeover.md D2): firmware_begin_exit() closes every wrapper here, and what is called after it fails instead of
 * reaching firmware. A service pointer that is NULL counts as a service that failed.
 *
 * Memory: everything that is allocated here is remembered, so that it can all be given back on a refusal, and so that
 * the memory map can be told that it belongs to the hand-over.
 *
 * Depends on: gnu-efi's headers. Used by: all of efi/ that is not pure. */
#ifndef EFI_FIRMWARE_H
#define EFI_FIRMWARE_H

#include <efi.h>
#include <neomem/compiler.h>
#include <neomem/types.h>

#define FIRMWARE_BELOW_4G 0xFFFFFFFFull
/* Below 4 GiB if there is room, since firmware need not map more than that 1:1, else below the top of what the HHDM shows. */
#define FIRMWARE_ANYWHERE ((1ull << 46) - 1)
#define FIRMWARE_ALLOCATIONS_MAX 32u

/* Return: false when table is not a system table; nothing else may be called then. */
bool firmware_init(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);
EFI_SYSTEM_TABLE *firmware_table(void);
EFI_HANDLE firmware_image(void);

/* Boot services for exit.c. */
EFI_BOOT_SERVICES *firmware_services(void);
/* From here on every wrapper fails. */
void firmware_begin_exit(void);

/* ---- memory -------------------------------------------------------------------------------------------- */

/* Zeroed whole pages of the given type whose last byte is not above limit. Return: identity-mapped pointer; NULL when
 * firmware has none. Owner: the hand-over, or firmware_release(_all). */
void *firmware_allocate(uint64_t nbytes, phys_addr_t limit, EFI_MEMORY_TYPE type);
/* memory: from firmware_allocate, or NULL. */
void firmware_release(void *memory);
void firmware_release_all(void);

/* The live allocations. Return: false when index is beyond the last. */
bool firmware_allocation(unsigned index, phys_addr_t *base, uint64_t *nbytes);

/* EFI_MEMORY_ATTRIBUTE_PROTOCOL, where firmware has it: make a range read-only and executable, or read-write again.
 * Without the protocol nothing happens: such firmware does not enforce rights on loader code. */
void firmware_make_executable(void *memory, uint64_t nbytes);
void firmware_make_writable(void *memory, uint64_t nbytes);

/* ---- protocols ----------------------------------------------------------------------------------------- */

/* Return: the interface, or NULL. */
void *firmware_protocol(EFI_HANDLE handle, EFI_GUID *guid);
void *firmware_locate(EFI_GUID *guid);
/* Does the handle carry it, if only as a mark without an interface? */
bool firmware_has_protocol(EFI_HANDLE handle, EFI_GUID *guid);
/* All handles that carry a protocol. Return: their number; *handles is from firmware's pool, for firmware_free_pool. */
uint64_t firmware_handles(EFI_GUID *guid, EFI_HANDLE **handles);
void firmware_free_pool(void *memory);

/* ---- console, time, state ---------------------------------------------------------------------------------- */

/* "neomem: <line>" on the firmware's console, if it has one. ASCII. */
void say(const char *line);
bool firmware_has_console(void);
/* Return: false when firmware has no working Stall. */
bool firmware_stall(uint64_t microseconds);
void firmware_disable_watchdog(void);
/* Task priority level on entry; brings it to TPL_APPLICATION, where ExitBootServices must be called. */
uint64_t firmware_settle_priority(void);
/* One byte of a UEFI variable of the global namespace; fallback when it is not there. */
uint8_t firmware_variable_byte(const char *name, uint8_t fallback);

#endif
