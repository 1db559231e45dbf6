/* exceptions.c — what happens when the CPU objects.
 *
 * Every exception that nobody asked for is a bug: the handler dumps all registers, says in words what a page
 * fault was about, and panics with the interrupted frame pointer as the start of the backtrace. An
 * exception inside cpu_try ends the tried function instead. The one event that simply returns is an
 * interrupt from a vector that nobody enabled (interrupts stay off; their sources are masked during start-up). */

#include "exceptions.h"
#include "x86.h"

#include <neomem/console.h>
#include <neomem/cpu.h>
#include <neomem/panic.h>
#include <neomem/printf.h>

static const char *const names[EXCEPTION_COUNT] = {
    "#DE divide error",
    "#DB debug",
    "NMI",
    "#BP breakpoint",
    "#OF overflow",
    "#BR bound range",
    "#UD invalid opcode",
    "#NM no FPU",
    "#DF double fault",
    "coprocessor overrun",
    "#TS invalid TSS",
    "#NP segment not present",
    "#SS stack fault",
    "#GP general protection",
    "#PF page fault",
    "reserved 15",
    "#MF x87 error",
    "#AC alignment check",
    "#MC machine check",
    "#XM SIMD error",
    "#VE virtualization",
    "#CP control protection",
    "reserved 22",
    "reserved 23",
    "reserved 24",
    "reserved 25",
    "reserved 26",
    "reserved 27",
    "#HV hypervisor injection",
    "#VC VMM communication",
    "#SX security",
    "reserved 31",
};

static struct {
    bool active;
    uint64_t saved_rsp;
    struct cpu_fault fault;
} attempt;

/* Set for good by the first exception that is reported. */
static bool is_reporting;

const char *cpu_exception_name(uint64_t vector)
{
    return vector < EXCEPTION_COUNT ? names[vector] : "unexpected interrupt";
}

/* Intel SDM vol. 3A 4.7. TCG and some CPUs leave P clear with RSVD set, so RSVD is looked at first. */
const char *cpu_describe_page_fault(uint64_t error_code, uint64_t cr2, char *buffer, size_t capacity)
{
    const char *who = (error_code & 4) ? "user" : "kernel";
    const char *what = (error_code & 16) ? "instruction fetch from" : (error_code & 2) ? "write to" : "read of";
    const char *why = (error_code & 1) ? "a page that does not allow it" : "a page that is not mapped";

    if (error_code & 8) {
        why = "a page-table entry with reserved bits set (corrupt table)";
    } else if (error_code & 32) {
        why = "a page whose protection key forbids it";
    } else if (error_code & 64) {
        why = "a shadow-stack page";
    }
    const char *hint = cr2 < PAGE_SIZE ? " (null pointer plus an offset)" : "";
    neo_snprintf(buffer, capacity, "%s %s 0x%016llx, %s%s", who, what, (unsigned long long)cr2, why, hint);
    return buffer;
}

static void dump_registers(const struct exception_frame *frame)
{
    const struct {
        const char *name;
        uint64_t value;
    } registers[] = {
        {"rax", frame->rax},     {"rbx", frame->rbx},        {"rcx", frame->rcx},     {"rdx", frame->rdx},
        {"rsi", frame->rsi},     {"rdi", frame->rdi},        {"rbp", frame->rbp},     {"rsp", frame->rsp},
        {"r8 ", frame->r8},      {"r9 ", frame->r9},         {"r10", frame->r10},     {"r11", frame->r11},
        {"r12", frame->r12},     {"r13", frame->r13},        {"r14", frame->r14},     {"r15", frame->r15},
        {"rip", frame->rip},     {"flg", frame->rflags},     {"cs ", frame->cs},      {"ss ", frame->ss},
        {"cr0", x86_read_cr0()}, {"cr2", x86_read_cr2()},    {"cr3", x86_read_cr3()}, {"cr4", x86_read_cr4()},
        {"vec", frame->vector},  {"err", frame->error_code},
    };
    for (size_t i = 0; i < ARRAY_COUNT(registers); i++) {
        kprintf("  %s %016llx%s", registers[i].name, (unsigned long long)registers[i].value,
                i % 4 == 3 || i + 1 == ARRAY_COUNT(registers) ? "\n" : "");
    }
}

static void end_attempt(struct exception_frame *frame)
{
    attempt.active = false;
    attempt.fault = (struct cpu_fault){frame->vector, frame->error_code, frame->rip, x86_read_cr2()};
    frame->rip = (uint64_t)(uintptr_t)cpu_try_recover;
    frame->rsp = attempt.saved_rsp;
    frame->cs = SELECTOR_KERNEL_CODE;
    frame->ss = SELECTOR_KERNEL_DATA;
    frame->rflags &= ~(1ull << 8); /* no single-stepping on from a probe */
}

void exception_handler(struct exception_frame *frame)
{
    if (frame->vector >= EXCEPTION_COUNT) {
        return;
    }
    if (attempt.active && frame->vector != EXCEPTION_NMI && frame->vector != EXCEPTION_MACHINE_CHECK) {
        end_attempt(frame);
        return;
    }
    struct panic_context context = {
        .has_exception = true,
        .vector = frame->vector,
        .error_code = frame->error_code,
        .rip = frame->rip,
        .cr2 = x86_read_cr2(),
        .frame_pointer = frame->rbp,
    };
    /* From here on no fault is expected, and one while this report is being made must not start it again. */
    bool is_first = !is_reporting && !panic_in_progress();
    is_reporting = true;
    attempt.active = false;
    if (is_first) {
        console_enter_panic();
        kprintf("\n");
        dump_registers(frame);
    }
    if (frame->vector == EXCEPTION_PAGE_FAULT || frame->vector == EXCEPTION_DOUBLE_FAULT) {
        char words[160];
        cpu_describe_page_fault(frame->error_code, context.cr2, words, sizeof(words));
        if (frame->vector == EXCEPTION_PAGE_FAULT) {
            panic_with_context(&context, "%s: %s", names[EXCEPTION_PAGE_FAULT], words);
        }
        panic_with_context(&context, "%s, cr2 0x%016llx (a stack overflow when that is a guard page)",
                           names[EXCEPTION_DOUBLE_FAULT], (unsigned long long)context.cr2);
    }
    panic_with_context(&context, "%s, error code 0x%llx", cpu_exception_name(frame->vector),
                       (unsigned long long)frame->error_code);
}

bool cpu_try(void (*function)(void *argument), void *argument, struct cpu_fault *fault)
{
    BUG_ON(attempt.active);
    attempt.active = true;
    bool faulted = cpu_try_call(function, argument, &attempt.saved_rsp);
    attempt.active = false;
    if (faulted) {
        *fault = attempt.fault;
    }
    return faulted;
}
