#include "include/CLAPACKE.h"

#include <COpenBLAS.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

enum { ROW_MAJOR = 101 };

typedef int (*sgesdd_function)(int layout, char job, int m, int n, float *a, int lda, float *s, float *u,
                               int ldu, float *vt, int ldvt);

static sgesdd_function sgesdd;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
  static const char *const names[] = {
      "liblapacke.so.3",
      "liblapacke.so",
      "/opt/homebrew/opt/lapack/lib/liblapacke.dylib",
      "/usr/local/opt/lapack/lib/liblapacke.dylib",
  };
  nk_openblas_handle();  // first, so that LAPACK finds OpenBLAS already set up for one thread
  void *handle = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !handle; i++)
    handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (handle) sgesdd = (sgesdd_function)dlsym(handle, "LAPACKE_sgesdd");
}

int nk_lapacke_sgesdd(int m, int n, float *a, float *s, float *u, float *vt) {
  pthread_once(&once, load);
  if (!sgesdd) return NK_LAPACKE_MISSING;
  int k = m < n ? m : n;
  return sgesdd(ROW_MAJOR, 'S', m, n, a, n, s, u, k, vt, n);
}
