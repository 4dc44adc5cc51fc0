// OpenBLAS, loaded at run time.
//
// A program that never needs a large matrix product needs no OpenBLAS. It multiplies on the thread that calls it. One
// that the program has loaded by itself is left alone, and counts as missing here. Nothing else of the process is
// touched: a command that sets OPENBLAS_NUM_THREADS to 1 before spares itself the threads that OpenBLAS starts when it is
// loaded, and without OPENBLAS_CORETYPE it looks at the processor that is there.

#ifndef COPENBLAS_H
#define COPENBLAS_H

#include <stdbool.h>

/// The shared library's handle, loaded once; null when OpenBLAS is not installed or not ours.
void *nk_openblas_handle(void);

/// C = alpha * op(A) * op(B) + beta * C, row-major, one thread. False when OpenBLAS is not installed.
bool nk_openblas_sgemm(bool transpose_a, bool transpose_b, int m, int n, int k, float alpha,
                       const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/// The processor family whose kernels OpenBLAS chose, for reports; null when it is not installed.
const char *nk_openblas_core_name(void);

#endif
