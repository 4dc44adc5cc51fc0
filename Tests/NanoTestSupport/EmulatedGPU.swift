import Foundation
public import NanoTensor
import Synchronization

/// The CUDA device that the CPU emulates: the same kernels, compiled as C++, behind the same libraries.
public enum EmulatedGPU {
  private static let turn = Mutex(())

  /// Why it cannot be used, if it cannot.
  public static let reasonToSkip: String? = {
    let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    let library = folder + "/libCUDAEmulation.so"
    guard FileManager.default.fileExists(atPath: library) else {
      return "\(library) is not built: swift build -c release --product CUDAEmulation"
    }
    setenv("NANO_CUDA_LIBRARIES", library, 1)
    if getenv("NANO_KIMI_CACHE") == nil {
      setenv("NANO_KIMI_CACHE", NSTemporaryDirectory() + "nano-kimi-emulation", 1)
    }
    do { _ = try Device.cuda() } catch { return "\(error)" }
    return nil
  }()

  public static var isAvailable: Bool { reasonToSkip == nil }

  /// Calls `body` with the device. One caller at a time has it: a device's work is one thread's.
  public static func withDevice<Result>(_ body: (Device) throws -> Result) throws -> Result {
    let device = try Device.cuda()
    return try turn.withLock { _ in try body(device) }
  }
}
