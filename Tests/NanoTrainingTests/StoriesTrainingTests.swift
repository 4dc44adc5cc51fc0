import Foundation
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoOptim
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

private func smallKimi(_ change: (inout NanoKimiK2Configuration) -> Void = { _ in }) throws
  -> NanoKimiK2
{
  var configuration = NanoKimiK2Configuration(
    size: .tiny, vocabularySize: 50, contextLength: 16)
  configuration.layerCount = 2
  change(&configuration)
  var generator = RandomGenerator(seed: 11)
  return try NanoKimiK2(configuration, using: &generator)
}

private func smallGPT() throws -> NanoGPT2 {
  var generator = RandomGenerator(seed: 12)
  return try NanoGPT2(
    NanoGPT2Configuration(
      vocabularySize: 50, contextLength: 16, width: 24, layerCount: 2, headCount: 3),
    using: &generator)
}

private func batch(_ step: Int, sequences: Int = 8) -> TokenBatch {
  var generator = RandomGenerator(seed: 5).split(UInt64(step))
  let tokens = (0..<sequences * 17).map { _ in Int32(generator.nextInt(below: 50)) }
  return TokenBatch(
    inputs: Array(tokens.prefix(sequences * 16)),
    targets: Array(tokens.suffix(sequences * 16)), sequenceLength: 16)
}

private func weights(
  _ model: some LanguageModel, steps: Int = 3, threads: Int = 2,
  _ change: (inout TrainerConfiguration) -> Void = { _ in }
) throws -> [Float] {
  var configuration = TrainerConfiguration(shardCount: 2, gradientClip: 1)
  change(&configuration)
  var trainer = Trainer(
    model, rule: StoriesRecipe.muon(learningRate: 1e-2, muonLearningRate: 1e-2), configuration: configuration,
    pool: WorkerPool(threadCount: threads))
  for step in 0..<steps { _ = try trainer.step(on: batch(step)) }
  return trainer.model.weights.flatMap(\.tensor.scalars)
}

// MARK: Steps

@Test func storiesStepsHaveTheSameBitsOnAnyNumberOfThreads() throws {
  let one = try weights(smallKimi(), threads: 1)
  #expect(try weights(smallKimi(), threads: 2) == one)
  #expect(try weights(smallKimi(), threads: 4) == one)
}

@Test func halvingMicroBatchesLeavesGradientsEqual() throws {
  // One step of plain gradient descent shows the gradient.
  func step(_ microBatches: Int) throws -> [Float] {
    var trainer = Trainer(
      try smallKimi(), rule: SGD(learningRate: 1),
      configuration: TrainerConfiguration(
        shardCount: 2, microBatchCount: microBatches, rules: StepRules(selectionBiasRate: 0)))
    _ = try trainer.step(on: batch(0))
    return trainer.model.weights.flatMap(\.tensor.scalars)
  }
  let whole = try step(1)
  for microBatches in [2, 4, 8] {
    #expect(relativeDifference(try step(microBatches), whole) < 1e-5, "\(microBatches)")
  }
}

@Test func recomputedActivationsGiveTheSameBits() throws {
  let kimi = try smallKimi {
    $0.mixture.balanceLossCoefficient = 0.01
    $0.mixture.zLossCoefficient = 0.01
  }
  #expect(try weights(kimi) { $0.checkpointsActivations = true } == weights(kimi))
  #expect(try weights(smallGPT()) { $0.checkpointsActivations = true } == weights(smallGPT()))
}

@Test func dropoutDependsOnStepAndSequenceAlone() throws {
  func dropped(_ change: (inout TrainerConfiguration) -> Void) throws -> [Float] {
    try weights(smallGPT(), steps: 1) {
      $0.dropout = 0.3
      $0.dropoutSeed = 7
      $0.gradientClip = nil
      change(&$0)
    }
  }
  let whole = try dropped { _ in }
  #expect(try dropped { $0.checkpointsActivations = true } == whole)
  #expect(relativeDifference(try dropped { $0.microBatchCount = 4 }, whole) < 1e-3)
  #expect(relativeDifference(try dropped { $0.shardCount = 4 }, whole) < 1e-3)
  #expect(relativeDifference(try dropped { $0.dropoutSeed = 8 }, whole) > 1e-2)
  #expect(relativeDifference(try dropped { $0.dropout = 0 }, whole) > 1e-2)
}

@Test func selectionBiasesMoveAndAreNotTrained() throws {
  let model = try smallKimi()
  var trainer = Trainer(model, rule: AdamW(), configuration: TrainerConfiguration(shardCount: 2))
  let report = try trainer.step(on: batch(0))
  guard case .sparse(let mixture) = trainer.model.blocks[1].mixer else {
    Issue.record("the second layer is not sparse")
    return
  }
  let loads = report.statistics.routing[0].loads
  #expect(loads.reduce(0, +) == 8 * 16 * 2)
  let mean = 8 * 16 * 2 / loads.count
  let biases = mixture.selectionBiases.value.scalars
  let (busiest, idlest) = (loads.firstIndex(of: loads.max()!)!, loads.firstIndex(of: loads.min()!)!)
  #expect(loads[busiest] > mean && biases[busiest] < biases[idlest])
  #expect(abs(biases.reduce(0, +)) < 1e-6)
}

// MARK: Evaluation and generation

private func storyTokens(_ folder: TemporaryFolder) throws -> (TokenFile, SentencePieceTokenizer) {
  let tokenizer = try SentencePieceTokenizer(
    model: Fixture.data("sentencepiece/tokenizer.model"))
  let writer = try TokenFileWriter(folder.path + "/a.tokens", tokenizer: tokenizer)
  for index in 0..<30 {
    let story = "Bo hid a song under the old tree, \(index) times."
    try writer.append(try tokenizer.encode(story), of: story)
  }
  try writer.finish()
  return (try TokenFile(folder.path + "/a.tokens", tokenizer: tokenizer), tokenizer)
}

@Test func aUniformModelCostsTheLogarithmOfTheVocabulary() throws {
  let folder = try TemporaryFolder()
  let (tokens, tokenizer) = try storyTokens(folder)
  var generator = RandomGenerator(seed: 1)
  var model = try NanoKimiK2(
    NanoKimiK2Configuration(
      size: .tiny, vocabularySize: tokenizer.vocabularySize, contextLength: 32), using: &generator)
  model.finalNorm.gain.value = Tensor(zeros: [64])  // all logits zero
  let evaluator = FullPassEvaluator(
    ScoredText(tokens, endOfStory: tokenizer.endOfStory), windowLength: 32)
  let result = evaluator.evaluate(model)
  let expected = log(Double(tokenizer.vocabularySize))
  #expect(result.tokens == tokens.count)
  #expect(abs(result.nllPerToken - expected) < 1e-6)
  #expect(abs(result.perplexity - Double(tokenizer.vocabularySize)) < 1e-3)
  let bits = expected / log(2) * Double(tokens.count) / Double(tokens.header.characterCount)
  #expect(abs(result.bitsPerCharacter - bits) < 1e-6)
}

@Test func theFullPassScoresEveryTokenOnce() throws {
  let folder = try TemporaryFolder()
  let (tokens, tokenizer) = try storyTokens(folder)
  var generator = RandomGenerator(seed: 1)
  let model = try NanoGPT2(
    NanoGPT2Configuration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 32, width: 16, layerCount: 1,
      headCount: 2), using: &generator)
  let result = FullPassEvaluator(
    ScoredText(tokens, endOfStory: tokenizer.endOfStory), windowLength: 32
  ).evaluate(model)
  // Window by window, token by token.
  let all = tokens[0..<tokens.count]
  var total = 0.0
  for start in stride(from: 0, to: all.count, by: 32) {
    let window = all[start..<min(start + 32, all.count)]
    let inputs = [start == 0 ? tokenizer.endOfStory : all[start - 1]] + window.dropLast()
    let tape = Tape(recording: false)
    let logits = model.logits(for: inputs, sequenceLength: inputs.count, on: tape)
    total +=
      Double(logits.crossEntropy(targets: Array(window)).value.scalar) * Double(window.count)
  }
  #expect(abs(result.nllPerToken - total / Double(all.count)) < 1e-5)
}

@Test func theFullPassScoresEveryValidationCharacterOnce() throws {
  let text = String(repeating: "caf\u{E9} au lait, ", count: 30)
  let tokenizer = CharacterTokenizer(vocabularyOf: text)
  let tokens = try tokenizer.encode(text)
  let dataset = try TextDataset(tokens: tokens, contextLength: 8)
  var generator = RandomGenerator(seed: 1)
  let model = try NanoKimi(
    CharacterModelConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 8, width: 16, layerCount: 1,
      headCount: 2, expertCount: 2), using: &generator)
  func expected(from start: Int) -> Double {
    var total = 0.0
    for window in stride(from: start, to: tokens.count, by: 8) {
      let end = min(window + 8, tokens.count)
      let tape = Tape(recording: false)
      let loss = model.loss(
        inputs: Array(tokens[window - 1..<end - 1]), targets: Array(tokens[window..<end]),
        sequenceLength: end - window, on: tape)
      total += Double(loss.value.scalar) * Double(end - window)
    }
    return total / Double(tokens.count - start)
  }
  let split = dataset.count(of: .training)
  let validation = FullPassEvaluator(
    ScoredText(validating: dataset, tokenizer: tokenizer), windowLength: 8
  ).evaluate(model)
  #expect(validation.tokens == tokens.count - split && validation.balanceLoss == nil)
  #expect(abs(validation.nllPerToken - expected(from: split)) < 1e-5)
  #expect(validation.bitsPerByte < validation.bitsPerCharacter)
  let whole = FullPassEvaluator(
    try ScoredText(whole: text, tokenizer: tokenizer), windowLength: 8
  ).evaluate(model)
  #expect(whole.tokens == tokens.count - 1)
  #expect(abs(whole.nllPerToken - expected(from: 1)) < 1e-5)
  #expect(throws: DatasetError.self) { try ScoredText(whole: "c", tokenizer: tokenizer) }
}

private func expectCachedGeneration<Model: LanguageModel>(_ model: Model) throws {
  var session = try #require(model.makeDecodingSession())
  let tokens = batch(0, sequences: 1).inputs
  for (index, token) in tokens.enumerated() {
    let cached = session.append(token)
    let prefix = Array(tokens[...index])
    let whole = model.logits(for: prefix, sequenceLength: prefix.count, on: Tape(recording: false))
    #expect(
      relativeDifference(cached, Array(whole.value.scalars.suffix(50))) < 2e-5, "token \(index)")
  }
  // Longer than the context: the cache starts again, and goes on.
  var generator = TextGenerator(generator: RandomGenerator(seed: 1))
  #expect(generator.generate(40, after: [1], from: model).count == 40)
}

@Test func cachedGenerationEqualsTheWholeForward() throws {
  try expectCachedGeneration(smallKimi())
  try expectCachedGeneration(smallKimi { $0.attention.queryRank = 12 })
  try expectCachedGeneration(smallGPT())
}

@Test func samplersKeepWhatTheySay() {
  let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]
  func drawn(_ sampler: Sampler, seen: [Int32] = []) -> Set<Int32> {
    var generator = RandomGenerator(seed: 9)
    return Set((0..<400).map { _ in sampler.draw(from: logits, seen: seen, using: &generator) })
  }
  #expect(drawn(Sampler()) == [0, 1, 2, 3])
  #expect(drawn(Sampler(temperature: 0)) == [0])
  #expect(drawn(Sampler(topK: 2)) == [0, 1])
  #expect(drawn(Sampler(topP: 0.75)) == [0, 1])
  #expect(drawn(Sampler(topP: 0.85)) == [0, 1, 2])
  #expect(drawn(Sampler(minP: 0.5)) == [0, 1])
  // 0.5 under a heavy penalty falls behind all others.
  #expect(drawn(Sampler(temperature: 0, repetitionPenalty: 50), seen: [0]) == [1])
}

// MARK: Checkpoints

private struct SilentObserver: StoriesObserver {
  func didStep(_ record: StepRecord, of total: Int) {}
  func didEvaluate(_ point: StoriesPoint, of total: Int) {}
  func shouldSample(_ model: some LanguageModel, step: Int) {}
  func didNotice(_ message: String) {}
}

private func storiesRun(
  _ folder: TemporaryFolder, _ name: String, model: StoriesModel = .nanoKimiK2,
  precision: Precision = .float32
) throws -> StoriesRun {
  let (tokens, tokenizer) = try storyTokens(folder)
  var configuration = StoriesConfiguration(
    size: .tiny, vocabularySize: tokenizer.vocabularySize, contextLength: 16)
  configuration.kimi.layerCount = 2
  configuration.iterations = 12
  configuration.precision = precision
  configuration.gptDropout = 0.1
  configuration.batchSize = 4
  configuration.evaluationInterval = 5
  configuration.evaluationWindows = 4
  configuration.checkpointInterval = 4
  let dataset = try StoriesDataset(
    tokenizer: tokenizer, training: tokens, validation: tokens, source: "test", contextLength: 16)
  return StoriesRun(
    configuration, model: model, dataset: dataset, folder: folder.path + "/" + name)
}

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
  func weights(_ model: NanoGPT2, _ block: Int) -> [Float] {
    model.blocks[block].attention.queryKeyValue.weight.value.scalars
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
  let kept = try #require(try ModelFolder.load(run.folder).model as? NanoKimiK2)
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

@Test func damagedCheckpointsAreRefusedAndTheOneBeforeIsOffered() throws {
  let folder = try TemporaryFolder()
  var observer = SilentObserver()
  let run = try storiesRun(folder, "run")
  _ = try run.train(observer: &observer) { false }
  let checkpoints = CheckpointFolder(folder.path + "/run/checkpoints")
  #expect(checkpoints.steps == [8, 12])
  let path = checkpoints.file(step: 12)
  let whole = try Data(contentsOf: URL(fileURLWithPath: path))
  var altered = whole
  altered[whole.count - 1000] ^= 1
  for damaged in [whole.prefix(whole.count / 2), whole.dropLast(1), altered, Data()] {
    try Data(damaged).write(to: URL(fileURLWithPath: path))
    #expect { try run.train(observer: &observer) { false } } throws: {
      "\($0)".contains("damaged") && "\($0)".contains("of step 8")
    }
  }
  try FileManager.default.removeItem(atPath: path)
  #expect(try run.train(observer: &observer) { false }.result.completedIterations == 12)
}

@Test func checkpointsOfAnotherShapeAreNamed() throws {
  let folder = try TemporaryFolder()
  var observer = SilentObserver()
  _ = try storiesRun(folder, "run").train(observer: &observer) { false }
  let run = try storiesRun(folder, "run")
  var configuration = run.configuration
  configuration.kimi.attention.keyValueRank = 20
  let other = StoriesRun(
    configuration, model: .nanoKimiK2, dataset: run.dataset, folder: run.folder)
  #expect { try other.train(observer: &observer) { false } } throws: {
    "\($0)".contains("'blocks.0.attention.key_value_down.weight' has shape [40×64], the model needs [28×64]")
  }
}

// MARK: Half precision

@Test func lossScalingRecoversFromAPlantedOverflow() throws {
  // A last gain so large that gradients times the first scale pass 65,504.
  var model = try smallGPT()
  model.finalNorm.gain.value = Tensor(repeating: 1_000, shape: [24])
  func step(_ precision: Precision) throws -> (weights: [Float], scale: Float?) {
    var trainer = Trainer(
      model, rule: SGD(learningRate: 1e-3),
      configuration: TrainerConfiguration(shardCount: 2, precision: precision))
    let first = trainer.lossScale?.value
    #expect(first == (precision == .float16 ? 65_536 : nil))
    _ = try trainer.step(on: batch(0))
    return (trainer.model.weights.flatMap(\.tensor.scalars), trainer.lossScale?.value)
  }
  let exact = try step(.float32)
  let scaled = try step(.float16)
  #expect(try #require(scaled.scale) < 65_536)
  let before = model.weights.flatMap(\.tensor.scalars)
  let (exactStep, scaledStep) = (
    zip(exact.weights, before).map { $0 - $1 }, zip(scaled.weights, before).map { $0 - $1 }
  )
  #expect(relativeDifference(scaledStep, exactStep) < 0.02)
}

@Test func anInfiniteLossStillStops() throws {
  var model = try smallGPT()
  model.finalNorm.bias.value = Tensor(repeating: .infinity, shape: [24])
  var trainer = Trainer(
    model, rule: SGD(learningRate: 1e-3),
    configuration: TrainerConfiguration(shardCount: 2, precision: .float16))
  #expect(throws: TrainingError.notFinite(step: 0, tensor: "the loss")) {
    try trainer.step(on: batch(0))
  }
}

@Test(arguments: [Precision.bfloat16, .float16])
func halfPrecisionLearnsAsFloat32Does(precision: Precision) throws {
  func losses(_ precision: Precision) throws -> [Double] {
    var trainer = Trainer(
      try smallKimi(), rule: StoriesRecipe.muon(learningRate: 1e-2, muonLearningRate: 1e-2, precision: precision),
      configuration: TrainerConfiguration(shardCount: 2, precision: precision, gradientClip: 1))
    return try (0..<15).map { _ in try trainer.step(on: batch(0)).loss }
  }
  let (exact, rounded) = (try losses(.float32), try losses(precision))
  #expect(exact[14] < exact[0] - 0.5)
  #expect(abs(rounded[14] - exact[14]) < 0.1)
  #expect(rounded != exact)
}
