/* mmio_trap.c — single-stepping over accesses to an inaccessible page. */
#include "tests/support/mmio_trap.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define WINDOW_BYTES 4096u
#define ACCESS_BYTES_MAX 8u
#define CANARY 0xc3 /* not 0: the upper bytes of what drivers write are */
#define TRAP_FLAG 0x100
#define PAGE_FAULT_WRITE 2

static struct {
    struct mmio_model model;
    uint8_t *window; /* what the code under test sees */
    uint8_t *shadow; /* the same memory, always accessible */
    size_t offset;
    bool is_write;
} trap;

static void fault(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;
    uintptr_t address = (uintptr_t)info->si_addr;
    uintptr_t window = (uintptr_t)trap.window;
    if (address < window || address >= window + WINDOW_BYTES - ACCESS_BYTES_MAX) {
        signal(signal_number, SIG_DFL); /* a real crash: happens again, without us */
        return;
    }
    trap.offset = address - window;
    trap.is_write = (machine->uc_mcontext.gregs[REG_ERR] & PAGE_FAULT_WRITE) != 0;
    if (trap.is_write) {
        memset(trap.shadow + trap.offset, CANARY, ACCESS_BYTES_MAX);
    } else {
        uint64_t value = trap.model.read(trap.offset);
        memcpy(trap.shadow + trap.offset, &value, ACCESS_BYTES_MAX);
    }
    mprotect(trap.window, WINDOW_BYTES, PROT_READ | PROT_WRITE);
    machine->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void stepped(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;
    (void)signal_number;
    (void)info;
    machine->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    mprotect(trap.window, WINDOW_BYTES, PROT_NONE);
    if (trap.is_write) {
        unsigned width = ACCESS_BYTES_MAX;
        while (width > 1 && trap.shadow[trap.offset + width - 1] == CANARY) {
            width--;
        }
        uint64_t value = 0;
        memcpy(&value, trap.shadow + trap.offset, width);
        trap.model.write(trap.offset, width, value);
    }
}

volatile uint8_t *mmio_trap_open(const struct mmio_model *model)
{
    int file = memfd_create("mmio_trap", 0);
    if (file < 0 || ftruncate(file, WINDOW_BYTES) != 0) {
        abort();
    }
    trap.model = *model;
    trap.window = mmap(NULL, WINDOW_BYTES, PROT_NONE, MAP_SHARED, file, 0);
    trap.shadow = mmap(NULL, WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (trap.window == MAP_FAILED || trap.shadow == MAP_FAILED) {
        abort();
    }
    return trap.window;
}

void mmio_trap_arm(void)
{
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    action.sa_sigaction = stepped;
    sigaction(SIGTRAP, &action, NULL);
}
