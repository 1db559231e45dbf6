/* config.h — build-time knobs: unit, default, range check each. `make NAME=value` overrides.
 * Depends on: nothing. Used by: efi/, kernel/. */
#ifndef NEOMEM_CONFIG_H
#define NEOMEM_CONFIG_H

#define NEOMEM_VERSION "0.1.0"

/* MiB that the kernel heap starts with; it grows on demand. */
#ifndef HEAP_SIZE_MB
#define HEAP_SIZE_MB 1
#endif

/* Frames pre-reserved for page tables and for what must not fail. */
#ifndef PAGE_POOL_SIZE
#define PAGE_POOL_SIZE 64
#endif

/* How closely the page frame allocator looks at what is freed, 0 to 3 (frames.h, frames_set_hardening); the option
 * frames-check changes it at run time. */
#ifndef FRAMES_HARDENING
#define FRAMES_HARDENING 1
#endif

/* 0 no checks beyond the contract, 1 arguments and headers, 2 + poison and caller, 3 + full invariant walk per operation. */
#ifndef DEBUG_MEMORY
#define DEBUG_MEMORY 1
#endif

#ifdef __cplusplus
static_assert(HEAP_SIZE_MB >= 1 && HEAP_SIZE_MB <= 1024, "HEAP_SIZE_MB is 1 to 1024 MiB");
static_assert(PAGE_POOL_SIZE >= 16 && PAGE_POOL_SIZE <= 65536, "PAGE_POOL_SIZE is 16 to 65536 frames");
static_assert(FRAMES_HARDENING >= 0 && FRAMES_HARDENING <= 3, "FRAMES_HARDENING is 0 to 3");
static_assert(DEBUG_MEMORY >= 0 && DEBUG_MEMORY <= 3, "DEBUG_MEMORY is 0 to 3");
#else
_Static_assert(HEAP_SIZE_MB >= 1 && HEAP_SIZE_MB <= 1024, "HEAP_SIZE_MB is 1 to 1024 MiB");
_Static_assert(PAGE_POOL_SIZE >= 16 && PAGE_POOL_SIZE <= 65536, "PAGE_POOL_SIZE is 16 to 65536 frames");
_Static_assert(FRAMES_HARDENING >= 0 && FRAMES_HARDENING <= 3, "FRAMES_HARDENING is 0 to 3");
_Static_assert(DEBUG_MEMORY >= 0 && DEBUG_MEMORY <= 3, "DEBUG_MEMORY is 0 to 3");
#endif

#endif
