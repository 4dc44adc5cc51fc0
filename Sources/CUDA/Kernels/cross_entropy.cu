// Cross-entropy of rows of logits: N rows of V classes, `stride` numbers from row to row.
#include "common.cuh"

// counted[0] = how many targets are classes, and not negative. One block.
KERNEL count_targets(const int *targets, float *counted, int count) {
  SHARED float scratch[32];
  float sum = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) sum += targets[i] >= 0 ? 1.0f : 0.0f;
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) counted[0] = sum;
}

// losses[n] = logsumexp(x_n) - x_n[target_n], and if a gradient is wanted (softmax(x_n) - onehot) / counted, in
// another format or in place, with zeros from V up to the stride. Both are 0 for a negative target; a target beyond
// the classes gives NaN. A block a row.
KERNEL cross_entropy(const float *x, const int *targets, const float *counted, float *losses, void *dx,
                     int dx_format, int classes, int64 stride) {
  SHARED float scratch[32];
  x += blockIdx.x * stride;
  const int target = targets[blockIdx.x];
  float highest = -INFINITY_F, sum = 0;
  // The largest logit and the sum of exponentials in one pass: the sum is scaled as a larger one is found.
  for (int i = threadIdx.x; i < classes; i += blockDim.x) {
    const float v = x[i];
    if (v > highest) {
      sum *= expf(highest - v);
      highest = v;
    }
    sum += expf(v - highest);
  }
  const float all = block_max(highest, scratch);
  sum = block_sum(highest > -INFINITY_F ? sum * expf(highest - all) : 0.0f, scratch);
  if (threadIdx.x == 0) {
    const float loss = target >= classes ? __int_as_float(0x7fffffff) : all + logf(sum) - x[target < 0 ? 0 : target];
    losses[blockIdx.x] = target < 0 ? 0.0f : loss;
  }
  if (!dx) return;
  // The gradient may take the place of the logits: the loss must have been read.
  __syncthreads();
  const float factor = target < 0 ? 0.0f : 1.0f / counted[0];
  const int64 start = blockIdx.x * stride;
  for (int i = threadIdx.x; i < stride; i += blockDim.x) {
    float d = 0;
    if (i < classes && target >= 0) d = factor * (expf(x[i] - all) / sum - (i == target ? 1.0f : 0.0f));
    store(dx, dx_format, start + i, d);
  }
}

// loss[0] = sum of losses / counted, in double. One block.
KERNEL mean_loss(const float *losses, const float *counted, float *loss, int count) {
  SHARED double scratch[32];
  double sum = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) sum += losses[i];
  sum = block_sum_double(sum, scratch);
  if (threadIdx.x == 0) loss[0] = (float)(sum / counted[0]);
}
