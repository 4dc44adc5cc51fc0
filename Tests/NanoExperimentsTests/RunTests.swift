import Foundation
import NanoData
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

@testable import NanoExperiments

@Test func queryKeyClipComesWithMuon() throws {
  func threshold(_ model: ModelName, _ optimizer: OptimizerName? = nil) throws -> Float? {
    try Preset.stories.experiment(model, optimizer: optimizer).trainer.rules.queryKeyClip
  }
  #expect(try threshold(.nanoKimiK2) == 100 && threshold(.nanoGPT) == nil)
  #expect(try threshold(.nanoGPT, .muon) == 100 && threshold(.nanoGPTTotal, .muon) == 100)
}

/// With a rate that is far too high the loss rises, so the best weights are the first ones.
@Test func theBestLossIsAFullPassOfTheKeptWeights() throws {
  let folder = try TemporaryFolder()
  let run = try storiesRun(folder, "run") {
    for index in $0.optimizer.groups.indices { $0.optimizer.groups[index].rule.learningRate = 3 }
  }
  let result = try run.train().result
  #expect(result.bestIteration == 0 && result.bestValidationLoss < result.finalValidationLoss)
  let kept = try ModelFolder.load(run.folder).model
  let evaluation = FullPassEvaluator(run.corpus.validation, windowLength: 16).evaluate(kept)
  #expect(evaluation.nllPerToken == result.bestValidationLoss)
  #expect(evaluation.bitsPerByte == result.bitsPerByte)
  // The last model lies beside it.
  let last = try ModelFolder.load(run.folder + "/last").model
  let lastEvaluation = FullPassEvaluator(run.corpus.validation, windowLength: 16).evaluate(last)
  #expect(lastEvaluation.nllPerToken == result.finalValidationLoss)
  // On the way it was chosen on four windows.
  let chosen = try #require(result.curve.first { $0.step == result.bestIteration })
  #expect(chosen.validation.tokens < evaluation.tokens)
}

@Test(arguments: Precision.allCases, [ModelName.nanoGPT, .nanoKimiK2])
func aStoppedRunEndsWithTheBitsOfOneThatWasNot(precision: Precision, model: ModelName) throws {
  let folder = try TemporaryFolder()
  let whole = try storiesRun(folder, "whole", model: model, precision: precision).train()
  let run = try storiesRun(folder, "parts", model: model, precision: precision)
  let first = try run.train(stopAfter: 7)
  #expect(first.wasInterrupted && first.result.completedIterations == 7)
  let second = try run.train()
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
  func run(_ name: String, iterations: Int) throws -> RunResult {
    try storiesRun(folder, name) {
      ($0.iterations, $0.schedule) = (iterations, ScheduleRecipe(.constant, warmUpSteps: 2))
    }.train().result
  }
  _ = try run("parts", iterations: 12)
  let (longer, whole) = (try run("parts", iterations: 20), try run("whole", iterations: 20))
  #expect(longer.curve.map(\.step) == [0, 5, 10, 12, 15, 20])
  #expect(longer.curve.last?.validation == whole.curve.last?.validation)
  #expect(longer.bestValidationLoss <= longer.finalValidationLoss)
}

@Test func trainingBeginsFromGivenWeights() throws {
  let folder = try TemporaryFolder()
  let first = try storiesRun(folder, "first")
  let trained = try first.train().result
  let weights = try InitialWeights(first.folder)
  let second = try storiesRun(folder, "second") { $0.initialWeights = weights }.train().result
  let start = try #require(second.curve.first)
  #expect(start.step == 0 && abs(start.validation.nllPerToken - trained.bestValidationLoss) < 0.1)
  #expect(second.bestValidationLoss < trained.bestValidationLoss)
  try Data("other".utf8).write(to: URL(fileURLWithPath: first.folder + "/model.safetensors"))
  #expect(throws: (any Error).self) { try storiesRun(folder, "third") { $0.initialWeights = weights }.train() }
}

@Test func routingFollowsWhatParametersAreFor() throws {
  let folder = try TemporaryFolder()
  let run = try storiesRun(folder, "run")
  _ = try run.train()
  let file = try Data(contentsOf: URL(fileURLWithPath: run.folder + "/routing.json"))
  let table = try JSONDecoder().decode(RoutingTable.self, from: file)
  func rules(_ part: String) -> Set<String> { Set(table.rows.filter { $0.parameter.contains(part) }.map(\.rule)) }
  #expect(rules("router") == ["AdamW"] && rules("embedding") == ["AdamW"] && rules("norm") == ["AdamW"])
  #expect(rules("down.weight").contains("Muon") && !table.rows.contains { $0.parameter.contains("selection_biases") })
  #expect(table.rows.allSatisfy { $0.rule != "Muon" || $0.scale > 1 && $0.weightDecay == 0.1 })
  #expect(table.rows.filter { [.gain, .bias].contains($0.why) }.allSatisfy { $0.weightDecay == 0 })
}

@Test func anEpochReadsTheTextOnce() throws {
  let folder = try TemporaryFolder()
  let run = try storiesRun(folder, "epochs") {
    $0.sampling = .epochs
    $0.batchSize = 1
  }
  let text = run.corpus.training
  let length = run.experiment.sequenceLength
  func counts(_ tokens: [Int32]) -> [Int32: Int] { tokens.reduce(into: [:]) { $0[$1, default: 0] += 1 } }
  let all = counts(text[0..<text.count])
  let read = (0..<text.count / length - 1).flatMap { run.trainingBatch($0).inputs }
  #expect(read.count > text.count - 2 * length)
  #expect(counts(read).allSatisfy { $0.value <= all[$0.key]! })
}

@Test func anExperimentOfBeforeHasRandomWindows() throws {
  var experiment = try Preset.best.experiment(.nanoBest)
  #expect(experiment.sampling == .epochs)
  experiment.sampling = .random
  var object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(experiment)) as! [String: Any]
  #expect(object.removeValue(forKey: "sampling") as? String == "random")
  let earlier = try JSONSerialization.data(withJSONObject: object)
  #expect(try JSONDecoder().decode(Experiment.self, from: earlier) == experiment)
}
