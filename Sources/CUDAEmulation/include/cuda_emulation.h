// CUDA C for a C++ compiler: the kernels of Sources/CUDA/Kernels compile with it and run on the CPU, so that tests
// need no GPU. A block's threads run as fibers; barriers, shuffles and tensor-core products are collective
// operations between them. What a GPU leaves undefined ends the process with the kernel's name where it can be seen.
#pragma once

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <type_traits>
#include <utility>

#define KERNEL static void
#define DEVICE static inline
// A block runs on one thread of the operating system, so its threads share what that thread owns.
#define SHARED static thread_local
#define DYNAMIC_SHARED(name) unsigned char *name = emulation::dynamic_shared()

#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __forceinline__ inline
#define __constant__ static const
#define warpSize 32

// Kernels read the same memory as numbers of different types; a C++ compiler must not assume otherwise.
#define EMULATED_VECTOR(bytes) __attribute__((aligned(bytes), may_alias))

struct EMULATED_VECTOR(4) ushort2 { unsigned short x, y; };
struct EMULATED_VECTOR(8) ushort4 { unsigned short x, y, z, w; };
struct EMULATED_VECTOR(8) int2 { int x, y; };
struct int3 { int x, y, z; };
struct EMULATED_VECTOR(16) int4 { int x, y, z, w; };
struct EMULATED_VECTOR(8) uint2 { unsigned x, y; };
struct uint3 { unsigned x, y, z; };
struct EMULATED_VECTOR(16) uint4 { unsigned x, y, z, w; };
struct EMULATED_VECTOR(8) float2 { float x, y; };
struct float3 { float x, y, z; };
struct EMULATED_VECTOR(16) float4 { float x, y, z, w; };
struct EMULATED_VECTOR(16) double2 { double x, y; };
struct EMULATED_VECTOR(16) longlong2 { long long x, y; };
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

static inline ushort2 make_ushort2(unsigned short x, unsigned short y) { return {x, y}; }
static inline ushort4 make_ushort4(
    unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
  return {x, y, z, w};
}
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int3 make_int3(int x, int y, int z) { return {x, y, z}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline double2 make_double2(double x, double y) { return {x, y}; }
static inline longlong2 make_longlong2(long long x, long long y) { return {x, y}; }

#include "cuda_emulation_threads.h"
// Numbers and threads stand first: what follows uses both.
#include "cuda_emulation_math.h"
#include "cuda_emulation_warps.h"
