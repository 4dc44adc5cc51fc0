import NanoLayers
import NanoTensor
import NanoTestSupport
import Testing

@Test func attentionLayer() {
  var generator = RandomGenerator(seed: 3)
  let layer = CausalSelfAttention(.init(width: 8, headCount: 2, scale: 0.6), using: &generator)
  let worst = worstDifference(layer, input: wave([10, 8], frequency: 1.9), sequenceLength: 5) { x, p in
    let qkv = Reference.linear(x, p[0], nil, inputs: 8)
    let mixed = Reference.attention(qkv, length: 5, heads: 2, width: 4, scale: Double(Float(0.6)))
    return Reference.linear(mixed, p[1], p[2], inputs: 8)
  }
  #expect(worst < 1e-4)
}
