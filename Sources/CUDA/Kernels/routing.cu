// Routers of mixtures of experts: scores, the choice of experts, its weights and losses, and the plan by which
// the experts run. N rows, E experts, k chosen ones a row, M = N·k assignments.
#include "common.cuh"

enum { SIGMOID = 0, SOFTMAX = 1 };

// Rows of a block of `route`, one a warp, and the most experts that it has room for.
#define ROUTED_ROWS 8
#define MOST_EXPERTS 1024

// The largest value of the warp and its index; the lower index wins a tie.
DEVICE void warp_argmax(float &value, int &index) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    const float other = __shfl_xor_sync(FULL_WARP, value, offset);
    const int at = __shfl_xor_sync(FULL_WARP, index, offset);
    if (other > value || (other == value && at < index)) {
      value = other;
      index = at;
    }
  }
  index = __shfl_sync(FULL_WARP, index, 0);  // one for all, also where NaN compares with nothing
}

// scores = σ(z) or softmax(z), N×E. The k experts of largest score + bias, N×k, from the largest down, and their
// weights w = λ s / Σ s over the chosen, or λ s. Of each block of rows: the sum of the entropies (nats) of scores
// normalized to sum to 1, and the largest logit, 2 numbers a block. Blocks of 8 warps, a warp a row.
KERNEL route(const float *logits, const float *biases, float *scores, int *chosen, float *weights,
             float *partial, int rows, int experts, int k, int scoring, int normalizes, float scale) {
  SHARED float ranked[ROUTED_ROWS][MOST_EXPERTS];
  SHARED float entropies[ROUTED_ROWS], largest[ROUTED_ROWS];
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
  const int row = blockIdx.x * ROUTED_ROWS + warp;
  float *own = ranked[warp];
  float entropy = 0.0f, highest = -INFINITY_F;
  if (row < rows) {
    const float *z = logits + (int64)row * experts;
    float *s = scores + (int64)row * experts;
    for (int e = lane; e < experts; e += 32) highest = fmaxf(highest, z[e]);
    highest = warp_max(highest);
    float sum = 0.0f;
    for (int e = lane; e < experts; e += 32) {
      const float score = scoring == SIGMOID ? 1.0f / (1.0f + expf(-z[e])) : expf(z[e] - highest);
      own[e] = score;
      sum += score;
    }
    sum = warp_sum(sum);
    const float unit = scoring == SIGMOID ? 1.0f : 1.0f / sum;
    for (int e = lane; e < experts; e += 32) {
      const float score = own[e], share = score / sum;
      if (share > 0.0f) entropy -= share * logf(share);
      s[e] = score * unit;
      own[e] = score * unit + (biases ? biases[e] : 0.0f);
    }
    entropy = warp_sum(entropy);
    __syncwarp();

    float total = normalizes ? 1e-20f : 1.0f;
    int *own_chosen = chosen + (int64)row * k;
    for (int slot = 0; slot < k; slot++) {
      float best = -INFINITY_F;
      int index = lane < experts ? lane : experts - 1;
      for (int e = lane; e < experts; e += 32)
        if (own[e] > best) {
          best = own[e];
          index = e;
        }
      warp_argmax(best, index);
      if (normalizes) total += s[index];
      if (lane == 0) {
        own[index] = -INFINITY_F;
        own_chosen[slot] = index;
      }
      __syncwarp();
    }
    for (int slot = lane; slot < k; slot += 32)
      weights[(int64)row * k + slot] = s[own_chosen[slot]] * (scale / total);
  }
  if (lane == 0) {
    entropies[warp] = entropy;
    largest[warp] = highest;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.0f, maximum = -INFINITY_F;
    for (int i = 0; i < ROUTED_ROWS; i++) {
      sum += entropies[i];
      maximum = fmaxf(maximum, largest[i]);
    }
    partial[2 * blockIdx.x] = sum;
    partial[2 * blockIdx.x + 1] = maximum;
  }
}

// The gradient of the logits, N×E, from that of the weights, N×k: with S = Σ s + 1e-20 over the chosen,
// ds_i = λ/S (dw_i - Σ_j dw_j s_j / S) when normalized, else λ dw_i; then through the scoring function. Blocks of
// 8 warps, a warp a row.
KERNEL route_backward(const float *gradient, const float *scores, const int *chosen, float *logit_gradient,
                      int rows, int experts, int k, int scoring, int normalizes, float scale) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
  const int row = blockIdx.x * ROUTED_ROWS + warp;
  if (row >= rows) return;
  const float *s = scores + (int64)row * experts;
  float *dz = logit_gradient + (int64)row * experts;
  const int *own_chosen = chosen + (int64)row * k;
  const float *dw = gradient + (int64)row * k;
  float total = 1.0f, mean = 0.0f;
  if (normalizes) {
    total = 0.0f;
    for (int slot = lane; slot < k; slot += 32) {
      total += s[own_chosen[slot]];
      mean += dw[slot] * s[own_chosen[slot]];
    }
    total = warp_sum(total) + 1e-20f;
    mean = warp_sum(mean) / total;
  }
  const float factor = scale / total;
  float dot = 0.0f;
  if (scoring == SOFTMAX) {
    for (int slot = lane; slot < k; slot += 32) dot += factor * (dw[slot] - mean) * s[own_chosen[slot]];
    dot = warp_sum(dot);
  }
  for (int e = lane; e < experts; e += 32) {
    float ds = 0.0f;
    for (int slot = 0; slot < k; slot++)
      if (own_chosen[slot] == e) ds = factor * (dw[slot] - mean);
    const float p = s[e];
    dz[e] = scoring == SIGMOID ? ds * (p - p * p) : p * (ds - dot);
  }
}

// MARK: The plan

// Assignments n·k + slot sorted by expert, stably: order holds assignments, places is its inverse, offsets (E + 1)
// where each expert's begin. summary, E + 2 numbers: the load of each expert, the sum of all entropies, the
// largest logit, the last two from `partial`. A block an expert, 1024 threads each.
KERNEL plan_experts(const int *chosen, const float *partial, int *offsets, int *order, int *places,
                    float *summary, int assignments, int experts, int partials) {
  SHARED int counts[32], lowers[32];
  SHARED double sums[32];
  SHARED float maxima[32];
  const int expert = blockIdx.x;
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  // A warp counts, and places, in a range of its own.
  const int range = (assignments + 32 * warps - 1) / (32 * warps) * 32;
  const int first = warp * range;
  const int end = first + range < assignments ? first + range : assignments;
  int count = 0, lower = 0;
#pragma unroll 8
  for (int a = first + lane; a < end; a += 32) {
    const int other = chosen[a];
    count += other == expert;
    lower += other < expert;
  }
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    count += __shfl_xor_sync(FULL_WARP, count, offset);
    lower += __shfl_xor_sync(FULL_WARP, lower, offset);
  }
  if (lane == 0) {
    counts[warp] = count;
    lowers[warp] = lower;
  }
  __syncthreads();
  int start = 0, load = 0, place = 0;
  for (int i = 0; i < warps; i++) {
    start += lowers[i];
    load += counts[i];
    if (i < warp) place += counts[i];
  }
  place += start;
  if (threadIdx.x == 0) {
    offsets[expert] = start;
    if (expert == experts - 1) offsets[experts] = assignments;
    summary[expert] = (float)load;
  }
#pragma unroll 4
  for (int begin = first; begin < end; begin += 32) {
    const int a = begin + lane;
    const int is_own = a < end && chosen[a] == expert;
    const unsigned own = __ballot_sync(FULL_WARP, is_own);
    if (is_own) {
      const int at = place + __popc(own & ((1u << lane) - 1u));
      order[at] = a;
      places[a] = at;
    }
    place += __popc(own);
  }

  if (expert != 0) return;
  double entropy = 0.0;
  float largest = -INFINITY_F;
  for (int i = threadIdx.x; i < partials; i += blockDim.x) {
    entropy += partial[2 * i];
    largest = fmaxf(largest, partial[2 * i + 1]);
  }
  entropy = block_sum_double(entropy, sums);
  largest = block_max(largest, maxima);
  if (threadIdx.x == 0) {
    summary[experts] = (float)entropy;
    summary[experts + 1] = largest;
  }
}

// Moves every bias by `rate` against its expert's load, b_e += u · sign(mean load - load_e), less the mean of the
// signs. Loads are the first E numbers of a summary. One block.
KERNEL update_selection_biases(const float *loads, float *biases, int experts, float rate) {
  SHARED double scratch[32];
  double sum = 0.0;
  for (int e = threadIdx.x; e < experts; e += blockDim.x) sum += loads[e];
  const double total = block_sum_double(sum, scratch);
  sum = 0.0;
  for (int e = threadIdx.x; e < experts; e += blockDim.x) {
    const double difference = total - (double)loads[e] * experts;
    sum += difference > 0.0 ? 1.0 : difference < 0.0 ? -1.0 : 0.0;
  }
  const float mean = (float)block_sum_double(sum, scratch) / (float)experts;
  for (int e = threadIdx.x; e < experts; e += blockDim.x) {
    const double difference = total - (double)loads[e] * experts;
    const float sign = difference > 0.0 ? 1.0f : difference < 0.0 ? -1.0f : 0.0f;
    biases[e] += rate * (sign - mean);
  }
}

// MARK: Losses

// f of the sequence of a block, and its share of the balance loss: frequencies[b][e] = E/(kT) · |rows that chose
// e|, partial[b] = Σ over its rows of Σ_e f_e s_e / Σ s. A block a sequence of T rows.
KERNEL sequence_balance(const float *scores, const int *chosen, float *frequencies, float *partial, int length,
                        int experts, int k) {
  SHARED int counts[MOST_EXPERTS];
  SHARED float sums[32];
  for (int e = threadIdx.x; e < experts; e += blockDim.x) counts[e] = 0;
  __syncthreads();
  const int64 first = (int64)blockIdx.x * length;
  for (int i = threadIdx.x; i < length * k; i += blockDim.x) atomicAdd(&counts[chosen[first * k + i]], 1);
  __syncthreads();
  const float unit = (float)experts / (float)(k * length);
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  float total = 0.0f;
  for (int row = warp; row < length; row += warps) {
    const float *s = scores + (first + row) * experts;
    float sum = 0.0f, weighted = 0.0f;
    for (int e = lane; e < experts; e += 32) {
      sum += s[e];
      weighted += unit * (float)counts[e] * s[e];
    }
    total += warp_sum(weighted) / (warp_sum(sum) + 1e-20f);
  }
  if (lane == 0) sums[warp] = total;
  for (int e = threadIdx.x; e < experts; e += blockDim.x)
    frequencies[(int64)blockIdx.x * experts + e] = unit * (float)counts[e];
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.0f;
    for (int i = 0; i < warps; i++) sum += sums[i];
    partial[blockIdx.x] = sum;
  }
}

// The gradient of the logits from `gradient`, that of the mean over N rows of Σ_e f_e s_e / Σ s. A warp a row.
KERNEL sequence_balance_backward(const float *gradient, const float *scores, const float *frequencies,
                                 float *logit_gradient, int rows, int length, int experts, int scoring) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
  const int row = blockIdx.x * (blockDim.x >> 5) + warp;
  if (row >= rows) return;
  const float *s = scores + (int64)row * experts, *f = frequencies + (int64)(row / length) * experts;
  float *dz = logit_gradient + (int64)row * experts;
  float sum = 0.0f, weighted = 0.0f;
  for (int e = lane; e < experts; e += 32) {
    sum += s[e];
    weighted += f[e] * s[e];
  }
  sum = warp_sum(sum) + 1e-20f;
  const float share = warp_sum(weighted) / sum, factor = *gradient / sum / (float)rows;
  float dot = 0.0f;
  if (scoring == SOFTMAX) {
    for (int e = lane; e < experts; e += 32) dot += (f[e] - share) * factor * s[e];
    dot = warp_sum(dot);
  }
  for (int e = lane; e < experts; e += 32) {
    const float ds = (f[e] - share) * factor, p = s[e];
    dz[e] = scoring == SIGMOID ? ds * (p - p * p) : p * (ds - dot);
  }
}

// logsumexp(z) of every row, and the sum of its square over the rows of a block. A warp a row.
KERNEL router_z_loss(const float *logits, float *sums, float *partial, int rows, int experts) {
  SHARED float squares[32];
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  const int row = blockIdx.x * warps + warp;
  float square = 0.0f;
  if (row < rows) {
    const float *z = logits + (int64)row * experts;
    float highest = -INFINITY_F, sum = 0.0f;
    for (int e = lane; e < experts; e += 32) highest = fmaxf(highest, z[e]);
    highest = warp_max(highest);
    for (int e = lane; e < experts; e += 32) sum += expf(z[e] - highest);
    const float total = highest + logf(warp_sum(sum));
    if (lane == 0) sums[row] = total;
    square = total * total;
  }
  if (lane == 0) squares[warp] = square;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.0f;
    for (int i = 0; i < warps; i++) sum += squares[i];
    partial[blockIdx.x] = sum;
  }
}

// dz = 2 logsumexp(z) softmax(z) / N · gradient. A warp a row.
KERNEL router_z_loss_backward(const float *gradient, const float *logits, const float *sums,
                              float *logit_gradient, int rows, int experts) {
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
  const int row = blockIdx.x * (blockDim.x >> 5) + warp;
  if (row >= rows) return;
  const float *z = logits + (int64)row * experts;
  const float sum = sums[row], factor = 2.0f * sum / (float)rows * *gradient;
  for (int e = lane; e < experts; e += 32)
    logit_gradient[(int64)row * experts + e] = factor * expf(z[e] - sum);
}

// loss = Σ partial / rows. One block.
KERNEL mean_of_partial_sums(const float *partial, float *loss, int count, int rows) {
  SHARED double scratch[32];
  double sum = 0.0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) sum += partial[i];
  sum = block_sum_double(sum, scratch);
  if (threadIdx.x == 0) *loss = (float)(sum / rows);
}
