// Per-thread scratch memory that a kernel needs for packed operands: grows, is reused, never shrinks.

#ifndef NK_SCRATCH_H
#define NK_SCRATCH_H

#include <stddef.h>

/// Slots are independent buffers, so that a kernel which calls another keeps its own.
enum {
  NK_SCRATCH_A,
  NK_SCRATCH_B,
  NK_SCRATCH_ATTENTION,
  NK_SCRATCH_WIDE_A,
  NK_SCRATCH_WIDE_B,
  NK_SCRATCH_WIDE_C,
  NK_SCRATCH_SLOTS,
};

/// At least `bytes` of 64-byte-aligned memory, valid until the same thread asks for the same slot again.
void *nk_scratch(int slot, size_t bytes);

#endif
