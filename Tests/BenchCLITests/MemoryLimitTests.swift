import Foundation
import NanoTestSupport
import Testing

/// A control group of the system with a memory limit, where this process may make one.
private final class LimitedGroup {
  let path: String

  init?(megabytes: Int) {
    let mounts = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
    for (mount, limit) in mounts where FileManager.default.fileExists(atPath: mount + "/cgroup.procs") {
      path = "\(mount)/nano-kimi-\(UUID())"
      guard mkdir(path, 0o755) == 0 else { return nil }
      let file = FileHandle(forWritingAtPath: "\(path)/\(limit)")
      guard (try? file?.write(contentsOf: Data("\(megabytes)000000".utf8))) != nil else {
        rmdir(path)
        return nil
      }
      return
    }
    return nil
  }

  deinit {
    // The last process may be on its way out.
    for _ in 0..<100 where rmdir(path) != 0 { usleep(10_000) }
  }
}

private let canLimit = LimitedGroup(megabytes: 40) != nil

/// As in a container with little memory: a run ends well, or says what it lacks, but is not killed.
@Test(.enabled(if: canLimit), arguments: [20, 40, 60, 80, 100]) func containersLimitsAreNotRunInto(megabytes: Int)
  throws
{
  let folder = try TemporaryFolder()
  for arguments in [
    small + ["--iterations", "1"], small + ["--iterations", "1", "--batch", "256", "--context", "64"],
  ] {
    let group = try #require(LimitedGroup(megabytes: megabytes))
    let result = try CommandResult(
      ["compare", "--quiet", "--out", "\(folder.path)/\(UUID())"] + arguments,
      shell: "export NANO_KIMI_CACHE='\(folder.path)/cache'; echo $$ > \(group.path)/cgroup.procs")
    #expect(result.status == 0 || result.status == 1, "\(arguments): \(result.status)")
    if result.status != 0 {
      // Before it gives up, a run may say that it tries with less.
      let errors = result.error.split(separator: "\n").filter { $0.hasPrefix("bench-cli: error") }
      #expect(errors.count == 1 && errors[0].contains(" MB"), "\(result.error)")
    }
  }
}
