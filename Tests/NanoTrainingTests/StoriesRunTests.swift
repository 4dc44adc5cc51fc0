import Foundation
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import Testing

@testable import NanoTraining

@Test func queryKeyClipComesWithMuon() throws {
  var configuration = StoriesConfiguration()
  func threshold(_ model: StoriesModel) -> Float? {
    configuration.trainer(of: model).rules.queryKeyClip
  }
  #expect(threshold(.nanoKimiK2) == 100 && threshold(.nanoGPT) == nil)
  configuration.gptOptimizer = .muon
  #expect(threshold(.nanoGPT) == 100 && threshold(.nanoGPTTotal) == 100)

  let fresh = try smallGPT()
  var statistics = ForwardStatistics()
  statistics.attention = [
    AttentionStatistics(largestLogits: [1, 400, 99]), AttentionStatistics(largestLogits: [1, 2, 3]),
  ]
  func weights(_ model: Decoder, _ block: Int) -> [Float] {
    guard case .multiHead(let attention) = model.blocks[block].attention else { return [] }
    return attention.queryKeyValue.weight.value.scalars
  }
  var model = fresh
  model.finishStep(statistics, rules: StepRules(queryKeyClip: nil))
  #expect(weights(model, 0) == weights(fresh, 0))
  model.finishStep(statistics, rules: StepRules(queryKeyClip: 100))
  let isClipped = model.blocks.indices.map { block in
    let (before, after) = (weights(fresh, block), weights(model, block))
    return (0..<9).map { after[$0 * 8 * 24] == before[$0 * 8 * 24] * 0.5 }
  }
  // Of 3 × 3 matrices of 8 × 24: the query and the key of the middle head.
  #expect(isClipped[0] == [false, true, false, false, true, false, false, false, false])
  #expect(!isClipped[1].contains(true))
}

/// With rates below zero the loss rises, so the best weights are the first ones.
@Test func theBestLossIsAFullPassOfTheKeptWeights() throws {
  let folder = try TemporaryFolder()
  let falling = try storiesRun(folder, "run")
  var configuration = falling.configuration
  configuration.learningRate *= -1
  configuration.muonLearningRate *= -1
  let run = StoriesRun(
    configuration, model: .nanoKimiK2, dataset: falling.dataset, folder: falling.folder)
  var observer = SilentObserver()
  let result = try run.train(observer: &observer) { false }.result
  #expect(result.bestIteration == 0 && result.bestValidationLoss < result.finalValidationLoss)
  let kept = try #require(try ModelFolder.load(run.folder).model as? Decoder)
  let evaluation = run.evaluator.evaluate(kept)
  #expect(evaluation.nllPerToken == result.bestValidationLoss)
  #expect(evaluation.bitsPerByte == result.bitsPerByte)
  // On the way it was chosen on four windows.
  let chosen = try #require(result.curve.first { $0.step == result.bestIteration })
  #expect(chosen.validation.tokens < evaluation.tokens)
}

@Test(arguments: Precision.allCases, [StoriesModel.nanoGPT, .nanoKimiK2])
func aStoppedRunEndsWithTheBitsOfOneThatWasNot(precision: Precision, model: StoriesModel) throws {
  let folder = try TemporaryFolder()
  var observer = SilentObserver()
  let whole = try storiesRun(folder, "whole", model: model, precision: precision)
    .train(observer: &observer) { false }

  let run = try storiesRun(folder, "parts", model: model, precision: precision)
  var steps = 0
  let first = try run.train(observer: &observer) {
    steps += 1
    return steps == 7
  }
  #expect(first.wasInterrupted && first.result.completedIterations == 7)
  let second = try run.train(observer: &observer) { false }
  #expect(!second.wasInterrupted && second.result.completedIterations == 12)
  #expect(second.result.curve.map(\.validation) == whole.result.curve.map(\.validation))
  #expect(second.result.curve.map(\.trainingLoss) == whole.result.curve.map(\.trainingLoss))
  func final(_ name: String) throws -> Data {
    try Data(
      contentsOf: URL(fileURLWithPath: "\(folder.path)/\(name)/model.safetensors"))
  }
  #expect(try final("parts") == final("whole"))
  func losses(_ name: String) throws -> [String] {
    try String(contentsOfFile: "\(folder.path)/\(name)/metrics.csv", encoding: .utf8)
      .split(separator: "\n").map { $0.split(separator: ",").prefix(3).joined(separator: ",") }
  }
  #expect(try losses("parts") == losses("whole"))
  #expect(try losses("parts").count == 13)
}

/// With a constant rate it is the longer run: the same losses, the same weights.
@Test func aFinishedStoriesRunIsMadeLonger() throws {
  let folder = try TemporaryFolder()
  var observer = SilentObserver()
  func run(_ name: String, iterations: Int) throws -> StoriesResult {
    let run = try storiesRun(folder, name)
    var configuration = run.configuration
    (configuration.iterations, configuration.schedule) = (iterations, .constant)
    configuration.warmupSteps = 2
    return try StoriesRun(
      configuration, model: .nanoKimiK2, dataset: run.dataset, folder: run.folder
    ).train(observer: &observer) { false }.result
  }
  _ = try run("parts", iterations: 12)
  let (longer, whole) = (try run("parts", iterations: 20), try run("whole", iterations: 20))
  #expect(longer.curve.map(\.step) == [0, 5, 10, 12, 15, 20])
  #expect(longer.curve.last?.validation == whole.curve.last?.validation)
  #expect(longer.bestValidationLoss <= longer.finalValidationLoss)
}

@Test func trainingBeginsFromGivenWeights() throws {
  let folder = try TemporaryFolder()
  var observer = SilentObserver()
  let first = try storiesRun(folder, "first")
  let trained = try first.train(observer: &observer) { false }.result
  let kept = try ModelFolder.load(first.folder).model
  let weights = Dictionary(uniqueKeysWithValues: kept.weights.map { ($0.name, $0.tensor) })
  let second = try storiesRun(folder, "second").train(from: weights, observer: &observer) { false }.result
  let start = try #require(second.curve.first)
  #expect(start.step == 0 && abs(start.validation.nllPerToken - trained.bestValidationLoss) < 0.1)
  #expect(second.bestValidationLoss < trained.bestValidationLoss)
}
