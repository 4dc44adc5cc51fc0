internal import Foundation

/// What the operating system would still give this process.
public enum SystemMemory {
  /// Bytes until the machine, a control group around this process or its address space is full; nil where the
  /// system does not say (anywhere but on Linux).
  public static var availableBytes: Int? {
    ([machine, addressSpace].compactMap { $0 } + controlGroups).min()
  }

  /// What the machine has free or could free at once.
  private static var machine: Int? {
    guard let line = systemLines("/proc/meminfo").first(where: { $0.hasPrefix("MemAvailable:") }) else {
      return nil
    }
    return Int(line.filter(\.isNumber)).map { $0 * 1024 }
  }

  /// What `ulimit -v` leaves.
  private static var addressSpace: Int? {
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

  /// What each control group (version 2) from this process's own to the root leaves: its limit less what it
  /// holds, where cached files that can go at once do not count.
  private static var controlGroups: [Int] {
    guard let own = systemLines("/proc/self/cgroup").first(where: { $0.hasPrefix("0::") }) else {
      return []
    }
    var group = own.dropFirst(3).split(separator: "/")
    var available: [Int] = []
    while true {
      let folder = (["/sys/fs/cgroup"] + group.map(String.init)).joined(separator: "/")
      if let limit = number("\(folder)/memory.max"), let used = number("\(folder)/memory.current") {
        let cached = systemLines("\(folder)/memory.stat").first { $0.hasPrefix("inactive_file ") }
        let reclaimable = cached.flatMap { Int($0.filter(\.isNumber)) } ?? 0
        available.append(max(0, limit - used + reclaimable))
      }
      if group.popLast() == nil { return available }
    }
  }

  private static func number(_ path: String) -> Int? { systemLines(path).first.flatMap { Int($0) } }
}
