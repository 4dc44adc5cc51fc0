// The gradients' norm, and the updates of many parameters in one launch.
//
// A table in device memory names every parameter's addresses, another its rule. A list of chunks says which
// part of which parameter a block works on. What changes from step to step is read from device memory as
// well, so that a step that was captured once can be replayed.
#include "common.cuh"

// The host writes these as they stand here: Sources/Optim/Device/DeviceRecords.swift.

struct Parameter {
  float *value;
  const float *gradient;
  float *first, *second;  // AdamW's moments; the others have a momentum in `first`
  bfloat16 *half_value;   // a rounded copy of the value, which products read, or null
  int64 count;
};

struct Rule {
  float learning_rate, weight_decay;
  float scale;                           // on the learning rate
  float momentum, momentum2, epsilon;    // AdamW's β₁, β₂ and ε; the others have a momentum
  float gradient_weight;                 // in the momentum
  float ahead_momentum, ahead_gradient;  // what the look-ahead takes of the momentum and of the gradient
  int corrects_rate;                     // for the bias of AdamW's moments
  int corrects_ahead;                    // for the bias of the look-ahead's terms
  int step_offset;                       // the parameter's updates less those of the run
};

// What a rule's numbers come to at this step.
struct Factors {
  float gradient, decay, step, inverse_root_correction;
  float ahead_momentum, ahead_gradient;
};

struct StepState {
  float learning_rate_factor, clipping_limit;  // from the host
  int64 step;                                  // from the host: the number of this update, from 1
  float norm, gradient_factor;
  float loss;
  int is_finite;
};

struct Chunk {
  int parameter, unused;
  int64 start;
};

// Elements of a chunk; parameters are aligned to 16 bytes.
#define CHUNK_SIZE 16384

// The sum of squares of one chunk of a gradient a block, in double precision. 256 threads.
KERNEL gradient_squares(const Parameter *parameters, const Chunk *chunks, double *partial) {
  SHARED double scratch[32];
  const Chunk chunk = chunks[blockIdx.x];
  const float *gradient = parameters[chunk.parameter].gradient;
  const int64 count = parameters[chunk.parameter].count;
  const int64 end = min(chunk.start + CHUNK_SIZE, count), whole = end & ~3LL;
  double sum = 0;
  for (int64 i = chunk.start + 4 * threadIdx.x; i < whole; i += 4 * blockDim.x) {
    const float4 g = load4(gradient, FLOAT32, i);
    sum += (double)g.x * g.x + (double)g.y * g.y;
    sum += (double)g.z * g.z + (double)g.w * g.w;
  }
  for (int64 i = whole + threadIdx.x; i < end; i += blockDim.x) sum += (double)gradient[i] * gradient[i];
  sum = block_sum_double(sum, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The sum of squares of a whole gradient a block: of its partial sums first_chunks[i] ..< first_chunks[i + 1].
KERNEL parameter_squares(const double *partial, const int *first_chunks, double *sums) {
  SHARED double scratch[32];
  double sum = 0;
  for (int i = first_chunks[blockIdx.x] + threadIdx.x; i < first_chunks[blockIdx.x + 1]; i += blockDim.x)
    sum += partial[i];
  sum = block_sum_double(sum, scratch);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// In the host's order: AdamW.swift, SGD.swift, Muon.swift and TrueMuon.swift.
DEVICE Factors factors_at(const Rule rule, const StepState *state, int64 step) {
  const float rate = rule.learning_rate * state->learning_rate_factor;
  Factors factors;
  factors.gradient = rule.gradient_weight * state->gradient_factor;
  factors.decay = 1.0f - rate * rule.weight_decay;
  factors.step = rate * rule.scale;
  factors.inverse_root_correction = 1.0f;
  factors.ahead_momentum = rule.ahead_momentum;
  factors.ahead_gradient = rule.ahead_gradient * state->gradient_factor;
  if (rule.corrects_rate) {
    factors.step = (float)((double)rate / (1.0 - pow((double)rule.momentum, (double)step)));
    factors.inverse_root_correction = (float)(1.0 / sqrt(1.0 - pow((double)rule.momentum2, (double)step)));
  }
  if (rule.corrects_ahead) {
    factors.ahead_momentum *= (float)(1.0 / (1.0 - pow((double)rule.momentum, (double)(step + 1))));
    factors.ahead_gradient *= (float)(1.0 / (1.0 - pow((double)rule.momentum, (double)step)));
  }
  return factors;
}

// From the parameters' sums of squares: the norm ‖g‖, the factor min(1, limit / ‖g‖) on all gradients, and
// each rule's numbers at this step. When the norm is not finite, or the loss where one is given, this step
// updates nothing. One block.
KERNEL begin_update(
    StepState *state, const float *loss, const double *sums, const Rule *rules, Factors *factors, int count) {
  SHARED double scratch[32];
  double sum = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) sum += sums[i];
  sum = block_sum_double(sum, scratch);
  if (threadIdx.x == 0) {
    const float norm = (float)sqrt(sum);
    state->norm = norm;
    state->gradient_factor = norm > state->clipping_limit ? state->clipping_limit / norm : 1.0f;
    state->loss = loss ? *loss : 0.0f;
    state->is_finite = sum - sum == 0.0 && state->loss - state->loss == 0.0f;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < count; i += blockDim.x)
    factors[i] = factors_at(rules[i], state, rules[i].step_offset + state->step);
}

DEVICE void adamw_element(
    float &p, float g, float &m, float &v, float beta1, float beta2, float epsilon, const Factors &factors) {
  g = g * factors.gradient;
  m = m + (g - m) * (1.0f - beta1);
  v = v * beta2 + g * g * (1.0f - beta2);
  const float denominator = sqrtf(v) * factors.inverse_root_correction + epsilon;
  p = p * factors.decay - factors.step * m / denominator;
}

// One chunk of one parameter a block; see AdamW.swift for the formula. 256 threads.
KERNEL adamw_update(
    const StepState *state, const Parameter *parameters, const Rule *rules, const Factors *all_factors,
    const Chunk *chunks) {
  if (!state->is_finite) return;
  const Chunk chunk = chunks[blockIdx.x];
  const Parameter parameter = parameters[chunk.parameter];
  const Factors factors = all_factors[chunk.parameter];
  const float beta1 = rules[chunk.parameter].momentum, beta2 = rules[chunk.parameter].momentum2;
  const float epsilon = rules[chunk.parameter].epsilon;
  const int64 end = min(chunk.start + CHUNK_SIZE, parameter.count), whole = end & ~3LL;
  for (int64 i = chunk.start + 4 * threadIdx.x; i < whole; i += 4 * blockDim.x) {
    float4 p = load4(parameter.value, FLOAT32, i), m = load4(parameter.first, FLOAT32, i);
    float4 v = load4(parameter.second, FLOAT32, i);
    const float4 g = load4(parameter.gradient, FLOAT32, i);
    adamw_element(p.x, g.x, m.x, v.x, beta1, beta2, epsilon, factors);
    adamw_element(p.y, g.y, m.y, v.y, beta1, beta2, epsilon, factors);
    adamw_element(p.z, g.z, m.z, v.z, beta1, beta2, epsilon, factors);
    adamw_element(p.w, g.w, m.w, v.w, beta1, beta2, epsilon, factors);
    store4(parameter.first, FLOAT32, i, m);
    store4(parameter.second, FLOAT32, i, v);
    store4(parameter.value, FLOAT32, i, p);
    if (parameter.half_value) store4(parameter.half_value, BFLOAT16, i, p);
  }
  for (int64 i = whole + threadIdx.x; i < end; i += blockDim.x) {
    float p = parameter.value[i], m = parameter.first[i], v = parameter.second[i];
    adamw_element(p, parameter.gradient[i], m, v, beta1, beta2, epsilon, factors);
    parameter.first[i] = m;
    parameter.second[i] = v;
    parameter.value[i] = p;
    if (parameter.half_value) parameter.half_value[i] = rounded(p);
  }
}

// One chunk of one parameter a block; see SGD.swift for the formula. 256 threads.
KERNEL sgd_update(
    const StepState *state, const Parameter *parameters, const Rule *rules, const Factors *all_factors,
    const Chunk *chunks) {
  if (!state->is_finite) return;
  const Chunk chunk = chunks[blockIdx.x];
  const Parameter parameter = parameters[chunk.parameter];
  const Factors factors = all_factors[chunk.parameter];
  const Rule rule = rules[chunk.parameter];
  const int64 end = min(chunk.start + CHUNK_SIZE, parameter.count);
  for (int64 i = chunk.start + threadIdx.x; i < end; i += blockDim.x) {
    float p = parameter.value[i];
    const float g = factors.gradient * parameter.gradient[i] + rule.weight_decay * p;
    const float m = rule.momentum * parameter.first[i] + g;
    p = p - factors.step * rule.ahead_gradient * g;
    p = p - factors.step * rule.ahead_momentum * m;
    parameter.first[i] = m;
    parameter.value[i] = p;
    if (parameter.half_value) parameter.half_value[i] = rounded(p);
  }
}

// MARK: Muon

// The matrices of one parameter. Their directions lie in a batch of equal matrices, wide ones as they are and
// tall ones transposed, their extents padded by zeros to multiples of 8.
struct MatrixStack {
  int parameter;
  int rows, columns;    // of a matrix in the parameter
  int is_transposed;    // in the batch
  int format;           // of the batch
  int unused;
  int64 matrix_stride;  // elements between a matrix and the next in the batch
  void *direction;      // the first matrix, before the iteration
  const void *orthogonal;  // and after it
  int first_tile, tiles;   // the number of the first tile, and tiles of a matrix
  float safety_factor, epsilon;
};

struct Tile {
  int stack, matrix, row, column;
};

// Rows and columns of a tile.
#define TILE 64

DEVICE int padded(int extent) { return (extent + 7) & ~7; }

// Four elements of a row of which `left` are there; the others are zero.
DEVICE float4 load_some(const float *elements, int left, int is_aligned) {
  if (is_aligned && left >= 4) return *(const float4 *)elements;
  return make_float4(
      left > 0 ? elements[0] : 0.0f, left > 1 ? elements[1] : 0.0f, left > 2 ? elements[2] : 0.0f,
      left > 3 ? elements[3] : 0.0f);
}

DEVICE void store_some(void *elements, int format, int64 index, float4 value, int left, int is_aligned) {
  if (is_aligned && left >= 4) {
    store4(elements, format, index, value);
    return;
  }
  if (left > 0) store(elements, format, index, value.x);
  if (left > 1) store(elements, format, index + 1, value.y);
  if (left > 2) store(elements, format, index + 2, value.z);
  if (left > 3) store(elements, format, index + 3, value.w);
}

DEVICE float4 combined(float a, float4 x, float b, float4 y) {
  return make_float4(a * x.x + b * y.x, a * x.y + b * y.y, a * x.z + b * y.z, a * x.w + b * y.w);
}

// The momentum m ← β m + w g, and the sum of squares of the look-ahead a m + b g, one tile a block.
// 16 × 16 threads, a thread for four columns.
KERNEL matrix_momentum(
    const StepState *state, const Parameter *parameters, const Rule *rules, const Factors *all_factors,
    const MatrixStack *stacks, const Tile *tiles, double *partial) {
  SHARED double scratch[32];
  if (!state->is_finite) return;
  const Tile tile = tiles[blockIdx.x];
  const MatrixStack stack = stacks[tile.stack];
  const Factors factors = all_factors[stack.parameter];
  const float momentum = rules[stack.parameter].momentum;
  const int64 matrix = (int64)tile.matrix * stack.rows * stack.columns;
  float *const moments = parameters[stack.parameter].first + matrix;
  const float *const gradient = parameters[stack.parameter].gradient + matrix;
  const int is_aligned = stack.columns % 4 == 0;
  const int column = tile.column + 4 * (threadIdx.x & 15), left = stack.columns - column;
  double sum = 0;
#pragma unroll
  for (int part = 0; part < 4; part++) {
    const int row = tile.row + (threadIdx.x >> 4) + 16 * part;
    if (row >= stack.rows) continue;
    const int64 i = (int64)row * stack.columns + column;
    const float4 g = load_some(gradient + i, left, is_aligned);
    const float4 m = combined(momentum, load_some(moments + i, left, is_aligned), factors.gradient, g);
    store_some(moments, FLOAT32, i, m, left, is_aligned);
    const float4 o = combined(factors.ahead_momentum, m, factors.ahead_gradient, g);
    sum += (double)o.x * o.x + (double)o.y * o.y;
    sum += (double)o.z * o.z + (double)o.w * o.w;
  }
  sum = block_sum_double(sum, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The look-ahead o = a m + b g into the batch, divided by safety · ‖o‖ + ε; one tile a block, threads as above.
KERNEL matrix_directions(
    const StepState *state, const Parameter *parameters, const Factors *all_factors,
    const MatrixStack *stacks, const Tile *tiles, const double *partial) {
  SHARED double scratch[32];
  SHARED float turned[TILE][TILE + 1];
  if (!state->is_finite) return;
  const Tile tile = tiles[blockIdx.x];
  const MatrixStack stack = stacks[tile.stack];
  const Factors factors = all_factors[stack.parameter];
  const int64 matrix = (int64)tile.matrix * stack.rows * stack.columns;
  const float *const moments = parameters[stack.parameter].first + matrix;
  const float *const gradient = parameters[stack.parameter].gradient + matrix;
  const int is_aligned = stack.columns % 4 == 0;
  const int x = 4 * (threadIdx.x & 15), y = threadIdx.x >> 4;
  const int column = tile.column + x, left = stack.columns - column;
  float4 ahead[4];
#pragma unroll
  for (int part = 0; part < 4; part++) {
    const int row = tile.row + y + 16 * part;
    const int64 i = (int64)row * stack.columns + column;
    const int there = row < stack.rows ? left : 0;
    ahead[part] = combined(
        factors.ahead_momentum, load_some(moments + i, there, is_aligned), factors.ahead_gradient,
        load_some(gradient + i, there, is_aligned));
  }
  double sum = 0;
  const int first = stack.first_tile + tile.matrix * stack.tiles;
  for (int i = threadIdx.x; i < stack.tiles; i += blockDim.x) sum += partial[first + i];
  const float norm = (float)sqrt(block_sum_double(sum, scratch));
  const float factor = 1.0f / (stack.safety_factor * norm + stack.epsilon);

  const int64 batch = tile.matrix * stack.matrix_stride;
  if (!stack.is_transposed) {
#pragma unroll
    for (int part = 0; part < 4; part++) {
      const int row = tile.row + y + 16 * part;
      if (row < padded(stack.rows) && column < padded(stack.columns))
        store4(
            stack.direction, stack.format, batch + (int64)row * padded(stack.columns) + column,
            combined(factor, ahead[part], 0.0f, ahead[part]));
    }
    return;
  }
#pragma unroll
  for (int part = 0; part < 4; part++) {
    const int row = y + 16 * part;
    turned[x][row] = factor * ahead[part].x;
    turned[x + 1][row] = factor * ahead[part].y;
    turned[x + 2][row] = factor * ahead[part].z;
    turned[x + 3][row] = factor * ahead[part].w;
  }
  __syncthreads();
#pragma unroll
  for (int part = 0; part < 4; part++) {
    const int row = y + 16 * part;  // of the batch, a column of the parameter
    if (tile.column + row < padded(stack.columns) && tile.row + x < padded(stack.rows))
      store4(
          stack.direction, stack.format, batch + (int64)(tile.column + row) * padded(stack.rows) + tile.row + x,
          make_float4(turned[row][x], turned[row][x + 1], turned[row][x + 2], turned[row][x + 3]));
  }
}

// p ← decay · p - step · O with O from the batch; one tile a block, threads as above.
KERNEL matrix_update(
    const StepState *state, const Parameter *parameters, const Factors *all_factors,
    const MatrixStack *stacks, const Tile *tiles) {
  SHARED float turned[TILE][TILE + 1];
  if (!state->is_finite) return;
  const Tile tile = tiles[blockIdx.x];
  const MatrixStack stack = stacks[tile.stack];
  const Factors factors = all_factors[stack.parameter];
  const int64 matrix = (int64)tile.matrix * stack.rows * stack.columns;
  const int64 batch = tile.matrix * stack.matrix_stride;
  float *const value = parameters[stack.parameter].value + matrix;
  bfloat16 *const half_value = parameters[stack.parameter].half_value;
  const int is_aligned = stack.columns % 4 == 0;
  const int x = 4 * (threadIdx.x & 15), y = threadIdx.x >> 4;
  const int column = tile.column + x, left = stack.columns - column;
  if (stack.is_transposed) {
#pragma unroll
    for (int part = 0; part < 4; part++) {
      const int row = y + 16 * part;  // of the batch, a column of the parameter
      float4 o = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (tile.column + row < stack.columns && tile.row + x < stack.rows)
        o = load4(
            stack.orthogonal, stack.format, batch + (int64)(tile.column + row) * padded(stack.rows) + tile.row + x);
      turned[x][row] = o.x;
      turned[x + 1][row] = o.y;
      turned[x + 2][row] = o.z;
      turned[x + 3][row] = o.w;
    }
    __syncthreads();
  }
#pragma unroll
  for (int part = 0; part < 4; part++) {
    const int row = tile.row + y + 16 * part, turned_row = y + 16 * part;
    if (row >= stack.rows || left <= 0) continue;
    const int64 i = (int64)row * stack.columns + column;
    const float4 o = stack.is_transposed
        ? make_float4(turned[turned_row][x], turned[turned_row][x + 1], turned[turned_row][x + 2],
                      turned[turned_row][x + 3])
        : load4(stack.orthogonal, stack.format, batch + (int64)row * padded(stack.columns) + column);
    const float4 p = combined(factors.decay, load_some(value + i, left, is_aligned), -factors.step, o);
    store_some(value, FLOAT32, i, p, left, is_aligned);
    if (half_value) store_some(half_value, BFLOAT16, matrix + i, p, left, is_aligned);
  }
}
