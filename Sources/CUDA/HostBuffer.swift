internal import NanoPreconditions

/// Memory of the host that a device copies from by itself, while the host goes on.
package final class HostBuffer: @unchecked Sendable {
  package let memory: UnsafeMutableRawPointer
  package let bytes: Int
  private let driver: CUDADriver

  init(_ driver: CUDADriver, _ context: UnsafeMutableRawPointer?, bytes: Int) {
    self.driver = driver
    self.bytes = bytes
    var memory: UnsafeMutableRawPointer?
    _ = driver.cuCtxSetCurrent(context)
    guard driver.cuMemHostAlloc(&memory, max(bytes, 4), 0) == 0, let memory else {
      preconditionFailure("HostBuffer: the driver refused \(bytes) bytes of host memory")
    }
    self.memory = memory
  }

  /// Writes numbers from the start on.
  package func set(_ indices: [Int32]) {
    checkPrecondition(
      indices.count * 4 <= bytes, "HostBuffer.set: \(indices.count) numbers into \(bytes) bytes")
    indices.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  deinit { _ = driver.cuMemFreeHost(memory) }
}
