// Streams, graphs and events of the emulated driver.
//
// A stream does its work as late as it may: when somebody waits for it. So code that reads a result too early, or
// changes what a copy has yet to read, does not pass here by luck.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace emulation {

typedef std::function<void()> Operation;
typedef std::vector<Operation> Operations;

class Stream {
 public:
  static Stream *create();
  static void destroy(Stream *stream);
  // Of a handle; null stands for the standard stream.
  static Stream &of(void *handle);
  // Does what is queued anywhere.
  static void finish_all();

  // Keeps the operation for later, in the graph that is being recorded or in the queue.
  void add(Operation operation);
  // Does what is queued.
  void finish();

  bool is_recording() const { return recorded != nullptr; }
  void begin_recording();
  // What is not allowed while recording spoils the graph.
  void spoil_recording() { is_spoiled = true; }
  // Null when it was spoiled.
  std::unique_ptr<Operations> end_recording();

 private:
  Operations queue;
  std::unique_ptr<Operations> recorded;
  bool is_spoiled = false;
};

struct Graph {
  Operations operations;
};

struct GraphExecutable {
  std::shared_ptr<const Operations> operations;
};

struct Event {
  std::chrono::steady_clock::time_point time;
  bool has_happened = true, was_recorded = false;
  // Where it was last recorded.
  Stream *stream = nullptr;
};

}  // namespace emulation
