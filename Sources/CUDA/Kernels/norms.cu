// Normalization of rows: N rows of width D. Statistics and parameters are float32.
//
// A warp works on a row, four warps a block; it reads the row anew in each pass, which the cache holds. Numbers are
// read and written four at a time where the width is a multiple of 4.
#include "common.cuh"

// A few numbers of a row.
template <int COUNT>
struct Numbers {
  float v[COUNT];
};

template <int COUNT>
DEVICE Numbers<COUNT> load_numbers(const void *numbers, int format, int64 index) {
  Numbers<COUNT> result;
  if (COUNT == 4) {
    const float4 four = load4(numbers, format, index);
    result.v[0] = four.x, result.v[1 % COUNT] = four.y, result.v[2 % COUNT] = four.z, result.v[3 % COUNT] = four.w;
  } else {
    result.v[0] = load(numbers, format, index);
  }
  return result;
}

template <int COUNT>
DEVICE void store_numbers(void *numbers, int format, int64 index, Numbers<COUNT> value) {
  if (COUNT == 4)
    store4(numbers, format, index,
           make_float4(value.v[0], value.v[1 % COUNT], value.v[2 % COUNT], value.v[3 % COUNT]));
  else
    store(numbers, format, index, value.v[0]);
}

// The sum over a row of what `body` makes of some of its numbers, for every lane of the warp.
template <int COUNT, class Body>
DEVICE float row_sum(int width, Body body) {
  float sum = 0;
  for (int i = COUNT * (threadIdx.x & 31); i < width; i += 32 * COUNT) sum += body(i);
  return warp_sum(sum);
}

// Adds numbers of another gradient, if there is one.
template <int COUNT>
DEVICE void add_other(Numbers<COUNT> &value, const float *other, int64 index) {
  if (!other) return;
  const Numbers<COUNT> added = load_numbers<COUNT>(other, FLOAT32, index);
  for (int k = 0; k < COUNT; k++) value.v[k] += added.v[k];
}

// The row of the thread's warp.
DEVICE int64 own_row() { return (int64)blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5); }

template <int COUNT>
DEVICE void layer_norm_row(const float *x, const float *gain, const float *bias, void *y, int y_format, void *kept,
                           float *statistics, int64 row, int width, float epsilon) {
  const int64 start = row * width;
  const float mean = row_sum<COUNT>(width, [=](int i) {
    const Numbers<COUNT> v = load_numbers<COUNT>(x, FLOAT32, start + i);
    float sum = 0;
    for (int k = 0; k < COUNT; k++) sum += v.v[k];
    return sum;
  }) / width;
  const float variance = row_sum<COUNT>(width, [=](int i) {
    const Numbers<COUNT> v = load_numbers<COUNT>(x, FLOAT32, start + i);
    float sum = 0;
    for (int k = 0; k < COUNT; k++) sum += (v.v[k] - mean) * (v.v[k] - mean);
    return sum;
  }) / width;
  const float r = 1.0f / sqrtf(variance + epsilon);
  if ((threadIdx.x & 31) == 0) {
    statistics[2 * row] = mean;
    statistics[2 * row + 1] = r;
  }
  for (int i = COUNT * (threadIdx.x & 31); i < width; i += 32 * COUNT) {
    Numbers<COUNT> v = load_numbers<COUNT>(x, FLOAT32, start + i);
    if (kept) store_numbers<COUNT>(kept, BFLOAT16, start + i, v);
    const Numbers<COUNT> g = load_numbers<COUNT>(gain, FLOAT32, i), b = load_numbers<COUNT>(bias, FLOAT32, i);
    for (int k = 0; k < COUNT; k++) v.v[k] = (v.v[k] - mean) * r * g.v[k] + b.v[k];
    store_numbers<COUNT>(y, y_format, start + i, v);
  }
}

// y = g (x - mean) / sqrt(variance + epsilon) + b; statistics[n] = {mean, reciprocal deviation}. `kept`, if it is
// wanted, is x in bfloat16.
KERNEL layer_norm(const float *x, const float *gain, const float *bias, void *y, int y_format, void *kept,
                  float *statistics, int rows, int width, float epsilon) {
  const int64 row = own_row();
  if (row >= rows) return;
  if (width % 4 == 0)
    layer_norm_row<4>(x, gain, bias, y, y_format, kept, statistics, row, width, epsilon);
  else
    layer_norm_row<1>(x, gain, bias, y, y_format, kept, statistics, row, width, epsilon);
}

// Adds numbers to sums, which belong to the lane alone.
template <int COUNT>
DEVICE void add_numbers(float *sums, int index, Numbers<COUNT> added) {
  Numbers<COUNT> sum = load_numbers<COUNT>(sums, FLOAT32, index);
  for (int k = 0; k < COUNT; k++) sum.v[k] += added.v[k];
  store_numbers<COUNT>(sums, FLOAT32, index, sum);
}

// Calls `body` with each row of the thread's warp and the warp's own `width` sums, zero at first, in shared memory. Then
// partial[block][i] = the sum of all its warps' sums.
template <class Body>
DEVICE void for_each_row_summing(float *shared, float *partial, int rows, int width, Body body) {
  const int warps = blockDim.x >> 5, warp = threadIdx.x >> 5;
  for (int i = threadIdx.x; i < warps * width; i += blockDim.x) shared[i] = 0;
  __syncthreads();
  for (int64 row = (int64)blockIdx.x * warps + warp; row < rows; row += (int64)gridDim.x * warps)
    body(row, shared + warp * width);
  __syncthreads();
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    float sum = 0;
    for (int w = 0; w < warps; w++) sum += shared[w * width + i];
    partial[(int64)blockIdx.x * width + i] = sum;
  }
}

template <int COUNT>
DEVICE void layer_norm_row_backward(const void *x, int x_format, const float *gain, float mean, float r,
                                    const void *dy, int dy_format, const float *other, float *dx,
                                    void *rounded_dx, float *sums, int64 start, int width) {
  float sum = 0, product = 0;
  for (int i = COUNT * (threadIdx.x & 31); i < width; i += 32 * COUNT) {
    const Numbers<COUNT> v = load_numbers<COUNT>(x, x_format, start + i), g = load_numbers<COUNT>(gain, FLOAT32, i),
                         d = load_numbers<COUNT>(dy, dy_format, start + i);
    for (int k = 0; k < COUNT; k++) {
      sum += g.v[k] * d.v[k];
      product += g.v[k] * d.v[k] * (v.v[k] - mean) * r;
    }
  }
  sum = warp_sum(sum) / width;
  product = warp_sum(product) / width;
  for (int i = COUNT * (threadIdx.x & 31); i < width; i += 32 * COUNT) {
    const Numbers<COUNT> v = load_numbers<COUNT>(x, x_format, start + i), g = load_numbers<COUNT>(gain, FLOAT32, i);
    Numbers<COUNT> d = load_numbers<COUNT>(dy, dy_format, start + i), h;
    add_numbers<COUNT>(sums + width, i, d);
    for (int k = 0; k < COUNT; k++) {
      h.v[k] = d.v[k] * (v.v[k] - mean) * r;
      d.v[k] = r * (g.v[k] * d.v[k] - sum - (v.v[k] - mean) * r * product);
    }
    add_numbers<COUNT>(sums, i, h);
    add_other<COUNT>(d, other, start + i);
    store_numbers<COUNT>(dx, FLOAT32, start + i, d);
    if (rounded_dx) store_numbers<COUNT>(rounded_dx, BFLOAT16, start + i, d);
  }
}

// With h = (x - mean) r and e = g dy: dx = r (e - mean(e) - h mean(e h)), and to it is added what else there is of the
// gradient of x, if anything. `rounded_dx`, if it is wanted, is dx in bfloat16. partial[p] = the sums over some of the
// rows, the p-th block's, of dy h, and behind them of dy. 2 width shared numbers a warp.
KERNEL layer_norm_backward(const void *x, int x_format, const float *gain, const float *statistics, const void *dy,
                           int dy_format, const float *other, float *dx, void *rounded_dx, float *partial, int rows,
                           int width) {
  DYNAMIC_SHARED(shared);
  for_each_row_summing((float *)shared, partial, rows, 2 * width, [=](int64 row, float *sums) {
    const float mean = statistics[2 * row], r = statistics[2 * row + 1];
    if (width % 4 == 0)
      layer_norm_row_backward<4>(
          x, x_format, gain, mean, r, dy, dy_format, other, dx, rounded_dx, sums, row * width, width);
    else
      layer_norm_row_backward<1>(
          x, x_format, gain, mean, r, dy, dy_format, other, dx, rounded_dx, sums, row * width, width);
  });
}

template <int COUNT>
DEVICE void rms_norm_row(const float *x, const float *gain, void *y, int y_format, void *kept, float *reciprocals,
                         int64 row, int width, float epsilon) {
  const int64 start = row * width;
  const float squares = row_sum<COUNT>(width, [=](int i) {
    const Numbers<COUNT> v = load_numbers<COUNT>(x, FLOAT32, start + i);
    float sum = 0;
    for (int k = 0; k < COUNT; k++) sum += v.v[k] * v.v[k];
    return sum;
  });
  const float r = 1.0f / sqrtf(squares / width + epsilon);
  if ((threadIdx.x & 31) == 0) reciprocals[row] = r;
  for (int i = COUNT * (threadIdx.x & 31); i < width; i += 32 * COUNT) {
    Numbers<COUNT> v = load_numbers<COUNT>(x, FLOAT32, start + i);
    if (kept) store_numbers<COUNT>(kept, BFLOAT16, start + i, v);
    const Numbers<COUNT> g = load_numbers<COUNT>(gain, FLOAT32, i);
    for (int k = 0; k < COUNT; k++) v.v[k] *= r * g.v[k];
    store_numbers<COUNT>(y, y_format, start + i, v);
  }
}

// y = g x / sqrt(mean(x^2) + epsilon); reciprocals[n] is what x was multiplied by. `kept` as above.
KERNEL rms_norm(const float *x, const float *gain, void *y, int y_format, void *kept, float *reciprocals, int rows,
                int width, float epsilon) {
  const int64 row = own_row();
  if (row >= rows) return;
  if (width % 4 == 0)
    rms_norm_row<4>(x, gain, y, y_format, kept, reciprocals, row, width, epsilon);
  else
    rms_norm_row<1>(x, gain, y, y_format, kept, reciprocals, row, width, epsilon);
}

template <int COUNT>
DEVICE void rms_norm_row_backward(const void *x, int x_format, const float *gain, float r, const void *dy,
                                  int dy_format, const float *other, float *dx, void *rounded_dx, float *sums,
                                  int64 start, int width) {
  const float product = row_sum<COUNT>(width, [=](int i) {
    const Numbers<COUNT> v = load_numbers<COUNT>(x, x_format, start + i), g = load_numbers<COUNT>(gain, FLOAT32, i),
                         d = load_numbers<COUNT>(dy, dy_format, start + i);
    float sum = 0;
    for (int k = 0; k < COUNT; k++) sum += g.v[k] * d.v[k] * v.v[k] * r;
    return sum;
  }) / width;
  for (int i = COUNT * (threadIdx.x & 31); i < width; i += 32 * COUNT) {
    const Numbers<COUNT> v = load_numbers<COUNT>(x, x_format, start + i), g = load_numbers<COUNT>(gain, FLOAT32, i);
    Numbers<COUNT> d = load_numbers<COUNT>(dy, dy_format, start + i), h;
    for (int k = 0; k < COUNT; k++) {
      h.v[k] = d.v[k] * v.v[k] * r;
      d.v[k] = r * (g.v[k] * d.v[k] - v.v[k] * r * product);
    }
    add_numbers<COUNT>(sums, i, h);
    add_other<COUNT>(d, other, start + i);
    store_numbers<COUNT>(dx, FLOAT32, start + i, d);
    if (rounded_dx) store_numbers<COUNT>(rounded_dx, BFLOAT16, start + i, d);
  }
}

// With h = x r and e = g dy: dx = r (e - h mean(e h)), and what else there is, `rounded_dx` and partial[p], the sums of
// dy h, as above. `width` shared numbers a warp.
KERNEL rms_norm_backward(const void *x, int x_format, const float *gain, const float *reciprocals, const void *dy,
                         int dy_format, const float *other, float *dx, void *rounded_dx, float *partial, int rows,
                         int width) {
  DYNAMIC_SHARED(shared);
  for_each_row_summing((float *)shared, partial, rows, width, [=](int64 row, float *sums) {
    const float r = reciprocals[row];
    if (width % 4 == 0)
      rms_norm_row_backward<4>(x, x_format, gain, r, dy, dy_format, other, dx, rounded_dx, sums, row * width, width);
    else
      rms_norm_row_backward<1>(x, x_format, gain, r, dy, dy_format, other, dx, rounded_dx, sums, row * width, width);
  });
}

// Writes the sums over the block's 8 rows of threads of COUNT columns a thread.
template <int COUNT>
DEVICE void store_column_sums(Numbers<COUNT> sums, float *partial, int column, int width) {
  SHARED float scratch[8][129];
  const int lane = threadIdx.x & 31, row = threadIdx.x >> 5;
  __syncthreads();
  for (int k = 0; k < COUNT; k++) scratch[row][COUNT * lane + k] = sums.v[k];
  __syncthreads();
  for (int i = threadIdx.x; i < 32 * COUNT; i += 256) {
    if (column + i >= width) break;
    float sum = 0;
    for (int r = 0; r < 8; r++) sum += scratch[r][i];
    partial[column + i] = sum;
  }
}

template <int COUNT>
DEVICE void column_sums(const void *x, int x_format, float *partial, int rows, int width) {
  const int first = 32 * COUNT * blockIdx.x, column = first + COUNT * (threadIdx.x & 31);
  Numbers<COUNT> sum;
  for (int k = 0; k < COUNT; k++) sum.v[k] = 0;
  if (column < width)
    for (int64 n = blockIdx.y * 8 + (threadIdx.x >> 5); n < rows; n += 8 * gridDim.y) {
      const Numbers<COUNT> v = load_numbers<COUNT>(x, x_format, n * width + column);
      for (int k = 0; k < COUNT; k++) sum.v[k] += v.v[k];
    }
  store_column_sums<COUNT>(sum, partial + (int64)blockIdx.y * width, first, width);
}

// Sums over rows, first half: partial[p][j] = sum over the rows n = p, p + P, ... of x[n][j]. Blocks of 8 rows of threads;
// grid (width / 128, P) where the width is a multiple of 4, else (width / 32, P).
KERNEL row_sums(const void *x, int x_format, float *partial, int rows, int width) {
  if (width % 4 == 0)
    column_sums<4>(x, x_format, partial, rows, width);
  else
    column_sums<1>(x, x_format, partial, rows, width);
}

// Second half: first[j] = sum over p of partial[p][j], and if there is a second result, the same of the `width`
// columns behind. Blocks of 32 columns and 32 rows of threads.
KERNEL sum_partials(const float *partial, float *first, float *second, int parts, int width) {
  SHARED float firsts[32][33], seconds[32][33];
  const int column = 32 * blockIdx.x + (threadIdx.x & 31), lane = threadIdx.x >> 5;
  const int stride = second ? 2 * width : width;
  float sum = 0, other = 0;
  if (column < width)
    for (int p = lane; p < parts; p += 32) {
      sum += partial[(int64)p * stride + column];
      if (second) other += partial[(int64)p * stride + width + column];
    }
  firsts[lane][threadIdx.x & 31] = sum;
  seconds[lane][threadIdx.x & 31] = other;
  __syncthreads();
  if (lane > 0 || column >= width) return;
  sum = other = 0;
  for (int i = 0; i < 32; i++) {
    sum += firsts[i][threadIdx.x];
    other += seconds[i][threadIdx.x];
  }
  first[column] = sum;
  if (second) second[column] = other;
}
