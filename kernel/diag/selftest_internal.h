/* selftest_internal.h — private to kernel/diag: what a self-test is and how it says what went wrong. */
#ifndef NEOMEM_DIAG_SELFTEST_INTERNAL_H
#define NEOMEM_DIAG_SELFTEST_INTERNAL_H

#include <neomem/compiler.h>
#include <neomem/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum selftest_result { SELFTEST_PASS, SELFTEST_FAIL, SELFTEST_SKIP };

#define SELFTEST_DETAIL_BYTES 200u

/* detail: what was checked (pass), what is wrong (fail) or why it cannot run here (skip). */
struct selftest_report {
    char detail[SELFTEST_DETAIL_BYTES];
};

typedef enum selftest_result selftest_function(struct selftest_report *report);

enum selftest_result selftest_pass(struct selftest_report *report, const char *format, ...) NEO_PRINTF(2, 3);
enum selftest_result selftest_fail(struct selftest_report *report, const char *format, ...) NEO_PRINTF(2, 3);
enum selftest_result selftest_skip(struct selftest_report *report, const char *format, ...) NEO_PRINTF(2, 3);

/* Fill and verify a buffer with a sequence that depends on every byte's position and on the seed. */
void selftest_fill(void *buffer, size_t nbytes, uint64_t seed);
bool selftest_verify(const void *buffer, size_t nbytes, uint64_t seed);

/* selftest_frames.c */
selftest_function selftest_single_frames, selftest_frame_runs, selftest_frame_limits;
/* selftest_frames_windows.c */
selftest_function selftest_frames_windows, selftest_frames_alignment;
/* selftest_frames_nodes.c */
selftest_function selftest_frames_nodes, selftest_frames_distance, selftest_frames_interleave;
/* selftest_frames_all.c */
selftest_function selftest_frames_all;
/* selftest_frames_retire.c */
selftest_function selftest_frames_retire;
/* selftest_heap.c */
selftest_function selftest_heap_small, selftest_heap_large, selftest_heap_mixed, selftest_heap_realloc,
    selftest_heap_aligned, selftest_heap_limits;
/* selftest_faults.c */
selftest_function selftest_fault_text, selftest_fault_rodata, selftest_fault_relro, selftest_fault_execute_data,
    selftest_fault_execute_stack, selftest_fault_execute_hhdm, selftest_fault_guard, selftest_fault_null,
    selftest_fault_non_canonical, selftest_fault_image_alias, selftest_fault_stack_overflow,
    selftest_fault_invalid_opcode;
/* selftest_memory.c */
selftest_function selftest_memory_map, selftest_memory_backed, selftest_page_rights, selftest_image_rights,
    selftest_lower_half;
/* selftest_strings.c */
selftest_function selftest_fill_and_copy;
/* selftest_cxx.cpp */
selftest_function selftest_cxx;

#ifdef __cplusplus
}
#endif

#endif
