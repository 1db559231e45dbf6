/* mm_internal.h — the lock order of kernel/mm.
 *
 *   1 vmm.lock          kernel tables, areas
 *   2 heap.lock         store, page-run records
 *   3 frames.add_lock   one frames_add at a time
 *   4 frames.lock       spans and bitmap; leaf
 * A lock may be taken while those with smaller numbers are held, never the other way round. All are IRQ-saving
 * (spinlock.h); each is dropped before a panic, so that reports can still ask for figures. */
#ifndef NEOMEM_MM_INTERNAL_H
#define NEOMEM_MM_INTERNAL_H

#include <neomem/spinlock.h>

#endif
