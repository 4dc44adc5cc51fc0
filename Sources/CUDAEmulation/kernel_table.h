// Kernels by name, launched with an array of pointers to arguments as the driver takes it.
#pragma once

#include <stddef.h>

#include <string>
#include <vector>

#include "cuda_emulation.h"

namespace emulation {

struct Parameter {
  size_t bytes;
  bool is_pointer;
};

struct EmulatedKernel {
  const char *name;
  // The file that defines it, without folder and ending.
  std::string file;
  void (*function)();
  // Calls the function with the arguments that the pointers name.
  void (*call)(void (*function)(), void **arguments);
  std::vector<Parameter> parameters;
};

// Without folder and ending.
std::string file_name(const char *path);

void add(const EmulatedKernel &kernel);
// Null when no file defines it.
const EmulatedKernel *find_kernel(const char *name);
// Whether kernels of that file were added.
bool has_file(const char *name);
void launch(
    const EmulatedKernel &kernel, dim3 grid, dim3 block, size_t shared_bytes, void **arguments);

// A kernel that another file defines.
struct Elsewhere {};
inline void add(const char *, const char *, Elsewhere) {}

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
void add(const char *name, const char *path, void (*kernel)(Parameters...)) {
  static_assert(((std::is_trivially_copyable<Parameters>::value && sizeof(Parameters) <= 8) && ...));
  add(
      {name, file_name(path), reinterpret_cast<void (*)()>(kernel), Caller<Parameters...>::call,
       {Parameter{sizeof(Parameters), std::is_pointer<Parameters>::value}...}});
}

}  // namespace emulation
