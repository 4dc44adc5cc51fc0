// Causal attention of float32 operands, forward and backward: the mathematics and arguments of attention.cu, without
// tensor cores.
//
// A block of 128 threads works on a tile of 64 rows and goes through tiles of 64 rows of the other side. In a product
// of 64 × N numbers a thread has 8 rows from 8 · (thread / 16) on and the columns thread % 16 + 16 j, so the rows of a
// warp are read and written by that warp alone.
#include "common.cuh"
#include "tensor_cores.cuh"

#define TILE 64
#define THREADS 128
// Numbers from row to row in shared memory: 4 more than a row, so that 8 rows lie in different banks.
#define PITCH(width) ((width) + 4)

// MARK: Tiles

// Rows `first` to `first + 64` of a pair into shared memory; those from `length` on, and columns beyond the width, are
// zeros.
template <int WIDTH, bool VECTORS>
DEVICE void load_tile(float *shared, const float *rows, int stride, int width, int first, int length) {
  const float *start = rows + (int64)first * stride;
  if constexpr (VECTORS) {
#pragma unroll 8
    for (int i = threadIdx.x; i < TILE * WIDTH / 4; i += THREADS) {
      const int row = i / (WIDTH / 4), column = i % (WIDTH / 4) * 4;
      const bool valid = first + row < length && column < width;
      cp_async_16(shared + row * PITCH(WIDTH) + column, valid ? start + (int64)row * stride + column : rows, valid);
    }
  } else {
#pragma unroll 1
    for (int i = threadIdx.x; i < TILE * WIDTH; i += THREADS) {
      const int row = i / WIDTH, column = i % WIDTH;
      shared[row * PITCH(WIDTH) + column] =
          first + row < length && column < width ? start[(int64)row * stride + column] : 0;
    }
  }
}

// Waits for all tiles that the block has begun to load.
DEVICE void await_tiles() {
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
}

// A thread's part of a result, times a factor a row, into rows of a pair.
template <int WIDTH>
DEVICE void store_rows(
    const float (&sums)[8][WIDTH / 16], const float (&factors)[8], float *rows, int stride, int width, int first,
    int length) {
  const int row = first + threadIdx.x / 16 * 8, column = threadIdx.x % 16;
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < WIDTH / 16; j++)
      if (row + i < length && column + 16 * j < width)
        rows[(int64)(row + i) * stride + column + 16 * j] = sums[i][j] * factors[i];
}

// MARK: Products

template <int COLUMNS>
DEVICE void clear(float (&sums)[8][COLUMNS]) {
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) sums[i][j] = 0;
}

// C = A Bᵀ of two tiles of 64 rows of DEPTH numbers.
template <int DEPTH>
DEVICE void multiply_transposed(float (&c)[8][4], const float *a, const float *b) {
  const float *left = a + threadIdx.x / 16 * 8 * PITCH(DEPTH), *right = b + threadIdx.x % 16 * PITCH(DEPTH);
  clear(c);
#pragma unroll 2
  for (int k = 0; k < DEPTH; k += 4) {
    float4 columns[4];
#pragma unroll
    for (int j = 0; j < 4; j++) columns[j] = *(const float4 *)(right + 16 * j * PITCH(DEPTH) + k);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const float4 row = *(const float4 *)(left + i * PITCH(DEPTH) + k);
#pragma unroll
      for (int j = 0; j < 4; j++)
        c[i][j] += row.x * columns[j].x + row.y * columns[j].y + row.z * columns[j].z + row.w * columns[j].w;
    }
  }
}

// C += A B of 64 × 64 numbers and a tile of 64 rows of WIDTH.
template <int WIDTH>
DEVICE void multiply_rows(float (&c)[8][WIDTH / 16], const float *a, const float *b) {
  const float *left = a + threadIdx.x / 16 * 8 * PITCH(TILE), *right = b + threadIdx.x % 16;
#pragma unroll 2
  for (int k = 0; k < TILE; k += 4) {
    float rows[4][WIDTH / 16];
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
      for (int j = 0; j < WIDTH / 16; j++) rows[r][j] = right[(k + r) * PITCH(WIDTH) + 16 * j];
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const float4 row = *(const float4 *)(left + i * PITCH(TILE) + k);
#pragma unroll
      for (int j = 0; j < WIDTH / 16; j++)
        c[i][j] += row.x * rows[0][j] + row.y * rows[1][j] + row.z * rows[2][j] + row.w * rows[3][j];
    }
  }
}

// A thread's part of 64 × 64 numbers to where the threads of its rows read it. Only the warp's threads wait.
DEVICE void share(float *shared, const float (&numbers)[8][4]) {
  float *start = shared + threadIdx.x / 16 * 8 * PITCH(TILE) + threadIdx.x % 16;
  __syncwarp();
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) start[i * PITCH(TILE) + 16 * j] = numbers[i][j];
  __syncwarp();
}

// MARK: Forward

// See ATTENTION_FLOAT32.
template <int K, int W, bool VECTORS>
DEVICE void attention_forward(
    const float *query, const float *key, const float *value, float *output, float *log_sums, float *largest_logits,
    int length, int heads, int key_width, int value_width, int query_stride, int query_step, int key_stride,
    int key_step, int value_stride, int value_step, int output_stride, int output_step, float scale) {
  DYNAMIC_SHARED(memory);
  float *queries = (float *)memory;
  float *keys = queries + TILE * PITCH(K);
  float *values = keys + TILE * PITCH(K);
  float *probabilities = values + TILE * PITCH(W);
  SHARED float scratch[32];

  const int pair = blockIdx.x, head = pair % heads;
  const int64 row = (int64)(pair / heads) * length;
  query += row * query_stride + (int64)head * query_step;
  key += row * key_stride + (int64)head * key_step;
  value += row * value_stride + (int64)head * value_step;
  output += row * output_stride + (int64)head * output_step;
  const int tile = gridDim.y - 1 - blockIdx.y, first = tile * TILE;
  const int thread_row = threadIdx.x / 16 * 8, thread_column = threadIdx.x % 16;

  float sums[8], largest[8], outputs[8][W / 16];
  clear(outputs);
#pragma unroll
  for (int i = 0; i < 8; i++) sums[i] = 0, largest[i] = -INFINITY_F;
  // exp(scale (s - m)) as a power of two; a negative scale turns the logits round, so that m is a maximum.
  // Of 0 it keeps masked logits at -inf.
  const float factor = fmaxf(fabsf(scale), 1e-30f) * LOG2_E, sign = scale < 0 ? -1.0f : 1.0f;

  load_tile<K, VECTORS>(queries, query, query_stride, key_width, first, length);
  for (int k = 0; k <= tile; k++) {
    __syncthreads();
    load_tile<K, VECTORS>(keys, key, key_stride, key_width, k * TILE, length);
    load_tile<W, VECTORS>(values, value, value_stride, value_width, k * TILE, length);
    await_tiles();
    float scores[8][4];
    multiply_transposed<K>(scores, queries, keys);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float highest = largest[i];
#pragma unroll
      for (int j = 0; j < 4; j++) {
        scores[i][j] *= sign;
        if (k == tile && thread_column + 16 * j > thread_row + i) scores[i][j] = -INFINITY_F;
        highest = fmaxf(highest, scores[i][j]);
      }
#pragma unroll
      for (int offset = 8; offset > 0; offset >>= 1)
        highest = fmaxf(highest, __shfl_xor_sync(FULL_WARP, highest, offset));
      const float shrinking = exp2_approximate((largest[i] - highest) * factor);
      largest[i] = highest;
      float sum = 0;
#pragma unroll
      for (int j = 0; j < 4; j++) {
        scores[i][j] = exp2_approximate((scores[i][j] - highest) * factor);
        sum += scores[i][j];
      }
      sums[i] = sums[i] * shrinking + sum;
#pragma unroll
      for (int j = 0; j < W / 16; j++) outputs[i][j] *= shrinking;
    }
    share(probabilities, scores);
    multiply_rows<W>(outputs, probabilities, values);
  }

  float highest = -INFINITY_F, reciprocals[8];
#pragma unroll
  for (int i = 0; i < 8; i++) {
    float sum = sums[i];
#pragma unroll
    for (int offset = 8; offset > 0; offset >>= 1) sum += __shfl_xor_sync(FULL_WARP, sum, offset);
    reciprocals[i] = 1 / sum;
    const float logit = largest[i] * fabsf(scale);
    if (first + thread_row + i < length) {
      highest = fmaxf(highest, logit);
      if (thread_column == 0) log_sums[(int64)pair * length + first + thread_row + i] = logit + logf(sum);
    }
  }
  store_rows<W>(outputs, reciprocals, output, output_stride, value_width, first, length);
  highest = block_max(highest, scratch);
  if (threadIdx.x == 0) largest_logits[(int64)tile * gridDim.x + pair] = highest;
}

// MARK: Backward

// See ATTENTION_FLOAT32.
template <int K, int W, bool VECTORS>
DEVICE void attention_backward(
    const float *query, const float *key, const float *value, const float *gradient, const float *log_sums,
    const float *products, float *query_gradient, float *key_gradient, float *value_gradient, int length, int heads,
    int key_width, int value_width, int query_stride, int query_step, int key_stride, int key_step, int value_stride,
    int value_step, int output_stride, int output_step, float scale) {
  DYNAMIC_SHARED(memory);
  float *queries = (float *)memory;
  float *keys = queries + TILE * PITCH(K);
  float *values = keys + TILE * PITCH(K);
  float *gradients = values + TILE * PITCH(W);
  float *shared = gradients + TILE * PITCH(W);

  const int pair = blockIdx.x, head = pair % heads;
  const int64 row = (int64)(pair / heads) * length;
  const int64 query_start = row * query_stride + (int64)head * query_step;
  const int64 key_start = row * key_stride + (int64)head * key_step;
  const int64 value_start = row * value_stride + (int64)head * value_step;
  query += query_start;
  key += key_start;
  value += value_start;
  gradient += row * output_stride + (int64)head * output_step;
  const int padded = (length + 127) / 128 * 128, tiles = gridDim.y >> 1;
  log_sums += (int64)pair * padded;
  products += (int64)pair * padded;
  const int thread_row = threadIdx.x / 16 * 8, thread_column = threadIdx.x % 16;
  const float factor = scale * LOG2_E;
  float factors[8], scores[8][4], score_gradients[8][4];
#pragma unroll
  for (int i = 0; i < 8; i++) factors[i] = scale;

  if (blockIdx.y & 1) {
    // Rows are queries.
    const int tile = tiles - 1 - (blockIdx.y >> 1), first = tile * TILE;
    float sums[8][K / 16];
    clear(sums);
    load_tile<K, VECTORS>(queries, query, query_stride, key_width, first, length);
    load_tile<W, VECTORS>(gradients, gradient, output_stride, value_width, first, length);
    for (int k = 0; k <= tile; k++) {
      __syncthreads();
      load_tile<K, VECTORS>(keys, key, key_stride, key_width, k * TILE, length);
      load_tile<W, VECTORS>(values, value, value_stride, value_width, k * TILE, length);
      await_tiles();
      multiply_transposed<K>(scores, queries, keys);
      multiply_transposed<W>(score_gradients, gradients, values);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        const float log_sum = log_sums[first + thread_row + i], product = products[first + thread_row + i];
#pragma unroll
        for (int j = 0; j < 4; j++) {
          float p = exp2_approximate(scores[i][j] * factor - log_sum);
          if (k == tile && thread_column + 16 * j > thread_row + i) p = 0;
          score_gradients[i][j] = p * (score_gradients[i][j] - product);
        }
      }
      share(shared, score_gradients);
      multiply_rows<K>(sums, shared, keys);
    }
    store_rows<K>(sums, factors, query_gradient + query_start, query_stride, key_width, first, length);
  } else {
    // Rows are keys.
    const int tile = blockIdx.y >> 1, first = tile * TILE;
    float key_sums[8][K / 16], value_sums[8][W / 16];
    clear(key_sums);
    clear(value_sums);
    load_tile<K, VECTORS>(keys, key, key_stride, key_width, first, length);
    load_tile<W, VECTORS>(values, value, value_stride, value_width, first, length);
    for (int q = tile; q < tiles; q++) {
      __syncthreads();
      load_tile<K, VECTORS>(queries, query, query_stride, key_width, q * TILE, length);
      load_tile<W, VECTORS>(gradients, gradient, output_stride, value_width, q * TILE, length);
      await_tiles();
      multiply_transposed<K>(scores, keys, queries);
      multiply_transposed<W>(score_gradients, values, gradients);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const int column = q * TILE + thread_column + 16 * j;
        const float log_sum = log_sums[column], product = products[column];
#pragma unroll
        for (int i = 0; i < 8; i++) {
          float p = exp2_approximate(scores[i][j] * factor - log_sum);
          if (q == tile && thread_column + 16 * j < thread_row + i) p = 0;
          scores[i][j] = p;
          score_gradients[i][j] = p * (score_gradients[i][j] - product);
        }
      }
      share(shared, scores);
      multiply_rows<W>(value_sums, shared, gradients);
      share(shared, score_gradients);
      multiply_rows<K>(key_sums, shared, queries);
    }
    store_rows<K>(key_sums, factors, key_gradient + key_start, key_stride, key_width, first, length);
#pragma unroll
    for (int i = 0; i < 8; i++) factors[i] = 1;
    store_rows<W>(value_sums, factors, value_gradient + value_start, value_stride, value_width, first, length);
  }
}

// Makes two kernels for widths up to K and W, multiples of 16. VECTORS is 1 where all rows begin at multiples of 16
// bytes and widths are multiples of 4.
//
// attention_forward_float32_K_W_VECTORS: blocks (B·H, tiles of T), the last tile first, since it sees the most keys;
//   128 threads; shared memory 256 (2 K + W + 80) bytes.
// attention_backward_float32_K_W_VECTORS: blocks (B·H, 2 tiles of T): even ones make gradients of keys and values, odd
//   ones of queries; the heaviest come first. 128 threads; shared memory 256 (2 K + 2 W + 84) bytes.
#define ATTENTION_FLOAT32(K, W, VECTORS)                                                                              \
  KERNEL __launch_bounds__(THREADS) attention_forward_float32_##K##_##W##_##VECTORS(                                  \
      const float *query, const float *key, const float *value, float *output, float *log_sums,                      \
      float *largest_logits, int length, int heads, int key_width, int value_width, int query_stride, int query_step, \
      int key_stride, int key_step, int value_stride, int value_step, int output_stride, int output_step,             \
      float scale) {                                                                                                  \
    attention_forward<K, W, VECTORS>(                                                                                 \
        query, key, value, output, log_sums, largest_logits, length, heads, key_width, value_width, query_stride,     \
        query_step, key_stride, key_step, value_stride, value_step, output_stride, output_step, scale);               \
  }                                                                                                                   \
  KERNEL __launch_bounds__(THREADS) attention_backward_float32_##K##_##W##_##VECTORS(                                 \
      const float *query, const float *key, const float *value, const float *gradient, const float *log_sums,         \
      const float *products, float *query_gradient, float *key_gradient, float *value_gradient, int length,           \
      int heads, int key_width, int value_width, int query_stride, int query_step, int key_stride, int key_step,      \
      int value_stride, int value_step, int output_stride, int output_step, float scale) {                            \
    attention_backward<K, W, VECTORS>(                                                                                \
        query, key, value, gradient, log_sums, products, query_gradient, key_gradient, value_gradient, length, heads, \
        key_width, value_width, query_stride, query_step, key_stride, key_step, value_stride, value_step,             \
        output_stride, output_step, scale);                                                                           \
  }
