// What all kernels share: number formats, loads and stores, sums over warps and blocks.
//
// The same sources compile twice: by NVRTC for a GPU, and by a C++ compiler for tests without one
// (NANO_CUDA_EMULATION), where a block's threads run as fibers. So kernels use plain CUDA C, the macros
// KERNEL, SHARED and DYNAMIC_SHARED for what the two spell differently, and no atomics on floating-point
// numbers: the same input gives the same bits.
#pragma once

#ifdef NANO_CUDA_EMULATION
#include "cuda_emulation.h"
#else
#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __forceinline__
#define SHARED __shared__
// Memory of a block whose size the launch decides.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

typedef unsigned short bfloat16;  // its bits
typedef long long int64;

#define FULL_WARP 0xffffffffu
#define INFINITY_F __int_as_float(0x7f800000)

// Formats, as the host numbers them.
enum { FLOAT32 = 0, BFLOAT16 = 1 };

// MARK: bfloat16

DEVICE float widened(bfloat16 bits) { return __uint_as_float((unsigned)bits << 16); }

#ifdef NANO_CUDA_EMULATION
DEVICE bfloat16 rounded(float x) {
  unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;  // as the instruction has NaN
  return (bfloat16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
// low in the lower half.
DEVICE unsigned rounded_pair(float low, float high) {
  return (unsigned)rounded(low) | (unsigned)rounded(high) << 16;
}
#else
DEVICE bfloat16 rounded(float x) {
  bfloat16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
DEVICE unsigned rounded_pair(float low, float high) {
  unsigned bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
#endif

// MARK: Numbers of either format

DEVICE float load(const void *numbers, int format, int64 index) {
  return format == FLOAT32 ? ((const float *)numbers)[index]
                           : widened(((const bfloat16 *)numbers)[index]);
}

DEVICE void store(void *numbers, int format, int64 index, float value) {
  if (format == FLOAT32)
    ((float *)numbers)[index] = value;
  else
    ((bfloat16 *)numbers)[index] = rounded(value);
}

// Four at once; the index is a multiple of 4 and the numbers are aligned to 16 bytes.
DEVICE float4 load4(const void *numbers, int format, int64 index) {
  if (format == FLOAT32) return ((const float4 *)numbers)[index >> 2];
  const uint2 pairs = ((const uint2 *)numbers)[index >> 2];
  return make_float4(
      __uint_as_float(pairs.x << 16), __uint_as_float(pairs.x & 0xffff0000u),
      __uint_as_float(pairs.y << 16), __uint_as_float(pairs.y & 0xffff0000u));
}

DEVICE void store4(void *numbers, int format, int64 index, float4 value) {
  if (format == FLOAT32)
    ((float4 *)numbers)[index >> 2] = value;
  else
    ((uint2 *)numbers)[index >> 2] =
        make_uint2(rounded_pair(value.x, value.y), rounded_pair(value.z, value.w));
}

// MARK: Exponentials

#define LOG2_E 1.4426950408889634f

// 2ˣ to about two units in the last place; 0 where that is not a normal number.
#ifdef NANO_CUDA_EMULATION
DEVICE float exp2_approximate(float x) { return exp2f(x); }
#else
DEVICE float exp2_approximate(float x) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
}
#endif

// MARK: Sums, in a fixed order

DEVICE float warp_sum(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(FULL_WARP, value, offset);
  return value;
}

DEVICE float warp_max(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1)
    value = fmaxf(value, __shfl_xor_sync(FULL_WARP, value, offset));
  return value;
}

DEVICE double warp_sum_double(double value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(FULL_WARP, value, offset);
  return value;
}

// Every thread of the block gets the result. The block has whole warps, at most 32. `scratch` is 32 shared
// numbers that may be used again after the call.
DEVICE float block_sum(float value, float *scratch) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  value = warp_sum(value);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  value = warp_sum(lane < warps ? scratch[lane] : 0.0f);
  __syncthreads();
  return value;
}

DEVICE float block_max(float value, float *scratch) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  value = warp_max(value);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  value = warp_max(lane < warps ? scratch[lane] : -INFINITY_F);
  __syncthreads();
  return value;
}

DEVICE double block_sum_double(double value, double *scratch) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  value = warp_sum_double(value);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  value = warp_sum_double(lane < warps ? scratch[lane] : 0.0);
  __syncthreads();
  return value;
}
