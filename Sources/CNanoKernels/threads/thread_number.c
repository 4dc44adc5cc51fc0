// Numbers for threads, small ones, for tables with an entry a thread.

#include <stdatomic.h>

#include "../include/CNanoKernels.h"

size_t nk_thread_number(void) {
  static atomic_size_t threads = 0;
  static _Thread_local size_t number = 0;  // counted from 1, 0 as long as the thread has not asked
  if (number == 0) number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
  return number - 1;
}
