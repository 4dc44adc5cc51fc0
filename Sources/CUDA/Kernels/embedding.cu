// Rows of a table by index, and their gradient. Tables and gradients are float32.
#include "common.cuh"

// y[n] = table[indices[n]]; an index outside the table gives NaN, which shows. A block a row.
KERNEL gather(const float *table, const int *indices, float *y, int rows, int width) {
  const int index = indices[blockIdx.x];
  const bool known = index >= 0 && index < rows;
  y += (int64)blockIdx.x * width;
  table += (int64)(known ? index : 0) * width;
  if (width % 4 == 0) {
    for (int i = 4 * threadIdx.x; i < width; i += 4 * blockDim.x) {
      const float4 v = load4(table, FLOAT32, i);
      const float n = __int_as_float(0x7fffffff);
      store4(y, FLOAT32, i, known ? v : make_float4(n, n, n, n));
    }
  } else {
    for (int i = threadIdx.x; i < width; i += blockDim.x) y[i] = known ? table[i] : __int_as_float(0x7fffffff);
  }
}

// dtable[r] = sum of dy[n] over the n, in their order, with indices[n] = r. A block works on 32 rows of the table:
// it finds who belongs to them, then adds in order. Blocks of 256 threads.
KERNEL gather_backward(const int *indices, const float *dy, float *dtable, int count, int rows, int width) {
  SHARED int found[256], counts[8];
  const int first = 32 * blockIdx.x, last = min(first + 32, rows);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  for (int64 i = (int64)first * width + threadIdx.x; i < (int64)last * width; i += blockDim.x) dtable[i] = 0;
  for (int start = 0; start < count; start += 256) {
    const int n = start + threadIdx.x;
    const int index = n < count ? indices[n] : -1;
    const bool mine = index >= first && index < last;
    const unsigned votes = __ballot_sync(FULL_WARP, mine);
    if (lane == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int place = __popc(votes & ((1u << lane) - 1)), total = 0;
    for (int i = 0; i < 8; i++) {
      if (i < warp) place += counts[i];
      total += counts[i];
    }
    if (mine) found[place] = n;
    __syncthreads();
    for (int i = 0; i < total; i++) {
      const int source = found[i];
      float *row = dtable + (int64)indices[source] * width;
      for (int j = threadIdx.x; j < width; j += blockDim.x) row[j] += dy[(int64)source * width + j];
    }
    __syncthreads();
  }
}
