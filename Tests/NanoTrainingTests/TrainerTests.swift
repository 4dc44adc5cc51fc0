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

/// The batch of a step of `Tools/golden/character_models.py`.
private func goldenBatch(_ step: Int, _ size: GoldenSize = .small) -> TokenBatch {
  let (count, length, vocabulary) = size == .small ? (32, 8, 13) : (512, 32, 65)
  return TokenBatch(
    inputs: (0..<count).map { (i: Int) -> Int32 in Int32((i * 7 + i * i * 3 + step * 5) % vocabulary) },
    targets: (0..<count).map { (i: Int) -> Int32 in
      Int32((i * 5 + i * i * 2 + 1 + step * 3) % vocabulary)
    }, sequenceLength: length)
}

private func losses<Model: LanguageModel>(
  _ model: Model, _ rule: some Optimizer, shards: Int = 2, threads: Int = 2,
  precision: Precision = .float32, size: GoldenSize = .small
) throws -> [Float] {
  var trainer = Trainer(
    model, rule: rule,
    configuration: TrainerConfiguration(shardCount: shards, precision: precision),
    pool: WorkerPool(threadCount: threads))
  return try (0..<10).map { Float(try trainer.step(on: goldenBatch($0, size)).loss) }
}

private let kimiRule = StudyRecipe.nanoKimi(learningRate: 1e-3, muonLearningRate: 1e-2)

@Test(arguments: [1, 2, 4]) func tenStepsMatchPyTorch(shards: Int) throws {
  let golden = try Fixture.load("character_models")
  let gpt = try losses(
    goldenModel(NanoGPT.self), StudyRecipe.nanoGPT(learningRate: 1e-3), shards: shards)
  #expect(relativeDifference(gpt, golden["nanogpt.losses"]!.scalars) < 1e-4)
  let kimi = try losses(goldenModel(NanoKimi.self), kimiRule, shards: shards)
  #expect(relativeDifference(kimi, golden["nanokimi.losses"]!.scalars) < 1e-4)
}

@Test func tenStepsOfTheStudysModelsMatchPyTorch() throws {
  let golden = try Fixture.load("character_models")
  let gpt = try losses(
    goldenModel(NanoGPT.self, .full), StudyRecipe.nanoGPT(learningRate: 1e-3), size: .full)
  #expect(relativeDifference(gpt, golden["full.nanogpt.losses"]!.scalars) < 1e-4)
  let kimi = try losses(goldenModel(NanoKimi.self, .full), kimiRule, size: .full)
  #expect(relativeDifference(kimi, golden["full.nanokimi.losses"]!.scalars) < 1e-4)
}

@Test func halfPrecisionStaysClose() throws {
  let exact = try losses(goldenModel(NanoKimi.self), kimiRule)
  let split = try losses(goldenModel(NanoKimi.self), kimiRule, precision: .float32Split)
  let half = try losses(goldenModel(NanoKimi.self), kimiRule, precision: .bfloat16)
  #expect(relativeDifference(split, exact) < 1e-4)
  #expect(relativeDifference(half, exact) < 2e-2 && half != exact)
}

@Test func sameBitsOnAnyNumberOfThreads() throws {
  func weights(threads: Int) throws -> [[Float]] {
    var trainer = Trainer(
      try goldenModel(NanoKimi.self), rule: kimiRule,
      configuration: TrainerConfiguration(shardCount: 4), pool: WorkerPool(threadCount: threads))
    for step in 0..<5 { _ = try trainer.step(on: goldenBatch(step)) }
    return trainer.model.weights.map(\.tensor.scalars)
  }
  let one = try weights(threads: 1)
  #expect(try weights(threads: 2) == one)
  #expect(try weights(threads: 4) == one)
}

@Test func shardsCoverABatchAndEndWithShortOnes() {
  for length in 1...40 {
    for count in 1...50 {
      let ranges = ShardRanges(of: 3..<3 + length, count: count).ranges
      #expect(ranges.count == min(count, length))
      #expect(ranges.flatMap(Array.init) == Array(3..<3 + length))
      #expect(!ranges.contains { $0.isEmpty })
    }
  }
  #expect(ShardRanges(of: 0..<16, count: 2).ranges.map(\.count) == [8, 8])
  #expect(ShardRanges(of: 0..<16, count: 6).ranges.map(\.count) == [4, 3, 3, 3, 2, 1])
}

@Test func gradientClippingLimitsTheStep() throws {
  func firstWeights(clip: Float?) throws -> [Float] {
    var trainer = Trainer(
      try goldenModel(NanoGPT.self), rule: SGD(learningRate: 1),
      configuration: TrainerConfiguration(gradientClip: clip))
    let report = try trainer.step(on: goldenBatch(0))
    #expect(report.gradientNorm > 0.1)
    return trainer.model.weights.flatMap(\.tensor.scalars)
  }
  let start = try goldenModel(NanoGPT.self).weights.flatMap(\.tensor.scalars)
  let differences: [Float] = zip(try firstWeights(clip: 0.01), start).map { $0 - $1 }
  var moved = GlobalNorm()
  moved.add(differences.span)
  #expect(abs(moved.value - 0.01) < 1e-4)
}

@Test func notFiniteStopsBeforeTheWeightsChange() throws {
  var model = try goldenModel(NanoGPT.self)
  model.decoder.head.bias!.value = Tensor(repeating: .nan, shape: [13])
  let before = model.weights.map(\.tensor.scalars.description)
  var trainer = Trainer(model, rule: AdamW())
  #expect(throws: TrainingError.notFinite(step: 0, tensor: "the loss")) {
    _ = try trainer.step(on: goldenBatch(0))
  }
  #expect(trainer.model.weights.map(\.tensor.scalars.description) == before)
}

// MARK: Runs

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

@Test func evaluationOfAUniformModelIsLnV() throws {
  var model = try goldenModel(NanoGPT.self)
  model.decoder.head.weight.value = Tensor(zeros: [13, 16])
  model.decoder.head.bias!.value = Tensor(zeros: [13])
  let tokens = (0..<500).map { (i: Int) -> Int32 in Int32(i % 13) }
  let evaluator = Evaluator(
    dataset: try TextDataset(tokens: tokens, contextLength: 8), batchCount: 3, sequenceCount: 5,
    sequenceLength: 8, generator: RandomGenerator(seed: 1))
  #expect(abs(evaluator.meanLoss(of: model, on: .validation, step: 0) - log(13)) < 1e-6)
}

// MARK: Generation and folders

@Test func generationIsSeededAndGreedyAtZero() throws {
  let model = try goldenModel(NanoKimi.self)
  func text(_ temperature: Float, _ topK: Int?, seed: UInt64) -> [Int32] {
    var generator = TextGenerator(
      Sampler(temperature: temperature, topK: topK), generator: RandomGenerator(seed: seed))
    return generator.generate(20, after: [1], from: model)
  }
  #expect(text(1, nil, seed: 1) == text(1, nil, seed: 1))
  #expect(text(1, nil, seed: 1) != text(1, nil, seed: 2))
  #expect(text(0, nil, seed: 1) == text(5, 1, seed: 2))
}

@Test func foldersRoundTripAndDamageIsNamed() throws {
  let folder = try TemporaryFolder()
  let model = try goldenModel(NanoKimi.self)
  let tokenizer = CharacterTokenizer(vocabularyOf: "abcdefghijklm")
  try ModelFolder.save(model, tokenizer: tokenizer, to: folder.path)
  let contents = try ModelFolder.load(folder.path)
  #expect(contents.tokenizer as? CharacterTokenizer == tokenizer)
  #expect(contents.model.weights.map(\.tensor.scalars) == model.weights.map(\.tensor.scalars))

  let weights = URL(fileURLWithPath: folder.path + "/model.safetensors")
  let whole = try Data(contentsOf: weights)
  try whole.dropLast(100).write(to: weights)
  #expect { try ModelFolder.load(folder.path) } throws: { "\($0)".contains("model.safetensors") }
  try whole.write(to: weights)
  try Data(#"{"format":1,"model":"gpt9"}"#.utf8).write(
    to: URL(fileURLWithPath: folder.path + "/config.json"))
  #expect { try ModelFolder.load(folder.path) } throws: { "\($0)".contains("unknown model 'gpt9'") }
  #expect(throws: ModelFolderError.self) { try ModelFolder.load(folder.path + "/none") }
}
