// Arithmetic, bits, memory accesses and integer atomics of CUDA C. Floating-point atomics are left out on purpose:
// their sums depend on the order of blocks.
#pragma once

namespace emulation {

template <typename To, typename From>
static inline To bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  memcpy(&result, &value, sizeof(To));
  return result;
}

static inline float fast_exp(float x) { return expf(x); }
static inline float fast_log(float x) { return logf(x); }
static inline float fast_log2(float x) { return log2f(x); }
static inline float fast_power(float x, float y) { return powf(x, y); }
static inline float fast_sine(float x) { return sinf(x); }
static inline float fast_cosine(float x) { return cosf(x); }

}  // namespace emulation

static inline unsigned __float_as_uint(float x) { return emulation::bits<unsigned>(x); }
static inline int __float_as_int(float x) { return emulation::bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return emulation::bits<float>(x); }
static inline float __int_as_float(int x) { return emulation::bits<float>(x); }
static inline long long __double_as_longlong(double x) { return emulation::bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return emulation::bits<double>(x); }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline int __float2int_rd(float x) { return (int)floorf(x); }
static inline int __float2int_rz(float x) { return (int)x; }
static inline unsigned __float2uint_rn(float x) { return (unsigned)rintf(x); }
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __double2float_rn(double x) { return (float)x; }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
static inline unsigned __umulhi(unsigned x, unsigned y) { return (unsigned)((uint64_t)x * y >> 32); }
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const uint64_t bytes = (uint64_t)y << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; i++) result |= (unsigned)(bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  return result;
}

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
// The C library keeps these names for itself.
#define __expf emulation::fast_exp
#define __logf emulation::fast_log
#define __log2f emulation::fast_log2
#define __powf emulation::fast_power
#define __sinf emulation::fast_sine
#define __cosf emulation::fast_cosine

#define EMULATED_EXTREMA(type)                                         \
  static inline type min(type x, type y) { return y < x ? y : x; }     \
  static inline type max(type x, type y) { return x < y ? y : x; }
EMULATED_EXTREMA(int)
EMULATED_EXTREMA(unsigned)
EMULATED_EXTREMA(long)
EMULATED_EXTREMA(unsigned long)
EMULATED_EXTREMA(long long)
EMULATED_EXTREMA(unsigned long long)
#undef EMULATED_EXTREMA
static inline unsigned min(unsigned x, int y) { return min(x, (unsigned)y); }
static inline unsigned min(int x, unsigned y) { return min((unsigned)x, y); }
static inline unsigned max(unsigned x, int y) { return max(x, (unsigned)y); }
static inline unsigned max(int x, unsigned y) { return max((unsigned)x, y); }
static inline float min(float x, float y) { return fminf(x, y); }
static inline float max(float x, float y) { return fmaxf(x, y); }
static inline double min(double x, double y) { return fmin(x, y); }
static inline double max(double x, double y) { return fmax(x, y); }

template <typename T>
static inline T __ldg(const T *address) { return *address; }
template <typename T>
static inline T __ldcs(const T *address) { return *address; }
template <typename T>
static inline T __ldcg(const T *address) { return *address; }
template <typename T>
static inline void __stcs(T *address, T value) { *address = value; }
template <typename T>
static inline void __stcg(T *address, T value) { *address = value; }

#define EMULATED_ATOMICS(type)                                                        \
  static inline type atomicAdd(type *address, type value) {                           \
    return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);                      \
  }                                                                                   \
  static inline type atomicSub(type *address, type value) {                           \
    return __atomic_fetch_sub(address, value, __ATOMIC_SEQ_CST);                      \
  }                                                                                   \
  static inline type atomicOr(type *address, type value) {                            \
    return __atomic_fetch_or(address, value, __ATOMIC_SEQ_CST);                       \
  }                                                                                   \
  static inline type atomicAnd(type *address, type value) {                           \
    return __atomic_fetch_and(address, value, __ATOMIC_SEQ_CST);                      \
  }                                                                                   \
  static inline type atomicExch(type *address, type value) {                          \
    return __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST);                     \
  }                                                                                   \
  static inline type atomicCAS(type *address, type expected, type value) {            \
    __atomic_compare_exchange_n(                                                      \
        address, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);        \
    return expected;                                                                  \
  }                                                                                   \
  static inline type atomicMax(type *address, type value) {                           \
    type old = __atomic_load_n(address, __ATOMIC_SEQ_CST);                            \
    while (old < value &&                                                             \
           !__atomic_compare_exchange_n(                                              \
               address, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {    \
    }                                                                                 \
    return old;                                                                       \
  }                                                                                   \
  static inline type atomicMin(type *address, type value) {                           \
    type old = __atomic_load_n(address, __ATOMIC_SEQ_CST);                            \
    while (value < old &&                                                             \
           !__atomic_compare_exchange_n(                                              \
               address, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {    \
    }                                                                                 \
    return old;                                                                       \
  }
EMULATED_ATOMICS(int)
EMULATED_ATOMICS(unsigned)
EMULATED_ATOMICS(unsigned long long)
#undef EMULATED_ATOMICS
