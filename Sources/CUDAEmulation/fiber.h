// A stack of execution that runs until it switches to another.
#pragma once

#include <stddef.h>

#if defined(__x86_64__) || defined(__aarch64__)
#define NANO_OWN_SWITCH 1
#else
#include <ucontext.h>
#endif

namespace emulation {

struct Fiber {
#ifdef NANO_OWN_SWITCH
  void *stack_pointer = nullptr;
#else
  ucontext_t context;
#endif

  // Makes `entry`, which must not return, what the fiber begins with.
  void prepare(unsigned char *stack, size_t bytes, void (*entry)());
  // Saves the running fiber in `from` and goes on with `to`.
  static void change(Fiber &from, Fiber &to);
};

// Stacks of one size, each with an inaccessible page below it, so that too deep a call ends the process.
struct FiberStacks {
  static constexpr size_t bytes = 64 << 10;
  explicit FiberStacks(size_t count);
  unsigned char *operator[](size_t index) const;

 private:
  unsigned char *memory;
  size_t page, stride;
};

}  // namespace emulation
