/// Recorded work of a device, to be done any number of times with one call.
///
/// It reads and writes the addresses that it was recorded with: what it reads must still be there.
package final class CUDAGraph {
  private let device: CUDADevice
  private let executable: UnsafeMutableRawPointer
  private let number: Int

  init(_ device: CUDADevice, _ executable: UnsafeMutableRawPointer, number: Int) {
    self.device = device
    self.executable = executable
    self.number = number
  }

  deinit { device.destroyGraph(executable, number: number) }

  /// Does the work, asynchronously.
  package func launch() { device.launchGraph(executable) }
}
