import ModelsTestSupport
import NanoAutograd
import NanoData
import NanoLayers
import NanoModels
import NanoTensor
import TensorTestSupport
import Testing

@testable import NanoTraining

@Test func generationIsSeededAndGreedyAtZero() throws {
  let model = try goldenModel(.nanoKimi)
  func text(_ temperature: Float, _ topK: Int?, seed: UInt64) throws -> [Int32] {
    var generator = TextGenerator(
      Sampler(temperature: temperature, topK: topK), generator: RandomGenerator(seed: seed))
    return try generator.generate(20, after: [1], from: model)
  }
  #expect(try text(1, nil, seed: 1) == text(1, nil, seed: 1))
  #expect(try text(1, nil, seed: 1) != text(1, nil, seed: 2))
  #expect(try text(0, nil, seed: 1) == text(5, 1, seed: 2))
}

/// With and without a cache, and on past the end of the context.
@Test(.enabled(if: EmulatedGPU.isAvailable, "\(EmulatedGPU.reasonToSkip ?? "")"))
func generationOnAGPUIsThatOfTheCPU() throws {
  func expectSameText(_ model: Decoder) throws {
    let texts = try [Device.cpu, try EmulatedGPU.withDevice { $0 }].map { device in
      var generator = TextGenerator(Sampler(temperature: 0), generator: RandomGenerator(seed: 1))
      return try EmulatedGPU.withDevice { _ in
        try generator.generate(2 * model.configuration.contextLength, after: [1], from: model.on(device))
      }
    }
    #expect(texts[0] == texts[1])
  }
  try expectSameText(try goldenModel(.nanoKimi))
  try expectSameText(smallKimi())
  try expectSameText(smallGPT())
}

private func expectCachedGeneration(_ model: Decoder) throws {
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
  #expect(try generator.generate(40, after: [1], from: model).count == 40)
}

@Test func cachedGenerationEqualsTheWholeForward() throws {
  try expectCachedGeneration(smallKimi())
  try expectCachedGeneration(smallKimi { $0.latent?.queryRank = 12 })
  try expectCachedGeneration(smallGPT())
}
