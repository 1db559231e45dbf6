/* mm_internal.h — the lock order of kernel/mm.
 *
 *   1 vmm.lock              kernel tables, areas
 *   2 heap.lock             store, page-run records
 *   3 list.lock             of frames_pool_limit.c: which pools there are
 *   4 pool->lock            of a frames_pool: its stack and figures; no two pools at once
 *   5 frames_.change_lock   layout, book, growth, retirement of frames; allocating and freeing take no lock
 *   6 frames_.inject_lock   leaf
 * A lock may be taken while those with smaller numbers are held, never the other way round. All are IRQ-saving
 * (spinlock.h); each is dropped before a panic, so that reports can still ask for figures. */
#ifndef NEOMEM_MM_INTERNAL_H
#define NEOMEM_MM_INTERNAL_H

#include <neomem/spinlock.h>

#endif
