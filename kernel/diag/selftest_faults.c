/* selftest_faults.c — every right in the page tables that can be broken is broken, and the CPU must object.
 *
 * Each probe runs under cpu_try; expected are the vector, the meaningful bits of the error code and CR2. The positive
 * twin (that allowed accesses work) is the rest of the kernel running at all. Error-code bits: Intel SDM vol. 3A 4.7. */

#include "selftest_internal.h"

#include <neomem/boot_facts.h>
#include <neomem/cpu.h>
#include <neomem/kernel_image.h>
#include <neomem/memory.h>
#include <neomem/string.h>
#include <neomem/vmm.h>

#define PF_PRESENT 1u
#define PF_WRITE 2u
#define PF_FETCH 16u
#define VECTOR_UD 6u
#define VECTOR_DF 8u
#define VECTOR_SS 12u
#define VECTOR_GP 13u
#define VECTOR_PF 14u

#define OPCODE_RET 0xC3u

static const uint64_t constant_word = 0x6e656f6d656d2121ull;
static const char *const relocated_pointer = "relro";
static uint8_t data_code[16] = {OPCODE_RET};

static void write_to(void *argument)
{
    *(volatile uint8_t *)argument = 0;
}

static void read_from(void *argument)
{
    (void)*(volatile uint8_t *)argument;
}

static void execute_at(void *argument)
{
    void (*function)(void);
    memcpy(&function, &argument, sizeof(function));
    function();
}

static void *pointer_to(virt_addr_t va)
{
    return (void *)(uintptr_t)va;
}

static enum selftest_result expect_page_fault(struct selftest_report *report, void (*probe)(void *), void *target,
                                              uint64_t error_bits)
{
    struct cpu_fault fault;
    if (!cpu_try(probe, target, &fault)) {
        return selftest_fail(report, "no exception at %p", target);
    }
    if (fault.vector != VECTOR_PF || (fault.error_code & (PF_PRESENT | PF_WRITE | PF_FETCH)) != error_bits ||
        fault.cr2 != (uint64_t)(uintptr_t)target) {
        return selftest_fail(report, "%s, error code 0x%llx, cr2 0x%llx, expected #PF 0x%llx at %p",
                             cpu_exception_name(fault.vector), (unsigned long long)fault.error_code,
                             (unsigned long long)fault.cr2, (unsigned long long)error_bits, target);
    }
    return selftest_pass(report, "#PF, error code 0x%llx, cr2 %p", (unsigned long long)fault.error_code, target);
}

static enum selftest_result expect_no_execute(struct selftest_report *report, void *target)
{
    if (!cpu_protection().no_execute) {
        return selftest_skip(report, "this CPU has no NX");
    }
    return expect_page_fault(report, execute_at, target, PF_PRESENT | PF_FETCH);
}

enum selftest_result selftest_fault_text(struct selftest_report *report)
{
    struct vmm_segment segments[KERNEL_SEGMENT_COUNT];
    kernel_image_segments(boot_facts()->kernel_phys_base, segments);
    return expect_page_fault(report, write_to, pointer_to(segments[0].va), PF_PRESENT | PF_WRITE);
}

enum selftest_result selftest_fault_rodata(struct selftest_report *report)
{
    const void *target = &constant_word;
    return expect_page_fault(report, write_to, pointer_to((virt_addr_t)(uintptr_t)target), PF_PRESENT | PF_WRITE);
}

enum selftest_result selftest_fault_relro(struct selftest_report *report)
{
    const void *target = (const void *)&relocated_pointer;
    return expect_page_fault(report, write_to, pointer_to((virt_addr_t)(uintptr_t)target), PF_PRESENT | PF_WRITE);
}

/* The direct map shows the image's own frames too: that alias must not be a way around W^X. */
enum selftest_result selftest_fault_image_alias(struct selftest_report *report)
{
    struct vmm_segment segments[KERNEL_SEGMENT_COUNT];
    struct vm_mapping mapping;
    kernel_image_segments(boot_facts()->kernel_phys_base, segments);
    if (!vmm_query(segments[0].va, &mapping)) {
        return selftest_fail(report, "the kernel's text is not mapped");
    }
    void *alias = phys_to_virt(mapping.pa + (segments[0].va - mapping.va));
    struct vm_mapping alias_mapping;
    bool present = vmm_query((virt_addr_t)(uintptr_t)alias, &alias_mapping);
    return expect_page_fault(report, write_to, alias, present ? PF_PRESENT | PF_WRITE : PF_WRITE);
}

enum selftest_result selftest_fault_execute_data(struct selftest_report *report)
{
    return expect_no_execute(report, data_code);
}

enum selftest_result selftest_fault_execute_stack(struct selftest_report *report)
{
    volatile uint8_t code[16] = {OPCODE_RET};
    return expect_no_execute(report, pointer_to((virt_addr_t)(uintptr_t)code));
}

enum selftest_result selftest_fault_execute_hhdm(struct selftest_report *report)
{
    uint8_t *page = allocate_page();
    if (page == NULL) {
        return selftest_skip(report, "no free frame");
    }
    page[0] = OPCODE_RET;
    enum selftest_result result = expect_no_execute(report, page);
    free_page(page);
    return result;
}

enum selftest_result selftest_fault_guard(struct selftest_report *report)
{
    uint8_t *area = vmm_alloc(2 * PAGE_SIZE, VM_READ_WRITE);
    if (area == NULL) {
        return selftest_skip(report, "no memory for an area");
    }
    enum selftest_result result = expect_page_fault(report, read_from, area - 1, 0);
    if (result == SELFTEST_PASS) {
        result = expect_page_fault(report, write_to, area + 2 * PAGE_SIZE, PF_WRITE);
    }
    vmm_free(area);
    if (result == SELFTEST_PASS) {
        /* Use after unmap must fault as well. */
        result = expect_page_fault(report, read_from, area, 0);
    }
    return result;
}

enum selftest_result selftest_fault_null(struct selftest_report *report)
{
    enum selftest_result result = expect_page_fault(report, write_to, pointer_to(0x18), PF_WRITE);
    return result == SELFTEST_PASS ? expect_page_fault(report, read_from, pointer_to(0), 0) : result;
}

enum selftest_result selftest_fault_non_canonical(struct selftest_report *report)
{
    struct cpu_fault fault;
    if (!cpu_try(read_from, pointer_to(0x0000800000000000ull), &fault)) {
        return selftest_fail(report, "no exception");
    }
    if (fault.vector != VECTOR_GP && fault.vector != VECTOR_SS) {
        return selftest_fail(report, "%s instead of #GP", cpu_exception_name(fault.vector));
    }
    return selftest_pass(report, "%s", cpu_exception_name(fault.vector));
}

static NEO_NOINLINE uint64_t recurse(volatile uint64_t *depth)
{
    volatile uint8_t frame[256];
    frame[0] = (uint8_t)*depth;
    *depth += 1;
    if (*depth == UINT64_MAX) {
        return frame[0];
    }
    return recurse(depth) + frame[0];
}

static void overflow_stack(void *argument)
{
    recurse(argument);
}

/* The push of the #PF frame meets the guard page too, so what arrives is #DF, on its own stack. */
enum selftest_result selftest_fault_stack_overflow(struct selftest_report *report)
{
    volatile uint64_t depth = 0;
    struct cpu_fault fault;
    struct vm_mapping mapping;

    if (!cpu_try(overflow_stack, pointer_to((virt_addr_t)(uintptr_t)&depth), &fault)) {
        return selftest_fail(report, "endless recursion returned");
    }
    if (fault.vector != VECTOR_DF || vmm_query(fault.cr2, &mapping)) {
        return selftest_fail(report, "%s, cr2 0x%llx", cpu_exception_name(fault.vector), (unsigned long long)fault.cr2);
    }
    return selftest_pass(report, "#DF on its own stack after %llu frames, guard page 0x%llx hit",
                         (unsigned long long)depth, (unsigned long long)fault.cr2);
}

static void execute_invalid_opcode(void *argument)
{
    (void)argument;
    __builtin_trap(); /* ud2 */
}

enum selftest_result selftest_fault_invalid_opcode(struct selftest_report *report)
{
    struct cpu_fault fault;
    if (!cpu_try(execute_invalid_opcode, NULL, &fault) || fault.vector != VECTOR_UD) {
        return selftest_fail(report, "ud2 did not raise #UD");
    }
    return selftest_pass(report, "%s at 0x%llx", cpu_exception_name(fault.vector), (unsigned long long)fault.rip);
}
