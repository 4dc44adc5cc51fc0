import NanoLayers
import NanoTensor
import NanoTestSupport
import Testing

@Test func decoderBlock() {
  var generator = RandomGenerator(seed: 5)
  let block = DecoderBlock(
    attentionNorm: LayerNorm(width: 6),
    attention: CausalSelfAttention(.init(width: 6, headCount: 2, scale: 0.5), using: &generator),
    mixerNorm: LayerNorm(width: 6),
    mixer: MoELayer(.init(modelWidth: 6, expertWidth: 5, expertCount: 3), using: &generator))
  let worst = worstDifference(block, input: wave([6, 6], frequency: 2.3), sequenceLength: 3) { x, p in
    let normed = Reference.layerNorm(x, p[0], p[1])
    let qkv = Reference.linear(normed, p[2], nil, inputs: 6)
    let mixed = Reference.attention(qkv, length: 3, heads: 2, width: 3, scale: 0.5)
    let attended = zip(x, Reference.linear(mixed, p[3], p[4], inputs: 6)).map(+)
    let experts = referenceMixture(Reference.layerNorm(attended, p[5], p[6]), Array(p[7...]))
    return zip(attended, experts).map(+)
  }
  #expect(worst < 3e-4)
}
