// A launch: its blocks, taken one by one by as many threads as the machine has processors.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "block.h"

namespace emulation {

namespace {

// Lives as long as the process: its threads may still wait when static objects are destroyed.
class Workers {
 public:
  static Workers &shared() {
    static Workers *workers = new Workers;
    return *workers;
  }

  void run(Launch &launch, uint64_t blocks) {
    std::lock_guard<std::mutex> one_launch(launching);
    launch.number = ++launches;
    next = 0;
    total = blocks;
    if (blocks > 1 && helpers > 0) {
      std::lock_guard<std::mutex> guard(mutex);
      current = &launch;
      generation++;
      busy = helpers;
    }
    if (blocks > 1 && helpers > 0) started.notify_all();
    take_blocks(launch);
    std::unique_lock<std::mutex> lock(mutex);
    ended.wait(lock, [this] { return busy == 0; });
  }

 private:
  Workers() : helpers(std::clamp(std::thread::hardware_concurrency(), 1u, 8u) - 1) {
    for (unsigned i = 0; i < helpers; i++) std::thread([this] { serve(); }).detach();
  }

  void take_blocks(const Launch &launch) {
    for (uint64_t index = next++; index < total; index = next++) Block::current().run(launch, index);
  }

  void serve() {
    uint64_t served = 0;
    while (true) {
      const Launch *launch;
      {
        std::unique_lock<std::mutex> lock(mutex);
        started.wait(lock, [&] { return generation != served; });
        served = generation;
        launch = current;
      }
      take_blocks(*launch);
      std::lock_guard<std::mutex> guard(mutex);
      if (--busy == 0) ended.notify_all();
    }
  }

  const unsigned helpers;
  std::mutex launching, mutex;
  std::condition_variable started, ended;
  const Launch *current = nullptr;
  uint64_t generation = 0, launches = 0;
  unsigned busy = 0;
  std::atomic<uint64_t> next{0};
  uint64_t total = 0;
};

}  // namespace

bool can_launch(dim3 grid, dim3 block) {
  const uint64_t threads = (uint64_t)block.x * block.y * block.z;
  return threads > 0 && block.x <= 1024 && block.y <= 1024 && block.z <= 64 && threads <= Block::most_threads &&
      grid.x > 0 && grid.x <= 0x7fffffff && grid.y > 0 && grid.y <= 65535 && grid.z > 0 && grid.z <= 65535;
}

void launch(
    const char *kernel, dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void *), void *context) {
  if (!can_launch(grid, block) || shared_bytes > Block::most_shared_bytes) {
    fail(
        "%s cannot be launched with (%u, %u, %u) blocks of (%u, %u, %u) threads and %zu bytes of shared memory",
        kernel, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes);
  }
  Launch launch = {kernel, grid, block, shared_bytes, body, context, 0};
  Workers::shared().run(launch, (uint64_t)grid.x * grid.y * grid.z);
}

}  // namespace emulation
