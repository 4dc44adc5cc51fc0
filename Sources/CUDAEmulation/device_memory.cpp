#include "device_memory.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>

#include "cuda_emulation.h"

namespace emulation {

// Addresses that are set aside; a block takes memory only where it is written.
static constexpr size_t reserved_bytes = (size_t)64 << 30;
static constexpr size_t page = 4096, guard_bytes = 4096;
static constexpr int poison = 0xff, guard = 0xa5;

static unsigned char *device_start = nullptr;
static struct sigaction previous_action;

// Says what happened, and lets the fault happen again as it would have without this.
static void report_fault(int, siginfo_t *information, void *) {
  const unsigned char *address = (const unsigned char *)information->si_addr;
  if (position != nullptr) {
    fprintf(stderr, "CUDA emulation: a kernel touches memory that is not there, at %p\n", (const void *)address);
  } else if (address >= device_start && address < device_start + reserved_bytes) {
    fprintf(stderr, "CUDA emulation: the host touches memory of the device, at %p\n", (const void *)address);
  }
  sigaction(SIGSEGV, &previous_action, nullptr);
}

DeviceMemory &DeviceMemory::shared() {
  static auto *memory = new DeviceMemory;
  return *memory;
}

DeviceMemory::DeviceMemory() {
  memory = (unsigned char *)mmap(
      nullptr, reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    perror("CUDA emulation: no addresses for the memory of the device");
    abort();
  }
  device_start = memory;
  struct sigaction action = {};
  action.sa_sigaction = report_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &previous_action);
}

size_t DeviceMemory::total_bytes() {
  const char *text = getenv("NANO_CUDA_EMULATION_MEMORY");
  const size_t bytes = text == nullptr || *text == 0 ? (size_t)4 << 30 : strtoull(text, nullptr, 10);
  return std::min(bytes, reserved_bytes / 2);
}

size_t DeviceMemory::free_bytes() const {
  const size_t total = total_bytes();
  return total > used_bytes ? total - used_bytes : 0;
}

// With its guard, in whole pages.
static size_t extent(size_t bytes) { return (bytes + guard_bytes + page - 1) / page * page; }

uint64_t DeviceMemory::allocate(size_t bytes) {
  if (bytes > free_bytes()) return 0;
  // The first gap that is large enough.
  uint64_t address = (uint64_t)memory;
  for (const auto &[start, size] : blocks) {
    if (start - address >= extent(bytes)) break;
    address = start + extent(size);
  }
  const size_t end = address + extent(bytes) - (uint64_t)memory;
  if (end > reserved_bytes) return 0;
  Access access;
  blocks_end = std::max(blocks_end, end);
  protect(PROT_READ | PROT_WRITE);
  blocks[address] = bytes;
  used_bytes += bytes;
  memset((void *)address, poison, bytes);
  memset((void *)(address + bytes), guard, guard_bytes);
  return address;
}

bool DeviceMemory::release(uint64_t address) {
  const auto block = blocks.find(address);
  if (block == blocks.end()) return false;
  check_guards();
  madvise((void *)address, extent(block->second), MADV_DONTNEED);
  used_bytes -= block->second;
  blocks.erase(block);
  return true;
}

void *DeviceMemory::allocate_host(size_t bytes) {
  void *address = nullptr;
  if (posix_memalign(&address, page, bytes) != 0) return nullptr;
  memset(address, poison, bytes);
  host_blocks[(uint64_t)address] = bytes;
  return address;
}

bool DeviceMemory::release_host(void *address) {
  if (host_blocks.erase((uint64_t)address) == 0) return false;
  free(address);
  return true;
}

static bool lies_within(const std::map<uint64_t, size_t> &blocks, uint64_t address, size_t bytes) {
  auto block = blocks.upper_bound(address);
  if (block == blocks.begin()) return false;
  --block;
  const uint64_t offset = address - block->first;
  return offset <= block->second && bytes <= block->second - offset;
}

bool DeviceMemory::contains(uint64_t address, size_t bytes) const { return lies_within(blocks, address, bytes); }

bool DeviceMemory::host_contains(const void *address, size_t bytes) const {
  return lies_within(host_blocks, (uint64_t)address, bytes);
}

void DeviceMemory::check_guards() const {
  Access access;
  for (const auto &[start, size] : blocks) {
    const unsigned char *bytes = (const unsigned char *)start + size;
    for (size_t i = 0; i < guard_bytes; i++) {
      if (bytes[i] == guard) continue;
      fprintf(stderr, "CUDA emulation: byte %zu of a block of %zu bytes was written\n", size + i, size);
      abort();
    }
  }
}

void DeviceMemory::protect(int access) { mprotect(memory, blocks_end, access); }

DeviceMemory::Access::Access() {
  if (shared().accesses++ == 0) shared().protect(PROT_READ | PROT_WRITE);
}

DeviceMemory::Access::~Access() {
  if (--shared().accesses == 0) shared().protect(PROT_NONE);
}

}  // namespace emulation
