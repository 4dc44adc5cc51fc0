#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>

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
    fprintf(stderr, "nano-kimi: out of memory for %zu bytes of kernel scratch\n", capacity);
    abort();
  }
  buffers[slot].memory = memory;
  buffers[slot].capacity = capacity;
  return memory;
}
