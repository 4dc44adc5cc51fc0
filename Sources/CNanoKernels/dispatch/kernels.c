// Which instruction set to use: asked of the processor once.

#include <pthread.h>

#include "../gemm/amx.h"
#include "../gemm/pairs.h"
#include "../include/CNanoKernels.h"

extern const nk_kernels nk_table_portable;
double nk_probe_portable(size_t iterations, float *sink);
#if defined(__x86_64__)
extern const nk_kernels nk_table_avx2;
extern const nk_kernels nk_table_avx512;
extern const nk_kernels nk_table_avx512_bf16;
double nk_probe_avx2(size_t iterations, float *sink);
double nk_probe_avx512(size_t iterations, float *sink);
#endif

nk_instruction_set nk_best_instruction_set(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return NK_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return NK_AVX2;
#endif
  return NK_PORTABLE;
}

#if defined(__x86_64__)
static nk_kernels bf16_table;
static pthread_once_t bf16_table_once = PTHREAD_ONCE_INIT;

/// The table for processors that multiply bfloat16 faster than floats.
static void fill_bf16_table(void) {
  bf16_table = nk_table_avx512_bf16;
  bf16_table.gemm = nk_table_avx512.gemm;
  bf16_table.packing = nk_table_avx512.packing;
  bf16_table.gemm_fp16 = nk_table_avx512.gemm_fp16;
  bf16_table.gemm_split = nk_table_avx512.gemm_split;
  if (nk_has_amx()) {
    bf16_table.name = "avx512+amx";
    bf16_table.gemm_bf16 = nk_gemm_bf16_amx;
    bf16_table.packing_bf16 = nk_packing_bf16_amx;
    bf16_table.gemm_split = nk_gemm_split_amx;
  } else {
    bf16_table.gemm_bf16 = nk_gemm_bf16_pairs;
    bf16_table.packing_bf16 = nk_packing_bf16_pairs;
  }
}
#endif

const nk_kernels *nk_kernels_for(nk_instruction_set set) {
  if (set > nk_best_instruction_set()) return NULL;
#if defined(__x86_64__)
  if (set == NK_AVX512 && (nk_has_amx() || nk_has_fast_pairs())) {
    pthread_once(&bf16_table_once, fill_bf16_table);
    return &bf16_table;
  }
  if (set == NK_AVX512) return &nk_table_avx512;
  if (set == NK_AVX2) return &nk_table_avx2;
#endif
  return &nk_table_portable;
}

double nk_probe_arithmetic(nk_instruction_set set, size_t iterations, float *sink) {
#if defined(__x86_64__)
  if (set == NK_AVX512) return nk_probe_avx512(iterations, sink);
  if (set == NK_AVX2) return nk_probe_avx2(iterations, sink);
#endif
  return nk_probe_portable(iterations, sink);
}

double nk_probe_bf16(size_t iterations, float *sink) {
#if defined(__x86_64__)
  if (nk_has_amx()) return nk_probe_amx(iterations);
  if (nk_has_fast_pairs()) return nk_probe_pairs(iterations, sink);
#endif
  return 0;
}
