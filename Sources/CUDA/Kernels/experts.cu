// Mixtures of SwiGLU experts. N rows, E experts, k chosen ones a row, M = N·k assignments, D model width, F
// expert width.
//
// The experts' products are grouped: assignments lie sorted by expert (`plan_experts` in routing.cu), and a block
// computes one tile for one expert. How many rows an expert has is known on the device alone, so a launch has
// blocks for the worst case, ceil(M / tile) + E row tiles, and those without a tile leave.
//
// Kernels come in bfloat16, on the tensor cores, and in float32. All sums are float32, in a fixed order.
#include "common.cuh"
#include "tensor_cores.cuh"

// A tile of a result, and the threads of its block. In bfloat16 four blocks fit on a multiprocessor.
#define TILE_ROWS 128
#define TILE_COLUMNS 64
#define TILE_THREADS 128
// Assignments whose rows a block of weight gradients knows at a time.
#define KNOWN_ROWS 512

// MARK: Tiles

struct Tile {
  int expert;
  // The tile's own number among the expert's, and how many these are.
  int index, total;
  // Its sorted assignments.
  int first, count;
};

// The index-th tile of `size` assignments, counted from the first expert's on; count 0 when there are fewer.
DEVICE Tile find_tile(int index, const int *offsets, int experts, int size) {
  const int lane = threadIdx.x & 31;
  Tile tile = {0, 0, 0, 0, 0};
  for (int base = 0, before = 0; base < experts; base += 32) {
    const int expert = base + lane;
    const int start = expert < experts ? offsets[expert] : 0;
    const int load = expert < experts ? offsets[expert + 1] - start : 0;
    const int own = (load + size - 1) / size;
    int end = own;
#pragma unroll
    for (int distance = 1; distance < 32; distance <<= 1) {
      const int other = __shfl_up_sync(FULL_WARP, end, distance);
      if (lane >= distance) end += other;
    }
    const unsigned behind = __ballot_sync(FULL_WARP, index < before + end);
    if (behind) {
      const int owner = __ffs(behind) - 1;
      tile.expert = base + owner;
      tile.total = __shfl_sync(FULL_WARP, own, owner);
      tile.index = index - before - (__shfl_sync(FULL_WARP, end, owner) - tile.total);
      tile.first = __shfl_sync(FULL_WARP, start, owner) + tile.index * size;
      const int rest = __shfl_sync(FULL_WARP, start + load, owner) - tile.first;
      tile.count = rest < size ? rest : size;
      break;
    }
    before += __shfl_sync(FULL_WARP, end, 31);
  }
  return tile;
}

// MARK: Products of a tile

// `multiply_tile` adds to TILE_ROWS × TILE_COLUMNS sums products over the depth, 64 a thread. An operand is given as a
// function from a number to the memory of a row, or null for zeros. Rows are those of the tile, `depth` numbers
// each (the right operand then being transposed); or, with BY_DEPTH, one a step of the depth, with the numbers of
// the tile's rows or columns, of which there are `width`. Aligned: rows begin, and lengths end, at multiples of 16
// bytes. The shared memory may be used again after a barrier.

// In bfloat16 a step is 32 deep, and three are on their way at a time. Four warps have 64×32 sums each.
#define STEP 32
#define STAGES 3
#define ROW_PITCH (STEP + 8)  // of tiles that lie by rows, in numbers: no two rows of a matrix in the same banks

template <bool BY_DEPTH, int EXTENT> struct Stage {
  static constexpr int pitch = BY_DEPTH ? EXTENT + 8 : ROW_PITCH;
  static constexpr int count = BY_DEPTH ? STEP * pitch : EXTENT * pitch;
};

// In float32 a step is 16 deep: the next one is read while one is multiplied. A thread has 8×8 sums, in rows of
// four and in columns of four.
#define FLOAT_STEP 16
#define FLOAT_ROWS_PITCH (TILE_ROWS + 4)
#define FLOAT_COLUMNS_PITCH (TILE_COLUMNS + 4)

// 16-byte vectors of shared memory that a product needs.
template <class Number, bool LEFT_BY_DEPTH, bool RIGHT_BY_DEPTH> struct TileMemory {
  static constexpr int count =
      sizeof(Number) == 2
          ? STAGES * (Stage<LEFT_BY_DEPTH, TILE_ROWS>::count + Stage<RIGHT_BY_DEPTH, TILE_COLUMNS>::count) / 8
          : 2 * FLOAT_STEP * (FLOAT_ROWS_PITCH + FLOAT_COLUMNS_PITCH) / 4;
};

DEVICE void copy_vector(bfloat16 *shared, const bfloat16 *row, int column, int width, int aligned) {
  if (aligned) {
    cp_async_16(shared, row + column, row != nullptr && column < width);
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++) shared[i] = row != nullptr && column + i < width ? row[column + i] : 0;
  }
}

template <bool BY_DEPTH, int EXTENT, class Rows>
DEVICE void copy_step(bfloat16 *shared, const bfloat16 *const *own, Rows rows, int width, int from, int depth,
                      int aligned) {
  constexpr int pitch = Stage<BY_DEPTH, EXTENT>::pitch;
  if (BY_DEPTH) {
    constexpr int vectors = EXTENT / 8, together = TILE_THREADS / vectors;
    const int column = threadIdx.x % vectors * 8;
#pragma unroll
    for (int i = 0; i < STEP / together; i++) {
      const int d = threadIdx.x / vectors + i * together;
      copy_vector(shared + d * pitch + column, from + d < depth ? rows(from + d) : nullptr, column, width, aligned);
    }
  } else {
    const int column = threadIdx.x % 4 * 8;
#pragma unroll
    for (int i = 0; i < EXTENT / 32; i++)
      copy_vector(shared + (threadIdx.x / 4 + 32 * i) * pitch + column, own[i], from + column, depth, aligned);
  }
}

template <bool LEFT_BY_DEPTH, bool RIGHT_BY_DEPTH, class Left, class Right>
DEVICE void multiply_tile(Left left, int left_width, int left_aligned, Right right, int right_width,
                          int right_aligned, int depth, uint4 *memory, bfloat16, float (&sums)[64]) {
  typedef Stage<LEFT_BY_DEPTH, TILE_ROWS> LeftStage;
  typedef Stage<RIGHT_BY_DEPTH, TILE_COLUMNS> RightStage;
  bfloat16 *lefts = (bfloat16 *)memory, *rights = lefts + STAGES * LeftStage::count;
  const bfloat16 *own_left[TILE_ROWS / 32], *own_right[TILE_COLUMNS / 32];
  if (!LEFT_BY_DEPTH) {
#pragma unroll
    for (int i = 0; i < TILE_ROWS / 32; i++) own_left[i] = left(threadIdx.x / 4 + 32 * i);
  }
  if (!RIGHT_BY_DEPTH) {
#pragma unroll
    for (int i = 0; i < TILE_COLUMNS / 32; i++) own_right[i] = right(threadIdx.x / 4 + 32 * i);
  }
  const int steps = (depth + STEP - 1) / STEP;
  const int lane = threadIdx.x & 31, matrix = lane >> 3, line = lane & 7;
  const int first_row = (threadIdx.x >> 6) * 64, first_column = (threadIdx.x >> 5 & 1) * 32;
#pragma unroll
  for (int step = 0; step < STAGES - 1; step++) {
    if (step < steps) {
      copy_step<LEFT_BY_DEPTH, TILE_ROWS>(
          lefts + step * LeftStage::count, own_left, left, left_width, step * STEP, depth, left_aligned);
      copy_step<RIGHT_BY_DEPTH, TILE_COLUMNS>(
          rights + step * RightStage::count, own_right, right, right_width, step * STEP, depth, right_aligned);
    }
    cp_async_commit();
  }
  for (int step = 0; step < steps; step++) {
    cp_async_wait<STAGES - 2>();
    __syncthreads();
    const int next = step + STAGES - 1;
    if (next < steps) {
      copy_step<LEFT_BY_DEPTH, TILE_ROWS>(
          lefts + next % STAGES * LeftStage::count, own_left, left, left_width, next * STEP, depth, left_aligned);
      copy_step<RIGHT_BY_DEPTH, TILE_COLUMNS>(
          rights + next % STAGES * RightStage::count, own_right, right, right_width, next * STEP, depth, right_aligned);
    }
    cp_async_commit();
    const bfloat16 *a_shared = lefts + step % STAGES * LeftStage::count;
    const bfloat16 *b_shared = rights + step % STAGES * RightStage::count;
#pragma unroll
    for (int d = 0; d < STEP; d += 16) {
      unsigned a[4][4], b[2][4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int row = first_row + 16 * i;
        if (LEFT_BY_DEPTH)
          ldmatrix_x4_trans(
              a[i], a_shared + (d + (matrix >> 1) * 8 + line) * LeftStage::pitch + row + (matrix & 1) * 8);
        else
          ldmatrix_x4(
              a[i], a_shared + (row + (matrix & 1) * 8 + line) * LeftStage::pitch + d + (matrix >> 1) * 8);
      }
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const int column = first_column + 16 * j;
        if (RIGHT_BY_DEPTH)
          ldmatrix_x4_trans(
              b[j], b_shared + (d + (matrix & 1) * 8 + line) * RightStage::pitch + column + (matrix >> 1) * 8);
        else
          ldmatrix_x4(
              b[j], b_shared + (column + (matrix >> 1) * 8 + line) * RightStage::pitch + d + (matrix & 1) * 8);
      }
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) mma_bf16_m16n8k16(&sums[(4 * i + j) * 4], a[i], &b[j >> 1][(j & 1) * 2]);
    }
  }
}

DEVICE float4 read_vector(const float *row, int column, int width, int aligned) {
  if (row == nullptr || column >= width) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (aligned) return *(const float4 *)(row + column);
  return make_float4(row[column], column + 1 < width ? row[column + 1] : 0.0f,
                     column + 2 < width ? row[column + 2] : 0.0f, column + 3 < width ? row[column + 3] : 0.0f);
}

template <bool BY_DEPTH, int EXTENT, class Rows>
DEVICE void read_step(float4 (&values)[EXTENT / 32], const float *const *own, Rows rows, int width, int from,
                      int depth, int aligned) {
#pragma unroll
  for (int i = 0; i < EXTENT / 32; i++) {
    if (BY_DEPTH) {
      constexpr int vectors = EXTENT / 4, together = TILE_THREADS / vectors;
      const int d = from + threadIdx.x / vectors + i * together;
      values[i] = read_vector(d < depth ? rows(d) : nullptr, threadIdx.x % vectors * 4, width, aligned);
    } else {
      values[i] = read_vector(own[i], from + threadIdx.x % 4 * 4, depth, aligned);
    }
  }
}

// Shared memory holds a step by depth, whichever way it came.
template <bool BY_DEPTH, int EXTENT>
DEVICE void write_step(float *shared, const float4 (&values)[EXTENT / 32]) {
  constexpr int pitch = EXTENT + 4;
#pragma unroll
  for (int i = 0; i < EXTENT / 32; i++) {
    if (BY_DEPTH) {
      constexpr int vectors = EXTENT / 4, together = TILE_THREADS / vectors;
      const int d = threadIdx.x / vectors + i * together;
      *(float4 *)(shared + d * pitch + threadIdx.x % vectors * 4) = values[i];
    } else {
      float *column = shared + threadIdx.x % 4 * 4 * pitch + threadIdx.x / 4 + 32 * i;
      column[0] = values[i].x;
      column[pitch] = values[i].y;
      column[2 * pitch] = values[i].z;
      column[3 * pitch] = values[i].w;
    }
  }
}

template <bool LEFT_BY_DEPTH, bool RIGHT_BY_DEPTH, class Left, class Right>
DEVICE void multiply_tile(Left left, int left_width, int left_aligned, Right right, int right_width,
                          int right_aligned, int depth, uint4 *memory, float, float (&sums)[64]) {
  float *lefts = (float *)memory, *rights = lefts + 2 * FLOAT_STEP * FLOAT_ROWS_PITCH;
  const float *own_left[TILE_ROWS / 32], *own_right[TILE_COLUMNS / 32];
  if (!LEFT_BY_DEPTH) {
#pragma unroll
    for (int i = 0; i < TILE_ROWS / 32; i++) own_left[i] = left(threadIdx.x / 4 + 32 * i);
  }
  if (!RIGHT_BY_DEPTH) {
#pragma unroll
    for (int i = 0; i < TILE_COLUMNS / 32; i++) own_right[i] = right(threadIdx.x / 4 + 32 * i);
  }
  float4 left_values[TILE_ROWS / 32], right_values[TILE_COLUMNS / 32];
  const int steps = (depth + FLOAT_STEP - 1) / FLOAT_STEP;
  const int row = threadIdx.x / 8 * 4, column = threadIdx.x % 8 * 4;
  for (int step = -1; step < steps; step++) {
    const int next = step + 1;
    if (next < steps) {
      read_step<LEFT_BY_DEPTH, TILE_ROWS>(
          left_values, own_left, left, left_width, next * FLOAT_STEP, depth, left_aligned);
      read_step<RIGHT_BY_DEPTH, TILE_COLUMNS>(
          right_values, own_right, right, right_width, next * FLOAT_STEP, depth, right_aligned);
    }
    if (step >= 0) {
      const float *a_shared = lefts + (step & 1) * FLOAT_STEP * FLOAT_ROWS_PITCH + row;
      const float *b_shared = rights + (step & 1) * FLOAT_STEP * FLOAT_COLUMNS_PITCH + column;
#pragma unroll
      for (int d = 0; d < FLOAT_STEP; d++) {
        float a[8], b[8];
        *(float4 *)a = *(const float4 *)(a_shared + d * FLOAT_ROWS_PITCH);
        *(float4 *)(a + 4) = *(const float4 *)(a_shared + d * FLOAT_ROWS_PITCH + 64);
        *(float4 *)b = *(const float4 *)(b_shared + d * FLOAT_COLUMNS_PITCH);
        *(float4 *)(b + 4) = *(const float4 *)(b_shared + d * FLOAT_COLUMNS_PITCH + 32);
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
          for (int j = 0; j < 8; j++) sums[8 * i + j] = fmaf(a[i], b[j], sums[8 * i + j]);
      }
    }
    if (next < steps) {
      write_step<LEFT_BY_DEPTH, TILE_ROWS>(
          lefts + (next & 1) * FLOAT_STEP * FLOAT_ROWS_PITCH, left_values);
      write_step<RIGHT_BY_DEPTH, TILE_COLUMNS>(
          rights + (next & 1) * FLOAT_STEP * FLOAT_COLUMNS_PITCH, right_values);
    }
    __syncthreads();
  }
}

// MARK: Results of a tile

// Which sums a thread has: 8 rows, in each of which 4 pairs of neighbouring columns.

DEVICE int own_row(int i, bfloat16) {
  return (threadIdx.x >> 6) * 64 + (i >> 1) * 16 + (i & 1) * 8 + (threadIdx.x >> 2 & 7);
}
DEVICE int own_row(int i, float) { return (i >> 2) * 64 + threadIdx.x / 8 * 4 + (i & 3); }

DEVICE int own_column(int pair, bfloat16) { return (threadIdx.x >> 5 & 1) * 32 + pair * 8 + (threadIdx.x & 3) * 2; }
DEVICE int own_column(int pair, float) { return (pair >> 1) * 32 + threadIdx.x % 8 * 4 + (pair & 1) * 2; }

DEVICE int pair_index(int i, int pair, bfloat16) { return ((i >> 1) * 4 + pair) * 4 + (i & 1) * 2; }
DEVICE int pair_index(int i, int pair, float) { return 8 * i + 2 * pair; }

// Gate and up rows of a weight that a thread shall have next to each other. Of the 64 columns of a tile, half are
// gates: column j holds channel `gated_channel(j)` of the gates, or of the ups.
DEVICE bool is_up(int j, bfloat16) { return j >> 3 & 1; }
DEVICE bool is_up(int j, float) { return j >= 32; }
DEVICE int gated_channel(int j, bfloat16) {
  const int c = j & 7;
  return (j >> 5) * 16 + (c >> 1) * 4 + (j >> 4 & 1) * 2 + (c & 1);
}
DEVICE int gated_channel(int j, float) { return j & 31; }

// The first of a thread's 4 channels, and where the i-th row's pair-th two gates and ups of them are.
DEVICE int own_channel(bfloat16) { return (threadIdx.x >> 5 & 1) * 16 + (threadIdx.x & 3) * 4; }
DEVICE int own_channel(float) { return threadIdx.x % 8 * 4; }
DEVICE int gate_index(int i, int pair, bfloat16 b) { return pair_index(i, 2 * pair, b); }
DEVICE int gate_index(int i, int pair, float f) { return pair_index(i, pair, f); }
DEVICE int up_index(int i, int pair, bfloat16 b) { return pair_index(i, 2 * pair + 1, b); }
DEVICE int up_index(int i, int pair, float f) { return pair_index(i, pair + 2, f); }

DEVICE float as_stored(float x, float) { return x; }
DEVICE float as_stored(float x, bfloat16) { return widened(rounded(x)); }
DEVICE float read(const float *p) { return *p; }
DEVICE float read(const bfloat16 *p) { return widened(*p); }
DEVICE void write(float *p, float x) { *p = x; }
DEVICE void write(bfloat16 *p, float x) { *p = rounded(x); }
DEVICE void write_pair(float *p, float x, float y) { *(float2 *)p = make_float2(x, y); }
DEVICE void write_pair(bfloat16 *p, float x, float y) { *(unsigned *)p = rounded_pair(x, y); }

// Two neighbours, of which the first is within the width; even: at an even place and so is the width.
template <class Number> DEVICE void write_pair(Number *p, float x, float y, int column, int width, bool even) {
  if (even) {
    write_pair(p, x, y);
  } else {
    write(p, x);
    if (column + 1 < width) write(p + 1, y);
  }
}

DEVICE void write_four(float *p, const float *x) { *(float4 *)p = make_float4(x[0], x[1], x[2], x[3]); }
DEVICE void write_four(bfloat16 *p, const float *x) {
  *(uint2 *)p = make_uint2(rounded_pair(x[0], x[1]), rounded_pair(x[2], x[3]));
}

template <class Number> DEVICE void write_four(Number *p, const float *x, int column, int width) {
  if (width % 4 == 0) {
    write_four(p, x);
  } else {
#pragma unroll
    for (int c = 0; c < 4; c++)
      if (column + c < width) write(p + c, x[c]);
  }
}

template <class Number> DEVICE int is_aligned(int width) { return width % (16 / (int)sizeof(Number)) == 0; }

DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// MARK: Forward

// hidden = gather(x) · gateUpᵀ, M×2F; activations = w silu(u) v, M×F, from the rounded hidden [u | v].
// Blocks: ceil(F / 32) × row tiles.
template <class Number>
DEVICE void hidden_tile(const Number *x, const Number *gate_up, const float *weights, const int *order,
                        const int *offsets, Number *hidden, Number *activations, int experts, int k, int model,
                        int width) {
  SHARED uint4 memory[TileMemory<Number, false, false>::count];
  SHARED int sources[TILE_ROWS];
  SHARED float own_weights[TILE_ROWS];
  const int across = (width + TILE_COLUMNS / 2 - 1) / (TILE_COLUMNS / 2);
  const Tile tile = find_tile(blockIdx.x / across, offsets, experts, TILE_ROWS);
  if (tile.count == 0) return;
  for (int i = threadIdx.x; i < tile.count; i += TILE_THREADS) {
    const int assignment = order[tile.first + i];
    sources[i] = assignment / k;
    own_weights[i] = weights[assignment];
  }
  __syncthreads();
  const int first_channel = blockIdx.x % across * (TILE_COLUMNS / 2);
  const Number *own = gate_up + (int64)tile.expert * 2 * width * model;
  const int aligned = is_aligned<Number>(model);
  const Number format = 0;
  float sums[64] = {};
  multiply_tile<false, false>(
      [&](int row) -> const Number * { return row < tile.count ? x + (int64)sources[row] * model : nullptr; }, 0,
      aligned,
      [&](int column) -> const Number * {
        const int channel = first_channel + gated_channel(column, format);
        return channel < width ? own + (int64)(is_up(column, format) ? width + channel : channel) * model : nullptr;
      },
      0, aligned, model, memory, format, sums);

  const int channel = first_channel + own_channel(format);
  if (channel >= width) return;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int row = own_row(i, format);
    if (row >= tile.count) continue;
    const int64 place = tile.first + row;
    const float weight = own_weights[row];
    float u[4], v[4], a[4];
#pragma unroll
    for (int c = 0; c < 4; c++) {
      u[c] = as_stored(sums[gate_index(i, c >> 1, format) + (c & 1)], format);
      v[c] = as_stored(sums[up_index(i, c >> 1, format) + (c & 1)], format);
      a[c] = u[c] * sigmoid(u[c]) * v[c] * weight;
    }
    Number *own_hidden = hidden + place * 2 * width + channel;
    write_four(own_hidden, u, channel, width);
    write_four(own_hidden + width, v, channel, width);
    write_four(activations + place * width + channel, a, channel, width);
  }
}

KERNEL experts_hidden_bf16(const bfloat16 *x, const bfloat16 *gate_up, const float *weights, const int *order,
                           const int *offsets, bfloat16 *hidden, bfloat16 *activations, int experts, int k,
                           int model, int width) {
  hidden_tile(x, gate_up, weights, order, offsets, hidden, activations, experts, k, model, width);
}

KERNEL experts_hidden_fp32(const float *x, const float *gate_up, const float *weights, const int *order,
                           const int *offsets, float *hidden, float *activations, int experts, int k, int model,
                           int width) {
  hidden_tile(x, gate_up, weights, order, offsets, hidden, activations, experts, k, model, width);
}

template <class Number>
DEVICE void write_tile(const float (&sums)[64], float *result, int rows, int columns, int row_stride, Number format) {
  const bool even = row_stride % 2 == 0;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int row = own_row(i, format);
    if (row >= rows) continue;
#pragma unroll
    for (int pair = 0; pair < 4; pair++) {
      const int column = own_column(pair, format), index = pair_index(i, pair, format);
      if (column < columns)
        write_pair(result + (int64)row * row_stride + column, sums[index], sums[index + 1], column, columns, even);
    }
  }
}

// Outputs of the assignments, M×D = activations · downᵀ. Blocks: ceil(D / 64) × row tiles.
template <class Number>
DEVICE void output_tile(const Number *activations, const Number *down, const int *offsets, float *outputs,
                        int experts, int model, int width) {
  SHARED uint4 memory[TileMemory<Number, false, false>::count];
  const int across = (model + TILE_COLUMNS - 1) / TILE_COLUMNS;
  const Tile tile = find_tile(blockIdx.x / across, offsets, experts, TILE_ROWS);
  if (tile.count == 0) return;
  const int first_column = blockIdx.x % across * TILE_COLUMNS;
  const Number *own = down + ((int64)tile.expert * model + first_column) * width;
  const Number *rows = activations + (int64)tile.first * width;
  const int aligned = is_aligned<Number>(width), columns = model - first_column;
  const Number format = 0;
  float sums[64] = {};
  multiply_tile<false, false>(
      [&](int row) -> const Number * { return row < tile.count ? rows + (int64)row * width : nullptr; }, 0, aligned,
      [&](int column) -> const Number * { return column < columns ? own + (int64)column * width : nullptr; }, 0,
      aligned, width, memory, format, sums);
  write_tile(sums, outputs + (int64)tile.first * model + first_column, tile.count, columns, model, format);
}

KERNEL experts_output_bf16(const bfloat16 *activations, const bfloat16 *down, const int *offsets, float *outputs,
                           int experts, int model, int width) {
  output_tile(activations, down, offsets, outputs, experts, model, width);
}

KERNEL experts_output_fp32(const float *activations, const float *down, const int *offsets, float *outputs,
                           int experts, int model, int width) {
  output_tile(activations, down, offsets, outputs, experts, model, width);
}

// result_n = what else there is of it, if anything, + Σ over the row's assignments, in the order of its slots, of values,
// M×D. Also, where `partial` is given, the gradient of each weight: the sum of its `parts` parts, M numbers each. Blocks of 8 warps, a warp a row.
KERNEL experts_combine(const float *values, const int *places, const float *partial, const void *other,
                       int other_format, float *result, float *weight_gradient, int rows, int k, int width, int parts, int assignments) {
  const int lane = threadIdx.x & 31;
  const int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
  if (row >= rows) return;
  const int *own_places = places + (int64)row * k;
  float *own = result + (int64)row * width;
  if (width % 4 == 0) {
    for (int column = 4 * lane; column < width; column += 128) {
      float4 sum = other ? load4(other, other_format, (int64)row * width + column) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 4
      for (int slot = 0; slot < k; slot++) {
        const float4 value = *(const float4 *)(values + (int64)own_places[slot] * width + column);
        sum = make_float4(sum.x + value.x, sum.y + value.y, sum.z + value.z, sum.w + value.w);
      }
      *(float4 *)(own + column) = sum;
    }
  } else {
    for (int column = lane; column < width; column += 32) {
      float sum = other ? load(other, other_format, (int64)row * width + column) : 0.0f;
      for (int slot = 0; slot < k; slot++) sum += values[(int64)own_places[slot] * width + column];
      own[column] = sum;
    }
  }
  if (partial == nullptr) return;
  for (int slot = lane; slot < k; slot += 32) {
    float sum = 0.0f;
    for (int part = 0; part < parts; part++) sum += partial[(int64)part * assignments + own_places[slot]];
    weight_gradient[(int64)row * k + slot] = sum;
  }
}

// MARK: Backward

// With q = gather(dy) · down, M×F, the gradient of the weighted activations w silu(u) v: that of hidden, M×2F,
// the weighted activations again, M×F, and of each assignment the part of its weight's gradient <q, silu(u) v> that
// lies in these columns, partial[column tile][M]. Blocks: ceil(F / 64) × row tiles.
template <class Number>
DEVICE void activation_backward_tile(const Number *gradient, const Number *down, const Number *hidden,
                                     const float *weights, const int *order, const int *offsets,
                                     Number *hidden_gradient, Number *activations, float *partial, int experts,
                                     int k, int model, int width, int assignments) {
  SHARED uint4 memory[TileMemory<Number, false, true>::count];
  SHARED int sources[TILE_ROWS];
  SHARED float own_weights[TILE_ROWS];
  SHARED float row_sums[2][TILE_ROWS];
  const int across = (width + TILE_COLUMNS - 1) / TILE_COLUMNS, part = blockIdx.x % across;
  const Tile tile = find_tile(blockIdx.x / across, offsets, experts, TILE_ROWS);
  if (tile.count == 0) return;
  for (int i = threadIdx.x; i < tile.count; i += TILE_THREADS) {
    const int assignment = order[tile.first + i];
    sources[i] = assignment / k;
    own_weights[i] = weights[assignment];
  }
  __syncthreads();
  const int first_column = part * TILE_COLUMNS, columns = width - first_column;
  const Number *own = down + (int64)tile.expert * model * width + first_column;
  const Number format = 0;
  float sums[64] = {};
  multiply_tile<false, true>(
      [&](int row) -> const Number * {
        return row < tile.count ? gradient + (int64)sources[row] * model : nullptr;
      },
      0, is_aligned<Number>(model), [&](int d) -> const Number * { return own + (int64)d * width; }, columns,
      is_aligned<Number>(width), model, memory, format, sums);

  const bool even = width % 2 == 0;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    const int row = own_row(i, format);
    float dot = 0.0f;
    if (row < tile.count) {
      const int64 place = tile.first + row;
      const float weight = own_weights[row];
#pragma unroll
      for (int pair = 0; pair < 4; pair++) {
        const int column = own_column(pair, format), index = pair_index(i, pair, format);
        if (column >= columns) continue;
        const Number *h = hidden + place * 2 * width + first_column + column;
        float du[2], dv[2], a[2];
#pragma unroll
        for (int c = 0; c < 2; c++) {
          const bool within = column + c < columns;
          const float u = within ? read(h + c) : 0.0f, v = within ? read(h + width + c) : 0.0f;
          const float q = sums[index + c], s = sigmoid(u), activation = u * s * v;
          dot += q * activation;
          du[c] = q * weight * v * (s * (1.0f + u * (1.0f - s)));
          dv[c] = q * weight * (u * s);
          a[c] = activation * weight;
        }
        Number *d = hidden_gradient + place * 2 * width + first_column + column;
        write_pair(d, du[0], du[1], column, columns, even);
        write_pair(d + width, dv[0], dv[1], column, columns, even);
        write_pair(activations + place * width + first_column + column, a[0], a[1], column, columns, even);
      }
    }
    // Lanes that share a row lie side by side.
    const int lanes = sizeof(Number) == 2 ? 4 : 8;
#pragma unroll
    for (int offset = 1; offset < lanes; offset <<= 1) dot += __shfl_xor_sync(FULL_WARP, dot, offset);
    if (threadIdx.x % lanes == 0) row_sums[sizeof(Number) == 2 ? threadIdx.x >> 5 & 1 : 0][row] = dot;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < tile.count; i += TILE_THREADS)
    partial[(int64)part * assignments + tile.first + i] =
        row_sums[0][i] + (sizeof(Number) == 2 ? row_sums[1][i] : 0.0f);
}

KERNEL __launch_bounds__(TILE_THREADS, 4) experts_activation_backward_bf16(
    const bfloat16 *gradient, const bfloat16 *down, const bfloat16 *hidden, const float *weights, const int *order,
    const int *offsets, bfloat16 *hidden_gradient, bfloat16 *activations, float *partial, int experts, int k,
    int model, int width, int assignments) {
  activation_backward_tile(gradient, down, hidden, weights, order, offsets, hidden_gradient, activations, partial,
                           experts, k, model, width, assignments);
}

KERNEL experts_activation_backward_fp32(const float *gradient, const float *down, const float *hidden,
                                        const float *weights, const int *order, const int *offsets,
                                        float *hidden_gradient, float *activations, float *partial, int experts,
                                        int k, int model, int width, int assignments) {
  activation_backward_tile(gradient, down, hidden, weights, order, offsets, hidden_gradient, activations, partial,
                           experts, k, model, width, assignments);
}

// A tile of the gradients of the assignments' inputs, M×D = hidden gradient · gateUp.
template <class Number>
DEVICE void input_gradient_tile(const Number *hidden_gradient, const Number *gate_up, const int *offsets,
                                float *gradients, int experts, int model, int width, int row_tile, int column_tile,
                                uint4 *memory) {
  const Tile tile = find_tile(row_tile, offsets, experts, TILE_ROWS);
  if (tile.count == 0) return;
  const int first_column = column_tile * TILE_COLUMNS, columns = model - first_column;
  const Number *own = gate_up + (int64)tile.expert * 2 * width * model + first_column;
  const Number *rows = hidden_gradient + (int64)tile.first * 2 * width;
  const Number format = 0;
  float sums[64] = {};
  multiply_tile<false, true>(
      [&](int row) -> const Number * { return row < tile.count ? rows + (int64)row * 2 * width : nullptr; }, 0,
      is_aligned<Number>(2 * width), [&](int d) -> const Number * { return own + (int64)d * model; }, columns,
      is_aligned<Number>(model), 2 * width, memory, format, sums);
  write_tile(sums, gradients + (int64)tile.first * model + first_column, tile.count, columns, model, format);
}

// How many slices have a place in `partial` before those of an expert: the only slice of an expert needs none.
DEVICE int slices_before(int expert, const int *offsets, int size) {
  int before = 0;
  for (int e = threadIdx.x & 31; e < expert; e += 32) {
    const int slices = (offsets[e + 1] - offsets[e] + size - 1) / size;
    if (slices > 1) before += slices;
  }
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) before += __shfl_xor_sync(FULL_WARP, before, offset);
  return before;
}

// A tile of the weights' gradients, dDown = gather(dy)ᵀ · activations, E×D×F, or dGateUp = (hidden gradient)ᵀ ·
// gather(x), E×2F×D, over a slice of an expert's assignments. The only slice of an expert is written to the
// gradients; others to `partial`, D·F and 2F·D numbers a slice.
template <class Number>
DEVICE void weight_gradient_tile(const Number *gradient, const Number *activations, const Number *hidden_gradient,
                                 const Number *x, const int *order, const int *offsets, float *partial,
                                 float *down_gradient, float *gate_up_gradient, int experts, int k, int model,
                                 int width, int slice, int slice_index, int block, uint4 *memory, int *sources) {
  const Tile tile = find_tile(slice_index, offsets, experts, slice);
  if (tile.count == 0) return;
  const int across_down = (width + TILE_COLUMNS - 1) / TILE_COLUMNS;
  const int down_tiles = across_down * ((model + TILE_ROWS - 1) / TILE_ROWS);
  const bool is_down = block < down_tiles;
  const int index = is_down ? block : block - down_tiles;
  const int across = is_down ? across_down : (model + TILE_COLUMNS - 1) / TILE_COLUMNS;
  const int first_row = index / across * TILE_ROWS, first_column = index % across * TILE_COLUMNS;
  const int rows = (is_down ? model : 2 * width) - first_row, columns = (is_down ? width : model) - first_column;

  const int left_stride = is_down ? model : 2 * width, right_stride = is_down ? width : model;
  const Number format = 0;
  float sums[64] = {};
  for (int begin = 0; begin < tile.count; begin += KNOWN_ROWS) {
    const int known = min(tile.count - begin, KNOWN_ROWS);
    const int64 first = tile.first + begin;
    __syncthreads();
    for (int i = threadIdx.x; i < known; i += TILE_THREADS) sources[i] = order[first + i] / k;
    __syncthreads();
    const Number *left = (is_down ? gradient : hidden_gradient + first * left_stride) + first_row;
    const Number *right = (is_down ? activations + first * right_stride : x) + first_column;
    multiply_tile<true, true>(
        [&](int d) -> const Number * { return left + (int64)(is_down ? sources[d] : d) * left_stride; }, rows,
        is_aligned<Number>(left_stride),
        [&](int d) -> const Number * { return right + (int64)(is_down ? d : sources[d]) * right_stride; }, columns,
        is_aligned<Number>(right_stride), known, memory, format, sums);
  }

  const int64 down_count = (int64)model * width;
  float *result;
  if (tile.total == 1)
    result = is_down ? down_gradient + tile.expert * down_count : gate_up_gradient + tile.expert * 2 * down_count;
  else
    result = partial + (slices_before(tile.expert, offsets, slice) + tile.index) * 3 * down_count +
             (is_down ? 0 : down_count);
  write_tile(sums, result + (int64)first_row * right_stride + first_column, rows, columns, right_stride, format);
}

// The gradients of the weights over slices of `slice` assignments, and of the assignments' inputs. Blocks: the tiles
// of both weights × slices, `weight_blocks` of them, ceil(M / slice) + E slices; then ceil(D / 64) × row tiles.
template <class Number>
DEVICE void gradient_tile(const Number *gradient, const Number *activations, const Number *hidden_gradient,
                          const Number *x, const Number *gate_up, const int *order, const int *offsets,
                          float *partial, float *down_gradient, float *gate_up_gradient, float *input_gradients,
                          int experts, int k, int model, int width, int slice, int weight_tiles, int weight_blocks) {
  constexpr int weight_memory = TileMemory<Number, true, true>::count;
  constexpr int input_memory = TileMemory<Number, false, true>::count;
  SHARED uint4 memory[weight_memory > input_memory ? weight_memory : input_memory];
  SHARED int sources[KNOWN_ROWS];
  const int block = blockIdx.x;
  if (block < weight_blocks) {
    weight_gradient_tile(gradient, activations, hidden_gradient, x, order, offsets, partial, down_gradient,
                         gate_up_gradient, experts, k, model, width, slice, block / weight_tiles,
                         block % weight_tiles, memory, sources);
  } else {
    const int columns = (model + TILE_COLUMNS - 1) / TILE_COLUMNS, index = block - weight_blocks;
    input_gradient_tile(hidden_gradient, gate_up, offsets, input_gradients, experts, model, width, index / columns,
                        index % columns, memory);
  }
}

KERNEL __launch_bounds__(TILE_THREADS, 4) experts_gradients_bf16(
    const bfloat16 *gradient, const bfloat16 *activations, const bfloat16 *hidden_gradient, const bfloat16 *x,
    const bfloat16 *gate_up, const int *order, const int *offsets, float *partial, float *down_gradient,
    float *gate_up_gradient, float *input_gradients, int experts, int k, int model, int width, int slice,
    int weight_tiles, int weight_blocks) {
  gradient_tile(gradient, activations, hidden_gradient, x, gate_up, order, offsets, partial, down_gradient,
                gate_up_gradient, input_gradients, experts, k, model, width, slice, weight_tiles, weight_blocks);
}

KERNEL experts_gradients_fp32(const float *gradient, const float *activations, const float *hidden_gradient,
                              const float *x, const float *gate_up, const int *order, const int *offsets,
                              float *partial, float *down_gradient, float *gate_up_gradient,
                              float *input_gradients, int experts, int k, int model, int width, int slice,
                              int weight_tiles, int weight_blocks) {
  gradient_tile(gradient, activations, hidden_gradient, x, gate_up, order, offsets, partial, down_gradient,
                gate_up_gradient, input_gradients, experts, k, model, width, slice, weight_tiles, weight_blocks);
}

// Sums, in order, the slices of each expert that has more than one; an expert without rows has the gradient 0.
// Blocks: parts of the 3·D·F numbers × experts.
KERNEL experts_add_slices(const float *partial, const int *offsets, float *down_gradient, float *gate_up_gradient,
                          int model, int width, int slice) {
  const int expert = blockIdx.y;
  const int slices = (offsets[expert + 1] - offsets[expert] + slice - 1) / slice;
  if (slices == 1) return;
  const int64 down_count = (int64)model * width, count = 3 * down_count;
  const float *own = partial + slices_before(expert, offsets, slice) * count;
  for (int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64)gridDim.x * blockDim.x) {
    float sum = 0.0f;
#pragma unroll 4
    for (int s = 0; s < slices; s++) sum += own[s * count + i];
    if (i < down_count)
      down_gradient[expert * down_count + i] = sum;
    else
      gate_up_gradient[expert * 2 * down_count + i - down_count] = sum;
  }
}

// MARK: Dense mixtures

// out = g silu(u) v, row by row of [u | v]. A thread a number.
KERNEL gated_swiglu(const void *hidden, const float *gates, void *out, int format, int64 count, int width) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const int64 row = i / width, at = row * width + i;  // row · 2 width + column
  const float u = load(hidden, format, at), v = load(hidden, format, at + width);
  store(out, format, i, u * sigmoid(u) * v * gates[row]);
}

// y_n = Σ_e (product_en + g_ne b_e), rows of O numbers; the products lie expert after expert. A thread a number.
KERNEL mixture_sum(const float *products, const float *gates, const float *biases, float *y, int64 count,
                   int experts, int outputs) {
  const int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const int64 row = i / outputs;
  const int column = i % outputs;
  float sum = 0.0f;
#pragma unroll 4
  for (int e = 0; e < experts; e++)
    sum += fmaf(gates[row * experts + e], biases[(int64)e * outputs + column], products[e * count + i]);
  y[i] = sum;
}

// From q, the gradient of g_ne silu(u) v, and dy: the gradients of [u | v] and of g_ne, <q, silu(u) v> + <dy_n, b_e>,
// and the product again. A warp a row and expert, n·E + e.
KERNEL mixture_backward(const void *hidden, const float *gates, const void *gradient, const float *dy,
                        const float *biases, void *hidden_gradient, float *gate_gradient, void *out, int format,
                        int rows, int experts, int width, int outputs) {
  const int lane = threadIdx.x & 31;
  const int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
  if (row >= rows * experts) return;
  const float gate = gates[row];
  float dot = 0.0f;
  for (int column = lane; column < width; column += 32) {
    const int64 at = (int64)row * 2 * width + column, own = (int64)row * width + column;
    const float u = load(hidden, format, at), v = load(hidden, format, at + width);
    const float q = load(gradient, format, own), s = sigmoid(u), activation = u * s * v;
    dot += q * activation;
    store(hidden_gradient, format, at, q * gate * v * (s * (1.0f + u * (1.0f - s))));
    store(hidden_gradient, format, at + width, q * gate * (u * s));
    store(out, format, own, activation * gate);
  }
  dy += (int64)(row / experts) * outputs;
  biases += (int64)(row % experts) * outputs;
  for (int column = lane; column < outputs; column += 32) dot += dy[column] * biases[column];
  dot = warp_sum(dot);
  if (lane == 0) gate_gradient[row] = dot;
}
