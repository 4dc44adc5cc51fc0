// Causal attention of bfloat16 operands on tensor cores, forward and backward.
//
//   S = scale Q Kᵀ,  P = softmax(S, causal),  O = P V
//   dV = Pᵀ dO,  dP = dO Vᵀ,  dS = P (dP - D),  D = rowsum(dO O),  dQ = scale dS K,  dK = scale dSᵀ Q
//
// Of B·H pairs of a sequence and a head, T rows each, key width K and value width W. Row t of a pair lies at
// `start + (sequence · T + t) · stride + head · step`. Nothing of T × T is stored: a block works on a tile of rows and
// goes through tiles of the other side, whose copies from global memory run one tile ahead; probabilities are made
// again in the backward pass from each row's log-sum-exp. A warp owns 16 or 32 rows of its block's tile and keeps
// their operand and sums in registers; P goes from one product to the next without leaving them.
//
// Kernels exist by width: ATTENTION_BFLOAT16, at the end, makes those for widths up to multiples of 16; in shared memory
// the rest is filled with zeros.
#include "common.cuh"
#include "tensor_cores.cuh"

// Numbers from row to row in shared memory: 8 more than a row, so that 8 rows lie in different banks.
#define PITCH(width) ((width) + 8)

#ifdef NANO_CUDA_EMULATION
#define DEVICE_METHOD inline
#else
#define DEVICE_METHOD __device__ __forceinline__
#endif

// Rows that a warp owns of its block's tile: as many as its registers hold sums of.
#define WARP_ROWS(key_width, value_width) ((key_width) + (value_width) <= 128 ? 32 : 16)
// Warps that a multiprocessor is to have room for: registers are shared out accordingly.
#define RESIDENT_WARPS(key_width, value_width) ((key_width) + (value_width) <= 64 ? 12 : 8)

// MARK: Tiles

// Rows of one pair in global memory.
struct Rows {
  bfloat16 *start;
  int stride, width;

  DEVICE_METHOD Rows(const bfloat16 *numbers, int stride, int step, int width, int sequence, int head, int length)
      : start((bfloat16 *)numbers + (int64)sequence * length * stride + (int64)head * step),
        stride(stride), width(width) {}
};

// Rows `first` to `first + ROWS` into shared memory; those from `length` on, and columns beyond the width, are zeros.
template <int ROWS, int WIDTH, int THREADS, bool VECTORS>
DEVICE void load_tile(bfloat16 *shared, Rows rows, int first, int length) {
  constexpr int chunks = WIDTH / 8;
  const bfloat16 *start = rows.start + (int64)first * rows.stride;
  if constexpr (!VECTORS) {
#pragma unroll 1
    for (int i = threadIdx.x; i < ROWS * WIDTH; i += THREADS) {
      const int row = i / WIDTH, column = i % WIDTH;
      shared[row * PITCH(WIDTH) + column] =
          first + row < length && column < rows.width ? start[(int64)row * rows.stride + column] : 0;
    }
  } else if constexpr (THREADS % chunks == 0 && ROWS * chunks % THREADS == 0) {
    // A thread has one column of chunks, so that addresses go by additions.
    constexpr int step = THREADS / chunks;
    const int row = threadIdx.x / chunks, column = threadIdx.x % chunks * 8;
    const bfloat16 *source = start + (int64)row * rows.stride + column;
    const int64 jump = (int64)step * rows.stride;
    const int count = column < rows.width ? length - first - row : 0;
    bfloat16 *target = shared + row * PITCH(WIDTH) + column;
#pragma unroll
    for (int i = 0; i < ROWS / step; i++) {
      const bool valid = i * step < count;
      cp_async_16(target + i * step * PITCH(WIDTH), valid ? source + i * jump : rows.start, valid);
    }
  } else {
#pragma unroll 4
    for (int i = threadIdx.x; i < ROWS * chunks; i += THREADS) {
      const int row = i / chunks, column = i % chunks * 8;
      const bool valid = first + row < length && column < rows.width;
      cp_async_16(
          shared + row * PITCH(WIDTH) + column, valid ? start + (int64)row * rows.stride + column : rows.start, valid);
    }
  }
}

// The opposite.
template <int ROWS, int WIDTH, int THREADS, bool VECTORS>
DEVICE void store_tile(const bfloat16 *shared, Rows rows, int first, int length) {
  constexpr int chunks = WIDTH / 8;
  bfloat16 *start = rows.start + (int64)first * rows.stride;
  if constexpr (!VECTORS) {
#pragma unroll 1
    for (int i = threadIdx.x; i < ROWS * WIDTH; i += THREADS) {
      const int row = i / WIDTH, column = i % WIDTH;
      if (first + row < length && column < rows.width)
        start[(int64)row * rows.stride + column] = shared[row * PITCH(WIDTH) + column];
    }
  } else {
#pragma unroll 4
    for (int i = threadIdx.x; i < ROWS * chunks; i += THREADS) {
      const int row = i / chunks, column = i % chunks * 8;
      if (first + row < length && column < rows.width)
        *(uint4 *)(start + (int64)row * rows.stride + column) =
            *(const uint4 *)(shared + row * PITCH(WIDTH) + column);
    }
  }
}

// MARK: Fragments

// What a lane of mma.m16n8k16 holds of a product of 16 M rows and 8 N columns: [.][.][0, 1] two columns from
// 2 (lane % 4) on of row lane / 4, [2, 3] the same of the row 8 below.
template <int M, int N>
struct Sums {
  float of[M][N][4];

  DEVICE_METHOD void clear() {
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
      for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) of[m][n][i] = 0;
  }
};

// 16 M rows of DEPTH numbers as left operands of products.
template <int M, int DEPTH>
struct LeftRows {
  unsigned of[M][DEPTH / 16][4];

  // From a warp's rows of a tile.
  DEVICE_METHOD void load(const bfloat16 *shared) {
    const int lane = threadIdx.x & 31;
    const bfloat16 *start = shared + lane % 16 * PITCH(DEPTH) + lane / 16 * 8;
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
      for (int k = 0; k < DEPTH / 16; k++) ldmatrix_x4(of[m][k], start + m * 16 * PITCH(DEPTH) + k * 16);
  }

  DEVICE_METHOD void negate() {
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
      for (int k = 0; k < DEPTH / 16; k++)
#pragma unroll
        for (int i = 0; i < 4; i++) of[m][k][i] ^= 0x80008000u;
  }

  // Sums of columns as what the next product reads, rounded.
  DEVICE_METHOD void round(const Sums<M, DEPTH / 8> &sums) {
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
      for (int k = 0; k < DEPTH / 16; k++) {
        of[m][k][0] = rounded_pair(sums.of[m][2 * k][0], sums.of[m][2 * k][1]);
        of[m][k][1] = rounded_pair(sums.of[m][2 * k][2], sums.of[m][2 * k][3]);
        of[m][k][2] = rounded_pair(sums.of[m][2 * k + 1][0], sums.of[m][2 * k + 1][1]);
        of[m][k][3] = rounded_pair(sums.of[m][2 * k + 1][2], sums.of[m][2 * k + 1][3]);
      }
  }
};

// C += A Bᵀ for COUNT rows of B in a tile, of which the first `needed` matter: groups of 16 beyond are left out.
template <int M, int COUNT, int DEPTH>
DEVICE void multiply_transposed(
    Sums<M, COUNT / 8> &c, const LeftRows<M, DEPTH> &a, const bfloat16 *b, int needed = COUNT) {
  const int lane = threadIdx.x & 31;
  const bfloat16 *start = b + (lane / 16 * 8 + lane % 8) * PITCH(DEPTH) + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < DEPTH / 16; k++)
#pragma unroll
    for (int n = 0; n < COUNT / 16; n++) {
      if (n * 16 >= needed) break;
      unsigned fragment[4];
      ldmatrix_x4(fragment, start + n * 16 * PITCH(DEPTH) + k * 16);
#pragma unroll
      for (int m = 0; m < M; m++) {
        mma_bf16_m16n8k16(c.of[m][2 * n], a.of[m][k], fragment);
        mma_bf16_m16n8k16(c.of[m][2 * n + 1], a.of[m][k], fragment + 2);
      }
    }
}

// C += A B for DEPTH rows of B in a tile, of which the first `needed` matter.
template <int M, int WIDTH, int DEPTH>
DEVICE void multiply_rows(
    Sums<M, WIDTH / 8> &c, const LeftRows<M, DEPTH> &a, const bfloat16 *b, int needed = DEPTH) {
  const int lane = threadIdx.x & 31;
  const bfloat16 *start = b + lane % 16 * PITCH(WIDTH) + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < DEPTH / 16; k++) {
    if (k * 16 >= needed) break;
#pragma unroll
    for (int n = 0; n < WIDTH / 16; n++) {
      unsigned fragment[4];
      ldmatrix_x4_trans(fragment, start + k * 16 * PITCH(WIDTH) + n * 16);
#pragma unroll
      for (int m = 0; m < M; m++) {
        mma_bf16_m16n8k16(c.of[m][2 * n], a.of[m][k], fragment);
        mma_bf16_m16n8k16(c.of[m][2 * n + 1], a.of[m][k], fragment + 2);
      }
    }
  }
}

// A warp's rows of a result into its rows of a tile: `factors` is one a row of a lane.
template <int M, int WIDTH>
DEVICE void round_into_tile(bfloat16 *shared, const Sums<M, WIDTH / 8> &sums, const float (&factors)[M][2]) {
  const int lane = threadIdx.x & 31;
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      bfloat16 *row = shared + (m * 16 + half * 8 + lane / 4) * PITCH(WIDTH) + lane % 4 * 2;
      const float factor = factors[m][half];
#pragma unroll
      for (int n = 0; n < WIDTH / 8; n++)
        *(unsigned *)(row + n * 8) =
            rounded_pair(sums.of[m][n][2 * half] * factor, sums.of[m][n][2 * half + 1] * factor);
    }
}

DEVICE float sum_of_four_lanes(float value) {
  value += __shfl_xor_sync(FULL_WARP, value, 1);
  return value + __shfl_xor_sync(FULL_WARP, value, 2);
}

DEVICE float max_of_four_lanes(float value) {
  value = fmaxf(value, __shfl_xor_sync(FULL_WARP, value, 1));
  return fmaxf(value, __shfl_xor_sync(FULL_WARP, value, 2));
}

// MARK: Forward

// One tile of keys and values: S, then the rows' maxima and sums, then O. DIAGONAL: some keys come after some rows;
// `ahead` is how many positions the warp's first row comes after the tile's first key.
template <int M, int KEYS, int K, int W, bool DIAGONAL>
DEVICE void attend(
    const LeftRows<M, K> &query, const bfloat16 *keys, const bfloat16 *values, float factor, int ahead,
    float (&largest)[M][2], float (&sums)[M][2], Sums<M, W / 8> &output) {
  const int lane = threadIdx.x & 31;
  const int needed = DIAGONAL ? ahead + 16 * M : KEYS;
  Sums<M, KEYS / 8> scores;
  scores.clear();
  multiply_transposed<M, KEYS, K>(scores, query, keys, needed);
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int last = ahead + m * 16 + half * 8 + lane / 4 - lane % 4 * 2;
      float highest = largest[m][half];
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
          float &score = scores.of[m][n][2 * half + i];
          if (DIAGONAL && n * 8 + i > last) score = -INFINITY_F;
          highest = fmaxf(highest, score);
        }
      highest = max_of_four_lanes(highest);
      const float shrinking = exp2_approximate((largest[m][half] - highest) * factor);
      const float offset = highest * factor;
      largest[m][half] = highest;
      float sum = 0;
#pragma unroll
      for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
          float &score = scores.of[m][n][2 * half + i];
          score = exp2_approximate(score * factor - offset);
          sum += score;
        }
      sums[m][half] = sums[m][half] * shrinking + sum;
#pragma unroll
      for (int n = 0; n < W / 8; n++) {
        output.of[m][n][2 * half] *= shrinking;
        output.of[m][n][2 * half + 1] *= shrinking;
      }
    }
  LeftRows<M, KEYS> probabilities;
  probabilities.round(scores);
  multiply_rows<M, W, KEYS>(output, probabilities, values, needed);
}

// See ATTENTION_BFLOAT16.
template <int K, int W, int ROWS, bool VECTORS>
DEVICE void attention_forward(
    const bfloat16 *query, const bfloat16 *key, const bfloat16 *value, bfloat16 *output, float *log_sums,
    float *largest_logits, int length, int heads, int key_width, int value_width, int query_stride, int query_step,
    int key_stride, int key_step, int value_stride, int value_step, int output_stride, int output_step, float scale) {
  constexpr int M = WARP_ROWS(K, W) / 16, WARPS = ROWS / 16 / M, THREADS = WARPS * 32, KEYS = 64;
  constexpr int key_tile = KEYS * PITCH(K), value_tile = KEYS * PITCH(W);
  DYNAMIC_SHARED(memory);
  bfloat16 *queries = (bfloat16 *)memory;
  bfloat16 *keys = queries + ROWS * PITCH(K > W ? K : W);
  bfloat16 *values = keys + 2 * key_tile;
  SHARED float warp_largest[WARPS];

  const int pair = blockIdx.x, sequence = pair / heads, head = pair % heads;
  const int tile = gridDim.y - 1 - blockIdx.y, first = tile * ROWS;
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warp_first = first + warp * M * 16;
  const Rows query_rows(query, query_stride, query_step, key_width, sequence, head, length);
  const Rows key_rows(key, key_stride, key_step, key_width, sequence, head, length);
  const Rows value_rows(value, value_stride, value_step, value_width, sequence, head, length);
  const int end = first + ROWS < length ? first + ROWS : length;
  const int key_tiles = (end + KEYS - 1) / KEYS;

  load_tile<ROWS, K, THREADS, VECTORS>(queries, query_rows, first, length);
  load_tile<KEYS, K, THREADS, VECTORS>(keys, key_rows, 0, length);
  load_tile<KEYS, W, THREADS, VECTORS>(values, value_rows, 0, length);
  cp_async_commit();

  LeftRows<M, K> left;
  Sums<M, W / 8> sum_of_values;
  sum_of_values.clear();
  float largest[M][2], sums[M][2];
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) largest[m][half] = -INFINITY_F, sums[m][half] = 0;
  // exp(scale (s - m)) as a power of two; a negative scale turns the queries round, so that m is a maximum.
  // Of 0 it keeps masked logits at -inf.
  const float factor = fmaxf(fabsf(scale), 1e-30f) * LOG2_E;

  for (int k = 0; k < key_tiles; k++) {
    cp_async_wait<0>();
    __syncthreads();
    const int now = k & 1, next = now ^ 1;
    if (k == 0) {
      left.load(queries + warp * M * 16 * PITCH(K));
      if (scale < 0) left.negate();
    }
    if (k + 1 < key_tiles) {
      load_tile<KEYS, K, THREADS, VECTORS>(keys + next * key_tile, key_rows, (k + 1) * KEYS, length);
      load_tile<KEYS, W, THREADS, VECTORS>(values + next * value_tile, value_rows, (k + 1) * KEYS, length);
    }
    cp_async_commit();
    const int ahead = warp_first - k * KEYS;
    if (ahead >= KEYS - 1)
      attend<M, KEYS, K, W, false>(
          left, keys + now * key_tile, values + now * value_tile, factor, ahead, largest, sums, sum_of_values);
    else if (ahead > -16 * M)
      attend<M, KEYS, K, W, true>(
          left, keys + now * key_tile, values + now * value_tile, factor, ahead, largest, sums, sum_of_values);
  }

  float highest = -INFINITY_F, reciprocals[M][2];
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = warp_first + m * 16 + half * 8 + lane / 4;
      const float sum = sum_of_four_lanes(sums[m][half]), logit = largest[m][half] * fabsf(scale);
      reciprocals[m][half] = 1 / sum;
      if (row < length) {
        highest = fmaxf(highest, logit);
        if (lane % 4 == 0) log_sums[(int64)pair * length + row] = logit + logf(sum);
      }
    }
  highest = warp_max(highest);
  if (lane == 0) warp_largest[warp] = highest;
  // Once all warps have their queries in registers, the tile takes the output.
  __syncthreads();
  round_into_tile<M, W>(queries + warp * M * 16 * PITCH(W), sum_of_values, reciprocals);
  __syncthreads();
  store_tile<ROWS, W, THREADS, VECTORS>(
      queries, Rows(output, output_stride, output_step, value_width, sequence, head, length), first, length);
  if (threadIdx.x == 0) {
#pragma unroll
    for (int w = 1; w < WARPS; w++) highest = fmaxf(highest, warp_largest[w]);
    largest_logits[(int64)tile * gridDim.x + pair] = highest;
  }
}

// MARK: Backward

// The gradients of one tile of keys and of values, from all queries at and after them. A warp's products have keys as
// rows: Sᵀ = K Qᵀ and dPᵀ = V dOᵀ, so that Pᵀ and dSᵀ are left operands of dV += Pᵀ dO and dK += dSᵀ Q.
template <int K, int W, int ROWS, bool VECTORS, int QUERIES, int GROUP>
DEVICE void key_value_gradients(
    Rows query, Rows key, Rows value, Rows gradient, Rows key_gradient, Rows value_gradient, const float *log_sums,
    const float *products, int tile, int length, float scale, unsigned char *memory) {
  constexpr int M = WARP_ROWS(K, W) / 16, THREADS = ROWS * 2 / M;
  constexpr int query_tile = QUERIES * PITCH(K), gradient_tile = QUERIES * PITCH(W);
  // Of each query of a tile: its log-sum-exp, then its D.
  float *statistics = (float *)memory;
  bfloat16 *keys = (bfloat16 *)(statistics + 4 * QUERIES);
  bfloat16 *values = keys + ROWS * PITCH(K);
  bfloat16 *queries = values + ROWS * PITCH(W);
  bfloat16 *gradients = queries + 2 * query_tile;

  const int first = tile * ROWS;
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warp_offset = warp * M * 16;
  const int first_tile = first / QUERIES, tiles = (length + QUERIES - 1) / QUERIES;
  auto load = [&](int q) {
    const int at = q & 1;
    load_tile<QUERIES, K, THREADS, VECTORS>(queries + at * query_tile, query, q * QUERIES, length);
    load_tile<QUERIES, W, THREADS, VECTORS>(gradients + at * gradient_tile, gradient, q * QUERIES, length);
    if (threadIdx.x < QUERIES / 2) {
      const int of = threadIdx.x / (QUERIES / 4), i = threadIdx.x % (QUERIES / 4) * 4;
      cp_async_16(
          statistics + (2 * at + of) * QUERIES + i, (of ? products : log_sums) + q * QUERIES + i, true);
    }
    cp_async_commit();
  };
  load_tile<ROWS, K, THREADS, VECTORS>(keys, key, first, length);
  load_tile<ROWS, W, THREADS, VECTORS>(values, value, first, length);
  load(first_tile);

  LeftRows<M, K> left_keys;
  LeftRows<M, W> left_values;
  Sums<M, K / 8> key_sums;
  Sums<M, W / 8> value_sums;
  key_sums.clear();
  value_sums.clear();
  const float factor = scale * LOG2_E;

  for (int q = first_tile; q < tiles; q++) {
    cp_async_wait<0>();
    __syncthreads();
    if (q == first_tile) {
      left_keys.load(keys + warp_offset * PITCH(K));
      left_values.load(values + warp_offset * PITCH(W));
    }
    if (q + 1 < tiles) load(q + 1);
    const int now = q & 1;
#pragma unroll 1
    for (int g = 0; g < QUERIES; g += GROUP) {
      // How many positions the first query comes after the warp's first key.
      const int ahead = q * QUERIES + g - first - warp_offset;
      if (ahead <= -GROUP) continue;
      const bfloat16 *group_queries = queries + now * query_tile + g * PITCH(K);
      const bfloat16 *group_gradients = gradients + now * gradient_tile + g * PITCH(W);
      const float *group_statistics = statistics + 2 * now * QUERIES + g + lane % 4 * 2;
      Sums<M, GROUP / 8> scores, score_gradients;
      scores.clear();
      score_gradients.clear();
      multiply_transposed<M, GROUP, K>(scores, left_keys, group_queries);
      multiply_transposed<M, GROUP, W>(score_gradients, left_values, group_gradients);
#pragma unroll
      for (int n = 0; n < GROUP / 8; n++) {
        const float2 log_sum = *(const float2 *)(group_statistics + n * 8);
        const float2 product = *(const float2 *)(group_statistics + QUERIES + n * 8);
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
          for (int i = 0; i < 4; i++) {
            float p = exp2_approximate(scores.of[m][n][i] * factor - (i & 1 ? log_sum.y : log_sum.x));
            if (ahead < 16 * M - 1 && ahead + n * 8 + lane % 4 * 2 + (i & 1) < m * 16 + i / 2 * 8 + lane / 4) p = 0;
            scores.of[m][n][i] = p;
            score_gradients.of[m][n][i] = p * (score_gradients.of[m][n][i] - (i & 1 ? product.y : product.x));
          }
      }
      LeftRows<M, GROUP> left;
      left.round(scores);
      multiply_rows<M, W, GROUP>(value_sums, left, group_gradients);
      left.round(score_gradients);
      multiply_rows<M, K, GROUP>(key_sums, left, group_queries);
    }
  }

  float factors[M][2], ones[M][2];
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) factors[m][half] = scale, ones[m][half] = 1;
  round_into_tile<M, K>(keys + warp_offset * PITCH(K), key_sums, factors);
  round_into_tile<M, W>(values + warp_offset * PITCH(W), value_sums, ones);
  __syncthreads();
  store_tile<ROWS, K, THREADS, VECTORS>(keys, key_gradient, first, length);
  store_tile<ROWS, W, THREADS, VECTORS>(values, value_gradient, first, length);
}

// The gradient of one tile of queries, from all keys up to them.
template <int K, int W, int ROWS, bool VECTORS, int KEYS, int GROUP>
DEVICE void query_gradients(
    Rows query, Rows key, Rows value, Rows gradient, Rows query_gradient, const float *log_sums,
    const float *products, int tile, int length, float scale, unsigned char *memory) {
  constexpr int M = WARP_ROWS(K, W) / 16, THREADS = ROWS * 2 / M;
  constexpr int key_tile = KEYS * PITCH(K), value_tile = KEYS * PITCH(W);
  bfloat16 *queries = (bfloat16 *)memory;
  bfloat16 *gradients = queries + ROWS * PITCH(K);
  bfloat16 *keys = gradients + ROWS * PITCH(W);
  bfloat16 *values = keys + 2 * key_tile;

  const int first = tile * ROWS;
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warp_offset = warp * M * 16;
  const int end = first + ROWS < length ? first + ROWS : length;
  const int tiles = (end + KEYS - 1) / KEYS;
  auto load = [&](int k) {
    const int at = k & 1;
    load_tile<KEYS, K, THREADS, VECTORS>(keys + at * key_tile, key, k * KEYS, length);
    load_tile<KEYS, W, THREADS, VECTORS>(values + at * value_tile, value, k * KEYS, length);
    cp_async_commit();
  };
  load_tile<ROWS, K, THREADS, VECTORS>(queries, query, first, length);
  load_tile<ROWS, W, THREADS, VECTORS>(gradients, gradient, first, length);
  load(0);

  float log_sum[M][2], product[M][2];
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = first + warp_offset + m * 16 + half * 8 + lane / 4;
      log_sum[m][half] = log_sums[row];
      product[m][half] = products[row];
    }
  LeftRows<M, K> left_queries;
  LeftRows<M, W> left_gradients;
  Sums<M, K / 8> sums;
  sums.clear();
  const float factor = scale * LOG2_E;

  for (int k = 0; k < tiles; k++) {
    cp_async_wait<0>();
    __syncthreads();
    if (k == 0) {
      left_queries.load(queries + warp_offset * PITCH(K));
      left_gradients.load(gradients + warp_offset * PITCH(W));
    }
    if (k + 1 < tiles) load(k + 1);
    const int now = k & 1;
#pragma unroll 1
    for (int g = 0; g < KEYS; g += GROUP) {
      // How many positions the warp's first query comes after the first key.
      const int ahead = first + warp_offset - k * KEYS - g;
      if (ahead <= -16 * M) break;
      const bfloat16 *group_keys = keys + now * key_tile + g * PITCH(K);
      const bfloat16 *group_values = values + now * value_tile + g * PITCH(W);
      Sums<M, GROUP / 8> scores, score_gradients;
      scores.clear();
      score_gradients.clear();
      multiply_transposed<M, GROUP, K>(scores, left_queries, group_keys);
      multiply_transposed<M, GROUP, W>(score_gradients, left_gradients, group_values);
#pragma unroll
      for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < GROUP / 8; n++)
#pragma unroll
          for (int i = 0; i < 4; i++) {
            float p = exp2_approximate(scores.of[m][n][i] * factor - log_sum[m][i / 2]);
            if (ahead < GROUP - 1 && n * 8 + lane % 4 * 2 + (i & 1) > ahead + m * 16 + i / 2 * 8 + lane / 4) p = 0;
            scores.of[m][n][i] = p * (score_gradients.of[m][n][i] - product[m][i / 2]);
          }
      LeftRows<M, GROUP> left;
      left.round(scores);
      multiply_rows<M, K, GROUP>(sums, left, group_keys);
    }
  }

  float factors[M][2];
#pragma unroll
  for (int m = 0; m < M; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) factors[m][half] = scale;
  round_into_tile<M, K>(queries + warp_offset * PITCH(K), sums, factors);
  __syncthreads();
  store_tile<ROWS, K, THREADS, VECTORS>(queries, query_gradient, first, length);
}

// See ATTENTION_BFLOAT16.
template <int K, int W, int ROWS, bool VECTORS>
DEVICE void attention_backward(
    const bfloat16 *query, const bfloat16 *key, const bfloat16 *value, const bfloat16 *gradient,
    const float *log_sums, const float *products, bfloat16 *query_gradient, bfloat16 *key_gradient,
    bfloat16 *value_gradient, int length, int heads, int key_width, int value_width, int query_stride, int query_step,
    int key_stride, int key_step, int value_stride, int value_step, int output_stride, int output_step, float scale) {
  DYNAMIC_SHARED(memory);
  const int pair = blockIdx.x, sequence = pair / heads, head = pair % heads;
  const int tile = blockIdx.y >> 1, tiles = gridDim.y >> 1;
  const int padded = (length + 127) / 128 * 128;
  const Rows queries(query, query_stride, query_step, key_width, sequence, head, length);
  const Rows keys(key, key_stride, key_step, key_width, sequence, head, length);
  const Rows values(value, value_stride, value_step, value_width, sequence, head, length);
  const Rows gradients(gradient, output_stride, output_step, value_width, sequence, head, length);
  log_sums += (int64)pair * padded;
  products += (int64)pair * padded;
  if (blockIdx.y & 1)
    query_gradients<K, W, ROWS, VECTORS, 64, 32>(
        queries, keys, values, gradients,
        Rows(query_gradient, query_stride, query_step, key_width, sequence, head, length), log_sums, products,
        tiles - 1 - tile, length, scale, memory);
  else
    key_value_gradients<K, W, ROWS, VECTORS, ROWS / 2, 16>(
        queries, keys, values, gradients,
        Rows(key_gradient, key_stride, key_step, key_width, sequence, head, length),
        Rows(value_gradient, value_stride, value_step, value_width, sequence, head, length), log_sums, products,
        tile, length, scale, memory);
}

// Makes two kernels for widths up to K and W, multiples of 16, and tiles of ROWS = 64 rows, or of 128 if K + W is at
// most 128. A warp owns 32 rows of a tile if K + W is at most 128, otherwise 16. VECTORS is 1 where all rows begin at
// multiples of 16 bytes and widths are multiples of 8; with 0 numbers are read and written one by one.
//
// attention_forward_bfloat16_K_W_ROWS_VECTORS writes the output, of each row the log-sum-exp of its scaled logits
// (`log_sums[pair · T + t]`), and of each tile and pair the largest scaled logit (`largest_logits[tile · B·H + pair]`).
//   Blocks: (B·H, tiles of T), the last tile first, since it sees the most keys. Threads: one a row of the tile, or two
//   where a warp owns 16. Shared memory: 2 (ROWS (max(K, W) + 8) + 128 (K + W + 16)) bytes.
//
// attention_backward_bfloat16_K_W_ROWS_VECTORS writes the gradients of queries, keys and values, given those of the
// outputs and what attention_row_products made.
//   Blocks: (B·H, 2 tiles of T): even ones make gradients of keys and values, odd ones of queries; the heaviest come
//   first. Threads as above. Shared memory: 2 (K + W + 16) (ROWS + 128) + 1024 bytes.
#define ATTENTION_BFLOAT16(K, W, ROWS, VECTORS)                                                                       \
  KERNEL __launch_bounds__(ROWS * 32 / WARP_ROWS(K, W), RESIDENT_WARPS(K, W) * WARP_ROWS(K, W) / ROWS)               \
      attention_forward_bfloat16_##K##_##W##_##ROWS##_##VECTORS(                                                      \
          const bfloat16 *query, const bfloat16 *key, const bfloat16 *value, bfloat16 *output, float *log_sums,       \
          float *largest_logits, int length, int heads, int key_width, int value_width, int query_stride,             \
          int query_step, int key_stride, int key_step, int value_stride, int value_step, int output_stride,          \
          int output_step, float scale) {                                                                             \
    attention_forward<K, W, ROWS, VECTORS>(                                                                           \
        query, key, value, output, log_sums, largest_logits, length, heads, key_width, value_width, query_stride,     \
        query_step, key_stride, key_step, value_stride, value_step, output_stride, output_step, scale);               \
  }                                                                                                                   \
  KERNEL __launch_bounds__(ROWS * 32 / WARP_ROWS(K, W), RESIDENT_WARPS(K, W) * WARP_ROWS(K, W) / ROWS)               \
      attention_backward_bfloat16_##K##_##W##_##ROWS##_##VECTORS(                                                     \
          const bfloat16 *query, const bfloat16 *key, const bfloat16 *value, const bfloat16 *gradient,                \
          const float *log_sums, const float *products, bfloat16 *query_gradient, bfloat16 *key_gradient,             \
          bfloat16 *value_gradient, int length, int heads, int key_width, int value_width, int query_stride,          \
          int query_step, int key_stride, int key_step, int value_stride, int value_step, int output_stride,          \
          int output_step, float scale) {                                                                             \
    attention_backward<K, W, ROWS, VECTORS>(                                                                          \
        query, key, value, gradient, log_sums, products, query_gradient, key_gradient, value_gradient, length, heads, \
        key_width, value_width, query_stride, query_step, key_stride, key_step, value_stride, value_step,             \
        output_stride, output_step, scale);                                                                           \
  }
