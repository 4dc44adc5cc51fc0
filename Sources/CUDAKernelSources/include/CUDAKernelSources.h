#ifndef CUDA_KERNEL_SOURCES_H
#define CUDA_KERNEL_SOURCES_H

// The text of a file in Sources/CUDA/Kernels, or NULL.
const char *_Nullable nk_cuda_source(const char *_Nonnull name);

#endif
