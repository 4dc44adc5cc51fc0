import Foundation
import NanoData
import NanoExperiments
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
    changed.error.contains("batchSize (4 there, 8 now)") && changed.error.contains("learningRate"))
  let shorter = try stories.run(["compare", "--resume", path, "--iterations", "3"])
  #expect(shorter.status == 1 && shorter.error.contains("made longer, not shorter"), "\(shorter.error)")
  func resumedWhileHeld() throws -> CommandResult {
    let hold = try OutputFolder.hold(path)
    defer { withExtendedLifetime(hold) {} }
    return try stories.run(["compare", "--resume", path])
  }
  let held = try resumedWhileHeld()
  #expect(held.status == 1 && held.error.contains("another process is at work"), "\(held.error)")
  let others = String(repeating: "Other stories.\n<|endoftext|>\n", count: 40)
  try Data(others.utf8).write(to: URL(fileURLWithPath: stories.data))
  let other = try stories.run(["compare", "--resume", path])
  #expect(other.status == 1 && other.error.contains("holds another text"), "\(other.error)")
  let none = try stories.run(["compare", "--resume", stories.folder.path])
  #expect(none.status == 1 && none.error.contains("run.json: no such file"))
}

/// As many stories of as many characters and tokens, one word another.
@Test func storiesAreKnownByTheirContent() throws {
  let stories = try Stories()
  let path = stories.folder.path + "/run"
  let settings = ["--iterations", "4", "--models", "nanogpt", "--checkpoint-every", "2"]
  #expect(try stories.compare(settings, out: "run").status == 0)
  let text = String(decoding: try stories.file("stories.txt"), as: UTF8.self)
  let first = try #require(text.firstRange(of: " was "))
  let changed = text.replacingCharacters(in: first, with: " saw ")
  try changed.write(toFile: stories.data, atomically: true, encoding: .utf8)
  let refused = try stories.run(["compare", "--resume", path])
  #expect(refused.status == 1 && refused.error.contains("holds another text"), "\(refused.error)")

  // The same stories elsewhere, as another form: from another working directory, then without a word.
  try FileManager.default.removeItem(atPath: stories.data)
  let missing = try stories.run(["compare", "--resume", path])
  #expect(missing.status == 1 && missing.error.contains("name it with --data"), "\(missing.error)")
  let elsewhere = stories.folder.path + "/elsewhere"
  try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: false)
  let array = try JSONEncoder().encode(text.components(separatedBy: "\n<|endoftext|>\n"))
  try array.write(to: URL(fileURLWithPath: elsewhere + "/moved.json"))
  for arguments in [["--data", "moved.json"], []] {
    let resumed = try CommandResult(
      ["compare", "--resume", "../run", "--quiet"] + arguments, shell: stories.environment + "; cd '\(elsewhere)'")
    #expect(resumed.status == 0, "\(resumed.error)")
  }
}

@Test func aFinishedRunIsMadeLongerByTheCommand() throws {
  let stories = try Stories()
  let path = stories.folder.path + "/run"
  let settings = ["--models", "nanogpt,nanokimik2"]
  #expect(try stories.compare(settings + ["--iterations", "4"], out: "run").status == 0)
  let longer = try stories.run(["compare", "--resume", path, "--iterations", "8", "--quiet"])
  #expect(longer.status == 0, "\(longer.error)")
  #expect(longer.error.contains("Made longer from 4 to 8 iterations: the schedule now spans them all"))
  #expect(longer.output.contains("The run was made longer after iteration 4."))
  let results = try stories.results("run")
  #expect(results.models.map(\.completedIterations) == [8, 8] && results.madeLongerAt == [4])
  // Again without a word, and not without the checkpoint of its end.
  #expect(try stories.run(["compare", "--resume", path, "--quiet"]).error.isEmpty)
  try FileManager.default.removeItem(atPath: path + "/nanogpt/checkpoints")
  let refused = try stories.run(["compare", "--resume", path, "--iterations", "12"])
  #expect(refused.status == 1 && refused.error.contains("--init \(path)/nanogpt"), "\(refused.error)")
}

@Test func aRunBeginsFromTheWeightsOfAModel() throws {
  let stories = try Stories()
  #expect(try stories.compare(["--iterations", "4", "--models", "nanokimik2"], out: "first").status == 0)
  let model = stories.folder.path + "/first/nanokimik2"
  let begin = [
    "compare", "--preset", "stories", "--data", stories.data, "--init", model, "--iterations", "4", "--batch", "4",
    "--eval-interval", "2", "--checkpoint-every", "2",
  ]
  let out = stories.folder.path + "/second"
  let second = try stories.run(begin + ["--out", out, "--context", "16"])
  #expect(second.status == 0, "\(second.error)")
  let (before, after) = (try stories.results("first").models[0], try stories.results("second"))
  #expect(after.models.map(\.name) == ["nanokimik2"] && after.study.arms[0].experiment.sequenceLength == 16)
  #expect(abs(after.models[0].curve[0].validation.nllPerToken - before.bestValidationLoss) < 0.5)
  // An exported and imported model is a model as well.
  let (exported, imported) = (stories.folder.path + "/exported", stories.folder.path + "/imported")
  #expect(try stories.run(["export", "--model", model, "--out", exported]).status == 0)
  #expect(try stories.run(["import", "--model", exported, "--out", imported]).status == 0)
  let third = try stories.run(begin + ["--init", imported, "--out", stories.folder.path + "/third"])
  #expect(third.status == 0, "\(third.error)")
  let wrong = [
    (["--models", "nanogpt"], "nanokimik2 alone"), (["--vocab", "500"], "--vocab"),
    (["--preset", "seed"], "not a model of characters"), (["--embd", "32"], "--embd is for a new model"),
    (["--context", "64"], "context is 64"),
  ]
  for (index, (flags, part)) in wrong.enumerated() {
    let refused = try stories.run(begin + flags + ["--out", stories.folder.path + "/refused\(index)"])
    #expect(refused.status != 0 && refused.error.contains(part), "\(flags): \(refused.error)")
  }
}

// MARK: Characters

private let text = (0..<4_000).map { "word\($0 % 17 * $0 % 23) " }.joined()

/// A text in a folder, and a run on it that is killed at random moments and goes on until it ends.
@Test func killedCharacterRunsResumeBitExact() throws {
  let folder = try TemporaryFolder()
  try text.write(toFile: folder.path + "/text.txt", atomically: true, encoding: .utf8)
  let settings =
    small + [
      "--data", "text.txt", "--quiet", "--iterations", "1500", "--eval-interval", "100", "--checkpoint-every", "25",
    ]
  func run(_ arguments: [String], killAfter seconds: Double? = nil) throws -> CommandResult {
    try CommandResult(
      arguments, shell: "cd '\(folder.path)'", signal: seconds.map { ([SIGKILL], after: $0) })
  }
  func file(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name)) }
  #expect(try run(settings + ["--out", "whole"]).status == 0)
  var generator = RandomGenerator(seed: 4)
  var kills = 0
  for _ in 0..<12 {
    let wait = 0.05 + 0.3 * Double(generator.nextUniform())
    let hasBegun = FileManager.default.fileExists(atPath: folder.path + "/killed/run.json")
    let killed = try run(
      hasBegun ? ["compare", "--resume", "killed", "--quiet"] : settings + ["--out", "killed"],
      killAfter: wait)
    if killed.status == 0 { break }
    #expect(killed.status == SIGKILL, "\(killed.error)")
    kills += 1
  }
  #expect(kills > 0)
  // From another folder: the text was named by where it lies.
  let last = try CommandResult(["compare", "--resume", folder.path + "/killed", "--quiet"])
  #expect(last.status == 0, "\(last.error)")
  for model in ["nanogpt", "nanokimi"] {
    #expect(try file("killed/\(model)/model.safetensors") == file("whole/\(model)/model.safetensors"))
  }
  func losses(_ name: String) throws -> [[Substring]] {
    String(decoding: try file(name + "/metrics.csv"), as: UTF8.self).split(separator: "\n").map {
      $0.split(separator: ",").dropLast()
    }
  }
  #expect(try losses("killed") == losses("whole"))
  #expect(try file("killed/samples.txt") == file("whole/samples.txt"))
}

@Test func characterRunsGoOnBecomeLongerAndBeginAnew() throws {
  let folder = try TemporaryFolder()
  let path = folder.path + "/run"
  try text.write(toFile: folder.path + "/text.txt", atomically: true, encoding: .utf8)
  let data = ["--data", folder.path + "/text.txt", "--quiet"]
  #expect(try CommandResult(small + data + ["--out", path]).status == 0)
  func resume(_ arguments: [String]) throws -> CommandResult {
    try CommandResult(["compare", "--resume", path, "--quiet"] + arguments)
  }
  #expect(try resume(["--lr", "0.5"]).error.contains("learningRate"))
  #expect(try resume(["--preset", "stories"]).error.contains("another --preset"))
  let longer = try resume(["--iterations", "30"])
  #expect(longer.status == 0 && longer.error.contains("is that of a run of 30 iterations"), "\(longer.error)")
  #expect(longer.output.contains("made longer after iteration 20"))
  #expect(try CommandResult(small + data + ["--iterations", "30", "--out", folder.path + "/whole"]).status == 0)

  let begun = try CommandResult(
    ["compare", "--init", path + "/nanokimi", "--iterations", "5", "--eval-iters", "2", "--out", folder.path + "/next"]
      + data)
  #expect(begun.status == 0 && begun.output.contains("NanoKimi reached"), "\(begun.output)")
  try (text + "€").write(toFile: folder.path + "/text.txt", atomically: true, encoding: .utf8)
  let changed = try resume([])
  #expect(changed.status == 1 && changed.error.contains("holds another text"), "\(changed.error)")
  let foreign = try CommandResult(
    ["compare", "--init", path + "/nanokimi", "--out", folder.path + "/foreign"] + data)
  #expect(foreign.status == 1 && foreign.error.contains("is not in the model's vocabulary"), "\(foreign.error)")
  let moved = folder.path + "/moved.txt"
  try text.write(toFile: moved, atomically: true, encoding: .utf8)
  #expect(try resume(["--data", moved]).status == 0)
  #expect(try resume([]).status == 0)
}

/// Nothing is written to a folder that is gone, and nothing is made in its place.
@Test func aRunWhoseFolderIsRemovedIsAnError() throws {
  let stories = try Stories()
  for (name, arguments) in [
    ("characters", small), ("stories", Stories.small + ["--data", stories.data, "--models", "nanogpt"]),
  ] {
    let path = stories.folder.path + "/" + name
    let watcher =
      "{ (until [ -s '\(path)/nanogpt/model.safetensors' ] || [ -s '\(path)/metrics.csv' ]; do sleep 0.05; done; "
      + "sleep 0.5; mv '\(path)' '\(path).gone'; rm -rf '\(path).gone') & }"
    let result = try CommandResult(
      arguments + ["--iterations", "1000000", "--eval-interval", "50", "--eval-iters", "1", "--quiet", "--out", path],
      shell: stories.environment + "; " + watcher)
    #expect(result.status == 1 && result.error.contains("removed"), "\(name): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    #expect(!FileManager.default.fileExists(atPath: path), "\(name)")
  }
}
