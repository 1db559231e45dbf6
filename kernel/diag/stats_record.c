/* stats_record.c — struct memory_stats as one record. */

#include <neomem/record.h>
#include <neomem/stats_record.h>

void stats_record(const struct memory_stats *stats)
{
    struct record record;
    record_begin(&record, "stats");
    record_number(&record, "total_physical", stats->total_physical);
    record_number(&record, "available_physical", stats->available_physical);
    record_number(&record, "kernel_heap_used", stats->kernel_heap_used);
    record_number(&record, "pages_allocated", stats->pages_allocated);
    record_number(&record, "kernel_heap_size", stats->kernel_heap_size);
    record_number(&record, "heap_blocks", stats->heap_blocks);
    record_number(&record, "page_tables", stats->page_tables);
    record_number(&record, "largest_free_run", stats->largest_free_run);
    record_number(&record, "metadata_bytes", stats->metadata_bytes);
    record_number(&record, "reclaimable", stats->reclaimable);
    record_number(&record, "frames_reserve", stats->frames_reserve);
    record_number(&record, "frames_metadata", stats->frames_metadata);
    record_number(&record, "frames_retired", stats->frames_retired);
    record_number(&record, "frames_cached", stats->frames_cached);
    record_number(&record, "frames_free_2m", stats->frames_free_2m);
    record_number(&record, "frames_free_1g", stats->frames_free_1g);
    record_end(&record);
}
