import NanoAutograd
import NanoLayers
import NanoTensor
import NanoTestSupport
import Testing

@Test(arguments: [nil, 7])
func absorbedDecodingEqualsTheExpandedForm(queryRank: Int?) {
  let layer = latentAttention(queryRank: queryRank)
  let input = wave([12, 16], frequency: 1.7)
  let tape = Tape(recording: false)
  let expanded = layer(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 12)).value
  var cache = LatentCache(layer.configuration)
  var absorbed: [Float] = []
  for row in 0..<12 {
    let x = Tensor(Array(input.scalars[row * 16..<(row + 1) * 16]), shape: [1, 16])
    absorbed +=
      layer.decode(
        tape.constant(x), cache: &cache, in: ForwardContext(tape: tape, sequenceLength: 1)
      ).value.scalars
  }
  #expect(cache.count == 12)
  #expect(relativeDifference(absorbed, expanded.scalars) < 1e-5)
}

@Test func cachedAttentionEqualsTheWhole() {
  var generator = RandomGenerator(seed: 4)
  let layer = CausalSelfAttention(.init(width: 12, headCount: 3), using: &generator)
  let input = wave([7, 12], frequency: 1.7)
  let tape = Tape(recording: false)
  let whole = layer(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 7)).value
  var cache = KeyValueCache(width: 12, contextLength: 7)
  var cached: [Float] = []
  for row in 0..<7 {
    let x = Tensor(Array(input.scalars[row * 12..<(row + 1) * 12]), shape: [1, 12])
    cached +=
      layer.decode(
        tape.constant(x), cache: &cache, in: ForwardContext(tape: tape, sequenceLength: 1)
      ).value.scalars
  }
  #expect(relativeDifference(cached, whole.scalars) < 1e-5)
}
