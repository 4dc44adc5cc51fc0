// Memory that kernels pack operands in: a few buffers a thread, which grow and are never freed.

#include "scratch.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "../include/CNanoKernels.h"

static _Atomic(void (*)(size_t)) refused = NULL;

void nk_set_refusal_handler(void (*handler)(size_t bytes)) { atomic_store(&refused, handler); }

static _Thread_local struct {
  void *memory;
  size_t capacity;
} buffers[NK_SCRATCH_SLOTS];

void *nk_scratch(int slot, size_t bytes) {
  if (buffers[slot].capacity >= bytes) return buffers[slot].memory;
  free(buffers[slot].memory);
  size_t capacity = (bytes + 4095) & ~(size_t)4095;
  void *memory = NULL;
  if (posix_memalign(&memory, 64, capacity) != 0) {
    void (*handler)(size_t) = atomic_load(&refused);
    if (handler) handler(capacity);
    __builtin_trap();
  }
  buffers[slot].memory = memory;
  buffers[slot].capacity = capacity;
  return memory;
}
