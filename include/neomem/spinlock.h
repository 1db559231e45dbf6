/* spinlock.h — fair lock that keeps interrupts off while it is held.
 *
 * A ticket lock: CPUs get it in the order they asked. Taking saves and disables interrupts first, so an interrupt on the
 * same CPU can never wait for what it interrupted. From DEBUG_MEMORY 1 on a CPU that takes a lock it already holds, or
 * gives back one that it does not hold, panics instead of spinning for ever.
 *
 * Memory order: acquire on the ticket that is served, release when the next one is: what happened under the lock is seen
 * by the next holder. `owner` is relaxed: a CPU only compares it with its own number, which only that CPU writes.
 * Context: any interrupt level, not NMI. A zeroed struct is an unlocked lock.
 * Depends on: arch.h, panic.h, config.h. Used by: kernel/mm. */
#ifndef NEOMEM_SPINLOCK_H
#define NEOMEM_SPINLOCK_H

#include <config.h>
#include <neomem/arch.h>
#include <neomem/panic.h>
#include <neomem/types.h>
#include <stdatomic.h>

struct spinlock {
    _Atomic uint32_t next;    /* ticket for whoever comes next */
    _Atomic uint32_t serving; /* ticket that holds the lock; equal to next: nobody does */
    _Atomic uint32_t owner;   /* CPU number + 1; 0: nobody */
};

static inline void spin_claim(struct spinlock *lock)
{
    atomic_store_explicit(&lock->owner, arch_cpu_id() + 1, memory_order_relaxed);
}

/* Return: the interrupt state to give to spin_unlock. Cost: waits for the holders before. */
static inline arch_irq_state_t spin_lock(struct spinlock *lock)
{
    arch_irq_state_t state = arch_irq_save();
#if DEBUG_MEMORY >= 1
    if (NEO_UNLIKELY(atomic_load_explicit(&lock->owner, memory_order_relaxed) == arch_cpu_id() + 1)) {
        panic("lock %p taken twice by CPU %u", (void *)lock, arch_cpu_id());
    }
#endif
    uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
    while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket) {
        arch_cpu_relax();
    }
    spin_claim(lock);
    return state;
}

/* Take the lock only when it is free at once. Return: false, interrupts as before, when it is not (also when this CPU
 * holds it): for reports that must not wait. */
static inline bool spin_try_lock(struct spinlock *lock, arch_irq_state_t *state)
{
    arch_irq_state_t saved = arch_irq_save();
    /* Acquire: the release store of the last holder. The exchange succeeds only when nobody has taken that ticket since. */
    uint32_t ticket = atomic_load_explicit(&lock->serving, memory_order_acquire);
    if (!atomic_compare_exchange_strong_explicit(&lock->next, &ticket, ticket + 1, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        arch_irq_restore(saved);
        return false;
    }
    spin_claim(lock);
    *state = saved;
    return true;
}

/* Whether the executing CPU holds it. */
static inline bool spin_is_held(struct spinlock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == arch_cpu_id() + 1;
}

static inline void spin_unlock(struct spinlock *lock, arch_irq_state_t state)
{
#if DEBUG_MEMORY >= 1
    if (NEO_UNLIKELY(!spin_is_held(lock))) {
        panic("lock %p given back by CPU %u, which does not hold it", (void *)lock, arch_cpu_id());
    }
#endif
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    uint32_t served = atomic_load_explicit(&lock->serving, memory_order_relaxed);
    atomic_store_explicit(&lock->serving, served + 1, memory_order_release);
    arch_irq_restore(state);
}

#endif
