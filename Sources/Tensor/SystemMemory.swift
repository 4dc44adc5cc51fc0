internal import Foundation

/// What the operating system would still give this process.
package enum SystemMemory {
  /// Bytes until the machine, a control group around this process or its address space is full; nil where the
  /// system does not say (anywhere but on Linux).
  package static var availableBytes: Int? {
    [machine, addressSpace, ControlGroups().availableBytes].compactMap { $0 }.min()
  }

  /// What the machine has free or could free at once.
  private static var machine: Int? {
    guard let line = systemLines("/proc/meminfo").first(where: { $0.hasPrefix("MemAvailable:") }) else {
      return nil
    }
    return Int(line.filter(\.isNumber)).map { $0 * 1024 }
  }

  /// What `ulimit -v` leaves; nil where it sets no limit.
  static var addressSpace: Int? {
    var limit = rlimit()
    #if os(Linux)
      getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    #else
      getrlimit(RLIMIT_AS, &limit)
    #endif
    guard limit.rlim_cur < UInt64(Int.max),
      let used = ResidentMemory.addressSpaceBytes
    else { return nil }
    return max(0, Int(limit.rlim_cur) - used)
  }
}
