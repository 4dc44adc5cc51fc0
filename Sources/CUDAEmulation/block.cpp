#include "block.h"

#include <stdarg.h>
#include <stdlib.h>

namespace emulation {

__thread const Position *position = nullptr;

static constexpr size_t guard_bytes = 4096;
// Shared memory holds NaN at first: what nobody wrote shows. The same bytes guard its end.
static constexpr int poison = 0xff;

Block &Block::current() {
  static thread_local Block *block = new Block;
  return *block;
}

Block::Block()
    : threads(new Thread[most_threads]),
      stacks(most_threads),
      shared_memory(new (std::align_val_t(1024)) unsigned char[most_shared_bytes + guard_bytes]) {}

void Block::run(const Launch &launch, uint64_t index) {
  this->launch = &launch;
  count = launch.block.x * launch.block.y * launch.block.z;
  live = count;
  arrived = 0;
  first_ready = ready_count = 0;
  memset(shared_memory, poison, launch.shared_bytes + guard_bytes);
  const uint3 block = {
      (unsigned)(index % launch.grid.x), (unsigned)(index / launch.grid.x % launch.grid.y),
      (unsigned)(index / launch.grid.x / launch.grid.y)};
  for (unsigned i = 0; i < count; i++) {
    Thread &thread = threads[i];
    thread.position = {
        {i % launch.block.x, i / launch.block.x % launch.block.y, i / launch.block.x / launch.block.y},
        block, launch.block, launch.grid};
    thread.fiber.prepare(stacks[i], FiberStacks::bytes, thread_main);
    thread.groups.clear();
    thread.open_group.clear();
  }
  for (unsigned warp = 0; warp * 32 < count; warp++) {
    const unsigned lanes = count - warp * 32;
    live_lanes[warp] = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    waiting_lanes[warp] = 0;
  }
  // Every other block begins with its last thread: a missing barrier shows in one of the two orders.
  const bool reversed = (launch.number ^ index) & 1;
  for (unsigned i = 0; i < count; i++) make_ready(threads[reversed ? count - 1 - i : i]);
  Fiber::change(host, take_ready().fiber);
  check_shared_memory();
  running = nullptr;
  position = nullptr;
}

void Block::thread_main() {
  Block &block = current();
  block.launch->body(block.launch->context);
  Thread &thread = *block.running;
  thread.state = Thread::State::finished;
  const unsigned number = (unsigned)(&thread - block.threads.get()), warp = number / 32;
  block.live--;
  block.live_lanes[warp] &= ~(1u << (number & 31));
  // Those who waited only for this thread go on.
  if (block.live > 0 && block.arrived == block.live) block.release_barrier();
  for (unsigned waiting = block.waiting_lanes[warp]; waiting != 0; waiting &= block.waiting_lanes[warp]) {
    const int lane = __builtin_ctz(waiting);
    waiting &= waiting - 1;
    block.try_warp_operation(warp, block.threads[warp * 32 + lane].mask);
  }
  block.run_next();
  abort();  // an ended thread is not run again
}

void Block::make_ready(Thread &thread) {
  thread.state = Thread::State::ready;
  ready[(first_ready + ready_count++) % most_threads] = (unsigned)(&thread - threads.get());
}

Thread &Block::take_ready() {
  running = &threads[ready[first_ready]];
  position = &running->position;
  first_ready = (first_ready + 1) % most_threads;
  ready_count--;
  return *running;
}

// Leaves the running thread for the next that may go on.
void Block::run_next() {
  Thread &from = *running;
  if (ready_count == 0) {
    if (live > 0) fail_stuck();
    Fiber::change(from.fiber, host);
  }
  Thread &to = take_ready();
  if (&to != &from) Fiber::change(from.fiber, to.fiber);
}

int Block::barrier(const char *name, int line, bool value) {
  Thread &thread = *running;
  thread.state = Thread::State::at_barrier;
  thread.name = name;
  thread.line = line;
  thread.value = value;
  arrived++;
  if (arrived == live) release_barrier();
  // Also the last to come waits its turn.
  run_next();
  return thread.count;
}

void Block::release_barrier() {
  int values = 0;
  const Thread *first = nullptr;
  for (unsigned i = 0; i < count; i++) {
    const Thread &thread = threads[i];
    if (thread.state != Thread::State::at_barrier) continue;
    if (first == nullptr) first = &thread;
    if (thread.line != first->line || strcmp(thread.name, first->name) != 0) {
      running = &threads[i];
      emulation::fail(
          "threads %u and %u of a block wait at different barriers, %s of line %d and %s of line %d",
          (unsigned)(first - threads.get()), i, first->name, first->line, thread.name, thread.line);
    }
    values += thread.value;
  }
  arrived = 0;
  const bool reversed = (launch->number ^ (uint64_t)(running - threads.get())) & 1;
  for (unsigned k = 0; k < count; k++) {
    Thread &thread = threads[reversed ? count - 1 - k : k];
    if (thread.state != Thread::State::at_barrier) continue;
    thread.count = values;
    make_ready(thread);
  }
}

void Block::warp_operation(
    const char *name, int line, unsigned mask, WarpOperation operation, void *arguments) {
  Thread &thread = *running;
  const unsigned warp = (unsigned)(running - threads.get()) / 32;
  thread.name = name;
  thread.line = line;
  thread.mask = mask;
  thread.operation = operation;
  thread.arguments = arguments;
  thread.state = Thread::State::in_warp_operation;
  waiting_lanes[warp] |= 1u << lane();
  if ((mask >> lane() & 1) == 0) {
    emulation::fail("lane %d calls %s of line %d with the mask %#x, which leaves it out", lane(), name, line, mask);
  }
  // The last to come goes on at once.
  if (!try_warp_operation(warp, mask)) run_next();
}

// Runs the operation if all lanes of the mask have come to it; those other than the running one may then go on.
bool Block::try_warp_operation(unsigned warp, unsigned mask) {
  const unsigned lanes = mask & live_lanes[warp];
  if (lanes == 0 || (waiting_lanes[warp] & lanes) != lanes) return false;
  Thread *const threads = &this->threads[warp * 32];
  const Thread &first = threads[__builtin_ctz(lanes)];
  void *arguments[32] = {};
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    const Thread &thread = threads[lane];
    if (thread.mask != mask) return false;
    if (thread.operation != first.operation || thread.line != first.line) {
      emulation::fail(
          "lanes %d and %d of warp %u meet in different operations, %s of line %d and %s of line %d",
          __builtin_ctz(lanes), lane, warp, first.name, first.line, thread.name, thread.line);
    }
    arguments[lane] = thread.arguments;
  }
  first.operation(arguments, lanes);
  waiting_lanes[warp] &= ~lanes;
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    Thread &thread = threads[__builtin_ctz(rest)];
    if (&thread != running) make_ready(thread);
  }
  return true;
}

void Block::check_shared_memory() {
  for (size_t i = 0; i < guard_bytes; i++) {
    if (shared_memory[launch->shared_bytes + i] == poison) continue;
    emulation::fail(
        "byte %zu of dynamic shared memory was written, of which the launch gave %zu", launch->shared_bytes + i,
        launch->shared_bytes);
  }
}

void Block::fail_stuck() {
  unsigned shown = 0;
  const Thread *last = nullptr;
  for (unsigned i = 0; i < count && shown < 8; i++) {
    const Thread &thread = threads[i];
    if (thread.state == Thread::State::finished) continue;
    if (last != nullptr && last->line == thread.line && last->name == thread.name) continue;
    fprintf(stderr, "CUDA emulation: from thread %u on: waits at %s of line %d", i, thread.name, thread.line);
    if (thread.state == Thread::State::in_warp_operation) fprintf(stderr, ", mask %#x", thread.mask);
    fprintf(stderr, "\n");
    last = &thread;
    shown++;
  }
  emulation::fail("its threads wait for each other: a barrier or warp operation that some never reach");
}

void Block::fail(const char *message) {
  fprintf(stderr, "CUDA emulation: kernel %s", launch == nullptr ? "(none)" : launch->kernel);
  if (running != nullptr) {
    const Position &at = running->position;
    fprintf(
        stderr, ", block (%u, %u, %u), thread (%u, %u, %u)", at.block.x, at.block.y, at.block.z, at.thread.x,
        at.thread.y, at.thread.z);
  }
  fprintf(stderr, ": %s\n", message);
  abort();
}

void fail(const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  Block::current().fail(message);
}

unsigned char *dynamic_shared() { return Block::current().shared(); }

int barrier(const char *name, int line, bool value) { return Block::current().barrier(name, line, value); }

}  // namespace emulation
