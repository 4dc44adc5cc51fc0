// Products by instructions of bfloat16, the instructions written out in C: slow, and able to run anywhere, so that packing,
// edges and addresses are tested on any machine.

#ifndef CEMULATEDKERNELS_H
#define CEMULATEDKERNELS_H

#include "CNanoKernels.h"

/// `gemm_bf16`, its packing of B and `gemm_split` by AMX tiles.
void nk_gemm_bf16_emulated(const nk_gemm *p);
extern const nk_packing nk_packing_bf16_emulated;
void nk_gemm_split_emulated(const nk_gemm *p);
/// `gemm_bf16` by vectors of pairs; B is packed as for tiles.
void nk_gemm_bf16_pairs_emulated(const nk_gemm *p);
/// The instruction that these stand on, VDPBF16PS: adds to sixteen sums the products of the pairs of bfloat16 in as many
/// dwords of x and y, the upper ones first, each sum rounded to nearest even; subnormal numbers are zero.
void nk_pair_dot_emulated(float *sums, const uint32_t *x, const uint32_t *y);

#endif
