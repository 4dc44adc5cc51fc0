import Foundation
import NanoExperiments
import NanoOptim
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

private func results(_ folder: String) throws -> StudyResults {
  try JSONDecoder.readable.decode(
    StudyResults.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/results.json")))
}

private func weights(_ path: String) throws -> Data {
  try Data(contentsOf: URL(fileURLWithPath: path + "/last/model.safetensors"))
}

private func study(_ folder: TemporaryFolder, _ text: String) throws -> String {
  let path = folder.path + "/study.json"
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  return path
}

@Test func aStudyOfAFileIsItsGrid() throws {
  let folder = try TemporaryFolder()
  let file = try study(
    folder,
    """
    {"name": "rates", "settings": {"evaluation": "full", "schedule": "linear", "warmup": 100}, "seeds": [3, 4], "delta": 0.5,
     "grid": {"lr": [0.001, 0.01], "model": ["nanogpt", "nanokimi"]},
     "comparisons": [{"arm": "nanokimi-lr0.001", "against": "nanogpt-lr0.001"}]}
    """)
  let out = folder.path + "/out"
  let command = ["study", file, "--out", out, "--jobs", "2"] + small
  let result = try CommandResult(command)
  #expect(result.status == 0, "\(result.error)")
  let found = try results(out)
  #expect(found.study.arms.map(\.name) == ["nanogpt-lr0.001", "nanogpt-lr0.01", "nanokimi-lr0.001", "nanokimi-lr0.01"])
  #expect(found.models.map(\.seed) == [3, 3, 3, 3, 4, 4, 4, 4] && found.study.margin == 0.5)
  let analysis = try #require(found.analysis)
  #expect(analysis.comparisons.count == 1 && analysis.comparisons[0].paired?.count == 2)
  // Named as its arms are.
  #expect(analysis.comparisons[0].label == "nanokimi, lr 0.001 against nanogpt, lr 0.001")
  #expect(
    analysis.effects.filter { $0.kind == .main }.map(\.label) == [
      "nanokimi instead of nanogpt", "0.01 instead of 0.001",
    ])
  #expect(result.output.contains("## Main effects") && result.output.contains("nanokimi, lr 0.01"), "\(result.output)")
  #expect(result.output.contains("took 10 iterations in place of 100"), "\(result.output)")
  let page = try String(contentsOfFile: "\(out)/report.html", encoding: .utf8)
  #expect(page.contains("bench-cli study \(file) --out \(out) --jobs 2"))
  for name in ["summary.md", "arms.csv", "comparisons.csv"] {
    #expect(FileManager.default.fileExists(atPath: "\(out)/\(name)"))
  }
  // Two at once have the bits of one alone.
  let alone = folder.path + "/alone"
  let name = "nanokimi-lr0.01-seed4"
  #expect(try CommandResult(["run", "\(out)/\(name)/experiment.json", "--quiet", "--out", alone]).status == 0)
  #expect(try weights(alone + "/model") == weights("\(out)/\(name)"))
  // The same command makes nothing again, and others are refused.
  let before = try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(name)/result.json"))
  let again = try CommandResult(command)
  #expect(again.status == 0 && again.error.contains("8 runs, 8 of them done before"), "\(again.error)")
  #expect(try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(name)/result.json")) == before)
  let longer = try CommandResult(command.filter { $0 != "--iterations" && $0 != "20" } + ["--iterations", "40"])
  #expect(longer.status == 1 && longer.error.contains("not 40; choose another --out"), "\(longer.error)")
  try Data(#"{"grid": {"model": ["nanogpt"]}}"#.utf8).write(to: URL(fileURLWithPath: folder.path + "/another.json"))
  let another = try CommandResult(["study", folder.path + "/another.json", "--resume", out])
  #expect(another.status == 1 && another.error.contains("whose arms are not those of another"), "\(another.error)")
  let plan = try CommandResult(["run", out, "--quiet", "--out", folder.path + "/plan"])
  #expect(plan.status == 1 && plan.error.contains("name the file in it, \(out)/run.json"), "\(plan.error)")
  let other = try CommandResult(command + ["--batch", "8"])
  #expect(other.status == 1 && other.error.contains("begun with other settings"), "\(other.error)")
}

@Test func aKilledStudyGoesOnWithWhatIsMissing() throws {
  let folder = try TemporaryFolder()
  let file = try study(folder, #"{"grid": {"model": ["nanogpt"], "lr": [0.001, 0.002, 0.003, 0.004]}}"#)
  func command(_ out: String) -> [String] {
    [
      "study", file, "--seeds", "1", "--out", out, "--jobs", "2", "--embd", "16", "--layers", "1", "--iterations",
      "400",
    ]
      + ["--eval-interval", "100", "--eval-iters", "2", "--checkpoint-every", "50"]
  }
  let (whole, parts) = (folder.path + "/whole", folder.path + "/parts")
  #expect(try CommandResult(command(whole)).status == 0)
  // Killed after ever longer times; every other time it is asked to end, and its runs with it.
  var attempts = 0
  while (try? results(parts))?.models.count ?? 0 < 4 {
    attempts += 1
    let signals = attempts % 2 == 0 ? [SIGTERM] : [SIGKILL]
    _ = try CommandResult(command(parts), signal: (signals, 0.4 + 0.3 * Double(attempts)))
  }
  #expect(attempts > 1, "the study ended before it could be killed")
  let last = try CommandResult(["study", file, "--resume", parts])
  #expect(last.status == 0 && last.error.contains("4 of them done before"), "\(last.error)")
  for run in try results(whole).study.runs {
    #expect(try weights("\(whole)/\(run.name)") == weights("\(parts)/\(run.name)"))
  }
}

/// What diverges is kept as that, costs the others nothing, and is not tried again.
@Test func aRunThatDivergesEndsNoStudy() throws {
  let folder = try TemporaryFolder()
  let file = try study(folder, #"{"grid": {"model": ["nanogpt"], "lr": [1e30, 0.001]}}"#)
  let out = folder.path + "/out"
  let command = ["study", file, "--seeds", "2", "--out", out] + small
  let result = try CommandResult(command)
  #expect(result.status == 1 && result.error.contains("training failed in 2 of 4 runs"), "\(result.error)")
  let found = try results(out)
  #expect(found.models.count == 2 && found.failures?.count == 2 && result.output.contains("not finite"))
  let again = try CommandResult(command)
  #expect(again.status == 1 && again.error.contains("4 runs, 4 of them done before"), "\(again.error)")
}

@Test func theFactorialIsPlannedWithoutARun() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/out"
  let result = try CommandResult(["ablate", "factorial", "--seeds", "5", "--dry-run", "--out", out] + small)
  #expect(result.status == 0, "\(result.error)")
  #expect(result.output.contains("12 arms × 5 seeds = 60 runs") && result.output.contains("Seeds: 11, 12, 13, 14, 15"))
  #expect(result.output.contains("NanoKimi, Muon, tuned") && result.output.contains("in all"), "\(result.output)")
  #expect(!FileManager.default.fileExists(atPath: out))
}

/// What stands for published settings is not searched for, or it would no longer be that.
@Test func publishedArmsKeepTheirSettings() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/out"
  let result = try CommandResult(
    ["ablate", "factorial", "--seeds", "1", "--tune", "lr", "--tune-trials", "2", "--out", out, "--jobs", "2"] + small)
  #expect(result.status == 0, "\(result.error)")
  let found = try results(out)
  #expect(Set(found.trials?.map(\.arm) ?? []) == Set(found.study.arms.map(\.name).filter { $0.hasSuffix("-tuned") }))
}

@Test(arguments: ["--lr", "--muon-lr", "--weight-decay", "--warmup"])
func noFlagChangesWhatWasPublished(flag: String) throws {
  let result = try CommandResult(["ablate", "factorial", flag, "1", "--iterations", "1", "--dry-run"])
  #expect(result.status == 64 && result.error.contains("\(flag) would change the arms that stand for published"))
}

/// Equal numbers of trials, on other text and another seed than the runs; the same when it is done again.
@Test func settingsAreSearchedForBeforeTheRuns() throws {
  let folder = try TemporaryFolder()
  let file = try study(
    folder,
    #"{"settings": {"evaluation": "full"}, "arms": [{"name": "a", "model": "nanogpt", "lr": 0.0001}, "#
      + #"{"name": "b", "model": "nanogpt", "optimizer": "muon"}]}"#)
  let out = folder.path + "/out"
  let command =
    [
      "study", file, "--seeds", "7,8", "--out", out, "--tune", "lr,muon-lr", "--tune-trials", "4", "--tune-share",
      "0.5",
    ]
    + small
  let result = try CommandResult(command)
  #expect(result.status == 0, "\(result.error)")
  let found = try results(out)
  let trials = try #require(found.trials)
  #expect(trials.count == 8 && trials.allSatisfy { $0.seed == 9 && $0.loss != nil })
  let mine = trials.filter { $0.arm == "a" }
  #expect(mine[0].settings == ["lr": 0.0001] && trials[4].settings.keys.sorted() == ["lr", "muon-lr"])
  let best = try #require(mine.min { $0.loss! < $1.loss! })
  #expect(found.study.arms[0].experiment.optimizer.groups[0].rule.learningRate == Float(best.settings["lr"]!))
  #expect(best.number > 0 && found.study.arms[0].tuning?.contains("4 trials") == true)
  let searched = try results(out + "-tuning")
  #expect(searched.study.corpus.keepsValidationSplitUnseen == true && searched.study.iterations == 10)
  #expect(searched.corpus.validationTokens < found.corpus.trainingTokens / 9)
  #expect(result.output.contains("## Trials") && FileManager.default.fileExists(atPath: out + "/trials.csv"))
  let again = try CommandResult(command)
  #expect(again.status == 0 && again.error.contains("8 runs, 8 of them done before"), "\(again.error)")
  let other = try CommandResult(command + ["--tune-share", "0.4"])
  #expect(other.status == 1 && other.error.contains("another search"), "\(other.error)")
}

@Test(arguments: ["ladder", "newton-schulz", "gating", "muon-family"])
func namedStudiesCanBeMade(name: String) throws {
  let folder = try TemporaryFolder()
  let result = try CommandResult([
    "ablate", name, "--seeds", "1", "--iterations", "1", "--jobs", "2", "--quiet", "--out", folder.path + "/out",
  ])
  #expect(result.status == 0, "\(result.error)")
  let found = try results(folder.path + "/out")
  #expect(found.models.count == found.study.arms.count && found.analysis?.comparisons.isEmpty == false)
}

@Test func theLadderOfStoriesCanBeMade() throws {
  let result = try CommandResult([
    "ablate", "ladder-stories", "--seeds", "1", "--size", "0.3M", "--dry-run", "--iterations", "1",
  ])
  #expect(result.status == 0 && result.output.contains("+ latent attention"), "\(result.error)")
}

/// Its runs after the first begin with what that left.
@Test func theStudyOfPruningCanBeMade() throws {
  let result = try CommandResult(["ablate", "pruning", "--seeds", "1", "--dry-run", "--iterations", "1"])
  #expect(result.status == 0, "\(result.error)")
  #expect(result.output.contains("1 by mass of gates, 500 steps more\n  500 iterations"), "\(result.output)")
}

@Test func studiesThatCannotBeAreRefusedInOneLine() throws {
  let folder = try TemporaryFolder()
  let cases: [(text: String, arguments: [String], part: String)] = [
    ("{}", [], "needs 'arms', a 'grid'"), ("[]", [], "not a study"), (#"{"arm": []}"#, [], "has no 'arm'"),
    (#"{"arms": []}"#, [], "'arms' is empty"),
    (#"{"arms": [{"model": "nanogpt"}]}"#, [], "no 'name'"),
    (#"{"arms": [{"name": "nanogpt"}, {"name": "nanogpt"}]}"#, [], "two arms are called 'nanogpt'"),
    (#"{"arms": [{"name": "a", "modle": "nanogpt"}]}"#, [], "no setting 'modle'"),
    (#"{"grid": {"model": ["nanogpt"], "lr": [0.1]}}"#, ["--lr", "0.2"], "--lr has no effect here"),
    (#"{"arms": [{"name": "a", "model": "nanogpt", "epochs": 3}]}"#, [], "no setting 'epochs'"),
    (#"{"grid": {"model": ["nanogpt"], "lr": []}}"#, [], "no value of 'lr'"),
    (#"{"grid": {"lr": [0.1]}}"#, [], "names no model"),
    (#"{"grid": {"model": ["nanogpt"]}, "grid": {}}"#, [], "given twice"),
    (#"{"grid": {"model": ["nanogpt"]}}"#, ["--seeds", "0"], "from 1 to 1000"),
    (#"{"grid": {"model": ["nanogpt"]}}"#, ["--jobs", "0"], "from 1 to 256"),
    (#"{"grid": {"model": ["nanogpt"]}}"#, ["--delta", "-1"], "positive"),
    (#"{"grid": {"model": ["nanogpt"]}}"#, ["--tune", "batch"], "cannot search for 'batch'"),
    (#"{"grid": {"model": ["nanogpt"]}}"#, ["--tune-trials", "3"], "are for --tune"),
    (#"{"grid": {"model": ["nanogpt"], "orthogonalizer": ["exact"]}}"#, [], "no optimizer of this study is a Muon"),
    (
      #"{"arms": [{"name": "a", "model": "nanogpt", "optimizer": "muon", "orthogonalizer": "polar-9"}]}"#, [], "polar-9"
    ),
    (#"{"grid": {"model": ["nanogpt"], "precondition-frequency": [4]}}"#, [], "no optimizer of this study is SOAP"),
    (
      #"{"grid": {"model": ["nanogpt"], "optimizer": ["soap"]}}"#, ["--precondition-frequency", "0"],
      "--precondition-frequency is 0"
    ),
    (#"{"grid": {"model": ["nanogpt2"], "head": ["tied"], "head-lr": [0.1]}}"#, [], "has a head of its own"),
    (#"{"grid": {"model": ["nanobest"], "optimizer": ["muon-h"]}}"#, [], "would never learn"),
    (#"{"grid": {"model": ["nanogpt"]}, "comparisons": [{"arm": "b", "against": "nanogpt"}]}"#, [], "no such arm"),
  ]
  for (text, arguments, part) in cases {
    let file = try study(folder, text)
    let result = try CommandResult(
      ["study", file, "--iterations", "1", "--out", folder.path + "/out"] + arguments)
    #expect(result.status != 0 && result.error.contains(part), "\(text): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
  }
  let unknown = try CommandResult(["ablate", "everything", "--iterations", "1"])
  #expect(unknown.status != 0 && unknown.error.contains("unknown study 'everything'; known: factorial"))
}
