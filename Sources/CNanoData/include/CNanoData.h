// What NanoData needs of the processor itself.

#ifndef CNANODATA_H
#define CNANODATA_H

#include <stddef.h>
#include <stdint.h>

/// Adds blocks of 64 bytes to the state of a SHA-256 hash (FIPS 180-4), with the processor's instructions for it where it
/// has them.
void nk_sha256_add(uint32_t state[8], const void *blocks, size_t block_count);

/// The same in plain C.
void nk_sha256_add_portable(uint32_t state[8], const void *blocks, size_t block_count);

/// Asks for memory that is soon read.
static inline void nk_prefetch(const void *address) { __builtin_prefetch(address); }

#endif
