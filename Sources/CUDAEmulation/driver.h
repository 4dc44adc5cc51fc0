// What the exported functions share: the driver's statuses, its lock, and failures that tests ask for.
#pragma once

#include <mutex>

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace emulation {

enum Status {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  no_device = 100,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  no_binary_for_gpu = 209,
  invalid_handle = 400,
  illegal_state = 401,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_out_of_resources = 701,
  launch_failed = 719,
  stream_capture_unsupported = 900,
  stream_capture_invalidated = 901,
  unknown = 999,
};

// The status that `function` shall give, or 0. NANO_CUDA_EMULATION_FAILURES lists failures, divided by commas:
// cuGraphLaunch:719:3 makes the third call of cuGraphLaunch and all later ones give 719.
int requested_failure(const char *function);

// One call at a time.
std::recursive_mutex &driver_lock();

bool is_initialized();
// Whether this thread has a context.
bool has_context();

// Such as 90; NANO_CUDA_EMULATION_CAPABILITY names another than 9.0.
int compute_capability();

// Runs the body of a function of the driver that needs a context.
template <typename Body>
int driver_call(const char *function, Body body) {
  std::lock_guard<std::recursive_mutex> guard(driver_lock());
  if (const int failure = requested_failure(function)) return failure;
  if (!is_initialized()) return not_initialized;
  if (!has_context()) return invalid_context;
  return body();
}

// Runs the body of a function that needs none.
template <typename Body>
int plain_call(const char *function, Body body) {
  std::lock_guard<std::recursive_mutex> guard(driver_lock());
  if (const int failure = requested_failure(function)) return failure;
  return body();
}

}  // namespace emulation
