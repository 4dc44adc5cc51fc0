internal import CNanoKernels
internal import COpenBLAS
internal import Foundation

/// What a report says about the machine it was made on.
public struct Machine: Hashable, Sendable, Codable {
  /// The processor's name.
  public var processor: String
  /// Logical processors.
  public var cores: Int
  /// Main memory.
  public var memoryBytes: UInt64
  /// The operating system and its version.
  public var system: String
  /// The instruction set that the kernels use.
  public var kernels: String
  /// Whether bfloat16 is multiplied by AMX tiles.
  public var hasAMX: Bool
  /// Threads of the shared pool.
  public var threads: Int

  /// This machine.
  public static var current: Machine {
    let process = ProcessInfo.processInfo
    return Machine(
      processor: processorName ?? "unknown processor", cores: process.processorCount,
      memoryBytes: process.physicalMemory, system: process.operatingSystemVersionString,
      kernels: NanoTensor.kernels.name, hasAMX: nk_has_amx(),
      threads: WorkerPool.shared.threadCount)
  }

  /// How many processes wanted a core at once, on average over the last minute; nil where the system does not say.
  public static var loadAverage: Double? {
    var load = 0.0
    return getloadavg(&load, 1) == 1 ? load : nil
  }

  private static var processorName: String? {
    let line = systemLines("/proc/cpuinfo").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
  }

  /// The processor family whose kernels OpenBLAS chose; nil when it is not installed.
  public static var openBLASCore: String? { nk_openblas_core_name().map { String(cString: $0) } }
}

/// The memory that the operating system counts for this process.
package enum ResidentMemory {
  /// Bytes resident now.
  package static var currentBytes: Int {
    pages(field: 1) ?? peakBytes
  }

  /// Bytes of address space in use, touched or not; nil where the system does not say.
  static var addressSpaceBytes: Int? { pages(field: 0) }

  private static func pages(field: Int) -> Int? {
    guard let fields = systemLines("/proc/self/statm").first?.split(separator: " "),
      fields.indices.contains(field)
    else { return nil }
    return Int(fields[field]).map { $0 * Int(getpagesize()) }
  }

  /// The most bytes that were resident since the start, or since ``resetPeak()``.
  package static var peakBytes: Int {
    if let line = status(of: "VmHWM"), let kilobytes = Int(line.filter(\.isNumber)) {
      return kilobytes * 1024
    }
    var usage = rusage()
    #if os(Linux)
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      return usage.ru_maxrss * 1024
    #else
      getrusage(RUSAGE_SELF, &usage)
      return usage.ru_maxrss
    #endif
  }

  /// Starts a new peak measurement where the system allows it (Linux); no effect elsewhere.
  package static func resetPeak() {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return }
    fputs("5", file)
    fclose(file)
  }

  private static func status(of key: String) -> Substring? {
    systemLines("/proc/self/status").first { $0.hasPrefix(key) }
  }
}

/// The lines of a file in which the system says something of itself; none where there is no such file.
func systemLines(_ path: String) -> [Substring] {
  ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
}
