import Foundation
import NanoTestSupport
import NanoTraining
import Testing

@Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
func resultsThatCannotBeWrittenAreAnErrorAndProgressIsNot() throws {
  let folder = try TemporaryFolder()
  let (first, second) = (folder.path + "/first", folder.path + "/second")
  let silent = try CommandResult(
    ["--models", "nanogpt", "--out", first] + small, shell: "exec 2>/dev/full")
  #expect(silent.status == 0 && silent.output.contains("best validation loss"))
  for arguments in [
    ["--models", "nanogpt", "--quiet", "--out", second] + small,
    ["generate", "--model", first + "/nanogpt", "--tokens", "20"],
  ] {
    let result = try CommandResult(arguments, shell: "exec >/dev/full")
    #expect(result.status == 1)
    #expect(result.error.contains("standard output: cannot be written"), "\(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }
  _ = try ModelFolder.load(second + "/nanogpt")
}

/// As when Ctrl-C ends the `tee` that a run's progress goes to.
@Test func aReaderThatIsGoneEndsNoRun() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let deaf = try CommandResult(
    ["--models", "nanogpt", "--out", out] + small, shell: "exec 2> >(exit 0); sleep 0.3")
  #expect(deaf.status == 0 && deaf.output.contains("best validation loss"))
  let enough = try CommandResult(
    ["generate", "--model", out + "/nanogpt", "--tokens", "1000000"],
    shell: "exec > >(head -c 1 > /dev/null)")
  #expect(enough.status == 128 + SIGPIPE && enough.error.isEmpty, "\(enough.error)")
}

/// What is printed goes nowhere then, and not into a file that was opened later.
@Test func closedStreamsAreNoFiles() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--models", "nanogpt", "--out", out] + small, shell: "exec <&- >&- 2>&-")
  #expect(result.status == 0)
  let metrics = try String(contentsOfFile: out + "/metrics.csv", encoding: .utf8)
  #expect(metrics.hasPrefix("model,step") && !metrics.contains("best validation loss"))
  #expect(metrics.split(separator: "\n").allSatisfy { $0.split(separator: ",").count == 5 })
}

@Test func aFullDiskIsReported() throws {
  let folder = try TemporaryFolder()
  // A file size limit of 8 KiB stands in for a disk that fills up while the model is written.
  let result = try CommandResult(
    ["--models", "nanogpt", "--quiet", "--out", folder.path + "/run"] + small, shell: "ulimit -f 8")
  #expect(result.status == 1 && result.error.split(separator: "\n").count == 1)
  #expect(result.error.contains("cannot be written"))
  let left = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
  #expect(!left.contains { $0.hasSuffix(".partial") })
}

/// More errors than a pipe holds, before the output ends.
@Test func muchOnStandardErrorKeepsNobodyWaiting() throws {
  let result = try CommandResult(["--version"], shell: "head -c 300000 /dev/zero | tr '\\0' x >&2")
  #expect(result.status == 0 && result.error.utf8.count == 300_000)
}
