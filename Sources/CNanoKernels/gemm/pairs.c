// bfloat16 products by the instruction that multiplies vectors of pairs, VDPBF16PS of AVX512_BF16.

#include "pairs.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

// AMD's processors, from Zen 4 on, take as long for the instruction as for a multiplication of floats, which does half as
// much. On Intel's it has been no faster than floats.
bool nk_has_fast_pairs(void) { return nk_has_pairs() && __builtin_cpu_is("amd"); }

bool nk_has_pairs(void) { return nk_best_instruction_set() == NK_AVX512 && __builtin_cpu_supports("avx512bf16"); }

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,prfchw"))), apply_to = function)

#define NK_WIDTH 16
#include "../dispatch/vector.h"

#include "pair_vectors.inc"

NK_INLINE floats16 pair_dot(floats16 sum, pairs16 x, pairs16 y) {
  return (floats16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)y);
}

/// VCVTNE2PS2BF16 puts its second operand first. Denormal floats become zero, as in the products of pairs.
NK_INLINE halves32 to_bfloat16(floats16 first, floats16 second) {
  return (halves32)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

NK_INLINE void ask_to_write(const void *p) { _m_prefetchw((void *)p); }

#include "pair_products.inc"

void nk_gemm_bf16_pairs(const nk_gemm *p) { gemm_through_tiles(p, false); }

void nk_pair_dot(float *sums, const uint32_t *x, const uint32_t *y) { add_pair_products(sums, x, y); }

const nk_packing nk_packing_bf16_pairs = {bytes_of_all_tiles, pack_all_tiles};

/// Enough independent sums to hide latency.
double nk_probe_pairs(size_t iterations, float *sink) {
  floats16 sums[12];
  for (int j = 0; j < 12; j++) sums[j] = (float)j;
  const pairs16 x = 0x3F803F80u;
  for (size_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 12; j++) sums[j] = pair_dot(sums[j], x, x);
  }
  for (int j = 1; j < 12; j++) sums[0] += sums[j];
  *sink = lane_sum(sums[0]);
  return (double)iterations * 12 * 16 * 2 * 2;
}

#pragma clang attribute pop

#else

bool nk_has_fast_pairs(void) { return false; }
bool nk_has_pairs(void) { return false; }
void nk_pair_dot(float *sums, const uint32_t *x, const uint32_t *y) { (void)sums, (void)x, (void)y; }

#endif
