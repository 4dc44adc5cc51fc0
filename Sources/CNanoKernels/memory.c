#include "include/CNanoKernels.h"

#include <stdatomic.h>

#if defined(__GLIBC__)
#include <malloc.h>

void nk_give_back_large_blocks(void) {
  // A fixed threshold: by default it rises to the largest block ever freed, and blocks below it stay.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  // One arena for all threads: what one frees another can have, and none maps 64 MiB for itself.
  mallopt(M_ARENA_MAX, 1);
}
#else
void nk_give_back_large_blocks(void) {}
#endif

size_t nk_thread_number(void) {
  static atomic_size_t threads = 0;
  static _Thread_local size_t number = 0;  // counted from 1, 0 as long as the thread has not asked
  if (number == 0) number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
  return number - 1;
}
