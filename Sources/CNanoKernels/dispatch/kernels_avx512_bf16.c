// The kernels for AVX-512 once more, with the instruction that rounds to bfloat16 (AVX512_BF16), which makes numbers that
// are too small to be normal zero: for processors with AMX, which all have it, and those with fast products of pairs. The
// products of floats are those of kernels_avx512.c.

#if defined(__x86_64__)
#define NK_WIDTH 16
#define NK_TILE_ROWS 6
#define NK_TILE_VECTORS 4
#define NK_NARROW_ROWS 12
#define NK_NAME(symbol) symbol##_avx512_bf16
#define NK_LABEL "avx512+bf16"
#define NK_CONVERTS_TO_BF16
#define NK_SHARES_GEMM

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,prfchw"))), apply_to = function)
#include "vector.h"

#include "families.inc"
#pragma clang attribute pop
#endif
