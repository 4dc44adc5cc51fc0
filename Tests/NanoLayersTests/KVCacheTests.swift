import NanoAutograd
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

/// What a layer gives when it is shown one row after the other.
private func decoded(
  _ input: Tensor, _ decode: (Variable, ForwardContext) -> Variable
) -> [Float] {
  let width = input.shape.width
  let tape = Tape(recording: false)
  return (0..<input.shape.rowCount).flatMap { row in
    let x = Tensor(Array(input.scalars[row * width..<(row + 1) * width]), shape: [1, width])
    return decode(tape.constant(x), ForwardContext(tape: tape, sequenceLength: 1)).value.scalars
  }
}

@Test(arguments: [nil, 7], [false, true])
func absorbedDecodingEqualsTheExpandedForm(queryRank: Int?, hasQueryKeyNorm: Bool) {
  var layer = smallLatentAttention(queryRank: queryRank, hasQueryKeyNorm: hasQueryKeyNorm)
  layer.queryKeyNorm?.query.gain.value = wave([10], phase: 1)
  layer.queryKeyNorm?.key.gain.value = wave([6], phase: 2)
  layer.queryKeyNorm?.sharedKey.gain.value = wave([4], phase: 3)
  let input = wave([12, 16], frequency: 1.7)
  let tape = Tape(recording: false)
  let expanded = layer(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 12)).value
  var cache = layer.makeCache(contextLength: 12)
  let absorbed = decoded(input) { layer.decode($0, cache: &cache, in: $1) }
  #expect(cache.count == 12)
  #expect(relativeDifference(absorbed, expanded.scalars) < 1e-5)
}

@Test func cachedAttentionEqualsTheWhole() {
  var generator = RandomGenerator(seed: 4)
  let layer = MultiHeadAttention(width: 12, .init(headCount: 3), using: &generator)
  let input = wave([7, 12], frequency: 1.7)
  let tape = Tape(recording: false)
  let whole = layer(tape.constant(input), in: ForwardContext(tape: tape, sequenceLength: 7)).value
  var cache = layer.makeCache(contextLength: 7)
  let cached = decoded(input) { layer.decode($0, cache: &cache, in: $1) }
  #expect(relativeDifference(cached, whole.scalars) < 1e-5)
}
