// libcuda's functions for streams, graphs and events.
#include "driver.h"
#include "stream.h"

using namespace emulation;

EXPORTED int cuStreamCreate(void **stream, unsigned) {
  return driver_call(__func__, [&]() -> int {
    *stream = Stream::create();
    return success;
  });
}

EXPORTED int cuStreamDestroy_v2(void *stream) {
  return driver_call(__func__, [&]() -> int {
    if (stream == nullptr) return invalid_handle;
    Stream::destroy(static_cast<Stream *>(stream));
    return success;
  });
}

EXPORTED int cuStreamSynchronize(void *handle) {
  return driver_call(__func__, [&]() -> int {
    Stream &stream = Stream::of(handle);
    if (stream.is_recording()) {
      stream.spoil_recording();
      return stream_capture_unsupported;
    }
    stream.finish();
    return success;
  });
}

EXPORTED int cuStreamBeginCapture_v2(void *handle, int) {
  return driver_call(__func__, [&]() -> int {
    if (handle == nullptr) return stream_capture_unsupported;
    Stream &stream = Stream::of(handle);
    if (stream.is_recording()) return illegal_state;
    stream.begin_recording();
    return success;
  });
}

EXPORTED int cuStreamEndCapture(void *handle, void **graph) {
  return driver_call(__func__, [&]() -> int {
    *graph = nullptr;
    Stream &stream = Stream::of(handle);
    if (!stream.is_recording()) return illegal_state;
    const std::unique_ptr<Operations> operations = stream.end_recording();
    if (operations == nullptr) return stream_capture_invalidated;
    *graph = new Graph{std::move(*operations)};
    return success;
  });
}

EXPORTED int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
  return driver_call(__func__, [&]() -> int {
    if (graph == nullptr) return invalid_value;
    *executable = new GraphExecutable{std::make_shared<Operations>(static_cast<Graph *>(graph)->operations)};
    return success;
  });
}

EXPORTED int cuGraphLaunch(void *executable, void *stream) {
  return driver_call(__func__, [&]() -> int {
    if (executable == nullptr) return invalid_value;
    auto operations = static_cast<GraphExecutable *>(executable)->operations;
    Stream::of(stream).add([=] {
      for (const Operation &operation : *operations) operation();
    });
    return success;
  });
}

EXPORTED int cuGraphExecDestroy(void *executable) {
  return driver_call(__func__, [&]() -> int {
    delete static_cast<GraphExecutable *>(executable);
    return success;
  });
}

EXPORTED int cuGraphDestroy(void *graph) {
  return driver_call(__func__, [&]() -> int {
    delete static_cast<Graph *>(graph);
    return success;
  });
}

EXPORTED int cuEventCreate(void **event, unsigned) {
  return driver_call(__func__, [&]() -> int {
    *event = new std::shared_ptr<Event>(std::make_shared<Event>());
    return success;
  });
}

static std::shared_ptr<Event> event_of(void *handle) { return *static_cast<std::shared_ptr<Event> *>(handle); }

EXPORTED int cuEventRecord(void *handle, void *stream_handle) {
  return driver_call(__func__, [&]() -> int {
    if (handle == nullptr) return invalid_handle;
    const std::shared_ptr<Event> event = event_of(handle);
    Stream &stream = Stream::of(stream_handle);
    event->stream = &stream;
    event->was_recorded = true;
    event->has_happened = false;
    stream.add([event] {
      event->time = std::chrono::steady_clock::now();
      event->has_happened = true;
    });
    return success;
  });
}

EXPORTED int cuEventSynchronize(void *handle) {
  return driver_call(__func__, [&]() -> int {
    if (handle == nullptr) return invalid_handle;
    const std::shared_ptr<Event> event = event_of(handle);
    if (!event->has_happened) event->stream->finish();
    return success;
  });
}

EXPORTED int cuEventElapsedTime(float *milliseconds, void *start, void *end) {
  return driver_call(__func__, [&]() -> int {
    if (start == nullptr || end == nullptr) return invalid_handle;
    const std::shared_ptr<Event> first = event_of(start), second = event_of(end);
    if (!first->was_recorded || !second->was_recorded) return invalid_handle;
    if (!first->has_happened || !second->has_happened) return not_ready;
    *milliseconds = std::chrono::duration<float, std::milli>(second->time - first->time).count();
    return success;
  });
}

EXPORTED int cuEventDestroy_v2(void *handle) {
  return driver_call(__func__, [&]() -> int {
    if (handle == nullptr) return invalid_handle;
    delete static_cast<std::shared_ptr<Event> *>(handle);
    return success;
  });
}
