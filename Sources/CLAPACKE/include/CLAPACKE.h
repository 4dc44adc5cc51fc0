// The one LAPACK routine that nano-kimi uses, loaded at run time like OpenBLAS.

#ifndef CLAPACKE_H
#define CLAPACKE_H

enum { NK_LAPACKE_MISSING = -1000 };

/// Singular value decomposition A = U diag(S) V^T of a row-major m x n matrix, divide and conquer
/// (LAPACKE_sgesdd, job 'S'). A is destroyed; U is m x min(m, n), V^T is min(m, n) x n.
/// Returns LAPACK's info (0 on success) or NK_LAPACKE_MISSING when liblapacke is not installed.
int nk_lapacke_sgesdd(int m, int n, float *a, float *s, float *u, float *vt);

#endif
