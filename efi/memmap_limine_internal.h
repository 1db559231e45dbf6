/* memmap_limine_internal.h — what the three stages of the conversion share.
 *
 *   read   (memmap_limine.c)        descriptors and claims → spans: typed ranges below 2^phys_bits
 *   sweep  (memmap_limine_sweep.c)  spans → segments: disjoint, each with the one descriptor and claim that own it
 *   emit   (memmap_limine_emit.c)   segments → entries and trims
 *
 * All ends are at most 2^52, so half-open ranges need no care for wrapping after the first stage.
 * Depends on: memmap_limine.h. Used by: the files above. */
#ifndef NEOMEM_EFI_MEMMAP_LIMINE_INTERNAL_H
#define NEOMEM_EFI_MEMMAP_LIMINE_INTERNAL_H

#include "memmap_limine.h"

#define MEMMAP_NONE UINT32_MAX

struct memmap_span {
    uint64_t base, end;
    uint64_t lost_from; /* sweep: where it last stopped (or never began) to be the strictest */
    uint32_t efi_type;  /* descriptors only */
    uint8_t table_type; /* Limine type by the protocol's table */
    uint8_t type;       /* the same after policy */
    uint8_t strictness; /* of type */
    bool guarded;       /* a framebuffer claim must not cover it */
    bool active;        /* sweep: the current address lies in it */
};

struct memmap_event {
    uint64_t at;
    uint32_t span; /* MEMMAP_NONE: a mere cut */
    uint32_t is_end;
};

struct memmap_segment {
    uint64_t base, end;
    uint32_t owner; /* span of the strictest descriptor; MEMMAP_NONE: no descriptor */
    uint32_t claim; /* span of the claim; MEMMAP_NONE: no claim */
};

/* spans[0, descriptors) are descriptors, spans[descriptors, descriptors + claims) are claims in the caller's order. */
struct memmap_job {
    const struct memmap_limine_input *input;
    struct memmap_limine_output *output;
    struct memmap_span *spans;
    uint32_t descriptors; /* that hold bytes */
    uint32_t claims;      /* all of the input's; an unusable one is an empty span */
    struct memmap_event *events;
    uint32_t event_count;
    struct memmap_segment *segments;
    uint32_t segment_count;
    uint32_t *queue; /* binary max-heap of descriptors, strictest first */
    uint32_t queue_count;
    uint32_t active_guards;   /* active spans with guarded set */
    uint64_t active_forced;   /* bit i: claim i is active, of a type that wins over everything */
    uint64_t active_drawable; /* bit i: the same for framebuffer claims */
};

/* Heapsort of count elements of element_bytes, a multiple of 8; counts comparisons. */
typedef bool (*memmap_less_fn)(const void *left, const void *right);
void memmap_sort(void *elements, uint64_t count, uint64_t element_bytes, memmap_less_fn less, uint64_t *comparisons);

void memmap_add_trim(struct memmap_job *job, uint64_t base, uint64_t length, uint32_t efi_type,
                     enum boot_trim_reason reason);
void memmap_sweep(struct memmap_job *job);
void memmap_emit(struct memmap_job *job);

#endif
