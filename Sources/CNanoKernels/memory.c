#include "include/CNanoKernels.h"

#if defined(__GLIBC__)
#include <malloc.h>

// By default glibc trims the top of the heap when a training step frees its activations, and the next
// step pays a page fault for every 4 KiB of them again.
void nk_keep_freed_memory(void) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2000000000);
  mallopt(M_TOP_PAD, 16 << 20);
  // One arena for all threads: what one frees another can have, and none maps 64 MiB for itself.
  mallopt(M_ARENA_MAX, 1);
}
#else
void nk_keep_freed_memory(void) {}
#endif
