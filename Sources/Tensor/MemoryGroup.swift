/// A control group with a memory limit, as a container has. Whoever passes the limit is killed without a word.
package struct MemoryGroup: Sendable {
  package let limit: Int
  private let usage, statistics: String

  /// Nil where the group has no limit, or does not tell what it holds.
  init?(folder: String) {
    let files = [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")]
    for (limit, usage) in files.map({ ("\(folder)/\($0)", "\(folder)/\($1)") }) {
      // Version 1 writes no limit as one that nothing reaches.
      guard let bytes = systemNumber(limit), bytes < 1 << 60, systemNumber(usage) != nil else { continue }
      self.limit = bytes
      self.usage = usage
      statistics = "\(folder)/memory.stat"
      return
    }
    return nil
  }

  /// The limit less what the group holds, where cached files do not count: they go when others need their memory.
  package var availableBytes: Int {
    let lines = systemLines(statistics)
    let cached = ["inactive_file ", "active_file "].reduce(0) { sum, name in
      // Version 1 counts what the groups within hold only under "total".
      let line = lines.first { $0.hasPrefix("total_" + name) } ?? lines.first { $0.hasPrefix(name) }
      return sum + (line.flatMap { Int($0.drop { $0 != " " }.dropFirst()) } ?? 0)
    }
    return max(0, limit - max(0, (systemNumber(usage) ?? 0) - cached))
  }
}
