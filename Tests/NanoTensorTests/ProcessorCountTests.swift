import Foundation
import NanoTensor
import NanoTestSupport
import Testing

@Test(
  arguments: [
    (["0::/"], ["cpu.max": "250000 100000\n"], 3), (["0::/"], ["cpu.max": "50000 100000\n"], 1),
    (["0::/"], ["cpu.max": "max 100000\n"], nil), (["0::/"], ["cpu.max": "2\n"], nil),
    // The tightest group counts, also one that contains the process's own.
    (["0::/a/b"], ["a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"], 2),
    (["0::/a/b"], ["a/b/cpu.max": "100000 100000", "a/cpu.max": "200000 100000"], 1),
    // In a container the group's path may be the machine's, and the folder the group's own.
    (["0::/docker/12"], ["cpu.max": "400000 100000"], 4),
    (
      ["3:cpuset:/", "2:cpu,cpuacct:/a"],
      ["cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"], 2
    ),
    (["1:cpu:/"], ["cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"], nil),
    ([], ["cpu.max": "100000 100000"], nil),
  ] as [([String], [String: String], Int?)])
func controlGroupsLimitTheThreads(groups: [String], files: [String: String], limit: Int?) throws {
  let folder = try TemporaryFolder()
  for (name, text) in files {
    let url = URL(fileURLWithPath: folder.path + "/" + name)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }
  try Data(groups.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: folder.path + "/membership"))
  let count = ProcessorCount(mount: folder.path, membership: folder.path + "/membership")
  #expect(count.limit == limit)
  #expect(count.available == min(limit ?? .max, max(1, ProcessInfo.processInfo.activeProcessorCount)))
  #expect(ProcessorCount(mount: "/none", membership: "/none").limit == nil)
}
