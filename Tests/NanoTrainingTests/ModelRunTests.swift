import Foundation
import NanoData
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoTraining

private struct Silent: RunObserver {
  func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {}
  func didEvaluate(_ point: EvaluationPoint, of total: Int) {}
}

private func smallRun(
  seed: UInt64, stopAfter: Int = .max, iterations: Int = 30, checkpoints: CheckpointFolder? = nil
) throws -> RunOutcome<Decoder> {
  var study = StudyConfiguration(preset: .seed)
  (study.iterations, study.evaluationInterval, study.evaluationBatches) = (iterations, 10, 4)
  study.checkpointInterval = 7
  (study.width, study.layerCount, study.batchSize, study.contextLength) = (16, 1, 4, 16)
  study.seed = seed
  let tokens = (0..<3000).map { (i: Int) -> Int32 in Int32((i * i / 7 + i) % 11) }
  let run = ModelRun(study, dataset: try TextDataset(tokens: tokens, contextLength: 16))
  let model = try run.makeModel(.nanoKimi, vocabularySize: 11)
  var (observer, steps) = (Silent(), 0)
  return try run.train(model, named: "nanokimi", rule: kimiRule, checkpoints: checkpoints, observer: &observer) {
    steps += 1
    return steps >= stopAfter
  }
}

@Test func sameSeedSameRun() throws {
  let (first, second, other) = (try smallRun(seed: 1), try smallRun(seed: 1), try smallRun(seed: 2))
  #expect(first.curve.map(\.validationLoss) == second.curve.map(\.validationLoss))
  #expect(first.curve.map(\.validationLoss) != other.curve.map(\.validationLoss))
  #expect(first.curve.map(\.step) == [0, 10, 20, 29])
  #expect(first.result.bestValidationLoss == first.curve.map(\.validationLoss).min())
  #expect(first.result.bestValidationLoss < first.curve[0].validationLoss)
  #expect(first.result.completedIterations == 30)
}

@Test func interruptedRunsKeepWhatThereIs() throws {
  let outcome = try smallRun(seed: 1, stopAfter: 12)
  #expect(outcome.wasInterrupted && outcome.result.completedIterations == 12)
  #expect(outcome.curve.map(\.step) == [0, 10])
}

@Test func aStoppedCharacterRunEndsWithTheBitsOfOneThatWasNot() throws {
  let folder = try TemporaryFolder()
  let checkpoints = CheckpointFolder(folder.path + "/checkpoints")
  let whole = try smallRun(seed: 1)
  for stop in [1, 9, 3] {
    let part = try smallRun(seed: 1, stopAfter: stop, checkpoints: checkpoints)
    #expect(part.wasInterrupted && part.result.completedIterations == checkpoints.steps.last)
  }
  #expect(checkpoints.steps == [10, 13])
  // As after a kill: the steps since the checkpoint are made again.
  try FileManager.default.removeItem(atPath: checkpoints.file(step: 13))
  let rest = try smallRun(seed: 1, checkpoints: checkpoints)
  #expect(!rest.wasInterrupted && rest.result.completedIterations == 30 && checkpoints.steps == [28, 30])
  #expect(rest.curve.map(\.validationLoss) == whole.curve.map(\.validationLoss))
  #expect(rest.curve.map(\.trainingLoss) == whole.curve.map(\.trainingLoss))
  #expect(rest.bestModel.weights.map(\.tensor.scalars) == whole.bestModel.weights.map(\.tensor.scalars))
  #expect(rest.result.bestIteration == whole.result.bestIteration)
}

/// The rate is constant, so it is the longer run, with one evaluation more.
@Test func aFinishedCharacterRunIsMadeLonger() throws {
  let folder = try TemporaryFolder()
  let checkpoints = CheckpointFolder(folder.path + "/checkpoints")
  _ = try smallRun(seed: 1, checkpoints: checkpoints)
  let longer = try smallRun(seed: 1, iterations: 50, checkpoints: checkpoints)
  let whole = try smallRun(seed: 1, iterations: 50)
  #expect(longer.curve.map(\.step) == [0, 10, 20, 29, 30, 40, 49])
  #expect(
    longer.curve.filter { $0.step != 29 }.map(\.validationLoss) == whole.curve.map(\.validationLoss))
  #expect { try smallRun(seed: 1, iterations: 40, checkpoints: checkpoints) } throws: {
    "\($0)".contains("it is of step 50, the run has 40")
  }
}
