// libcuda's functions for modules and launches.
#include <string.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "block.h"
#include "device_memory.h"
#include "driver.h"
#include "kernel_table.h"
#include "machine_code.h"
#include "stream.h"

namespace emulation {

static constexpr size_t ordinary_shared_bytes = 48 << 10;

struct Function {
  const EmulatedKernel *kernel;
  size_t most_shared_bytes = ordinary_shared_bytes;
};

struct Module {
  std::string file;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

// Arguments as they were when the kernel was launched.
class Arguments {
 public:
  Arguments(const EmulatedKernel &kernel, void **arguments) {
    for (size_t i = 0; i < kernel.parameters.size(); i++) {
      values.push_back(0);
      memcpy(&values.back(), arguments[i], kernel.parameters[i].bytes);
      if (kernel.parameters[i].is_pointer) check_pointer(kernel, i);
    }
  }

  std::vector<void *> pointers() const {
    std::vector<void *> pointers;
    for (const uint64_t &value : values) pointers.push_back(const_cast<uint64_t *>(&value));
    return pointers;
  }

 private:
  void check_pointer(const EmulatedKernel &kernel, size_t index) const {
    const uint64_t address = values[index];
    const DeviceMemory &memory = DeviceMemory::shared();
    if (address == 0 || memory.contains(address, 0) || memory.host_contains((const void *)address, 0)) return;
    fprintf(
        stderr, "CUDA emulation: launch of %s: argument %zu, %#llx, is no memory of the device\n", kernel.name,
        index + 1, (unsigned long long)address);
    abort();
  }

  std::vector<uint64_t> values;
};

}  // namespace emulation

using namespace emulation;

EXPORTED int cuModuleLoadData(void **module, const void *image) {
  return driver_call(__func__, [&]() -> int {
    const MachineCode code(static_cast<const char *>(image));
    if (!code.is_valid) return invalid_image;
    if (code.capability != compute_capability()) return no_binary_for_gpu;
    *module = new Module{code.file, {}};
    return success;
  });
}

EXPORTED int cuModuleUnload(void *module) {
  return driver_call(__func__, [&]() -> int {
    if (module == nullptr) return invalid_handle;
    Stream::finish_all();
    delete static_cast<Module *>(module);
    return success;
  });
}

EXPORTED int cuModuleGetFunction(void **function, void *handle, const char *name) {
  return driver_call(__func__, [&]() -> int {
    if (handle == nullptr) return invalid_handle;
    Module &module = *static_cast<Module *>(handle);
    const EmulatedKernel *kernel = find_kernel(name);
    if (kernel == nullptr || kernel->file != module.file) return not_found;
    std::unique_ptr<Function> &known = module.functions[name];
    if (known == nullptr) known.reset(new Function{kernel});
    *function = known.get();
    return success;
  });
}

EXPORTED int cuFuncSetAttribute(void *function, int attribute, int value) {
  return driver_call(__func__, [&]() -> int {
    const int most_dynamic_shared_bytes = 8, carveout = 9;
    if (function == nullptr) return invalid_handle;
    if (attribute == carveout) return success;
    if (attribute != most_dynamic_shared_bytes) return invalid_value;
    if (value < 0 || (size_t)value > Block::most_shared_bytes) return invalid_value;
    static_cast<Function *>(function)->most_shared_bytes = (size_t)value;
    return success;
  });
}

EXPORTED int cuLaunchKernel(
    void *handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
    unsigned block_z, unsigned shared_bytes, void *stream, void **parameters, void **extra) {
  return driver_call(__func__, [&]() -> int {
    if (handle == nullptr) return invalid_handle;
    const Function &function = *static_cast<Function *>(handle);
    const dim3 grid(grid_x, grid_y, grid_z), block(block_x, block_y, block_z);
    if (extra != nullptr || !can_launch(grid, block) || shared_bytes > function.most_shared_bytes) {
      return invalid_value;
    }
    const EmulatedKernel *kernel = function.kernel;
    const auto arguments = std::make_shared<Arguments>(*kernel, parameters);
    Stream::of(stream).add([=] { launch(*kernel, grid, block, shared_bytes, arguments->pointers().data()); });
    return success;
  });
}
