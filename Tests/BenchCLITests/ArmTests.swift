import Foundation
import NanoExperiments
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

@Test func anyArmIsComparedWithAnyAndMadeAgain() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let arms = [
    "--record-every", "1", "--arm", "plain: model=nanogpt optimizer=muon lr=0.004 schedule=cosine warmup=2", "--arm",
    #"{"name": "latent", "model": "nanokimik2", "optimizer": "adamw", "layers": 2, "split-heads": true}"#, "--arm",
    "mixed: model=nanogpt feed-forward=sparseMoE norm=rmsNorm positions=rotary precision=bf16 clip=1 evaluation=full",
  ]
  let result = try CommandResult(["compare", "--json", "--weight-decay", "0.05", "--out", out] + small + arms)
  #expect(result.status == 0, "\(result.error)")
  let results = try JSONDecoder().decode(StudyResults.self, from: Data(result.output.utf8))
  #expect(results.models.map(\.name) == ["plain", "latent", "mixed"])
  let experiments = results.study.arms.map(\.experiment)
  #expect(experiments[0].schedule == ScheduleRecipe(.cosine, warmUpSteps: 2))
  #expect(experiments.map { $0.optimizer.groups.count } == [2, 1, 1])
  // What an arm says is its own; a flag is for all.
  #expect(experiments[0].optimizer.groups.map(\.rule.learningRate) == [0.001, 0.004])
  #expect(experiments.allSatisfy { $0.optimizer.groups.allSatisfy { $0.rule.weightDecay == 0.05 } })
  #expect(experiments.map(\.model.layerCount) == [1, 2, 1] && experiments.map(\.model.width) == [16, 16, 16])
  #expect(experiments[2].model.sparseMoE != nil && experiments[2].gradientClip == 1)
  #expect(experiments[2].precision == .bfloat16 && experiments[0].precision == .float32)
  // On the way and after the last step, where the others are evaluated before it.
  #expect(results.models.map { $0.curve.map(\.step) } == [[0, 10, 19], [0, 10, 19], [0, 10, 20]])
  let metrics = try String(contentsOfFile: out + "/plain/metrics.csv", encoding: .utf8)
  #expect(metrics.split(separator: "\n").count == 21)
  #expect(result.error.contains("plain: Muon, rate 0.001, decay 0.05: 4 hidden matrices"), "\(result.error)")

  let again = folder.path + "/again"
  let second = try CommandResult(["run", out + "/mixed/experiment.json", "--quiet", "--out", again])
  #expect(second.status == 0 && second.error.isEmpty, "\(second.error)")
  func weights(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path + "/model.safetensors"))
  }
  #expect(try weights(out + "/mixed") == weights(again + "/model"))
}

@Test func armsThatCannotBeAreRefusedInOneLine() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/out"
  try Data("{}".utf8).write(to: URL(fileURLWithPath: folder.path + "/odd.json"))
  let cases: [(arguments: [String], part: String)] = [
    (["--arm", "no name"], "not 'NAME: key=value key=value'"), (["--arm", "a: lr"], "'lr' is not key=value"),
    (["--arm", "a: lr=0.1"], "names no model"), (["--arm", "a: model=gpt5"], "unknown model 'gpt5'"),
    (["--arm", "a: model=nanogpt lr=1 lr=2"], "'lr' is given twice"),
    (["--arm", "a: model=nanogpt epochs=3"], "no setting 'epochs'; known: model, optimizer, "),
    (["--arm", "a: model=nanogpt layres=3"], "no setting 'layres'; did you mean 'layers'?"),
    (["--arm", "a: model=nanogpt kv-rank=8"], "kvRank=8"), (["--arm", "a: model=nanogpt lr=x"], "'x' is invalid"),
    (["--arm", "a: model=nanogpt muon-lr=0.1"], "no optimizer of this study is a Muon"),
    (["--arm", "a: model=nanogpt optimizer=adam"], "unknown optimizer 'adam'"),
    (["--arm", "../a: model=nanogpt"], "cannot be the name of an arm"),
    (["--arm", "results.json: model=nanogpt"], "'results.json' cannot be the name of an arm"),
    (["--arm", "a: model=nanogpt clip=1e-46"], "too small to be told from 0"),
    (["--arm", "nanogpt:", "--arm", "nanogpt:"], "two arms are called 'nanogpt'"),
    (["--arm", "nanogpt:", "--models", "nanogpt"], "not both"),
    (["--arm", #"{"model": "nanogpt"}"#], "has no name"), (["--arm", "{oops"], "not a JSON object"),
    (["--arm", "a: model=nanogpt seed=3"], "no setting 'seed'"),
  ]
  for (arguments, part) in cases {
    let result = try CommandResult(["compare", "--out", out] + arguments)
    #expect(result.status != 0 && result.error.contains(part), "\(arguments): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    #expect(!FileManager.default.fileExists(atPath: out), "\(arguments)")
  }
  for (file, part) in [("none.json", "no such file"), ("odd.json", "not an experiment: the key")] {
    let result = try CommandResult(["run", folder.path + "/" + file, "--out", out])
    #expect(result.status == 1 && result.error.contains(part), "\(result.error)")
  }
}

@Test func armsAreRunWithEverySeed() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  let result = try CommandResult(["compare", "--quiet", "--seeds", "3,4", "--out", out] + small)
  #expect(result.status == 0, "\(result.error)")
  // A column an arm, not one a run.
  #expect(result.output.contains("mean of 2 seeds") && !result.output.contains("seed 4"), "\(result.output)")
  let results = try JSONDecoder().decode(
    StudyResults.self, from: Data(contentsOf: URL(fileURLWithPath: out + "/results.json")))
  #expect(results.models.map(\.seed) == [3, 3, 4, 4] && Set(results.models.map(\.bestValidationLoss)).count == 4)
  // As alone, on the same text.
  let alone = try CommandResult([
    "run", out + "/nanogpt-seed4/experiment.json", "--json", "--out", folder.path + "/one",
  ])
  let one = try JSONDecoder().decode(StudyResults.self, from: Data(alone.output.utf8))
  #expect(one.models[0].bestValidationLoss == results.models[2].bestValidationLoss, "\(alone.error)")
}

@Test func runsOfEarlierVersionsAreNamed() throws {
  let folder = try TemporaryFolder()
  try Data(#"{"study": "characters", "configuration": {"preset": "seed"}}"#.utf8).write(
    to: URL(fileURLWithPath: folder.path + "/run.json"))
  let result = try CommandResult(["compare", "--resume", folder.path])
  #expect(result.status == 1 && result.error.contains("an earlier version") && result.error.contains("--init"))
  #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
}

/// A run that is done is not made again; one that is missing is.
@Test func aStudyGoesOnWithWhatIsMissing() throws {
  let folder = try TemporaryFolder()
  let out = folder.path + "/run"
  #expect(try CommandResult(["compare", "--quiet", "--out", out] + small).status == 0)
  let first = try Data(contentsOf: URL(fileURLWithPath: out + "/nanogpt/result.json"))
  let weights = try Data(contentsOf: URL(fileURLWithPath: out + "/nanokimi/model.safetensors"))
  try FileManager.default.removeItem(atPath: out + "/nanokimi")
  let rest = try CommandResult(["compare", "--resume", out])
  #expect(rest.status == 0 && !rest.error.contains("NanoGPT") && rest.error.contains("NanoKimi"), "\(rest.error)")
  #expect(try Data(contentsOf: URL(fileURLWithPath: out + "/nanogpt/result.json")) == first)
  #expect(try Data(contentsOf: URL(fileURLWithPath: out + "/nanokimi/model.safetensors")) == weights)
}
