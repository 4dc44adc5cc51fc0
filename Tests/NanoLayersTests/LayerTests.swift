import NanoAutograd
import NanoLayers
import NanoTensor
import NanoTestSupport
import Testing

/// Checks a layer's result and all its gradients, with the parameters as further inputs of the reference.
private func check(
  _ layer: some Layer, input: Tensor, sequenceLength: Int,
  reference: (_ input: [Double], _ parameters: [[Double]]) -> [Double]
) -> Double {
  let input = Parameter(input, role: .gain)
  let parameters = [input] + layer.namedParameters.map(\.parameter)
  return GradientCheck(parameters) { tape in
    layer(tape.variable(input), in: ForwardContext(tape: tape, sequenceLength: sequenceLength))
  } reference: {
    reference($0[0], Array($0.dropFirst()))
  }.worst
}

@Test func linearLayer() {
  var generator = RandomGenerator(seed: 1)
  let layer = Linear(inputs: 6, outputs: 9, using: &generator)
  let worst = check(layer, input: wave([4, 6]), sequenceLength: 4) { x, p in
    Reference.linear(x, p[0], p[1], inputs: 6)
  }
  #expect(worst < 1e-4)
}

@Test func feedForwardLayer() {
  var generator = RandomGenerator(seed: 2)
  let layer = FeedForward(width: 6, hiddenWidth: 24, using: &generator)
  let worst = check(layer, input: wave([4, 6]), sequenceLength: 4) { x, p in
    let hidden = Reference.linear(x, p[0], p[1], inputs: 6).map { max($0, 0) }
    return Reference.linear(hidden, p[2], p[3], inputs: 24)
  }
  #expect(worst < 1e-4)
}

@Test func layerNormLayer() {
  let worst = check(LayerNorm(width: 8), input: wave([3, 8]), sequenceLength: 3) { x, p in
    Reference.layerNorm(x, p[0], p[1])
  }
  #expect(worst < 1e-4)
}

@Test func attentionLayer() {
  var generator = RandomGenerator(seed: 3)
  let layer = CausalSelfAttention(.init(width: 8, headCount: 2, scale: 0.6), using: &generator)
  let worst = check(layer, input: wave([10, 8], frequency: 1.9), sequenceLength: 5) { x, p in
    let qkv = Reference.linear(x, p[0], nil, inputs: 8)
    let mixed = Reference.attention(qkv, length: 5, heads: 2, width: 4, scale: Double(Float(0.6)))
    return Reference.linear(mixed, p[1], p[2], inputs: 8)
  }
  #expect(worst < 1e-4)
}

private func mixture(_ x: [Double], _ p: [[Double]]) -> [Double] {
  let gates = Reference.softmax(Reference.linear(x, p[0], p[1], inputs: 6), width: 3)
  let hidden = Reference.swiGLU(Reference.linear(x, p[2], p[3], inputs: 6), width: 5)
  return Reference.mixture(hidden, gates, p[4], p[5], experts: 3, inputs: 5)
}

@Test func mixtureLayer() {
  var generator = RandomGenerator(seed: 4)
  let layer = MoELayer(.init(modelWidth: 6, expertWidth: 5, expertCount: 3), using: &generator)
  #expect(check(layer, input: wave([4, 6]), sequenceLength: 4, reference: mixture) < 1e-4)
}

@Test func gateProbabilitiesSumToOne() {
  var generator = RandomGenerator(seed: 4)
  let layer = MoELayer(.init(modelWidth: 6, expertWidth: 5, expertCount: 3), using: &generator)
  let tape = Tape(recording: false)
  let gates = layer.gateProbabilities(
    tape.constant(wave([4, 6])), in: ForwardContext(tape: tape, sequenceLength: 4)
  ).value.scalars
  for row in 0..<4 { #expect(abs(gates[row * 3..<row * 3 + 3].reduce(0, +) - 1) < 1e-6) }
}

@Test func decoderBlock() {
  var generator = RandomGenerator(seed: 5)
  let block = DecoderBlock(
    attentionNorm: LayerNorm(width: 6),
    attention: CausalSelfAttention(.init(width: 6, headCount: 2, scale: 0.5), using: &generator),
    mixerNorm: LayerNorm(width: 6),
    mixer: MoELayer(.init(modelWidth: 6, expertWidth: 5, expertCount: 3), using: &generator))
  let worst = check(block, input: wave([6, 6], frequency: 2.3), sequenceLength: 3) { x, p in
    let normed = Reference.layerNorm(x, p[0], p[1])
    let qkv = Reference.linear(normed, p[2], nil, inputs: 6)
    let mixed = Reference.attention(qkv, length: 3, heads: 2, width: 3, scale: 0.5)
    let attended = zip(x, Reference.linear(mixed, p[3], p[4], inputs: 6)).map(+)
    let experts = mixture(Reference.layerNorm(attended, p[5], p[6]), Array(p[7...]))
    return zip(attended, experts).map(+)
  }
  #expect(worst < 3e-4)
}

@Test func embeddingLayer() {
  var generator = RandomGenerator(seed: 6)
  let layer = Embedding(count: 5, width: 3, using: &generator)
  let tape = Tape(recording: false)
  let rows = layer([4, 1], in: ForwardContext(tape: tape, sequenceLength: 2)).value.scalars
  let table = layer.table.value.scalars
  #expect(rows == Array(table[12..<15]) + Array(table[3..<6]))
}
