import Foundation
import NanoExperiments
import NanoTestSupport
import NanoTraining
import Testing

@Test func comparisonWritesEverything() throws {
  let folder = try TemporaryFolder()
  let text = folder.path + "/text.txt"
  let words = (0..<2000).map { "word\($0 % 17) " }.joined()
  try Data(words.utf8).write(to: URL(fileURLWithPath: text))
  let out = folder.path + "/run"
  let result = try CommandResult(["--data", text, "--out", out] + small)
  #expect(result.status == 0)
  #expect(result.output.contains("has the lower loss") && result.error.contains(text))
  let results = try JSONDecoder().decode(
    StudyResults.self, from: Data(contentsOf: URL(fileURLWithPath: out + "/results.json")))
  #expect(results.models.map(\.name) == ["nanogpt", "nanokimi"] && results.preset == "seed")
  #expect(results.models.allSatisfy { $0.bestValidationLoss < 4 && $0.trainStepMeanMs > 0 })
  #expect(results.corpus.source == text && results.corpus.characters == words.count)
  #expect(try pngSize(out + "/comparison_graph.png") == (1800, 1440))
  #expect(try pngSize(out + "/loss_curves.png") == (2200, 920))
  let metrics = try String(contentsOfFile: out + "/metrics.csv", encoding: .utf8)
  #expect(metrics.split(separator: "\n").count == 1 + 2 * 2 * 3)
  let samples = try String(contentsOfFile: out + "/samples.txt", encoding: .utf8)
  #expect(samples.count > 1000)

  let generated = try CommandResult(
    ["generate", "--model", out + "/nanokimi", "--prompt", "wor", "--tokens", "30"])
  #expect(
    generated.status == 0 && generated.output.count == 34 && generated.output.hasPrefix("wor"))
  let outside = try CommandResult(["generate", "--model", out + "/nanogpt", "--prompt", "wor€"])
  #expect(outside.status != 0 && outside.error.contains("position 3"))

  let evaluated = try CommandResult(
    ["evaluate", "--model", out + "/nanokimi", "--data", text, "--json"])
  let scored = try JSONDecoder().decode(Evaluation.self, from: Data(evaluated.output.utf8))
  #expect(scored.tokens == words.count - Int(0.9 * Double(words.count)))
  #expect(abs(scored.nllPerToken - results.models[1].bestValidationLoss) < 0.1)
  let foreign = folder.path + "/foreign.txt"
  try Data("wor€".utf8).write(to: URL(fileURLWithPath: foreign))
  let refused = try CommandResult(
    ["evaluate", "--model", out + "/nanokimi", "--valid", foreign])
  #expect(refused.status == 1 && refused.error.contains("foreign.txt: character"))
  #expect(refused.error.contains("position 3"))
}

/// Width and height of a PNG, after checking its signature and that it ends whole.
private func pngSize(_ path: String) throws -> (Int, Int) {
  let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  #expect(Array(bytes[..<8]) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
  #expect(Array(bytes.suffix(8).prefix(4)) == Array("IEND".utf8))
  func number(_ at: Int) -> Int { bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
  return (number(16), number(20))
}

@Test func builtInCorpusReportsItsOptimum() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--json", "--quiet", "--models", "nanogpt", "--data-seed", "5", "--out", out] + small)
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  #expect(result.error.isEmpty && results.corpus.source == "built-in")
  let optimum = try #require(results.corpus.optimumNLL)
  #expect(optimum > 0.05 && optimum < results.models[0].bestValidationLoss)

  let evaluated = try CommandResult(["evaluate", "--model", out])
  #expect(evaluated.status == 0 && evaluated.output.contains("built-in: "), "\(evaluated.error)")
  #expect(evaluated.output.contains(String(format: "wrote the text: %.4f nats", optimum)))
  let machine = try CommandResult(
    ["evaluate", "--model", out + "/nanogpt", "--data-seed", "5", "--json"])
  struct Scored: Decodable { let nllPerToken, optimumNLL: Double }
  let scored = try JSONDecoder().decode(Scored.self, from: Data(machine.output.utf8))
  #expect(scored.optimumNLL == optimum && scored.nllPerToken > optimum)
}

@Test func equalLossesAreCalledLevel() throws {
  let folder = try TemporaryFolder()
  let path = folder.path + "/a.txt"
  try Data(repeating: UInt8(ascii: "a"), count: 1000).write(to: URL(fileURLWithPath: path))
  let result = try CommandResult(
    ["--data", path, "--quiet", "--out", folder.path + "/run"] + small)
  #expect(result.output.contains("are level: a best validation loss of 0.0000 nats"), "\(result.output)")
}

/// A flag without effect would mislead.
@Test func flagsThatNoModelHasAUseForAreRefused() throws {
  for (flags, named) in [
    (["compare", "--size", "3M"], "--size"), (["compare", "--kv-rank", "8"], "--kv-rank"),
    (["compare", "--expert-width", "8", "--models", "nanogpt"], "--expert-width"),
    (["compare", "--valid", "x"], "--valid"), (["compare", "--final-lr", "0.1"], "--final-lr"),
    (["compare", "--models", "nanogpt", "--kimi-optimizer", "muon"], "--kimi-optimizer"),
    (["compare", "--optimizer", "muon", "--gpt-optimizer", "sgd"], "--gpt-optimizer"),
    (["compare", "--data", "x", "--data-seed", "1"], "--data-seed"),
    (["compare", "--quiet", "--table-every", "1"], "--table-every"),
    (["compare", "--device", "cpu", "--tf32"], "--tf32"), (["compare", "--allow-mixed"], "--allow-mixed"),
    (["compare", "--vocab", "400"], "--vocab"), (["compare", "--gating", "softmax"], "--gating"),
    (["bench", "step", "--expert-width", "64"], "--expert-width"),
  ] {
    let result = try CommandResult(flags + (flags[0] == "compare" ? ["--iterations", "1"] : ["--steps", "1"]))
    #expect(result.status == 64 && result.error.contains("\(named) "), "\(result.error)")
  }
}

@Test func aTextMayComeThroughAPipe() throws {
  let folder = try TemporaryFolder()
  let text = folder.path + "/text.txt"
  try String(repeating: "To be, or not to be.\n", count: 500).write(
    toFile: text, atomically: true, encoding: .utf8)
  let arguments = ["--models", "nanogpt", "--quiet", "--json", "--data", "/dev/stdin"] + small
  let result = try CommandResult(
    arguments + ["--out", folder.path + "/run"], shell: "exec < <(cat '\(text)')")
  #expect(result.status == 0, "\(result.error)")
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  #expect(results.corpus.characters == 10_500)
}

@Test func aDivergedRunKeepsItsLastGoodWeights() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(
    ["--lr", "1e30", "--models", "nanogpt", "--quiet", "--out", out] + small)
  #expect(result.status == 1 && result.error.contains("not finite"))
  _ = try ModelFolder.load(out + "/nanogpt")
}

/// Seeds can be compared, since what is read does not change with them.
@Test func theSeedOfARunIsNotThatOfItsText() throws {
  let folder = try TemporaryFolder()
  func run(_ flags: [String]) throws -> StudyResults {
    let out = folder.path + "/" + flags.joined(separator: "-")
    let result = try CommandResult(["train", "--json", "--quiet", "--out", out] + flags + small)
    #expect(result.status == 0, "\(result.error)")
    return try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  }
  let (first, other, text) = (try run(["--seed", "1337"]), try run(["--seed", "5"]), try run(["--data-seed", "5"]))
  #expect(first.study.corpus == other.study.corpus && first.study.corpus.content != text.study.corpus.content)
  #expect(first.models[0].bestValidationLoss != other.models[0].bestValidationLoss)
  #expect(text.seed == 1337 && other.seed == 5 && text.study.corpus.builtInSeed == 5)
}

/// What stands in no preset is said where the model is named.
@Test func titlesSayWhatDiffersFromThePreset() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(
    ["compare", "--optimizer", "muon", "--muon-lr", "0.02", "--quiet", "--out", folder.path + "/run"] + small)
  #expect(result.output.contains("NanoGPT (muon, width 16, Muon's rate 0.02)"), "\(result.output)")
  #expect(result.output.contains("NanoKimi (muon, width 16, Muon's rate 0.02) writes:"), "\(result.output)")
}

/// A preset's default model is its own, and of another model the title says what trains it.
@Test func aPresetTrainsItsOwnModel() throws {
  let folder = try TemporaryFolder()
  func train(_ flags: [String], _ name: String) throws -> StudyResults {
    let out = folder.path + "/" + name
    let result = try CommandResult(["train", "--quiet", "--json", "--iterations", "1", "--out", out] + flags)
    #expect(result.status == 0, "\(result.error)")
    return try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  }
  let best = ["--preset", "best", "--eval-iters", "2"]
  let text = folder.path + "/text.txt"
  try String(repeating: "To be, or not to be.\n", count: 500).write(toFile: text, atomically: true, encoding: .utf8)
  let own = try train(best + ["--data", text], "own")
  #expect(own.models.map(\.name) == ["nanobest"] && own.models[0].title == "NanoBest")
  let other = try train(best + ["--data", text, "--model", "nanogpt"], "other")
  #expect(other.models[0].title == "NanoGPT (soap)")
  #expect(try train(["--data", text, "--eval-iters", "1"], "plain").models[0].title == "NanoGPT")
  // A folder decides by itself which model it has.
  let further = try train(best + ["--data", text, "--init", folder.path + "/own/nanobest"], "further")
  #expect(further.models[0].title == "NanoBest")
  let narrow = ["--data", text, "--eval-iters", "1"]
  _ = try train(narrow + ["--model", "nanobest", "--embd", "32"], "narrow")
  let onward = try train(narrow + ["--init", folder.path + "/narrow/nanobest"], "onward")
  #expect(onward.models[0].title == "NanoBest")
  let inside = try CommandResult(["train", "--resume", folder.path + "/own/nanobest", "--iterations", "1"])
  #expect(inside.status == 1 && inside.error.contains("resume that of the run, \(folder.path)/own"), "\(inside.error)")
  let again = try CommandResult(["run", folder.path + "/own/nanobest/experiment.json", "--json", "--quiet"])
  #expect(again.output.contains(#""title" : "NanoBest""#), "\(again.error)")
  let resumed = try CommandResult(
    ["train", "--resume", folder.path + "/own", "--iterations", "2", "--quiet", "--json"])
  #expect(resumed.status == 0 && resumed.output.contains("NanoBest"), "\(resumed.error)")
}

/// The same words mean the same seeds to every command.
@Test func seedsAreACountOrAList() throws {
  let folder = try TemporaryFolder()
  let config = folder.path + "/seeds.json"
  try Data(#"{"seeds": [7], "models": "nanogpt", "quiet": true, "json": true}"#.utf8).write(
    to: URL(fileURLWithPath: config))
  let file = folder.path + "/study.json"
  try Data(#"{"arms": [{"name": "nanogpt"}]}"#.utf8).write(to: URL(fileURLWithPath: file))
  for (index, (arguments, seeds))
    in ([
      (["compare", "--models", "nanogpt", "--seeds", "2"], [11, 12]), (["compare", "--config", config], [7]),
      (["compare", "--models", "nanogpt", "--seeds", "5, 3"], [5, 3]), (["study", file, "--seeds", "7,"], [7]),
    ] as [([String], [UInt64])]).enumerated()
  {
    let result = try CommandResult(
      arguments + ["--quiet", "--json", "--out", "\(folder.path)/\(index)"] + small + ["--iterations", "1"])
    let results = try? JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
    #expect(results?.models.map(\.seed) == seeds, "\(arguments): \(result.error)")
  }
  for (seeds, part) in [
    ("1337", "a number alone is a count, from 1 to 1000; the one seed 1337 is --seed 1337"), ("0", "a count from 1"),
    ("3,x", "'x' in it is no seed"), ("", "seeds separated by commas"), ("1,,2", "'' in it is no seed"),
  ] {
    for command in [["compare", "--iterations", "1"], ["ablate", "ladder", "--dry-run"], ["race", "--steps", "1"]] {
      let result = try CommandResult(command + ["--seeds", seeds])
      #expect(result.status == 64 && result.error.contains(part), "\(command) \(seeds): \(result.error)")
    }
  }
}

@Test func oneModelIsTrainedUnderTheNameOfThat() throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult(["train", "--model", "nanokimi", "--quiet", "--out", folder.path + "/run"] + small)
  #expect(result.status == 0 && result.output.contains("NanoKimi (width 16) reached a best validation loss of"))
  // The whole study again, of its results.
  let again = try CommandResult(["run", folder.path + "/run/results.json", "--quiet", "--out", folder.path + "/again"])
  #expect(again.status == 0, "\(again.error)")
  func weights(_ run: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\(run)/nanokimi/model.safetensors"))
  }
  #expect(try weights("run") == weights("again"))
}
