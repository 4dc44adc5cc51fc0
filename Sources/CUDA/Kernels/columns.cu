// A range of columns of every row.
#include "common.cuh"

// target[n, i] = source[n, first + i] for i < width.
// Blocks: one a row.
KERNEL take_columns(
    const void *source, int source_format, void *target, int target_format, int source_width, int first, int width) {
  const int64 from = (int64)blockIdx.x * source_width + first, to = (int64)blockIdx.x * width;
  for (int i = threadIdx.x; i < width; i += blockDim.x)
    store(target, target_format, to + i, load(source, source_format, from + i));
}

// The opposite, for gradients: target[n, first + i] = source[n, i], and 0 in the other columns.
// Blocks: one a row.
KERNEL place_columns(
    const void *source, int source_format, void *target, int target_format, int target_width, int first, int width) {
  const int64 from = (int64)blockIdx.x * width, to = (int64)blockIdx.x * target_width;
  for (int i = threadIdx.x; i < target_width; i += blockDim.x) {
    const bool inside = i >= first && i < first + width;
    store(target, target_format, to + i, inside ? load(source, source_format, from + i - first) : 0);
  }
}
