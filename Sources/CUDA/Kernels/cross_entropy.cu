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

// Some logits of a row.
struct Logits {
  float v[8];
};

// The largest of a row's logits so far, and the sum of exp(x - largest).
struct RowSum {
  float highest, sum;
};

DEVICE void include(RowSum &row, const Logits &x) {
  float highest = x.v[0];
#pragma unroll
  for (int k = 1; k < 8; k++) highest = fmaxf(highest, x.v[k]);
  if (highest > row.highest) {
    row.sum *= __expf(row.highest - highest);
    row.highest = highest;
  }
#pragma unroll
  for (int k = 0; k < 8; k++) row.sum += __expf(x.v[k] - row.highest);
}

// Eight logits of a row, which begins at `start`, from index i on; behind the classes there are none.
DEVICE Logits logits_at(const void *x, int format, int64 start, int i, int classes, bool aligned) {
  Logits logits;
  if (aligned && i + 8 <= classes) {
    if (format == BFLOAT16) {
      const uint4 pairs = ((const uint4 *)x)[(start + i) >> 3];
      const unsigned bits[4] = {pairs.x, pairs.y, pairs.z, pairs.w};
#pragma unroll
      for (int k = 0; k < 4; k++) {
        logits.v[2 * k] = __uint_as_float(bits[k] << 16);
        logits.v[2 * k + 1] = __uint_as_float(bits[k] & 0xffff0000u);
      }
    } else {
      const float4 a = load4(x, FLOAT32, start + i), b = load4(x, FLOAT32, start + i + 4);
      logits.v[0] = a.x, logits.v[1] = a.y, logits.v[2] = a.z, logits.v[3] = a.w;
      logits.v[4] = b.x, logits.v[5] = b.y, logits.v[6] = b.z, logits.v[7] = b.w;
    }
  } else {
#pragma unroll
    for (int k = 0; k < 8; k++) logits.v[k] = i + k < classes ? load(x, format, start + i + k) : -INFINITY_F;
  }
  return logits;
}

// losses[n] = logsumexp(x_n) - x_n[target_n], and if a gradient is wanted (softmax(x_n) - onehot) / counted in the
// logits' format, which may take their place, with zeros from V up to the stride. Both are 0 for a negative target; a
// target beyond the classes gives NaN. A block a row.
KERNEL cross_entropy(const void *x, int format, const int *targets, const float *counted, float *losses, void *dx,
                     int classes, int64 stride) {
  SHARED float scratch[32];
  const bool aligned = stride % 8 == 0;
  const int64 start = blockIdx.x * stride;
  const int target = targets[blockIdx.x];
  RowSum row = {-INFINITY_F, 0};
  for (int i = 8 * threadIdx.x; i < classes; i += 8 * blockDim.x)
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
  for (int i = 8 * threadIdx.x; i < stride; i += 8 * blockDim.x) {
    Logits d = logits_at(x, format, start, i, classes, aligned);
#pragma unroll
    for (int k = 0; k < 8; k++) d.v[k] = factor * __expf(d.v[k] - highest) - (i + k == target ? once : 0.0f);
    if (aligned && format == BFLOAT16) {
      ((uint4 *)dx)[(start + i) >> 3] =
          make_uint4(rounded_pair(d.v[0], d.v[1]), rounded_pair(d.v[2], d.v[3]), rounded_pair(d.v[4], d.v[5]),
                     rounded_pair(d.v[6], d.v[7]));
    } else {
#pragma unroll
      for (int k = 0; k < 8; k++)
        if (i + k < stride) store(dx, format, start + i + k, d.v[k]);
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
