import Foundation
import NanoTensor
import NanoTestSupport
import Testing

/// A process in some groups, and the files of a system that shows them.
private func controlGroups(
  _ membership: [String], _ files: [String: String], in folder: TemporaryFolder
) throws -> ControlGroups {
  for (name, text) in files {
    let url = URL(fileURLWithPath: folder.path + "/" + name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }
  try Data(membership.joined(separator: "\n").utf8).write(
    to: URL(fileURLWithPath: folder.path + "/membership"))
  return ControlGroups(mount: folder.path, membership: folder.path + "/membership")
}

private typealias Case<Limit> = (membership: [String], files: [String: String], limit: Limit?)

private let processorCases: [Case<Int>] = [
  (["0::/"], ["cpu.max": "250000 100000\n"], 3),
  (["0::/"], ["cpu.max": "50000 100000\n"], 1),
  (["0::/"], ["cpu.max": "max 100000\n"], nil),
  (["0::/"], ["cpu.max": "?\n"], nil),
  // The tightest group counts, also one that contains the process's own.
  (["0::/a/b"], ["a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"], 2),
  (["0::/a/b"], ["a/b/cpu.max": "100000 100000", "a/cpu.max": "200000 100000"], 1),
  // In a container the path may be the machine's, and the folder the container's own.
  (["0::/docker/12"], ["cpu.max": "400000 100000"], 4),
  (
    ["3:cpuset:/", "2:cpu,cpuacct:/a"],
    ["cpu,cpuacct/a/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"], 2
  ),
  (["1:cpu:/"], ["cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"], nil),
  ([], ["cpu.max": "100000 100000"], nil),
]

@Test(arguments: processorCases.indices) func controlGroupsLimitTheThreads(index: Int) throws {
  let (membership, files, limit) = processorCases[index]
  let folder = try TemporaryFolder()
  #expect(try controlGroups(membership, files, in: folder).processorLimit == limit)
}

private let memoryCases: [Case<Int>] = [
  (["0::/"], ["memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 5\ninactive_file 50\n"], 350),
  (
    ["0::/"], ["memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "inactive_file 50\nactive_file 7\n"],
    357
  ),
  (
    ["2:memory:/"], ["memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "7\n"],
    nil
  ),
  (["0::/"], ["memory.max": "max\n", "memory.current": "700\n"], nil),
  (["0::/"], ["memory.max": "600\n", "memory.current": "700\n"], 0),
  (
    ["0::/a"],
    [
      "a/memory.max": "1000", "a/memory.current": "100", "memory.max": "2000",
      "memory.current": "1500",
    ], 500
  ),
  (
    ["5:memory:/a", "2:cpu:/"],
    [
      "memory/a/memory.limit_in_bytes": "1000\n", "memory/a/memory.usage_in_bytes": "400\n",
      "memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 30\n",
    ], 630
  ),
]

@Test(arguments: memoryCases.indices) func controlGroupsLimitTheMemory(index: Int) throws {
  let (membership, files, limit) = memoryCases[index]
  let folder = try TemporaryFolder()
  #expect(try controlGroups(membership, files, in: folder).availableBytes == limit)
}
