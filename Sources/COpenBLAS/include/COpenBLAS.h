// OpenBLAS, loaded at run time.
//
// Loading it ourselves, instead of linking it, buys three things: a program that never needs a large
// matrix product needs no OpenBLAS; its worker threads, which spin for 0.1 s after loading, are never
// started; and an inherited OPENBLAS_CORETYPE, which would pin it to the kernels of an older processor,
// is out of the way while it looks at this one.

#ifndef COPENBLAS_H
#define COPENBLAS_H

#include <stdbool.h>

/// The shared library's handle, loaded once; null when OpenBLAS is not installed.
void *nk_openblas_handle(void);

/// C = alpha * op(A) * op(B) + beta * C, row-major, one thread. False when OpenBLAS is not installed.
bool nk_openblas_sgemm(bool transpose_a, bool transpose_b, int m, int n, int k, float alpha,
                       const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/// The processor family whose kernels OpenBLAS chose, for reports; null when it is not installed.
const char *nk_openblas_core_name(void);

#endif
