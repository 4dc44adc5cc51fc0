import AutogradTestSupport
import NanoLayers
import NanoTensor
import TensorTestSupport
import Testing

@Test func attentionLayer() {
  var generator = RandomGenerator(seed: 3)
  let layer = MultiHeadAttention(
    headCount: 2, queryKeyValue: Linear(inputs: 8, outputs: 24, hasBias: false, using: &generator),
    projection: Linear(inputs: 8, outputs: 8, using: &generator), scale: 0.6)
  let worst = worstDifference(layer, input: wave([10, 8], frequency: 1.9), sequenceLength: 5) { x, p in
    let qkv = Reference.linear(x, p[0], nil, inputs: 8)
    let mixed = Reference.attention(qkv, length: 5, heads: 2, width: 4, scale: Double(Float(0.6)))
    return Reference.linear(mixed, p[1], p[2], inputs: 8)
  }
  #expect(worst < 1e-4)
}

/// Queries and keys of every head normalized, then turned by their positions, all written plainly in Double.
@Test(arguments: [RotaryEmbedding.Layout.interleaved, .halves])
func rotaryAttentionWithQueryKeyNorm(layout: RotaryEmbedding.Layout) {
  var generator = RandomGenerator(seed: 3)
  let (heads, headWidth, length) = (2, 4, 5)
  let width = heads * headWidth
  let layer = MultiHeadAttention(
    headCount: heads, queryKeyValue: Linear(inputs: width, outputs: 3 * width, using: &generator),
    projection: Linear(inputs: width, outputs: width, using: &generator),
    rotary: RotaryEmbedding(width: headWidth, positionCount: length, base: 100, layout: layout),
    queryKeyNorm: .init(
      query: RMSNorm(gain: wave([headWidth], phase: 1)), key: RMSNorm(gain: wave([headWidth], phase: 2))))
  let worst = worstDifference(layer, input: wave([10, width], frequency: 1.9), sequenceLength: length) { x, p in
    var qkv = Reference.linear(x, p[0], p[1], inputs: width)
    for row in 0..<10 {
      for part in 0..<2 {
        for head in 0..<heads {
          let start = row * 3 * width + part * width + head * headWidth
          var vector = Array(qkv[start..<start + headWidth])
          let meanSquare = vector.reduce(0) { $0 + $1 * $1 } / Double(headWidth)
          for channel in 0..<headWidth { vector[channel] *= p[2 + part][channel] / (meanSquare + 1e-6).squareRoot() }
          // Rows of zeros before it stand in for its position.
          let padded = [Double](repeating: 0, count: row % length * headWidth) + vector
          let turned = Reference.rotated(padded, width: headWidth, length: length, layout: layout)
          qkv.replaceSubrange(start..<start + headWidth, with: turned.suffix(headWidth))
        }
      }
    }
    let mixed = Reference.attention(qkv, length: length, heads: heads, width: headWidth, scale: 0.5)
    return Reference.linear(mixed, p[4], p[5], inputs: width)
  }
  #expect(worst < 3e-4)
}
