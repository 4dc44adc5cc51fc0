import AutogradTestSupport
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTensor
import TensorTestSupport
import Testing

@Test func decoderBlock() {
  var generator = RandomGenerator(seed: 5)
  let block = DecoderBlock(
    attentionNorm: .layerNorm(LayerNorm(width: 6)),
    attention: .multiHead(
      MultiHeadAttention(
        headCount: 2, queryKeyValue: Linear(inputs: 6, outputs: 18, hasBias: false, using: &generator),
        projection: Linear(inputs: 6, outputs: 6, using: &generator), scale: 0.5)),
    feedForwardNorm: .layerNorm(LayerNorm(width: 6)),
    feedForward: .mlp(MLP(width: 6, hiddenWidth: 9, activation: .reluSquared, using: &generator)))
  let input = Parameter(wave([6, 6], frequency: 2.3), role: .gain)
  let check = GradientCheck([input] + block.namedParameters.map(\.parameter)) { tape in
    block(tape.variable(input), in: ForwardContext(tape: tape, sequenceLength: 3))
  } reference: { p in
    let normed = Reference.layerNorm(p[0], p[1], p[2])
    let qkv = Reference.linear(normed, p[3], nil, inputs: 6)
    let mixed = Reference.attention(qkv, length: 3, heads: 2, width: 3, scale: 0.5)
    let attended = zip(p[0], Reference.linear(mixed, p[4], p[5], inputs: 6)).map(+)
    let hidden = Reference.linear(Reference.layerNorm(attended, p[6], p[7]), p[8], p[9], inputs: 6)
    let squared = hidden.map { $0 > 0 ? $0 * $0 : 0 }
    return zip(attended, Reference.linear(squared, p[10], p[11], inputs: 9)).map(+)
  }
  #expect(check.worst < 3e-4)
}
