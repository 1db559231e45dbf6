/* sort.h — sorting in place.
 * Depends on: types.h. Used by: memory_map, diag. */
#ifndef NEOMEM_SORT_H
#define NEOMEM_SORT_H

#include <neomem/types.h>

/* Heapsort: ascending by compare (< 0, 0, > 0 as in C's qsort). Not stable: where the order of equal elements
 * matters, compare has to look at a second key.
 * base: count elements of element_bytes >= 1 each; NULL is legal when count is 0.
 * Context: any that compare allows. Cost: O(count log count) comparisons, always; no recursion, no allocation. */
void neo_sort(void *base, size_t count, size_t element_bytes, int (*compare)(const void *, const void *));

#endif
