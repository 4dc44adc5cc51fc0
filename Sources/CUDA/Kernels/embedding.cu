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

// Adds, in the order of a list, the rows of dy that belong to a warp's row of the table to it, or begins with zero.
DEVICE void add_listed(const int *list, const int *owners, int count, int row, const float *dy, float *result, int width,
                       bool begins) {
  const int lane = threadIdx.x & 31;
  bool adds = begins;
  for (int i = 0; i < count && !adds; i++) adds = owners[i] == row;
  if (!adds) return;
  if (width % 4 == 0) {
    for (int j = 4 * lane; j < width; j += 128) {
      float4 sum = begins ? make_float4(0, 0, 0, 0) : load4(result, FLOAT32, j);
      for (int i = 0; i < count; i++)
        if (owners[i] == row) {
          const float4 d = load4(dy, FLOAT32, (int64)list[i] * width + j);
          sum = make_float4(sum.x + d.x, sum.y + d.y, sum.z + d.z, sum.w + d.w);
        }
      store4(result, FLOAT32, j, sum);
    }
  } else {
    for (int j = lane; j < width; j += 32) {
      float sum = begins ? 0.0f : result[j];
      for (int i = 0; i < count; i++)
        if (owners[i] == row) sum += dy[(int64)list[i] * width + j];
      result[j] = sum;
    }
  }
}

// dtable[r] = sum of dy[n] over the n, in their order, with indices[n] = r, or that is added to it. A block works on 8 rows of the table, a
// warp on one: the block lists who belongs to them, 1,024 indices at a time. Blocks of 256 threads.
KERNEL gather_backward(const int *indices, const float *dy, float *dtable, int adds, int count, int rows, int width) {
  SHARED int list[2048], owners[2048], counts[8];
  const int first = 8 * blockIdx.x, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int row = first + warp;
  float *result = dtable + (int64)row * width;
  bool begins = !adds;
  int listed = 0;
  for (int start = 0; start < count; start += 1024) {
    // A thread looks at four indices in a row.
    int mine[4];
    int found = 0;
    for (int k = 0; k < 4; k++) {
      const int n = start + 4 * threadIdx.x + k;
      mine[k] = n < count ? indices[n] - first : -1;
      found += mine[k] >= 0 && mine[k] < 8 ? 1 : 0;
    }
    int place = found;
    for (int offset = 1; offset < 32; offset <<= 1) {
      const int other = __shfl_up_sync(FULL_WARP, place, offset);
      if (lane >= offset) place += other;
    }
    if (lane == 31) counts[warp] = place;
    __syncthreads();
    int total = 0;
    place += listed - found;
    for (int i = 0; i < 8; i++) {
      if (i < warp) place += counts[i];
      total += counts[i];
    }
    for (int k = 0; k < 4; k++)
      if (mine[k] >= 0 && mine[k] < 8) {
        list[place] = start + 4 * threadIdx.x + k;
        owners[place++] = first + mine[k];
      }
    listed += total;
    __syncthreads();
    if (listed > 1024 || start + 1024 >= count) {
      if (row < rows) add_listed(list, owners, listed, row, dy, result, width, begins);
      begins = false;
      listed = 0;
      __syncthreads();
    }
  }
  if (begins && row < rows) add_listed(list, owners, 0, row, dy, result, width, true);
}
