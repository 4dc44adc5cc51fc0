// The memory of the emulated device.
//
// It is closed to everyone but kernels and copies: host code that reads or writes it ends the process, as it would with
// a GPU. New memory holds NaN, and bytes behind each block are watched.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>

namespace emulation {

class DeviceMemory {
 public:
  static DeviceMemory &shared();

  // What the device has; NANO_CUDA_EMULATION_MEMORY in bytes, or 4 GiB.
  static size_t total_bytes();
  size_t free_bytes() const;

  // 0 when the device has not so much left.
  uint64_t allocate(size_t bytes);
  // Whether `address` was a block's.
  bool release(uint64_t address);
  // Memory of the host that the device reaches too. Null when there is none.
  void *allocate_host(size_t bytes);
  bool release_host(void *address);

  // Whether `bytes` bytes from `address` on lie in one block.
  bool contains(uint64_t address, size_t bytes) const;
  bool host_contains(const void *address, size_t bytes) const;
  // Ends the process if bytes behind a block were written.
  void check_guards() const;

  // Opens the memory while it lives.
  class Access {
   public:
    Access();
    ~Access();
    Access(const Access &) = delete;
  };

 private:
  DeviceMemory();
  void protect(int access);

  unsigned char *memory;
  size_t used_bytes = 0, blocks_end = 0;
  int accesses = 0;
  std::map<uint64_t, size_t> blocks, host_blocks;
};

}  // namespace emulation
