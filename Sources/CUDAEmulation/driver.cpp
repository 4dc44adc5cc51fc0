// libcuda's functions for the device and its context.
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>
#include <string>

#include "device_memory.h"

namespace emulation {

static bool initialized = false;
static thread_local void *current_context = nullptr;
// The one context; its content is never looked at.
static int primary_context;

int requested_failure(const char *function) {
  const char *text = getenv("NANO_CUDA_EMULATION_FAILURES");
  if (text == nullptr) return 0;
  static auto *calls = new std::map<std::string, long>;
  const std::string list = std::string(",") + text, wanted = std::string(",") + function + ":";
  const size_t found = list.find(wanted);
  if (found == std::string::npos) return 0;
  long status = 0, first = 1;
  sscanf(list.c_str() + found + wanted.size(), "%ld:%ld", &status, &first);
  return ++(*calls)[function] >= first ? (int)status : 0;
}

std::recursive_mutex &driver_lock() {
  static auto *lock = new std::recursive_mutex;
  return *lock;
}

bool is_initialized() { return initialized; }
bool has_context() { return current_context != nullptr; }

int compute_capability() {
  const char *text = getenv("NANO_CUDA_EMULATION_CAPABILITY");
  int major = 9, minor = 0;
  if (text != nullptr) sscanf(text, "%d.%d", &major, &minor);
  return major * 10 + minor;
}

struct NamedStatus {
  int status;
  const char *name, *description;
};

static const NamedStatus statuses[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {not_initialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {no_device, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {no_binary_for_gpu, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {invalid_handle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {illegal_state, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {not_ready, "CUDA_ERROR_NOT_READY", "device not ready"},
    {illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {launch_out_of_resources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {stream_capture_unsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {stream_capture_invalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {unknown, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static const NamedStatus *named(int status) {
  for (const NamedStatus &known : statuses) {
    if (known.status == status) return &known;
  }
  return nullptr;
}

// As cuda.h numbers them, with the values of an H200; all others are 0.
static int attribute(int number) {
  static const std::map<int, int> values = {
      {1, 1024},     // threads a block
      {2, 1024},     // extents of blocks
      {3, 1024},     //
      {4, 64},       //
      {5, 0x7fffffff},  // extents of grids
      {6, 65535},    //
      {7, 65535},    //
      {8, 48 << 10},  // shared memory a block
      {10, 32},      // threads a warp
      {12, 65536},   // registers a block
      {16, 132},     // multiprocessors
      {38, 50 << 20},  // L2 cache
      {39, 2048},    // threads a multiprocessor
      {41, 1},       // unified addresses
      {81, 228 << 10},  // shared memory a multiprocessor
      {82, 65536},   // registers a multiprocessor
      {97, 227 << 10},  // shared memory a block, at most
      {106, 32},     // blocks a multiprocessor
      {111, 1 << 10},  // shared memory that each block loses
  };
  if (number == 75) return compute_capability() / 10;
  if (number == 76) return compute_capability() % 10;
  const auto found = values.find(number);
  return found == values.end() ? 0 : found->second;
}

template <typename Body>
static int device_call(const char *function, int device, Body body) {
  return plain_call(function, [&]() -> int {
    if (!initialized) return not_initialized;
    if (device != 0) return invalid_device;
    return body();
  });
}

}  // namespace emulation

using namespace emulation;

EXPORTED int cuInit(unsigned flags) {
  return plain_call(__func__, [&]() -> int {
    if (flags != 0) return invalid_value;
    initialized = true;
    return success;
  });
}

EXPORTED int cuDriverGetVersion(int *version) {
  return plain_call(__func__, [&]() -> int {
    *version = 13000;
    return success;
  });
}

EXPORTED int cuDeviceGetCount(int *count) {
  return device_call(__func__, 0, [&]() -> int {
    *count = 1;
    return success;
  });
}

EXPORTED int cuDeviceGet(int *device, int ordinal) {
  return device_call(__func__, ordinal, [&]() -> int {
    *device = 0;
    return success;
  });
}

EXPORTED int cuDeviceGetName(char *name, int length, int device) {
  return device_call(__func__, device, [&]() -> int {
    if (length < 1) return invalid_value;
    snprintf(name, (size_t)length, "Emulated GPU");
    return success;
  });
}

EXPORTED int cuDeviceGetAttribute(int *value, int number, int device) {
  return device_call(__func__, device, [&]() -> int {
    *value = attribute(number);
    return success;
  });
}

EXPORTED int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  return device_call(__func__, device, [&]() -> int {
    *bytes = DeviceMemory::total_bytes();
    return success;
  });
}

EXPORTED int cuDevicePrimaryCtxRetain(void **context, int device) {
  return device_call(__func__, device, [&]() -> int {
    *context = &primary_context;
    return success;
  });
}

EXPORTED int cuDevicePrimaryCtxRelease_v2(int device) {
  return device_call(__func__, device, []() -> int { return success; });
}

EXPORTED int cuCtxSetCurrent(void *context) {
  return plain_call(__func__, [&]() -> int {
    if (!initialized) return not_initialized;
    if (context != nullptr && context != &primary_context) return invalid_context;
    current_context = context;
    return success;
  });
}

EXPORTED int cuGetErrorName(int status, const char **name) {
  const NamedStatus *found = named(status);
  *name = found == nullptr ? nullptr : found->name;
  return found == nullptr ? invalid_value : success;
}

EXPORTED int cuGetErrorString(int status, const char **description) {
  const NamedStatus *found = named(status);
  *description = found == nullptr ? nullptr : found->description;
  return found == nullptr ? invalid_value : success;
}
