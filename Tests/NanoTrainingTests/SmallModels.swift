import NanoData
import NanoModels
import NanoOptim
import NanoTensor

@testable import NanoTraining

/// Two layers of the smallest size, for 50 tokens and sequences of 16.
func smallKimi(_ change: (inout DecoderConfiguration) -> Void = { _ in }) throws -> Decoder {
  var configuration = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: 50, contextLength: 16)
  configuration.layerCount = 2
  change(&configuration)
  var generator = RandomGenerator(seed: 11)
  return try Decoder(configuration, using: &generator)
}

/// The same of the other architecture.
func smallGPT() throws -> Decoder {
  var generator = RandomGenerator(seed: 12)
  return try Decoder(
    .nanoGPT2(vocabularySize: 50, contextLength: 16, width: 24, layerCount: 2, headCount: 3), using: &generator)
}

/// The same of the character study's strongest.
func smallBest() throws -> Decoder {
  var configuration = DecoderConfiguration.nanoBest(vocabularySize: 50, contextLength: 16)
  configuration.layerCount = 2
  var generator = RandomGenerator(seed: 13)
  return try Decoder(configuration, using: &generator)
}

/// Random tokens, a function of the step.
func batch(_ step: Int, sequences: Int = 8) -> TokenBatch {
  var generator = RandomGenerator(seed: 5).split(UInt64(step))
  let tokens = (0..<sequences * 17).map { _ in Int32(generator.nextInt(below: 50)) }
  return TokenBatch(
    inputs: Array(tokens.prefix(sequences * 16)),
    targets: Array(tokens.suffix(sequences * 16)), sequenceLength: 16)
}

/// All weights of a model after some steps.
func trainedWeights(
  _ model: some LanguageModel, steps: Int = 3, threads: Int = 2,
  _ change: (inout TrainerConfiguration) -> Void = { _ in }
) throws -> [Float] {
  var configuration = TrainerConfiguration(shardCount: 2, gradientClip: 1)
  change(&configuration)
  var trainer = Trainer(
    model, rule: storiesRule(), configuration: configuration,
    pool: WorkerPool(threadCount: threads))
  for step in 0..<steps { _ = try trainer.step(on: batch(step)) }
  return trainer.model.weights.flatMap(\.tensor.scalars)
}
