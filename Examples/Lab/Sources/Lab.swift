import Foundation
import NanoData
import NanoLayers
import NanoModels
import NanoOptim
import NanoTraining

/// Trains a model of this package with an optimizer of this package: `lab [TEXT [STEPS]]`.
@main
enum Lab {
  static func main() throws {
    let arguments = CommandLine.arguments
    var generator = RandomGenerator(seed: 1337)
    let builtIn = BuiltInCorpus(characters: 100_000, using: &generator).text
    let text = try arguments.count > 1 ? TextFile.read(arguments[1]) : builtIn
    let steps = arguments.count > 2 ? Int(arguments[2])! : 200
    let tokenizer = CharacterTokenizer(vocabularyOf: text)
    let tokens = try tokenizer.encode(text)
    let cut = Corpus.trainingCount(of: tokens.count)
    let training = TokenizedText(tokens[..<cut], byteCount: cut, before: tokens[0])
    let validation = TokenizedText(tokens[cut...], byteCount: tokens.count - cut, before: tokens[cut - 1])
    let evaluator = FullPassEvaluator(validation, windowLength: 32)

    let decay: any LearningRateSchedule = .linear(warmUpSteps: min(100, steps / 2), totalSteps: steps)
    let rule = GroupedOptimizer([
      .init([.hiddenMatrix], RowNormalizedMuon(), schedule: decay),
      .init([.embedding], AdamW(learningRate: 1e-2, weightDecay: 0.1), schedule: decay),
      .init(ParameterKind.allCases, AdamW(learningRate: 4e-3, weightDecay: 0)),
    ])
    let decoder = DecoderConfiguration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 32, width: 64, layerCount: 4, positions: .rotary(),
      norm: .rmsNorm(epsilon: 1e-6), attention: .multiHead(.init(headCount: 4, hasQueryKeyNorm: true)),
      feedForward: .mlp(width: 384, activation: .reluSquared, hasBias: false), initialization: .pyTorch,
      residualProjections: .zero, head: .own(hasBias: false))
    var trainer = Trainer(
      try LabModel(LabConfiguration(decoder: decoder), using: &generator), rule: rule,
      configuration: TrainerConfiguration(shardCount: 2, precision: .bfloat16))
    let before = evaluator.evaluate(trainer.model).nllPerToken
    for _ in 0..<steps {
      _ = try trainer.step(on: training.batch(sequenceCount: 16, sequenceLength: 32, using: &generator))
    }
    let after = evaluator.evaluate(trainer.model).nllPerToken
    print("nats a character of all validation text: \(before) before, \(after) after \(steps) steps")
    precondition(after < 0.6 * before, "the model did not learn")

    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lab-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try ModelFolder.save(trainer.model, tokenizer: tokenizer, to: folder)
    let read = try ModelFolder.load(folder, others: [LabModel.self])
    precondition(evaluator.evaluate(read.model).nllPerToken == after, "the model that was read is another")
    var writer = TextGenerator(Sampler(temperature: 0.8), generator: generator)
    print(read.tokenizer.decode(try writer.generate(200, after: [tokens[0]], from: read.model)))
  }
}
