// The vector vocabulary that every kernel family is written in. Included once per instruction set,
// after NK_WIDTH (floats a vector) and NK_NAME(symbol) have been defined; so no include guard.

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../include/CNanoKernels.h"
#include "../threads/scratch.h"

#pragma clang diagnostic ignored "-Wpsabi"
#pragma clang fp contract(fast)

#define NK_INLINE static inline __attribute__((always_inline))

typedef float nk_vector __attribute__((ext_vector_type(NK_WIDTH)));
typedef int32_t nk_integers __attribute__((ext_vector_type(NK_WIDTH)));
typedef float nk_vector4 __attribute__((ext_vector_type(4)));
typedef float nk_vector8 __attribute__((ext_vector_type(8)));
typedef int32_t nk_integers8 __attribute__((ext_vector_type(8)));

NK_INLINE nk_vector load(const float *p) {
  nk_vector v;
  memcpy(&v, p, sizeof v);
  return v;
}

NK_INLINE void store(float *p, nk_vector v) { memcpy(p, &v, sizeof v); }

NK_INLINE nk_integers lane_indices(void) {
  nk_integers v;
  for (int i = 0; i < NK_WIDTH; i++) v[i] = i;
  return v;
}

/// The first `count` lanes; zero behind them.
NK_INLINE nk_vector first_lanes(nk_vector v, size_t count) {
  return lane_indices() < (int32_t)count ? v : (nk_vector)0.0f;
}

/// The first `count` (<= NK_WIDTH) floats at p and nothing behind them; zero in the other lanes.
NK_INLINE nk_vector load_some(const float *p, size_t count) {
  if (count == NK_WIDTH) return load(p);
#if NK_WIDTH == 16
  return (nk_vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#elif NK_WIDTH == 8
  return (nk_vector)_mm256_maskload_ps(p, (__m256i)(lane_indices() < (int32_t)count));
#else
  nk_vector v = 0.0f;
  memcpy(&v, p, count * sizeof(float));
  return v;
#endif
}

NK_INLINE void store_some(float *p, nk_vector v, size_t count) {
  if (count == NK_WIDTH) {
    store(p, v);
    return;
  }
#if NK_WIDTH == 16
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#else
  // In halves: a masked store of AVX2 is slow on some processors.
#if NK_WIDTH == 8
  nk_vector4 part = v.lo;
  if (count & 4) {
    memcpy(p, &part, 16);
    p += 4;
    part = v.hi;
  }
#else
  nk_vector4 part = v;
#endif
  if (count & 2) {
    memcpy(p, &part, 8);
    p += 2;
    part = part.zwzw;
  }
  if (count & 1) *p = part.x;
#endif
}

NK_INLINE nk_vector maximum(nk_vector x, nk_vector y) { return x > y ? x : y; }

// All lanes to one, folded in halves: log2(NK_WIDTH) steps, where one lane after the other would wait for
// NK_WIDTH.
#if NK_WIDTH == 16
#define NK_FOUR_LANES(v, OP) OP(OP((v).lo.lo, (v).lo.hi), OP((v).hi.lo, (v).hi.hi))
#elif NK_WIDTH == 8
#define NK_FOUR_LANES(v, OP) OP((v).lo, (v).hi)
#else
#define NK_FOUR_LANES(v, OP) (v)
#endif
#define NK_SUM(x, y) ((x) + (y))
#define NK_MAXIMUM(x, y) ((x) > (y) ? (x) : (y))

NK_INLINE float lane_sum(nk_vector v) {
  nk_vector4 four = NK_FOUR_LANES(v, NK_SUM);
  return (four.x + four.z) + (four.y + four.w);
}

NK_INLINE float lane_maximum(nk_vector v) {
  nk_vector4 four = NK_FOUR_LANES(v, NK_MAXIMUM);
  float even = NK_MAXIMUM(four.x, four.z), odd = NK_MAXIMUM(four.y, four.w);
  return NK_MAXIMUM(even, odd);
}

/// e^x to about 1e-7 relative: Cody-Waite reduction and the Cephes degree-5 polynomial. Inputs are
/// clamped to [-87, 88], so very negative ones give about 1e-38 and never a denormal.
NK_INLINE nk_vector exponential_of(nk_vector x) {
  const nk_vector highest = 88.0f, lowest = -87.0f;
  x = x > highest ? highest : x;
  x = x < lowest ? lowest : x;
  // Adding 1.5 * 2^23 rounds to an integer, kept in the low bits of the sum.
  nk_vector magic = x * 1.44269504f + 12582912.0f;
  nk_vector n = magic - 12582912.0f;
  nk_vector f = x - n * 0.693359375f;
  f = f - n * -2.12194440e-4f;
  nk_vector p = 1.9875691500e-4f;
  p = p * f + 1.3981999507e-3f;
  p = p * f + 8.3334519073e-3f;
  p = p * f + 4.1665795894e-2f;
  p = p * f + 1.6666665459e-1f;
  p = p * f + 5.0000001201e-1f;
  p = p * (f * f) + f + 1.0f;
  nk_integers exponent = ((nk_integers)magic - (0x4B400000 - 127)) << 23;
  return p * (nk_vector)exponent;
}

NK_INLINE nk_vector sigmoid_of(nk_vector x) { return 1.0f / (1.0f + exponential_of(-x)); }

// MARK: Rounding

// Rounding to nearest even, the result kept in float32; the same integer arithmetic for every vector width
// and for scalars. bfloat16 drops 16 bits of the fraction. IEEE half drops 13; below its smallest normal
// number it is a multiple of 2^-24, which adding and subtracting 0.75 rounds to; from 65520 on it is infinite.
#define NK_DEFINE_ROUNDING(NAME, FLOATS, INTEGERS)                                      \
  NK_INLINE FLOATS NAME(FLOATS x, const int rounding) {                                 \
    if (rounding == NK_FP32) return x;                                                 \
    INTEGERS bits = (INTEGERS)x;                                                        \
    if (rounding == NK_BF16)                                                            \
      return (FLOATS)((bits + (((bits >> 16) & 1) + 0x7FFF)) & (int32_t)0xFFFF0000);    \
    INTEGERS sign = bits & (int32_t)0x80000000;                                         \
    INTEGERS magnitude = bits & 0x7FFFFFFF;                                             \
    INTEGERS normal = (magnitude + (((magnitude >> 13) & 1) + 0xFFF)) & (int32_t)~0x1FFF; \
    INTEGERS small = (INTEGERS)(((FLOATS)magnitude + 0.75f) - 0.75f);                   \
    INTEGERS rounded = magnitude < 0x38800000 ? small : normal;                         \
    rounded = magnitude >= 0x477FF000 && magnitude <= 0x7F800000 ? (INTEGERS)0x7F800000 \
                                                                 : rounded;             \
    return (FLOATS)(rounded | sign);                                                    \
  }

NK_DEFINE_ROUNDING(rounded, nk_vector, nk_integers)
NK_DEFINE_ROUNDING(rounded8, nk_vector8, nk_integers8)

// MARK: Formats

typedef uint16_t nk_halves __attribute__((ext_vector_type(NK_WIDTH)));

/// The 16 bits of floats that are rounded already: the upper half of a bfloat16; of an IEEE half sign,
/// rebiased exponent and fraction, or the multiple of 2^-24 below its smallest normal number.
NK_INLINE nk_halves half_bits(nk_vector x, const int format) {
  nk_integers bits = (nk_integers)x;
  if (format == NK_BF16) return __builtin_convertvector(bits >> 16 & 0xFFFF, nk_halves);
  nk_integers magnitude = bits & 0x7FFFFFFF;
  nk_integers normal = (magnitude - 0x38000000) >> 13;
  nk_integers small = __builtin_convertvector((nk_vector)magnitude * 0x1p24f, nk_integers);
  nk_integers special = magnitude > 0x7F800000 ? (nk_integers)0x7E00 : (nk_integers)0x7C00;
  nk_integers half = magnitude < 0x38800000 ? small : normal;
  half = magnitude >= 0x7F800000 ? special : half;
  return __builtin_convertvector(half | (bits >> 16 & 0x8000), nk_halves);
}

NK_INLINE nk_vector float_of_half(nk_halves h, const int format) {
  nk_integers bits = __builtin_convertvector(h, nk_integers);
  if (format == NK_BF16) return (nk_vector)(bits << 16);
  nk_integers magnitude = bits & 0x7FFF;
  nk_vector small = __builtin_convertvector(magnitude, nk_vector) * 0x1p-24f;
  nk_integers normal = (magnitude << 13) + (magnitude >= 0x7C00 ? (nk_integers)0x70000000 : (nk_integers)0x38000000);
  nk_integers result = magnitude < 0x400 ? (nk_integers)small : normal;
  return (nk_vector)(result | (bits & 0x8000) << 16);
}

/// `count` (<= NK_WIDTH) numbers of a format (a constant) from the i-th on; zero in the other lanes.
NK_INLINE nk_vector load_numbers(const void *x, size_t i, size_t count, const int format) {
  if (format == NK_FP32) return load_some((const float *)x + i, count);
  nk_halves h = 0;
  memcpy(&h, (const uint16_t *)x + i, count * sizeof(uint16_t));
  return float_of_half(h, format);
}

NK_INLINE void store_numbers(void *x, size_t i, nk_vector v, size_t count, const int format) {
  if (format == NK_FP32) {
    store_some((float *)x + i, v, count);
    return;
  }
#ifdef NK_CONVERTS_TO_BF16
  nk_halves h = format == NK_BF16 ? (nk_halves)_mm512_cvtneps_pbh((__m512)v) : half_bits(rounded(v, format), format);
#else
  nk_halves h = half_bits(rounded(v, format), format);
#endif
  memcpy((uint16_t *)x + i, &h, count * sizeof(uint16_t));
}

/// Calls a function whose last parameter is the format, as a constant.
#define NK_WITH_FORMAT(format, function, ...)                        \
  switch (format) {                                                  \
    case NK_FP32: function(__VA_ARGS__, NK_FP32); break;             \
    case NK_BF16: function(__VA_ARGS__, NK_BF16); break;             \
    case NK_FP16: function(__VA_ARGS__, NK_FP16); break;             \
  }

/// Transposes an 8 x 8 block in three exchanges of halves, quarters and neighbours.
NK_INLINE void transpose_8x8(const float *source, ptrdiff_t source_row, float *out, ptrdiff_t out_row,
                             const int rounding) {
  nk_vector8 r[8], t[8];
  for (int i = 0; i < 8; i++) memcpy(&r[i], source + i * source_row, sizeof r[i]);
  for (int i = 0; i < 4; i++) {
    t[2 * i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    t[2 * i + 1] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; j++) {
      r[i + j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[i + j + 2] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; i++) {
    t[i] = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    t[i + 4] = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int i = 0; i < 8; i++) t[i] = rounded8(t[i], rounding);
  for (int i = 0; i < 8; i++) memcpy(out + i * out_row, &t[i], sizeof t[i]);
}

/// Runs a body for every vector of n floats, with `i` its first and `count` its number of them: NK_WIDTH, a constant, for
/// all but the last. The caller names the two.
#define NK_FOR_EACH_VECTOR(i, count, n, ...)     \
  do {                                           \
    size_t i = 0;                                \
    for (; i + NK_WIDTH <= (n); i += NK_WIDTH) { \
      const size_t count = NK_WIDTH;             \
      __VA_ARGS__;                               \
    }                                            \
    if (i < (n)) {                               \
      const size_t count = (n) - i;              \
      __VA_ARGS__;                               \
    }                                            \
  } while (0)

/// For every `k` below a constant, written out.
#define NK_UNROLLED(k, count) _Pragma("clang loop unroll(full)") for (size_t k = 0; k < (count); k++)

/// Rows that are reduced side by side where one alone would wait for its own sums.
enum { NK_ROW_GROUP = 4 };

/// For every `k` below `group`, a constant, at most NK_ROW_GROUP.
#define NK_FOR_ROWS_OF_GROUP(k, group) NK_UNROLLED(k, group)

/// Runs a body for rows `from` up to, not including, `to`: with `r` the first of `group` rows, a constant. The caller
/// names the two.
#define NK_FOR_ROW_GROUPS(r, group, from, to, ...)        \
  do {                                                    \
    size_t r = (from);                                    \
    for (; r + NK_ROW_GROUP <= (to); r += NK_ROW_GROUP) { \
      const size_t group = NK_ROW_GROUP;                  \
      __VA_ARGS__;                                        \
    }                                                     \
    for (; r < (to); r++) {                               \
      const size_t group = 1;                             \
      __VA_ARGS__;                                        \
    }                                                     \
  } while (0)
