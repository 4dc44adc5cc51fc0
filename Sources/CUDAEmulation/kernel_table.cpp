#include "kernel_table.h"

#include <stdlib.h>

#include <map>
#include <string>

namespace emulation {

// Filled while the library is loaded, by files in any order.
static std::map<std::string, EmulatedKernel> &table() {
  static auto *table = new std::map<std::string, EmulatedKernel>;
  return *table;
}

void add(const EmulatedKernel &kernel) {
  if (table().insert({kernel.name, kernel}).second) return;
  fprintf(stderr, "CUDA emulation: two files define %s\n", kernel.name);
  abort();
}

const EmulatedKernel *find_kernel(const char *name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : &found->second;
}

std::string file_name(const char *path) {
  std::string name = path;
  name = name.substr(name.rfind('/') + 1);
  return name.substr(0, name.rfind('.'));
}

bool has_file(const char *name) {
  for (const auto &entry : table()) {
    if (entry.second.file == name) return true;
  }
  return false;
}

void launch(
    const EmulatedKernel &kernel, dim3 grid, dim3 block, size_t shared_bytes, void **arguments) {
  struct Call {
    const EmulatedKernel &kernel;
    void **arguments;
  } call = {kernel, arguments};
  launch(
      kernel.name, grid, block, shared_bytes,
      [](void *context) {
        const Call &call = *static_cast<const Call *>(context);
        call.kernel.call(call.kernel.function, call.arguments);
      },
      &call);
}

}  // namespace emulation
