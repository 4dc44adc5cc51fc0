import Foundation
import NanoCUDA
public import NanoTensor
import Synchronization

/// The CUDA device that the CPU emulates: the same kernels, compiled as C++, behind the same libraries.
public enum EmulatedGPU {
  private static let turn = Mutex(())

  /// The library that stands in for CUDA's, beside the tests.
  public static let library =
    URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path + "/libCUDAEmulation.so"

  private static let device = Result<Device, any Error> {
    guard FileManager.default.fileExists(atPath: library) else {
      throw Missing(description: "\(library) is not built: swift build -c release --product CUDAEmulation")
    }
    // Not through the environment: commands that other tests run would take the device too.
    return Device(
      try CUDADevice(
        libraries: LibraryFolders(named: [library]), cacheFolder: NSTemporaryDirectory() + "nano-kimi-emulation"))
  }

  private struct Missing: Error, CustomStringConvertible {
    let description: String
  }

  /// Why it cannot be used, if it cannot.
  public static var reasonToSkip: String? {
    if case .failure(let error) = device { "\(error)" } else { nil }
  }

  public static var isAvailable: Bool { reasonToSkip == nil }

  /// Calls `body` with the device. One caller at a time has it: a device's work is one thread's.
  public static func withDevice<Result>(_ body: (Device) throws -> Result) throws -> Result {
    let device = try device.get()
    return try turn.withLock { _ in try body(device) }
  }

  /// The same with a device that splits all products of fp32-split, however small.
  public static func withDeviceSplittingAll<Result>(_ body: (Device) throws -> Result) throws -> Result {
    try withDevice { device in
      let cost = device.gpu?.splitCost ?? 0
      device.gpu?.splitCost = 0
      defer { device.gpu?.splitCost = cost }
      return try body(device)
    }
  }
}
