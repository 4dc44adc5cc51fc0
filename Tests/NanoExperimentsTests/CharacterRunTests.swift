import Foundation
import NanoData
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

@testable import NanoExperiments

private func weights(_ folder: TemporaryFolder, _ name: String) throws -> Data {
  try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\(name)/model.safetensors"))
}

@Test func sameSeedSameRun() throws {
  let folder = try TemporaryFolder()
  func run(_ name: String, seed: UInt64) throws -> RunResult {
    try characterRun(folder, name) { $0.seed = seed }.train().result
  }
  let (first, second, other) = (try run("a", seed: 1), try run("b", seed: 1), try run("c", seed: 2))
  #expect(first.curve.map(\.validation) == second.curve.map(\.validation))
  #expect(first.curve.map(\.validation) != other.curve.map(\.validation))
  #expect(first.curve.map(\.step) == [0, 10, 20, 29])
  #expect(first.bestValidationLoss == first.curve.map(\.validation.nllPerToken).min())
  #expect(first.bestValidationLoss < first.curve[0].validation.nllPerToken)
  #expect(first.completedIterations == 30 && first.inferenceMeanMs ?? 0 > 0)
}

@Test func interruptedRunsKeepWhatThereIs() throws {
  let folder = try TemporaryFolder()
  let outcome = try characterRun(folder, "run").train(stopAfter: 12)
  #expect(outcome.wasInterrupted && outcome.result.completedIterations == 12)
  #expect(outcome.result.curve.map(\.step) == [0, 10])
  #expect(try characterRun(folder, "run").finishedResult == nil)
}

@Test func aStoppedCharacterRunEndsWithTheBitsOfOneThatWasNot() throws {
  let folder = try TemporaryFolder()
  let run = try characterRun(folder, "parts")
  let whole = try characterRun(folder, "whole").train().result
  for stop in [1, 9, 3] {
    let part = try run.train(stopAfter: stop)
    #expect(part.wasInterrupted && part.result.completedIterations == run.checkpoints.steps.last)
  }
  #expect(run.checkpoints.steps == [10, 13])
  // As after a kill: the steps since the checkpoint are made again.
  try FileManager.default.removeItem(atPath: run.checkpoints.file(step: 13))
  let rest = try run.train()
  #expect(!rest.wasInterrupted && rest.result.completedIterations == 30 && run.checkpoints.steps == [28, 30])
  #expect(rest.result.curve.map(\.validation) == whole.curve.map(\.validation))
  #expect(rest.result.curve.map(\.trainingLoss) == whole.curve.map(\.trainingLoss))
  #expect(try weights(folder, "parts") == weights(folder, "whole"))
  #expect(rest.result.bestIteration == whole.bestIteration)
  #expect(try run.finishedResult == rest.result)
}

/// The rate is constant, so it is the longer run, with one evaluation more.
@Test func aFinishedCharacterRunIsMadeLonger() throws {
  let folder = try TemporaryFolder()
  func run(_ name: String, iterations: Int) throws -> RunResult {
    try characterRun(folder, name) { $0.iterations = iterations }.train().result
  }
  _ = try run("parts", iterations: 30)
  let (longer, whole) = (try run("parts", iterations: 50), try run("whole", iterations: 50))
  #expect(longer.curve.map(\.step) == [0, 10, 20, 29, 30, 40, 49])
  #expect(longer.curve.filter { $0.step != 29 }.map(\.validation) == whole.curve.map(\.validation))
  #expect { try run("parts", iterations: 40) } throws: {
    "\($0)".contains("it is of step 50, the run has 40")
  }
}

/// What only runs on stories had: clipping, schedules, half precision, micro-batches, and every optimizer.
@Test(arguments: OptimizerName.allCases) func charactersAreTrainedByEveryOptimizer(optimizer: OptimizerName) throws {
  let folder = try TemporaryFolder()
  let run = try characterRun(folder, "run") {
    $0.optimizer = Preset.publishedCharacters.optimizer(optimizer)
    if optimizer == .lion {  // whose own rate shows too little in 30 steps
      for index in $0.optimizer.groups.indices { $0.optimizer.groups[index].rule.learningRate = 3e-3 }
    }
    $0.schedule = ScheduleRecipe(.linear, warmUpSteps: 3)
    ($0.precision, $0.gradientClip, $0.microBatchCount, $0.samples.interval) = (.bfloat16, 1, 2, 15)
  }
  let result = try run.train().result
  #expect(result.finalValidationLoss < result.curve[0].validation.nllPerToken && result.microBatches == 2)
  let samples = SampleRecipe.read(run.folder)
  #expect(samples.map(\.step) == [15, 30])
  let metrics = try String(contentsOfFile: run.folder + "/metrics.csv", encoding: .utf8)
  #expect(metrics.split(separator: "\n").count == 31)
}

@Test func anExperimentFileMakesTheRunAgain() throws {
  let folder = try TemporaryFolder()
  let first = try characterRun(folder, "first") { $0.optimizer = Preset.stories.optimizer(.muon) }
  _ = try first.train()
  let file = try Data(contentsOf: URL(fileURLWithPath: first.folder + "/experiment.json"))
  let experiment = try JSONDecoder.readable.decode(Experiment.self, from: file)
  #expect(experiment == first.experiment)
  _ = try Run(experiment, name: "again", corpus: first.corpus, folder: folder.path + "/again").train()
  #expect(try weights(folder, "first") == weights(folder, "again"))
}
