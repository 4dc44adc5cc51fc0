// Threads, blocks, barriers and launches of the emulation.
#pragma once

namespace emulation {

struct Position {
  uint3 thread, block;
  dim3 block_size, grid_size;
};

// Of the fiber that runs now on this thread of the operating system.
extern __thread const Position *position;

unsigned char *dynamic_shared();

// What __syncthreads_count and its like give: how many of the block's threads came with a true value.
int barrier(const char *name, int line, bool value);

// Whether a GPU takes a launch of that shape.
bool can_launch(dim3 grid, dim3 block);

// Runs `body(context)` as every thread of every block. Returns when all have ended.
void launch(
    const char *kernel, dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void *), void *context);

// Prints the kernel, its block and the message, and ends the process.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

template <typename... Parameters, typename... Arguments>
void launch(
    const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
    Arguments... arguments) {
  auto call = [=] { kernel(arguments...); };
  launch(
      name, grid, block, shared_bytes, [](void *context) { (*static_cast<decltype(call) *>(context))(); },
      &call);
}

}  // namespace emulation

#define threadIdx (emulation::position->thread)
#define blockIdx (emulation::position->block)
#define blockDim (emulation::position->block_size)
#define gridDim (emulation::position->grid_size)

// LAUNCH(kernel, grid, block, bytes of dynamic shared memory, arguments...), as <<<grid, block, bytes>>>.
#define LAUNCH(kernel, ...) emulation::launch(#kernel, kernel, __VA_ARGS__)

static inline void __syncthreads(int line = __builtin_LINE()) {
  emulation::barrier("__syncthreads", line, false);
}
static inline int __syncthreads_count(int value, int line = __builtin_LINE()) {
  return emulation::barrier("__syncthreads_count", line, value != 0);
}
static inline int __syncthreads_or(int value, int line = __builtin_LINE()) {
  return emulation::barrier("__syncthreads_or", line, value != 0) != 0;
}
static inline int __syncthreads_and(int value, int line = __builtin_LINE()) {
  return emulation::barrier("__syncthreads_and", line, value == 0) == 0;
}
static inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void __threadfence_block() {}
