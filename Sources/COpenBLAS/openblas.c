#include "include/COpenBLAS.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

typedef void (*sgemm_function)(int order, int transpose_a, int transpose_b, int m, int n, int k,
                               float alpha, const float *a, int lda, const float *b, int ldb, float beta,
                               float *c, int ldc);

static void *handle;
static sgemm_function sgemm;
static const char *(*core_name)(void);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool is_loaded(const char *name) {
  void *loaded = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (loaded) dlclose(loaded);
  return loaded != NULL;
}

static void load(void) {
  static const char *const names[] = {
      "libopenblas.so.0",
      "libopenblas.so",
      "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
      "/usr/local/opt/openblas/lib/libopenblas.dylib",
  };
  const size_t count = sizeof names / sizeof *names;
  // One that the program has loaded for itself keeps its number of threads, which would be changed under it.
  for (size_t i = 0; i < count; i++)
    if (is_loaded(names[i])) return;
  for (size_t i = 0; i < count && !handle; i++) handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!handle) return;
  void (*set_threads)(int) = (void (*)(int))dlsym(handle, "openblas_set_num_threads");
  if (set_threads) set_threads(1);
  sgemm = (sgemm_function)dlsym(handle, "cblas_sgemm");
  core_name = (const char *(*)(void))dlsym(handle, "openblas_get_corename");
}

void *nk_openblas_handle(void) {
  pthread_once(&once, load);
  return handle;
}

bool nk_openblas_sgemm(bool transpose_a, bool transpose_b, int m, int n, int k, float alpha,
                       const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
  if (!nk_openblas_handle() || !sgemm) return false;
  sgemm(ROW_MAJOR, transpose_a ? TRANSPOSE : NO_TRANSPOSE, transpose_b ? TRANSPOSE : NO_TRANSPOSE, m, n,
        k, alpha, a, lda, b, ldb, beta, c, ldc);
  return true;
}

const char *nk_openblas_core_name(void) {
  return nk_openblas_handle() && core_name ? core_name() : NULL;
}
