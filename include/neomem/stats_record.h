/* stats_record.h — the `stats` record, the same wherever it is written.
 * Depends on: memory.h. Used by: kernel/diag, kernel/shell; implemented by kernel/diag. */
#ifndef NEOMEM_STATS_RECORD_H
#define NEOMEM_STATS_RECORD_H

#include <neomem/memory.h>

/* Every member of *stats by its own name. Context: any. */
void stats_record(const struct memory_stats *stats);

#endif
