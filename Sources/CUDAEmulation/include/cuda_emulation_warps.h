// Collective operations of a warp: shuffles, votes, tensor-core products, and copies in the background.
#pragma once

namespace emulation {

int lane();

// The bits that lane `source` brought; all ones where that lane does not take part.
uint64_t shuffle(const char *name, int line, unsigned mask, uint64_t bits, int source);
// One bit a lane of the mask: whether it came with a true value.
unsigned ballot(const char *name, int line, unsigned mask, bool value);
// One bit a lane of the mask: whether it came with the caller's value.
unsigned matching(int line, unsigned mask, uint64_t value);

enum class Reduction { sum, maximum, minimum, bitwise_or };
long long reduce(const char *name, int line, unsigned mask, long long value, Reduction reduction);

void multiply_m16n8k16(int line, float *d, const unsigned *a, const unsigned *b);
void load_matrices(
    const char *name, int line, unsigned *fragments, const void *row, int count, bool transposed);

void copy_later(void *shared, const void *global, bool valid);
void commit_copies();
void await_copies(int pending_groups);

template <typename T>
static inline T shuffled(const char *name, int line, unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  bits = shuffle(name, line, mask, bits, source);
  memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace emulation

template <typename T>
static inline T __shfl_sync(
    unsigned mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
  const int first = emulation::lane() & ~(width - 1);
  return emulation::shuffled("__shfl_sync", line, mask, value, first | (source & (width - 1)));
}
template <typename T>
static inline T __shfl_xor_sync(
    unsigned mask, T value, int bits, int width = 32, int line = __builtin_LINE()) {
  const int lane = emulation::lane(), end = (lane & ~(width - 1)) + width, source = lane ^ bits;
  return emulation::shuffled("__shfl_xor_sync", line, mask, value, source < end ? source : lane);
}
template <typename T>
static inline T __shfl_up_sync(
    unsigned mask, T value, unsigned offset, int width = 32, int line = __builtin_LINE()) {
  const int lane = emulation::lane(), source = lane - (int)offset;
  return emulation::shuffled(
      "__shfl_up_sync", line, mask, value, source >= (lane & ~(width - 1)) ? source : lane);
}
template <typename T>
static inline T __shfl_down_sync(
    unsigned mask, T value, unsigned offset, int width = 32, int line = __builtin_LINE()) {
  const int lane = emulation::lane(), source = lane + (int)offset;
  return emulation::shuffled(
      "__shfl_down_sync", line, mask, value, source < (lane & ~(width - 1)) + width ? source : lane);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
  emulation::ballot("__syncwarp", line, mask, false);
}
static inline unsigned __ballot_sync(unsigned mask, int value, int line = __builtin_LINE()) {
  return emulation::ballot("__ballot_sync", line, mask, value != 0);
}
static inline int __any_sync(unsigned mask, int value, int line = __builtin_LINE()) {
  return emulation::ballot("__any_sync", line, mask, value != 0) != 0;
}
static inline int __all_sync(unsigned mask, int value, int line = __builtin_LINE()) {
  return emulation::ballot("__all_sync", line, mask, value == 0) == 0;
}
template <typename T>
static inline unsigned __match_any_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  return emulation::matching(line, mask, bits);
}
// Of int and unsigned.
template <typename T>
static inline T __reduce_add_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  static_assert(std::is_integral<T>::value && sizeof(T) == 4);
  return (T)emulation::reduce("__reduce_add_sync", line, mask, value, emulation::Reduction::sum);
}
template <typename T>
static inline T __reduce_max_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  static_assert(std::is_integral<T>::value && sizeof(T) == 4);
  return (T)emulation::reduce("__reduce_max_sync", line, mask, value, emulation::Reduction::maximum);
}
template <typename T>
static inline T __reduce_min_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  static_assert(std::is_integral<T>::value && sizeof(T) == 4);
  return (T)emulation::reduce("__reduce_min_sync", line, mask, value, emulation::Reduction::minimum);
}
static inline unsigned __reduce_or_sync(unsigned mask, unsigned value, int line = __builtin_LINE()) {
  return (unsigned)emulation::reduce(
      "__reduce_or_sync", line, mask, value, emulation::Reduction::bitwise_or);
}

// The functions of tensor_cores.cuh, which says what they do.
static inline void mma_bf16_m16n8k16(
    float d[4], const unsigned a[4], const unsigned b[2], int line = __builtin_LINE()) {
  emulation::multiply_m16n8k16(line, d, a, b);
}
static inline void ldmatrix_x4(unsigned fragments[4], const void *row, int line = __builtin_LINE()) {
  emulation::load_matrices("ldmatrix_x4", line, fragments, row, 4, false);
}
static inline void ldmatrix_x4_trans(
    unsigned fragments[4], const void *row, int line = __builtin_LINE()) {
  emulation::load_matrices("ldmatrix_x4_trans", line, fragments, row, 4, true);
}
static inline void ldmatrix_x2(unsigned fragments[2], const void *row, int line = __builtin_LINE()) {
  emulation::load_matrices("ldmatrix_x2", line, fragments, row, 2, false);
}
static inline void ldmatrix_x2_trans(
    unsigned fragments[2], const void *row, int line = __builtin_LINE()) {
  emulation::load_matrices("ldmatrix_x2_trans", line, fragments, row, 2, true);
}
static inline void cp_async_16(void *shared, const void *global, bool valid) {
  emulation::copy_later(shared, global, valid);
}
static inline void cp_async_commit() { emulation::commit_copies(); }
template <int pending_groups>
static inline void cp_async_wait() {
  emulation::await_copies(pending_groups);
}
