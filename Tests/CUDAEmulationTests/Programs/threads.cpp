// Kernels that a GPU runs as they should be, and some that it must not be given: `threads NAME` runs one of them.
#include <string>
#include <vector>

#include "tensor_cores.cuh"

#define REQUIRE(condition)                                        \
  if (!(condition)) {                                             \
    printf("line %d: %s does not hold\n", __LINE__, #condition);  \
    exit(1);                                                      \
  }

// Of a row each: 0 when the row's block leaves at once.
KERNEL row_sums(const float *x, float *sums, int width) {
  SHARED float scratch[32];
  if (blockIdx.x == 2) return;
  float sum = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) sum += x[(int64)blockIdx.x * width + i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

KERNEL shuffles(int *results) {
  const int lane = threadIdx.x;
  int *const own = results + 8 * lane;
  own[0] = __shfl_sync(FULL_WARP, lane, 5);
  own[1] = __shfl_up_sync(FULL_WARP, lane, 3);
  own[2] = __shfl_down_sync(FULL_WARP, lane, 3);
  own[3] = __shfl_xor_sync(FULL_WARP, lane, 9);
  own[4] = __shfl_down_sync(FULL_WARP, lane, 3, 8);
  own[5] = (int)__ballot_sync(FULL_WARP, lane % 3 == 0);
  own[6] = __reduce_max_sync(FULL_WARP, lane ^ 5);
  own[7] = (int)__match_any_sync(FULL_WARP, lane / 4);
}

// Threads that have left do not hold up those that meet.
KERNEL early_leavers(int *count) {
  if (threadIdx.x % 2 == 1) return;
  __syncthreads();
  atomicAdd(count, 1);
  __syncwarp();
}

// d = a b: 16 × 16 by 16 × 8, row-major.
KERNEL product(const bfloat16 *a, const bfloat16 *b, float *d) {
  DYNAMIC_SHARED(memory);
  bfloat16 *const a_tile = (bfloat16 *)memory, *const b_tile = a_tile + 256;
  const int lane = threadIdx.x;
  cp_async_16(a_tile + 8 * lane, a + 8 * lane, true);
  cp_async_commit();
  cp_async_16(b_tile + 8 * (lane % 16), b + 8 * (lane % 16), true);
  cp_async_commit();
  cp_async_wait<0>();
  __syncwarp();
  unsigned a_fragments[4], b_fragments[2];
  float sums[4] = {};
  ldmatrix_x4(a_fragments, a_tile + lane % 16 * 16 + lane / 16 * 8);
  ldmatrix_x2_trans(b_fragments, b_tile + lane % 16 * 8);
  mma_bf16_m16n8k16(sums, a_fragments, b_fragments);
  const int row = lane / 4, column = 2 * (lane % 4);
  for (int i = 0; i < 4; i++) d[(row + i / 2 * 8) * 8 + column + i % 2] = sums[i];
}

KERNEL invalid_copy(float *x) {
  DYNAMIC_SHARED(memory);
  cp_async_16(memory, nullptr, false);
  cp_async_commit();
  cp_async_wait<0>();
  for (int i = 0; i < 4; i++) x[i] = ((float *)memory)[i];
}

KERNEL unawaited_copy(const float *x, float *y) {
  DYNAMIC_SHARED(memory);
  ((float *)memory)[0] = 1;
  cp_async_16(memory, x, true);
  cp_async_commit();
  y[0] = ((float *)memory)[0];
}

// MARK: What must not be

KERNEL barrier_for_some() {
  if (threadIdx.x < 40)
    __syncthreads();
  else
    __syncwarp();
}

KERNEL different_barriers() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

KERNEL left_out_of_the_mask() { __syncwarp(0xffffu); }

KERNEL beyond_shared_memory() {
  DYNAMIC_SHARED(memory);
  memory[threadIdx.x] = 0;
}

// One thread writes what the others read, with no barrier in between.
KERNEL race(int *results) {
  SHARED int number;
  if (threadIdx.x == 0) number = 7;
  if (threadIdx.x == 63) number = 8;
  results[64 * blockIdx.x + threadIdx.x] = number;
}

int main(int, char **arguments) {
  const std::string name = arguments[1];
  if (name == "barrier_for_some") LAUNCH(barrier_for_some, 1, 64, 0);
  if (name == "different_barriers") LAUNCH(different_barriers, 1, 64, 0);
  if (name == "left_out_of_the_mask") LAUNCH(left_out_of_the_mask, 1, 32, 0);
  if (name == "beyond_shared_memory") LAUNCH(beyond_shared_memory, 1, 64, 63);
  if (name != "all") return 0;

  std::vector<float> x(40 * 1000), sums(40, 0);
  for (size_t i = 0; i < x.size(); i++) x[i] = (float)(i % 7);
  LAUNCH(row_sums, 40, 256, 0, x.data(), sums.data(), 1000);
  for (int row = 0; row < 40; row++) {
    float sum = 0;
    for (int i = 0; i < 1000; i++) sum += x[row * 1000 + i];
    REQUIRE(sums[row] == (row == 2 ? 0 : sum));
  }

  std::vector<int> results(32 * 8);
  LAUNCH(shuffles, 1, 32, 0, results.data());
  for (int lane = 0; lane < 32; lane++) {
    const int *own = &results[8 * lane];
    REQUIRE(own[0] == 5);
    REQUIRE(own[1] == (lane < 3 ? lane : lane - 3));
    REQUIRE(own[2] == (lane > 28 ? lane : lane + 3));
    REQUIRE(own[3] == (lane ^ 9));
    REQUIRE(own[4] == (lane % 8 > 4 ? lane : lane + 3));
    REQUIRE(own[5] == 0x49249249);
    REQUIRE(own[6] == 31);
    REQUIRE((unsigned)own[7] == 0xfu << lane / 4 * 4);
  }

  int count = 0;
  LAUNCH(early_leavers, 3, 100, 0, &count);
  REQUIRE(count == 150);

  __align__(16) bfloat16 a[256], b[128];
  float d[128];
  for (int i = 0; i < 256; i++) a[i] = rounded((float)(i % 13 - 5));
  for (int i = 0; i < 128; i++) b[i] = rounded((float)(i % 11 - 4));
  LAUNCH(product, 1, 32, 768, a, b, d);
  for (int row = 0; row < 16; row++) {
    for (int column = 0; column < 8; column++) {
      float sum = 0;
      for (int k = 0; k < 16; k++) sum += widened(a[row * 16 + k]) * widened(b[k * 8 + column]);
      REQUIRE(d[row * 8 + column] == sum);
    }
  }

  LAUNCH(invalid_copy, 1, 1, 16, d);
  for (int i = 0; i < 4; i++) REQUIRE(d[i] == 0);
  __align__(16) const float copied[4] = {1, 2, 3, 4};
  LAUNCH(unawaited_copy, 1, 1, 16, copied, d);
  REQUIRE(d[0] != d[0]);

  // The two orders of threads differ in what they read.
  std::vector<int> read(2 * 64);
  LAUNCH(race, 2, 64, 0, read.data());
  REQUIRE(read[10] != read[64 + 10]);
  puts("all hold");
}
