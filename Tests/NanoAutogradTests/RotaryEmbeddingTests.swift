import AutogradTestSupport
import NanoAutograd
import NanoTensor
import TensorTestSupport
import Testing

/// Widths of pairs one by one, in vectors, and both.
@Test(arguments: [RotaryEmbedding.Layout.interleaved, .halves], [6, 16, 38])
func rotaryEmbedding(layout: RotaryEmbedding.Layout, width: Int) {
  let rotary = RotaryEmbedding(width: width, positionCount: 8, base: 100, layout: layout)
  let check = GradientCheck([wave([10, width])]) { _, v in
    v[0].rotated(by: rotary, sequenceLength: 5)
  } reference: { x in
    Reference.rotated(x[0], width: width, length: 5, layout: layout)
  }
  #expect(check.worst < 1e-4)
}

@Test func rotatedProductsDependOnTheDistanceAlone() {
  let rotary = RotaryEmbedding(width: 8, positionCount: 64)
  let (q, k) = (wave([1, 8], phase: 0.4), wave([1, 8], phase: 2))
  func product(_ i: Int, _ j: Int) -> Float {
    func row(_ x: Tensor, at position: Int) -> [Float] {
      let tape = Tape(recording: false)
      let rows = Tensor(
        (0...position).flatMap { _ in x.scalars }, shape: [position + 1, 8])
      return Array(
        tape.constant(rows).rotated(by: rotary, sequenceLength: position + 1).value.scalars.suffix(8))
    }
    return zip(row(q, at: i), row(k, at: j)).reduce(0) { $0 + $1.0 * $1.1 }
  }
  #expect(abs(product(9, 4) - product(55, 50)) < 1e-5)
  #expect(abs(product(9, 4) - product(9, 5)) > 1e-3)
}
