import NanoData
import NanoModels
import NanoOptim
import Testing

@testable import NanoTraining

private struct Silent: RunObserver {
  func didStep(_ step: Int, of total: Int, loss: Double, tokensPerSecond: Double) {}
  func didEvaluate(_ point: EvaluationPoint, of total: Int) {}
}

private func smallRun(seed: UInt64, stopAfter: Int = .max) throws -> RunOutcome<NanoKimi> {
  var study = StudyConfiguration(preset: .seed)
  (study.iterations, study.evaluationInterval, study.evaluationBatches) = (30, 10, 4)
  (study.width, study.layerCount, study.batchSize, study.contextLength) = (16, 1, 4, 16)
  study.seed = seed
  let tokens = (0..<3000).map { (i: Int) -> Int32 in Int32((i * i / 7 + i) % 11) }
  let run = ModelRun(study, dataset: try TextDataset(tokens: tokens, contextLength: 16))
  let model = try run.makeModel(NanoKimi.self, study.modelConfiguration(vocabularySize: 11))
  var (observer, steps) = (Silent(), 0)
  return try run.train(model, rule: kimiRule, observer: &observer) {
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
