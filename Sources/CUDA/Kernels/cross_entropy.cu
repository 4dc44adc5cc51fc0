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

// The largest of a row's logits so far, and the sum of exp(x - largest).
struct RowSum {
  float highest, sum;
};

DEVICE void include(RowSum &row, float4 x) {
  const float highest = fmaxf(fmaxf(x.x, x.y), fmaxf(x.z, x.w));
  if (highest > row.highest) {
    row.sum *= __expf(row.highest - highest);
    row.highest = highest;
  }
  row.sum += __expf(x.x - row.highest) + __expf(x.y - row.highest) + __expf(x.z - row.highest) +
             __expf(x.w - row.highest);
}

// Four logits of a row, which begins at `start`, from index i on; behind the classes there are none.
DEVICE float4 logits_at(const void *x, int format, int64 start, int i, int classes, bool aligned) {
  if (aligned && i + 4 <= classes) return load4(x, format, start + i);
  return make_float4(
      i < classes ? load(x, format, start + i) : -INFINITY_F,
      i + 1 < classes ? load(x, format, start + i + 1) : -INFINITY_F,
      i + 2 < classes ? load(x, format, start + i + 2) : -INFINITY_F,
      i + 3 < classes ? load(x, format, start + i + 3) : -INFINITY_F);
}

// losses[n] = logsumexp(x_n) - x_n[target_n], and if a gradient is wanted (softmax(x_n) - onehot) / counted in the
// logits' format, which may take their place, with zeros from V up to the stride. Both are 0 for a negative target; a
// target beyond the classes gives NaN. A block a row.
KERNEL cross_entropy(const void *x, int format, const int *targets, const float *counted, float *losses, void *dx,
                     int classes, int64 stride) {
  SHARED float scratch[32];
  const bool aligned = stride % 4 == 0;
  const int64 start = blockIdx.x * stride;
  const int target = targets[blockIdx.x];
  RowSum row = {-INFINITY_F, 0};
  for (int i = 4 * threadIdx.x; i < classes; i += 4 * blockDim.x)
    include(row, logits_at(x, format, start, i, classes, aligned));
  const float highest = block_max(row.highest, scratch);
  const float sum = block_sum(row.sum > 0 ? row.sum * __expf(row.highest - highest) : row.sum, scratch);
  if (threadIdx.x == 0) {
    const float loss =
        target >= classes ? __int_as_float(0x7fffffff) : highest + logf(sum) - load(x, format, start + (target < 0 ? 0 : target));
    losses[blockIdx.x] = target < 0 ? 0.0f : loss;
  }
  if (!dx) return;
  // The gradient may take the place of the logits: the loss must have been read.
  __syncthreads();
  const float factor = target < 0 ? 0.0f : 1.0f / (counted[0] * sum), once = target < 0 ? 0.0f : 1.0f / counted[0];
  for (int i = 4 * threadIdx.x; i < stride; i += 4 * blockDim.x) {
    const float4 v = logits_at(x, format, start, i, classes, aligned);
    float4 d = make_float4(factor * __expf(v.x - highest), factor * __expf(v.y - highest),
                           factor * __expf(v.z - highest), factor * __expf(v.w - highest));
    if (i == target) d.x -= once;
    if (i + 1 == target) d.y -= once;
    if (i + 2 == target) d.z -= once;
    if (i + 3 == target) d.w -= once;
    if (aligned) {
      store4(dx, format, start + i, d);
    } else {
      store(dx, format, start + i, d.x);
      if (i + 1 < stride) store(dx, format, start + i + 1, d.y);
      if (i + 2 < stride) store(dx, format, start + i + 2, d.z);
      if (i + 3 < stride) store(dx, format, start + i + 3, d.w);
    }
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
