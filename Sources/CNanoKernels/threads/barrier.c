// Where threads that work on one computation wait for each other: a fraction of a microsecond where all run.

#include "../include/CNanoKernels.h"
#include "relax.h"

#include <sched.h>

/// Turns before another thread, which may be one that is waited for, is let have the core.
enum { SPIN_TURNS = 4000 };

void nk_barrier_wait(nk_barrier *barrier, uint32_t count) {
  const uint32_t generation = __atomic_load_n(&barrier->generation, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) == count) {
    __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&barrier->generation, generation + 1, __ATOMIC_RELEASE);
    return;
  }
  for (int turn = 1; __atomic_load_n(&barrier->generation, __ATOMIC_ACQUIRE) == generation; turn++) {
    RELAX();
    if (turn % SPIN_TURNS == 0) sched_yield();
  }
}
