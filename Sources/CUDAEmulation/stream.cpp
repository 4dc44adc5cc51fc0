#include "stream.h"

#include <stdlib.h>

#include <algorithm>

#include "device_memory.h"

namespace emulation {

// The standard stream first.
static std::vector<Stream *> &all_streams() {
  static auto *streams = new std::vector<Stream *>{new Stream};
  return *streams;
}

Stream *Stream::create() {
  all_streams().push_back(new Stream);
  return all_streams().back();
}

void Stream::destroy(Stream *stream) {
  stream->finish();
  auto &streams = all_streams();
  streams.erase(std::remove(streams.begin(), streams.end(), stream), streams.end());
  delete stream;
}

Stream &Stream::of(void *handle) {
  return handle == nullptr ? *all_streams().front() : *static_cast<Stream *>(handle);
}

void Stream::finish_all() {
  for (Stream *stream : all_streams()) stream->finish();
}

void Stream::add(Operation operation) {
  if (recorded != nullptr) {
    recorded->push_back(std::move(operation));
    return;
  }
  queue.push_back(std::move(operation));
  // At once, so that a debugger shows who asked for it.
  if (getenv("NANO_CUDA_EMULATION_EAGER") != nullptr) finish();
}

void Stream::finish() {
  if (queue.empty()) return;
  Operations operations;
  operations.swap(queue);
  {
    DeviceMemory::Access access;
    for (const Operation &operation : operations) operation();
  }
  DeviceMemory::shared().check_guards();
}

void Stream::begin_recording() {
  recorded = std::make_unique<Operations>();
  is_spoiled = false;
}

std::unique_ptr<Operations> Stream::end_recording() {
  std::unique_ptr<Operations> result = std::move(recorded);
  if (is_spoiled) result = nullptr;
  return result;
}

}  // namespace emulation
