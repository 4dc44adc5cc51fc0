// One block of a launch: its threads as fibers, and where they meet.
#pragma once

#include <stdint.h>

#include <memory>
#include <vector>

#include "cuda_emulation.h"
#include "fiber.h"

namespace emulation {

struct Launch {
  const char *kernel;
  dim3 grid, block;
  size_t shared_bytes;
  void (*body)(void *);
  void *context;
  // Counts launches.
  uint64_t number;
};

// Runs once for all lanes of a mask when each of them has come; a lane's arguments lie at its index.
typedef void (*WarpOperation)(void *const arguments[32], unsigned lanes);

struct Copy {
  unsigned char *shared;
  const unsigned char *global;
  bool valid;
};

struct Thread {
  enum class State { ready, at_barrier, in_warp_operation, finished };

  Position position;
  Fiber fiber;
  State state;
  // Of what it waits for.
  const char *name;
  int line;
  bool value;
  int count;
  unsigned mask;
  WarpOperation operation;
  void *arguments;
  // Copies in the background: groups that were committed, then the open one.
  std::vector<std::vector<Copy>> groups;
  std::vector<Copy> open_group;
};

class Block {
 public:
  static constexpr unsigned most_threads = 1024;
  static constexpr size_t most_shared_bytes = 227 << 10;

  // The block that this thread of the operating system runs.
  static Block &current();

  void run(const Launch &launch, uint64_t index);

  Thread &thread() { return *running; }
  int lane() const { return (int)((running - threads.get()) & 31); }
  unsigned char *shared() { return shared_memory; }
  int barrier(const char *name, int line, bool value);
  void warp_operation(
      const char *name, int line, unsigned mask, WarpOperation operation, void *arguments);
  [[noreturn]] void fail(const char *message);

 private:
  Block();
  static void thread_main();
  void make_ready(Thread &thread);
  Thread &take_ready();
  void run_next();
  void release_barrier();
  bool try_warp_operation(unsigned warp, unsigned mask);
  [[noreturn]] void fail_stuck();
  void check_shared_memory();

  std::unique_ptr<Thread[]> threads;
  FiberStacks stacks;
  unsigned char *shared_memory;
  Fiber host;
  const Launch *launch = nullptr;
  Thread *running = nullptr;
  unsigned count = 0, live = 0, arrived = 0;
  // Lanes that have not ended, and those that wait for others, a warp.
  unsigned live_lanes[most_threads / 32], waiting_lanes[most_threads / 32];
  // Threads that may go on, a ring.
  unsigned ready[most_threads], first_ready = 0, ready_count = 0;
};

}  // namespace emulation
