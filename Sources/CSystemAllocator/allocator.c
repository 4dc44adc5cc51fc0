#include "CSystemAllocator.h"

#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>

void give_back_large_blocks(void) {
  // A fixed threshold: by default it rises to the largest block ever freed, and blocks below it stay.
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  // One arena for all threads: what one frees another can have, and none maps 64 MiB for itself.
  mallopt(M_ARENA_MAX, 1);
}
#else
void give_back_large_blocks(void) {}
#endif
