// Steps of Newton-Schulz on many small matrices of different extents in one launch:
//
//   A = X Xᵀ,  B = b A + c A²,  X ← a X + B X
//
// in bfloat16, sums in float32. A and B are symmetric: their tiles above the diagonal are computed and written
// twice. Batches of large matrices go to the library's products instead, one launch a batch.
#include "common.cuh"
#include "tensor_cores.cuh"

// The host writes these as they stand here: Sources/Optim/Device/DeviceRecords.swift.

// Equal matrices one behind the other; extents are multiples of 8 and rows <= columns.
struct Batch {
  bfloat16 *x[2];             // rows × columns; a step reads one and writes the other
  bfloat16 *gram, *polynomial;  // rows × rows
  int rows, columns;
};

// A part of one matrix's result, for one block.
struct ProductTile {
  int batch, matrix, row, column;
};

#define TILE 64     // rows and columns of a tile
#define DEPTH 64    // of what is in shared memory at once
#define STAGES 3
#define THREADS 128  // 2 × 2 warps of 32 × 32 numbers each

// Bytes of one operand of one stage.
#define OPERAND_BYTES (TILE * DEPTH * 2)

struct Sums {
  float part[2][4][4];  // 16 × 8 numbers each, as tensor cores give them
};

// Where 16 bytes of a row of 128 lie in shared memory: so that eight rows' lie in different banks.
DEVICE int swizzled(int row, int chunk) { return row * 128 + ((chunk ^ (row & 7)) << 4); }

// Begins the copy of 64 × 64 numbers of a matrix with rows × columns, from a row and a column on.
DEVICE void copy_tile(
    unsigned char *shared, const bfloat16 *matrix, int rows, int columns, int row, int column) {
#pragma unroll
  for (int part = 0; part < TILE * 8 / THREADS; part++) {
    const int i = threadIdx.x + part * THREADS, r = i >> 3, chunk = i & 7;
    const int from = column + 8 * chunk;
    cp_async_16(
        shared + swizzled(r, chunk), matrix + (int64)(row + r) * columns + from,
        row + r < rows && from < columns);
  }
}

// The tile at (row, column) of left · rightᵀ, or of left · right: left is rows × depth, right is
// columns × depth, or depth × columns.
template <bool is_right_transposed>
DEVICE Sums tile_product(
    const bfloat16 *left, const bfloat16 *right, int rows, int columns, int depth, int row, int column,
    unsigned char *shared) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
  const int warp_row = 32 * (warp >> 1), warp_column = 32 * (warp & 1);
  Sums sums = {};
  const int steps = (depth + DEPTH - 1) / DEPTH;
  const auto copy = [&](int step) {
    if (step < steps) {
      unsigned char *const stage = shared + step % STAGES * 2 * OPERAND_BYTES;
      copy_tile(stage, left, rows, depth, row, step * DEPTH);
      if (is_right_transposed)
        copy_tile(stage + OPERAND_BYTES, right, columns, depth, column, step * DEPTH);
      else
        copy_tile(stage + OPERAND_BYTES, right, depth, columns, step * DEPTH, column);
    }
    cp_async_commit();
  };
#pragma unroll
  for (int step = 0; step < STAGES - 1; step++) copy(step);
  for (int step = 0; step < steps; step++) {
    cp_async_wait<STAGES - 2>();
    __syncthreads();
    copy(step + STAGES - 1);
    const unsigned char *const a_shared = shared + step % STAGES * 2 * OPERAND_BYTES;
    const unsigned char *const b_shared = a_shared + OPERAND_BYTES;
#pragma unroll
    for (int k = 0; k < DEPTH / 16; k++) {
      unsigned a[2][4], b[2][4];
#pragma unroll
      for (int i = 0; i < 2; i++)
        ldmatrix_x4(a[i], a_shared + swizzled(warp_row + 16 * i + (lane & 15), 2 * k + (lane >> 4)));
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const int first = warp_column + 16 * j;
        if (is_right_transposed)
          ldmatrix_x4(
              b[j], b_shared + swizzled(first + (lane & 7) + (lane >> 4 << 3), 2 * k + (lane >> 3 & 1)));
        else
          ldmatrix_x4_trans(b[j], b_shared + swizzled(16 * k + (lane & 15), first / 8 + (lane >> 4)));
      }
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) mma_bf16_m16n8k16(sums.part[i][j], a[i], b[j >> 1] + 2 * (j & 1));
    }
  }
  cp_async_wait<0>();
  __syncthreads();
  return sums;
}

#define RESULT_STRIDE (TILE + 8)

// sums + factor · addend, where there is one, rounded into shared memory.
DEVICE void gather_result(
    const Sums &sums, float scale, float factor, const bfloat16 *addend, int rows, int columns, int row, int column,
    bfloat16 *shared) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
#pragma unroll
  for (int i = 0; i < 2; i++)
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int r = 32 * (warp >> 1) + 16 * i + 8 * half + (lane >> 2);
        const int c = 32 * (warp & 1) + 8 * j + 2 * (lane & 3);
        float low = scale * sums.part[i][j][2 * half], high = scale * sums.part[i][j][2 * half + 1];
        if (addend && row + r < rows && column + c < columns) {
          const unsigned pair = *(const unsigned *)(addend + (int64)(row + r) * columns + column + c);
          low += factor * __uint_as_float(pair << 16);
          high += factor * __uint_as_float(pair & 0xffff0000u);
        }
        *(unsigned *)(shared + r * RESULT_STRIDE + c) = rounded_pair(low, high);
      }
  __syncthreads();
}

// Writes the tile that lies in shared memory.
DEVICE void write_result(bfloat16 *matrix, int rows, int columns, int row, int column, const bfloat16 *shared) {
  for (int i = threadIdx.x; i < TILE * 8; i += THREADS) {
    const int r = i >> 3, c = 8 * (i & 7);
    if (row + r < rows && column + c < columns)
      *(uint4 *)(matrix + (int64)(row + r) * columns + column + c) =
          *(const uint4 *)(shared + r * RESULT_STRIDE + c);
  }
}

// Writes its transpose, at (column, row) of a square matrix.
DEVICE void write_mirrored(bfloat16 *matrix, int rows, int row, int column, const bfloat16 *shared) {
  for (int i = threadIdx.x; i < TILE * 8; i += THREADS) {
    const int c = i & 63, r = 8 * (i >> 6);
    if (column + c >= rows || row + r >= rows) continue;
    unsigned pairs[4];
#pragma unroll
    for (int k = 0; k < 4; k++)
      pairs[k] = (unsigned)shared[(r + 2 * k) * RESULT_STRIDE + c] |
          (unsigned)shared[(r + 2 * k + 1) * RESULT_STRIDE + c] << 16;
    *(uint4 *)(matrix + (int64)(column + c) * rows + row + r) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
  }
}

// scale · left leftᵀ (+ factor · addend), symmetric: the tile and its mirror image. The left factor is rows × depth.
DEVICE void symmetric_product(
    const bfloat16 *left, int rows, int depth, float scale, float factor, const bfloat16 *addend, bfloat16 *result,
    const ProductTile &tile, unsigned char *shared) {
  const Sums sums = tile_product<true>(left, left, rows, rows, depth, tile.row, tile.column, shared);
  bfloat16 *const gathered = (bfloat16 *)shared;
  gather_result(sums, scale, factor, addend, rows, rows, tile.row, tile.column, gathered);
  write_result(result, rows, rows, tile.row, tile.column, gathered);
  if (tile.row != tile.column) write_mirrored(result, rows, tile.row, tile.column, gathered);
}

// A = X Xᵀ, one tile on or above the diagonal a block. 128 threads, 48 KiB of shared memory.
KERNEL newton_schulz_gram(const Batch *batches, const ProductTile *tiles, int source) {
  DYNAMIC_SHARED(shared);
  const ProductTile tile = tiles[blockIdx.x];
  const Batch batch = batches[tile.batch];
  symmetric_product(
      batches[tile.batch].x[source] + (int64)tile.matrix * batch.rows * batch.columns, batch.rows, batch.columns,
      1.0f, 0.0f, 0, batch.gram + (int64)tile.matrix * batch.rows * batch.rows, tile, shared);
}

// B = b A + c A², tiles as above.
KERNEL newton_schulz_polynomial(const Batch *batches, const ProductTile *tiles, float b, float c) {
  DYNAMIC_SHARED(shared);
  const ProductTile tile = tiles[blockIdx.x];
  const Batch batch = batches[tile.batch];
  const int64 matrix = (int64)tile.matrix * batch.rows * batch.rows;
  symmetric_product(
      batch.gram + matrix, batch.rows, batch.rows, c, b, batch.gram + matrix, batch.polynomial + matrix, tile,
      shared);
}

// X ← a X + B X, one tile a block.
KERNEL newton_schulz_step(const Batch *batches, const ProductTile *tiles, int source, float a) {
  DYNAMIC_SHARED(shared);
  const ProductTile tile = tiles[blockIdx.x];
  const Batch batch = batches[tile.batch];
  const int64 matrix = (int64)tile.matrix * batch.rows * batch.columns;
  const bfloat16 *const x = batches[tile.batch].x[source] + matrix;
  const Sums sums = tile_product<false>(
      batch.polynomial + (int64)tile.matrix * batch.rows * batch.rows, x, batch.rows, batch.columns, batch.rows,
      tile.row, tile.column, shared);
  bfloat16 *const gathered = (bfloat16 *)shared;
  gather_result(sums, 1.0f, a, x, batch.rows, batch.columns, tile.row, tile.column, gathered);
  write_result(
      batches[tile.batch].x[1 - source] + matrix, batch.rows, batch.columns, tile.row, tile.column, gathered);
}
