// bfloat16 products on AMX tiles, where the processor has them and the system grants them.

#include "amx.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool amx_granted;
static pthread_once_t amx_once = PTHREAD_ONCE_INIT;

/// Linux hands the 8 KiB of tile state to a process only on request: ARCH_REQ_XCOMP_PERM for XTILEDATA.
static void request_amx(void) {
  unsigned a, b, c, d;
  if (nk_best_instruction_set() != NK_AVX512 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
  bool has_tile_products = (d >> 22) & 1, has_tiles = (d >> 24) & 1;
  if (!has_tile_products || !has_tiles || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return;
  bool has_conversion = (a >> 5) & 1;  // AVX512_BF16
  amx_granted = has_conversion && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

bool nk_has_amx(void) {
  pthread_once(&amx_once, request_amx);
  return amx_granted;
}

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma,amx-tile,amx-bf16,prfchw"))), apply_to = function)

#define NK_WIDTH 16
#include "../dispatch/vector.h"

#include "pair_vectors.inc"

typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} __attribute__((packed)) tile_configuration;

NK_INLINE void configure_tiles(void) {
  tile_configuration c;
  memset(&c, 0, sizeof c);
  c.palette = 1;
  for (int i = 0; i < 8; i++) {
    c.row_bytes[i] = 64;
    c.rows[i] = 16;
  }
  _tile_loadconfig(&c);
}

NK_INLINE void begin_blocks(void) { configure_tiles(); }
NK_INLINE void end_blocks(void) { _tile_release(); }

#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, p, stride) _tile_loadd(t, p, stride)
#define TILE_STORE(t, p, stride) _tile_stored(t, p, stride)
#define TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)

/// VCVTNE2PS2BF16 puts its second operand first. Denormal floats become zero, as in the tile products.
NK_INLINE halves32 to_bfloat16(floats16 first, floats16 second) {
  return (halves32)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

NK_INLINE void ask_to_write(const void *p) { _m_prefetchw((void *)p); }

// 1 MiB, half of the second-level cache of the smallest of these processors.
#define TILE_PACKED_B (1 << 19)

#include "tile_packing.inc"

#include "tile_blocks.inc"

#include "amx_blocks.inc"

#include "gemm_tiles.inc"

void nk_gemm_bf16_amx(const nk_gemm *p) { gemm_through_tiles(p, false); }

const nk_packing nk_packing_bf16_amx = {bytes_of_all_tiles, pack_all_tiles};

void nk_gemm_split_amx(const nk_gemm *p) { gemm_through_tiles(p, true); }

static void run_tile_products(size_t iterations) {
  configure_tiles();
  for (size_t i = 0; i < iterations; i++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

double nk_probe_amx(size_t iterations) {
  run_tile_products(iterations);
  return (double)iterations * 4 * 16 * 16 * 32 * 2;
}

#pragma clang attribute pop

#else

bool nk_has_amx(void) { return false; }

#endif
