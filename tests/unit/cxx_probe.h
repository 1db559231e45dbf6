/* cxx_probe.h — the C++ side of test_cxx_operators.c.
 * Depends on: types.h. Used by: tests/unit. */
#ifndef NEOMEM_TEST_CXX_PROBE_H
#define NEOMEM_TEST_CXX_PROBE_H

#include <neomem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Use every form of new and delete; constructors and destructors have to run as often. Return: NULL, or what went wrong. */
const char *cxx_probe_round_trip(void);
/* Forms that find no memory. nothrow: nullptr; Return: as above. */
const char *cxx_probe_nothrow_without_memory(size_t nbytes);
/* Plain forms, which panic. form: 0 new, 1 new[], 2 aligned new, 3 aligned new[]. */
void cxx_probe_plain_without_memory(unsigned form, size_t nbytes);
void cxx_probe_delete(void *block);

#ifdef __cplusplus
}
#endif

#endif
