import Foundation
import NanoExperiments
import NanoTestSupport
import NanoTraining
import Testing

@Test(arguments: [[SIGINT], [SIGTERM], [SIGHUP, SIGHUP]]) func interruptionWritesWhatThereIs(signals: [Int32]) throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--iterations", "1000000", "--eval-iters", "1", "--quiet", "--out", out], signal: (signals, after: 4))
  #expect(result.status == 128 + signals[0])
  let results = try JSONDecoder().decode(
    StudyResults.self, from: Data(contentsOf: URL(fileURLWithPath: out + "/results.json")))
  #expect(results.interrupted && results.models.count == 1)
  _ = try ModelFolder.load(out + "/nanogpt")
}

@Test func aSecondInterruptionEndsARunAtOnce() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--iterations", "1000000", "--eval-iters", "1", "--quiet", "--out", out],
    signal: ([SIGINT, SIGINT], after: 4))
  #expect(result.status == 130 && result.output.isEmpty)
  #expect(!FileManager.default.fileExists(atPath: out + "/results.json"))
}

@Test func aTerminalThatEndsIsNothingUnderNohup() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    ["--models", "nanogpt", "--quiet", "--out", folder.path + "/run", "--iterations", "8000"]
      + small.dropFirst(2), shell: "trap '' HUP", signal: ([SIGHUP], after: 0.5))
  #expect(result.status == 0 && result.output.contains("best validation loss"))
}
