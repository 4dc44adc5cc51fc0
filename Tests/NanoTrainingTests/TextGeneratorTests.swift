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

/// Greedy text is that of the whole forward, and goes on where the context ends.
private func expectCachedGeneration(_ model: Decoder) throws {
  let (prompt, context) = (Array(batch(0, sequences: 1).inputs.prefix(3)), model.configuration.contextLength)
  func text(_ count: Int, usesCache: Bool) throws -> [Int32] {
    var generator = TextGenerator(Sampler(temperature: 0), generator: RandomGenerator(seed: 1))
    generator.usesCache = usesCache
    return try generator.generate(count, after: prompt, from: model)
  }
  #expect(try text(context - 3, usesCache: true) == text(context - 3, usesCache: false))
  #expect(try text(40, usesCache: true).count == 40)
}

@Test func cachedGenerationEqualsTheWholeForward() throws {
  try expectCachedGeneration(smallKimi())
  try expectCachedGeneration(smallKimi { $0.latent?.queryRank = 12 })
  try expectCachedGeneration(smallGPT())
  try expectCachedGeneration(smallBest())
}

/// Past the end of the context too, where each begins again at another time.
@Test func textsWrittenAtOnceAreThoseWrittenAlone() throws {
  let (model, tokens) = (try smallKimi(), batch(0, sequences: 2).inputs)
  let prompts: [[Int32]] = [[1], Array(tokens.prefix(9)), tokens, [4, 5]]
  for usesCache in [true, false] {
    var generator = TextGenerator(generator: RandomGenerator(seed: 0))
    generator.usesCache = usesCache
    var generators = prompts.indices.map { RandomGenerator(seed: UInt64($0)) }
    let together = try generator.generate(30, after: prompts, endingAt: 7, from: model, using: &generators)
    for (index, prompt) in prompts.enumerated() {
      var alone = TextGenerator(generator: RandomGenerator(seed: UInt64(index)))
      alone.usesCache = usesCache
      #expect(try alone.generate(30, after: prompt, endingAt: 7, from: model) == together[index])
    }
    #expect(together.contains { $0.count < 30 } && together.contains { $0.count == 30 })
  }
}

@Test func longPromptsAreReadInPart() {
  var generator = TextGenerator(generator: RandomGenerator(seed: 0))
  #expect([1, 15, 16, 40].map { generator.readCount(ofPrompt: $0, context: 16) } == [1, 15, 8, 8])
  generator.usesCache = false
  #expect([1, 16, 40].map { generator.readCount(ofPrompt: $0, context: 16) } == [1, 16, 16])
}
