// Normalization of rows: N rows of width D. Statistics and parameters are float32.
#include "common.cuh"

// y = g (x - mean) / sqrt(variance + epsilon) + b; statistics[n] = {mean, reciprocal deviation}. A block a row; a
// second pass over the row, which the cache holds, gives the variance of differences from the mean.
KERNEL layer_norm(const float *x, const float *gain, const float *bias, void *y, int y_format, float *statistics,
                  int width, float epsilon) {
  SHARED float scratch[32];
  const int64 start = (int64)blockIdx.x * width;
  const bool whole = width % 4 == 0;
  float total = 0;
  if (whole) {
    for (int i = 4 * threadIdx.x; i < width; i += 4 * blockDim.x) {
      const float4 v = load4(x, FLOAT32, start + i);
      total += v.x + v.y + v.z + v.w;
    }
  } else {
    for (int i = threadIdx.x; i < width; i += blockDim.x) total += x[start + i];
  }
  const float mean = block_sum(total, scratch) / width;
  float squares = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    const float d = x[start + i] - mean;
    squares += d * d;
  }
  const float reciprocal = 1.0f / sqrtf(block_sum(squares, scratch) / width + epsilon);
  if (threadIdx.x == 0) {
    statistics[2 * blockIdx.x] = mean;
    statistics[2 * blockIdx.x + 1] = reciprocal;
  }
  if (whole) {
    for (int i = 4 * threadIdx.x; i < width; i += 4 * blockDim.x) {
      const float4 v = load4(x, FLOAT32, start + i), g = load4(gain, FLOAT32, i), b = load4(bias, FLOAT32, i);
      store4(y, y_format, start + i,
             make_float4((v.x - mean) * reciprocal * g.x + b.x, (v.y - mean) * reciprocal * g.y + b.y,
                         (v.z - mean) * reciprocal * g.z + b.z, (v.w - mean) * reciprocal * g.w + b.w));
    }
  } else {
    for (int i = threadIdx.x; i < width; i += blockDim.x)
      store(y, y_format, start + i, (x[start + i] - mean) * reciprocal * gain[i] + bias[i]);
  }
}

// With h = (x - mean) r and e = g dy: dx = r (e - mean(e) - h mean(e h)). A block a row.
KERNEL layer_norm_backward(const void *x, int x_format, const float *gain, const float *statistics, const void *dy,
                           int dy_format, float *dx, int width) {
  SHARED float scratch[32];
  const int64 start = (int64)blockIdx.x * width;
  const float mean = statistics[2 * blockIdx.x], r = statistics[2 * blockIdx.x + 1];
  float sum = 0, product = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    const float e = gain[i] * load(dy, dy_format, start + i);
    sum += e;
    product += e * (load(x, x_format, start + i) - mean) * r;
  }
  sum = block_sum(sum, scratch) / width;
  product = block_sum(product, scratch) / width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    const float h = (load(x, x_format, start + i) - mean) * r;
    dx[start + i] = r * (gain[i] * load(dy, dy_format, start + i) - sum - h * product);
  }
}

// y = g x / sqrt(mean(x^2) + epsilon); reciprocals[n] is what x was multiplied by. A block a row.
KERNEL rms_norm(const float *x, const float *gain, void *y, int y_format, float *reciprocals, int width,
                float epsilon) {
  SHARED float scratch[32];
  const int64 start = (int64)blockIdx.x * width;
  float squares = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) squares += x[start + i] * x[start + i];
  const float r = 1.0f / sqrtf(block_sum(squares, scratch) / width + epsilon);
  if (threadIdx.x == 0) reciprocals[blockIdx.x] = r;
  for (int i = threadIdx.x; i < width; i += blockDim.x)
    store(y, y_format, start + i, x[start + i] * r * gain[i]);
}

// With h = x r and e = g dy: dx = r (e - h mean(e h)). A block a row.
KERNEL rms_norm_backward(const void *x, int x_format, const float *gain, const float *reciprocals, const void *dy,
                         int dy_format, float *dx, int width) {
  SHARED float scratch[32];
  const int64 start = (int64)blockIdx.x * width;
  const float r = reciprocals[blockIdx.x];
  float product = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x)
    product += gain[i] * load(dy, dy_format, start + i) * load(x, x_format, start + i) * r;
  product = block_sum(product, scratch) / width;
  for (int i = threadIdx.x; i < width; i += blockDim.x) {
    const float h = load(x, x_format, start + i) * r;
    dx[start + i] = r * (gain[i] * load(dy, dy_format, start + i) - h * product);
  }
}

// Sums over rows, first half: partial[p][j] = sum over the rows n = p, p + P, ... of dy[n][j] h[n][j], and of
// dy[n][j] behind them if there are means, or biases alone are wanted. Blocks of 32 columns and 8 rows of threads;
// grid (columns / 32, P). `statistics` are `stride` numbers a row: {mean, r} of layer norms, {r} of RMS norms.
KERNEL norm_parameter_sums(const void *x, int x_format, const float *statistics, int stride, const void *dy,
                           int dy_format, float *partial, int rows, int width) {
  SHARED float gains[8][33], biases[8][33];
  const int column = 32 * blockIdx.x + (threadIdx.x & 31), lane = threadIdx.x >> 5;
  float gain = 0, bias = 0;
  if (column < width)
    for (int64 n = blockIdx.y * 8 + lane; n < rows; n += 8 * gridDim.y) {
      const float d = load(dy, dy_format, n * width + column), v = load(x, x_format, n * width + column);
      const float mean = stride == 2 ? statistics[2 * n] : 0.0f, r = statistics[stride * n + stride - 1];
      gain += d * (v - mean) * r;
      bias += d;
    }
  gains[lane][threadIdx.x & 31] = gain;
  biases[lane][threadIdx.x & 31] = bias;
  __syncthreads();
  if (lane == 0 && column < width) {
    gain = bias = 0;
    for (int i = 0; i < 8; i++) {
      gain += gains[i][threadIdx.x];
      bias += biases[i][threadIdx.x];
    }
    partial[(int64)blockIdx.y * 2 * width + column] = gain;
    partial[(int64)blockIdx.y * 2 * width + width + column] = bias;
  }
}

// partial[p][j] = sum over the rows n = p, p + P, ... of x[n][j]; blocks and grid as above.
KERNEL row_sums(const void *x, int x_format, float *partial, int rows, int width) {
  SHARED float sums[8][33];
  const int column = 32 * blockIdx.x + (threadIdx.x & 31), lane = threadIdx.x >> 5;
  float sum = 0;
  if (column < width)
    for (int64 n = blockIdx.y * 8 + lane; n < rows; n += 8 * gridDim.y)
      sum += load(x, x_format, n * width + column);
  sums[lane][threadIdx.x & 31] = sum;
  __syncthreads();
  if (lane == 0 && column < width) {
    sum = 0;
    for (int i = 0; i < 8; i++) sum += sums[i][threadIdx.x];
    partial[(int64)blockIdx.y * width + column] = sum;
  }
}

// Second half: first[j] = sum over p of partial[p][j], and if there is a second result, the same of the `width`
// columns behind. A thread a column.
KERNEL sum_partials(const float *partial, float *first, float *second, int parts, int width) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x, stride = second ? 2 * width : width;
  if (column >= width) return;
  float sum = 0, other = 0;
  for (int p = 0; p < parts; p++) {
    sum += partial[(int64)p * stride + column];
    if (second) other += partial[(int64)p * stride + width + column];
  }
  first[column] = sum;
  if (second) second[column] = other;
}
