// The products by vectors of pairs with the instruction written out in C, bit for bit: slow, and able to run anywhere.

#include "emulation.inc"

/// What the instruction reads or gives for a number: subnormal ones are zero, whatever MXCSR says.
static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

/// x y + sum, rounded once. A product of two bfloat16 is exact in double.
static float fused(float x, float y, float sum) {
  const float result = flushed(fmaf(x, y, sum));
  if (fabsf(result) != 0x1p-126f) return result;
  // The least normal number stays only if the exact value rounds to it with all 24 bits, as if the exponent had no end.
  const double product = (double)x * y, total = product + sum;
  const double part = total - product, lost = (product - (total - part)) + (sum - part);
  const double missing = fabs(total) - 0x1.ffffffp-127;
  return missing < 0 || (missing == 0 && (lost < 0) != (total < 0) && lost != 0) ? copysignf(0, result) : result;
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return flushed(x);
}

/// VDPBF16PS: every dword of x and y is a pair of bfloat16, multiplied pairwise and added to the sum, the upper ones first.
static __attribute__((noinline)) floats16 pair_dot(floats16 sum, pairs16 x, pairs16 y) {
  for (int i = 0; i < 16; i++) {
    const float upper = fused(float_of(x[i] & 0xFFFF0000u), float_of(y[i] & 0xFFFF0000u), flushed(sum[i]));
    sum[i] = fused(float_of(x[i] << 16), float_of(y[i] << 16), upper);
  }
  return sum;
}

#include "gemm/pair_products.inc"

void nk_gemm_bf16_pairs_emulated(const nk_gemm *p) { gemm_through_tiles(p, false); }

void nk_pair_dot_emulated(float *sums, const uint32_t *x, const uint32_t *y) { add_pair_products(sums, x, y); }
