internal import Foundation

/// How many threads this process can keep busy: a container may see all cores of a machine and be given the time of two.
package struct ProcessorCount {
  /// Where Linux shows its control groups, and which of them this process is in.
  private let mount, membership: String

  package init(mount: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") {
    self.mount = mount
    self.membership = membership
  }

  /// The cores that this process may run on, or fewer if its time is limited to that of fewer.
  package var available: Int {
    let cores = max(1, ProcessInfo.processInfo.activeProcessorCount)
    return min(cores, limit ?? cores)
  }

  /// The least time that a control group of this process allows, in cores, rounded up; nil where none has a limit.
  package var limit: Int? {
    folders.compactMap { Self.unifiedLimit($0) ?? Self.legacyLimit($0) }.min()
  }

  /// Of every group that this process is in, and of those that contain them. Where a container sees its own group alone,
  /// that is at the root.
  private var folders: [String] {
    let lines = Self.text(membership)?.split(separator: "\n") ?? []
    return lines.flatMap { line -> [String] in
      // "0::/path" for all controllers together, "4:cpu,cpuacct:/path" for some.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      var path = parts[2].split(separator: "/")[...]
      var folders = [String]()
      while true {
        folders.append(([mount, String(parts[1])] + path.map(String.init)).joined(separator: "/"))
        if path.popLast() == nil { return folders }
      }
    }
  }

  /// `cpu.max` is a quota and a period in microseconds, or "max" and a period.
  private static func unifiedLimit(_ folder: String) -> Int? {
    let numbers = text(folder + "/cpu.max")?.split(whereSeparator: \.isWhitespace).map { Int($0) }
    return numbers?.count == 2 ? cores(quota: numbers![0], period: numbers![1]) : nil
  }

  /// A quota of -1 is none.
  private static func legacyLimit(_ folder: String) -> Int? {
    func number(_ name: String) -> Int? {
      text("\(folder)/cpu.cfs_\(name)_us").flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    return cores(quota: number("quota"), period: number("period"))
  }

  private static func cores(quota: Int?, period: Int?) -> Int? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return max(1, Int((Double(quota) / Double(period)).rounded(.up)))
  }

  private static func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
