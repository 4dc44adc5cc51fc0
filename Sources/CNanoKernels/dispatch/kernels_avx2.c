// The kernels for AVX2 with FMA: 16 registers hold a 6 x 16 tile, two vectors of B and one of A.

#if defined(__x86_64__)
#define NK_WIDTH 8
#define NK_TILE_ROWS 6
#define NK_TILE_VECTORS 2
#define NK_NARROW_ROWS NK_TILE_ROWS
#define NK_NAME(symbol) symbol##_avx2
#define NK_LABEL "avx2"

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
// PREFETCHW does nothing where it is missing.
#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw"))), apply_to = function)
#include "vector.h"

#include "families.inc"
#pragma clang attribute pop
#endif
