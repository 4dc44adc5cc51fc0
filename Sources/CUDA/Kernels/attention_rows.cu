// What attention needs of whole rows: the products D of its backward pass, and the largest logit of each head.
#include "common.cuh"

// For the backward pass of B·H pairs of a sequence and a head, T rows each: of every row the logarithm of the sum of
// exponentials in base 2, and D = Σ dO O over the row. Both results have `padded` numbers a pair; from T on they are
// such that probabilities and their gradients become 0.
// Outputs and their gradients have the format; row t of pair p lies at (p / H · T + t) · stride + p % H · step.
// `vectors`: four numbers at once may be read.
// Blocks: ⌈B · padded · H / 16⌉ of 256 threads, 16 a row.
KERNEL attention_row_products(
    const void *outputs, const void *gradients, int format, const float *log_sums, float *base2_log_sums,
    float *products, int sequences, int length, int padded, int heads, int width, int stride, int step, int vectors) {
  const int index = blockIdx.x * (blockDim.x / 16) + threadIdx.x / 16, part = threadIdx.x % 16;
  const int head = index % heads, t = index / heads % padded, sequence = index / heads / padded;
  const bool inside = sequence < sequences && t < length;
  float sum = 0;
  if (inside) {
    const int64 start = ((int64)sequence * length + t) * stride + (int64)head * step;
    if (vectors) {
      for (int i = part * 4; i < width; i += 64) {
        const float4 o = load4(outputs, format, start + i), g = load4(gradients, format, start + i);
        sum += o.x * g.x + o.y * g.y + o.z * g.z + o.w * g.w;
      }
    } else {
      for (int i = part; i < width; i += 16)
        sum += load(outputs, format, start + i) * load(gradients, format, start + i);
    }
  }
#pragma unroll
  for (int offset = 8; offset > 0; offset >>= 1) sum += __shfl_xor_sync(FULL_WARP, sum, offset);
  if (part == 0 && sequence < sequences) {
    const int64 pair = (int64)sequence * heads + head;
    base2_log_sums[pair * padded + t] = inside ? log_sums[pair * length + t] * LOG2_E : INFINITY_F;
    products[pair * padded + t] = sum;
  }
}

// The largest logit of each of H heads, of the largest of `tiles` tiles of B·H pairs; -inf where there are none.
// Blocks: one a head, of 256 threads.
KERNEL attention_largest_logits(const float *of_tiles, float *of_heads, int sequences, int heads, int tiles) {
  SHARED float scratch[32];
  float largest = -INFINITY_F;
  for (int i = threadIdx.x; i < tiles * sequences; i += blockDim.x)
    largest = fmaxf(largest, of_tiles[(int64)i * heads + blockIdx.x]);
  largest = block_max(largest, scratch);
  if (threadIdx.x == 0) of_heads[blockIdx.x] = largest;
}
