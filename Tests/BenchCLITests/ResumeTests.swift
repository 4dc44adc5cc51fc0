import Foundation
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

/// Twenty kills: of one run or, where it ends before, of one after the other.
@Test func killedRunsResumeBitExact() throws {
  let stories = try Stories()
  let settings = [
    "--iterations", "240", "--eval-interval", "80", "--checkpoint-every", "10", "--models",
    "nanokimik2",
  ]
  #expect(try stories.compare(settings, out: "whole").status == 0)

  var generator = RandomGenerator(seed: 4)
  var (kills, runs) = (0, 0)
  while kills < 20 {
    runs += 1
    let name = "killed\(runs)"
    kills += try killsUntilTheEnd(of: name, atMost: 20 - kills, settings, stories, &generator)
    #expect(
      try stories.file("\(name)/nanokimik2/model.safetensors")
        == stories.file("whole/nanokimik2/model.safetensors"))
    let (killed, whole) = (try stories.results(name).models[0], try stories.results("whole").models[0])
    #expect(killed.curve.map(\.validation) == whole.curve.map(\.validation))
  }
}

/// Kills a run at random moments, resumes it each time, and at last lets it end. Returns how often it was killed.
private func killsUntilTheEnd(
  of name: String, atMost limit: Int, _ settings: [String], _ stories: Stories,
  _ generator: inout RandomGenerator
) throws -> Int {
  let path = "\(stories.folder.path)/\(name)"
  let checkpoints = CheckpointFolder("\(path)/nanokimik2/checkpoints")
  func steps() -> Int {
    ((try? stories.file("\(name)/nanokimik2/metrics.csv")).map {
      String(decoding: $0, as: UTF8.self).split(separator: "\n").count - 1
    } ?? 0)
  }
  for kills in 0..<limit {
    let wait = 0.05 + 0.25 * Double(generator.nextUniform())
    let hasBegun = FileManager.default.fileExists(atPath: "\(path)/run.json")
    let run =
      try hasBegun
      ? stories.run(["compare", "--resume", path, "--quiet"], killAfter: wait)
      : stories.compare(settings, out: name, killAfter: wait)
    #expect(steps() - (checkpoints.steps.last ?? 0) <= 10)
    if run.status == 0 { return kills }
    #expect(run.status == SIGKILL, "\(run.error)")
  }
  let last = try stories.run(["compare", "--resume", path, "--quiet"])
  #expect(last.status == 0, "\(last.error)")
  return limit
}

@Test func changedSettingsAndStoriesAreNamedOnResume() throws {
  let stories = try Stories()
  let path = stories.folder.path + "/run"
  let settings = ["--iterations", "4", "--models", "nanogpt"]
  #expect(try stories.compare(settings, out: "run").status == 0)
  let changed = try stories.run(["compare", "--resume", path, "--lr", "0.5", "--batch", "8"])
  #expect(changed.status == 1)
  #expect(
    changed.error.contains("configuration.batchSize (4 there, 8 now)")
      && changed.error.contains("configuration.learningRate"))
  let hold = try RunFolder.hold(path)
  let held = try stories.run(["compare", "--resume", path])
  withExtendedLifetime(hold) {}
  #expect(held.status == 1 && held.error.contains("another process is at work"), "\(held.error)")
  try Data("Other stories.<|endoftext|>".utf8).write(to: URL(fileURLWithPath: stories.data))
  let other = try stories.run(["compare", "--resume", path])
  #expect(other.status == 1)
  let none = try stories.run(["compare", "--resume", stories.folder.path])
  #expect(none.status == 1 && none.error.contains("run.json: no such file"))
}
