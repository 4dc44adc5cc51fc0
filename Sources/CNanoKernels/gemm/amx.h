// The AMX products, only to be called where nk_has_amx() is true.

#ifndef NK_AMX_H
#define NK_AMX_H

#include "../include/CNanoKernels.h"

void nk_gemm_bf16_amx(const nk_gemm *p);
void nk_gemm_split_amx(const nk_gemm *p);
extern const nk_packing nk_packing_bf16_amx;

double nk_probe_amx(size_t iterations);

#endif
