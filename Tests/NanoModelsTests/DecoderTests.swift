import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTensor
import TensorTestSupport
import Testing

/// Every kind of attention, positions and feed-forward network with every other; norms, heads, biases and
/// initializations in turn.
private let mixtures: [DecoderConfiguration] = {
  var result: [DecoderConfiguration] = []
  for qkNorm in ["false", "true"] {
    for attention in ["multiHead", "latent"] {
      for positions in ["learned", "rotary"] {
        for feedForward in ["mlp", "swiGLU", "denseMoE", "sparseMoE"] {
          let index = result.count
          var recipe = ModelRecipe(index % 2 == 0 ? .nanoGPT : .nanoGPT2)
          var settings = [
            "width": "24", "layers": "2", "heads": "3", "attention": attention, "positions": positions,
            "feedForward": feedForward, "qkNorm": qkNorm, "norm": index % 3 == 0 ? "layerNorm" : "rmsNorm",
            "head": index % 5 < 2 ? "tied" : "own", "bias": index % 3 == 1 ? "true" : "false",
            "initialization": index % 4 == 0 ? "pyTorch" : "normal",
            "previousTokenEmbedding": index % 7 < 3 ? "true" : "false", "convolution": "\(1 + index % 3)",
          ]
          if attention == "multiHead", index % 3 == 2 { settings["attentionScale"] = "0.6" }
          if feedForward == "mlp" {
            settings["activation"] = ["relu-squared", "gelu", "relu", "gelu-tanh"][index / 4 % 4]
          }
          if feedForward == "sparseMoE" { settings["topK"] = "3" }
          for (key, value) in settings { try! recipe.set(key, to: value) }
          var configuration = try! recipe.configuration(vocabularySize: 19, contextLength: 8)
          // Weights large enough for gradients that rounding does not drown.
          if configuration.initialization != .pyTorch { configuration.initialization = .normal(standardDeviation: 0.2) }
          result.append(configuration)
        }
      }
    }
  }
  return result
}()

private func model(_ configuration: DecoderConfiguration) throws -> Decoder {
  var generator = RandomGenerator(seed: 7)
  return try Decoder(configuration, using: &generator)
}

private let inputs = (0..<16).map { (i: Int) -> Int32 in Int32((i * i + 3 * i) % 19) }
private let targets = (0..<16).map { (i: Int) -> Int32 in Int32((i * 5 + 1) % 19) }

private func loss(_ model: Decoder) -> Double {
  let tape = Tape(recording: false)
  return Double(model.loss(inputs: inputs, targets: targets, sequenceLength: 8, on: tape).value.scalar)
}

/// Along a random direction in each parameter, the loss changes as its gradient says.
@Test(arguments: mixtures) func gradientsOfMixtures(configuration: DecoderConfiguration) throws {
  var configuration = configuration
  // Where a row chooses other experts the loss jumps; where it takes all, with their weights, it does not.
  if let experts = configuration.sparseMoE { configuration.sparseMoE?.topK = experts.expertCount }
  let model = try model(configuration)
  let (_, gradients) = valueWithGradients { tape in
    model.loss(inputs: inputs, targets: targets, sequenceLength: 8, on: tape)
  }
  var generator = RandomGenerator(seed: 3)
  for (name, parameter) in model.namedParameters where parameter.role != .state {
    let gradient = try #require(gradients[parameter.id], "\(name)")
    // Part gradient, part noise of its length: a wrong direction shows as much as a wrong length.
    let length = Float(gradient.sumOfSquares.squareRoot())
    let noise = Tensor(normal: gradient.shape, using: &generator)
    let noiseLength = Float(noise.sumOfSquares.squareRoot())
    let direction: Tensor = gradient + noise * (length / noiseLength)
    let product: Tensor = gradient * direction
    let slope = product.sum
    // So small a step that no row chooses other experts, so large a one that the loss moves by 1e-3.
    let step = Float(min(1e-3 / max(abs(slope), 1e-9), 5e-3 / direction.sumOfSquares.squareRoot()))
    func moved(_ step: Float) -> Double {
      var other = model
      other.visitParameters(.root()) { _, visited in
        if visited.id == parameter.id { visited.value += direction * step }
      }
      return loss(other)
    }
    let found = (moved(step) - moved(-step)) / Double(2 * step)
    #expect(abs(found - slope) < 0.02 * abs(slope) + 4e-7 / Double(step), "\(name): \(found), not \(slope)")
  }
}

@Test func cachedDecodingWithOwnActivationFunction() throws {
  var model = try model(.nanoGPT(vocabularySize: 19, contextLength: 8, width: 16, layerCount: 1, headCount: 2))
  guard case .mlp(let named) = model.blocks[0].feedForward else { fatalError("NanoGPT has an MLP") }
  model.blocks[0].feedForward = .mlp(MLP(up: named.up, down: named.down, activation: { $0.silu() }))
  let tokens = Array(inputs.prefix(8))
  let whole = model.logits(for: tokens, sequenceLength: 8, on: Tape(recording: false)).value
  for threads in [1, 2] {
    let session = try #require(model.makeDecodingSession(DecodingOptions(threadCount: threads)))
    let single = tokens.map { session.append([[$0]])[0] }
    #expect(relativeDifference(single.flatMap { $0 }, whole.scalars) < 2e-5)
  }
}

@Test(arguments: mixtures) func cachedDecodingOfMixtures(configuration: DecoderConfiguration) throws {
  let model = try model(configuration)
  let session = try #require(model.makeDecodingSession(DecodingOptions()))
  let tokens = Array(inputs.prefix(8))
  let whole = model.logits(for: tokens, sequenceLength: 8, on: Tape(recording: false)).value
  let single = tokens.map { session.append([[$0]])[0] }
  #expect(relativeDifference(single.flatMap { $0 }, whole.scalars) < 2e-5)
  #expect(session.positions == [8])

  // In pieces, beside other texts, and on two threads: the same bits.
  for (first, threads) in [(8, 1), (5, 2), (1, 2)] {
    let options = DecodingOptions(textCount: 3, threadCount: threads)
    let session = try #require(model.makeDecodingSession(options))
    _ = session.append([[1], [], [2, 3]])
    session.restart(0)
    var logits = session.append([Array(tokens.prefix(first)), tokens, []])
    #expect(logits[0] == single[first - 1] && logits[1] == single[7] && logits[2].isEmpty)
    if first < 8 { logits = session.append([Array(tokens.dropFirst(first)), [], [5]]) }
    #expect(logits[0] == single[7])
    #expect(session.positions[..<2] == [8, 8])
  }
}

/// Rounded weights give what the rounded model gives; 8 bits are close to that.
@Test(arguments: [WeightFormat.bfloat16, .int8]) func weightsInFewerBits(format: WeightFormat) throws {
  let model = try model(mixtures[7])
  let tokens = Array(inputs.prefix(8))
  let exact = model.logits(for: tokens, sequenceLength: 8, on: Tape(recording: false)).value.scalars.suffix(19)
  let session = try #require(model.makeDecodingSession(DecodingOptions(weights: format)))
  let difference = relativeDifference(session.append([tokens])[0], Array(exact))
  #expect(difference < 0.03 && difference > 1e-5, "\(difference)")
}

@Test(arguments: mixtures) func mixturesAreSavedAndCounted(configuration: DecoderConfiguration) throws {
  let model = try model(configuration)
  #expect(configuration.parameterCount == model.parameterCount)
  let json = try JSONEncoder().encode(configuration)
  let read = try JSONDecoder().decode(DecoderConfiguration.self, from: json)
  #expect(read == configuration)
  var generator = RandomGenerator(seed: 8)
  var other = try Decoder(read, using: &generator)
  #expect(loss(other) != loss(model))
  try other.loadWeights(Safetensors.decode(Safetensors.encode(model.weights)))
  #expect(loss(other) == loss(model))
}

/// In half precision and with recomputed activations mixtures compute about the same.
@Test(arguments: mixtures) func mixturesInHalfPrecision(configuration: DecoderConfiguration) throws {
  let model = try model(configuration)
  let tape = Tape(precision: .bfloat16)
  let context = ForwardContext(tape: tape, sequenceLength: 8, checkpointsBlocks: true)
  let half = model.loss(inputs: inputs, targets: targets, in: context)
  #expect(abs(Double(half.value.scalar) - loss(model)) < 0.05)
  let gradients = tape.gradients(of: half)
  for (name, parameter) in model.namedParameters where parameter.role != .state {
    #expect(gradients[parameter.id]?.isFinite == true, "\(name)")
  }
}

@Test func residualProjectionsOfZeroMakeBlocksTheIdentity() throws {
  for feedForward in ["mlp", "swiGLU", "denseMoE", "sparseMoE"] {
    var recipe = ModelRecipe(.nanoGPT2)
    for (key, value) in [
      ("width", "16"), ("heads", "2"), ("layers", "2"), ("feedForward", feedForward), ("residualProjections", "zero"),
    ] { try recipe.set(key, to: value) }
    let model = try model(try recipe.configuration(vocabularySize: 19, contextLength: 8))
    var empty = model
    empty.blocks = []
    #expect(loss(model) == loss(empty), "\(feedForward)")
  }
}

/// The family's sizes and their partners, as they were when each was a type of its own.
@Test func sizesOfTheFamily() {
  let expected: [(FamilySize, Int, Int, Int)] = [
    (.tiny, 562_368, 424_128, 5),
    (.small, 3_645_440, 1_495_040, 15),
    (.medium, 10_015_680, 4_596_672, 20),
    (.large, 30_015_872, 8_339_840, 36),
  ]
  for (size, total, active, layers) in expected {
    let kimi = DecoderConfiguration.nanoKimiK2(size: size, vocabularySize: 4096, contextLength: 1024)
    #expect(kimi.parameterCount == total && kimi.activeParameterCount == active, "\(size)")
    #expect(DecoderConfiguration.nanoGPT2(besides: kimi).matchingParameters(of: kimi).layerCount == layers, "\(size)")
  }
}
