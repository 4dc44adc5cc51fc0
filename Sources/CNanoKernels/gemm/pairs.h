// The bfloat16 product by vectors of pairs, only to be called where nk_has_fast_pairs() is true.

#ifndef NK_PAIRS_H
#define NK_PAIRS_H

#include "../include/CNanoKernels.h"

void nk_gemm_bf16_pairs(const nk_gemm *p);
extern const nk_packing nk_packing_bf16_pairs;

double nk_probe_pairs(size_t iterations, float *sink);

#endif
