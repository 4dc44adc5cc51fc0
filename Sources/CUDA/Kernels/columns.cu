// A range of columns of every row.
#include "common.cuh"

// target[n, i] = source[n, first + i] for i < width.
// Blocks: enough for rows · width numbers, of 256 threads.
KERNEL take_columns(
    const void *source, int source_format, void *target, int target_format, int rows, int source_width, int first,
    int width) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (int64)rows * width) return;
  store(target, target_format, i, load(source, source_format, i / width * source_width + first + i % width));
}

// The opposite, for gradients: target[n, first + i] = source[n, i], and 0 in the other columns.
// Blocks: enough for rows · target_width numbers, of 256 threads.
KERNEL place_columns(
    const void *source, int source_format, void *target, int target_format, int rows, int target_width, int first,
    int width) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (int64)rows * target_width) return;
  const int column = (int)(i % target_width) - first;
  const bool inside = column >= 0 && column < width;
  store(target, target_format, i, inside ? load(source, source_format, i / target_width * width + column) : 0);
}
