// The kernels for AVX-512: 32 registers hold a 6 x 64 tile, four vectors of B and one of A; or 12 x 32.

#if defined(__x86_64__)
#define NK_WIDTH 16
#define NK_TILE_ROWS 6
#define NK_TILE_VECTORS 4
#define NK_NARROW_ROWS 12
#define NK_NAME(symbol) symbol##_avx512
#define NK_LABEL "avx512"

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,prfchw"))), apply_to = function)
#include "vector.h"

#include "families.inc"
#pragma clang attribute pop
#endif
