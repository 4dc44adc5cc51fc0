// Kernels by name, launched with an array of pointers to arguments as the driver takes it.
#pragma once

#include <stddef.h>

#include <vector>

#include "cuda_emulation.h"

namespace emulation {

struct EmulatedKernel {
  const char *name;
  void (*function)();
  // Calls the function with the arguments that the pointers name.
  void (*call)(void (*function)(), void **arguments);
  std::vector<size_t> argument_sizes;
};

void add(const EmulatedKernel &kernel);
// Null when no file defines it.
const EmulatedKernel *find_kernel(const char *name);
void launch(
    const EmulatedKernel &kernel, dim3 grid, dim3 block, size_t shared_bytes, void **arguments);

// A kernel that another file defines.
struct Elsewhere {};
inline void add(const char *, Elsewhere) {}

template <typename... Parameters>
struct Caller {
  static void call(void (*function)(), void **arguments) {
    call(reinterpret_cast<void (*)(Parameters...)>(function), arguments, std::index_sequence_for<Parameters...>());
  }

 private:
  template <size_t... index>
  static void call(void (*kernel)(Parameters...), void **arguments, std::index_sequence<index...>) {
    kernel(*static_cast<std::remove_cv_t<Parameters> *>(arguments[index])...);
  }
};

template <typename... Parameters>
void add(const char *name, void (*kernel)(Parameters...)) {
  add({name, reinterpret_cast<void (*)()>(kernel), Caller<Parameters...>::call, {sizeof(Parameters)...}});
}

}  // namespace emulation
