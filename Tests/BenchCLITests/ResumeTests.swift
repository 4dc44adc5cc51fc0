import Foundation
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

@Test func killedRunsResumeBitExact() throws {
  let stories = try Stories()
  let settings = [
    "--iterations", "240", "--eval-interval", "80", "--checkpoint-every", "10", "--models",
    "nanokimik2",
  ]
  #expect(try stories.compare(settings, out: "whole").status == 0)

  var generator = RandomGenerator(seed: 4)
  func steps() -> Int {
    ((try? stories.file("killed/nanokimik2/metrics.csv")).map {
      String(decoding: $0, as: UTF8.self).split(separator: "\n").count - 1
    } ?? 0)
  }
  let checkpoints = CheckpointFolder(stories.folder.path + "/killed/nanokimik2/checkpoints")
  var begun = false
  var finished = false
  var kills = 0
  while kills < 20 && !finished {
    let wait = 0.05 + 0.25 * Double(generator.nextUniform())
    let resume = ["compare", "--resume", stories.folder.path + "/killed", "--quiet"]
    if begun {
      finished = try stories.run(resume, killAfter: wait).status == 0
    } else {
      finished = try stories.compare(settings, out: "killed", killAfter: wait).status == 0
      begun = (try? stories.file("killed/run.json")) != nil
    }
    kills += 1
    #expect(steps() - (checkpoints.steps.last ?? 0) <= 10)
  }
  #expect(begun && kills >= 20)
  let last = try stories.run(["compare", "--resume", stories.folder.path + "/killed", "--quiet"])
  #expect(last.status == 0, "\(last.error)")
  #expect(
    try stories.file("killed/nanokimik2/model.safetensors")
      == stories.file("whole/nanokimik2/model.safetensors"))
  let (killed, whole) = (try stories.results("killed").models[0], try stories.results("whole").models[0])
  #expect(killed.curve.map(\.validation) == whole.curve.map(\.validation))
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
