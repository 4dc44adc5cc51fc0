internal import Foundation

/// What Linux control groups, which containers are made of, leave of the machine to this process.
///
/// Of version 2 (one group for all resources) and version 1 (a group for each). A group limits those that it contains,
/// so all up to the root count.
package struct ControlGroups {
  private let mount, membership: String

  /// - Parameters:
  ///   - mount: where the system shows its groups.
  ///   - membership: the file that tells which of them a process is in.
  package init(mount: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") {
    self.mount = mount
    self.membership = membership
  }

  /// The least processor time of all groups, in cores and rounded up; nil where none has a limit.
  package var processorLimit: Int? { folders.compactMap(Self.processorLimit).min() }

  /// The bytes that the fullest group leaves; nil where none has a limit.
  package var availableBytes: Int? { memoryGroups.map(\.availableBytes).min() }

  /// The groups with a memory limit.
  package var memoryGroups: [MemoryGroup] { folders.compactMap(MemoryGroup.init) }

  /// The folders of the process's groups and of all that contain them. Where a container sees only its own group, that is
  /// at the root, whatever path it is told.
  private var folders: [String] {
    systemLines(membership).flatMap { line -> [String] in
      // "0::/path" for all resources together, "4:cpu,cpuacct:/path" for some.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let root = parts[1].isEmpty ? mount : "\(mount)/\(parts[1])"
      var path = parts[2].split(separator: "/")
      var folders = [([root] + path.map(String.init)).joined(separator: "/")]
      while path.popLast() != nil {
        folders.append(([root] + path.map(String.init)).joined(separator: "/"))
      }
      return folders
    }
  }

  private static func processorLimit(_ folder: String) -> Int? {
    // A quota and a period in microseconds; "max" or -1 is none.
    let unified = systemLines("\(folder)/cpu.max").first?.split(separator: " ").map { Int($0) }
    let quota = unified?.first ?? systemNumber("\(folder)/cpu.cfs_quota_us")
    let period = unified?.last ?? systemNumber("\(folder)/cpu.cfs_period_us")
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return max(1, Int((Double(quota) / Double(period)).rounded(.up)))
  }
}

/// The number that a file of the system begins with.
func systemNumber(_ path: String) -> Int? { systemLines(path).first.flatMap { Int($0) } }
