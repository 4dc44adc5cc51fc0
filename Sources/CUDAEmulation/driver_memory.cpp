// libcuda's functions for memory and copies.
#include <string.h>

#include <memory>
#include <vector>

#include "device_memory.h"
#include "driver.h"
#include "stream.h"

using namespace emulation;

EXPORTED int cuMemGetInfo_v2(size_t *free, size_t *total) {
  return driver_call(__func__, [&]() -> int {
    *free = DeviceMemory::shared().free_bytes();
    *total = DeviceMemory::total_bytes();
    return success;
  });
}

EXPORTED int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  return driver_call(__func__, [&]() -> int {
    if (bytes == 0) return invalid_value;
    *address = DeviceMemory::shared().allocate(bytes);
    return *address == 0 ? out_of_memory : success;
  });
}

EXPORTED int cuMemFree_v2(uint64_t address) {
  return driver_call(__func__, [&]() -> int {
    if (address == 0) return success;
    Stream::finish_all();
    return DeviceMemory::shared().release(address) ? success : invalid_value;
  });
}

EXPORTED int cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  return driver_call(__func__, [&]() -> int {
    if (bytes == 0) return invalid_value;
    *address = DeviceMemory::shared().allocate_host(bytes);
    return *address == nullptr ? out_of_memory : success;
  });
}

EXPORTED int cuMemFreeHost(void *address) {
  return driver_call(__func__, [&]() -> int {
    Stream::finish_all();
    return DeviceMemory::shared().release_host(address) ? success : invalid_value;
  });
}

EXPORTED int cuMemcpyHtoDAsync_v2(uint64_t destination, const void *source, size_t bytes, void *handle) {
  return driver_call(__func__, [&]() -> int {
    Stream &stream = Stream::of(handle);
    if (!DeviceMemory::shared().contains(destination, bytes)) return invalid_value;
    if (DeviceMemory::shared().host_contains(source, bytes)) {
      stream.add([=] { memcpy((void *)destination, source, bytes); });
      return success;
    }
    if (stream.is_recording()) {
      stream.spoil_recording();
      return stream_capture_unsupported;
    }
    // The driver takes a copy of ordinary memory before it returns.
    const auto *bytes_now = static_cast<const unsigned char *>(source);
    auto copy = std::make_shared<std::vector<unsigned char>>(bytes_now, bytes_now + bytes);
    stream.add([=] { memcpy((void *)destination, copy->data(), bytes); });
    return success;
  });
}

EXPORTED int cuMemcpyDtoHAsync_v2(void *destination, uint64_t source, size_t bytes, void *handle) {
  return driver_call(__func__, [&]() -> int {
    Stream &stream = Stream::of(handle);
    if (!DeviceMemory::shared().contains(source, bytes)) return invalid_value;
    const bool is_ordinary = !DeviceMemory::shared().host_contains(destination, bytes);
    if (is_ordinary && stream.is_recording()) {
      stream.spoil_recording();
      return stream_capture_unsupported;
    }
    stream.add([=] { memcpy(destination, (const void *)source, bytes); });
    // The driver returns with ordinary memory written.
    if (is_ordinary) stream.finish();
    return success;
  });
}

EXPORTED int cuMemcpyDtoDAsync_v2(uint64_t destination, uint64_t source, size_t bytes, void *handle) {
  return driver_call(__func__, [&]() -> int {
    const DeviceMemory &memory = DeviceMemory::shared();
    if (!memory.contains(destination, bytes) || !memory.contains(source, bytes)) return invalid_value;
    Stream::of(handle).add([=] { memmove((void *)destination, (const void *)source, bytes); });
    return success;
  });
}

template <typename Value>
static int set(const char *function, uint64_t destination, Value value, size_t count, void *handle) {
  return driver_call(function, [&]() -> int {
    const bool is_aligned = destination % sizeof(Value) == 0;
    if (!is_aligned || !DeviceMemory::shared().contains(destination, count * sizeof(Value))) return invalid_value;
    Stream::of(handle).add([=] {
      for (size_t i = 0; i < count; i++) ((Value *)destination)[i] = value;
    });
    return success;
  });
}

EXPORTED int cuMemsetD32Async(uint64_t destination, unsigned value, size_t count, void *stream) {
  return set(__func__, destination, value, count, stream);
}

EXPORTED int cuMemsetD8Async(uint64_t destination, unsigned char value, size_t count, void *stream) {
  return set(__func__, destination, value, count, stream);
}
