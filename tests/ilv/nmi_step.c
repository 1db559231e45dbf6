/* nmi_step.c — a call of the frame allocator interrupted after each of its machine instructions, once, by another call
 * on the same CPU: what an NMI handler that allocates or frees does to the per-CPU caches, which no atomic access
 * protects.
 *
 *     nmi_step                   what uses the caches: what `make test` runs
 *     nmi_step --long            every pair of calls in every situation
 *     nmi_step --keep-going …    not only up to the first that goes wrong
 *     nmi_step --scene TEXT      one scene (scene.h), written as an interrupt: "cached:full:one^free-one"
 *
 * The CPU's trap flag raises SIGTRAP after each instruction (Intel SDM vol. 3B 17.3.2). For instruction k the handler
 *   1 keeps registers, the call's stack and the machine,
 *   2 makes the nested call,
 *   3 lets the first one run to its end;
 * then the oracle judges, everything is put back to 1, and the next instruction is made. So one pass over the call
 * costs one run for each instruction. Only instructions of the allocator are interrupted; its objects are compiled as
 * for the kernel (general registers only: no vector state is alive there) into the section frames_text. A nested call
 * that waits for what the interrupted one holds is found by an alarm (of CPU time). Exit status: 0 nothing found, 1
 * something found, 2 usage. */

#include "scene.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES (128u * 1024u)
#define TRAP_FLAG 0x100
#define RED_ZONE 128u
#define STUCK_MICROSECONDS 300000
#define TEXT_BYTES 256u

extern unsigned char __start_frames_text[], __stop_frames_text[];

enum mode {
    MODE_OFF,
    MODE_READY,    /* the next call of the allocator is stepped through */
    MODE_START,    /* the next trap turns stepping on */
    MODE_STEPPING, /* each trap in the allocator is a place for the nested call */
    MODE_RESUME,   /* the next trap goes back to where the nested call was made */
};

static struct {
    const struct scene *scene;
    const struct thread_plan *plans;
    volatile enum mode mode;
    volatile bool has_nested; /* since the start, or since the last resumption */
    bool keeps_going, found;
    jmp_buf home;
    ucontext_t created, creator;
    gregset_t registers;
    greg_t entry_stack, kept_entry_stack; /* stack pointer on entry into the allocator; 0: not there yet */
    unsigned char *stack_at;              /* lowest byte that was kept */
    uintptr_t place;                      /* instruction before which the nested call was made */
    uint64_t places, scenes;
    const char *wrong;
    unsigned char stack[STACK_BYTES] __attribute__((aligned(64)));
    unsigned char kept_stack[STACK_BYTES];
    unsigned char handler_stack[STACK_BYTES];
} stepper RUNNER_STATE;

static void report(const char *wrong)
{
    char text[TEXT_BYTES];
    scene_print(stepper.scene, text, sizeof(text));
    (void)printf(
        "WRONG: %s\n  interrupted before address %#lx (addr2line -ife nmi_step)\n  see it: nmi_step --scene '%s'\n",
        wrong, (unsigned long)stepper.place, text);
    if (world_panic_text()[0] != '\0') {
        (void)printf("  panic: %s\n", world_panic_text());
    }
    (void)fflush(stdout);
}

/* Out of whatever is going on, handlers included. */
static void abandon(const char *wrong)
{
    sigset_t none;
    (void)sigemptyset(&none);
    stepper.mode = MODE_OFF;
    stepper.wrong = wrong;
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    _longjmp(stepper.home, 1);
}

static void on_panic(void)
{
    abandon("a correct call was refused");
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    abandon("the nested call waits for the interrupted one");
}

/* ---- traps ------------------------------------------------------------------------------------------------------- */

static void nest_here(const greg_t *registers)
{
    stepper.place = (uintptr_t)registers[REG_RIP];
    stepper.places++;
    stepper.has_nested = true;
    memcpy(stepper.registers, registers, sizeof(stepper.registers));
    stepper.kept_entry_stack = stepper.entry_stack;
    stepper.stack_at = (unsigned char *)(uintptr_t)registers[REG_RSP] - RED_ZONE;
    memcpy(stepper.kept_stack, stepper.stack_at, (size_t)(stepper.stack + STACK_BYTES - stepper.stack_at));
    world_checkpoint();
    stepper.mode = MODE_OFF;
    stepper.plans[1].run(1);
}

/* After an instruction. Return: whether to go on stepping. */
static bool step(const greg_t *registers)
{
    uintptr_t place = (uintptr_t)registers[REG_RIP];
    bool is_inside = place >= (uintptr_t)__start_frames_text && place < (uintptr_t)__stop_frames_text;
    if (is_inside) {
        if (stepper.entry_stack == 0) {
            stepper.entry_stack = registers[REG_RSP];
        }
        nest_here(registers);
        return false;
    }
    /* Not there yet, in something it calls, or back from it. */
    if (stepper.entry_stack != 0 && registers[REG_RSP] > stepper.entry_stack) {
        stepper.mode = MODE_READY;
        return false;
    }
    return true;
}

static void on_trap(int signal_number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    greg_t *registers = context->uc_mcontext.gregs;
    bool goes_on = false;
    (void)signal_number;
    (void)info;
    switch (stepper.mode) {
    case MODE_OFF:
    case MODE_READY:
        break;
    case MODE_START:
        stepper.mode = MODE_STEPPING;
        stepper.entry_stack = 0;
        goes_on = true;
        break;
    case MODE_STEPPING:
        goes_on = step(registers);
        break;
    case MODE_RESUME:
        memcpy(registers, stepper.registers, sizeof(stepper.registers));
        stepper.entry_stack = stepper.kept_entry_stack;
        stepper.mode = MODE_STEPPING;
        goes_on = true;
        break;
    }
    if (goes_on) {
        registers[REG_EFL] |= TRAP_FLAG;
    } else {
        registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    }
}

static void on_enter(void)
{
    if (stepper.mode == MODE_READY) {
        stepper.mode = MODE_START;
        (void)raise(SIGTRAP);
    }
}

/* ---- one scene --------------------------------------------------------------------------------------------------- */

static void call(void)
{
    stepper.plans[0].run(0);
    stepper.mode = MODE_OFF;
    _longjmp(stepper.home, 1);
}

static void start_call(enum mode mode)
{
    stepper.mode = mode;
    stepper.has_nested = false;
    getcontext(&stepper.created);
    stepper.created.uc_stack.ss_sp = stepper.stack;
    stepper.created.uc_stack.ss_size = STACK_BYTES;
    makecontext(&stepper.created, call, 0);
    swapcontext(&stepper.creator, &stepper.created);
}

static void resume_call(void)
{
    world_rewind();
    memcpy(stepper.stack_at, stepper.kept_stack, (size_t)(stepper.stack + STACK_BYTES - stepper.stack_at));
    stepper.has_nested = false;
    stepper.mode = MODE_RESUME;
    (void)raise(SIGTRAP);
}

/* What the call makes metadata belongs to the machine, too. */
static void learn(void)
{
    world_restore();
    if (_setjmp(stepper.home) == 0) {
        start_call(MODE_OFF);
    }
    world_learn();
}

static void wind_alarm(suseconds_t microseconds)
{
    const struct itimerval time = {.it_value = {.tv_usec = microseconds}};
    (void)setitimer(ITIMER_PROF, &time, NULL);
}

/* Return: what is wrong, or NULL. */
static const char *step_through(const struct scene *scene)
{
    stepper.scene = scene;
    stepper.plans = scene_prepare(scene);
    stepper.scenes++;
    stepper.wrong = NULL;
    wind_alarm(STUCK_MICROSECONDS);
    learn();
    if (_setjmp(stepper.home) == 0) {
        world_restore();
        start_call(MODE_READY);
    }
    /* The call has ended, interrupted once; or not any more: then its last instruction is behind us. */
    wind_alarm(STUCK_MICROSECONDS);
    if (stepper.wrong == NULL) {
        stepper.wrong = scene_verdict(stepper.scene, stepper.places % 8 == 0);
    }
    if (stepper.wrong == NULL && stepper.has_nested) {
        resume_call();
    }
    wind_alarm(0);
    if (stepper.wrong != NULL) {
        report(stepper.wrong);
    }
    return stepper.wrong;
}

/* ---- all scenes -------------------------------------------------------------------------------------------------- */

static bool step_through_text(const char *mode, const char *situation, const char *first, const char *second)
{
    struct scene scene;
    char text[TEXT_BYTES];
    (void)snprintf(text, sizeof(text), "%s:%s:%s^%s", mode, situation, first, second);
    if (!scene_parse(text, &scene)) {
        (void)fprintf(stderr, "nmi_step: %s is no scene\n", text);
        exit(2);
    }
    stepper.found = step_through(&scene) != NULL || stepper.found;
    return !stepper.found || stepper.keeps_going;
}

/* What uses the per-CPU caches, interrupted by what uses them. */
static bool step_through_caches(void)
{
    static const char *const situations[] = {"fresh", "full", "huge"};
    static const char *const first[] = {"one",      "one-warm", "run-3",         "2m",        "free-2m+2m",
                                        "free-one", "free-run", "free-part-one", "free-last", "drain"};
    static const char *const second[] = {"one", "run-3", "2m", "free-2m", "free-one", "free-last", "drain"};
    for (unsigned i = 0; i < ARRAY_COUNT(situations); i++) {
        for (unsigned k = 0; k < ARRAY_COUNT(first); k++) {
            for (unsigned l = 0; l < ARRAY_COUNT(second); l++) {
                if (!step_through_text("cached", situations[i], first[k], second[l])) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool step_through_all(void)
{
    for (unsigned mode = 0; mode < scene_modes(); mode++) {
        for (unsigned situation = 0; situation < scene_situations(); situation++) {
            for (unsigned first = 0; first < scene_kinds(); first++) {
                for (unsigned second = 0; second < scene_kinds(); second++) {
                    struct scene scene = {mode, situation, 2, {1, 1, 0}, {{first}, {second}}, true};
                    bool is_chosen =
                        (scene_kind_is_general(first) || scene_kind_nests(first)) && scene_kind_nests(second);
                    stepper.found = (is_chosen && step_through(&scene) != NULL) || stepper.found;
                    if (stepper.found && !stepper.keeps_going) {
                        return false;
                    }
                }
            }
        }
    }
    return true;
}

static void catch_signals(void)
{
    stack_t stack = {.ss_sp = stepper.handler_stack, .ss_size = sizeof(stepper.handler_stack)};
    struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction alarm_clock = {.sa_handler = on_alarm};
    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGTRAP, &trap, NULL) != 0 ||
        sigaction(SIGPROF, &alarm_clock, NULL) != 0) {
        perror("nmi_step");
        exit(2);
    }
    world_on_panic(on_panic);
    world_on_enter(on_enter);
}

int main(int argc, char **argv)
{
    catch_signals();
    struct scene scene;
    if (argc > 1 && strcmp(argv[1], "--keep-going") == 0) {
        stepper.keeps_going = true;
        argc--;
        argv++;
    }
    if (argc == 3 && strcmp(argv[1], "--scene") == 0) {
        if (!scene_parse(argv[2], &scene) || !scene.last_interrupts) {
            (void)fprintf(stderr, "nmi_step: %s is no scene with an interrupt\n", argv[2]);
            return 2;
        }
        stepper.found = step_through(&scene) != NULL;
    } else if (argc == 2 && strcmp(argv[1], "--long") == 0) {
        (void)step_through_all();
    } else if (argc == 1) {
        (void)step_through_caches();
    } else {
        (void)fprintf(stderr, "usage: nmi_step [--keep-going] [--long | --scene TEXT]\n");
        return 2;
    }
    (void)printf("%llu calls on top of calls, at each of %llu instructions\n", (unsigned long long)stepper.scenes,
                 (unsigned long long)stepper.places);
    return stepper.found ? 1 : 0;
}
